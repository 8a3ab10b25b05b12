// octavo/kernels/x86/vector_f32_avx2.hpp: eight floats in a register, under the names that all levels share.
#ifndef OCTAVO_KERNELS_X86_VECTOR_F32_AVX2_HPP_
#define OCTAVO_KERNELS_X86_VECTOR_F32_AVX2_HPP_

#include "../../core/cpu.hpp"
#include "../reference/vector_f32.hpp"
#if OCTAVO_X86
#include <immintrin.h>

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// first_lanes + 8 - n begins with n set lanes (n = 0..8) and ends with unset ones.
alignas(64) inline constexpr std::int32_t first_lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

#define OCTAVO_DETAIL_OP OCTAVO_TARGET_AVX2 static OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE

template <>
struct VectorF32<Isa::avx2> {
  using Type = __m256;
  static constexpr std::int64_t kLanes = 8;

  OCTAVO_DETAIL_OP __m256i first(std::int64_t count) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first_lanes + 8 - count));
  }

  OCTAVO_DETAIL_OP Type zero() { return _mm256_setzero_ps(); }
  OCTAVO_DETAIL_OP Type set(float x) { return _mm256_set1_ps(x); }
  OCTAVO_DETAIL_OP Type load(const float* p) { return _mm256_loadu_ps(p); }
  OCTAVO_DETAIL_OP Type load(const float* p, std::int64_t count) { return _mm256_maskload_ps(p, first(count)); }
  OCTAVO_DETAIL_OP void store(float* p, Type x) { _mm256_storeu_ps(p, x); }
  OCTAVO_DETAIL_OP void store(float* p, Type x, std::int64_t count) { _mm256_maskstore_ps(p, first(count), x); }
  // Around the caches; p at a whole register's boundary, and fence() before another thread reads.
  OCTAVO_DETAIL_OP void stream(float* p, Type x) { _mm256_stream_ps(p, x); }
  OCTAVO_DETAIL_OP void prefetch_to_write(float* p) { __asm__ volatile("prefetchw %0" : : "m"(*p)); }
  OCTAVO_DETAIL_OP void fence() { _mm_sfence(); }

  OCTAVO_DETAIL_OP Type add(Type a, Type b) { return _mm256_add_ps(a, b); }
  OCTAVO_DETAIL_OP Type sub(Type a, Type b) { return _mm256_sub_ps(a, b); }
  OCTAVO_DETAIL_OP Type mul(Type a, Type b) { return _mm256_mul_ps(a, b); }
  OCTAVO_DETAIL_OP Type div(Type a, Type b) { return _mm256_div_ps(a, b); }
  OCTAVO_DETAIL_OP Type fma(Type a, Type b, Type c) { return _mm256_fmadd_ps(a, b, c); }
  OCTAVO_DETAIL_OP Type sqrt(Type a) { return _mm256_sqrt_ps(a); }
  OCTAVO_DETAIL_OP Type max(Type a, Type b) { return _mm256_max_ps(a, b); }
  OCTAVO_DETAIL_OP Type min(Type a, Type b) { return _mm256_min_ps(a, b); }
  OCTAVO_DETAIL_OP Type abs(Type a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a); }
  OCTAVO_DETAIL_OP Type copy_sign(Type size, Type sign) {
    const __m256 mask = _mm256_set1_ps(-0.0F);
    return _mm256_or_ps(_mm256_andnot_ps(mask, size), _mm256_and_ps(mask, sign));
  }
  OCTAVO_DETAIL_OP Type round_even(Type a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  OCTAVO_DETAIL_OP Type floor(Type a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  OCTAVO_DETAIL_OP Type truncate(Type a) { return _mm256_round_ps(a, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC); }

  // x where the comparison holds, otherwise 0.
  OCTAVO_DETAIL_OP Type where_less(Type a, Type b, Type x) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ), x); }
  OCTAVO_DETAIL_OP Type where_less_equal(Type a, Type b, Type x) {
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ), x);
  }
  OCTAVO_DETAIL_OP bool any_nan(Type a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0; }
};

#undef OCTAVO_DETAIL_OP

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_VECTOR_F32_AVX2_HPP_
