// octavo/kernels/expand_depthwise.hpp: a pointwise convolution and the 3x3 depthwise convolution that reads it, in one:
// the front of an inverted residual block.
//
//   out = depthwise_conv2d(conv2d(in)), each with its own output stage: see conv2d.hpp and depthwise_conv2d.hpp.
// The bytes are those of the two kernels one after the other. The tensor between them, in MobileNetV2 six times as large
// as the block's input, is never written as a whole: a few of its rows stand in a ring of scratch memory that fits a
// core's cache, in whatever order suits the level in use.
#ifndef OCTAVO_KERNELS_EXPAND_DEPTHWISE_HPP_
#define OCTAVO_KERNELS_EXPAND_DEPTHWISE_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conv2d.hpp"
#include "depthwise_conv2d.hpp"
#include "expand_depthwise_levels.hpp"

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
class QuantizedExpandDepthwise {
 public:
  // Whether the two can run as one: a pointwise convolution with in_c % 4 == 0 and out_c % 16 == 0, its output read by a
  // 3x3 depthwise convolution with the multiplier 1, stride 1 or 2, at most one row and column of padding in front, and
  // codes of the tensor between that may be its zero point (real 0 is within the first activation's limits).
  [[nodiscard]] static bool fits(const ConvGeometry& expand, const OutputStage& between,
                                 const ConvGeometry& depthwise) noexcept {
    const Window& w = depthwise.window;
    return expand.pointwise() && expand.in_h == expand.out_h && expand.in_w == expand.out_w && expand.in_c % 4 == 0 &&
           expand.out_c % detail::kLanes == 0 && depthwise.in_c == expand.out_c && depthwise.out_c == expand.out_c &&
           depthwise.in_h == expand.out_h && depthwise.in_w == expand.out_w && w.kernel_h == 3 && w.kernel_w == 3 &&
           w.dilation_h == 1 && w.dilation_w == 1 && w.stride_h == w.stride_w && w.stride_h <= 2 && w.pad_top <= 1 &&
           w.pad_left <= 1 && depthwise.out_w >= 2 && between.min <= between.zero_point &&
           between.zero_point <= between.max;
  }

  // Throws Error as the two kernels do, and unless fits().
  QuantizedExpandDepthwise(const ConvolutionParts& expand, const ConvolutionParts& depthwise)
      : expand_(expand.geometry),
        depthwise_(depthwise.geometry),
        expand_weights_(expand.weights.data(), expand.geometry.out_c, 1, expand.geometry.in_c) {
    require(fits(expand_, *expand.stage, depthwise_), expand.what, " and ", depthwise.what, ": do not run as one");
    detail::check_size(expand.what, "weights", expand.weights.size(), expand_.in_c * expand_.out_c);
    detail::check_size(depthwise.what, "weights", depthwise.weights.size(), 9 * depthwise_.out_c);
    const std::vector<std::int64_t> expand_bounds =
        detail::fold_starts(expand.what, expand.weights, expand_.out_c, expand.bias, expand.input_zero_point,
                            expand_.out_c, expand_starts_);
    expand_stage_ = detail::PreparedStage(expand.what, *expand.stage, 1, expand_.out_c, expand_bounds);
    const std::vector<std::int64_t> depthwise_bounds =
        detail::fold_depthwise_starts(depthwise.what, depthwise_, depthwise.weights, depthwise.bias,
                                      depthwise.input_zero_point, depthwise_starts_);
    depthwise_stage_ =
        detail::PreparedStage(depthwise.what, *depthwise.stage, 1, depthwise_.out_c, depthwise_bounds);
    depthwise_weights_ = detail::pack_depthwise(depthwise_, depthwise.weights.data());
    pairs_ = detail::pack_depthwise_pairs(depthwise.weights.data(), depthwise_.out_c);
    zero_row_.assign(static_cast<std::size_t>(depthwise_.in_w * depthwise_.in_c),
                     static_cast<std::uint8_t>(depthwise.input_zero_point));
    quads_ = detail::QuadOrder(depthwise_starts_, depthwise_stage_, depthwise_.out_c);
  }

