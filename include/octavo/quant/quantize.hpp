// octavo/quant/quantize.hpp: real values to codes and back, for one value, a tensor, or a tensor's channels.
#ifndef OCTAVO_QUANT_QUANTIZE_HPP_
#define OCTAVO_QUANT_QUANTIZE_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../core/error.hpp"
#include "channels.hpp"
#include "grid.hpp"
#include "params.hpp"
#include "ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The definition of quantization, shared by fake_quantize and by conversion:
//   code = clamp(round(x / scale) + zero_point, qmin, qmax)
// with a float32 division, rounded by `ties`. Infinities saturate; NaN gives qmin (the array functions throw).
// Ties::away is TFLite's QUANTIZE, Ties::even is ONNX' QuantizeLinear.
[[nodiscard]] inline std::int32_t quantize(float x, const Grid& grid, Ties ties) noexcept;

// real = scale * (code - zero_point); exact up to the one rounding of the product. Any code is allowed: the difference
// is taken in 64 bits.
[[nodiscard]] inline float dequantize(std::int32_t code, const Grid& grid) noexcept {
  return static_cast<float>(std::int64_t{code} - grid.zero_point) * grid.scale;
}

namespace detail {

// round(clamp(x / scale, low, high)), low and high whole numbers: clamping first gives the same as clamping last,
// and keeps the rounding exact. Which end NaN takes: low.
template <Ties kTies>
[[nodiscard]] OCTAVO_INLINE float steps_of(float x, float scale, float low, float high) noexcept {
  float v = x / scale;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return round_ties<kTies>(v);
}

template <Ties kTies>
void quantize_row(const float* in, std::size_t n, const Grid& grid, std::int8_t* out) noexcept {
  const float low = static_cast<float>(grid.qmin - grid.zero_point);
  const float high = static_cast<float>(grid.qmax - grid.zero_point);
  const float scale = grid.scale;
  const std::int32_t zero_point = grid.zero_point;
  for_each_index(
      n, [=](std::size_t i) __attribute__((always_inline)) {
        const auto steps = static_cast<std::int32_t>(steps_of<kTies>(in[i], scale, low, high));
        out[i] = static_cast<std::int8_t>(steps + zero_point);
      });
}

// One scale a column.
template <Ties kTies>
void quantize_columns(const float* in, std::size_t n, const QuantParams& params, std::int8_t* out) noexcept {
  const float* scale = params.scale.data();
  const std::int32_t* zero_point = params.zero_point.data();
  const std::int32_t qmin = params.qmin, qmax = params.qmax;
  for_each_index(
      n, [=](std::size_t i) __attribute__((always_inline)) {
        const auto low = static_cast<float>(qmin - zero_point[i]);
        const auto high = static_cast<float>(qmax - zero_point[i]);
        const auto steps = static_cast<std::int32_t>(steps_of<kTies>(in[i], scale[i], low, high));
        out[i] = static_cast<std::int8_t>(steps + zero_point[i]);
      });
}

// Calls body(std::integral_constant<Ties, ...>) for the run-time value.
template <class Body>
void with_ties(Ties ties, const Body& body) {
  if (ties == Ties::even) return body(std::integral_constant<Ties, Ties::even>{});
  if (ties == Ties::up) return body(std::integral_constant<Ties, Ties::up>{});
  return body(std::integral_constant<Ties, Ties::away>{});
}

// Calls row(c, offset, length) for each run of values of one channel.
template <class Row>
void for_each_row(const ChannelLayout& layout, const Row& row) {
  std::size_t offset = 0;
  for (std::size_t o = 0; o < layout.outer; ++o)
    for (std::size_t c = 0; c < layout.channels; ++c, offset += layout.inner) row(c, offset, layout.inner);
}

inline void require_no_nan(std::span<const float> in, std::string_view tensor) {
  constexpr std::size_t lanes = 16;
  std::int32_t found[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= in.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) found[j] |= in[i + j] != in[i + j] ? 1 : 0;
  bool any = false;
  for (const std::int32_t f : found) any |= f != 0;
  for (; i < in.size(); ++i) any |= in[i] != in[i];
  for (i = 0; any && i < in.size(); ++i) require(in[i] == in[i], "tensor '", tensor, "': NaN at index ", i);
}

// The invariant of Grid, for 8-bit codes.
inline void require_grid(const Grid& grid, std::string_view tensor) {
  require(grid.scale > 0.0F && std::isnormal(grid.scale), "tensor '", tensor, "': scale ", grid.scale,
          " is no normal positive number");
  require(grid.qmin >= -128 && grid.qmax <= 127 && grid.zero_point >= grid.qmin && grid.zero_point <= grid.qmax,
          "tensor '", tensor, "': expected codes within [-128, 127] and a zero point among them, found [", grid.qmin,
          ", ", grid.qmax, "] and ", grid.zero_point);
}

inline void require_sizes(std::size_t in, std::size_t out, std::size_t expected, std::string_view tensor) {
  require(in == expected && out == expected, "tensor '", tensor, "': expected ", expected, " values in and out, found ",
          in, " and ", out);
}

}  // namespace detail

