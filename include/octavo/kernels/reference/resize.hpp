// octavo/kernels/reference/resize.hpp: resizing of images, written as its formulas. Defines the result of codes; only
// tests call it.
#ifndef OCTAVO_KERNELS_REFERENCE_RESIZE_HPP_
#define OCTAVO_KERNELS_REFERENCE_RESIZE_HPP_

#include <cstdint>
#include <type_traits>

#include "../output_stage.hpp"
#include "../resize_axis.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace reference {

// Calls store(index, y, x, c, image) for each output element.
template <class Value, class Store>
void resize(const ResizeGeometry& g, const Value* in, std::int64_t batch, Store store) {
  std::int64_t index = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t y = 0; y < g.out_h; ++y)
      for (std::int64_t x = 0; x < g.out_w; ++x)
        for (std::int64_t c = 0; c < g.channels; ++c) store(index++, y, x, c, in + b * g.in_h * g.in_w * g.channels);
}

template <class Value>
void resize_nearest(const ResizeGeometry& g, const Value* in, Value* out, std::int64_t batch) {
  resize(g, in, batch, [&](std::int64_t index, std::int64_t y, std::int64_t x, std::int64_t c, const Value* image) {
    const std::int64_t pixel = nearest_source(g.rows(), y) * g.in_w + nearest_source(g.columns(), x);
    out[index] = image[pixel * g.channels + c];
  });
}

// Codes, int8 or u8 terms, of one grid on both sides. S is the sum of four codes, each times its row's and its column's
// weight, n = 2 * resize_bits(rounding) fraction bits. tflite modes: S / 2^n to the nearest integer in int8 terms,
// halves away from zero; nearest_even_f32: halves toward +infinity, as XNNPACK.
template <class Code>
void resize_bilinear(const ResizeGeometry& g, const Code* in, Code* out, std::int64_t batch, Rounding rounding) {
  const std::int64_t whole = std::int64_t{1} << resize_bits(rounding);
  const std::int64_t one = whole * whole;
  const std::int64_t shift = std::is_signed_v<Code> ? 0 : kCodeOffset;
  resize(g, in, batch, [&](std::int64_t index, std::int64_t y, std::int64_t x, std::int64_t c, const Code* image) {
    const ResizeSource<std::int32_t> row = linear_source(g.rows(), y, rounding);
    const ResizeSource<std::int32_t> column = linear_source(g.columns(), x, rounding);
    const auto code = [&](std::int64_t i, std::int64_t j) { return image[(i * g.in_w + j) * g.channels + c] - shift; };
    const std::int64_t sum = code(row.first, column.first) * (whole - row.weight) * (whole - column.weight) +
                             code(row.second, column.first) * row.weight * (whole - column.weight) +
                             code(row.first, column.second) * (whole - row.weight) * column.weight +
                             code(row.second, column.second) * row.weight * column.weight;
    const std::int64_t down = rounding != Rounding::nearest_even_f32 && sum < 0 ? 1 : 0;  // -1/2 becomes -1
    const std::int64_t moved = sum + one / 2 - down + 256 * one;                          // positive
    out[index] = static_cast<Code>(moved / one - 256 + shift);
  });
}

// Floats; the kernels agree within rounding.
inline void resize_bilinear(const ResizeGeometry& g, const float* in, float* out, std::int64_t batch) {
  resize(g, in, batch, [&](std::int64_t index, std::int64_t y, std::int64_t x, std::int64_t c, const float* image) {
    const ResizeSource<float> row = linear_source(g.rows(), y);
    const ResizeSource<float> column = linear_source(g.columns(), x);
    const auto value = [&](std::int64_t i, std::int64_t j) {
      return static_cast<double>(image[(i * g.in_w + j) * g.channels + c]);
    };
    const auto down = static_cast<double>(row.weight), right = static_cast<double>(column.weight);
    const double top = value(row.first, column.first) * (1.0 - right) + value(row.first, column.second) * right;
    const double bottom = value(row.second, column.first) * (1.0 - right) + value(row.second, column.second) * right;
    out[index] = static_cast<float>(top * (1.0 - down) + bottom * down);
  });
}

}  // namespace reference
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_RESIZE_HPP_
