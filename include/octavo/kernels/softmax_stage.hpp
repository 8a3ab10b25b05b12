// octavo/kernels/softmax_stage.hpp: what softmax over 8-bit codes computes, in fixed point (TFLite) and in float.
//
// The output grid is fixed: scale 1/256, zero point -128 (0 in u8 terms).
#ifndef OCTAVO_KERNELS_SOFTMAX_STAGE_HPP_
#define OCTAVO_KERNELS_SOFTMAX_STAGE_HPP_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../core/aligned.hpp"
#include "../quant/fixed_point.hpp"
#include "../quant/rounding.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

namespace detail {

// x * 2^n saturated to int32, 0 <= n <= 31 (gemmlowp's SaturatingRoundingMultiplyByPOT for n > 0).
[[nodiscard]] constexpr std::int32_t saturating_shift_left(std::int32_t x, int n) noexcept {
  const std::int64_t wide = std::int64_t{x} * (std::int64_t{1} << n);
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(wide, std::numeric_limits<std::int32_t>::min(),
                                                            std::numeric_limits<std::int32_t>::max()));
}

// exp(a) in Q0.31 for a in [-1/4, 0), Q0.31: a Taylor series around -1/8 (gemmlowp).
[[nodiscard]] constexpr std::int32_t exp_of_quarter(std::int32_t a) noexcept {
  constexpr std::int32_t exp_minus_eighth = 1895147668;
  constexpr std::int32_t third = 715827883;
  const std::int32_t x = a + (1 << 28);
  const std::int32_t x2 = saturating_rounding_doubling_high_mul(x, x);
  const std::int32_t x3 = saturating_rounding_doubling_high_mul(x2, x);
  const std::int32_t x4 = saturating_rounding_doubling_high_mul(x2, x2);
  const std::int32_t high_terms =
      rounding_divide_by_pot(saturating_rounding_doubling_high_mul(rounding_divide_by_pot(x4, 2) + x3, third) + x2, 1);
  return exp_minus_eighth + saturating_rounding_doubling_high_mul(exp_minus_eighth, x + high_terms);
}

// exp(a) in Q0.31 for a <= 0 in Q5.26: the quarter's remainder by the series, the rest by a product of constants
// exp(-2^e), e = -2..4.
[[nodiscard]] constexpr std::int32_t exp_of_negative(std::int32_t a) noexcept {
  if (a == 0) return std::numeric_limits<std::int32_t>::max();
  constexpr std::int32_t quarter = 1 << 24;
  constexpr std::int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const std::int32_t remainder = (a & (quarter - 1)) - quarter;
  std::int32_t result = exp_of_quarter(saturating_shift_left(remainder, 5));
  const std::int32_t rest = remainder - a;
  for (int e = -2; e <= 4; ++e)
    if ((rest & (1 << (26 + e))) != 0) result = saturating_rounding_doubling_high_mul(result, factors[e + 2]);
  return result;
}

// 1 / (1 + a) in Q0.31 for a in [0, 1), Q0.31: three Newton steps in Q2.29 (gemmlowp).
[[nodiscard]] constexpr std::int32_t reciprocal_of_one_plus(std::int32_t a) noexcept {
  const std::int64_t sum = std::int64_t{a} + std::numeric_limits<std::int32_t>::max();
  const auto half = static_cast<std::int32_t>((sum + (sum >= 0 ? 1 : -1)) / 2);
  std::int32_t x = 1515870810 + saturating_rounding_doubling_high_mul(half, -1010580540);  // 48/17 - 32/17 * half
  for (int step = 0; step < 3; ++step) {
    const std::int32_t error = (1 << 29) - saturating_rounding_doubling_high_mul(half, x);
    x += saturating_shift_left(saturating_rounding_doubling_high_mul(x, error), 2);
  }
  return saturating_shift_left(x, 1);
}

}  // namespace detail

