// octavo/kernels/conv2d_prepared_f32.hpp: float convolution, depthwise convolution and dense for inference: weights
// packed once, bias and activation fused, nothing allocated in run().
//
// A kernel is prepared for the level that is active when it is made, and keeps it. run() may be called by several
// threads at the same time, each with a scratch of its own.
#ifndef OCTAVO_KERNELS_CONV2D_PREPARED_F32_HPP_
#define OCTAVO_KERNELS_CONV2D_PREPARED_F32_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/pool.hpp"
#include "conv2d_f32.hpp"
#include "depthwise_conv2d_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

namespace detail {

// What the three share: geometry, packed weights, bias, limits, and the functions of the level they were made for.
class PreparedF32 {
 public:
  // Of one image, or for dense of one row.
  [[nodiscard]] std::int64_t macs() const noexcept {
    return g_.out_size() * g_.window.kernel_h * g_.window.kernel_w * per_output_;
  }
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return g_; }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return weights_.size() * sizeof(float); }
  [[nodiscard]] std::string_view kernel_name() const noexcept { return name_; }

 protected:
  PreparedF32(std::string_view what, const ConvGeometry& g, std::int64_t per_output, std::size_t weights,
              std::span<const float> bias, float low, float high)
      : g_(g), per_output_(per_output), bias_(bias.begin(), bias.end()), low_(low), high_(high) {
    const auto expected = static_cast<std::size_t>(g.out_c * g.window.kernel_h * g.window.kernel_w * per_output);
    require(weights == expected, what, ": expected ", expected, " weights, found ", weights);
    require(bias.empty() || bias.size() == static_cast<std::size_t>(g.out_c), what, ": expected ", g.out_c,
            " biases, found ", bias.size());
    require(low <= high, what, ": empty range [", low, ", ", high, "]");
  }
  [[nodiscard]] const float* bias() const noexcept { return bias_.empty() ? nullptr : bias_.data(); }
  [[nodiscard]] GemmBlockF32 product() const noexcept {
    GemmBlockF32 block{};
    block.bias = bias();
    block.low = low_;
    block.high = high_;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    block.clamp = low_ > -infinity || high_ < infinity;
    return block;
  }
  static void require_scratch(std::string_view what, std::span<std::byte> scratch, std::size_t needed) {
    require(scratch.size() >= needed, what, ": expected ", needed, " bytes of scratch, found ", scratch.size());
  }

  ConvGeometry g_;
  std::int64_t per_output_;  // weights of one output channel and tap
  PooledVector<float> bias_, weights_;
  float low_, high_;
  std::string_view name_;
};

// One that is a matrix product.
class PreparedProductF32 : public PreparedF32 {
 protected:
  template <class... Arguments>
  PreparedProductF32(const float* w, Arguments&&... arguments)
      : PreparedF32(std::forward<Arguments>(arguments)...), level_(gemm_level_f32()) {
    const ConvSizesF32 s(g_);
    weights_.resize(static_cast<std::size_t>(packed_conv_floats_f32(level_, s)));
    pack_conv_weights_f32(level_, s, w, weights_.data(), 1);
    name_ = level_.name;
  }
  void multiply_rows(const float* in, float* out, std::int64_t rows, int threads, const float* addend = nullptr) const {
    GemmBlockF32 whole = product();
    whole.addend = addend;
    whole.rows = rows;
    whole.columns = g_.out_c;
    whole.depth = g_.in_c;
    whole.a = in;
    whole.a_row = g_.in_c;
    whole.b = weights_.data();
    whole.c = out;
    whole.ldc = g_.out_c;
    packed_gemm_f32(level_, whole, threads);
  }

  GemmLevelF32 level_;
};

}  // namespace detail

// y = clamp(bias + convolution, low, high), as conv2d_f32. Weights OHWI; bias may be empty (zeros); no limit is
// -infinity or +infinity. A pointwise convolution multiplies the input in place; others gather blocks of patches, or,
// where the patches would cost as much as the product (few output channels), read each kernel row where it stands.
class Conv2dF32 : public detail::PreparedProductF32 {
 public:
  // Throws where the geometry, the number of weights or of biases, or the limits do not fit.
  Conv2dF32(const ConvGeometry& geometry, std::span<const float> weights_ohwi, std::span<const float> bias, float low,
            float high)
      : PreparedProductF32(weights_ohwi.data(), "conv2d", checked(geometry), geometry.in_c / geometry.groups,
                           weights_ohwi.size(), bias, low, high) {}

