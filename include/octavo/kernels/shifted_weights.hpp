// octavo/kernels/shifted_weights.hpp: 8-bit convolutions whose weights have a zero point, as models of uint8 tensors
// do.
//
//   out[y][x][c] = stage(bias[c] + sum over taps t inside the image of
//                        (weight[c][t] - weight_zero_point) * (in[t] - input_zero_point))
// The weights' zero point leaves the sum: acc = symmetric convolution - weight_zero_point * S, where S, the window's
// sum of in - input_zero_point, does not depend on the channel (depthwise: on the kernel). The symmetric part runs on
// the kernels of QuantizedConv2d, which hand their accumulators out as float32: exact, because the constructor proves
// that they stay below 2^24. Where that proof fails, plain loops compute in int32. Bound: |bias| + sum |weight -
// weight_zero_point| * max(zp, 255 - zp) fits int32, checked for each channel.
// DoubleDense is a dense layer that rounds acc * scale[c] in double: what its accumulators need is the same.
#ifndef OCTAVO_KERNELS_SHIFTED_WEIGHTS_HPP_
#define OCTAVO_KERNELS_SHIFTED_WEIGHTS_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "conv2d.hpp"
#include "depthwise_conv2d.hpp"
#include "pool_levels.hpp"
#include "pool_rows.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Weight codes (layout as QuantizedConv2d, or QuantizedDepthwiseConv2d), biases (or none), the input's zero point in u8
// terms and the weights' in int8 terms.
struct ShiftedWeights {
  std::span<const std::int8_t> codes;
  std::span<const std::int32_t> bias;
  std::int32_t input_zero_point = 0;
  std::int32_t zero_point = 0;
  // DoubleDense: out = clamp(round(acc * real_scale[c]) + zero point), in double, halves away from zero.
  std::vector<double> real_scale = {};
};

namespace detail {

template <class Plan>
class ShiftedConvolution {
 public:
  static constexpr bool kDepthwise = std::is_same_v<Plan, DepthwisePlan>;