  // in: [batch][in_h][in_w][in_c] of the first convolution, out: [batch][out_h][out_w][out_c] of the second, u8 terms,
  // not overlapping. scratch: at least scratch_bytes(threads), aligned to kAlignment. Allocates nothing.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads,
           std::span<std::byte> scratch) const {
    detail::check_scratch("expand_depthwise", scratch, scratch_bytes(threads));
    detail::ExpandDepthwiseCall call;
    call.expand = &expand_;
    call.depthwise = &depthwise_;
    call.expand_weights = expand_weights_.data();
    call.expand_start = expand_starts_.data();
    call.expand_sink = expand_stage_.sink();
    call.depthwise_weights = &depthwise_weights_;
    call.depthwise_pairs = pairs_.data();
    call.depthwise_start = depthwise_starts_.data();
    call.depthwise_sink = depthwise_stage_.sink();
    call.start_quads = quads_.start.data();
    call.scale_quads = quads_.scale.data();
    call.zero_row = zero_row_.data();
    const detail::ExpandDepthwiseKernel kernel = detail::expand_depthwise_level(fast());
    const std::int64_t units = detail::units_of(depthwise_);
    const std::int64_t blocks = (depthwise_.out_c + kernel.channels - 1) / kernel.channels;
    const bool by_units = split_units(units, blocks, threads);
    const std::size_t each = scratch_bytes(1);
    parallel_for(by_units ? units : blocks, threads, [&](std::int64_t begin, std::int64_t end, int part) {
      detail::ExpandDepthwiseCall own = call;
      own.unit_begin = by_units ? begin : 0;
      own.unit_end = by_units ? end : units;
      own.channel_begin = by_units ? 0 : begin * kernel.channels;
      own.channel_end = by_units ? depthwise_.out_c : std::min(depthwise_.out_c, end * kernel.channels);
      own.ring = scratch.data() + static_cast<std::size_t>(part) * each;
      for (std::int64_t image = 0; image < batch; ++image) {
        own.in = in + image * expand_.in_size();
        own.out = out + image * depthwise_.out_size();
        kernel.run(own);
      }
    });
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    const std::size_t each = std::max(detail::plan_ring(depthwise_).bytes(), detail::plan_rows(depthwise_).bytes());
    return (each + kAlignment - 1) / kAlignment * kAlignment * static_cast<std::size_t>(std::max(threads, 1));
  }
  [[nodiscard]] std::size_t packed_bytes() const noexcept {
    return expand_weights_.bytes() + pairs_.size() + depthwise_weights_.plain.size() + depthwise_weights_.taps.size() +
           depthwise_weights_.columns.size();
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::expand_depthwise_level(fast()).name; }
  [[nodiscard]] std::int64_t macs() const noexcept {  // of one image
    return expand_.out_size() * expand_.in_c + depthwise_.out_size() * 9;
  }

 private:
  [[nodiscard]] bool fast() const noexcept { return expand_stage_.fast() && depthwise_stage_.fast(); }
  // Threads share the units, unless sharing the channels leaves less to the busiest one: neighbouring units need a pair
  // of rows of the expanded image both.
  [[nodiscard]] static bool split_units(std::int64_t units, std::int64_t blocks, int threads) noexcept {
    const std::int64_t n = std::max(threads, 1);
    return ((units + n - 1) / n + 1) * blocks <= (units + 1) * ((blocks + n - 1) / n);
  }

  ConvGeometry expand_, depthwise_;
  detail::PackedWeights expand_weights_;
  AlignedVector<std::int32_t> expand_starts_;
  detail::PreparedStage expand_stage_;
  detail::DepthwiseWeights depthwise_weights_;
  AlignedVector<std::int8_t> pairs_;
  AlignedVector<std::int32_t> depthwise_starts_;
  detail::PreparedStage depthwise_stage_;
  detail::QuadOrder quads_;
  AlignedVector<std::uint8_t> zero_row_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_EXPAND_DEPTHWISE_HPP_
