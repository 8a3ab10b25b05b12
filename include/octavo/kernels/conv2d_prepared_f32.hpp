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
#include <span>
#include <string_view>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
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
  AlignedVector<float> bias_, weights_;
  float low_, high_;
  std::string_view name_;
};

template <Isa Level>
constexpr std::string_view gemm_name_f32() {
  constexpr std::string_view names[] = {"f32_gemm_scalar", "f32_gemm_6x16_avx2", "f32_gemm_6x16_avx2",
                                        "f32_gemm_14x32_avx512"};
  return names[static_cast<std::size_t>(Level)];
}

}  // namespace detail

// y = clamp(bias + convolution, low, high), as conv2d_f32. Weights OHWI; bias may be empty (zeros); no limit is
// -infinity or +infinity. A pointwise convolution multiplies the input in place; others gather blocks of patches.
class Conv2dF32 : public detail::PreparedF32 {
 public:
  // Throws where the geometry, the number of weights or of biases, or the limits do not fit.
  Conv2dF32(const ConvGeometry& geometry, std::span<const float> weights_ohwi, std::span<const float> bias, float low,
            float high)
      : PreparedF32("conv2d", checked(geometry), geometry.in_c / geometry.groups, weights_ohwi.size(), bias, low,
                    high) {
    dispatch<Prepare>(*this, weights_ohwi.data());
  }

  // in: `batch` images NHWC; out likewise. scratch: at least scratch_bytes(threads).
  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    require_scratch("conv2d", scratch, scratch_bytes(threads));
    run_(*this, in, out, batch, std::max(threads, 1), reinterpret_cast<float*>(scratch.data()));
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    if (g_.pointwise()) return 0;
    return static_cast<std::size_t>(std::max(threads, 1)) * column_floats() * sizeof(float);
  }

 private:
  static const ConvGeometry& checked(const ConvGeometry& g) {
    detail::require_groups(g);
    return g;
  }
  [[nodiscard]] std::size_t column_floats() const noexcept {
    const detail::ConvSizesF32 s(g_);
    return static_cast<std::size_t>((s.block * s.patch + 15) / 16 * 16);
  }

  template <Isa Level>
  struct Prepare {
    static void run(Conv2dF32& conv, const float* w) {
      using Weights = detail::PackedConvWeightsF32<Level>;
      const detail::ConvSizesF32 s(conv.g_);
      conv.weights_.resize(static_cast<std::size_t>(Weights::floats(s)));
      Weights::pack(s, w, conv.weights_.data(), 1);
      conv.run_ = &run_on;
      conv.name_ = detail::gemm_name_f32<Level>();
    }
    static void run_on(const Conv2dF32& conv, const float* in, float* out, std::int64_t batch, int threads,
                       float* scratch) {
      detail::GemmBlockF32 whole = conv.product();
      const ConvGeometry& g = conv.g_;
      const detail::ConvSizesF32 s(g);
      if (g.pointwise()) {
        whole.rows = batch * s.pixels;
        whole.columns = g.out_c;
        whole.depth = g.in_c;
        whole.a = in;
        whole.a_row = g.in_c;
        whole.a_depth = 1;
        whole.b = conv.weights_.data();
        whole.c = out;
        whole.ldc = g.out_c;
        detail::PackedGemmF32<Level>::run(whole, threads);
        return;
      }
      const std::int64_t pixels = batch * s.pixels;
      const auto columns = static_cast<std::int64_t>(conv.column_floats());
      parallel_for(detail::blocks_in(pixels, s.block), threads, [&](std::int64_t begin, std::int64_t end, int part) {
        detail::conv_pixels_f32<Level>(s, in, conv.weights_.data(), whole, out, begin * s.block,
                                       std::min(end * s.block, pixels), scratch + part * columns);
      });
    }
  };

  void (*run_)(const Conv2dF32&, const float*, float*, std::int64_t, int, float*) = nullptr;
};

// y = clamp(bias + x W^T, low, high) for each row of x. Weights [out_c][in_c]; bias may be empty (zeros).
class DenseF32 : public detail::PreparedF32 {
 public:
  DenseF32(std::int64_t in_c, std::int64_t out_c, std::span<const float> weights, std::span<const float> bias,
           float low, float high)
      : PreparedF32("dense", row(in_c, out_c), in_c, weights.size(), bias, low, high) {
    dispatch<Prepare>(*this, weights.data());
  }

