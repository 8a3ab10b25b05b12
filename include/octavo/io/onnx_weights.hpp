// octavo/io/onnx_weights.hpp: integer weights and biases of an ONNX graph as a runtime::Program holds them.
#ifndef OCTAVO_IO_ONNX_WEIGHTS_HPP_
#define OCTAVO_IO_ONNX_WEIGHTS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// A kernel whose zero points are subtracted: real = scale[c] * code. Codes outside int8 (unsigned weights with a zero
// point) are kept as the sum of two, one behind the other: the operator then reads each input channel twice.
struct IntegerKernel {
  std::vector<std::int8_t> codes;  // our order; doubled: the innermost input channel twice
  std::vector<float> scale;        // one, or one a channel
  bool doubled = false;
};

// The integer kernel of a weighted layer; nothing when its weights are real numbers, or have scales along another axis
// than the output channels. `depthwise`: HWC weights; doubled ones are returned as [c][h][w][2].
[[nodiscard]] inline std::optional<IntegerKernel> integer_kernel(const Strided& weights, bool depthwise) {
  const Constant& source = weights.source;
  if (source.grid == nullptr || bytes_of(source.type) != 1 || !(weights.factor > 0.0F)) return {};
  const CodeGrid& grid = *source.grid;
  if (grid.axis >= 0) {
    std::int64_t stride = 1;
    for (std::size_t i = static_cast<std::size_t>(grid.axis) + 1; i < source.dims.size(); ++i) stride *= source.dims[i];
    if (stride != weights.strides[weights.channel_axis] || std::ssize(grid.scale) != weights.channels()) return {};
  }
  IntegerKernel kernel;
  for (const float scale : grid.scale) {
    kernel.scale.push_back(scale * weights.factor);
    if (!std::isnormal(kernel.scale.back())) return {};
  }
  std::vector<std::int32_t> codes = weights.arranged(stored_numbers<std::int32_t>(source));
  const auto channels = static_cast<std::size_t>(weights.channels()), inner = codes.size() / channels;
  const auto channel_of = [&](std::size_t i) { return weights.channel_axis == 0 ? i / inner : i % channels; };
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] -= grid.zero_point[grid.zero_point.size() == 1 ? 0 : channel_of(i)];
    kernel.doubled = kernel.doubled || codes[i] < -128 || codes[i] > 127;
  }
  if (!kernel.doubled) {
    kernel.codes.assign(codes.size(), 0);
    std::transform(codes.begin(), codes.end(), kernel.codes.begin(),
                   [](std::int32_t code) { return static_cast<std::int8_t>(code); });
    return kernel;
  }
  kernel.codes.reserve(2 * codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::int32_t code = codes[depthwise ? i % inner * channels + i / inner : i];
    require(code >= -256 && code <= 254, "a weight of ", code, " steps");
    const std::int32_t first = std::clamp(code, -128, 127);
    kernel.codes.push_back(static_cast<std::int8_t>(first));
    kernel.codes.push_back(static_cast<std::int8_t>(code - first));
  }
  return kernel;
}

// The bias in steps of input_scale * kernel_scale[c]: its codes where it is stored on this grid, else rounded to it.
// Throws when a code leaves 32 bits.
[[nodiscard]] inline std::vector<std::int32_t> integer_bias(const Strided& bias, float input_scale,
                                                            const std::vector<float>& kernel_scale) {
  const std::vector<float> reals = bias.reals();
  std::vector<std::int32_t> stored;
  const Constant& source = bias.source;
  if (source.grid != nullptr && bias.factor == 1.0F) stored = bias.arranged(stored_numbers<std::int32_t>(source));
  std::vector<std::int32_t> codes;
  for (std::size_t c = 0; c < reals.size(); ++c) {
    const double step =
        static_cast<double>(input_scale) * static_cast<double>(kernel_scale[kernel_scale.size() == 1 ? 0 : c]);
    if (!stored.empty()) {
      const std::size_t k = source.grid->scale.size() == 1 ? 0 : c;
      const auto own = static_cast<double>(source.grid->scale[k]);
      if (source.grid->zero_point[k] == 0 && std::abs(own - step) <= 1e-5 * step) {
        codes.push_back(stored[c]);
        continue;
      }
    }
    const double code = std::nearbyint(static_cast<double>(reals[c]) / step);
    require(std::abs(code) < 0x1p31, "the bias of channel ", c, ", ", reals[c],
            ", is more than 32 bits hold in steps of ", step);
    codes.push_back(static_cast<std::int32_t>(code));
  }
  return codes;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_WEIGHTS_HPP_