  ShiftedConvolution(std::string_view what, const ConvGeometry& g, const ShiftedWeights& weights,
                     const OutputStage& stage)
      : plan_(what, g, weights.codes),
        input_zero_point_(weights.input_zero_point),
        zero_point_(weights.zero_point),
        real_scale_(weights.real_scale),
        codes_(weights.codes.begin(), weights.codes.end()),
        bias_(static_cast<std::size_t>(g.out_c), 0) {
    check_output_stage(stage, g.out_c);
    limits_ = {stage.min, stage.max};
    output_zero_point_ = stage.zero_point;
    require(real_scale_.empty() || real_scale_.size() == static_cast<std::size_t>(g.out_c), what, ": expected ",
            g.out_c, " scales, found ", real_scale_.size());
    if (!weights.bias.empty()) bias_.assign(weights.bias.begin(), weights.bias.end());
    check_size(what, "biases", bias_.size(), g.out_c);
    std::vector<std::int64_t> bounds;
    if constexpr (kDepthwise)
      bounds = fold_starts(what, sums_of_columns(weights.codes, g.out_c), bias_, input_zero_point_, g.out_c, starts_);
    else
      bounds =
          fold_starts(what, sums_of_rows(weights.codes, g.out_c), bias_, input_zero_point_, plan_.per_group(), starts_);
    in_float_ = *std::max_element(bounds.begin(), bounds.end()) < (1 << 24);
    const std::int64_t farthest = std::max(input_zero_point_, 255 - input_zero_point_);
    for (std::int64_t c = 0; c < g.out_c; ++c) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < length(); ++k) sum += std::abs(weight(c, k));
      bounds[static_cast<std::size_t>(c)] = std::abs(std::int64_t{bias_[static_cast<std::size_t>(c)]}) + sum * farthest;
      require(bounds[static_cast<std::size_t>(c)] <= std::numeric_limits<std::int32_t>::max(), what,
              ": the accumulator of output channel ", c, " can leave int32");
    }
    if (real_scale_.empty()) stage_ = PreparedStage(what, stage, 1, g.out_c, bounds);
    ones_.assign(starts_.size(), 1.0F);
    zeros_.assign(starts_.size(), 0.0F);
    zero_row_.assign(static_cast<std::size_t>(plan_.zero_row_size()), static_cast<std::uint8_t>(input_zero_point_));
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    return aligned(static_cast<std::size_t>(g().out_size()) * sizeof(float)) +
           aligned(static_cast<std::size_t>(g().in_h * g().in_w * g().groups) * sizeof(std::int32_t)) +
           plan_.scratch_bytes(threads);
  }

  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads,
           std::span<std::byte> scratch) const {
    check_scratch("convolution", scratch, scratch_bytes(threads));
    auto* accumulators = reinterpret_cast<float*>(scratch.data());
    const std::size_t floats = aligned(static_cast<std::size_t>(g().out_size()) * sizeof(float));
    auto* sums = reinterpret_cast<std::int32_t*>(scratch.data() + floats);
    const std::size_t integers =
        aligned(static_cast<std::size_t>(g().in_h * g().in_w * g().groups) * sizeof(std::int32_t));
    Sink sink;
    sink.kind = Sink::Kind::real;
    sink.scale = ones_.data();
    sink.bias = zeros_.data();
    sink.low = -std::numeric_limits<float>::infinity();
    sink.high = std::numeric_limits<float>::infinity();
    const auto finish = pool_level().finish;
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::uint8_t* image = in + b * g().in_size();
      if (in_float_)
        plan_.run(image, zero_row_.data(), starts_.data(), sink, accumulators, 1, threads,
                  scratch.subspan(floats + integers));
      if (!kDepthwise && in_float_) sum_channels(image, sums, threads);
      std::uint8_t* to = out + b * g().out_size();
      parallel_for(g().out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t y = begin; y < end; ++y)
          for (std::int64_t x = 0; x < g().out_w; ++x)
            for (std::int64_t c = 0; c < g().out_c; c += kChannelBlock) {
              const std::int64_t count = std::min(kChannelBlock, g().out_c - c);
              const std::int64_t at = (y * g().out_w + x) * g().out_c + c;
              alignas(64) std::int32_t acc[kChannelBlock] = {};
              if (in_float_)
                correct(image, sums, accumulators + at, y, x, c, count, acc);
              else
                for (std::int64_t i = 0; i < count; ++i) acc[i] = accumulate(image, y, x, c + i);
              if (real_scale_.empty())
                finish(stage_.sink(), acc, kChannelBlock, 1, c, count, to + at, 0);
              else
                finish_in_double(acc, c, count, to + at);
            }
      });
    }
  }

  [[nodiscard]] std::size_t packed_bytes() const noexcept { return plan_.packed_bytes() + codes_.size(); }
  [[nodiscard]] std::string_view kernel_name() const { return plan_.kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return plan_.macs(); }

 private:
  static std::size_t aligned(std::size_t bytes) noexcept { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  [[nodiscard]] const ConvGeometry& g() const noexcept { return plan_.geometry(); }
  [[nodiscard]] std::int64_t in_per_group() const noexcept { return kDepthwise ? 1 : g().in_c / g().groups; }
  [[nodiscard]] std::int64_t length() const noexcept {
    return g().window.kernel_h * g().window.kernel_w * in_per_group();
  }
  // Weight k of channel c, zero point removed.
  [[nodiscard]] std::int32_t weight(std::int64_t c, std::int64_t k) const {
    return codes_[static_cast<std::size_t>(kDepthwise ? k * g().out_c + c : c * length() + k)] - zero_point_;
  }
  // The first input channel that output channel c reads.
  [[nodiscard]] std::int64_t first_input(std::int64_t c) const {
    return kDepthwise ? c / (g().out_c / g().in_c) : c / (g().out_c / g().groups) * in_per_group();
  }

  // sums[pixel][group] = sum over the group's channels of (in - input zero point).
  void sum_channels(const std::uint8_t* image, std::int32_t* sums, int threads) const {
    const std::int64_t n = in_per_group();
    parallel_for(g().in_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin * g().in_w * g().groups; i < end * g().in_w * g().groups; ++i) {
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < n; ++k) sum += image[i * n + k];
        sums[i] = sum - static_cast<std::int32_t>(n) * input_zero_point_;
      }
    });
  }

  // Calls visit(tap, in_y * in_w + in_x) for the taps inside the image.
  template <class Visit>
  void taps(std::int64_t y, std::int64_t x, Visit visit) const {
    const Window& w = g().window;
    const std::int64_t top = y * w.stride_h - w.pad_top;
    const std::int64_t left = x * w.stride_w - w.pad_left;
    const TapRange rows(top, w.dilation_h, w.kernel_h, g().in_h);
    const TapRange columns(left, w.dilation_w, w.kernel_w, g().in_w);
    for (std::int64_t i = rows.first; i < rows.last; ++i)
      for (std::int64_t j = columns.first; j < columns.last; ++j)
        visit(i * w.kernel_w + j, (top + i * w.dilation_h) * g().in_w + left + j * w.dilation_w);
  }

  // acc[i] = symmetric[i] - zero point * S for the channels [c, c + count) of one pixel.
  void correct(const std::uint8_t* image, const std::int32_t* sums, const float* symmetric, std::int64_t y,
               std::int64_t x, std::int64_t c, std::int64_t count, std::int32_t* acc) const {
    if constexpr (kDepthwise) {
      const std::int64_t multiplier = g().out_c / g().in_c;
      std::int32_t inside = 0;
      taps(y, x, [&](std::int64_t, std::int64_t pixel) {
        ++inside;
        const std::uint8_t* codes = image + pixel * g().in_c;
        if (multiplier == 1)
          for (std::int64_t i = 0; i < count; ++i) acc[i] += codes[c + i];
        else
          for (std::int64_t i = 0; i < count; ++i) acc[i] += codes[(c + i) / multiplier];
      });
      for (std::int64_t i = 0; i < count; ++i)
        acc[i] = static_cast<std::int32_t>(symmetric[i]) - zero_point_ * (acc[i] - inside * input_zero_point_);
    } else {
      const std::int64_t groups = g().groups;
      for (std::int64_t i = 0; i < count;) {
        const std::int64_t group = (c + i) / (g().out_c / groups);
        std::int32_t sum = 0;
        taps(y, x, [&](std::int64_t, std::int64_t pixel) { sum += sums[pixel * groups + group]; });
        const std::int64_t stop = std::min(count, (group + 1) * (g().out_c / groups) - c);
        for (; i < stop; ++i) acc[i] = static_cast<std::int32_t>(symmetric[i]) - zero_point_ * sum;
      }
    }
  }

  void finish_in_double(const std::int32_t* acc, std::int64_t c, std::int64_t count, std::uint8_t* out) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const double real = static_cast<double>(acc[i]) * real_scale_[static_cast<std::size_t>(c + i)];
      const double code = std::round(real) + output_zero_point_;
      out[i] = static_cast<std::uint8_t>(std::clamp<double>(code, limits_.min, limits_.max));
    }
  }

  // The definition, in int32.
  [[nodiscard]] std::int32_t accumulate(const std::uint8_t* image, std::int64_t y, std::int64_t x,
                                        std::int64_t c) const {
    std::int32_t acc = bias_[static_cast<std::size_t>(c)];
    const std::int64_t n = in_per_group();
    taps(y, x, [&](std::int64_t tap, std::int64_t pixel) {
      const std::uint8_t* codes = image + pixel * g().in_c + first_input(c);
      for (std::int64_t k = 0; k < n; ++k) acc += weight(c, tap * n + k) * (codes[k] - input_zero_point_);
    });
    return acc;
  }

  Plan plan_;
  PreparedStage stage_;
  std::int32_t input_zero_point_, zero_point_;
  std::int32_t output_zero_point_ = 0;
  CodeLimits limits_;
  std::vector<double> real_scale_;
  std::vector<std::int8_t> codes_;
  std::vector<std::int32_t> bias_;
  PooledVector<std::int32_t> starts_;
  PooledVector<float> ones_, zeros_;
  PooledVector<std::uint8_t> zero_row_;
  bool in_float_ = false;
};

}  // namespace detail

