// octavo/runtime/border.hpp: the caller's buffers and the model's own: which meet, and how values are converted.
//
//   caller's   model's tensor
//   float      float32: the same values        int8, uint8: quantized / dequantized on the tensor's grid
//   int8       int8: the same codes            uint8       uint8: the same codes
#ifndef OCTAVO_RUNTIME_BORDER_HPP_
#define OCTAVO_RUNTIME_BORDER_HPP_

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "../kernels/quantize.hpp"
#include "program.hpp"
#include "step.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// Values that the caller owns: `size` of them, all images one after the other.
struct ConstBuffer {
  DType dtype;
  const void* data;
  std::int64_t size;
  ConstBuffer(std::span<const float> v) : ConstBuffer(DType::f32, v.data(), v.size()) {}        // NOLINT: a view
  ConstBuffer(std::span<const std::int8_t> v) : ConstBuffer(DType::i8, v.data(), v.size()) {}   // NOLINT
  ConstBuffer(std::span<const std::uint8_t> v) : ConstBuffer(DType::u8, v.data(), v.size()) {}  // NOLINT
  // Values [first, first + count).
  [[nodiscard]] ConstBuffer part(std::int64_t first, std::int64_t count) const {
    return {dtype, static_cast<const std::byte*>(data) + first * element_bytes(dtype), static_cast<std::size_t>(count)};
  }

 private:
  ConstBuffer(DType type, const void* values, std::size_t n)
      : dtype(type), data(values), size(static_cast<std::int64_t>(n)) {}
};

struct Buffer {
  DType dtype;
  void* data;
  std::int64_t size;
  Buffer(std::span<float> v) : Buffer(DType::f32, v.data(), v.size()) {}        // NOLINT: a view
  Buffer(std::span<std::int8_t> v) : Buffer(DType::i8, v.data(), v.size()) {}   // NOLINT
  Buffer(std::span<std::uint8_t> v) : Buffer(DType::u8, v.data(), v.size()) {}  // NOLINT
  [[nodiscard]] Buffer part(std::int64_t first, std::int64_t count) const {
    return {dtype, static_cast<std::byte*>(data) + first * element_bytes(dtype), static_cast<std::size_t>(count)};
  }

 private:
  Buffer(DType type, void* values, std::size_t n) : dtype(type), data(values), size(static_cast<std::int64_t>(n)) {}
};

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

// Whether the model can read or write the caller's memory itself.
[[nodiscard]] constexpr bool same_bytes(DType caller, DType tensor) {
  return caller == tensor && (tensor == DType::f32 || tensor == DType::u8);
}

inline void check_border(const TensorInfo& tensor, DType caller) {
  require(caller == tensor.dtype || caller == DType::f32, "tensor '", tensor.name, "' is ", name_of(tensor.dtype),
          ", the buffer is ", name_of(caller));
}

inline void copy_in(const ConstBuffer& from, const TensorInfo& tensor, Rounding rounding, std::byte* to, int threads) {
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

inline void copy_out(const std::byte* from, const TensorInfo& tensor, const Buffer& to, int threads) {
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

#endif  // OCTAVO_RUNTIME_BORDER_HPP_
