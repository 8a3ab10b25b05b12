// tests/unit/core_parallel_test.cpp: parallel_for's ranges, its order and its exceptions.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <octavo/core/parallel.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace oc = octavo;

TEST_CASE("the parts cover the range once, in order, and depend on n and threads only") {
  for (const std::int64_t n : {0, 1, 2, 5, 7, 64, 1001})
    for (const int threads : {-1, 0, 1, 2, 3, 8}) {
      CAPTURE(n);
      CAPTURE(threads);
      const std::int64_t expected_parts = std::min<std::int64_t>(std::max(threads, 1), n);
      std::vector<std::pair<std::int64_t, std::int64_t>> ranges(static_cast<std::size_t>(expected_parts), {-1, -1});
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
      std::atomic<int> calls{0};
      oc::parallel_for(n, threads, [&](std::int64_t begin, std::int64_t end, int part) {
        ++calls;
        ranges[static_cast<std::size_t>(part)] = {begin, end};
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      CHECK(calls == expected_parts);
      for (const auto& visit : visits) CHECK(visit == 1);
      std::int64_t at = 0;
      for (const auto& [begin, end] : ranges) {
        CHECK(begin == at);
        CHECK(end > begin);
        at = end;
      }
      CHECK(at == n);
    }
}

TEST_CASE("the exception of the first failing part arrives, after all parts have returned") {
  std::atomic<int> returned{0};
  std::string text;
  try {
    oc::parallel_for(8, 8, [&](std::int64_t, std::int64_t, int part) {
      ++returned;
      if (part == 3 || part == 6) throw std::runtime_error("part " + std::to_string(part));
    });
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  CHECK(text == "part 3");
  CHECK(returned == 8);
}

TEST_CASE("one thread runs in the caller") {
  const auto caller = std::this_thread::get_id();
  oc::parallel_for(10, 1, [&](std::int64_t begin, std::int64_t end, int part) {
    CHECK(std::this_thread::get_id() == caller);
    CHECK(begin == 0);
    CHECK(end == 10);
    CHECK(part == 0);
  });
  CHECK(oc::default_threads() >= 1);
}
