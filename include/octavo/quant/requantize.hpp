// octavo/quant/requantize.hpp: an int32 accumulator becomes a code. The definition of each rounding mode's result.
#ifndef OCTAVO_QUANT_REQUANTIZE_HPP_
#define OCTAVO_QUANT_REQUANTIZE_HPP_

#include <cmath>
#include <cstdint>

#include "../core/error.hpp"
#include "fixed_point.hpp"
#include "grid.hpp"
#include "rounding.hpp"
#include "ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Codes that an output may take: a grid's limits, narrowed by a fused activation.
struct CodeLimits {
  std::int32_t min = -128;
  std::int32_t max = 127;

  friend bool operator==(const CodeLimits&, const CodeLimits&) = default;
};

// nearest_even_f32: v = float(acc) * scale, both steps rounded to nearest even in float32, clamped in float to
// [min - zero_point, max - zero_point], rounded to nearest even, plus zero_point. As XNNPACK. Every saturation is a
// clamp: no accumulator overflows. scale is finite and >= 0.
// The clamp's comparisons use the product itself, so no compiler may fuse it into the rounding's addition.
[[nodiscard]] inline std::int32_t requantize_nearest_even(std::int32_t acc, float scale, std::int32_t zero_point,
                                                          CodeLimits limits) noexcept {
  const float low = static_cast<float>(limits.min - zero_point);
  const float high = static_cast<float>(limits.max - zero_point);
  float v = static_cast<float>(acc) * scale;
  v = v > low ? v : low;
  v = v < high ? v : high;
  return static_cast<std::int32_t>(round_ties<Ties::even>(v)) + zero_point;
}

// The two tflite modes: clamp(multiply_by_quantized_multiplier(acc, m) + zero_point).
[[nodiscard]] constexpr std::int32_t requantize_fixed_point(std::int32_t acc, QuantizedMultiplier m, Rounding rounding,
                                                            std::int32_t zero_point, CodeLimits limits) noexcept {
  const std::int64_t code = std::int64_t{multiply_by_quantized_multiplier(acc, m, rounding)} + zero_point;
  if (code < limits.min) return limits.min;
  return code > limits.max ? limits.max : static_cast<std::int32_t>(code);
}

// One channel's requantization, by whichever mode the model names.
struct Requantizer {
  Rounding rounding = Rounding::nearest_even_f32;
  float scale = 1.0F;                   // nearest_even_f32
  QuantizedMultiplier multiplier = {};  // the tflite modes

  [[nodiscard]] std::int32_t operator()(std::int32_t acc, std::int32_t zero_point, CodeLimits limits) const noexcept {
    if (rounding == Rounding::nearest_even_f32) return requantize_nearest_even(acc, scale, zero_point, limits);
    return requantize_fixed_point(acc, multiplier, rounding, zero_point, limits);
  }
};

// real = s_in * s_w / s_out, computed in double from the float scales. nearest_even_f32 rounds it once to float32.
// Throws for a negative or non-finite `real`, and one that float32 (or the integer form) cannot hold.
[[nodiscard]] inline Requantizer make_requantizer(double real, Rounding rounding) {
  Requantizer result{.rounding = rounding, .scale = static_cast<float>(real), .multiplier = {}};
  if (rounding == Rounding::nearest_even_f32)
    require(real >= 0.0 && std::isfinite(result.scale), "requantizer: expected a finite multiplier >= 0, found ", real);
  else
    result.multiplier = quantize_multiplier(real, rounding);
  return result;
}

// The multiplier of a convolution's output channel; one rule for converter and tests.
[[nodiscard]] inline double requantization_multiplier(float input_scale, float weight_scale, float output_scale) {
  return static_cast<double>(input_scale) * static_cast<double>(weight_scale) / static_cast<double>(output_scale);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_REQUANTIZE_HPP_
