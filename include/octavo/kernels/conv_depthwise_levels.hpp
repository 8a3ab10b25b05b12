// octavo/kernels/conv_depthwise_levels.hpp: the fused kernel on every level, and how a layer call picks one.
#ifndef OCTAVO_KERNELS_CONV_DEPTHWISE_LEVELS_HPP_
#define OCTAVO_KERNELS_CONV_DEPTHWISE_LEVELS_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "conv_depthwise_call.hpp"
#include "depthwise_levels.hpp"
#include "gemm_levels.hpp"
#include "x86/conv_depthwise_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Levels without a fused kernel of their own, and output stages that those do not have: the level's two kernels in
// turn, on bands of rows, all channels.
template <Isa Level>
struct ConvDepthwise {
  static void run(const ConvDepthwiseCall& call) {
    const ConvGeometry& g = *call.depthwise;
    const RowRing ring = plan_rows(g);
    auto* const rows = reinterpret_cast<std::uint8_t*>(call.scratch);
    DepthwiseCall depthwise;
    depthwise.geometry = &g;
    depthwise.weights = call.depthwise_weights;
    depthwise.in = rows;
    depthwise.ring_rows = ring.rows;
    depthwise.zero_row = call.zero_row;
    depthwise.start = call.depthwise_start;
    depthwise.sink = call.depthwise_sink;
    depthwise.start_quads = call.start_quads;
    depthwise.scale_quads = call.scale_quads;
    depthwise.channel_end = g.out_c;
    const std::int64_t rows_a_unit = g.window.stride_h == 1 ? 2 : 1;
    const std::int64_t y_end = std::min(g.out_h, call.unit_end * rows_a_unit);
    std::int64_t ready = 0;
    for (std::int64_t y = call.unit_begin * rows_a_unit; y < y_end; y += ring.band) {
      depthwise.y_begin = y;
      depthwise.y_end = std::min(y_end, y + ring.band);
      ready = std::max(ready, y * g.window.stride_h - g.window.pad_top);
      const std::int64_t bottom = (depthwise.y_end - 1) * g.window.stride_h - g.window.pad_top + 3;
      for (; ready < std::min(bottom, g.in_h); ++ready)
        call.front->run_row(&Gemm<Level>::run, call.in, call.front_zero_row, call.front_start, call.front_sink,
                            rows + ready % ring.rows * ring.row_bytes, ready, call.scratch + ring.bytes());
      depthwise.out = call.out + y * g.out_w * g.out_c;
      Depthwise<Level>::run(depthwise);
    }
  }
};

// What a layer call runs, and of how many channels its parts begin at a multiple; 0: each part has all of them.
struct ConvDepthwiseKernel {
  void (*run)(const ConvDepthwiseCall&) = nullptr;
  std::int64_t channels = 0;
  std::string_view name;
};

// `fast`: both output stages are of kind fast_codes.
template <Isa Level>
struct SelectConvDepthwise {
  static ConvDepthwiseKernel run([[maybe_unused]] bool fast) {
#if OCTAVO_X86
    if constexpr (Level == Isa::avx512vnni)
      if (fast) return {&ConvDepthwiseAvx512::run, 32, "conv_depthwise_avx512vnni"};
#endif
    return {&ConvDepthwise<Level>::run, 0, "conv_depthwise"};
  }
};
template <class Lazy = void>
ConvDepthwiseKernel conv_depthwise_level(bool fast) {
  return dispatch<SelectConvDepthwise>(fast);
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::ConvDepthwiseKernel octavo::detail::conv_depthwise_level<void>(bool));

#endif  // OCTAVO_KERNELS_CONV_DEPTHWISE_LEVELS_HPP_