// run(in, out, batch, threads, scratch) as QuantizedConv2d's.
class ShiftedConv2d : public detail::ShiftedConvolution<detail::ConvPlan> {
 public:
  ShiftedConv2d(const ConvGeometry& geometry, const ShiftedWeights& weights, const OutputStage& stage,
                std::string_view what = "conv2d")
      : ShiftedConvolution(what, geometry, weights, stage) {}
};

class ShiftedDepthwiseConv2d : public detail::ShiftedConvolution<detail::DepthwisePlan> {
 public:
  ShiftedDepthwiseConv2d(const ConvGeometry& geometry, const ShiftedWeights& weights, const OutputStage& stage,
                         std::string_view what = "depthwise_conv2d")
      : ShiftedConvolution(what, geometry, weights, stage) {}
};

// Rows of in_c codes; weights [out_c][in_c] with real_scale; `stage` gives zero point and limits.
class DoubleDense : public detail::ShiftedConvolution<detail::ConvPlan> {
 public:
  DoubleDense(std::int64_t in_c, std::int64_t out_c, const ShiftedWeights& weights, const OutputStage& stage,
              std::string_view what = "dense")
      : ShiftedConvolution(what, ConvGeometry{.in_c = in_c, .out_c = out_c, .window = {}}, weights, stage) {}
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_SHIFTED_WEIGHTS_HPP_
