// octavo/quant/lsq.hpp: learned step size (Esser et al., "Learned Step Size Quantization", 2019): the scale is trained.
#ifndef OCTAVO_QUANT_LSQ_HPP_
#define OCTAVO_QUANT_LSQ_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

#include "../core/error.hpp"
#include "fake_quant.hpp"
#include "grid.hpp"
#include "quantize.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The forward pass is fake_quantize. With v = x / scale, n = qmin - zero_point and p = qmax - zero_point, the gradient
// of y to the scale is n where v <= n, p where v >= p, otherwise round(v) - v; that to x is 1 where n < v < p.

// A first step for these values: 2 mean|x| / sqrt(p), at least the smallest normal float. Throws, naming the tensor,
// for an empty span or a mean that is not finite.
[[nodiscard]] inline float lsq_initial_step(std::span<const float> values, const Grid& grid, std::string_view tensor) {
  require(!values.empty(), "tensor '", tensor, "': no values to take a first step from");
  double sum = 0.0;
  for (const float x : values) sum += std::abs(static_cast<double>(x));
  const double mean = sum / static_cast<double>(values.size());
  require(std::isfinite(mean), "tensor '", tensor, "': a value is not finite");
  const int positive = std::max(1, grid.qmax - grid.zero_point);
  return std::max(static_cast<float>(2.0 * mean / std::sqrt(positive)), std::numeric_limits<float>::min());
}

// 1 / sqrt(n * p): keeps the step's updates in proportion to the weights' (section 2.2 of the paper).
[[nodiscard]] inline double lsq_gradient_scale(std::size_t n, const Grid& grid) {
  const int positive = std::max(1, grid.qmax - grid.zero_point);
  return 1.0 / std::sqrt(static_cast<double>(n) * positive);
}

// Writes dx (grad_in may be grad_out) and returns the sum of dy * dy/dscale, not yet multiplied by lsq_gradient_scale.
// Throws, naming the tensor, when the sizes differ.
inline double lsq_backward(std::span<const float> in, std::span<const float> grad_out, const Grid& grid, Ties ties,
                           std::span<float> grad_in, std::string_view tensor) {
  detail::require_sizes(grad_out.size(), grad_in.size(), in.size(), tensor);
  const float low = static_cast<float>(grid.qmin - grid.zero_point);
  const float high = static_cast<float>(grid.qmax - grid.zero_point);
  double gradient = 0.0;
  detail::with_ties(ties, [&](auto rule) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const float v = in[i] / grid.scale;
      const bool inside = v > low && v < high;
      const float rounded = detail::steps_of<rule.value>(in[i], grid.scale, low, high);
      gradient += static_cast<double>(grad_out[i]) * static_cast<double>(inside ? rounded - v : rounded);
      grad_in[i] = inside ? grad_out[i] : 0.0F;
    }
  });
  return gradient;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_LSQ_HPP_
