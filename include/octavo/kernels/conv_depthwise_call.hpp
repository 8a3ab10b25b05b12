// octavo/kernels/conv_depthwise_call.hpp: what the fused kernel of a convolution and the depthwise convolution behind
// it works on.
//
// A unit of output is two rows (stride 1) or one (stride 2). Units [unit_begin, unit_end) are computed from the top;
// the rows of the tensor between that the next unit reads again stay in a ring.
#ifndef OCTAVO_KERNELS_CONV_DEPTHWISE_CALL_HPP_
#define OCTAVO_KERNELS_CONV_DEPTHWISE_CALL_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../core/pool.hpp"
#include "conv_plan.hpp"
#include "depthwise.hpp"
#include "geometry.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Depthwise weights for pairs of rows: [channels / 16][3 columns][2 output rows][16][4]; the taps of a column's three
// rows as [w0 w1 w2 0] for the upper output row and [0 w0 w1 w2] for the lower one.
[[nodiscard]] inline PooledVector<std::int8_t> pack_depthwise_pairs(const std::int8_t* weights, std::int64_t channels) {
  PooledVector<std::int8_t> packed(static_cast<std::size_t>(round_up(channels, kLanes) * 24), 0);
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::int64_t j = 0; j < 3; ++j)
      for (std::int64_t row = 0; row < 2; ++row)
        for (std::int64_t c = 0; c < channels; ++c)
          packed[static_cast<std::size_t>(((c / kLanes * 3 + j) * 2 + row) * 64 + c % kLanes * 4 + i + row)] =
              weights[(i * 3 + j) * channels + c];
  return packed;
}

// One image, some of its units and channels.
struct ConvDepthwiseCall {
  const ConvPlan* front = nullptr;
  const ConvGeometry* depthwise = nullptr;  // 3x3, stride 1 or 2, multiplier 1
  const std::int32_t* front_start = nullptr;
  Sink front_sink;                                      // min <= zero_point <= max
  const std::uint8_t* front_zero_row = nullptr;         // ConvPlan::row_size() zero points
  const DepthwiseWeights* depthwise_weights = nullptr;  // plain only
  const std::int8_t* depthwise_pairs = nullptr;         // pack_depthwise_pairs()
  const std::int32_t* depthwise_start = nullptr;
  Sink depthwise_sink;
  const std::uint8_t* zero_row = nullptr;  // of the tensor between
  const std::uint8_t* in = nullptr;
  std::uint8_t* out = nullptr;
  std::int64_t unit_begin = 0, unit_end = 0;
  std::int64_t channel_begin = 0, channel_end = 0;  // see ConvDepthwiseKernel::channels
  std::byte* scratch = nullptr;                     // of this part alone
};

[[nodiscard]] inline std::int64_t units_of(const ConvGeometry& depthwise) noexcept {
  return depthwise.window.stride_h == 1 ? (depthwise.out_h + 1) / 2 : depthwise.out_h;
}

// A ring of pairs of rows. Pair j holds rows 2 * j - pad_top and the next one of the tensor between, with the columns
// outside the image: 64 bytes are a column of 32 channels, the two rows of a channel side by side. Lane l of 16 bytes:
// channels 4 * l .. + 3, then 16 + 4 * l .. + 3. Unit j of output reads pairs j and j + 1.
struct PairRing {
  std::int64_t columns = 0;
  std::int64_t units = 0;    // of output, in a band
  std::int64_t vectors = 0;  // of 32 channels that the ring holds at a time
  [[nodiscard]] std::int64_t slots() const noexcept { return units + 1; }
  [[nodiscard]] std::int64_t slot_bytes() const noexcept { return columns * 64; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(vectors * slots() * slot_bytes() + 64);  // a column behind the last is read
  }
};

// As many units in a band as keep the slots of 64 channels in two thirds of a 32 KiB cache; all channels, where that is
// not the whole image.
[[nodiscard]] inline PairRing plan_ring(const ConvGeometry& depthwise) noexcept {
  const Window& w = depthwise.window;
  PairRing ring;
  const std::int64_t pixels = w.stride_w == 1 ? depthwise.out_w : round_up(depthwise.out_w, 2);
  ring.columns = std::max((pixels - 1) * w.stride_w + 3, w.pad_left + depthwise.in_w);
  const std::int64_t units = units_of(depthwise);
  ring.units = std::min(units, std::max<std::int64_t>(2, 20480 / (2 * ring.slot_bytes()) - 1));
  ring.vectors = ring.units == units ? 2 : (depthwise.out_c + 31) / 32;
  return ring;
}

// For levels that run two kernels in turn: output rows in a band, and the rows that it reads.
struct RowBand {
  std::int64_t outputs = 0, rows = 0, row_bytes = 0;
  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(round_up(rows * row_bytes, static_cast<std::int64_t>(kAlignment)));
  }
};

[[nodiscard]] inline RowBand plan_rows(const ConvGeometry& depthwise) noexcept {
  RowBand band;
  band.row_bytes = depthwise.in_w * depthwise.in_c;
  band.outputs = std::min<std::int64_t>(depthwise.out_h, 2);
  band.rows = (band.outputs - 1) * depthwise.window.stride_h + 3;
  return band;
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV_DEPTHWISE_CALL_HPP_
