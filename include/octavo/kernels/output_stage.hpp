// octavo/kernels/output_stage.hpp: how an int32 accumulator becomes an 8-bit code: the stage that ends every integer
// operator, and the scalar function that defines its result.
//
// Inside kernels and the runtime an activation is stored as std::uint8_t = int8 code + 128, zero points and limits
// likewise ("u8 terms"): VPDPBUSD multiplies unsigned by signed. Only differences q - zero_point enter the formulas, so
// the offset changes none of them. A stage in int8 terms works the same way; the references take either.
#ifndef OCTAVO_KERNELS_OUTPUT_STAGE_HPP_
#define OCTAVO_KERNELS_OUTPUT_STAGE_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
#include "../quant/grid.hpp"
#include "../quant/requantize.hpp"
#include "../quant/rounding.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

inline constexpr std::int32_t kCodeOffset = 128;  // u8 terms = int8 terms + 128

// The same grid in u8 terms.
[[nodiscard]] inline Grid u8_terms(Grid grid) noexcept {
  grid.zero_point += kCodeOffset;
  grid.qmin += kCodeOffset;
  grid.qmax += kCodeOffset;
  return grid;
}

// A fused activation with the real limits [low, high] (relu: 0, +inf; relu6: 0, 6; none: -inf, +inf):
//   min = max(qmin, zero_point + round(low / scale)), max = min(qmax, zero_point + round(high / scale)), ties away
// from zero (TFLite's CalculateActivationRangeQuantized). Throws when low > high or one is NaN.
[[nodiscard]] CodeLimits activation_range(const Grid& grid, float low, float high);

// out[c] = clamp(round(acc[c] * s[c]) + zero_point, min, max), s = input scale * weight scale / output scale; how the
// product is rounded is `rounding` (quant/rounding.hpp).
// nearest_even_f32 uses `scale`: v = float(acc) * scale, clamped in float to [min - zero_point, max - zero_point],
// rounded to nearest, ties to even, + zero_point. The tflite modes use `multiplier` (Q31) and `shift`.
// The vectors in use hold one value a channel, or a single one for all channels; the others are empty.
// Ranges: min <= max and zero_point within the 256 codes; scale finite, >= 0; multiplier >= 0; shift in [-31, 30].
struct OutputStage {
  Rounding rounding = Rounding::nearest_even_f32;
  std::int32_t zero_point = 0;
  std::int32_t min = 0;
  std::int32_t max = 255;
  AlignedVector<float> scale;
  AlignedVector<std::int32_t> multiplier;
  AlignedVector<std::int32_t> shift;
};

// The stage for input_scale * weight_scale[c] / output.scale, computed in double: rounded once to float
// (nearest_even_f32), or as Q31 multiplier and shift (TFLite's QuantizeMultiplier). `output` and `range` are in the
// same terms. Throws when a product is negative or not finite.
[[nodiscard]] OutputStage make_output_stage(Rounding rounding, float input_scale, std::span<const float> weight_scale,
                                            const Grid& output, CodeLimits range);

// Throws Error unless the stage fits `channels` channels and 8-bit codes from `lowest` (0: u8 terms; -128: int8 terms).
void check_output_stage(const OutputStage& stage, std::int64_t channels, std::int32_t lowest = 0);

// The definition: the code of accumulator `acc` in channel `channel`.
// Bound of the tflite modes: |acc| * 2^max(shift, 0) < 2^31 (prepared operators prove it).
[[nodiscard]] inline std::int32_t requantize(std::int32_t acc, const OutputStage& stage, std::size_t channel) {
  const CodeLimits limits{stage.min, stage.max};
  if (stage.rounding == Rounding::nearest_even_f32)
    return requantize_nearest_even(acc, stage.scale[stage.scale.size() == 1 ? 0 : channel], stage.zero_point, limits);
  const std::size_t c = stage.multiplier.size() == 1 ? 0 : channel;
  return requantize_fixed_point(acc, {stage.multiplier[c], stage.shift[c]}, stage.rounding, stage.zero_point, limits);
}

namespace detail {

// A value that the compiler takes as opaque: the product that made it is rounded to float32 by itself, even where
// -march=native and -ffp-contract=fast would fuse it with a following addition.
[[nodiscard]] OCTAVO_INLINE float rounded(float v) noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
  __asm__("" : "+x"(v));
  return v;
#else
  volatile float opaque = v;
  return opaque;
#endif
}

}  // namespace detail

inline CodeLimits activation_range(const Grid& grid, float low, float high) {
  require(low <= high, "activation: the range [", low, ", ", high, "] is empty or not a number");
  const auto code = [&](float real) {
    const double q = std::round(static_cast<double>(real) / static_cast<double>(grid.scale)) + grid.zero_point;
    return static_cast<std::int32_t>(std::clamp<double>(q, grid.qmin, grid.qmax));
  };
  return {code(low), code(high)};
}

inline OutputStage make_output_stage(Rounding rounding, float input_scale, std::span<const float> weight_scale,
                                     const Grid& output, CodeLimits range) {
  OutputStage stage;
  stage.rounding = rounding;
  stage.zero_point = output.zero_point;
  stage.min = range.min;
  stage.max = range.max;
  if (rounding == Rounding::nearest_even_f32) stage.scale.reserve(weight_scale.size());
  for (const float weight : weight_scale) {
    const Requantizer channel =
        make_requantizer(requantization_multiplier(input_scale, weight, output.scale), rounding);
    if (rounding == Rounding::nearest_even_f32) {
      stage.scale.push_back(channel.scale);
    } else {
      stage.multiplier.push_back(channel.multiplier.multiplier);
      stage.shift.push_back(channel.multiplier.shift);
    }
  }
  return stage;
}

inline void check_output_stage(const OutputStage& stage, std::int64_t channels, std::int32_t lowest) {
  const std::int32_t highest = lowest + 255;
  const auto a_code = [&](std::int32_t v) { return v >= lowest && v <= highest; };
  require(a_code(stage.zero_point) && a_code(stage.min) && a_code(stage.max) && stage.min <= stage.max,
          "output stage: zero point ", stage.zero_point, " and range [", stage.min, ", ", stage.max,
          "]: expected codes in [", lowest, ", ", highest, "], min <= max");
  const auto fits = [&](std::size_t size) { return size == 1 || size == static_cast<std::size_t>(channels); };
  if (stage.rounding == Rounding::nearest_even_f32) {
    require(fits(stage.scale.size()), "output stage: expected 1 or ", channels, " scales, found ", stage.scale.size());
    for (const float scale : stage.scale)
      require(std::isfinite(scale) && scale >= 0, "output stage: scale ", scale, " is not finite and >= 0");
    return;
  }
  require(fits(stage.multiplier.size()) && stage.shift.size() == stage.multiplier.size(),
          "output stage: expected 1 or ", channels, " multipliers and shifts, found ", stage.multiplier.size(), " and ",
          stage.shift.size());
  for (std::size_t c = 0; c < stage.shift.size(); ++c)
    require(stage.multiplier[c] >= 0 && stage.shift[c] >= -31 && stage.shift[c] <= 30, "output stage: channel ", c,
            ": multiplier ", stage.multiplier[c], ", shift ", stage.shift[c], ": expected >= 0, and -31..30");
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_OUTPUT_STAGE_HPP_
