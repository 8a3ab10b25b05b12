// octavo/kernels/arm/gemm_neon.hpp: the matrix product on NEON: SMULL + SADALP, SDOT (ARMv8.2).
//
// A tile of Rows x 16 channels, 16 depths a step. 16 loads of weights and Rows loads of codes for Rows * 256 products:
// neon: 64 * Rows instructions (16 SMULL, 16 SMULL2, 32 SADALP a row); neon_dotprod: 16 * Rows.
#ifndef OCTAVO_KERNELS_ARM_GEMM_NEON_HPP_
#define OCTAVO_KERNELS_ARM_GEMM_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../gemm.hpp"
#include "finish_neon.hpp"
#include "load_weights_neon.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

inline constexpr std::uint8_t kSignFlip = 0x80;

// Sums of four products a channel, four channels a vector of weights, codes from quad `Quad` of 16 codes.
//
// SMULL and SDOT multiply signed by signed: kSignFlip turns a code u into u - 128, and 128 times the sum of a channel's
// weights is added to its start. |product| <= 2^14, so SADALP adds pairs of 16-bit products without loss.
// from() makes sums of starts, total() one sum a channel.
template <Isa Level>
struct DotNeon;

template <>
struct DotNeon<Isa::neon> {
  struct Sums {
    int32x4_t low, high;  // two sums a channel
  };
  static constexpr unsigned kTileRows = 2;

  static OCTAVO_INLINE Sums from(int32x4_t start) {
    return {vzip1q_s32(start, vdupq_n_s32(0)), vzip2q_s32(start, vdupq_n_s32(0))};
  }
  template <int Quad>
  static OCTAVO_INLINE void add(Sums& sums, int8x16_t weights, uint8x16_t codes) {
    const int8x16_t four = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_u8(codes), Quad));
    sums.low = vpadalq_s16(sums.low, vmull_s8(vget_low_s8(weights), vget_low_s8(four)));
    sums.high = vpadalq_s16(sums.high, vmull_high_s8(weights, four));
  }
  static OCTAVO_INLINE int32x4_t total(const Sums& sums) { return vpaddq_s32(sums.low, sums.high); }
};

// Assembly, as arm_neon.h of clang 14 hides the intrinsic from files without the flag.
template <>
struct DotNeon<Isa::neon_dotprod> {
  using Sums = int32x4_t;
  static constexpr unsigned kTileRows = 4;

  static OCTAVO_INLINE Sums from(int32x4_t start) { return start; }
  template <int Quad>
  OCTAVO_TARGET_NEON_DOTPROD static OCTAVO_INLINE void add(Sums& sums, int8x16_t weights, uint8x16_t codes) {
    __asm__("sdot %0.4s, %1.16b, %2.4b[%c3]" : "+w"(sums) : "w"(weights), "w"(codes), "i"(Quad));
  }
  static OCTAVO_INLINE int32x4_t total(Sums sums) { return sums; }
};

// Defined by gemm_neon_body.hpp for neon and neon_dotprod.
template <Isa Level, WeightBits Bits>
struct GemmNeon;

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::neon
#define OCTAVO_DETAIL_TARGET
#include "gemm_neon_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#define OCTAVO_DETAIL_LEVEL Isa::neon_dotprod
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_NEON_DOTPROD
#include "gemm_neon_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <WeightBits Bits>
struct Gemm<Isa::neon, Bits> : GemmNeon<Isa::neon, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_neon" : "gemm_u8s8_neon";
  static constexpr std::string_view kSegmentsName = kNibbles ? "implicit_gemm_u8s4_neon" : "implicit_gemm_u8s8_neon";
};

template <WeightBits Bits>
struct Gemm<Isa::neon_dotprod, Bits> : GemmNeon<Isa::neon_dotprod, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_neon_dotprod" : "gemm_u8s8_neon_dotprod";
  static constexpr std::string_view kSegmentsName =
      kNibbles ? "implicit_gemm_u8s4_neon_dotprod" : "implicit_gemm_u8s8_neon_dotprod";
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_GEMM_NEON_HPP_
