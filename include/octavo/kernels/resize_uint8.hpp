// octavo/kernels/resize_uint8.hpp: bilinear resize of legacy uint8 tensors, as TFLite's reference kernel computes it
// for them: in float32.
//
// With y, x the position in float32 (resize_axis.hpp, not pulled back), y0 = max(floor(y), 0), y1 = min(ceil(y), last),
// the same for x, dy = y - y0, dx = x - x0, and each product and sum rounded to float32 in this order:
//   a (1 - dy) (1 - dx) + c dy (1 - dx) + b (1 - dy) dx + d dy dx + 1/2, cut to an integer
// a, b in row y0, c, d in row y1. A plain loop, for old models only.
#ifndef OCTAVO_KERNELS_RESIZE_UINT8_HPP_
#define OCTAVO_KERNELS_RESIZE_UINT8_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../core/parallel.hpp"
#include "resize_axis.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

class ResizeBilinearUint8 {
 public:
  explicit ResizeBilinearUint8(const ResizeGeometry& geometry) : g_(geometry) {
    check_resize("resize_bilinear", g_);
    for (std::int64_t y = 0; y < g_.out_h; ++y) rows_.emplace_back(g_.rows(), y);
    for (std::int64_t x = 0; x < g_.out_w; ++x) columns_.emplace_back(g_.columns(), x);
  }

  // u8 terms (the uint8 codes), NHWC; `in` and `out` do not overlap.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads) const {
    const std::int64_t in_row = g_.in_w * g_.channels;
    parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        const Source& row = rows_[static_cast<std::size_t>(r % g_.out_h)];
        const std::uint8_t* top = in + (r / g_.out_h * g_.in_h + row.first) * in_row;
        const std::uint8_t* bottom = in + (r / g_.out_h * g_.in_h + row.second) * in_row;
        std::uint8_t* to = out + r * g_.out_w * g_.channels;
        for (const Source& column : columns_) {
          const std::int64_t first = column.first * g_.channels, second = column.second * g_.channels;
          for (std::int64_t c = 0; c < g_.channels; ++c)
            *to++ = code(top[first + c], top[second + c], bottom[first + c], bottom[second + c], row, column);
        }
      }
    });
  }

 private:
  struct Source {
    std::int64_t first, second;
    float weight_first, weight_second;
    Source(const ResizeAxis& axis, std::int64_t i) {
      const float scale = detail::resize_scale(axis);
      const auto at = static_cast<float>(i);
      const float position = axis.half_pixel_centers ? detail::sum_f32(detail::product_f32(at + 0.5F, scale), -0.5F)
                                                     : detail::product_f32(at, scale);
      first = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(position)), 0, axis.in - 1);
      second = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(position)), 0, axis.in - 1);
      weight_second = detail::sum_f32(position, -static_cast<float>(first));
      weight_first = detail::sum_f32(1.0F, -weight_second);
    }
  };

  [[nodiscard]] static std::uint8_t code(int a, int b, int c, int d, const Source& row, const Source& column) {
    const auto term = [](int value, float down, float right) {
      return detail::product_f32(detail::product_f32(static_cast<float>(value), down), right);
    };
    float sum = detail::sum_f32(term(a, row.weight_first, column.weight_first),
                                term(c, row.weight_second, column.weight_first));
    sum = detail::sum_f32(sum, term(b, row.weight_first, column.weight_second));
    sum = detail::sum_f32(sum, term(d, row.weight_second, column.weight_second));
    return static_cast<std::uint8_t>(std::clamp(detail::sum_f32(sum, 0.5F), 0.0F, 255.0F));
  }

  ResizeGeometry g_;
  std::vector<Source> rows_, columns_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_RESIZE_UINT8_HPP_
