// octavo/kernels/x86/elementwise_avx512vnni.hpp: add and quantize, 64 elements at a time; what is left, and what is
// rare, is done by the AVX2 level.
#ifndef OCTAVO_KERNELS_X86_ELEMENTWISE_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_ELEMENTWISE_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>
#include <string_view>

#include "elementwise_avx2.hpp"
#include "finish_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Elementwise<Isa::avx512vnni> : Elementwise<Isa::avx2> {
  static constexpr std::string_view kName = "elementwise_avx512vnni";

  // As on AVX2: a code between the bytes of 2^23 is the float 2^23 + code; less 2^23 + zero point, which is exact, it
  // is the difference. The packs put back in order what the unpacks took apart.
  OCTAVO_TARGET_AVX512VNNI static void add(const PreparedAdd& add, const std::uint8_t* a, const std::uint8_t* b,
                                           std::uint8_t* out, std::int64_t n) {
    std::int64_t i = 0;
    if (add.fast && add.stage.rounding == Rounding::nearest_even_f32) {
      const AddStage& s = add.stage;
      constexpr float magic = 0x1p23F;
      const Term term_a{_mm512_set1_ps(magic + static_cast<float>(s.zero_point_a)), _mm512_set1_ps(s.factor_a)};
      const Term term_b{_mm512_set1_ps(magic + static_cast<float>(s.zero_point_b)), _mm512_set1_ps(s.factor_b)};
      const __m512i zero = _mm512_set1_epi16(static_cast<short>(s.zero_point));
      const __m512i low = _mm512_set1_epi8(static_cast<char>(s.min)), high = _mm512_set1_epi8(static_cast<char>(s.max));
      const __m512i none = _mm512_setzero_si512();
      for (; i + 64 <= n; i += 64) {
        const __m512i codes_a = _mm512_loadu_si512(a + i), codes_b = _mm512_loadu_si512(b + i);
        const __m512i first =
            sum_words(term_a, _mm512_unpacklo_epi8(codes_a, none), term_b, _mm512_unpacklo_epi8(codes_b, none), zero);
        const __m512i second =
            sum_words(term_a, _mm512_unpackhi_epi8(codes_a, none), term_b, _mm512_unpackhi_epi8(codes_b, none), zero);
        const __m512i codes = _mm512_packus_epi16(first, second);
        _mm512_storeu_si512(out + i, _mm512_min_epu8(_mm512_max_epu8(codes, low), high));
      }
    }
    if (i < n) Elementwise<Isa::avx2>::add(add, a + i, b + i, out + i, n - i);
  }

  // A product with the reciprocal in the place of the quotient, unless one of the 64 lies next to a tie (see AVX2).
  OCTAVO_TARGET_AVX512VNNI static void quantize(const float* in, std::uint8_t* out, std::int64_t n, const Grid& grid,
                                                Ties ties) {
    constexpr float smallest = 0x1p-100F, largest = 0x1p100F;
    const __m512 reciprocal = _mm512_set1_ps(1.0F / grid.scale);
    const __m512 low = _mm512_set1_ps(static_cast<float>(grid.qmin - grid.zero_point));
    const __m512 high = _mm512_set1_ps(static_cast<float>(grid.qmax - grid.zero_point));
    const __m512i zero_point = _mm512_set1_epi16(static_cast<short>(grid.zero_point));
    const __m512 near_tie = _mm512_set1_ps(0.5F - 0x1p-13F);
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    std::int64_t i = 0;
    for (; grid.scale > smallest && grid.scale < largest && i + 64 <= n; i += 64) {
      __m512i q[4];
      __m512i worst = _mm512_setzero_si512();  // bits of floats >= 0: their order is that of the integers
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        __m512 v = _mm512_mul_ps(_mm512_loadu_ps(in + i + 16 * k), reciprocal);
        v = _mm512_maskz_min_ps(kAll16, _mm512_maskz_max_ps(kAll16, v, low), high);  // NaN becomes low
        const __m512 rest = _mm512_maskz_reduce_ps(kAll16, v, 0);                    // v - round(v)
        worst = _mm512_maskz_max_epi32(kAll16, worst, _mm512_and_si512(_mm512_castps_si512(rest), magnitude));
        q[k] = _mm512_maskz_cvtps_epi32(kAll16, v);
      }
      if (_mm512_cmp_ps_mask(_mm512_castsi512_ps(worst), near_tie, _CMP_GE_OQ) != 0) {
        Elementwise<Isa::avx2>::quantize(in + i, out + i, 64, grid, ties);
        continue;
      }
      const __m512i codes = _mm512_packus_epi16(_mm512_add_epi16(_mm512_packs_epi32(q[0], q[1]), zero_point),
                                                _mm512_add_epi16(_mm512_packs_epi32(q[2], q[3]), zero_point));
      _mm512_storeu_si512(out + i, _mm512_maskz_permutexvar_epi32(kAll16, in_order, codes));
    }
    if (i < n) Elementwise<Isa::avx2>::quantize(in + i, out + i, n - i, grid, ties);
  }

 private:
  // (2^23 + code - offset) * factor, rounded once.
  struct Term {
    __m512 offset, factor;
    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512 of(__m512i code_in_float) const {
      __m512 product = _mm512_mul_ps(_mm512_sub_ps(_mm512_castsi512_ps(code_in_float), offset), factor);
      __asm__("" : "+v"(product));  // not fused with the addition, whatever -ffp-contract says
      return product;
    }
  };
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i sum_words(const Term& a, __m512i codes_a, const Term& b,
                                                                  __m512i codes_b, __m512i zero_point) {
    const __m512i exponent = _mm512_set1_epi16(0x4B00);
    const __m512 low =
        _mm512_add_ps(a.of(_mm512_unpacklo_epi16(codes_a, exponent)), b.of(_mm512_unpacklo_epi16(codes_b, exponent)));
    const __m512 high =
        _mm512_add_ps(a.of(_mm512_unpackhi_epi16(codes_a, exponent)), b.of(_mm512_unpackhi_epi16(codes_b, exponent)));
    return _mm512_adds_epi16(
        _mm512_packs_epi32(_mm512_maskz_cvtps_epi32(kAll16, low), _mm512_maskz_cvtps_epi32(kAll16, high)), zero_point);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_ELEMENTWISE_AVX512VNNI_HPP_
