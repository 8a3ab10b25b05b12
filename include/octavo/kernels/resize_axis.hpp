// octavo/kernels/resize_axis.hpp: which pixels of an image a resized one is made of, rows and columns alike.
//
// Positions are TFLite's. On the input's axis output pixel i lies at
//   i * in / out                             by default: left edge on left edge
//   i * (in - 1) / (out - 1)                 align_corners, out > 1: last pixel on last pixel
//   (i + 1/2) * in / out - 1/2               half_pixel_centers: centers on centers
// and is pulled back into [0, in - 1]. Each is computed as the engine does that has the rounding, float32 or fixed
// point, and no compiler flag changes one: products and sums of floats are formed in double and rounded.
#ifndef OCTAVO_KERNELS_RESIZE_AXIS_HPP_
#define OCTAVO_KERNELS_RESIZE_AXIS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "../core/error.hpp"
#include "../quant/rounding.hpp"
#include "../quant/ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// `in` pixels become `out`; extents in [1, 2^24]. At most one of the two flags.
struct ResizeAxis {
  std::int64_t in = 1, out = 1;
  bool align_corners = false, half_pixel_centers = false;

  [[nodiscard]] bool aligned() const noexcept { return align_corners && out > 1; }
};

// One image, NHWC.
struct ResizeGeometry {
  std::int64_t in_h = 1, in_w = 1, out_h = 1, out_w = 1, channels = 1;
  bool align_corners = false, half_pixel_centers = false;

  [[nodiscard]] ResizeAxis rows() const noexcept { return {in_h, out_h, align_corners, half_pixel_centers}; }
  [[nodiscard]] ResizeAxis columns() const noexcept { return {in_w, out_w, align_corners, half_pixel_centers}; }
};

// An output pixel between two neighbours: (1 - weight) * in[first] + weight * in[second]; a fixed-point weight counts
// in steps of 2^-resize_bits().
template <class Weight>
struct ResizeSource {
  std::int64_t first = 0, second = 0;
  Weight weight{};
};

// Bits of a weight of the integer bilinear resize: 10 in TFLite's reference kernel, 11 in XNNPACK.
constexpr int resize_bits(Rounding rounding) { return rounding == Rounding::nearest_even_f32 ? 11 : 10; }

// The input pixel that a nearest-neighbour resize reads, as TFLite's reference RESIZE_NEAREST_NEIGHBOR: with s = in /
// out (align_corners: (in - 1) / (out - 1)) in float32, floor(i * s), round(i * s) for align_corners, halves up, or
// floor((i + 1/2) * s) for half_pixel_centers; at most in - 1.
[[nodiscard]] std::int64_t nearest_source(const ResizeAxis& axis, std::int64_t i);

// The position in float32: (i + 0.5) * s - 0.5 or i * s, as TFLite's reference RESIZE_BILINEAR of floats has it.
[[nodiscard]] ResizeSource<float> linear_source(const ResizeAxis& axis, std::int64_t i);

// The position in fixed point. tflite modes: TFLite's reference kernel of int8: s = in / out (align_corners: (in - 1) /
// (out - 1)) rounded to 10 fraction bits, halves up; i * s, for half_pixel_centers + s / 2 rounded down - 1/2. There
// TFLite counts in 32 bits and does not check the upper end, so it reads behind the image where out is large against
// 1024 * in; this is the last pixel here. nearest_even_f32: XNNPACK's: i * s, for half_pixel_centers + (s / 2 - 1/2),
// in float32, the weight rounded to 11 bits, ties to even.
[[nodiscard]] ResizeSource<std::int32_t> linear_source(const ResizeAxis& axis, std::int64_t i, Rounding rounding);

// Throws unless all extents are in range and at most one flag is set.
inline void check_resize(std::string_view what, const ResizeGeometry& g) {
  for (const std::int64_t extent : {g.in_h, g.in_w, g.out_h, g.out_w, g.channels})
    require(extent >= 1 && extent <= (1 << 24), what, ": extent ", extent, " is not in [1, 2^24]");
  require(!g.align_corners || !g.half_pixel_centers, what, ": align_corners and half_pixel_centers exclude each other");
}

namespace detail {

[[nodiscard]] inline float product_f32(float a, float b) noexcept {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
}
[[nodiscard]] inline float sum_f32(float a, float b) noexcept {
  return static_cast<float>(static_cast<double>(a) + static_cast<double>(b));
}
[[nodiscard]] inline float resize_scale(const ResizeAxis& axis) noexcept {
  const std::int64_t less = axis.aligned() ? 1 : 0;
  return static_cast<float>(axis.in - less) / static_cast<float>(axis.out - less);
}

// The neighbours of a position in [0, in - 1], or next to it.
[[nodiscard]] inline ResizeSource<float> source_at(float position, std::int64_t in) noexcept {
  const float inside = std::clamp(position, 0.0F, static_cast<float>(in - 1));
  const auto first = static_cast<std::int64_t>(inside);
  return {first, std::min(first + 1, in - 1), inside - static_cast<float>(first)};
}

}  // namespace detail

inline std::int64_t nearest_source(const ResizeAxis& axis, std::int64_t i) {
  const float offset = axis.half_pixel_centers ? 0.5F : 0.0F;
  const float position = detail::product_f32(static_cast<float>(i) + offset, detail::resize_scale(axis));
  const float whole = axis.align_corners ? std::round(position) : std::floor(position);
  return std::min(static_cast<std::int64_t>(whole), axis.in - 1);
}

inline ResizeSource<float> linear_source(const ResizeAxis& axis, std::int64_t i) {
  const float scale = detail::resize_scale(axis);
  if (!axis.half_pixel_centers) return detail::source_at(detail::product_f32(static_cast<float>(i), scale), axis.in);
  const float center = detail::product_f32(static_cast<float>(i) + 0.5F, scale);
  return detail::source_at(detail::sum_f32(center, -0.5F), axis.in);
}

inline ResizeSource<std::int32_t> linear_source(const ResizeAxis& axis, std::int64_t i, Rounding rounding) {
  if (rounding == Rounding::nearest_even_f32) {
    const float scale = detail::resize_scale(axis);
    const float offset = axis.half_pixel_centers ? detail::sum_f32(0.5F * scale, -0.5F) : 0.0F;
    const float position = detail::sum_f32(detail::product_f32(static_cast<float>(i), scale), offset);
    const ResizeSource<float> real = detail::source_at(position, axis.in);
    const float steps = std::clamp(real.weight * 2048.0F, 0.0F, 2048.0F);
    return {real.first, real.second, static_cast<std::int32_t>(round_ties<Ties::even>(steps))};
  }
  const std::int64_t less = axis.aligned() ? 1 : 0;
  const std::int64_t scale = (1024 * (axis.in - less) + (axis.out - less) / 2) / (axis.out - less);
  const std::int64_t position = i * scale + (axis.half_pixel_centers ? scale / 2 - 512 : 0);
  const std::int64_t inside = std::clamp<std::int64_t>(position, 0, 1024 * (axis.in - 1));
  const std::int64_t first = inside / 1024;
  return {first, std::min(first + 1, axis.in - 1), static_cast<std::int32_t>(inside % 1024)};
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_RESIZE_AXIS_HPP_
