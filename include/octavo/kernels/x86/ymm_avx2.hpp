// octavo/kernels/x86/ymm_avx2.hpp: the pieces of the 256-bit kernels: exact products of four 8-bit pairs,
// requantization.
#ifndef OCTAVO_KERNELS_X86_YMM_AVX2_HPP_
#define OCTAVO_KERNELS_X86_YMM_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

[[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m256i load_ymm(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// The four bytes at p in each 32-bit lane.
OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m256i broadcast_four(const std::uint8_t* p) {
  std::int32_t four;
  std::memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

// Byte i is what the four bits i are in two's complement: a table for VPSHUFB.
[[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m128i nibble_values() {
  return _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
}

// acc += four u8 * s8 products in each 32-bit lane, without VNNI. VPMADDUBSW would saturate; here codes and weights are
// widened to 16 bits, even and odd bytes apart, and VPMADDWD adds pairs exactly. Widening costs two or three
// instructions an operand and is shared by a row or a column of a tile.
struct DotMadd {
  struct Codes {
    __m256i even, odd;
  };
  using Weights = Codes;
  static constexpr unsigned kTileRows = 4;
  static constexpr bool kWidens = true;

  // Four codes to all lanes, of bytes that are widened already: the even ones at p, the odd ones `odd` bytes after
  // them.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Codes broadcast(const std::uint8_t* p, std::int64_t odd) {
    return {broadcast_four(p), broadcast_four(p + odd)};
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Codes codes(__m256i bytes) {
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights weights(__m256i bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  // Of the signed low halves of bytes, and of the high ones.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights low_nibbles(__m256i bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 12), 12), _mm256_srai_epi16(_mm256_slli_epi16(bytes, 4), 12)};
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights high_nibbles(__m256i bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 12), _mm256_srai_epi16(bytes, 12)};
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void add(__m256i& acc, const Codes& codes, const Weights& weights) {
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(codes.even, weights.even));
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(codes.odd, weights.odd));
  }
};

// The same with AVX-VNNI. Assembly: the instruction needs no target of its own, so one kernel text serves both levels.
struct DotAvxVnni {
  using Codes = __m256i;
  using Weights = __m256i;
  static constexpr unsigned kTileRows = 6;
  static constexpr bool kWidens = false;

  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Codes broadcast(const std::uint8_t* p, std::int64_t /*odd*/) {
    return broadcast_four(p);
  }

  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Codes codes(__m256i bytes) { return bytes; }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights weights(__m256i bytes) { return bytes; }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights low_nibbles(__m256i bytes) {
    const __m256i values = _mm256_broadcastsi128_si256(nibble_values());
    return _mm256_shuffle_epi8(values, _mm256_and_si256(bytes, _mm256_set1_epi8(15)));
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Weights high_nibbles(__m256i bytes) {
    return low_nibbles(_mm256_srli_epi16(bytes, 4));
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void add(__m256i& acc, Codes codes, Weights weights) {
    __asm__("%{vex%} vpdpbusd %2,%1,%0" : "+x"(acc) : "x"(codes), "x"(weights));
  }
};

// Four vectors of accumulators to 32 codes, for sinks of kind fast_codes: VCVTPS2DQ rounds to nearest even, the packs
// saturate, which clamps. 128-bit lanes stay apart: lane l of the result holds lane l of q0, q1, q2, q3, four codes
// each.
struct FastCodesAvx2 {
  __m256i zero_point, low, high;

  OCTAVO_TARGET_AVX2 OCTAVO_INLINE explicit FastCodesAvx2(const Sink& sink)
      : zero_point(_mm256_set1_epi16(static_cast<short>(sink.zero_point))),
        low(_mm256_set1_epi8(static_cast<char>(sink.min))),
        high(_mm256_set1_epi8(static_cast<char>(sink.max))) {}

  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i scaled(__m256i acc, const float* scale) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale)));
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m256i pack(__m256i q0, __m256i q1, __m256i q2, __m256i q3) const {
    const __m256i first = _mm256_adds_epi16(_mm256_packs_epi32(q0, q1), zero_point);
    const __m256i second = _mm256_adds_epi16(_mm256_packs_epi32(q2, q3), zero_point);
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(first, second), low), high);
  }
};

// multiply_by_quantized_multiplier() of the tflite modes, eight lanes, for multipliers >= 0.
struct FixedAvx2 {
  // multiply_double_rounding(): the high multiplication is (x * m + 2^30) >> 31 for m >= 0, the rounding shift's ties
  // go away from zero.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i double_rounding(__m256i x, __m256i multiplier, __m256i shift) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i one = _mm256_set1_epi32(1);
    const __m256i right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);
    x = _mm256_sllv_epi32(x, _mm256_max_epi32(shift, zero));
    const __m256i nudge = _mm256_set1_epi64x(std::int64_t{1} << 30);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, multiplier), nudge);
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(multiplier, 32)), nudge);
    const __m256i h = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xAA);
    const __m256i mask = _mm256_sub_epi32(_mm256_sllv_epi32(one, right), one);
    const __m256i negative = _mm256_srli_epi32(h, 31);
    const __m256i threshold = _mm256_add_epi32(_mm256_srli_epi32(mask, 1), negative);
    const __m256i above = _mm256_cmpgt_epi32(_mm256_and_si256(h, mask), threshold);
    return _mm256_sub_epi32(_mm256_srav_epi32(h, right), above);
  }

  // multiply_single_rounding(): (x * m + 2^(t - 1)) >> t in 64 bits, t = 31 - shift.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i single_rounding(__m256i x, __m256i multiplier, __m256i shift) {
    const __m256i total = _mm256_sub_epi32(_mm256_set1_epi32(31), shift);
    const __m256i even_t = _mm256_and_si256(total, _mm256_set1_epi64x(0xFFFFFFFF));
    const __m256i odd_t = _mm256_srli_epi64(total, 32);
    const __m256i even = rounded_shift(_mm256_mul_epi32(x, multiplier), even_t);
    const __m256i odd =
        rounded_shift(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(multiplier, 32)), odd_t);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  // AVX2 has no arithmetic shift of 64-bit lanes: shift x + 2^63 logically, take 2^63 >> t off again.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i rounded_shift(__m256i product, __m256i t) {
    const __m256i one = _mm256_set1_epi64x(1);
    const __m256i top = _mm256_slli_epi64(one, 63);
    const __m256i sum = _mm256_add_epi64(product, _mm256_sllv_epi64(one, _mm256_sub_epi64(t, one)));
    return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(sum, top), t), _mm256_srlv_epi64(top, t));
  }
};