  // in: `batch` images NHWC; out likewise. scratch: at least scratch_bytes(threads), at a 64-byte boundary.
  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    const std::int64_t pixels = batch * g_.out_h * g_.out_w;
    if (g_.pointwise()) return multiply_rows(in, out, pixels, threads);
    require_scratch("conv2d", scratch, scratch_bytes(threads));
    auto* columns = reinterpret_cast<float*>(scratch.data());
    const detail::ConvSizesF32 s(g_);
    const auto gather = [&](std::int64_t begin, std::int64_t end, int part) {
      detail::conv_pixels_f32(level_, s, in, weights_.data(), product(), out, begin, end,
                              columns + part * column_floats(s));
    };
    if (reads_in_place())
      parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
        for (std::int64_t row = begin; row < end; ++row) {
          const detail::GemmBlockF32 inside = columns_inside(in, out, row);
          const std::int64_t first = (inside.c - out) / g_.out_c;
          gather(row * g_.out_w, first, part);
          if (inside.rows > 0) detail::packed_gemm_f32(level_, inside, 0, inside.rows, 0, inside.columns);
          gather(first + inside.rows, (row + 1) * g_.out_w, part);
        }
      });
    else
      parallel_for(detail::blocks_in(pixels, s.block), threads, [&](std::int64_t begin, std::int64_t end, int part) {
        gather(begin * s.block, std::min(end * s.block, pixels), part);
      });
  }
  // Pointwise only: y = clamp(bias + convolution + addend, low, high); addend as out, which it must not overlap.
  void run_and_add(const float* in, const float* addend, float* out, std::int64_t batch, int threads) const {
    multiply_rows(in, out, batch * g_.out_h * g_.out_w, threads, addend);
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    if (g_.pointwise()) return 0;
    return static_cast<std::size_t>(std::max(threads, 1) * column_floats(detail::ConvSizesF32(g_))) * sizeof(float);
  }

 private:
  static const ConvGeometry& checked(const ConvGeometry& g) {
    detail::require_groups(g);
    return g;
  }
  [[nodiscard]] bool reads_in_place() const noexcept {
    return g_.groups == 1 && g_.window.dilation_w == 1 && g_.out_c % level_.columns == 0 && g_.out_c <= 128 &&
           g_.out_w >= 2 * level_.rows;
  }
  // Output row `row` of the batch where the window is inside the image: none, or the columns from (c - out) / out_c on.
  [[nodiscard]] detail::GemmBlockF32 columns_inside(const float* in, float* out, std::int64_t row) const noexcept {
    const Window& w = g_.window;
    const std::int64_t top = row % g_.out_h * w.stride_h - w.pad_top;
    const std::int64_t first = detail::blocks_in(w.pad_left, w.stride_w);
    const std::int64_t room = g_.in_w - w.kernel_w + w.pad_left;
    const std::int64_t last = room >= 0 ? std::min(room / w.stride_w + 1, g_.out_w) : 0;
    const bool inside = top >= 0 && top + (w.kernel_h - 1) * w.dilation_h < g_.in_h && first < last;
    detail::GemmBlockF32 block = product();
    block.rows = inside ? last - first : 0;
    block.columns = g_.out_c;
    block.depth = w.kernel_h * w.kernel_w * g_.in_c;
    block.segment = w.kernel_w * g_.in_c;
    block.jump = w.dilation_h * g_.in_w * g_.in_c;
    if (inside) {
      const std::int64_t left = first * w.stride_w - w.pad_left;
      block.a = in + row / g_.out_h * g_.in_size() + (top * g_.in_w + left) * g_.in_c;
    }
    block.a_row = w.stride_w * g_.in_c;
    block.b = weights_.data();
    block.c = out + (row * g_.out_w + (inside ? first : 0)) * g_.out_c;
    block.ldc = g_.out_c;
    return block;
  }
  static std::int64_t column_floats(const detail::ConvSizesF32& s) noexcept {
    return detail::blocks_in(s.block * s.patch, 16) * 16;
  }
};

