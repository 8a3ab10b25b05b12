// tests/unit/core_parallel_test.cpp: parallel_for's ranges, its order and its exceptions.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <octavo/core/parallel.hpp>
#include <stdexcept>
#include <string>
#include <thread>
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

TEST_CASE("a loop inside a loop runs in its thread, with the same parts") {
  std::vector<int> inner(12, 0);
  oc::parallel_for(3, 3, [&](std::int64_t outer, std::int64_t, int) {
    const auto thread = std::this_thread::get_id();
    oc::parallel_for(4, 4, [&](std::int64_t begin, std::int64_t end, int part) {
      CHECK(std::this_thread::get_id() == thread);
      CHECK(end == begin + 1);
      inner[static_cast<std::size_t>(4 * outer + begin)] = part + 1;
    });
  });
  CHECK(inner == std::vector<int>{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4});
}

TEST_CASE("helpers survive a failing loop, and a failing loop inside a loop arrives outside") {
  for (int round = 0; round < 50; ++round) {
    CHECK_THROWS_AS(oc::parallel_for(4, 4,
                                     [&](std::int64_t, std::int64_t, int part) {
                                       oc::parallel_for(2, 2, [&](std::int64_t, std::int64_t, int inner) {
                                         if (part == 2 && inner == 1) throw std::runtime_error("inner");
                                       });
                                     }),
                    std::runtime_error);
    std::atomic<int> parts{0};
    oc::parallel_for(4, 4, [&](std::int64_t, std::int64_t, int) { ++parts; });
    CHECK(parts == 4);
  }
}

TEST_CASE("several threads run loops at the same time, after pauses too, and end") {
  std::vector<std::int64_t> sums(4, 0);
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < sums.size(); ++caller)
    callers.emplace_back([&sums, caller] {
      std::vector<std::int64_t> values(1000, 0);
      for (int round = 0; round < 200; ++round) {
        if (round % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // helpers fall asleep
        oc::parallel_for(1000, 1 + round % 5, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] += i;
        });
      }
      for (const std::int64_t value : values) sums[caller] += value;
    });
  for (std::thread& caller : callers) caller.join();
  for (const std::int64_t sum : sums) CHECK(sum == 200 * 999 * 1000 / 2);
}
