// octavo/kernels/resize.hpp: resizing of images inside a network, nearest neighbour and bilinear, codes and floats.
//
// Where output pixels lie: resize_axis.hpp. Results: reference/resize.hpp; of codes byte for byte, of floats within
// rounding. Sources and weights of rows and columns are tabulated by the constructors, run() allocates nothing.
#ifndef OCTAVO_KERNELS_RESIZE_HPP_
#define OCTAVO_KERNELS_RESIZE_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/parallel.hpp"
#include "resize_axis.hpp"
#include "resize_levels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// out[b][y][x][c] = in[b][row of y][column of x][c], see nearest_source(). Codes in any terms, or floats.
class ResizeNearest {
 public:
  explicit ResizeNearest(const ResizeGeometry& geometry) : g_(geometry) {
    check_resize("resize_nearest", g_);
    for (std::int64_t y = 0; y < g_.out_h; ++y) rows_.push_back(nearest_source(g_.rows(), y));
    for (std::int64_t x = 0; x < g_.out_w; ++x) columns_.push_back(nearest_source(g_.columns(), x) * g_.channels);
  }

  // NHWC; `in` and `out` do not overlap. A row of the same source as the one before is copied as a whole.
  template <class Value>
  void run(const Value* in, Value* out, std::int64_t batch, int threads) const {
    const std::int64_t in_row = g_.in_w * g_.channels, out_row = g_.out_w * g_.channels;
    parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        Value* to = out + r * out_row;
        const std::int64_t y = r % g_.out_h;
        const std::int64_t source = rows_[static_cast<std::size_t>(y)];
        if (r > begin && y > 0 && source == rows_[static_cast<std::size_t>(y - 1)]) {
          std::copy_n(to - out_row, out_row, to);
          continue;
        }
        const Value* from = in + (r / g_.out_h * g_.in_h + source) * in_row;
        for (const std::int64_t column : columns_) to = std::copy_n(from + column, g_.channels, to);
      }
    });
  }

 private:
  ResizeGeometry g_;
  std::vector<std::int64_t> rows_, columns_;  // columns as offsets into a row
};

// Bilinear interpolation of codes; input and output share one grid, whose zero point plays no part. For each rounding
// the integers of reference::resize_bilinear(): those of TFLite's reference kernel, or of XNNPACK. They fit in 32 bits:
// see ResizeRow.
class QuantizedResizeBilinear {
 public:
  QuantizedResizeBilinear(const ResizeGeometry& geometry, Rounding rounding)
      : g_(geometry), bits_(resize_bits(rounding)), halves_away_(rounding != Rounding::nearest_even_f32) {
    check_resize("resize_bilinear", g_);
    for (std::int64_t y = 0; y < g_.out_h; ++y) rows_.push_back(linear_source(g_.rows(), y, rounding));
    for (std::int64_t x = 0; x < g_.out_w; ++x) {
      const ResizeSource<std::int32_t> source = linear_source(g_.columns(), x, rounding);
      columns_.push_back({source.first * g_.channels, source.second * g_.channels, source.weight});
    }
  }

  // u8 terms, NHWC; `in` and `out` do not overlap.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t batch, int threads) const {
    const auto kernel = detail::resize_level();
    const std::int64_t in_row = g_.in_w * g_.channels;
    parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        const ResizeSource<std::int32_t>& source = rows_[static_cast<std::size_t>(r % g_.out_h)];
        const std::uint8_t* image = in + r / g_.out_h * g_.in_h * in_row;
        detail::ResizeRow row;
        row.top = image + source.first * in_row;
        row.bottom = image + source.second * in_row;
        row.out = out + r * g_.out_w * g_.channels;
        row.columns = columns_.data();
        row.in_w = g_.in_w;
        row.out_w = g_.out_w;
        row.channels = g_.channels;
        row.weight = source.weight;
        row.bits = bits_;
        row.ties_down_below = halves_away_ ? 128 << (2 * bits_) : 0;  // int8 code 0
        kernel.bilinear(row);
      }
    });
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::resize_level().name; }

 private:
  ResizeGeometry g_;
  std::vector<ResizeSource<std::int32_t>> rows_;
  std::vector<detail::ResizeColumn> columns_;
  std::int32_t bits_;
  bool halves_away_;
};

// Bilinear interpolation of floats: t = a + (b - a) * weight along rows, the same between rows.
class ResizeBilinearF32 {
 public:
  explicit ResizeBilinearF32(const ResizeGeometry& geometry) : g_(geometry) {
    check_resize("resize_bilinear", g_);
    for (std::int64_t y = 0; y < g_.out_h; ++y) rows_.push_back(linear_source(g_.rows(), y));
    for (std::int64_t x = 0; x < g_.out_w; ++x) columns_.push_back(linear_source(g_.columns(), x));
  }

  // NHWC; `in` and `out` do not overlap.
  void run(const float* in, float* out, std::int64_t batch, int threads) const {
    const std::int64_t in_row = g_.in_w * g_.channels;
    parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) {
        const ResizeSource<float>& row = rows_[static_cast<std::size_t>(r % g_.out_h)];
        const float* top = in + (r / g_.out_h * g_.in_h + row.first) * in_row;
        const float* bottom = in + (r / g_.out_h * g_.in_h + row.second) * in_row;
        float* to = out + r * g_.out_w * g_.channels;
        for (const ResizeSource<float>& column : columns_) {
          const std::int64_t first = column.first * g_.channels, second = column.second * g_.channels;
          pixel({top + first, top + second, bottom + first, bottom + second}, column.weight, row.weight, to);
          to += g_.channels;
        }
      }
    });
  }

 private:
  struct Neighbours {
    const float *top_first, *top_second, *bottom_first, *bottom_second;
    [[nodiscard]] float between(std::int64_t c, float right, float down) const noexcept {
      const float top = top_first[c] + (top_second[c] - top_first[c]) * right;
      const float bottom = bottom_first[c] + (bottom_second[c] - bottom_first[c]) * right;
      return top + (bottom - top) * down;
    }
  };
  void pixel(const Neighbours& from, float right, float down, float* to) const {
    constexpr std::int64_t piece = 16;
    std::int64_t c = 0;
    for (; c + piece <= g_.channels; c += piece) {
      float values[piece];
      for (std::int64_t j = 0; j < piece; ++j) values[j] = from.between(c + j, right, down);
      for (std::int64_t j = 0; j < piece; ++j) to[c + j] = values[j];
    }
    for (; c < g_.channels; ++c) to[c] = from.between(c, right, down);
  }

  ResizeGeometry g_;
  std::vector<ResizeSource<float>> rows_, columns_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_RESIZE_HPP_
