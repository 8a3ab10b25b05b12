// octavo/kernels/elementwise_stage.hpp: the parameters of an element-wise sum.
#ifndef OCTAVO_KERNELS_ELEMENTWISE_STAGE_HPP_
#define OCTAVO_KERNELS_ELEMENTWISE_STAGE_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../quant/ties.hpp"
#include "output_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// out = (a - zero_point_a) * scale_a + (b - zero_point_b) * scale_b on the output's grid.
// nearest_even_f32: v = float(a - zero_point_a) * factor_a + float(b - zero_point_b) * factor_b with factor =
// float(scale / output scale); both products and the sum are rounded to float32 by themselves (no fused multiply-add),
// then v is clamped to [min - zero_point, max - zero_point], rounded to nearest, ties to even, + zero_point. tflite
// modes, M(x, m) = multiply_by_quantized_multiplier (TFLite's reference ADD):
//   clamp(M(M((a - zero_point_a) * 2^left_shift, multiplier_a) + M((b - zero_point_b) * 2^left_shift, multiplier_b),
//           multiplier) + zero_point).
struct AddStage {
  Rounding rounding = Rounding::nearest_even_f32;
  std::int32_t zero_point_a = 0, zero_point_b = 0, zero_point = 0;
  std::int32_t min = 0, max = 255;
  float factor_a = 1.0F, factor_b = 1.0F;
  int left_shift = 20;
  bool subtract = false;  // b's term, after its rounding, is negated: a - b
  QuantizedMultiplier multiplier_a, multiplier_b, multiplier;
};

// All grids and `limits` in the same terms. tflite modes: t = 2 * max(scale a, scale b), left_shift 20, multipliers of
// scale a / t, scale b / t and t / (2^20 * output scale).
[[nodiscard]] inline AddStage make_add_stage(Rounding rounding, const Grid& a, const Grid& b, const Grid& output,
                                             CodeLimits limits) {
  AddStage stage;
  stage.rounding = rounding;
  stage.zero_point_a = a.zero_point;
  stage.zero_point_b = b.zero_point;
  stage.zero_point = output.zero_point;
  stage.min = limits.min;
  stage.max = limits.max;
  const auto scale_a = static_cast<double>(a.scale);
  const auto scale_b = static_cast<double>(b.scale);
  const auto scale = static_cast<double>(output.scale);
  if (rounding == Rounding::nearest_even_f32) {
    stage.factor_a = static_cast<float>(scale_a / scale);
    stage.factor_b = static_cast<float>(scale_b / scale);
  } else {
    const auto twice_max = static_cast<double>(2.0F * std::max(a.scale, b.scale));
    stage.multiplier_a = quantize_multiplier(scale_a / twice_max, rounding);
    stage.multiplier_b = quantize_multiplier(scale_b / twice_max, rounding);
    stage.multiplier = quantize_multiplier(twice_max / (0x1p20 * scale), rounding);
  }
  return stage;
}

// Throws Error unless the stage's codes lie in [lowest, lowest + 255] and no step of the tflite modes leaves int32:
// |(q - z) * 2^left_shift| <= 255 * 2^left_shift <= 2^30 and both input multipliers are at most 1.
inline void check_add_stage(const AddStage& stage, std::int32_t lowest = 0) {
  for (const std::int32_t code : {stage.zero_point_a, stage.zero_point_b, stage.zero_point, stage.min, stage.max})
    require(code >= lowest && code <= lowest + 255, "add: ", code, " is no code in [", lowest, ", ", lowest + 255, "]");
  require(stage.min <= stage.max, "add: empty range [", stage.min, ", ", stage.max, "]");
  if (stage.rounding == Rounding::nearest_even_f32) {
    require(
        std::isfinite(stage.factor_a) && stage.factor_a >= 0 && std::isfinite(stage.factor_b) && stage.factor_b >= 0,
        "add: factors ", stage.factor_a, " and ", stage.factor_b, " must be finite and >= 0");
    return;
  }
  require(stage.left_shift >= 0 && stage.left_shift <= 22, "add: left shift ", stage.left_shift, " is not in [0, 22]");
  require(stage.multiplier_a.shift <= 0 && stage.multiplier_b.shift <= 0,
          "add: an input multiplier is above 1 (shifts ", stage.multiplier_a.shift, ", ", stage.multiplier_b.shift,
          ")");
  // The sum is at most 2 * 255 * 2^left_shift < 2^(left_shift + 9).
  require(stage.left_shift + 9 + stage.multiplier.shift <= 31, "add: output multiplier's shift ",
          stage.multiplier.shift, " lets the sum leave int32");
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_ELEMENTWISE_STAGE_HPP_
