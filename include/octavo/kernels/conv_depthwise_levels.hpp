// octavo/kernels/conv_depthwise_levels.hpp: the fused kernel on every level, and how a layer call picks one.
#ifndef OCTAVO_KERNELS_CONV_DEPTHWISE_LEVELS_HPP_
#define OCTAVO_KERNELS_CONV_DEPTHWISE_LEVELS_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../core/cpu.hpp"
#include "conv_depthwise_call.hpp"
#include "depthwise_levels.hpp"
#include "gemm_levels.hpp"
#include "x86/conv_depthwise_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Levels without a fused kernel of their own, and output stages that those do not have, so that a model prepared on one
// level runs on all: the level's matrix product and the portable depthwise kernel in turn, on bands of rows.
template <Isa Level>
struct ConvDepthwise {
  static void run(const ConvDepthwiseCall& call) {
    const ConvGeometry& g = *call.depthwise;
    const RowBand band = plan_rows(g);
    auto* const rows = reinterpret_cast<std::uint8_t*>(call.scratch);
    ConvGeometry part = g;  // the rows of a band as an image of their own
    DepthwiseCall depthwise;
    depthwise.geometry = &part;
    depthwise.weights = call.depthwise_weights;
    depthwise.in = rows;
    depthwise.zero_row = call.zero_row;
    depthwise.start = call.depthwise_start;
    depthwise.sink = call.depthwise_sink;
    depthwise.channel_end = g.out_c;
    const std::int64_t stride = g.window.stride_h, rows_a_unit = stride == 1 ? 2 : 1;
    const std::int64_t y_end = std::min(g.out_h, call.unit_end * rows_a_unit);
    std::int64_t first = 0, ready = 0;  // rows [first, ready) of the tensor between are there
    for (std::int64_t y = call.unit_begin * rows_a_unit; y < y_end; y += part.out_h) {
      part.out_h = std::min(band.outputs, y_end - y);
      const std::int64_t top = y * stride - g.window.pad_top, bottom = top + (part.out_h - 1) * stride + 3;
      const std::int64_t begin = std::max<std::int64_t>(top, 0), end = std::max(begin, std::min(bottom, g.in_h));
      if (ready > begin)
        std::memmove(rows, rows + (begin - first) * band.row_bytes,
                     static_cast<std::size_t>((ready - begin) * band.row_bytes));
      first = begin;
      for (ready = std::max(ready, begin); ready < end; ++ready)
        call.front->run_row(&Gemm<Level>::run, call.in, call.front_zero_row, call.front_start, call.front_sink,
                            rows + (ready - first) * band.row_bytes, ready, call.scratch + band.bytes());
      part.in_h = end - begin;
      part.window.pad_top = begin - top;
      depthwise.y_end = part.out_h;
      depthwise.out = call.out + y * g.out_w * g.out_c;
      Depthwise<Isa::scalar>::run(depthwise);
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
