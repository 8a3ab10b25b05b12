// octavo/nn/activation.hpp: the activations that a layer may end in, as functions over rows.
#ifndef OCTAVO_NN_ACTIVATION_HPP_
#define OCTAVO_NN_ACTIVATION_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "../core/tensor.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

enum class Activation : std::uint8_t { linear, relu, relu6, softmax };

constexpr std::string_view name_of(Activation activation) {
  constexpr std::string_view names[] = {"linear", "relu", "relu6", "softmax"};
  return names[static_cast<std::size_t>(activation)];
}

// The interval that an activation clamps to; linear and softmax: all reals.
struct ClampRange {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};
constexpr ClampRange clamp_range(Activation activation) {
  ClampRange range;
  if (activation == Activation::relu || activation == Activation::relu6) range.low = 0.0F;
  if (activation == Activation::relu6) range.high = 6.0F;
  return range;
}

// p[i] = exp(x[i] - max x) / sum over the last axis. `output` may be `input`.
inline void softmax_rows(const Tensor& input, Tensor& output) {
  const std::size_t width = input.shape().back();
  for (std::size_t begin = 0; begin < input.size(); begin += width) {
    const float* x = input.data() + begin;
    float* p = output.data() + begin;
    const float top = *std::max_element(x, x + width);
    float sum = 0.0F;
    for (std::size_t i = 0; i < width; ++i) sum += p[i] = std::exp(x[i] - top);
    for (std::size_t i = 0; i < width; ++i) p[i] /= sum;
  }
}

// dx[i] = p[i] * (dp[i] - sum_j dp[j] p[j]) over the last axis.
inline void softmax_rows_gradient(const Tensor& output, const Tensor& grad_output, Tensor& grad_input) {
  const std::size_t width = output.shape().back();
  for (std::size_t begin = 0; begin < output.size(); begin += width) {
    const float* p = output.data() + begin;
    const float* dp = grad_output.data() + begin;
    float dot = 0.0F;
    for (std::size_t i = 0; i < width; ++i) dot += dp[i] * p[i];
    for (std::size_t i = 0; i < width; ++i) grad_input.data()[begin + i] = p[i] * (dp[i] - dot);
  }
}

// y = activation(x), element by element or, for softmax, over the last axis. `output` may be `input`.
inline void activate(Activation activation, const Tensor& input, Tensor& output) {
  if (activation == Activation::softmax) return softmax_rows(input, output);
  const ClampRange range = clamp_range(activation);
  for (std::size_t i = 0; i < input.size(); ++i) output.data()[i] = std::clamp(input.data()[i], range.low, range.high);
}

// dx from dy and the activation's output y; relu6 passes where 0 < y < 6. `grad_input` may be `grad_output`.
inline void activate_gradient(Activation activation, const Tensor& output, const Tensor& grad_output,
                              Tensor& grad_input) {
  if (activation == Activation::softmax) return softmax_rows_gradient(output, grad_output, grad_input);
  const ClampRange range = clamp_range(activation);
  for (std::size_t i = 0; i < output.size(); ++i) {
    const float y = output.data()[i];
    grad_input.data()[i] = y > range.low && y < range.high ? grad_output.data()[i] : 0.0F;
  }
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_ACTIVATION_HPP_
