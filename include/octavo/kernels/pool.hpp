// octavo/kernels/pool.hpp: average, maximum and global average pooling of 8-bit codes.
//
// Results: reference/pool.hpp, byte for byte. Bound: a sum of codes is at most 255 * window, which must fit in int32;
// the constructors check it.
#ifndef OCTAVO_KERNELS_POOL_HPP_
#define OCTAVO_KERNELS_POOL_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "conv_plan.hpp"
#include "pool_levels.hpp"
#include "pool_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Throws unless each window has at least one tap inside the image and sums of its codes fit in int32.
inline void check_pool(std::string_view what, const ConvGeometry& g) {
  ConvGeometry ungrouped = g;
  ungrouped.groups = 1;
  check_geometry(what, ungrouped);
  require(g.in_c == g.out_c, what, ": expected equal channels, found ", g.in_c, " and ", g.out_c);
  const Window& w = g.window;
  require(w.kernel_h * w.kernel_w < (1 << 22), what, ": window ", w.kernel_h, "x", w.kernel_w, " is too large");
  const auto covered = [](std::int64_t out, std::int64_t in, std::int64_t kernel, std::int64_t stride,
                          std::int64_t dilation, std::int64_t pad) {
    for (std::int64_t o = 0; o < out; ++o) {
      const std::int64_t first = o * stride - pad;
      const std::int64_t skipped = first < 0 ? (-first + dilation - 1) / dilation : 0;
      if (skipped >= kernel || first + skipped * dilation >= in) return false;
    }
    return true;
  };
  require(covered(g.out_h, g.in_h, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top) &&
              covered(g.out_w, g.in_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left),
          what, ": a window lies outside the ", g.in_h, "x", g.in_w, " image");
}

// Calls row(call) for each output row, over threads.
template <class Row>
void for_each_pool_row(const ConvGeometry& g, const std::uint8_t* in, std::uint8_t* out, std::int64_t batch,
                       int threads, Row row) {
  parallel_for(batch * g.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r)
      row(PoolRow{&g, in + r / g.out_h * g.in_size(), out + r * g.out_w * g.out_c, r % g.out_h});
  });
}

}  // namespace detail

// out = stage(sum of the codes in the window, how many of them lie inside the image); see AverageStage.
class QuantizedAveragePool2d {
 public:
  QuantizedAveragePool2d(const ConvGeometry& geometry, AverageStage stage) : g_(geometry), stage_(std::move(stage)) {
    detail::check_pool("average_pool2d", g_);
    const auto taps = static_cast<std::size_t>(g_.window.kernel_h * g_.window.kernel_w);
    require(stage_.rounding != Rounding::nearest_even_f32 || stage_.factor.size() > taps,
            "average_pool2d: expected factors for up to ", taps, " taps, found ", stage_.factor.size());
    require(stage_.min <= stage_.max && stage_.min >= 0 && stage_.max <= 255, "average_pool2d: range [", stage_.min,
            ", ", stage_.max, "] is not within [0, 255]");
  }

  // u8 terms, NHWC.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads) const {
    const auto kernel = detail::pool_level();
    detail::for_each_pool_row(g_, in, out, batch, threads,
                              [&](const detail::PoolRow& row) { kernel.average(row, stage_); });
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::pool_level().name; }

 private:
  ConvGeometry g_;
  AverageStage stage_;
};

// out = clamp(largest code of the window inside the image, limits); input and output share one grid.
class QuantizedMaxPool2d {
 public:
  QuantizedMaxPool2d(const ConvGeometry& geometry, CodeLimits limits) : g_(geometry), limits_(limits) {
    detail::check_pool("max_pool2d", g_);
    require(limits.min <= limits.max && limits.min >= 0 && limits.max <= 255, "max_pool2d: range [", limits.min, ", ",
            limits.max, "] is not within [0, 255]");
  }

  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads) const {
    const auto kernel = detail::pool_level();
    detail::for_each_pool_row(g_, in, out, batch, threads,
                              [&](const detail::PoolRow& row) { kernel.maximum(row, limits_); });
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::pool_level().name; }

 private:
  ConvGeometry g_;
  CodeLimits limits_;
};

// out[b][c] = stage(sum over pixels of (in[b][p][c] - input_zero_point)), stage from make_mean_stage(): one scale.
class QuantizedGlobalAveragePool {
 public:
  QuantizedGlobalAveragePool(std::int64_t pixels, std::int64_t channels, std::int32_t input_zero_point,
                             const OutputStage& stage)
      : pixels_(pixels), channels_(channels), input_zero_point_(input_zero_point) {
    require(pixels > 0 && channels > 0 && pixels < (1 << 23), "global_average_pool: ", pixels, " pixels, ", channels,
            " channels: expected 1 .. 2^23 - 1 pixels and at least one channel");
    require(input_zero_point >= 0 && input_zero_point <= 255, "global_average_pool: input zero point ",
            input_zero_point, " is not in [0, 255] (u8 terms)");
    require(stage.scale.size() <= 1 && stage.multiplier.size() <= 1, "global_average_pool: expected one scale");
    const std::vector<std::int64_t> bounds(kBlock, pixels * 255);
    stage_ = detail::PreparedStage("global_average_pool", stage, 1, kBlock, bounds);
  }

  // in: [batch][pixels][channels], out: [batch][channels].
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads) const {
    const auto kernel = detail::pool_level();
    const std::int64_t blocks = (channels_ + kBlock - 1) / kBlock;
    const auto offset = static_cast<std::int32_t>(pixels_ * input_zero_point_);
    parallel_for(batch * blocks, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t c = i % blocks * kBlock;
        const std::int64_t count = std::min(kBlock, channels_ - c);
        alignas(64) std::int32_t sum[kBlock] = {};
        kernel.sum(in + i / blocks * pixels_ * channels_ + c, pixels_, channels_, count, sum);
        for (std::int32_t& s : sum) s -= offset;
        kernel.finish(stage_.sink(), sum, kBlock, 1, 0, count, out + i / blocks * channels_ + c, 0);
      }
    });
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::pool_level().name; }

 private:
  static constexpr std::int64_t kBlock = detail::kChannelBlock;

  std::int64_t pixels_, channels_;
  std::int32_t input_zero_point_;
  detail::PreparedStage stage_;  // one block of equal channels
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_POOL_HPP_
