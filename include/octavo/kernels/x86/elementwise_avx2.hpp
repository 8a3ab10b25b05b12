// octavo/kernels/x86/elementwise_avx2.hpp: add, quantize and dequantize, 16 or 8 elements at a time.
#ifndef OCTAVO_KERNELS_X86_ELEMENTWISE_AVX2_HPP_
#define OCTAVO_KERNELS_X86_ELEMENTWISE_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>
#include <string_view>

#include "../elementwise.hpp"
#include "ymm_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Elementwise<Isa::avx2> {
  static constexpr std::string_view kName = "elementwise_avx2";

  // A rest shorter than a vector, and sums that could overflow a conversion, go to the portable version.
  OCTAVO_TARGET_AVX2 static void add(const PreparedAdd& add, const std::uint8_t* a, const std::uint8_t* b,
                                     std::uint8_t* out, std::int64_t n) {
    std::int64_t i = 0;
    if (add.stage.rounding != Rounding::nearest_even_f32) {
      for (; i + 8 <= n; i += 8) store_words(out + i, fixed_sum(add.stage, a + i, b + i));
    } else if (add.fast) {
      // 32 codes a turn. A code between the bytes of 2^23 is the float 2^23 + code; less 2^23 + zero point, which is
      // exact, it is the difference. The packs put back in order what the unpacks took apart.
      const AddStage& s = add.stage;
      constexpr float magic = 0x1p23F;
      const Term term_a{_mm256_set1_ps(magic + static_cast<float>(s.zero_point_a)), _mm256_set1_ps(s.factor_a)};
      const Term term_b{_mm256_set1_ps(magic + static_cast<float>(s.zero_point_b)), _mm256_set1_ps(s.factor_b)};
      const __m256i zero = _mm256_set1_epi16(static_cast<short>(s.zero_point));
      const __m256i low = _mm256_set1_epi8(static_cast<char>(s.min)), high = _mm256_set1_epi8(static_cast<char>(s.max));
      const __m256i none = _mm256_setzero_si256();
      for (; i + 32 <= n; i += 32) {
        const __m256i codes_a = load_ymm(a + i), codes_b = load_ymm(b + i);
        const __m256i first =
            sum_words(term_a, _mm256_unpacklo_epi8(codes_a, none), term_b, _mm256_unpacklo_epi8(codes_b, none), zero);
        const __m256i second =
            sum_words(term_a, _mm256_unpackhi_epi8(codes_a, none), term_b, _mm256_unpackhi_epi8(codes_b, none), zero);
        const __m256i codes = _mm256_packus_epi16(first, second);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_min_epu8(_mm256_max_epu8(codes, low), high));
      }
    }
    if (i < n) Elementwise<Isa::scalar>::add(add, a + i, b + i, out + i, n - i);
  }

  OCTAVO_TARGET_AVX2 static void quantize(const float* in, std::uint8_t* out, std::int64_t n, const Grid& grid,
                                          Ties ties) {
    const __m256 scale = _mm256_set1_ps(grid.scale);
    const __m256 low = _mm256_set1_ps(static_cast<float>(grid.qmin - grid.zero_point));
    const __m256 high = _mm256_set1_ps(static_cast<float>(grid.qmax - grid.zero_point));
    const __m256i zero_point = _mm256_set1_epi32(grid.zero_point);
    const auto divided = [&](std::int64_t at) OCTAVO_TARGET_AVX2 {
      __m256 v = _mm256_div_ps(_mm256_loadu_ps(in + at), scale);
      v = _mm256_min_ps(_mm256_max_ps(v, low), high);  // NaN becomes low
      store_words(out + at, _mm256_add_epi32(_mm256_cvtps_epi32(rounded(v, ties)), zero_point));
    };
    std::int64_t i = 0;
    // A product with the reciprocal differs from the quotient by at most 3 * 2^-24 of it, less than 2^-14 where it is
    // not clamped: only next to a tie can they round apart, and there the quotient is taken.
    constexpr float smallest = 0x1p-100F, largest = 0x1p100F;
    const bool reciprocal_is_normal = grid.scale > smallest && grid.scale < largest;
    const __m256 reciprocal = _mm256_set1_ps(1.0F / grid.scale);
    const __m256 near_tie = _mm256_set1_ps(0.5F - 0x1p-13F);
    const __m256 sign = _mm256_set1_ps(-0.0F);
    for (; reciprocal_is_normal && i + 32 <= n; i += 32) {
      __m256i q[4];
      __m256 worst = _mm256_setzero_ps();
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(in + i + 8 * k), reciprocal);
        v = _mm256_min_ps(_mm256_max_ps(v, low), high);
        const __m256 nearest = _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        worst = _mm256_max_ps(worst, _mm256_andnot_ps(sign, _mm256_sub_ps(v, nearest)));
        q[k] = _mm256_add_epi32(_mm256_cvtps_epi32(nearest), zero_point);
      }
      if (_mm256_movemask_ps(_mm256_cmp_ps(worst, near_tie, _CMP_GE_OQ)) != 0) {
        for (int k = 0; k < 4; ++k) divided(i + 8 * k);
        continue;
      }
      const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
      const __m256i in_order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_permutevar8x32_epi32(bytes, in_order));
    }
    for (; i + 8 <= n; i += 8) divided(i);
    if (i < n) Elementwise<Isa::scalar>::quantize(in + i, out + i, n - i, grid, ties);
  }

  OCTAVO_TARGET_AVX2 static void dequantize(const std::uint8_t* in, float* out, std::int64_t n, const Grid& grid) {
    const __m256 scale = _mm256_set1_ps(grid.scale);
    const __m256i zero_point = _mm256_set1_epi32(grid.zero_point);
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(widen(in + i), zero_point)), scale));
    if (i < n) Elementwise<Isa::scalar>::dequantize(in + i, out + i, n - i, grid);
  }

  // Both comparisons keep the accumulator where the value is NaN, as the portable version does.
  OCTAVO_TARGET_AVX2 static void range(const float* in, std::int64_t n, float& low, float& high) {
    __m256 smallest = _mm256_setzero_ps(), largest = _mm256_setzero_ps();
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      const __m256 v = _mm256_loadu_ps(in + i);
      smallest = _mm256_min_ps(v, smallest);
      largest = _mm256_max_ps(v, largest);
    }
    alignas(32) float lows[8], highs[8];
    _mm256_store_ps(lows, smallest);
    _mm256_store_ps(highs, largest);
    Elementwise<Isa::scalar>::range(in + i, n - i, low, high);
    for (int k = 0; k < 8; ++k) {
      low = lows[k] < low ? lows[k] : low;
      high = highs[k] > high ? highs[k] : high;
    }
  }

 private:
  // (2^23 + code - offset) * factor, rounded once.
  struct Term {
    __m256 offset, factor;
    OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m256 of(__m256i code_in_float) const {
      __m256 product = _mm256_mul_ps(_mm256_sub_ps(_mm256_castsi256_ps(code_in_float), offset), factor);
      __asm__("" : "+x"(product));  // not fused with the addition, whatever -ffp-contract says
      return product;
    }
  };
  // 16 words of each operand, in each lane's order, to words of sums.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i sum_words(const Term& a, __m256i codes_a, const Term& b,
                                                            __m256i codes_b, __m256i zero_point) {
    const __m256i exponent = _mm256_set1_epi16(0x4B00);
    const __m256 low =
        _mm256_add_ps(a.of(_mm256_unpacklo_epi16(codes_a, exponent)), b.of(_mm256_unpacklo_epi16(codes_b, exponent)));
    const __m256 high =
        _mm256_add_ps(a.of(_mm256_unpackhi_epi16(codes_a, exponent)), b.of(_mm256_unpackhi_epi16(codes_b, exponent)));
    return _mm256_adds_epi16(_mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high)), zero_point);
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i widen(const std::uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  // Eight codes in [0, 255].
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void store_words(std::uint8_t* out, __m256i q) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
  }
  // round_ties(), eight lanes, |v| <= 255.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256 rounded(__m256 v, Ties ties) {
    const __m256 nearest = _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (ties == Ties::even) return nearest;
    const __m256 rest = _mm256_sub_ps(v, nearest);
    const __m256 one = _mm256_set1_ps(1.0F), zero = _mm256_setzero_ps();
    __m256 up = _mm256_cmp_ps(rest, _mm256_set1_ps(0.5F), _CMP_GE_OQ);
    if (ties == Ties::up) return _mm256_add_ps(nearest, _mm256_and_ps(up, one));
    up = _mm256_and_ps(up, _mm256_cmp_ps(v, zero, _CMP_GT_OQ));
    const __m256 down =
        _mm256_and_ps(_mm256_cmp_ps(rest, _mm256_set1_ps(-0.5F), _CMP_LE_OQ), _mm256_cmp_ps(v, zero, _CMP_LT_OQ));
    return _mm256_sub_ps(_mm256_add_ps(nearest, _mm256_and_ps(up, one)), _mm256_and_ps(down, one));
  }
  // The tflite modes' eight codes.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i fixed_sum(const AddStage& s, const std::uint8_t* a,
                                                            const std::uint8_t* b) {
    const __m256i from_a =
        _mm256_slli_epi32(_mm256_sub_epi32(widen(a), _mm256_set1_epi32(s.zero_point_a)), s.left_shift);
    const __m256i from_b =
        _mm256_slli_epi32(_mm256_sub_epi32(widen(b), _mm256_set1_epi32(s.zero_point_b)), s.left_shift);
    const __m256i sum =
        _mm256_add_epi32(fixed(from_a, s.multiplier_a, s.rounding), fixed(from_b, s.multiplier_b, s.rounding));
    const __m256i q = fixed(sum, s.multiplier, s.rounding);
    // Clamped before the zero point is added: the sum cannot overflow.
    const __m256i clamped = _mm256_max_epi32(_mm256_min_epi32(q, _mm256_set1_epi32(s.max - s.zero_point)),
                                             _mm256_set1_epi32(s.min - s.zero_point));
    return _mm256_add_epi32(clamped, _mm256_set1_epi32(s.zero_point));
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i fixed(__m256i x, QuantizedMultiplier m, Rounding rounding) {
    const __m256i multiplier = _mm256_set1_epi32(m.multiplier), shift = _mm256_set1_epi32(m.shift);
    return rounding == Rounding::tflite_double ? FixedAvx2::double_rounding(x, multiplier, shift)
                                               : FixedAvx2::single_rounding(x, multiplier, shift);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_ELEMENTWISE_AVX2_HPP_
