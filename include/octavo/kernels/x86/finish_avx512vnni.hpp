// octavo/kernels/x86/finish_avx512vnni.hpp: int32 accumulators to codes or floats, 16 at a time, in every rounding
// mode.
#ifndef OCTAVO_KERNELS_X86_FINISH_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_FINISH_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>

#include "../sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// (The maskz_ forms with a full mask are the plain instructions; g++ 12 warns of uninitialized values inside some
// unmasked intrinsics.)
inline constexpr __mmask16 kAll16 = 0xFFFF;

// `n` set bits, 0 <= n <= 16 (<= 64 below).
[[nodiscard]] OCTAVO_INLINE __mmask16 mask16(std::int64_t n) noexcept {
  return n >= 16 ? kAll16 : static_cast<__mmask16>((1U << n) - 1U);
}
[[nodiscard]] OCTAVO_INLINE __mmask64 mask64(std::int64_t n) noexcept {
  return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1U;
}

template <>
struct Finish<Isa::avx512vnni> {
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void run(const Sink& sink, const std::int32_t* acc,
                                                                     std::int64_t acc_stride, std::int64_t rows,
                                                                     std::int64_t channel, std::int64_t count,
                                                                     void* out, std::int64_t out_stride) {
    if (sink.kind == Sink::Kind::real) return real(sink, acc, acc_stride, rows, channel, count, out, out_stride);
    auto* codes = static_cast<std::uint8_t*>(out);
    const __m512i zero_point = _mm512_set1_epi32(sink.zero_point);
    const __m512i low = _mm512_set1_epi32(sink.min - sink.zero_point);
    const __m512i high = _mm512_set1_epi32(sink.max - sink.zero_point);
    for (std::int64_t i = 0; i < count; i += 16) {
      const __mmask16 mask = mask16(count - i);
      const std::int64_t c = channel + i;
      for (std::int64_t r = 0; r < rows; ++r) {
        const __m512i x = _mm512_maskz_loadu_epi32(mask, acc + r * acc_stride + i);
        __m512i q;
        if (sink.rounding == Rounding::nearest_even_f32)
          q = nearest_even(x, _mm512_maskz_loadu_ps(mask, sink.scale + c), low, high);
        else if (sink.rounding == Rounding::tflite_double)
          q = double_rounding(x, _mm512_maskz_loadu_epi32(mask, sink.multiplier + c),
                              _mm512_maskz_loadu_epi32(mask, sink.shift + c));
        else
          q = single_rounding(x, _mm512_maskz_loadu_epi32(mask, sink.multiplier + c),
                              _mm512_maskz_loadu_epi32(mask, sink.shift + c));
        // Clamped before the zero point is added: the sum cannot overflow.
        q = _mm512_maskz_max_epi32(kAll16, _mm512_maskz_min_epi32(kAll16, q, high), low);
        _mm512_mask_cvtepi32_storeu_epi8(codes + r * out_stride + i, mask, _mm512_add_epi32(q, zero_point));
      }
    }
  }

