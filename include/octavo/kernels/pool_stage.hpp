// octavo/kernels/pool_stage.hpp: how the sum over a pooling window becomes an 8-bit code.
#ifndef OCTAVO_KERNELS_POOL_STAGE_HPP_
#define OCTAVO_KERNELS_POOL_STAGE_HPP_

#include <algorithm>
#include <bit>
#include <cstdint>

#include "output_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Average pooling of windows whose number of taps inside the input varies at the border.
// tflite modes (both name the same rule): the grids are equal and, in int8 terms, out = sum / n rounded to nearest,
// ties away from zero: sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n (TFLite's AveragePool).
// nearest_even_f32: out = clamp(float(sum - n * input_zero_point) * factor[n]) to nearest, ties to even, + zero_point,
// factor[n] = float(input scale / (n * output scale)).
struct AverageStage {
  Rounding rounding = Rounding::nearest_even_f32;
  std::int32_t input_zero_point = 0;
  std::int32_t zero_point = 0;
  std::int32_t min = 0;
  std::int32_t max = 255;
  AlignedVector<float> factor;  // index n = 1 .. taps of the window; [0] is unused
  bool of_uint8 = false;        // tflite modes: (sum + n / 2) / n in uint8 terms, as TFLite for uint8 tensors
};

// `input`, `output` and `range` in the same terms; `taps` = window's kernel_h * kernel_w. Throws when a tflite mode
// gets two different grids.
[[nodiscard]] inline AverageStage make_average_stage(Rounding rounding, const Grid& input, const Grid& output,
                                                     CodeLimits range, std::int64_t taps) {
  AverageStage stage{rounding, input.zero_point, output.zero_point, range.min, range.max, {}, false};
  if (rounding != Rounding::nearest_even_f32) {
    require(input.scale == output.scale && input.zero_point == output.zero_point, "average_pool2d: ", name_of(rounding),
            " needs equal grids, found scale ", input.scale, ", zero point ", input.zero_point, " and ", output.scale,
            ", ", output.zero_point);
    return stage;
  }
  const double ratio = static_cast<double>(input.scale) / static_cast<double>(output.scale);
  stage.factor.push_back(0);
  for (std::int64_t n = 1; n <= taps; ++n) stage.factor.push_back(static_cast<float>(ratio / static_cast<double>(n)));
  return stage;
}

// The definition. `offset` is what the terms of `sum`'s codes add to int8 codes: 0, or 128 for u8 terms.
[[nodiscard]] inline std::int32_t average(std::int32_t sum, std::int32_t n, const AverageStage& stage,
                                          std::int32_t offset) {
  if (stage.rounding == Rounding::nearest_even_f32)
    return requantize_nearest_even(sum - n * stage.input_zero_point, stage.factor[static_cast<std::size_t>(n)],
                                   stage.zero_point, {stage.min, stage.max});
  if (stage.of_uint8) {
    const std::int32_t to_uint8 = kCodeOffset - offset;
    return std::clamp((sum + n * to_uint8 + n / 2) / n - to_uint8, stage.min, stage.max);
  }
  const std::int32_t of_codes = sum - n * offset;
  const std::int32_t rounded = of_codes > 0 ? (of_codes + n / 2) / n : (of_codes - n / 2) / n;
  return std::clamp(rounded + offset, stage.min, stage.max);
}

// The stage of a mean over `count` elements, applied to acc = sum(q - input zero point).
// nearest_even_f32: scale = float(input scale / (count * output scale)).
// tflite modes: the generation of TFLite's reference/reduce.h QuantizedMeanOrSum of 2024 and later, which folds the
// division into the multiplier of input scale / output scale (m, h): k = min(63 - clz64(count), 32, 31 + h),
// multiplier = (m << k) / count truncated, shift = h - k. (Older ones differ by at most one code.)
[[nodiscard]] inline OutputStage make_mean_stage(Rounding rounding, const Grid& input, const Grid& output,
                                                 CodeLimits range, std::int64_t count) {
  require(count > 0, "mean: expected at least one element, found ", count);
  if (rounding == Rounding::nearest_even_f32) {
    OutputStage stage = make_output_stage(rounding, input.scale, std::span<const float>(), output, range);
    stage.scale.push_back(static_cast<float>(static_cast<double>(input.scale) /
                                             (static_cast<double>(count) * static_cast<double>(output.scale))));
    return stage;
  }
  constexpr float one[] = {1.0F};
  OutputStage stage = make_output_stage(rounding, input.scale, one, output, range);
  const int bits = 63 - std::countl_zero(static_cast<std::uint64_t>(count));
  const int k = std::min({bits, 32, 31 + static_cast<int>(stage.shift[0])});
  stage.multiplier[0] = static_cast<std::int32_t>((std::int64_t{stage.multiplier[0]} << k) / count);
  stage.shift[0] -= k;
  return stage;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_POOL_STAGE_HPP_
