// octavo/kernels/conv2d.hpp: 8-bit convolution with the output stage fused.
//
//   out[y][x][c] = stage(bias[c] + sum over taps (i, j) and k of
//                        weight[c][i][j][k] * (in[y * stride_h - pad_top + i * dilation_h][...][k] - input_zero_point))
// Taps outside the image contribute 0. Result: reference/conv2d.hpp, byte for byte, on every level.
#ifndef OCTAVO_KERNELS_CONV2D_HPP_
#define OCTAVO_KERNELS_CONV2D_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conv_plan.hpp"
#include "output_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

namespace detail {

// Accumulator starts over padded lanes, and each channel's bound; see accumulator.hpp.
inline std::vector<std::int64_t> fold_starts(std::string_view what, const std::vector<WeightSums>& sums,
                                             std::span<const std::int32_t> bias, std::int32_t input_zero_point,
                                             std::int64_t per_group, PooledVector<std::int32_t>& starts) {
  require(input_zero_point >= 0 && input_zero_point <= 255, what, ": input zero point ", input_zero_point,
          " is not in [0, 255] (u8 terms)");
  const auto channels = static_cast<std::int64_t>(sums.size());
  if (!bias.empty()) check_size(what, "biases", bias.size(), channels);
  const std::int64_t lanes = round_up(per_group, kLanes);
  assign_all(starts, static_cast<std::size_t>(round_up(channels / per_group * lanes, kChannelBlock)), 0);
  std::vector<std::int64_t> bounds(sums.size());
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    const AccumulatorBound bound =
        prove_accumulator(what, c, sums[channel], bias.empty() ? 0 : bias[channel], input_zero_point);
    starts[static_cast<std::size_t>(c / per_group * lanes + c % per_group)] = bound.start;
    bounds[channel] = bound.largest;
  }
  return bounds;
}

}  // namespace detail

// Prepared once, then run() any number of times, by any number of threads at the same time (with scratch of their own).
class QuantizedConv2d {
 public:
  // weights: OHWI, [out_c][kernel_h][kernel_w][in_c / groups], any int8, or any of [-8, 7] where `bits` is four: then
  // they take half the memory; bias: out_c values at scale input * weight, or empty; input_zero_point and stage in u8
  // terms. Throws Error on sizes and weights that do not fit, and when an accumulator can leave int32
  // (accumulator.hpp).
  QuantizedConv2d(const ConvGeometry& geometry, std::span<const std::int8_t> weights,
                  std::span<const std::int32_t> bias, std::int32_t input_zero_point, const OutputStage& stage,
                  std::string_view what = "conv2d", WeightBits bits = WeightBits::eight)
      : plan_(what, geometry, weights, bits) {
    const std::vector<std::int64_t> bounds = detail::fold_starts(what, detail::sums_of_rows(weights, geometry.out_c),
                                                                 bias, input_zero_point, plan_.per_group(), starts_);
    stage_ = detail::PreparedStage(what, stage, geometry.groups, plan_.per_group(), bounds);
    assign_all(zero_row_, static_cast<std::size_t>(plan_.zero_row_size()), static_cast<std::uint8_t>(input_zero_point));
  }

  // in: [batch][in_h][in_w][in_c], out: [batch][out_h][out_w][out_c], u8 terms, not overlapping. scratch: at least
  // scratch_bytes(threads), aligned to kAlignment. Allocates nothing.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads,
           std::span<std::byte> scratch) const {
    detail::check_scratch("conv2d", scratch, scratch_bytes(threads));
    plan_.run(in, zero_row_.data(), starts_.data(), stage_.sink(), out, batch, threads, scratch);
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept { return plan_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return plan_.packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return plan_.kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return plan_.macs(); }  // of one image
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return plan_.geometry(); }

 private:
  detail::ConvPlan plan_;
  detail::PreparedStage stage_;
  PooledVector<std::int32_t> starts_;
  PooledVector<std::uint8_t> zero_row_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV2D_HPP_
