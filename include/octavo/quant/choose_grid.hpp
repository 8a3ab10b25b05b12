// octavo/quant/choose_grid.hpp: from a range of real values to a grid: TensorFlow's, TFLite's and ONNX' formulas.
#ifndef OCTAVO_QUANT_CHOOSE_GRID_HPP_
#define OCTAVO_QUANT_CHOOSE_GRID_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "../core/error.hpp"
#include "grid.hpp"
#include "range.hpp"
#include "requantize.hpp"
#include "tensor_scheme.hpp"
#include "ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// How an asymmetric zero point is rounded. They differ only where low / scale is exactly halfway.
//   tflite:     round half away from zero of qmin - low / scale on the signed grid
//   tensorflow: round half away from zero on the unsigned grid, i.e. ties go up (fake_quant ops)
//   onnx:       round half to even (DynamicQuantizeLinear, ONNX Runtime)
enum class ZeroPointRule : std::uint8_t { tflite, tensorflow, onnx };

constexpr std::string_view name_of(ZeroPointRule rule) {
  constexpr std::string_view names[] = {"tflite", "tensorflow", "onnx"};
  return names[static_cast<std::size_t>(rule)];
}

namespace detail {

// A range without extent (all values 0, or so small that the step is no normal float) counts as [0, 1], or [-1, 1] if
// symmetric: every code is then that of 0, and the step stays usable (a weight channel of zeros still needs a scale for
// its bias).
inline float usable_scale(float scale, float steps_of_one) {
  return scale >= std::numeric_limits<float>::min() ? scale : 1.0F / steps_of_one;
}

inline std::int32_t zero_point_for(float low, float scale, std::int32_t qmin, std::int32_t qmax, ZeroPointRule rule) {
  const std::int32_t offset = rule == ZeroPointRule::tensorflow ? qmax + 1 : 0;  // to the unsigned grid
  const float first = static_cast<float>(qmin + offset);
  const float last = static_cast<float>(qmax + offset);
  const float exact = std::clamp(first - low / scale, first, last);
  return static_cast<std::int32_t>(round_ties(exact, rule == ZeroPointRule::onnx ? Ties::even : Ties::away)) - offset;
}

}  // namespace detail

// Symmetric: zero_point = 0, scale = max(high / qmax, low / qmin), which for narrow codes is max(|low|, |high|) / qmax.
// Asymmetric: the range is widened to hold 0; scale = (high - low) / (qmax - qmin), zero_point = qmin - low / scale
// rounded by `rule` and clamped to [qmin, qmax] (so that real 0 is exact, and the range moves by up to half a step).
// All float32. Throws, naming the tensor, for a non-finite or reversed range, or one wider than float32 can express.
[[nodiscard]] inline Grid grid_from_range(Range range, const TensorScheme& scheme, std::string_view tensor,
                                          ZeroPointRule rule = ZeroPointRule::tflite) {
  scheme.validate(tensor);
  require_range(range, tensor);
  Grid grid{.scale = 1.0F, .zero_point = 0, .qmin = scheme.qmin(), .qmax = scheme.qmax()};
  if (scheme.symmetric) {
    const auto qmax = static_cast<float>(grid.qmax);
    const float scale = std::max(range.high / qmax, range.low / static_cast<float>(grid.qmin));
    grid.scale = detail::usable_scale(scale, qmax);
    return grid;
  }
  const Range wide = range.with_zero();
  const auto steps = static_cast<float>(grid.qmax - grid.qmin);
  const float scale = (wide.high - wide.low) / steps;
  require(std::isfinite(scale), "tensor '", tensor, "': range [", range.low, ", ", range.high, "] is too wide");
  grid.scale = detail::usable_scale(scale, steps);
  grid.zero_point =
      detail::zero_point_for(grid.scale == scale ? wide.low : 0.0F, grid.scale, grid.qmin, grid.qmax, rule);
  return grid;
}

// TensorFlow's nudge (fake_quant ops): scale = (max - min) / (qmax - qmin) on the unsigned grid [narrow ? 1 : 0,
// 2^bits - 1], zero_point = qmin - min / scale clamped and rounded half away from zero, here shifted by 2^(bits-1) to
// signed codes. grid.low() and grid.high() are the nudged limits. Needs min <= 0 <= max; min == max == 0 follows the
// rule for ranges without extent (TensorFlow gives 0 for everything). Source: Nudge in TensorFlow's
// core/kernels/fake_quant_ops_functor.h.
[[nodiscard]] inline Grid tf_nudge(float min, float max, int bits, bool narrow) {
  require(min <= 0.0F && max >= 0.0F, "tf_nudge: expected min <= 0 <= max, found [", min, ", ", max, "]");
  const TensorScheme scheme{.bits = bits, .symmetric = false, .narrow = narrow, .axis = kPerTensor};
  return grid_from_range({min, max}, scheme, "fake_quant", ZeroPointRule::tensorflow);
}

// ONNX DynamicQuantizeLinear on int8 codes: its uint8 zero point minus 128. Throws as find_range.
[[nodiscard]] inline Grid dynamic_quantize_linear_grid(std::span<const float> values, std::string_view tensor) {
  return grid_from_range(find_range(values, tensor), TensorScheme{}, tensor, ZeroPointRule::onnx);
}

// What softmax and logistic outputs use: [0, 1) in steps of 1/256; and tanh: [-1, 1) in steps of 1/128.
[[nodiscard]] constexpr Grid probability_grid() { return {.scale = 1.0F / 256.0F, .zero_point = -128}; }
[[nodiscard]] constexpr Grid tanh_grid() { return {.scale = 1.0F / 128.0F, .zero_point = 0}; }

// The codes of a fused clamp to [low, high] in real values (relu6: 0 and 6; relu: 0 and infinity; none: both infinite):
// min = max(qmin, zero_point + round_half_away(low / scale)), max likewise. Throws unless low <= high.
[[nodiscard]] inline CodeLimits code_limits(float low, float high, const Grid& grid) {
  require(low <= high, "activation limits: expected low <= high, found [", low, ", ", high, "]");
  const auto code = [&grid](float real) {
    const auto first = static_cast<float>(grid.qmin - grid.zero_point);
    const auto last = static_cast<float>(grid.qmax - grid.zero_point);
    const float steps = std::clamp(real / grid.scale, first, last);
    return static_cast<std::int32_t>(round_ties<Ties::away>(steps)) + grid.zero_point;
  };
  return {code(low), code(high)};
}
[[nodiscard]] inline CodeLimits relu6_limits(const Grid& grid) { return code_limits(0.0F, 6.0F, grid); }
[[nodiscard]] inline CodeLimits relu_limits(const Grid& grid) {
  return code_limits(0.0F, std::numeric_limits<float>::infinity(), grid);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_CHOOSE_GRID_HPP_
