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
      const AddStage& s = add.stage;
      const __m256i zero_a = _mm256_set1_epi32(s.zero_point_a), zero_b = _mm256_set1_epi32(s.zero_point_b);
      const __m256 factor_a = _mm256_set1_ps(s.factor_a), factor_b = _mm256_set1_ps(s.factor_b);
      const __m128i zero = _mm_set1_epi16(static_cast<short>(s.zero_point));
      const __m128i low = _mm_set1_epi8(static_cast<char>(s.min)), high = _mm_set1_epi8(static_cast<char>(s.max));
      const auto eight = [&](std::int64_t at) OCTAVO_TARGET_AVX2 {
        __m256 product_a = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(widen(a + at), zero_a)), factor_a);
        __m256 product_b = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(widen(b + at), zero_b)), factor_b);
        // Not fused with the addition, whatever -ffp-contract says.
        __asm__("" : "+x"(product_a), "+x"(product_b));
        const __m256i q = _mm256_cvtps_epi32(_mm256_add_ps(product_a, product_b));
        return _mm_adds_epi16(_mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1)), zero);
      };
      for (; i + 16 <= n; i += 16) {
        const __m128i codes = _mm_packus_epi16(eight(i), eight(i + 8));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_min_epu8(_mm_max_epu8(codes, low), high));
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
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      __m256 v = _mm256_div_ps(_mm256_loadu_ps(in + i), scale);
      v = _mm256_min_ps(_mm256_max_ps(v, low), high);  // NaN becomes low
      store_words(out + i, _mm256_add_epi32(_mm256_cvtps_epi32(rounded(v, ties)), zero_point));
    }
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
