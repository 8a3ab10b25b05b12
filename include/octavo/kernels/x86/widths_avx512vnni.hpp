// octavo/kernels/x86/widths_avx512vnni.hpp: the same operations on 512-bit and on 256-bit registers, for kernels that
// are templates on the width.
#ifndef OCTAVO_KERNELS_X86_WIDTHS_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_WIDTHS_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>

#include "finish_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The operations of one register width, as names. A register holds kCodes channels of a pixel in each of kGroups groups
// of rows. dot() takes weights in memory (a "vm" constraint makes clang copy
// them to the stack first), dot_register() in a register.
struct Zmm {
  using Register = __m512i;
  static constexpr std::int64_t kCodes = 64;
  static constexpr unsigned kGroups = 1;

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register load(const std::uint8_t* p, __mmask64 mask) {
    return _mm512_maskz_loadu_epi8(mask, p);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store(std::uint8_t* p, std::int64_t /*group_bytes*/,
                                                           __mmask64 mask, Register v) {
    _mm512_mask_storeu_epi8(p, mask, v);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register load_lanes(const std::int32_t* p) {
    return _mm512_loadu_si512(p);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store_lanes(std::int32_t* p, Register v) {
    _mm512_storeu_si512(p, v);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register fill(std::uint8_t code) {
    return _mm512_set1_epi8(static_cast<char>(code));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register fill16(std::int32_t value) {
    return _mm512_set1_epi16(static_cast<short>(value));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register zero() { return _mm512_setzero_si512(); }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register low_bytes(Register a, Register b) {
    return _mm512_unpacklo_epi8(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register high_bytes(Register a, Register b) {
    return _mm512_unpackhi_epi8(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register low_words(Register a, Register b) {
    return _mm512_unpacklo_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register high_words(Register a, Register b) {
    return _mm512_unpackhi_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register dot(Register acc, Register codes, const Register& weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(codes), "m"(weights));
    return acc;
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register dot_register(Register acc, Register codes, Register weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(codes), "v"(weights));
    return acc;
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register scaled(Register acc, const float* scale) {
    return _mm512_maskz_cvtps_epi32(kAll16,
                                    _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc), _mm512_loadu_ps(scale)));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register to_words(Register a, Register b) {
    return _mm512_packs_epi32(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register add_words(Register a, Register b) {
    return _mm512_adds_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register to_codes(Register a, Register b) {
    return _mm512_packus_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register clamp(Register v, Register low, Register high) {
    return _mm512_min_epu8(_mm512_max_epu8(v, low), high);
  }
};

// 512 bits with 32 channels in 2 groups of rows, or 16 in 4. (Masked loads and stores: broadcasts, inserts and extracts
// would take the ports of the unpacks and packs.)
template <unsigned Groups>
struct ZmmGroups : Zmm {
  static constexpr std::int64_t kCodes = 64 / Groups;
  static constexpr unsigned kGroups = Groups;

  // Group 0. What stands in the others is left open: insert() fills them.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register load(const std::uint8_t* p, __mmask64 /*mask*/) {
    if constexpr (Groups == 2) return _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // `front` with the codes at p in group g.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register insert(Register front, unsigned g, const std::uint8_t* p) {
    return _mm512_mask_loadu_epi32(front, lanes(g), p - g * kCodes);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store(std::uint8_t* p, std::int64_t group_bytes,
                                                           __mmask64 /*mask*/, Register v) {
#pragma GCC unroll 4
    for (unsigned g = 0; g < Groups; ++g) _mm512_mask_storeu_epi32(p + g * (group_bytes - kCodes), lanes(g), v);
  }

 private:
  static constexpr __mmask16 lanes(unsigned g) {
    return static_cast<__mmask16>(((1U << 16 / Groups) - 1) << g * (16 / Groups));
  }
};

struct Ymm {
  using Register = __m256i;
  static constexpr std::int64_t kCodes = 32;
  static constexpr unsigned kGroups = 1;

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register load(const std::uint8_t* p, __mmask64 mask) {
    return _mm256_maskz_loadu_epi8(static_cast<__mmask32>(mask), p);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store(std::uint8_t* p, std::int64_t /*group_bytes*/,
                                                           __mmask64 mask, Register v) {
    _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(mask), v);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register load_lanes(const std::int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store_lanes(std::int32_t* p, Register v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register fill(std::uint8_t code) {
    return _mm256_set1_epi8(static_cast<char>(code));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register fill16(std::int32_t value) {
    return _mm256_set1_epi16(static_cast<short>(value));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register zero() { return _mm256_setzero_si256(); }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register low_bytes(Register a, Register b) {
    return _mm256_unpacklo_epi8(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register high_bytes(Register a, Register b) {
    return _mm256_unpackhi_epi8(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register low_words(Register a, Register b) {
    return _mm256_unpacklo_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register high_words(Register a, Register b) {
    return _mm256_unpackhi_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register dot(Register acc, Register codes, const Register& weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(codes), "m"(weights));
    return acc;
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register dot_register(Register acc, Register codes, Register weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(codes), "v"(weights));
    return acc;
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register scaled(Register acc, const float* scale) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale)));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register to_words(Register a, Register b) {
    return _mm256_packs_epi32(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register add_words(Register a, Register b) {
    return _mm256_adds_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register to_codes(Register a, Register b) {
    return _mm256_packus_epi16(a, b);
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Register clamp(Register v, Register low, Register high) {
    return _mm256_min_epu8(_mm256_max_epu8(v, low), high);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_WIDTHS_AVX512VNNI_HPP_
