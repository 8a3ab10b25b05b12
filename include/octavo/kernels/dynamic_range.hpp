// octavo/kernels/dynamic_range.hpp: float activations, 8-bit weights: each image (dense: each row) is quantized on the
// grid of its own range when it arrives, multiplied in integers, and returned as float.
//
//   q = quantize_dynamic(x) with scale s_x and zero point z;  acc = sum w[c] * (q - z)
//   out = clamp(float(acc) * (weight_scale[c] * s_x) + bias[c], low, high), each operation rounded to float32
// (TFLite's hybrid kernels with asymmetric inputs; ranges and ties as ONNX DynamicQuantizeLinear.)
// Result: reference::dequantize_accumulator of the reference accumulator, bit for bit, on every level.
#ifndef OCTAVO_KERNELS_DYNAMIC_RANGE_HPP_
#define OCTAVO_KERNELS_DYNAMIC_RANGE_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "conv2d.hpp"
#include "depthwise_conv2d.hpp"
#include "quantize.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// What follows the accumulator: weight_scale and bias hold one value a channel; weight_scale may hold one for all, bias
// may be empty. low <= high are the activation's limits (none: -inf, +inf).
struct DynamicRangeStage {
  AlignedVector<float> weight_scale;
  AlignedVector<float> bias;
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

namespace detail {

template <class Plan>
class DynamicRange {
 public:
  // Bound: as accumulator.hpp, without bias, for every input zero point in [0, 255].
  // `sums`: one a channel.
  DynamicRange(std::string_view what, Plan plan, const std::vector<WeightSums>& sums, const DynamicRangeStage& stage)
      : plan_(std::move(plan)), low_(stage.low), high_(stage.high) {
    const std::int64_t channels = plan_.geometry().out_c;
    const auto n = static_cast<std::size_t>(channels);
    require(stage.weight_scale.size() == 1 || stage.weight_scale.size() == n, what, ": expected 1 or ", channels,
            " weight scales, found ", stage.weight_scale.size());
    require(stage.bias.empty() || stage.bias.size() == n, what, ": expected ", channels, " biases, found ",
            stage.bias.size());
    require(stage.low <= stage.high, what, ": empty range [", stage.low, ", ", stage.high, "]");
    const std::int64_t lanes_per_group = round_up(plan_.per_group(), kLanes);
    lanes_ = round_up(channels / plan_.per_group() * lanes_per_group, kChannelBlock);
    assign_all(weight_sum_, static_cast<std::size_t>(lanes_), 0);
    assign_all(weight_scale_, static_cast<std::size_t>(lanes_), 0.0F);
    assign_all(bias_, static_cast<std::size_t>(lanes_), 0.0F);
    for (std::int64_t c = 0; c < channels; ++c) {
      const WeightSums& of_channel = sums[static_cast<std::size_t>(c)];
      for (const std::int32_t zero_point : {0, 255}) (void)prove_accumulator(what, c, of_channel, 0, zero_point);
      const auto lane = static_cast<std::size_t>(c / plan_.per_group() * lanes_per_group + c % plan_.per_group());
      weight_sum_[lane] = static_cast<std::int32_t>(of_channel.total());
      weight_scale_[lane] = stage.weight_scale[stage.weight_scale.size() == 1 ? 0 : static_cast<std::size_t>(c)];
      if (!stage.bias.empty()) bias_[lane] = stage.bias[static_cast<std::size_t>(c)];
    }
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    return aligned(image_bytes()) + aligned(zero_bytes()) + 2 * aligned(static_cast<std::size_t>(lanes_) * 4) +
           plan_.scratch_bytes(threads);
  }

  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    check_scratch("dynamic range", scratch, scratch_bytes(threads));
    std::byte* at = scratch.data();
    const auto take = [&](std::size_t bytes) {
      std::byte* taken = at;
      at += aligned(bytes);
      return taken;
    };
    const auto lanes = static_cast<std::size_t>(lanes_);
    auto* image = reinterpret_cast<std::uint8_t*>(take(image_bytes()));
    auto* zero_row = reinterpret_cast<std::uint8_t*>(take(zero_bytes()));
    auto* start = reinterpret_cast<std::int32_t*>(take(lanes * 4));
    auto* scale = reinterpret_cast<float*>(take(lanes * 4));
    const ConvGeometry& g = plan_.geometry();
    Sink sink;
    sink.kind = Sink::Kind::real;
    sink.scale = scale;
    sink.bias = bias_.data();
    sink.low = low_;
    sink.high = high_;
    for (std::int64_t b = 0; b < batch; ++b) {
      const Grid grid = quantize_dynamic(in + b * g.in_size(), image, g.in_size(), threads);
      std::memset(zero_row, grid.zero_point, zero_bytes());
      for (std::size_t c = 0; c < lanes; ++c) {
        start[c] = -grid.zero_point * weight_sum_[c];
        scale[c] = weight_scale_[c] * grid.scale;
      }
      plan_.run(image, zero_row, start, sink, out + b * g.out_size(), 1, threads,
                scratch.subspan(static_cast<std::size_t>(at - scratch.data())));
    }
  }