 private:
  OCTAVO_TARGET_AVX512VNNI static __m512i nearest_even(__m512i x, __m512 scale, __m512i low, __m512i high) {
    __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, x), scale);
    v = _mm512_maskz_max_ps(kAll16, v, _mm512_maskz_cvtepi32_ps(kAll16, low));
    v = _mm512_maskz_min_ps(kAll16, v, _mm512_maskz_cvtepi32_ps(kAll16, high));
    return _mm512_maskz_cvtps_epi32(kAll16, v);
  }

  // The low 32 bits of each 64-bit lane of `even`, and of `odd` moved up.
  OCTAVO_TARGET_AVX512VNNI static __m512i merge(__m512i even, __m512i odd_high) {
    return _mm512_mask_blend_epi32(0xAAAA, even, odd_high);
  }

  // multiply_double_rounding(): the high multiplication is (x * m + 2^30) >> 31 for m >= 0, the rounding shift's ties
  // go away from zero.
  OCTAVO_TARGET_AVX512VNNI static __m512i double_rounding(__m512i x, __m512i multiplier, __m512i shift) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i right = _mm512_maskz_max_epi32(kAll16, _mm512_sub_epi32(zero, shift), zero);
    x = _mm512_maskz_sllv_epi32(kAll16, x, _mm512_maskz_max_epi32(kAll16, shift, zero));
    const __m512i nudge = _mm512_set1_epi64(std::int64_t{1} << 30);
    const __m512i even = _mm512_add_epi64(_mm512_maskz_mul_epi32(0xFF, x, multiplier), nudge);
    const __m512i odd = _mm512_add_epi64(_mm512_maskz_mul_epi32(0xFF, _mm512_maskz_srli_epi64(0xFF, x, 32),
                                                                _mm512_maskz_srli_epi64(0xFF, multiplier, 32)),
                                         nudge);
    const __m512i h = merge(_mm512_maskz_srli_epi64(0xFF, even, 31), _mm512_maskz_slli_epi64(0xFF, odd, 1));
    const __m512i mask = _mm512_sub_epi32(_mm512_maskz_sllv_epi32(kAll16, one, right), one);
    const __m512i remainder = _mm512_and_si512(h, mask);
    const __mmask16 negative = _mm512_movepi32_mask(h);
    __m512i threshold = _mm512_maskz_srli_epi32(kAll16, mask, 1);
    threshold = _mm512_mask_add_epi32(threshold, negative, threshold, one);
    const __m512i shifted = _mm512_maskz_srav_epi32(kAll16, h, right);
    return _mm512_mask_add_epi32(shifted, _mm512_cmpgt_epi32_mask(remainder, threshold), shifted, one);
  }

  // multiply_single_rounding(): (x * m + 2^(t - 1)) >> t in 64 bits, t = 31 - shift.
  OCTAVO_TARGET_AVX512VNNI static __m512i single_rounding(__m512i x, __m512i multiplier, __m512i shift) {
    const __m512i total = _mm512_sub_epi32(_mm512_set1_epi32(31), shift);
    const __m512i even_t = _mm512_and_si512(total, _mm512_set1_epi64(0xFFFFFFFF));
    const __m512i odd_t = _mm512_maskz_srli_epi64(0xFF, total, 32);
    const __m512i even = rounded_shift(_mm512_maskz_mul_epi32(0xFF, x, multiplier), even_t);
    const __m512i odd = rounded_shift(_mm512_maskz_mul_epi32(0xFF, _mm512_maskz_srli_epi64(0xFF, x, 32),
                                                             _mm512_maskz_srli_epi64(0xFF, multiplier, 32)),
                                      odd_t);
    return merge(even, _mm512_maskz_slli_epi64(0xFF, odd, 32));
  }
  OCTAVO_TARGET_AVX512VNNI static __m512i rounded_shift(__m512i product, __m512i t) {
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i half = _mm512_maskz_sllv_epi64(0xFF, one, _mm512_sub_epi64(t, one));
    return _mm512_maskz_srav_epi64(0xFF, _mm512_add_epi64(product, half), t);
  }

  OCTAVO_TARGET_AVX512VNNI static void real(const Sink& sink, const std::int32_t* acc, std::int64_t acc_stride,
                                            std::int64_t rows, std::int64_t channel, std::int64_t count, void* out,
                                            std::int64_t out_stride) {
    auto* to = static_cast<float*>(out);
    const __m512 low = _mm512_set1_ps(sink.low);
    const __m512 high = _mm512_set1_ps(sink.high);
    for (std::int64_t i = 0; i < count; i += 16) {
      const __mmask16 mask = mask16(count - i);
      const __m512 scale = _mm512_maskz_loadu_ps(mask, sink.scale + channel + i);
      const __m512 bias = _mm512_maskz_loadu_ps(mask, sink.bias + channel + i);
      for (std::int64_t r = 0; r < rows; ++r) {
        const __m512i x = _mm512_maskz_loadu_epi32(mask, acc + r * acc_stride + i);
        __m512 product = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, x), scale);
        __asm__("" : "+v"(product));  // not fused with the addition, whatever -ffp-contract says
        __m512 v = _mm512_add_ps(product, bias);
        v = _mm512_maskz_max_ps(kAll16, low, v);
        v = _mm512_maskz_min_ps(kAll16, high, v);
        _mm512_mask_storeu_ps(to + r * out_stride + i, mask, v);
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_FINISH_AVX512VNNI_HPP_
