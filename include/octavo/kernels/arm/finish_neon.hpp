// octavo/kernels/arm/finish_neon.hpp: the pieces of the NEON kernels: requantization of 16 accumulators, and the tail
// of a row of outputs.
#ifndef OCTAVO_KERNELS_ARM_FINISH_NEON_HPP_
#define OCTAVO_KERNELS_ARM_FINISH_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "../sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Accumulators of 16 channels to codes, for sinks of kind fast_codes: FCVTNS rounds to nearest even, the narrowing
// moves saturate, which clamps. 12 instructions to scale and convert, 9 to pack and clamp.
struct FastCodesNeon {
  int16x8_t zero_point;
  uint8x16_t low, high;

  explicit FastCodesNeon(const Sink& sink)
      : zero_point(vdupq_n_s16(static_cast<std::int16_t>(sink.zero_point))),
        low(vdupq_n_u8(static_cast<std::uint8_t>(sink.min))),
        high(vdupq_n_u8(static_cast<std::uint8_t>(sink.max))) {}

  [[nodiscard]] OCTAVO_INLINE static int16x4_t scaled(int32x4_t acc, const float* scale) {
    return vqmovn_s32(vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(acc), vld1q_f32(scale))));
  }
  [[nodiscard]] OCTAVO_INLINE uint8x16_t codes(const int32x4_t* acc, const float* scale) const {
    const int16x8_t first = vcombine_s16(scaled(acc[0], scale), scaled(acc[1], scale + 4));
    const int16x8_t second = vcombine_s16(scaled(acc[2], scale + 8), scaled(acc[3], scale + 12));
    const uint8x16_t bytes =
        vcombine_u8(vqmovun_s16(vqaddq_s16(first, zero_point)), vqmovun_s16(vqaddq_s16(second, zero_point)));
    return vminq_u8(vmaxq_u8(bytes, low), high);
  }
};

// One row of up to 16 channels from `channel` on: accumulators to outputs at `out`.
OCTAVO_INLINE void finish_row_neon(const Sink& sink, const int32x4_t* acc, std::int64_t channel, std::int64_t count,
                                   void* out) {
  if (sink.kind == Sink::Kind::fast_codes) {
    const uint8x16_t codes = FastCodesNeon(sink).codes(acc, sink.scale + channel);
    if (count >= kLanes) return vst1q_u8(static_cast<std::uint8_t*>(out), codes);
    std::uint8_t all[kLanes];
    vst1q_u8(all, codes);
    std::memcpy(out, all, static_cast<std::size_t>(count));
    return;
  }
  std::int32_t sums[kLanes];
#pragma GCC unroll 4
  for (unsigned v = 0; v < 4; ++v) vst1q_s32(sums + 4 * v, acc[v]);
  Finish<Isa::scalar>::run(sink, sums, kLanes, 1, channel, count < kLanes ? count : kLanes, out, 0);
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_FINISH_NEON_HPP_