  [[nodiscard]] const Plan& plan() const noexcept { return plan_; }

 private:
  static std::size_t aligned(std::size_t bytes) noexcept { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  [[nodiscard]] std::size_t image_bytes() const noexcept {
    return static_cast<std::size_t>(plan_.geometry().in_size());
  }
  [[nodiscard]] std::size_t zero_bytes() const noexcept { return static_cast<std::size_t>(plan_.zero_row_size()); }

  Plan plan_;
  std::int64_t lanes_ = 0;
  PooledVector<std::int32_t> weight_sum_;
  PooledVector<float> weight_scale_, bias_;
  float low_, high_;
};

}  // namespace detail

// Weights as QuantizedConv2d. in: [batch][in_h][in_w][in_c] float32, out likewise. Throws Error from run() when an
// image's range is not finite. No allocation in run().
class DynamicRangeConv2d {
 public:
  DynamicRangeConv2d(const ConvGeometry& geometry, std::span<const std::int8_t> weights, const DynamicRangeStage& stage,
                     std::string_view what = "conv2d", WeightBits bits = WeightBits::eight)
      : engine_(what, detail::ConvPlan(what, geometry, weights, bits), detail::sums_of_rows(weights, geometry.out_c),
                stage) {}

  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    engine_.run(in, out, batch, threads, scratch);
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept { return engine_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return engine_.plan().packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return engine_.plan().kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return engine_.plan().macs(); }

 private:
  detail::DynamicRange<detail::ConvPlan> engine_;
};

// Weights as QuantizedDepthwiseConv2d.
class DynamicRangeDepthwiseConv2d {
 public:
  DynamicRangeDepthwiseConv2d(const ConvGeometry& geometry, std::span<const std::int8_t> weights,
                              const DynamicRangeStage& stage, std::string_view what = "depthwise_conv2d")
      : engine_(what, detail::DepthwisePlan(what, geometry, weights), detail::sums_of_columns(weights, geometry.out_c),
                stage) {}

  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    engine_.run(in, out, batch, threads, scratch);
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept { return engine_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return engine_.plan().packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return engine_.plan().kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return engine_.plan().macs(); }

 private:
  detail::DynamicRange<detail::DepthwisePlan> engine_;
};

// Weights [out_c][in_c]; each row of the batch has a grid of its own.
class DynamicRangeDense {
 public:
  DynamicRangeDense(std::int64_t in_c, std::int64_t out_c, std::span<const std::int8_t> weights,
                    const DynamicRangeStage& stage, std::string_view what = "dense",
                    WeightBits bits = WeightBits::eight)
      : conv_(ConvGeometry{.in_c = in_c, .out_c = out_c, .window = {}}, weights, stage, what, bits) {}

  void run(const float* in, float* out, std::int64_t rows, int threads, std::span<std::byte> scratch) const {
    conv_.run(in, out, rows, threads, scratch);
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept { return conv_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return conv_.packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return conv_.kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return conv_.macs(); }

 private:
  DynamicRangeConv2d conv_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_DYNAMIC_RANGE_HPP_
