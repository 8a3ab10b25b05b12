// octavo/quant/params.hpp: QuantParams: the grids of a whole tensor, one or one a channel.
#ifndef OCTAVO_QUANT_PARAMS_HPP_
#define OCTAVO_QUANT_PARAMS_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "channels.hpp"
#include "choose_grid.hpp"
#include "grid.hpp"
#include "tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// real = scale[c] * (code - zero_point[c]), c = the index along `axis` (0 when axis is kPerTensor). Every channel has
// the same [qmin, qmax].
struct QuantParams {
  std::vector<float> scale;
  std::vector<std::int32_t> zero_point;
  int axis = kPerTensor;  // kPerTensor, kLastAxis, or 0 ..
  int bits = 8;
  std::int32_t qmin = -128;
  std::int32_t qmax = 127;

  QuantParams() = default;
  // Per tensor.
  explicit QuantParams(const Grid& grid, int code_bits = 8) : QuantParams({&grid, 1}, kPerTensor, code_bits) {}
  // One grid a channel; the grids must share qmin and qmax.
  QuantParams(std::span<const Grid> grids, int channel_axis, int code_bits = 8) : axis(channel_axis), bits(code_bits) {
    require(!grids.empty(), "quantization parameters: expected at least one grid");
    qmin = grids[0].qmin, qmax = grids[0].qmax;
    for (const Grid& grid : grids) {
      require(grid.qmin == qmin && grid.qmax == qmax, "quantization parameters: channels differ in their code range");
      scale.push_back(grid.scale), zero_point.push_back(grid.zero_point);
    }
  }
  // Unset grids (scale 1, zero point 0) of a scheme, for `channels` channels.
  QuantParams(const TensorScheme& scheme, std::size_t channels)
      : scale(channels, 1.0F),
        zero_point(channels, 0),
        axis(scheme.axis),
        bits(scheme.bits),
        qmin(scheme.qmin()),
        qmax(scheme.qmax()) {}

  [[nodiscard]] bool empty() const noexcept { return scale.empty(); }
  [[nodiscard]] std::size_t channels() const noexcept { return scale.size(); }
  [[nodiscard]] bool per_channel() const noexcept { return axis != kPerTensor; }
  [[nodiscard]] bool symmetric() const noexcept {
    for (const std::int32_t z : zero_point)
      if (z != 0) return false;
    return true;
  }
  [[nodiscard]] Grid grid(std::size_t channel = 0) const {
    require(channel < scale.size(), "quantization parameters: no channel ", channel, " of ", scale.size());
    return {scale[channel], zero_point[channel], qmin, qmax};
  }
  void set_grid(std::size_t channel, const Grid& grid) {
    scale[channel] = grid.scale, zero_point[channel] = grid.zero_point;
  }

  // Throws, naming the tensor, unless: the vectors have equal length, 1 for kPerTensor; bits is 2 to 8 and [qmin, qmax]
  // the signed range of `bits` or a part of it that holds 0; each scale is finite and a normal number > 0; each zero
  // point is in [qmin, qmax].
  void validate(std::string_view tensor) const;

  // validate(), and one grid for each extent of `shape` along the axis. Returns the layout.
  ChannelLayout validate(std::string_view tensor, const Shape& shape) const {  // NOLINT: the layout may be ignored
    validate(tensor);
    const ChannelLayout layout = channel_layout(shape, axis, tensor);
    require(layout.channels == channels(), "tensor '", tensor, "': expected ", layout.channels, " scales for shape ",
            shape.to_string(), " along axis ", axis, ", found ", channels());
    return layout;
  }

  friend bool operator==(const QuantParams&, const QuantParams&) = default;
};

inline void QuantParams::validate(std::string_view tensor) const {
  require(!scale.empty() && scale.size() == zero_point.size(), "tensor '", tensor,
          "': expected as many scales as zero points, at least one; found ", scale.size(), " and ", zero_point.size());
  require(per_channel() || scale.size() == 1, "tensor '", tensor, "': expected one scale per tensor, found ",
          scale.size());
  const TensorScheme full{.bits = bits, .symmetric = false, .narrow = false, .axis = axis};
  full.validate(tensor);
  require(qmin >= full.qmin() && qmin <= 0 && qmax >= 0 && qmax <= full.qmax() && qmin < qmax, "tensor '", tensor,
          "': codes [", qmin, ", ", qmax, "] are no range of ", bits, "-bit codes around 0");
  for (std::size_t c = 0; c < scale.size(); ++c) {
    require(scale[c] > 0.0F && std::isnormal(scale[c]), "tensor '", tensor, "': scale ", scale[c], " of channel ", c,
            " is no normal positive number");
    require(zero_point[c] >= qmin && zero_point[c] <= qmax, "tensor '", tensor, "': zero point ", zero_point[c],
            " of channel ", c, " is outside [", qmin, ", ", qmax, "]");
  }
}

// One grid a range: ranges.size() == 1 for a per-tensor scheme, otherwise the number of channels.
[[nodiscard]] inline QuantParams params_from_ranges(std::span<const Range> ranges, const TensorScheme& scheme,
                                                    std::string_view tensor,
                                                    ZeroPointRule rule = ZeroPointRule::tflite) {
  QuantParams params(scheme, ranges.size());
  for (std::size_t c = 0; c < ranges.size(); ++c) params.set_grid(c, grid_from_range(ranges[c], scheme, tensor, rule));
  params.validate(tensor);
  return params;
}

// The parameters that min/max of the values themselves give: how weights are quantized after training.
[[nodiscard]] inline QuantParams params_from_values(std::span<const float> values, const Shape& shape,
                                                    const TensorScheme& scheme, std::string_view tensor,
                                                    ZeroPointRule rule = ZeroPointRule::tflite) {
  const ChannelLayout layout = channel_layout(shape, scheme.axis, tensor);
  std::vector<Range> ranges(layout.channels);
  find_channel_ranges(values, layout, tensor, ranges);
  return params_from_ranges(ranges, scheme, tensor, rule);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_PARAMS_HPP_
