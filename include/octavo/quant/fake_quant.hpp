// octavo/quant/fake_quant.hpp: quantize and dequantize in one pass, and its gradients: the core of quantization-aware
// training.
//
// Forward: y = dequantize(quantize(x)), bit for bit what conversion will compute from the same parameters. Backward:
// straight-through inside the grid's limits, and TensorFlow's gradients to the limits outside.
#ifndef OCTAVO_QUANT_FAKE_QUANT_HPP_
#define OCTAVO_QUANT_FAKE_QUANT_HPP_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "channels.hpp"
#include "grid.hpp"
#include "params.hpp"
#include "quantize.hpp"
#include "ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Gradients of the loss with respect to a grid's two limits.
struct RangeGradient {
  double low = 0.0;
  double high = 0.0;
};

namespace detail {

// As steps_of, but NaN passes through.
template <Ties kTies>
[[nodiscard]] OCTAVO_INLINE float fake_steps_of(float x, float scale, float low, float high) noexcept {
  float v = x / scale;
  v = low > v ? low : v;
  v = high < v ? high : v;
  return round_ties<kTies>(v);
}

template <Ties kTies>
void fake_quantize_row(const float* in, std::size_t n, const Grid& grid, float* out) noexcept {
  const float low = static_cast<float>(grid.qmin - grid.zero_point);
  const float high = static_cast<float>(grid.qmax - grid.zero_point);
  const float scale = grid.scale;
  for_each_index(
      n, [=](std::size_t i)
             __attribute__((always_inline)) { out[i] = fake_steps_of<kTies>(in[i], scale, low, high) * scale; });
}

template <Ties kTies>
void fake_quantize_columns(const float* in, std::size_t n, const QuantParams& params, float* out) noexcept {
  const float* scale = params.scale.data();
  const std::int32_t* zero_point = params.zero_point.data();
  const std::int32_t qmin = params.qmin, qmax = params.qmax;
  for_each_index(
      n, [=](std::size_t i) __attribute__((always_inline)) {
        const auto low = static_cast<float>(qmin - zero_point[i]);
        const auto high = static_cast<float>(qmax - zero_point[i]);
        out[i] = fake_steps_of<kTies>(in[i], scale[i], low, high) * scale[i];
      });
}

inline void pass_inside_row(const float* in, const float* grad_out, std::size_t n, float low, float high,
                            float* grad_in) noexcept {
  for_each_index(
      n, [=](std::size_t i) __attribute__((always_inline)) {
        const float g = grad_out[i];
        const float kept = in[i] >= low ? g : 0.0F;
        grad_in[i] = in[i] <= high ? kept : 0.0F;
      });
}

// One grid a column.
inline void pass_inside_columns(const float* in, const float* grad_out, std::size_t n, const QuantParams& params,
                                float* grad_in) noexcept {
  const float* scale = params.scale.data();
  const std::int32_t* zero_point = params.zero_point.data();
  const std::int32_t qmin = params.qmin, qmax = params.qmax;
  for_each_index(
      n, [=](std::size_t i) __attribute__((always_inline)) {
        const float g = grad_out[i];
        const float kept = in[i] >= static_cast<float>(qmin - zero_point[i]) * scale[i] ? g : 0.0F;
        grad_in[i] = in[i] <= static_cast<float>(qmax - zero_point[i]) * scale[i] ? kept : 0.0F;
      });
}

inline RangeGradient limit_gradients_row(const float* in, const float* grad_out, std::size_t n, float low,
                                         float high) noexcept {
  RangeGradient sum;
  for (std::size_t i = 0; i < n; ++i) {
    sum.low += in[i] < low ? static_cast<double>(grad_out[i]) : 0.0;
    sum.high += in[i] > high ? static_cast<double>(grad_out[i]) : 0.0;
  }
  return sum;
}

}  // namespace detail

// y = (clamp(round(x / scale) + zero_point, qmin, qmax) - zero_point) * scale, rounded by `ties`. NaN stays NaN.
[[nodiscard]] inline float fake_quantize(float x, const Grid& grid, Ties ties) noexcept {
  const float low = static_cast<float>(grid.qmin - grid.zero_point);
  const float high = static_cast<float>(grid.qmax - grid.zero_point);
  float v = x / grid.scale;
  v = low > v ? low : v;
  v = high < v ? high : v;
  return round_ties(v, ties) * grid.scale;
}

