// octavo/quant/bias.hpp: int32 biases at scale s_in * s_w[c], and the rule that keeps them from overflowing.
#ifndef OCTAVO_QUANT_BIAS_HPP_
#define OCTAVO_QUANT_BIAS_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The weight scale to use for a channel with this bias: where |bias| >= 0.5 * s_in * s_w * (2^31 - 1), i.e. the bias
// would take half of the accumulator's range, 2 |bias| / ((2^31 - 1) * s_in); otherwise s_w. The weights must be
// quantized with the scale that this returns. TFLite's AdjustWeightsForBiasScale.
[[nodiscard]] inline float widen_weight_scale(float bias, float input_scale, float weight_scale) {
  constexpr double largest = std::numeric_limits<std::int32_t>::max();
  const double magnitude = std::abs(static_cast<double>(bias));
  if (magnitude < 0.5 * static_cast<double>(input_scale) * static_cast<double>(weight_scale) * largest)
    return weight_scale;
  return std::max(weight_scale, static_cast<float>(2.0 * magnitude / (largest * static_cast<double>(input_scale))));
}

// widen_weight_scale for each channel, in place: weight_scales has one entry for all channels or one each. Returns how
// many entries changed. Throws, naming the layer, when the counts do not fit or a bias is not finite.
inline std::size_t widen_weight_scales(std::span<const float> bias, float input_scale, std::span<float> weight_scales,
                                       std::string_view layer) {
  require(weight_scales.size() == 1 || weight_scales.size() == bias.size(), "layer '", layer, "': expected 1 or ",
          bias.size(), " weight scales, found ", weight_scales.size());
  std::vector<float> before(weight_scales.begin(), weight_scales.end());
  for (std::size_t c = 0; c < bias.size(); ++c) {
    require(std::isfinite(bias[c]), "layer '", layer, "': bias ", bias[c], " of channel ", c, " is not finite");
    float& scale = weight_scales[weight_scales.size() == 1 ? 0 : c];
    scale = widen_weight_scale(bias[c], input_scale, scale);
  }
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i)
    if (before[i] != weight_scales[i]) ++changed;
  return changed;
}

// clamp_int32(round_half_away(bias / (s_in * s_w))) in double; zero point 0. Needs a finite bias.
[[nodiscard]] inline std::int32_t quantize_bias(float bias, float input_scale, float weight_scale) {
  const double steps =
      static_cast<double>(bias) / (static_cast<double>(input_scale) * static_cast<double>(weight_scale));
  constexpr double lowest = std::numeric_limits<std::int32_t>::min();
  constexpr double largest = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::clamp(std::round(steps), lowest, largest));
}

// quantize_bias for each channel; weight_scales has one entry for all channels or one each. Throws, naming the layer,
// when the counts do not fit, a bias is not finite, or one saturates (widen_weight_scales prevents that).
[[nodiscard]] inline std::vector<std::int32_t> quantize_biases(std::span<const float> bias, float input_scale,
                                                               std::span<const float> weight_scales,
                                                               std::string_view layer) {
  require(weight_scales.size() == 1 || weight_scales.size() == bias.size(), "layer '", layer, "': expected 1 or ",
          bias.size(), " weight scales, found ", weight_scales.size());
  std::vector<std::int32_t> codes(bias.size());
  for (std::size_t c = 0; c < bias.size(); ++c) {
    require(std::isfinite(bias[c]), "layer '", layer, "': bias ", bias[c], " of channel ", c, " is not finite");
    codes[c] = quantize_bias(bias[c], input_scale, weight_scales[weight_scales.size() == 1 ? 0 : c]);
    require(
        codes[c] != std::numeric_limits<std::int32_t>::max() && codes[c] != std::numeric_limits<std::int32_t>::min(),
        "layer '", layer, "': bias ", bias[c], " of channel ", c, " does not fit in 32 bits at this scale");
  }
  return codes;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_BIAS_HPP_
