// octavo/runtime/border_impl.hpp: bodies of runtime/border.hpp. Include that.
#ifndef OCTAVO_RUNTIME_BORDER_IMPL_HPP_
#define OCTAVO_RUNTIME_BORDER_IMPL_HPP_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../kernels/quantize.hpp"
#include "border.hpp"
#include "step.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace detail {

// dst[i] = src[i] with the top bit flipped: int8 codes to u8 terms and back.
inline void shift_codes(const std::uint8_t* src, std::uint8_t* dst, std::size_t n) noexcept {
  constexpr std::size_t piece = 64;
  using Piece = std::uint8_t __attribute__((vector_size(piece)));
  std::size_t i = 0;
  for (; i + piece <= n; i += piece) {
    Piece codes;
    std::memcpy(&codes, src + i, piece);
    codes ^= 0x80U;
    std::memcpy(dst + i, &codes, piece);
  }
  for (; i < n; ++i) dst[i] = src[i] ^ 0x80U;
}

template <class Lazy>
void copy_in(const ConstBuffer& from, const TensorInfo& tensor, Rounding rounding, std::byte* to, int threads) {
  const auto bytes = static_cast<std::size_t>(from.size);
  auto* codes = reinterpret_cast<std::uint8_t*>(to);
  if (same_bytes(from.dtype, tensor.dtype))
    std::memcpy(to, from.data, bytes * static_cast<std::size_t>(element_bytes(tensor.dtype)));
  else if (from.dtype == DType::f32)
    quantize_codes(static_cast<const float*>(from.data), codes, from.size, stored_grid(tensor), ties_of(rounding),
                   threads);
  else
    shift_codes(static_cast<const std::uint8_t*>(from.data), codes, bytes);
}

template <class Lazy>
void copy_out(const std::byte* from, const TensorInfo& tensor, const Buffer& to, int threads) {
  const auto bytes = static_cast<std::size_t>(to.size);
  const auto* codes = reinterpret_cast<const std::uint8_t*>(from);
  if (same_bytes(to.dtype, tensor.dtype))
    std::memcpy(to.data, from, bytes * static_cast<std::size_t>(element_bytes(tensor.dtype)));
  else if (to.dtype == DType::f32)
    dequantize_codes(codes, static_cast<float*>(to.data), to.size, stored_grid(tensor), threads);
  else
    shift_codes(codes, static_cast<std::uint8_t*>(to.data), bytes);
}

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_BORDER_IMPL_HPP_
