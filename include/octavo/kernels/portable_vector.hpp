// octavo/kernels/portable_vector.hpp: 128-bit vectors as GCC and clang have them on every target, for the portable
// kernels: hardly an intrinsic, yet the same good code from both compilers and at -O2.
#ifndef OCTAVO_KERNELS_PORTABLE_VECTOR_HPP_
#define OCTAVO_KERNELS_PORTABLE_VECTOR_HPP_

#include <bit>
#include <cstdint>
#include <cstring>

#include "../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

static_assert(std::endian::native == std::endian::little, "packed weights and the portable kernels are little-endian");

using Bytes16 = std::int8_t __attribute__((vector_size(16)));
using Words = std::int16_t __attribute__((vector_size(16)));
using UnsignedWords = std::uint16_t __attribute__((vector_size(16)));
using Lanes = std::int32_t __attribute__((vector_size(16)));
using UnsignedLanes = std::uint32_t __attribute__((vector_size(16)));
using UnsignedLongs = std::uint64_t __attribute__((vector_size(16)));
using Reals = float __attribute__((vector_size(16)));

template <class Vector>
[[nodiscard]] OCTAVO_INLINE Vector load_vector(const void* p) noexcept {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class Vector>
OCTAVO_INLINE void store_vector(void* p, Vector v) noexcept {
  std::memcpy(p, &v, sizeof v);
}

// Two sums whose sum is that of 16 unsigned bytes.
[[nodiscard]] OCTAVO_INLINE UnsignedLongs sum_bytes(Bytes16 v) noexcept {
#if OCTAVO_X86
  return UnsignedLongs(_mm_sad_epu8(__m128i(v), __m128i{}));
#else
  const auto words = (UnsignedWords(v) & 0xFF) + (UnsignedWords(v) >> 8);
  const auto lanes = (UnsignedLanes(words) & 0xFFFF) + (UnsignedLanes(words) >> 16);
  return (UnsignedLongs(lanes) & 0xFFFFFFFF) + (UnsignedLongs(lanes) >> 32);
#endif
}

// Four vectors as the rows of a 4x4 matrix become its columns.
OCTAVO_INLINE void transpose_lanes(Lanes (&v)[4]) noexcept {
  const Lanes a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5), b = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const Lanes c = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7), d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  v[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  v[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  v[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// 16 bytes as two vectors of words: bytes 0, 2, 4, ... and 1, 3, 5, ...
struct SplitBytes {
  Words even, odd;
};
[[nodiscard]] OCTAVO_INLINE SplitBytes split_codes(const std::uint8_t* p) noexcept {
  const auto bytes = load_vector<UnsignedWords>(p);
  return {Words(bytes & 0xFF), Words(bytes >> 8)};
}
[[nodiscard]] OCTAVO_INLINE SplitBytes split_weights(const std::int8_t* p) noexcept {
  const auto bytes = load_vector<UnsignedWords>(p);
  return {Words(bytes << 8) >> 8, Words(bytes) >> 8};
}

// The same for the signed low, or high, halves of 16 bytes.
[[nodiscard]] OCTAVO_INLINE SplitBytes split_low_nibbles(const std::int8_t* p) noexcept {
  const auto bytes = load_vector<UnsignedWords>(p);
  return {Words(bytes << 12) >> 12, Words(bytes << 4) >> 12};
}
[[nodiscard]] OCTAVO_INLINE SplitBytes split_high_nibbles(const std::int8_t* p) noexcept {
  const auto bytes = load_vector<UnsignedWords>(p);
  return {Words(bytes << 8) >> 12, Words(bytes) >> 12};
}

// Words 0, 2, 4, 6 and 1, 3, 5, 7, widened.
[[nodiscard]] OCTAVO_INLINE Lanes even_words(Words v) noexcept { return Lanes(UnsignedLanes(v) << 16) >> 16; }
[[nodiscard]] OCTAVO_INLINE Lanes odd_words(Words v) noexcept { return Lanes(v) >> 16; }

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_PORTABLE_VECTOR_HPP_
