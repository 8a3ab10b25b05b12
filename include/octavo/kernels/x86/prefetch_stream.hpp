// octavo/kernels/x86/prefetch_stream.hpp: hands out the lines that a matrix product should prefetch, a few at a time.
#ifndef OCTAVO_KERNELS_X86_PREFETCH_STREAM_HPP_
#define OCTAVO_KERNELS_X86_PREFETCH_STREAM_HPP_

#include <algorithm>
#include <cstdint>

#include "../reference/gemm_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The rows of a tile are too many streams for the hardware's prefetchers, so a tile issues one prefetch a step in depth
// for what the next block reads: evenly spread, they cost next to nothing and hide the memory's latency.
class PrefetchStream {
 public:
  struct Lines {
    const char* first;  // always a valid address
    std::int64_t step;  // bytes from one to the next; 0 when nothing is left
  };

  explicit PrefetchStream(const GemmBlockF32& g) : nothing_(reinterpret_cast<const char*>(g.a)) {
    for (int s = 0; s < 2; ++s) {
      next_[s] = reinterpret_cast<const char*>(g.ahead[s].begin);
      lines_[s] = g.ahead[s].floats / kFloats;
    }
  }

  // The packed panel behind the one that begins at column j, where these come from far away.
  void aim_behind(const GemmBlockF32& g, std::int64_t j, std::int64_t panel_columns) {
    if (!g.far || j + panel_columns >= g.columns) return;
    next_[0] = reinterpret_cast<const char*>(g.b + (j / panel_columns + 1) * g.b_panel);
    lines_[0] = g.depth * panel_columns / kFloats;
  }

  // At most `count` lines of the first stretch that is not used up.
  Lines take(std::int64_t count) {
    const int s = lines_[0] > 0 ? 0 : 1;
    if (lines_[s] < count) {  // the last few lines of a stretch are left to the hardware
      lines_[s] = 0;
      return {nothing_, 0};
    }
    const char* first = next_[s];
    next_[s] += count * kFloats * 4;
    lines_[s] -= count;
    return {first, kFloats * 4};
  }

 private:
  static constexpr std::int64_t kFloats = 16;
  const char* nothing_;
  const char* next_[2];
  std::int64_t lines_[2];
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_X86_PREFETCH_STREAM_HPP_
