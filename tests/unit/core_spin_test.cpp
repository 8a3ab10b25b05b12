// OCTAVO_SPIN_US: how long threads spin after a loop.
// Alone: it is read once.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <octavo/core/parallel.hpp>
#include <thread>

namespace oc = octavo;

namespace {

double processor_milliseconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST_CASE("OCTAVO_SPIN_US: nonsense is an error, and 0 lets threads sleep at once") {
  const auto loop = [] { oc::parallel_for(2, 2, [](std::int64_t, std::int64_t, int) {}); };
  for (const char* nonsense : {"", "soon", "-1", "5ms", "1000001"}) {
    setenv("OCTAVO_SPIN_US", nonsense, 1);
    CHECK_THROWS_WITH_AS(loop(), doctest::Contains("OCTAVO_SPIN_US: expected microseconds from 0 to 1000000, found"),
                         oc::Error);
  }
  setenv("OCTAVO_SPIN_US", "0", 1);
  loop();
  // A helper that spun for 5 ms after each of these would take 50 ms of a processor's time, or all that it gets.
  const double before = processor_milliseconds();
  for (int i = 0; i < 10; ++i) {
    loop();
    std::this_thread::sleep_for(std::chrono::milliseconds(8));
  }
  CHECK(processor_milliseconds() - before < 15.0);
}
