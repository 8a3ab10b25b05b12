// octavo/core/parallel.hpp: one loop over threads.
//
// The work is cut into contiguous ranges whose borders depend on `n` and `threads` only, so a reduction that adds the
// ranges' results in order is reproducible for a given thread count.
#ifndef OCTAVO_CORE_PARALLEL_HPP_
#define OCTAVO_CORE_PARALLEL_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "error.hpp"
#include "team.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// More threads than this are taken for a mistake: kernels keep memory for each.
inline constexpr int kMaxThreads = 1024;

// Throws unless `threads` is 0 (all) to kMaxThreads.
inline void require_threads(int threads) {
  require(threads >= 0 && threads <= kMaxThreads, "threads: expected 0 (all) to ", kMaxThreads, ", found ", threads);
}

// The machine's processors; OMP_NUM_THREADS lowers it where OpenMP is compiled in. At least 1.
inline int default_threads() {
#if defined(_OPENMP)
  return std::max(1, omp_get_max_threads());
#else
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#endif
}

// Calls body(begin, end, part) for `parts` = min(threads, n) contiguous ranges that cover [0, n), part = 0.. in order
// of begin; all have returned when this returns. threads < 1 counts as 1. The first exception (by part) is rethrown.
// Parts run at the same time where helpers are free, else in turn; the caller does part 0 first. Any number of threads
// may call it at once: each has helpers of its own (team.hpp), made by its first loops and kept until it ends. Inside a
// body, the parts of a further loop run one after the other.
template <class Body>
void parallel_for(std::int64_t n, int threads, Body&& body);

namespace detail {

// The loop without its type: each loop of the library instantiates two lines, not the threads' machinery.
__attribute__((noinline)) inline void run_ranges(std::int64_t n, int threads, RangeFunction function, void* body) {
  const int parts = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), n));
  if (parts <= 0) return;
  if (parts == 1) return function(body, 0, n, 0);
  Loop loop(n, parts, function, body);
  if (loops_run_in_turn) {
    loop.serve(0);
  } else {
    Team& team = own_team();
    loops_run_in_turn = true;
    try {
      team.run(loop, parts);
    } catch (...) {  // no memory for a helper: nothing has run
      loops_run_in_turn = false;
      throw;
    }
    loops_run_in_turn = false;
  }
  loop.rethrow();
}

}  // namespace detail

template <class Body>
void parallel_for(std::int64_t n, int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::run_ranges(
      n, threads,
      [](void* erased, std::int64_t begin, std::int64_t end, int part) {
        (*static_cast<Plain*>(erased))(begin, end, part);
      },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_PARALLEL_HPP_
