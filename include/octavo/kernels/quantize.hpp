// octavo/kernels/quantize.hpp: float32 to 8-bit codes and back, over arrays. Formulas: quantize() and
// dequantize() of quant/quantize.hpp, with grids in u8 terms; NaN becomes qmin.
#ifndef OCTAVO_KERNELS_QUANTIZE_HPP_
#define OCTAVO_KERNELS_QUANTIZE_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../core/parallel.hpp"
#include "elementwise_levels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

inline void quantize_codes(const float* in, std::uint8_t* out, std::int64_t n, const Grid& grid, Ties ties,
                           int threads) {
  const auto kernel = detail::elementwise_level();
  constexpr std::int64_t grain = 4096;
  parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
    kernel.quantize(in + begin * grain, out + begin * grain, std::min(n, end * grain) - begin * grain, grid, ties);
  });
}

inline void dequantize_codes(const std::uint8_t* in, float* out, std::int64_t n, const Grid& grid, int threads) {
  const auto kernel = detail::elementwise_level();
  constexpr std::int64_t grain = 4096;
  parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
    kernel.dequantize(in + begin * grain, out + begin * grain, std::min(n, end * grain) - begin * grain, grid);
  });
}

// The grid of values in [low, high] extended to contain 0, as ONNX DynamicQuantizeLinear: scale = (high - low) / 255,
// zero point = round(clamp(-low / scale, 0, 255)), ties to even. low = high = 0 gives scale 1. Throws when the range is
// not finite.
[[nodiscard]] inline Grid dynamic_grid(float low, float high) {
  low = std::min(low, 0.0F);
  high = std::max(high, 0.0F);
  const float scale = (high - low) / 255.0F;
  require(std::isfinite(scale), "dynamic quantization: the input's range [", low, ", ", high, "] is not finite");
  if (scale == 0.0F) return {.scale = 1.0F, .zero_point = 0, .qmin = 0, .qmax = 255};
  const float zero = std::clamp(0.0F - low / scale, 0.0F, 255.0F);
  return {
      .scale = scale, .zero_point = static_cast<std::int32_t>(round_ties<Ties::even>(zero)), .qmin = 0, .qmax = 255};
}

// Quantizes n values on the grid of their own range, ties to even, and returns the grid. NaN does not
// count in the range and becomes code 0, the range's low end.
inline Grid quantize_dynamic(const float* in, std::uint8_t* out, std::int64_t n, int threads = 1) {
  const auto kernel = detail::elementwise_level();
  constexpr int most = 16;
  float low[most] = {}, high[most] = {};
  parallel_for(n, std::min(threads, most), [&](std::int64_t begin, std::int64_t end, int part) {
    kernel.range(in + begin, end - begin, low[part], high[part]);
  });
  const Grid grid = dynamic_grid(*std::min_element(low, low + most), *std::max_element(high, high + most));
  quantize_codes(in, out, n, grid, Ties::even, threads);
  return grid;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_QUANTIZE_HPP_