// y = clamp(bias + x W^T, low, high) for each row of x. Weights [out_c][in_c]; bias may be empty (zeros).
class DenseF32 : public detail::PreparedProductF32 {
 public:
  DenseF32(std::int64_t in_c, std::int64_t out_c, std::span<const float> weights, std::span<const float> bias,
           float low, float high)
      : PreparedProductF32(weights.data(), "dense", row(in_c, out_c), in_c, weights.size(), bias, low, high) {}

  // in: rows x in_c, out: rows x out_c. No scratch is needed.
  void run(const float* in, float* out, std::int64_t rows, int threads, std::span<std::byte> /*scratch*/) const {
    multiply_rows(in, out, rows, threads);
  }
  [[nodiscard]] static std::size_t scratch_bytes(int /*threads*/) noexcept { return 0; }

 private:
  static ConvGeometry row(std::int64_t in_c, std::int64_t out_c) {
    ConvGeometry g;
    g.in_c = in_c;
    g.out_c = out_c;
    return g;
  }
};

// y = clamp(bias + depthwise convolution, low, high), as depthwise_conv2d_f32. Weights [kernel_h][kernel_w][out_c].
class DepthwiseConv2dF32 : public detail::PreparedF32 {
 public:
  DepthwiseConv2dF32(const ConvGeometry& geometry, std::span<const float> weights, std::span<const float> bias,
                     float low, float high)
      : PreparedF32("depthwise_conv2d", checked(geometry), 1, weights.size(), bias, low, high) {
    weights_.assign(weights.begin(), weights.end());
    name_ = level_.name;
  }

  // in: `batch` images NHWC; out likewise. scratch: at least scratch_bytes(threads), at a 64-byte boundary.
  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    require_scratch("depthwise_conv2d", scratch, scratch_bytes(threads));
    const detail::DepthwiseSizesF32 s(g_);
    constexpr std::int64_t beyond_l2 = 1 << 18;
    const detail::DepthwiseOutputF32 f{bias(), low_, high_, false, batch * g_.out_size() >= beyond_l2};
    const std::size_t part_bytes = scratch_bytes(1);
    parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
      std::byte* mine = scratch.data() + static_cast<std::size_t>(part) * part_bytes;
      auto* taps = reinterpret_cast<detail::LineTapF32*>(mine);
      auto* active = reinterpret_cast<detail::TapF32*>(mine + tap_bytes());
      auto* rows = reinterpret_cast<float*>(mine + tap_bytes() + active_bytes());
      detail::depthwise_lines_f32(level_, s, in, weights_.data(), f, begin, end, {taps, active},
                                  detail::DepthwiseRowsF32(s, rows), out);
    });
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    return static_cast<std::size_t>(std::max(threads, 1)) * (tap_bytes() + active_bytes() + row_bytes());
  }

 private:
  static const ConvGeometry& checked(const ConvGeometry& g) {
    detail::require_depthwise(g);
    return g;
  }
  static std::size_t aligned(std::size_t bytes) noexcept { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  [[nodiscard]] std::size_t taps() const noexcept {
    return static_cast<std::size_t>(g_.window.kernel_h * g_.window.kernel_w);
  }
  [[nodiscard]] std::size_t tap_bytes() const noexcept { return aligned(taps() * sizeof(detail::LineTapF32)); }
  [[nodiscard]] std::size_t active_bytes() const noexcept { return aligned(taps() * sizeof(detail::TapF32)); }
  [[nodiscard]] std::size_t row_bytes() const noexcept {
    const detail::DepthwiseSizesF32 s(g_);
    return aligned(static_cast<std::size_t>(detail::DepthwiseRowsF32::buffer_floats(s)) * sizeof(float));
  }

  detail::DepthwiseLevelF32 level_ = detail::depthwise_level_f32();
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV2D_PREPARED_F32_HPP_
