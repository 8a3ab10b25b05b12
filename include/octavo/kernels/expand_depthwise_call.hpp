// octavo/kernels/expand_depthwise_call.hpp: what the fused kernel of a pointwise convolution and the 3x3 depthwise
// convolution behind it works on.
//
// Between the two lies a ring of pairs of rows. Pair j holds rows 2 * j - pad_top and the next of the expanded image,
// 32 channels of both in 64 bytes, as the depthwise products want them (row by row of a channel side by side), with the
// columns outside the image. A unit of output needs pairs j and j + 1: two output rows with stride 1, one with stride 2.
#ifndef OCTAVO_KERNELS_EXPAND_DEPTHWISE_CALL_HPP_
#define OCTAVO_KERNELS_EXPAND_DEPTHWISE_CALL_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../core/aligned.hpp"
#include "depthwise.hpp"
#include "geometry.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Depthwise weights for pairs: [channels / 16][3 columns][2 output rows][16][4]; the taps of a column's three rows as
// [w0 w1 w2 0] for the upper output row and [0 w0 w1 w2] for the lower one.
[[nodiscard]] inline AlignedVector<std::int8_t> pack_depthwise_pairs(const std::int8_t* weights,
                                                                     std::int64_t channels) {
  AlignedVector<std::int8_t> packed(static_cast<std::size_t>(round_up(channels, kLanes) * 24), 0);
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < 3; ++i)
      for (std::int64_t j = 0; j < 3; ++j)
        for (std::int64_t row = 0; row < 2; ++row)
          packed[static_cast<std::size_t>(((c / kLanes * 3 + j) * 2 + row) * 64 + c % kLanes * 4 + i + row)] =
              weights[(i * 3 + j) * channels + c];
  return packed;
}

// One image, some of its units and channels.
struct ExpandDepthwiseCall {
  const ConvGeometry* expand = nullptr;     // pointwise, in_c a multiple of 4
  const ConvGeometry* depthwise = nullptr;  // 3x3, stride 1 or 2, multiplier 1
  const std::int8_t* expand_weights = nullptr;  // PackedWeights
  const std::int32_t* expand_start = nullptr;
  Sink expand_sink;                         // min <= zero_point <= max
  const DepthwiseWeights* depthwise_weights = nullptr;
  const std::int8_t* depthwise_pairs = nullptr;  // pack_depthwise_pairs()
  const std::int32_t* depthwise_start = nullptr;
  Sink depthwise_sink;
  const std::int32_t* start_quads = nullptr;  // see DepthwiseCall
  const float* scale_quads = nullptr;
  const std::uint8_t* zero_row = nullptr;  // of the expanded image
  const std::uint8_t* in = nullptr;
  std::uint8_t* out = nullptr;
  std::int64_t unit_begin = 0, unit_end = 0;
  std::int64_t channel_begin = 0, channel_end = 0;  // the first a multiple of what the level asks for, the last too or
                                                    // out_c
  std::byte* ring = nullptr;                        // of this part alone
};

// Memory of the ring: slots of pairs of rows for 32 channels each.
struct PairRing {
  std::int64_t columns = 0;  // of a row, with those outside the image
  std::int64_t units = 0;    // of output, in a band
  std::int64_t vectors = 0;  // of 32 channels that the ring holds at a time
  [[nodiscard]] std::int64_t slots() const noexcept { return units + 1; }
  [[nodiscard]] std::int64_t slot_bytes() const noexcept { return columns * 64; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(vectors * slots() * slot_bytes() + 64);  // a column behind the last is read
  }
};

[[nodiscard]] inline std::int64_t units_of(const ConvGeometry& depthwise) noexcept {
  return depthwise.window.stride_h == 1 ? (depthwise.out_h + 1) / 2 : depthwise.out_h;
}

// As many units in a band as keep the slots of 64 channels in two thirds of a 32 KiB cache.
[[nodiscard]] inline PairRing plan_ring(const ConvGeometry& depthwise) noexcept {
  const Window& w = depthwise.window;
  PairRing ring;
  ring.columns = std::max((depthwise.out_w - 1) * w.stride_w + 3, w.pad_left + depthwise.in_w);
  const std::int64_t units = units_of(depthwise);
  ring.units = std::min(units, std::max<std::int64_t>(2, 20480 / (2 * ring.slot_bytes()) - 1));
  ring.vectors = ring.units == units ? 2 : (depthwise.out_c + 31) / 32;
  return ring;
}

// For levels that run two kernels in turn: output rows in a band, and the expanded rows that the ring holds for it, at
// most 128 KiB where two output rows allow it.
struct RowRing {
  std::int64_t band = 0, rows = 0, row_bytes = 0;
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(rows * row_bytes); }
};

[[nodiscard]] inline RowRing plan_rows(const ConvGeometry& depthwise) noexcept {
  RowRing ring;
  ring.row_bytes = depthwise.in_w * depthwise.in_c;
  const std::int64_t stride = depthwise.window.stride_h;
  ring.band = std::min(depthwise.out_h, std::max<std::int64_t>(2, (131072 / ring.row_bytes - 3) / stride + 1));
  ring.rows = (ring.band - 1) * stride + 3;
  return ring;
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_EXPAND_DEPTHWISE_CALL_HPP_
