// octavo/kernels/depthwise_conv2d.hpp: 8-bit depthwise convolution with the output stage fused.
//
//   out[y][x][c] = stage(bias[c] + sum over taps (i, j) of weight[i][j][c] *
//                        (in[y * stride_h - pad_top + i * dilation_h][...][c / multiplier] - input_zero_point))
// Taps outside the image contribute 0. Result: reference/conv2d.hpp, byte for byte, on every level.
#ifndef OCTAVO_KERNELS_DEPTHWISE_CONV2D_HPP_
#define OCTAVO_KERNELS_DEPTHWISE_CONV2D_HPP_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "conv2d.hpp"
#include "depthwise_levels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Geometry, packed weights, threads; the quantized and the dynamic-range operator stand on it.
class DepthwisePlan {
 public:
  DepthwisePlan() = default;
  DepthwisePlan(std::string_view what, const ConvGeometry& g, std::span<const std::int8_t> weights) : g_(g) {
    ConvGeometry ungrouped = g;
    ungrouped.groups = 1;
    check_geometry(what, ungrouped);
    require(g.out_c % g.in_c == 0, what, ": ", g.out_c, " output channels are no multiple of ", g.in_c, " inputs");
    check_size(what, "weights", weights.size(), g.window.kernel_h * g.window.kernel_w * g.out_c);
    weights_ = pack_depthwise(g, weights.data());
  }

  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return g_; }
  [[nodiscard]] std::int64_t zero_row_size() const noexcept { return g_.in_w * g_.in_c; }
  [[nodiscard]] std::size_t packed_bytes() const noexcept {  // memory of the weights
    return weights_.bytes();
  }
  [[nodiscard]] std::string_view kernel_name() const { return dispatch<DepthwiseName>(g_); }
  [[nodiscard]] std::int64_t macs() const noexcept { return g_.out_size() * g_.window.kernel_h * g_.window.kernel_w; }

  // The same shape as ConvPlan, so that one dynamic-range class serves both; no scratch is needed.
  [[nodiscard]] std::int64_t per_group() const noexcept { return g_.out_c; }
  [[nodiscard]] std::size_t scratch_bytes(int /*threads*/) const noexcept { return 0; }
  void run(const std::uint8_t* in, const std::uint8_t* zero_row, const std::int32_t* start, const Sink& sink, void* out,
           std::int64_t batch, int threads, std::span<std::byte> /*scratch*/, const std::int32_t* start_quads = nullptr,
           const float* scale_quads = nullptr) const {
    const DepthwiseFunction kernel = depthwise_level();
    const std::int64_t rows = batch * g_.out_h;
    const std::int64_t blocks = round_up(g_.out_c, kChannelBlock) / kChannelBlock;
    const bool by_rows = split_rows(rows, blocks, threads);
    parallel_for(by_rows ? rows : blocks, threads, [&](std::int64_t begin, std::int64_t end, int) {
      DepthwiseCall call;
      call.channel_end = g_.out_c;
      if (!by_rows) {
        call.channel_begin = begin * kChannelBlock;
        call.channel_end = std::min(g_.out_c, end * kChannelBlock);
        begin = 0;
        end = rows;
      }
      call.geometry = &g_;
      call.weights = &weights_;
      call.zero_row = zero_row;
      call.start = start;
      call.sink = sink;
      call.start_quads = start_quads;
      call.scale_quads = scale_quads;
      for (std::int64_t row = begin; row < end;) {
        const std::int64_t image = row / g_.out_h;
        const std::int64_t stop = std::min(end, (image + 1) * g_.out_h);
        call.in = in + image * g_.in_size();
        call.y_begin = row - image * g_.out_h;
        call.y_end = stop - image * g_.out_h;
        const std::int64_t at = row * g_.out_w * g_.out_c;
        call.out = sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(out) + at)
                                                 : static_cast<void*>(static_cast<std::uint8_t*>(out) + at);
        kernel(call);
        row = stop;
      }
    });
  }

 private:
  // Threads share the rows, unless sharing blocks of channels leaves less to the busiest one. Kernels take rows in
  // pairs: a single row costs about half as much again.
  [[nodiscard]] bool split_rows(std::int64_t rows, std::int64_t blocks, int threads) const noexcept {
    const std::int64_t n = std::max(threads, 1);
    const auto cost = [](std::int64_t height) { return 2 * height + height % 2; };
    const std::int64_t rows_cost = cost((rows + n - 1) / n) * blocks;
    return rows_cost <= cost(rows) * ((blocks + n - 1) / n);
  }

  ConvGeometry g_;
  DepthwiseWeights weights_;
};

// A stage of kind fast_codes in the order of the quads (quad_lane); nothing for other stages.
struct QuadOrder {
  PooledVector<std::int32_t> start;
  PooledVector<float> scale;

  QuadOrder() = default;
  QuadOrder(const PooledVector<std::int32_t>& starts, const PreparedStage& stage, std::int64_t channels) {
    if (!stage.fast()) return;
    const float* const scales = stage.sink().scale;
    assign_all(start, starts.size(), 0);
    assign_all(scale, starts.size(), 0.0F);
    for (std::size_t c = 0; c < starts.size(); ++c) {
      const auto lane = static_cast<std::size_t>(quad_lane(static_cast<std::int64_t>(c)));
      const std::int64_t from = repeated_channel(static_cast<std::int64_t>(c), channels);
      if (from < 0) continue;
      start[lane] = starts[static_cast<std::size_t>(from)];
      scale[lane] = scales[from];
    }
  }
};

}  // namespace detail

// Prepared once, then run() any number of times, by any number of threads at the same time.
class QuantizedDepthwiseConv2d {
 public:
  // weights: 1HWC, [kernel_h][kernel_w][out_c], out_c = in_c * multiplier (geometry.groups is ignored); the rest as
  // QuantizedConv2d.
  QuantizedDepthwiseConv2d(const ConvGeometry& geometry, std::span<const std::int8_t> weights,
                           std::span<const std::int32_t> bias, std::int32_t input_zero_point, const OutputStage& stage,
                           std::string_view what = "depthwise_conv2d")
      : plan_(what, geometry, weights) {
    const std::vector<std::int64_t> bounds = detail::fold_starts(what, detail::sums_of_columns(weights, geometry.out_c),
                                                                 bias, input_zero_point, geometry.out_c, starts_);
    stage_ = detail::PreparedStage(what, stage, 1, geometry.out_c, bounds);
    assign_all(zero_row_, static_cast<std::size_t>(plan_.zero_row_size()), static_cast<std::uint8_t>(input_zero_point));
    quads_ = detail::QuadOrder(starts_, stage_, geometry.out_c);
  }

  // in: [batch][in_h][in_w][in_c], out: [batch][out_h][out_w][out_c], u8 terms, not overlapping. Needs no scratch and
  // allocates nothing.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads,
           std::span<std::byte> /*scratch*/ = {}) const {
    plan_.run(in, zero_row_.data(), starts_.data(), stage_.sink(), out, batch, threads, {}, quads_.start.data(),
              quads_.scale.data());
  }

  [[nodiscard]] std::size_t scratch_bytes(int /*threads*/) const noexcept { return 0; }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return plan_.packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return plan_.kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return plan_.macs(); }  // of one image
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return plan_.geometry(); }

 private:
  detail::DepthwisePlan plan_;
  detail::PreparedStage stage_;
  PooledVector<std::int32_t> starts_;
  detail::QuadOrder quads_;
  PooledVector<std::uint8_t> zero_row_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_DEPTHWISE_CONV2D_HPP_
