// octavo/kernels/expand_depthwise_levels.hpp: the fused kernel on every level, and how a layer call picks one.
#ifndef OCTAVO_KERNELS_EXPAND_DEPTHWISE_LEVELS_HPP_
#define OCTAVO_KERNELS_EXPAND_DEPTHWISE_LEVELS_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "depthwise_levels.hpp"
#include "expand_depthwise_call.hpp"
#include "gemm_levels.hpp"
#include "x86/expand_depthwise_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Levels without a fused kernel of their own, and output stages that those do not have: the level's two kernels in
// turn, on bands of rows. Row r of the expanded image stands in row r % rows of the ring.
template <Isa Level>
struct ExpandDepthwise {
  static void run(const ExpandDepthwiseCall& call) {
    const ConvGeometry& g = *call.depthwise;
    const RowRing ring = plan_rows(g);
    const std::int64_t rows_a_unit = g.window.stride_h == 1 ? 2 : 1;
    const std::int64_t y_end = std::min(g.out_h, call.unit_end * rows_a_unit);
    DepthwiseCall depthwise;
    depthwise.geometry = &g;
    depthwise.weights = call.depthwise_weights;
    depthwise.in = reinterpret_cast<const std::uint8_t*>(call.ring);
    depthwise.ring_rows = ring.rows;
    depthwise.zero_row = call.zero_row;
    depthwise.start = call.depthwise_start;
    depthwise.sink = call.depthwise_sink;
    depthwise.start_quads = call.start_quads;
    depthwise.scale_quads = call.scale_quads;
    depthwise.channel_begin = call.channel_begin;
    depthwise.channel_end = call.channel_end;
    std::int64_t ready = 0;
    for (std::int64_t y = call.unit_begin * rows_a_unit; y < y_end; y += ring.band) {
      depthwise.y_begin = y;
      depthwise.y_end = std::min(y_end, y + ring.band);
      const std::int64_t top = y * g.window.stride_h - g.window.pad_top;
      const std::int64_t bottom = (depthwise.y_end - 1) * g.window.stride_h - g.window.pad_top + 3;
      ready = std::max(ready, top);
      for (const std::int64_t until = std::min(bottom, g.in_h); ready < until;) {
        const std::int64_t place = ready % ring.rows;
        const std::int64_t count = std::min(until - ready, ring.rows - place);
        expand(call, ready, count,
               reinterpret_cast<std::uint8_t*>(call.ring) + place * g.in_w * g.in_c);
        ready += count;
      }
      depthwise.out = call.out + y * g.out_w * g.out_c;
      Depthwise<Level>::run(depthwise);
    }
  }

 private:
  // Rows [y, y + count) of the expanded image.
  static void expand(const ExpandDepthwiseCall& call, std::int64_t y, std::int64_t count, std::uint8_t* to) {
    const ConvGeometry& g = *call.expand;
    const std::uint8_t* const in = call.in + y * g.in_w * g.in_c;
    GemmCall gemm;
    gemm.segment = &in;
    gemm.quads = g.in_c / 4;
    gemm.length = g.in_c;
    gemm.row_stride = g.in_c;
    gemm.rows = count * g.in_w;
    gemm.weights = call.expand_weights;
    gemm.channel_begin = call.channel_begin;
    gemm.channel_end = call.channel_end;
    gemm.start = call.expand_start;
    gemm.sink = call.expand_sink;
    gemm.out = to;
    gemm.out_stride = g.out_c;
    Gemm<Level>::run(gemm);
  }
};

using ExpandDepthwiseFunction = void (*)(const ExpandDepthwiseCall&);

// What a layer call runs, and of how many channels its parts begin at a multiple.
struct ExpandDepthwiseKernel {
  ExpandDepthwiseFunction run = nullptr;
  std::int64_t channels = kChannelBlock;
  std::string_view name;
};

// `fast`: both output stages are of kind fast_codes.
template <Isa Level>
struct SelectExpandDepthwise {
  static ExpandDepthwiseKernel run([[maybe_unused]] bool fast) {
#if OCTAVO_X86
    if constexpr (Level == Isa::avx512vnni)
      if (fast) return {&ExpandDepthwiseAvx512::run, 32, "expand_depthwise_avx512vnni"};
#endif
    return {&ExpandDepthwise<Level>::run, kChannelBlock, "expand_depthwise"};
  }
};
template <class Lazy = void>
ExpandDepthwiseKernel expand_depthwise_level(bool fast) {
  return dispatch<SelectExpandDepthwise>(fast);
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::ExpandDepthwiseKernel octavo::detail::expand_depthwise_level<void>(bool));

#endif  // OCTAVO_KERNELS_EXPAND_DEPTHWISE_LEVELS_HPP_