// The same for a tensor with one grid. `out` may be `in`. Throws, naming the tensor, when the sizes differ.
inline void fake_quantize(std::span<const float> in, const Grid& grid, Ties ties, std::span<float> out,
                          std::string_view tensor) {
  detail::require_sizes(in.size(), out.size(), in.size(), tensor);
  detail::with_ties(ties,
                    [&](auto rule) { detail::fake_quantize_row<rule.value>(in.data(), in.size(), grid, out.data()); });
}

// The same for a tensor of `shape`, one grid or one a channel. `out` may be `in`.
inline void fake_quantize(std::span<const float> in, const Shape& shape, const QuantParams& params, Ties ties,
                          std::span<float> out, std::string_view tensor) {
  const ChannelLayout layout = params.validate(tensor, shape);
  detail::require_sizes(in.size(), out.size(), layout.size(), tensor);
  detail::with_ties(ties, [&](auto rule) {
    if (layout.inner == 1 && layout.channels > 1) {
      for (std::size_t i = 0; i < in.size(); i += layout.channels)
        detail::fake_quantize_columns<rule.value>(in.data() + i, layout.channels, params, out.data() + i);
      return;
    }
    detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
      detail::fake_quantize_row<rule.value>(in.data() + offset, n, params.grid(c), out.data() + offset);
    });
  });
}

// Straight-through: dx = dy where grid.low() <= x <= grid.high(), otherwise 0 (also for NaN). `grad_in` may be
// `grad_out`.
inline void fake_quantize_backward(std::span<const float> in, std::span<const float> grad_out, const Grid& grid,
                                   std::span<float> grad_in, std::string_view tensor) {
  detail::require_sizes(grad_out.size(), grad_in.size(), in.size(), tensor);
  detail::pass_inside_row(in.data(), grad_out.data(), in.size(), grid.low(), grid.high(), grad_in.data());
}

inline void fake_quantize_backward(std::span<const float> in, const Shape& shape, std::span<const float> grad_out,
                                   const QuantParams& params, std::span<float> grad_in, std::string_view tensor) {
  const ChannelLayout layout = params.validate(tensor, shape);
  detail::require_sizes(grad_out.size(), grad_in.size(), layout.size(), tensor);
  require(in.size() == layout.size(), "tensor '", tensor, "': expected ", layout.size(), " values, found ", in.size());
  if (layout.inner == 1 && layout.channels > 1) {
    for (std::size_t i = 0; i < in.size(); i += layout.channels)
      detail::pass_inside_columns(in.data() + i, grad_out.data() + i, layout.channels, params, grad_in.data() + i);
    return;
  }
  detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
    const Grid grid = params.grid(c);
    detail::pass_inside_row(in.data() + offset, grad_out.data() + offset, n, grid.low(), grid.high(),
                            grad_in.data() + offset);
  });
}

// TensorFlow's gradients to the limits: d low = sum of dy where x < grid.low(), d high = sum of dy where x >
// grid.high(). The limits are the nudged ones; the nudge itself passes the gradient straight through.
[[nodiscard]] inline RangeGradient fake_quantize_range_gradient(std::span<const float> in,
                                                                std::span<const float> grad_out, const Grid& grid,
                                                                std::string_view tensor) {
  detail::require_sizes(in.size(), grad_out.size(), in.size(), tensor);
  return detail::limit_gradients_row(in.data(), grad_out.data(), in.size(), grid.low(), grid.high());
}

// The same, one pair a channel.
[[nodiscard]] inline std::vector<RangeGradient> fake_quantize_range_gradient(std::span<const float> in,
                                                                             const Shape& shape,
                                                                             std::span<const float> grad_out,
                                                                             const QuantParams& params,
                                                                             std::string_view tensor) {
  const ChannelLayout layout = params.validate(tensor, shape);
  detail::require_sizes(in.size(), grad_out.size(), layout.size(), tensor);
  std::vector<RangeGradient> gradients(layout.channels);
  detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
    const Grid grid = params.grid(c);
    const RangeGradient part =
        detail::limit_gradients_row(in.data() + offset, grad_out.data() + offset, n, grid.low(), grid.high());
    gradients[c].low += part.low, gradients[c].high += part.high;
  });
  return gradients;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_FAKE_QUANT_HPP_
