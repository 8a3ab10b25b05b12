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

// Accumulators to codes, for sinks of kind fast_codes: FCVTNS rounds to nearest even, the narrowing moves saturate,
// which clamps. For 16 of them 12 instructions to scale and convert, 6 to pack; where zero point or limits are not
// those of a ReLU6 on its own grid, 4 more.
struct FastCodesNeon {
  int16x8_t zero_point;
  uint8x16_t low, high;
  bool adjust;  // adds the zero point, clamps to the limits

  explicit FastCodesNeon(const Sink& sink)
      : zero_point(vdupq_n_s16(static_cast<std::int16_t>(sink.zero_point))),
        low(vdupq_n_u8(static_cast<std::uint8_t>(sink.min))),
        high(vdupq_n_u8(static_cast<std::uint8_t>(sink.max))),
        adjust(sink.zero_point != 0 || sink.min > 0 || sink.max < 255) {}

  [[nodiscard]] OCTAVO_INLINE static int32x4_t scaled(int32x4_t acc, float32x4_t scale) {
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(acc), scale));
  }
  // Eight channels, scaled and narrowed.
  [[nodiscard]] OCTAVO_INLINE static int16x8_t words(int32x4_t first, int32x4_t second, float32x4_t first_scale,
                                                     float32x4_t second_scale) {
    return vqmovn_high_s32(vqmovn_s32(scaled(first, first_scale)), scaled(second, second_scale));
  }
  [[nodiscard]] OCTAVO_INLINE uint8x16_t codes(int16x8_t first, int16x8_t second) const {
    if (!adjust) return vqmovun_high_s16(vqmovun_s16(first), second);
    const uint8x8_t low_half = vqmovun_s16(vqaddq_s16(first, zero_point));
    return vminq_u8(vmaxq_u8(vqmovun_high_s16(low_half, vqaddq_s16(second, zero_point)), low), high);
  }
  [[nodiscard]] OCTAVO_INLINE uint8x8_t codes(int16x8_t words) const {
    if (!adjust) return vqmovun_s16(words);
    return vmin_u8(vmax_u8(vqmovun_s16(vqaddq_s16(words, zero_point)), vget_low_u8(low)), vget_low_u8(high));
  }
  [[nodiscard]] OCTAVO_INLINE uint8x16_t codes(const int32x4_t* acc, const float* scale) const {
    return codes(words(acc[0], acc[1], vld1q_f32(scale), vld1q_f32(scale + 4)),
                 words(acc[2], acc[3], vld1q_f32(scale + 8), vld1q_f32(scale + 12)));
  }
};

// Any sink: one row of up to 16 channels.
__attribute__((noinline)) inline void finish_any_neon(const Sink& sink, const std::int32_t* sums, std::int64_t channel,
                                                      std::int64_t count, void* out) {
  Finish<Isa::scalar>::run(sink, sums, kLanes, 1, channel, count < kLanes ? count : kLanes, out, 0);
}

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
  finish_any_neon(sink, sums, channel, count, out);
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_FINISH_NEON_HPP_