// Everything that depends on scale and beta only. k = largest code of the row - code, 0..255.
// nearest_even_f32: real[k] = float(exp(-scale * beta * k)); p = real[k] * (256 / sum), the sum of a row in float32 in
// index order, 256 / sum rounded to float; p is clamped to 255 and rounded to nearest, ties to even; that is the u8
// code. tflite modes: fixed[k] = exp_of_negative of k's difference rescaled to Q5.26, 0 for differences below the cut,
// where the output is 0; sum in Q12.19; see softmax_code. Bit for bit TFLite's reference int8 softmax, except that an
// exponent above 31 (512 and more nearly equal codes, where TFLite aborts) counts as 31.
struct SoftmaxStage {
  Rounding rounding = Rounding::nearest_even_f32;
  AlignedVector<float> real;
  AlignedVector<std::int32_t> fixed;
  std::int32_t cut = 256;  // k at and above which the output is 0
};

// From TFLite's own parameters: the Q31 multiplier and left shift of beta * scale * 2^26, and diff_min <= 0.
[[nodiscard]] inline SoftmaxStage make_fixed_softmax_stage(Rounding rounding, std::int32_t multiplier, int left_shift,
                                                           std::int32_t diff_min) {
  require(rounding != Rounding::nearest_even_f32, "softmax: nearest_even_f32 has no fixed-point parameters");
  require(multiplier >= 0 && left_shift >= 0 && left_shift <= 31 && diff_min <= 0, "softmax: multiplier ", multiplier,
          ", left shift ", left_shift, ", diff_min ", diff_min, " are out of range");
  SoftmaxStage stage{
      rounding, {}, {}, static_cast<std::int32_t>(std::min<std::int64_t>(256, 1 - std::int64_t{diff_min}))};
  for (std::int32_t k = 0; k < 256; ++k) {
    const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(-k) << left_shift);
    stage.fixed.push_back(
        k < stage.cut ? detail::exp_of_negative(saturating_rounding_doubling_high_mul(shifted, multiplier)) : 0);
  }
  return stage;
}

// `scale` is the input's; beta > 0.
[[nodiscard]] inline SoftmaxStage make_softmax_stage(Rounding rounding, float scale, float beta = 1.0F) {
  const double step = static_cast<double>(scale) * static_cast<double>(beta);
  require(std::isfinite(step) && step > 0, "softmax: scale ", scale, " and beta ", beta,
          " must be finite and positive");
  if (rounding != Rounding::nearest_even_f32) {
    const double limit = rounding == Rounding::tflite_double ? 2147483647.0 : 1073741823.0;
    const QuantizedMultiplier m = quantize_multiplier(std::min(step * 0x1p26, limit), rounding);
    const int left = std::max(m.shift, 0);
    const auto diff_min = -static_cast<std::int32_t>(std::min(std::floor(31.0 * 0x1p26 / std::ldexp(1.0, left)), 1e9));
    return make_fixed_softmax_stage(rounding, m.multiplier, left, diff_min);
  }
  SoftmaxStage stage;
  for (int k = 0; k < 256; ++k) stage.real.push_back(static_cast<float>(std::exp(-step * k)));
  return stage;
}

// The tflite modes' row: `sum` = sum of rounding_divide_by_pot(fixed[k], 12), reduced once to a scale and a shift.
struct SoftmaxRow {
  std::int32_t reciprocal = 0;  // Q0.31
  int shift = 0;
};
[[nodiscard]] inline SoftmaxRow softmax_row(std::int32_t sum) noexcept {
  const int headroom = std::countl_zero(static_cast<std::uint32_t>(sum));
  const auto fraction = static_cast<std::int32_t>((static_cast<std::uint32_t>(sum) << headroom) - (1U << 31));
  return {detail::reciprocal_of_one_plus(fraction), std::min(12 - headroom + 23, 31)};
}

// The u8 code of an element whose exponential is `exponential` (fixed[k]); 0 for k >= cut.
[[nodiscard]] inline std::int32_t softmax_code(std::int32_t exponential, SoftmaxRow row) noexcept {
  const std::int32_t code =
      rounding_divide_by_pot(saturating_rounding_doubling_high_mul(row.reciprocal, exponential), row.shift);
  return std::clamp(code, 0, 255);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_SOFTMAX_STAGE_HPP_
