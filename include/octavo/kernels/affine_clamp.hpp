// octavo/kernels/affine_clamp.hpp: what stands between two convolutions in training: batch norm, activation,
// fake-quant.
#ifndef OCTAVO_KERNELS_AFFINE_CLAMP_HPP_
#define OCTAVO_KERNELS_AFFINE_CLAMP_HPP_

#include <limits>

#include "../quant/grid.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The function of one value x of channel c:
//   z = multiplier[c] * x + offset[c]      (one rounding where the level has a fused multiply-add)
//   u = min(max(z, low), high)
//   y = u, or, with a grid, fake_quantize(u, *grid, ties) of quant/fake_quant.hpp, the same bytes
// Its gradient passes where low < z < high and, with a grid, grid->low() <= u <= grid->high(). NaN gives NaN, gradient
// 0. Batch norm is multiplier = gamma / sqrt(variance + epsilon), offset = beta - multiplier * mean.
struct AffineClamp {
  const float* multiplier;
  const float* offset;
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  const Grid* grid = nullptr;
  Ties ties = Ties::even;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_AFFINE_CLAMP_HPP_
