// octavo/core/parallel.hpp: one loop over threads. OpenMP where the file is compiled with it, otherwise std::thread.
//
// The work is cut into contiguous ranges whose borders depend on `n` and `threads` only, so a reduction that adds the
// ranges' results in order is reproducible for a given thread count.
#ifndef OCTAVO_CORE_PARALLEL_HPP_
#define OCTAVO_CORE_PARALLEL_HPP_

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "../config.hpp"
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

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
template <class Body>
void parallel_for(std::int64_t n, int threads, Body&& body);

namespace detail {

// The loop without its type: each loop of the library instantiates two lines, not the threads' machinery.
using RangeFunction = void (*)(void* body, std::int64_t begin, std::int64_t end, int part);

__attribute__((noinline)) inline void run_ranges(std::int64_t n, int threads, RangeFunction function, void* body) {
  const int parts = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), n));
  if (parts <= 0) return;
  if (parts == 1) return function(body, 0, n, 0);
  std::mutex guard;  // taken on failure only
  std::exception_ptr error;
  int failed_part = parts;
  const auto run_part = [&](int part) noexcept {
    try {
      function(body, n * part / parts, n * (part + 1) / parts, part);
    } catch (...) {
      const std::lock_guard lock(guard);
      if (part < failed_part) error = std::current_exception(), failed_part = part;
    }
  };
#if defined(_OPENMP)
#pragma omp parallel for num_threads(parts) schedule(static, 1)
  for (int part = 0; part < parts; ++part) run_part(part);
#else
  std::vector<std::thread> team;
  team.reserve(static_cast<std::size_t>(parts) - 1);
  for (int part = 1; part < parts; ++part) team.emplace_back(run_part, part);
  run_part(0);
  for (std::thread& member : team) member.join();
#endif
  if (error) std::rethrow_exception(error);
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
