// octavo/kernels/conv_depthwise.hpp: a convolution and the 3x3 depthwise convolution that reads it, in one: the front
// of an inverted residual block, or of a whole MobileNet.
//
//   out = depthwise_conv2d(conv2d(in)), each with its own output stage: see conv2d.hpp and depthwise_conv2d.hpp.
// The bytes are those of the two kernels one after the other. The tensor between them, in MobileNetV2 six times as
// large as the block's input, is never written as a whole: a few of its rows stand in a ring of scratch memory that
// fits a core's cache, in whatever order suits the level in use.
#ifndef OCTAVO_KERNELS_CONV_DEPTHWISE_HPP_
#define OCTAVO_KERNELS_CONV_DEPTHWISE_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conv2d.hpp"
#include "conv_depthwise_levels.hpp"
#include "depthwise_conv2d.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// What a convolution is made of; spans are read by the constructor only. See QuantizedConv2d.
struct ConvolutionParts {
  ConvGeometry geometry;
  std::span<const std::int8_t> weights;
  std::span<const std::int32_t> bias;
  std::int32_t input_zero_point = 0;
  const OutputStage* stage = nullptr;
  std::string_view what;
};

// Prepared once, then run() any number of times, by any number of threads at the same time (with scratch of their own).
class QuantizedConvDepthwise {
 public:
  // Whether the two can run as one. The first: out_c % 16 == 0, and pointwise with in_c % 4 == 0, or 3x3 on 3 channels.
  // The second: 3x3, multiplier 1, the same stride of 1 or 2 both ways, at most one row and column of padding in front,
  // two pixels a row or more. The tensor between: its zero point is one of its codes (real 0 is within the activation's
  // limits).
  [[nodiscard]] static bool fits(const ConvGeometry& front, const OutputStage& between,
                                 const ConvGeometry& depthwise) noexcept {
    const Window& f = front.window;
    const Window& w = depthwise.window;
    const bool matrix =
        front.pointwise() && front.in_h == front.out_h && front.in_w == front.out_w && front.in_c % 4 == 0;
    const bool window = front.groups == 1 && front.in_c == 3 && f.kernel_h == 3 && f.kernel_w == 3 &&
                        f.dilation_h == 1 && f.dilation_w == 1;
    return (matrix || window) && front.out_c % detail::kLanes == 0 && depthwise.in_c == front.out_c &&
           depthwise.out_c == front.out_c && depthwise.in_h == front.out_h && depthwise.in_w == front.out_w &&
           w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 && w.dilation_w == 1 && w.stride_h == w.stride_w &&
           w.stride_h <= 2 && w.pad_top <= 1 && w.pad_left <= 1 && depthwise.out_w >= 2 &&
           between.min <= between.zero_point && between.zero_point <= between.max;
  }

  // Throws Error as the two kernels do, and unless fits().
  QuantizedConvDepthwise(const ConvolutionParts& front, const ConvolutionParts& depthwise)
      : front_(front.what, front.geometry, front.weights), depthwise_(depthwise.geometry) {
    require(fits(front.geometry, *front.stage, depthwise_), front.what, " and ", depthwise.what, ": cannot run as one");
    detail::check_size(depthwise.what, "weights", depthwise.weights.size(), 9 * depthwise_.out_c);
    const std::int64_t channels = depthwise_.out_c;
    const std::vector<std::int64_t> front_bounds =
        detail::fold_starts(front.what, detail::sums_of_rows(front.weights, channels), front.bias,
                            front.input_zero_point, channels, front_starts_);
    front_stage_ = detail::PreparedStage(front.what, *front.stage, 1, channels, front_bounds);
    const std::vector<std::int64_t> bounds =
        detail::fold_starts(depthwise.what, detail::sums_of_columns(depthwise.weights, channels), depthwise.bias,
                            depthwise.input_zero_point, channels, depthwise_starts_);
    depthwise_stage_ = detail::PreparedStage(depthwise.what, *depthwise.stage, 1, channels, bounds);
    depthwise_weights_.plain.resize(depthwise.weights.size());
    std::copy(depthwise.weights.begin(), depthwise.weights.end(), depthwise_weights_.plain.begin());
    pairs_ = detail::pack_depthwise_pairs(depthwise.weights.data(), channels);
    assign_all(front_zero_row_, static_cast<std::size_t>(front_.row_size()),
               static_cast<std::uint8_t>(front.input_zero_point));
    assign_all(zero_row_, static_cast<std::size_t>(depthwise_.in_w * depthwise_.in_c),
               static_cast<std::uint8_t>(depthwise.input_zero_point));
  }

