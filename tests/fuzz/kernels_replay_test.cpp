// The int8 kernels at every level against the reference: random calls, a replay of what kernels_fuzz.cpp does at
// length.
#include <doctest/doctest.h>

#include <cstdio>
#include <vector>

#include "kernels_target.hpp"

TEST_CASE("random kernel calls: each level gives the reference's bytes") {
  octavo::Rng rng(99);
  int cases = 0, refused = 0;
  for (int i = 0; i < 10000; ++i) {
    std::vector<std::uint8_t> bytes(rng.below(64));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
    const int levels = fuzz::kernel_call(bytes);
    CAPTURE(i);
    REQUIRE(levels >= 0);
    cases += levels;
    refused += levels == 0 ? 1 : 0;
  }
  std::printf("random kernel calls: %d cases, %d calls refused\n", cases, refused);
  CHECK(cases > 8000 * static_cast<int>(int8_test::levels().size()));
  CHECK(refused > 0);
}
