// octavo/kernels/portable_vector.hpp: 128-bit vectors as GCC and clang have them on every target, for the portable
// kernels: no intrinsic, yet the same good code from both compilers and at -O2.
#ifndef OCTAVO_KERNELS_PORTABLE_VECTOR_HPP_
#define OCTAVO_KERNELS_PORTABLE_VECTOR_HPP_

#include <bit>
#include <cstdint>
#include <cstring>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

static_assert(std::endian::native == std::endian::little, "packed weights and the portable kernels are little-endian");

using Words = std::int16_t __attribute__((vector_size(16)));
using UnsignedWords = std::uint16_t __attribute__((vector_size(16)));
using Lanes = std::int32_t __attribute__((vector_size(16)));
using UnsignedLanes = std::uint32_t __attribute__((vector_size(16)));
using Reals = float __attribute__((vector_size(16)));

template <class Vector>
[[nodiscard]] OCTAVO_INLINE Vector load_vector(const void* p) noexcept {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
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