// Accumulators are read in whole vectors of 8 (their buffers are padded); outputs exactly `count` a row.
template <>
struct Finish<Isa::avx2> {
  OCTAVO_TARGET_AVX2 __attribute__((noinline)) static void run(const Sink& sink, const std::int32_t* acc,
                                                               std::int64_t acc_stride, std::int64_t rows,
                                                               std::int64_t channel, std::int64_t count, void* out,
                                                               std::int64_t out_stride) {
    if (sink.kind == Sink::Kind::real) return real(sink, acc, acc_stride, rows, channel, count, out, out_stride);
    auto* codes = static_cast<std::uint8_t*>(out);
    const __m256i zero_point = _mm256_set1_epi32(sink.zero_point);
    const __m256i low = _mm256_set1_epi32(sink.min - sink.zero_point);
    const __m256i high = _mm256_set1_epi32(sink.max - sink.zero_point);
    for (std::int64_t i = 0; i < count; i += 8) {
      const std::int64_t c = channel + i;
      for (std::int64_t r = 0; r < rows; ++r) {
        const __m256i x = load_ymm(acc + r * acc_stride + i);
        __m256i q;
        if (sink.rounding == Rounding::nearest_even_f32)
          q = nearest_even(x, _mm256_loadu_ps(sink.scale + c), low, high);
        else if (sink.rounding == Rounding::tflite_double)
          q = FixedAvx2::double_rounding(x, load_ymm(sink.multiplier + c), load_ymm(sink.shift + c));
        else
          q = FixedAvx2::single_rounding(x, load_ymm(sink.multiplier + c), load_ymm(sink.shift + c));
        // Clamped before the zero point is added: the sum cannot overflow.
        q = _mm256_add_epi32(_mm256_max_epi32(_mm256_min_epi32(q, high), low), zero_point);
        const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        alignas(16) std::uint8_t bytes[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm_packus_epi16(words, words));
        std::uint8_t* to = codes + r * out_stride + i;
        if (count - i >= 8)
          std::memcpy(to, bytes, 8);
        else
          std::memcpy(to, bytes, static_cast<std::size_t>(count - i));
      }
    }
  }

 private:
  OCTAVO_TARGET_AVX2 static __m256i nearest_even(__m256i x, __m256 scale, __m256i low, __m256i high) {
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(x), scale);
    v = _mm256_max_ps(v, _mm256_cvtepi32_ps(low));
    v = _mm256_min_ps(v, _mm256_cvtepi32_ps(high));
    return _mm256_cvtps_epi32(v);
  }

  OCTAVO_TARGET_AVX2 static void real(const Sink& sink, const std::int32_t* acc, std::int64_t acc_stride,
                                      std::int64_t rows, std::int64_t channel, std::int64_t count, void* out,
                                      std::int64_t out_stride) {
    auto* to = static_cast<float*>(out);
    const __m256 low = _mm256_set1_ps(sink.low);
    const __m256 high = _mm256_set1_ps(sink.high);
    for (std::int64_t i = 0; i < count; i += 8) {
      const __m256 scale = _mm256_loadu_ps(sink.scale + channel + i);
      const __m256 bias = _mm256_loadu_ps(sink.bias + channel + i);
      for (std::int64_t r = 0; r < rows; ++r) {
        __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(load_ymm(acc + r * acc_stride + i)), scale);
        __asm__("" : "+x"(product));  // not fused with the addition, whatever -ffp-contract says
        const __m256 v = _mm256_min_ps(high, _mm256_max_ps(low, _mm256_add_ps(product, bias)));
        alignas(32) float values[8];
        _mm256_store_ps(values, v);
        const auto n = static_cast<std::size_t>(count - i >= 8 ? 8 : count - i);
        std::memcpy(to + r * out_stride + i, values, n * sizeof(float));
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_YMM_AVX2_HPP_
