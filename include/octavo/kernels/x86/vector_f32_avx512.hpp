// octavo/kernels/x86/vector_f32_avx512.hpp: sixteen floats in a register, under the names that all levels share.
#ifndef OCTAVO_KERNELS_X86_VECTOR_F32_AVX512_HPP_
#define OCTAVO_KERNELS_X86_VECTOR_F32_AVX512_HPP_

#include "../../core/cpu.hpp"
#include "../reference/vector_f32.hpp"
#if OCTAVO_X86
#include <immintrin.h>

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

#define OCTAVO_DETAIL_OP OCTAVO_TARGET_AVX512VNNI static OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE

// The maskz forms stand where g++ 12 warns about its own header's undefined source operand otherwise.
template <>
struct VectorF32<Isa::avx512vnni> {
  using Type = __m512;
  static constexpr std::int64_t kLanes = 16;
  static constexpr __mmask16 kAll = 0xFFFF;

  OCTAVO_DETAIL_OP __mmask16 first(std::int64_t count) { return static_cast<__mmask16>((1U << count) - 1U); }

  OCTAVO_DETAIL_OP Type zero() { return _mm512_setzero_ps(); }
  OCTAVO_DETAIL_OP Type set(float x) { return _mm512_set1_ps(x); }
  OCTAVO_DETAIL_OP Type load(const float* p) { return _mm512_loadu_ps(p); }
  OCTAVO_DETAIL_OP Type load(const float* p, std::int64_t count) { return _mm512_maskz_loadu_ps(first(count), p); }
  OCTAVO_DETAIL_OP void store(float* p, Type x) { _mm512_storeu_ps(p, x); }
  OCTAVO_DETAIL_OP void store(float* p, Type x, std::int64_t count) { _mm512_mask_storeu_ps(p, first(count), x); }
  // Around the caches; p at a whole register's boundary, and fence() before another thread reads.
  OCTAVO_DETAIL_OP void stream(float* p, Type x) { _mm512_stream_ps(p, x); }
  OCTAVO_DETAIL_OP void prefetch_to_write(float* p) { __asm__ volatile("prefetchw %0" : : "m"(*p)); }
  OCTAVO_DETAIL_OP void fence() { _mm_sfence(); }

  OCTAVO_DETAIL_OP Type add(Type a, Type b) { return _mm512_add_ps(a, b); }
  OCTAVO_DETAIL_OP Type sub(Type a, Type b) { return _mm512_sub_ps(a, b); }
  OCTAVO_DETAIL_OP Type mul(Type a, Type b) { return _mm512_mul_ps(a, b); }
  OCTAVO_DETAIL_OP Type div(Type a, Type b) { return _mm512_div_ps(a, b); }
  OCTAVO_DETAIL_OP Type fma(Type a, Type b, Type c) { return _mm512_fmadd_ps(a, b, c); }
  OCTAVO_DETAIL_OP Type sqrt(Type a) { return _mm512_maskz_sqrt_ps(kAll, a); }
  OCTAVO_DETAIL_OP Type max(Type a, Type b) { return _mm512_maskz_max_ps(kAll, a, b); }
  OCTAVO_DETAIL_OP Type min(Type a, Type b) { return _mm512_maskz_min_ps(kAll, a, b); }
  OCTAVO_DETAIL_OP Type abs(Type a) {
    return _mm512_castsi512_ps(_mm512_and_si512(bits(a), _mm512_set1_epi32(0x7FFFFFFF)));
  }
  OCTAVO_DETAIL_OP Type copy_sign(Type size, Type sign) {
    const __m512i mask = _mm512_set1_epi32(0x7FFFFFFF);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(mask, bits(size), bits(sign), 0xCA));
  }
  // Without optimization g++'s intrinsic is a macro that converts the mask to short in the user's file.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
  OCTAVO_DETAIL_OP Type round_even(Type a) { return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_NEAREST_INT); }
  OCTAVO_DETAIL_OP Type floor(Type a) { return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_NEG_INF); }
  OCTAVO_DETAIL_OP Type truncate(Type a) { return _mm512_maskz_roundscale_ps(kAll, a, _MM_FROUND_TO_ZERO); }
#pragma GCC diagnostic pop

  // x where the comparison holds, otherwise 0.
  OCTAVO_DETAIL_OP Type where_less(Type a, Type b, Type x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
  }
  OCTAVO_DETAIL_OP Type where_less_equal(Type a, Type b, Type x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), x);
  }
  OCTAVO_DETAIL_OP bool any_nan(Type a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }

 private:
  OCTAVO_DETAIL_OP __m512i bits(Type a) { return _mm512_castps_si512(a); }
};

#undef OCTAVO_DETAIL_OP

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_VECTOR_F32_AVX512_HPP_
