// octavo/kernels/arm/load_weights_neon.hpp: a quarter of a quad of packed weights, four depths of 4 channels.
#ifndef OCTAVO_KERNELS_ARM_LOAD_WEIGHTS_NEON_HPP_
#define OCTAVO_KERNELS_ARM_LOAD_WEIGHTS_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <cstdint>

#include "../packed_weights.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Channels 4 * v to 4 * v + 3. Weights of 4 bits: a shift to the right brings the sign, behind one to the left where
// they are the low halves.
template <WeightBits Bits>
[[nodiscard]] OCTAVO_INLINE int8x16_t load_weights(const std::int8_t* quad, unsigned v) {
  if constexpr (Bits == WeightBits::eight) return vld1q_s8(quad + 16 * v);
  const int8x16_t bytes = vld1q_s8(quad + v % 2 * 16);
  return vshrq_n_s8(v < 2 ? vshlq_n_s8(bytes, 4) : bytes, 4);
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_LOAD_WEIGHTS_NEON_HPP_
