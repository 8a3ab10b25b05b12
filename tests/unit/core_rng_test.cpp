// tests/unit/core_rng_test.cpp: Rng gives the published sequence, and its distributions have their moments.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <octavo/core/rng.hpp>
#include <vector>

namespace oc = octavo;

TEST_CASE("the sequence is SplitMix64's") {
  // The outputs for seed 1234567 that implementations of SplitMix64 are commonly checked with.
  oc::Rng rng(1234567);
  for (const std::uint64_t expected : {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                       4593380528125082431ULL, 16408922859458223821ULL})
    CHECK(rng() == expected);
}

TEST_CASE("the state restores the stream, and forks are streams of their own") {
  oc::Rng rng(7);
  rng();
  oc::Rng other;
  other.set_state(rng.state());
  CHECK(rng() == other());
  const oc::Rng parent(7);
  oc::Rng first = parent.fork(1), again = parent.fork(1), second = parent.fork(2);
  const std::uint64_t value = first();
  CHECK(value == again());
  CHECK(value != second());
}

TEST_CASE("uniform, normal and below have the right range and moments") {
  oc::Rng rng(42);
  constexpr int n = 200000;
  double sum = 0, sum_normal = 0, squares_normal = 0;
  std::array<int, 5> counts{};
  for (int i = 0; i < n; ++i) {
    const float u = rng.uniform(-2.0F, 6.0F);
    REQUIRE(u >= -2.0F);
    REQUIRE(u < 6.0F);
    sum += u;
    const float z = rng.normal();
    REQUIRE(std::isfinite(z));
    sum_normal += z;
    squares_normal += z * z;
    ++counts[rng.below(counts.size())];
  }
  // Five standard errors each.
  CHECK(std::abs(sum / n - 2.0) < 5 * (8.0 / std::sqrt(12.0)) / std::sqrt(n));
  CHECK(std::abs(sum_normal / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares_normal / n - 1.0) < 5 * std::sqrt(2.0 / n));
  for (const int count : counts) CHECK(std::abs(count - n / 5.0) < 5 * std::sqrt(n * 0.2 * 0.8));
}

TEST_CASE("shuffle permutes, the same way for the same seed") {
  std::vector<int> values(100);
  std::iota(values.begin(), values.end(), 0);
  const std::vector<int> sorted = values;
  std::vector<int> same = values;
  oc::Rng(3).shuffle(values.begin(), values.end());
  oc::Rng(3).shuffle(same.begin(), same.end());
  CHECK(values == same);
  CHECK(values != sorted);
  std::sort(values.begin(), values.end());
  CHECK(values == sorted);
}
