// octavo/kernels/pool_rows.hpp: pooling of one output row, portable version.
#ifndef OCTAVO_KERNELS_POOL_ROWS_HPP_
#define OCTAVO_KERNELS_POOL_ROWS_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "geometry.hpp"
#include "pool_stage.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// One output row of one image.
struct PoolRow {
  const ConvGeometry* geometry = nullptr;
  const std::uint8_t* image = nullptr;
  std::uint8_t* out = nullptr;
  std::int64_t y = 0;
};

// Taps t with 0 <= origin + t * dilation < extent, as [first, last).
struct TapRange {
  std::int64_t first = 0, last = 0;
  TapRange(std::int64_t origin, std::int64_t dilation, std::int64_t kernel, std::int64_t extent) {
    first = origin < 0 ? (-origin + dilation - 1) / dilation : 0;
    last = std::min(kernel, (extent - origin + dilation - 1) / dilation);
  }
  [[nodiscard]] std::int64_t size() const noexcept { return last - first; }
};

template <Isa Level>
struct Pool : Pool<fallback_of(Level)> {};

template <>
struct Pool<Isa::scalar> {
  static constexpr std::string_view kName = "pool_scalar";

  // For each pixel and block of up to 64 channels: begin(count), tap(codes, count) for each tap inside, end(out, count,
  // taps).
  template <class Begin, class Tap, class End>
  static void visit(const PoolRow& row, Begin begin, Tap tap, End end) {
    const ConvGeometry& g = *row.geometry;
    const Window& w = g.window;
    const std::int64_t top = row.y * w.stride_h - w.pad_top;
    const TapRange rows(top, w.dilation_h, w.kernel_h, g.in_h);
    for (std::int64_t x = 0; x < g.out_w; ++x) {
      const std::int64_t left = x * w.stride_w - w.pad_left;
      const TapRange columns(left, w.dilation_w, w.kernel_w, g.in_w);
      for (std::int64_t c = 0; c < g.out_c; c += 64) {
        const std::int64_t count = std::min<std::int64_t>(64, g.out_c - c);
        begin(count);
        for (std::int64_t i = rows.first; i < rows.last; ++i)
          for (std::int64_t j = columns.first; j < columns.last; ++j)
            tap(row.image + ((top + i * w.dilation_h) * g.in_w + left + j * w.dilation_w) * g.in_c + c, count);
        end(row.out + x * g.out_c + c, count, static_cast<std::int32_t>(rows.size() * columns.size()));
      }
    }
  }

  static void average(const PoolRow& row, const AverageStage& stage) {
    std::int32_t sum[64];
    visit(
        row, [&](std::int64_t count) { std::fill_n(sum, count, 0); },
        [&](const std::uint8_t* codes, std::int64_t count) {
          for (std::int64_t k = 0; k < count; ++k) sum[k] += codes[k];
        },
        [&](std::uint8_t* out, std::int64_t count, std::int32_t taps) {
          for (std::int64_t k = 0; k < count; ++k)
            out[k] = static_cast<std::uint8_t>(octavo::average(sum[k], taps, stage, kCodeOffset));
        });
  }

  static void maximum(const PoolRow& row, CodeLimits limits) {
    std::uint8_t best[64];
    visit(
        row, [&](std::int64_t count) { std::fill_n(best, count, static_cast<std::uint8_t>(limits.min)); },
        [&](const std::uint8_t* codes, std::int64_t count) {
          for (std::int64_t k = 0; k < count; ++k) best[k] = std::max(best[k], codes[k]);
        },
        [&](std::uint8_t* out, std::int64_t count, std::int32_t) {
          for (std::int64_t k = 0; k < count; ++k) out[k] = std::min(best[k], static_cast<std::uint8_t>(limits.max));
        });
  }

  // sum[k] = sum over p of in[p * stride + k], k < count <= 64; pixels * 255 fits in int32.
  static void sum(const std::uint8_t* in, std::int64_t pixels, std::int64_t stride, std::int64_t count,
                  std::int32_t* sum) {
    std::fill_n(sum, count, 0);
    for (std::int64_t p = 0; p < pixels; ++p)
      for (std::int64_t k = 0; k < count; ++k) sum[k] += in[p * stride + k];
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_POOL_ROWS_HPP_
