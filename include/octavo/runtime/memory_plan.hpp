// octavo/runtime/memory_plan.hpp: places buffers with known lifetimes into one block of memory.
#ifndef OCTAVO_RUNTIME_MEMORY_PLAN_HPP_
#define OCTAVO_RUNTIME_MEMORY_PLAN_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "../core/aligned.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// A buffer in use from step `first` to step `last`, both included.
struct BufferLife {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offset;  // of each buffer; multiples of kAlignment
  std::size_t bytes = 0;            // the whole block
};

// Buffers whose lives overlap do not overlap in memory. The largest is placed first (ties: the earlier one), each into
// the smallest gap between those already placed that it fits into, or after them: best fit by lifetime.
// n buffers take O(n^2 log n) steps. Buffers without bytes get offset 0.
template <class Lazy = void>
[[nodiscard]] MemoryPlan plan_memory(const std::vector<BufferLife>& buffers) {
  const auto rounded = [&](std::size_t i) { return (buffers[i].bytes + kAlignment - 1) / kAlignment * kAlignment; };
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  MemoryPlan plan;
  plan.offset.assign(buffers.size(), 0);
  std::vector<std::size_t> placed;  // indices, by rising offset
  for (const std::size_t i : order) {
    const std::size_t size = rounded(i);
    if (size == 0) continue;
    std::size_t gap_begin = 0;
    std::size_t best = 0;
    std::size_t best_gap = SIZE_MAX;
    for (const std::size_t other : placed) {
      if (buffers[other].last < buffers[i].first || buffers[i].last < buffers[other].first) continue;
      if (plan.offset[other] > gap_begin) {
        const std::size_t gap = plan.offset[other] - gap_begin;
        if (gap >= size && gap < best_gap) best = gap_begin, best_gap = gap;
      }
      gap_begin = std::max(gap_begin, plan.offset[other] + rounded(other));
    }
    plan.offset[i] = best_gap == SIZE_MAX ? gap_begin : best;
    plan.bytes = std::max(plan.bytes, plan.offset[i] + size);
    const auto above = [&](std::size_t offset, std::size_t other) { return offset < plan.offset[other]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), plan.offset[i], above), i);
  }
  return plan;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_MEMORY_PLAN_HPP_