  // in: [batch][in_h][in_w][in_c] of the first convolution, out: [batch][out_h][out_w][out_c] of the second, u8 terms,
  // not overlapping. scratch: at least scratch_bytes(threads), aligned to kAlignment. Allocates nothing.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads,
           std::span<std::byte> scratch) const {
    detail::check_scratch("conv_depthwise", scratch, scratch_bytes(threads));
    detail::ConvDepthwiseCall call;
    call.front = &front_;
    call.depthwise = &depthwise_;
    call.front_start = front_starts_.data();
    call.front_sink = front_stage_.sink();
    call.front_zero_row = front_zero_row_.data();
    call.depthwise_weights = &depthwise_weights_;
    call.depthwise_pairs = pairs_.data();
    call.depthwise_start = depthwise_starts_.data();
    call.depthwise_sink = depthwise_stage_.sink();
    call.zero_row = zero_row_.data();
    const detail::ConvDepthwiseKernel kernel = detail::conv_depthwise_level(fast());
    const std::int64_t units = detail::units_of(depthwise_), channels = depthwise_.out_c;
    const std::int64_t width = kernel.channels > 0 ? kernel.channels : channels;
    const std::int64_t blocks = (channels + width - 1) / width;
    const bool by_units = split_units(units, blocks, threads);
    const std::size_t each = scratch_bytes(1);
    parallel_for(by_units ? units : blocks, threads, [&](std::int64_t begin, std::int64_t end, int part) {
      detail::ConvDepthwiseCall own = call;
      own.unit_begin = by_units ? begin : 0;
      own.unit_end = by_units ? end : units;
      own.channel_begin = by_units ? 0 : begin * width;
      own.channel_end = by_units ? channels : std::min(channels, end * width);
      own.scratch = scratch.data() + static_cast<std::size_t>(part) * each;
      for (std::int64_t image = 0; image < batch; ++image) {
        own.in = in + image * front_.geometry().in_size();
        own.out = out + image * depthwise_.out_size();
        kernel.run(own);
      }
    });
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    const std::size_t each = std::max(detail::plan_ring(depthwise_).bytes(),
                                      detail::plan_rows(depthwise_).bytes() + front_.scratch_bytes(1));
    return (each + kAlignment - 1) / kAlignment * kAlignment * static_cast<std::size_t>(std::max(threads, 1));
  }
  [[nodiscard]] std::size_t packed_bytes() const noexcept {
    return front_.packed_bytes() + pairs_.size() + depthwise_weights_.bytes();
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::conv_depthwise_level(fast()).name; }
  [[nodiscard]] std::int64_t macs() const noexcept {
    return front_.macs() + depthwise_.out_size() * 9;
  }  // of one image

 private:
  [[nodiscard]] bool fast() const noexcept { return front_stage_.fast() && depthwise_stage_.fast(); }
  // Threads share the units, unless sharing the channels leaves less to the busiest one: neighbouring units both need
  // the pair of rows between them.
  [[nodiscard]] static bool split_units(std::int64_t units, std::int64_t blocks, int threads) noexcept {
    const std::int64_t n = std::max(threads, 1);
    return ((units + n - 1) / n + 1) * blocks <= (units + 1) * ((blocks + n - 1) / n);
  }

  detail::ConvPlan front_;
  ConvGeometry depthwise_;
  PooledVector<std::int32_t> front_starts_;
  detail::PreparedStage front_stage_;
  PooledVector<std::uint8_t> front_zero_row_;
  detail::DepthwiseWeights depthwise_weights_;
  PooledVector<std::int8_t> pairs_;
  PooledVector<std::int32_t> depthwise_starts_;
  detail::PreparedStage depthwise_stage_;
  PooledVector<std::uint8_t> zero_row_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV_DEPTHWISE_HPP_