  // in: rows x in_c, out: rows x out_c. No scratch is needed.
  void run(const float* in, float* out, std::int64_t rows, int threads, std::span<std::byte> /*scratch*/) const {
    run_(*this, in, out, rows, std::max(threads, 1));
  }
  [[nodiscard]] static std::size_t scratch_bytes(int /*threads*/) noexcept { return 0; }

 private:
  static ConvGeometry row(std::int64_t in_c, std::int64_t out_c) {
    ConvGeometry g;
    g.in_c = in_c;
    g.out_c = out_c;
    return g;
  }

  template <Isa Level>
  struct Prepare {
    static void run(DenseF32& dense, const float* w) {
      using Weights = detail::PackedConvWeightsF32<Level>;
      const detail::ConvSizesF32 s(dense.g_);
      dense.weights_.resize(static_cast<std::size_t>(Weights::floats(s)));
      Weights::pack(s, w, dense.weights_.data(), 1);
      dense.run_ = &run_on;
      dense.name_ = detail::gemm_name_f32<Level>();
    }
    static void run_on(const DenseF32& dense, const float* in, float* out, std::int64_t rows, int threads) {
      detail::GemmBlockF32 whole = dense.product();
      whole.rows = rows;
      whole.columns = dense.g_.out_c;
      whole.depth = dense.g_.in_c;
      whole.a = in;
      whole.a_row = dense.g_.in_c;
      whole.a_depth = 1;
      whole.b = dense.weights_.data();
      whole.c = out;
      whole.ldc = dense.g_.out_c;
      detail::PackedGemmF32<Level>::run(whole, threads);
    }
  };

  void (*run_)(const DenseF32&, const float*, float*, std::int64_t, int) = nullptr;
};

// y = clamp(bias + depthwise convolution, low, high), as depthwise_conv2d_f32. Weights [kernel_h][kernel_w][out_c].
class DepthwiseConv2dF32 : public detail::PreparedF32 {
 public:
  DepthwiseConv2dF32(const ConvGeometry& geometry, std::span<const float> weights, std::span<const float> bias,
                     float low, float high)
      : PreparedF32("depthwise_conv2d", checked(geometry), 1, weights.size(), bias, low, high) {
    weights_.assign(weights.begin(), weights.end());
    dispatch<Prepare>(*this);
  }

  // in: `batch` images NHWC; out likewise. scratch: at least scratch_bytes(threads), at a 64-byte boundary.
  void run(const float* in, float* out, std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    require_scratch("depthwise_conv2d", scratch, scratch_bytes(threads));
    run_(*this, in, out, batch, std::max(threads, 1), scratch.data());
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

  template <Isa Level>
  struct Prepare {
    static void run(DepthwiseConv2dF32& conv) {
      constexpr std::string_view names[] = {"f32_depthwise_scalar", "f32_depthwise_avx2", "f32_depthwise_avx2",
                                            "f32_depthwise_avx512"};
      conv.run_ = &run_on;
      conv.name_ = names[static_cast<std::size_t>(Level)];
    }
    static void run_on(const DepthwiseConv2dF32& conv, const float* in, float* out, std::int64_t batch, int threads,
                       std::byte* scratch) {
      const detail::DepthwiseSizesF32 s(conv.g_);
      const detail::DepthwiseOutputF32 f{conv.bias(), conv.low_, conv.high_};
      const std::size_t part_bytes = conv.scratch_bytes(1);
      parallel_for(batch * s.g.out_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
        std::byte* mine = scratch + static_cast<std::size_t>(part) * part_bytes;
        auto* taps = reinterpret_cast<detail::LineTapF32*>(mine);
        auto* active = reinterpret_cast<detail::TapF32*>(mine + conv.tap_bytes());
        auto* rows = reinterpret_cast<float*>(mine + conv.tap_bytes() + conv.active_bytes());
        detail::depthwise_lines_f32<Level>(s, in, conv.weights_.data(), f, begin, end, {taps, active},
                                           detail::DepthwiseRowsF32(s, rows), out);
      });
    }
  };

  void (*run_)(const DepthwiseConv2dF32&, const float*, float*, std::int64_t, int, std::byte*) = nullptr;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV2D_PREPARED_F32_HPP_
