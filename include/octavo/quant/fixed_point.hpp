// octavo/quant/fixed_point.hpp: real multipliers as Q31 integers with a shift, as TFLite and gemmlowp compute.
//
// All functions are exact integer arithmetic: they give the same result with every compiler and flag. Sources:
// gemmlowp's fixedpoint/fixedpoint.h (the two roundings), TFLite's kernels/internal/common.h (their use, and the single
// rounding).
#ifndef OCTAVO_QUANT_FIXED_POINT_HPP_
#define OCTAVO_QUANT_FIXED_POINT_HPP_

#include <cmath>
#include <cstdint>
#include <limits>

#include "../core/error.hpp"
#include "rounding.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The real number multiplier * 2^(shift - 31). Zero is {0, 0}; otherwise multiplier is in [2^30, 2^31 - 1] and shift
// in [-31, 30].
struct QuantizedMultiplier {
  std::int32_t multiplier = 0;
  std::int32_t shift = 0;

  // Exact: 31 bits times a power of two.
  [[nodiscard]] double value() const { return std::ldexp(static_cast<double>(multiplier), shift - 31); }
  friend bool operator==(const QuantizedMultiplier&, const QuantizedMultiplier&) = default;
};

// The nearest QuantizedMultiplier: real = q * 2^shift with q in [0.5, 1), multiplier = round_half_away(q * 2^31); a
// carry to 2^31 halves the multiplier. Below 2^-32 the result is zero. A shift above 30: tflite_single saturates to
// {2^31 - 1, 30}, tflite_double is an Error (TFLite's behaviour there is undefined). Throws for a negative or
// non-finite `real`, and for nearest_even_f32, which multiplies in float. Source: QuantizeMultiplier in TFLite's
// kernels/internal/quantization_util.cc.
[[nodiscard]] inline QuantizedMultiplier quantize_multiplier(double real, Rounding rounding) {
  require(std::isfinite(real) && real >= 0.0, "quantize_multiplier: expected a finite multiplier >= 0, found ", real);
  require(rounding != Rounding::nearest_even_f32, "quantize_multiplier: nearest_even_f32 has no integer multiplier");
  if (real == 0.0) return {};
  int shift = 0;
  const double fraction = std::frexp(real, &shift);
  auto q31 = static_cast<std::int64_t>(std::round(fraction * 0x1p31));
  if (q31 == std::int64_t{1} << 31) q31 /= 2, ++shift;
  if (shift < -31) return {};
  if (shift > 30) {
    require(rounding == Rounding::tflite_single, "quantize_multiplier: ", real, " is not below 2^30");
    return {std::numeric_limits<std::int32_t>::max(), 30};
  }
  return {static_cast<std::int32_t>(q31), shift};
}

// a * b / 2^31, nearest, ties toward +infinity; the one overflow, (-2^31)^2, gives 2^31 - 1. Bit for bit gemmlowp's
// SaturatingRoundingDoublingHighMul, which divides toward zero after a nudge that depends on the sign.
[[nodiscard]] constexpr std::int32_t saturating_rounding_doubling_high_mul(std::int32_t a, std::int32_t b) noexcept {
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  if (a == lowest && b == lowest) return std::numeric_limits<std::int32_t>::max();
  const std::int64_t product = std::int64_t{a} * b;
  const std::int64_t nudge = product >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30);
  return static_cast<std::int32_t>((product + nudge) / (std::int64_t{1} << 31));
}

// x / 2^exponent, nearest, ties away from zero; exponent in [0, 31].
[[nodiscard]] constexpr std::int32_t rounding_divide_by_pot(std::int32_t x, int exponent) noexcept {
  const auto mask = static_cast<std::int32_t>((std::int64_t{1} << exponent) - 1);
  const std::int32_t remainder = x & mask;
  const std::int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

// tflite_double: rounding_divide_by_pot(SRDHM(x * 2^left, multiplier), right), left = max(shift, 0), right =
// max(-shift, 0). x * 2^left must fit in int32; beyond that its low 32 bits are used, as vector code does.
[[nodiscard]] constexpr std::int32_t multiply_double_rounding(std::int32_t x, QuantizedMultiplier m) noexcept {
  const int left = m.shift > 0 ? m.shift : 0;
  const int right = m.shift > 0 ? 0 : -m.shift;
  const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(x) << left);
  return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, m.multiplier), right);
}

// tflite_single: (x * multiplier + 2^(t-1)) >> t in 64 bits, t = 31 - shift: nearest, ties toward +infinity. The
// result must fit in int32; beyond that its low 32 bits are returned.
[[nodiscard]] constexpr std::int32_t multiply_single_rounding(std::int32_t x, QuantizedMultiplier m) noexcept {
  const int total_shift = 31 - m.shift;
  const std::int64_t rounded = std::int64_t{x} * m.multiplier + (std::int64_t{1} << (total_shift - 1));
  return static_cast<std::int32_t>(rounded >> total_shift);
}

// x * m by the named mode's rule. `rounding` must be one of the two tflite modes (nearest_even_f32 computes as
// tflite_single here: it has no integer form; requantize.hpp is its place).
[[nodiscard]] constexpr std::int32_t multiply_by_quantized_multiplier(std::int32_t x, QuantizedMultiplier m,
                                                                      Rounding rounding) noexcept {
  return rounding == Rounding::tflite_double ? multiply_double_rounding(x, m) : multiply_single_rounding(x, m);
}

// The variant for 64-bit accumulators (int16 activations): the multiplier is cut to 16 bits, m16 = (m + 2^15) >> 16,
// at most 0x7FFF, and x * m16 is rounded once, ties toward +infinity. |x| < 2^47; the result must fit in int32.
// shift in [-31, 14].
[[nodiscard]] constexpr std::int32_t multiply_by_quantized_multiplier(std::int64_t x, QuantizedMultiplier m) noexcept {
  const std::int64_t m16 = m.multiplier < 0x7FFF0000 ? (std::int64_t{m.multiplier} + (1 << 15)) >> 16 : 0x7FFF;
  const int total_shift = 15 - m.shift;
  return static_cast<std::int32_t>((x * m16 + (std::int64_t{1} << (total_shift - 1))) >> total_shift);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_FIXED_POINT_HPP_