inline std::int32_t quantize(float x, const Grid& grid, Ties ties) noexcept {
  const float low = static_cast<float>(grid.qmin - grid.zero_point);
  const float high = static_cast<float>(grid.qmax - grid.zero_point);
  float v = x / grid.scale;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return static_cast<std::int32_t>(round_ties(v, ties)) + grid.zero_point;
}

// Codes of a tensor with one grid; in.size() == out.size(). Throws, naming the tensor, for NaN, and for a grid that
// breaks Grid's invariant or leaves int8.
inline void quantize(std::span<const float> in, const Grid& grid, Ties ties, std::span<std::int8_t> out,
                     std::string_view tensor) {
  detail::require_sizes(in.size(), out.size(), in.size(), tensor);
  detail::require_grid(grid, tensor);
  detail::require_no_nan(in, tensor);
  detail::with_ties(ties, [&](auto rule) { detail::quantize_row<rule.value>(in.data(), in.size(), grid, out.data()); });
}

// Codes of a tensor of `shape`, one grid or one a channel. Throws, naming the tensor, for NaN, or when the sizes or
// the parameters do not fit.
inline void quantize(std::span<const float> in, const Shape& shape, const QuantParams& params, Ties ties,
                     std::span<std::int8_t> out, std::string_view tensor) {
  const ChannelLayout layout = params.validate(tensor, shape);
  detail::require_sizes(in.size(), out.size(), layout.size(), tensor);
  detail::require_no_nan(in, tensor);
  detail::with_ties(ties, [&](auto rule) {
    if (layout.inner == 1 && layout.channels > 1) {
      for (std::size_t i = 0; i < in.size(); i += layout.channels)
        detail::quantize_columns<rule.value>(in.data() + i, layout.channels, params, out.data() + i);
      return;
    }
    detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
      detail::quantize_row<rule.value>(in.data() + offset, n, params.grid(c), out.data() + offset);
    });
  });
}

inline void dequantize(std::span<const std::int8_t> in, const Grid& grid, std::span<float> out,
                       std::string_view tensor) {
  detail::require_sizes(in.size(), out.size(), in.size(), tensor);
  detail::require_grid(grid, tensor);
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<float>(in[i] - grid.zero_point) * grid.scale;
}

inline void dequantize(std::span<const std::int8_t> in, const Shape& shape, const QuantParams& params,
                       std::span<float> out, std::string_view tensor) {
  const ChannelLayout layout = params.validate(tensor, shape);
  detail::require_sizes(in.size(), out.size(), layout.size(), tensor);
  detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
    const Grid grid = params.grid(c);
    for (std::size_t i = offset; i < offset + n; ++i) out[i] = static_cast<float>(in[i] - grid.zero_point) * grid.scale;
  });
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_QUANTIZE_HPP_
