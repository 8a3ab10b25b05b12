// octavo/kernels/x86/load_quad_avx512.hpp: a quad of packed weights, four depths of 16 channels, as one operand of
// VPDPBUSD.
#ifndef OCTAVO_KERNELS_X86_LOAD_QUAD_AVX512_HPP_
#define OCTAVO_KERNELS_X86_LOAD_QUAD_AVX512_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>

#include "../packed_weights.hpp"
#include "finish_avx512vnni.hpp"
#include "ymm_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Weights of 4 bits: both halves of the vector get the 32 bytes, the upper half is shifted by four, a table turns what
// the mask leaves into signed bytes. The load costs what another does; shift, mask and table run beside the products.
template <WeightBits Bits>
[[nodiscard]] OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i load_quad(const std::int8_t* quad) {
  if constexpr (Bits == WeightBits::eight) {
    return _mm512_loadu_si512(quad);
  } else {
    constexpr __mmask16 upper = 0xFF00;
    const __m512i values = _mm512_maskz_broadcast_i32x4(kAll16, nibble_values());
    const __m512i both = _mm512_maskz_broadcast_i64x4(0xFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(quad)));
    const __m512i shifted = _mm512_mask_srli_epi32(both, upper, both, 4);
    return _mm512_shuffle_epi8(values, _mm512_and_si512(shifted, _mm512_set1_epi8(15)));
  }
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_LOAD_QUAD_AVX512_HPP_
