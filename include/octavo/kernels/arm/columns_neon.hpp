// octavo/kernels/arm/columns_neon.hpp: one column of a 3x3 window: its codes and weights in registers, and their
// products, by SMLAL, SDOT (ARMv8.2) or USDOT (ARMv8.6).
#ifndef OCTAVO_KERNELS_ARM_COLUMNS_NEON_HPP_
#define OCTAVO_KERNELS_ARM_COLUMNS_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <cstdint>

#include "../depthwise.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// 4 * kVectors channels of Rows output rows that lie one image row apart. load() reads the Rows + 2 image rows under
// them, weights() the three taps; each reads 4 * kVectors bytes. add() adds the products to the sums
// [row * kVectors + vector]. kSigned: the codes are read as code - 128.
template <Isa Level, unsigned Rows>
struct ColumnsNeon;

// Eight products. Assembly, as g++ 12 gives the lower half of a vector, an operand of the intrinsic, a register of its
// own.
OCTAVO_INLINE void add_words(int32x4_t& low, int32x4_t& high, int16x8_t codes, int16x8_t weights) {
  __asm__("smlal %0.4s, %1.4h, %2.4h" : "+w"(low) : "w"(codes), "w"(weights));
  __asm__("smlal2 %0.4s, %1.8h, %2.8h" : "+w"(high) : "w"(codes), "w"(weights));
}

// Codes and weights of 8 channels widened to 16 bits.
template <unsigned Rows>
struct ColumnsNeon<Isa::neon, Rows> {
  static constexpr bool kSigned = false;
  static constexpr unsigned kVectors = 2;
  struct Column {
    int16x8_t row[Rows + 2];
  };
  struct Weights {
    int16x8_t row[3];
  };

  static OCTAVO_INLINE Column load(const std::uint8_t* const (&row)[Rows + 2], std::int64_t at) {
    Column column = {{widen(row[0] + at), widen(row[1] + at), widen(row[2] + at)}};
    if constexpr (Rows == 2) column.row[3] = widen(row[3] + at);
    return column;
  }
  static OCTAVO_INLINE void load_two(const std::uint8_t* const (&row)[Rows + 2], std::int64_t at, std::int64_t step,
                                     Column& middle, Column& side) {
    middle = load(row, at);
    side = load(row, at + step);
  }
  static OCTAVO_INLINE Weights weights(const std::int8_t* const (&row)[3], bool /*side*/) {
    return {{vmovl_s8(vld1_s8(row[0])), vmovl_s8(vld1_s8(row[1])), vmovl_s8(vld1_s8(row[2]))}};
  }
  static OCTAVO_INLINE void add(int32x4_t (&sums)[Rows * kVectors], const Column& column, const Weights& weights) {
    add_words(sums[0], sums[1], column.row[0], weights.row[0]);
    add_words(sums[0], sums[1], column.row[1], weights.row[1]);
    add_words(sums[0], sums[1], column.row[2], weights.row[2]);
    if constexpr (Rows == 2) {
      add_words(sums[2], sums[3], column.row[1], weights.row[0]);
      add_words(sums[2], sums[3], column.row[2], weights.row[1]);
      add_words(sums[2], sums[3], column.row[3], weights.row[2]);
    }
  }

 private:
  static OCTAVO_INLINE int16x8_t widen(const std::uint8_t* codes) {
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(codes)));
  }
};

// kStep taps of any window, 16 channels, Count pixels: add() asks load(tap, pixel) for codes. The weights of the next
// taps stand weights_step() bytes behind those of the first ones.
template <Isa Level>
struct TapsNeon;

template <>
struct TapsNeon<Isa::neon> {
  static constexpr bool kSigned = false;
  static constexpr std::int64_t kStep = 1;

  static const std::int8_t* weights(const DepthwiseWeights& weights, const ConvGeometry&, std::int64_t c) {
    return weights.plain.data() + c;
  }
  static std::int64_t weights_step(const ConvGeometry& g) { return g.out_c; }
  template <unsigned Count, class Load>
  static OCTAVO_INLINE void add(int32x4_t (&acc)[Count][4], const std::int8_t* weights, Load load) {
    const int8x16_t all = vld1q_s8(weights);
    const int16x8_t low = vmovl_s8(vget_low_s8(all)), high = vmovl_high_s8(all);
#pragma GCC unroll 4
    for (unsigned p = 0; p < Count; ++p) {
      __asm__ volatile("" ::: "memory");  // keeps loads of later pixels behind, for want of registers
      const uint8x16_t codes = load(0, p);
      add_words(acc[p][0], acc[p][1], vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes))), low);
      add_words(acc[p][2], acc[p][3], vreinterpretq_s16_u16(vmovl_high_u8(codes)), high);
    }
  }
};

// add(): sum += the four products of each lane, with codes that went through prepared(). Assembly, as arm_neon.h of
// clang 14 hides the intrinsics from files without the flag.
template <Isa Level>
struct LanesNeon;

template <>
struct LanesNeon<Isa::neon_dotprod> {
  static constexpr bool kSigned = true;  // flipping its highest bit turns a code u into u - 128
  static OCTAVO_INLINE uint8x16_t prepared(uint8x16_t codes) { return veorq_u8(codes, vdupq_n_u8(0x80)); }
  OCTAVO_TARGET_NEON_DOTPROD static OCTAVO_INLINE void add(int32x4_t& sum, uint8x16_t codes, int8x16_t weights) {
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(codes), "w"(weights));
  }
};

template <>
struct LanesNeon<Isa::neon_i8mm> {
  static constexpr bool kSigned = false;
  static OCTAVO_INLINE uint8x16_t prepared(uint8x16_t codes) { return codes; }
  OCTAVO_TARGET_NEON_I8MM static OCTAVO_INLINE void add(int32x4_t& sum, uint8x16_t codes, int8x16_t weights) {
    __asm__("usdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(codes), "w"(weights));
  }
};

// Four rows of bytes interleaved: vector v holds channels 4 * v to 4 * v + 3, four rows of each in a lane.
[[nodiscard]] OCTAVO_INLINE uint8x16_t first_words(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
[[nodiscard]] OCTAVO_INLINE uint8x16_t last_words(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
[[nodiscard]] OCTAVO_INLINE uint8x16_t load_low(const void* from) {
  return vcombine_u8(vld1_u8(static_cast<const std::uint8_t*>(from)), vdup_n_u8(0));
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::neon_dotprod
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_NEON_DOTPROD
#include "columns_neon_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#define OCTAVO_DETAIL_LEVEL Isa::neon_i8mm
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_NEON_I8MM
#include "columns_neon_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_COLUMNS_NEON_HPP_
