// octavo/runtime/border.hpp: the caller's buffers and the model's own: which meet, and how values are converted.
//
//   caller's   model's tensor
//   float      float32: the same values        int8, uint8: quantized / dequantized on the tensor's grid
//   int8       int8: the same codes            uint8       uint8: the same codes
//
// What is no finite number, without a check of each value (that would be another pass over all of them):
//   int8, uint8 tensors  infinities saturate; NaN becomes the smallest code, as -infinity does
//   float32 tensors      as they are; NaN stays NaN through every operator that depends on it
//   dynamic range        NaN does not count in an image's range and becomes its low end; infinity is an Error that
//   names
//                        the operator
#ifndef OCTAVO_RUNTIME_BORDER_HPP_
#define OCTAVO_RUNTIME_BORDER_HPP_

#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/error.hpp"
#include "program.hpp"
#include "program_info.hpp"

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

// Whether the model can read or write the caller's memory itself.
[[nodiscard]] constexpr bool same_bytes(DType caller, DType tensor) {
  return caller == tensor && (tensor == DType::f32 || tensor == DType::u8);
}

inline void check_border(const TensorInfo& tensor, DType caller) {
  require(caller == tensor.dtype || caller == DType::f32, "tensor '", tensor.name, "' is ", name_of(tensor.dtype),
          ", the buffer is ", name_of(caller));
}

// The values of a tensor, from the caller's memory and to it.
template <class Lazy = void>
void copy_in(const ConstBuffer& from, const TensorInfo& tensor, Rounding rounding, std::byte* to, int threads);
template <class Lazy = void>
void copy_out(const std::byte* from, const TensorInfo& tensor, const Buffer& to, int threads);

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#if OCTAVO_BODIES
#include "border_impl.hpp"
#endif

OCTAVO_ENTRY(void octavo::runtime::detail::copy_in<void>(const octavo::runtime::ConstBuffer&,
                                                         const octavo::runtime::TensorInfo&, octavo::Rounding,
                                                         std::byte*, int));
OCTAVO_ENTRY(void octavo::runtime::detail::copy_out<void>(const std::byte*, const octavo::runtime::TensorInfo&,
                                                          const octavo::runtime::Buffer&, int));

#endif  // OCTAVO_RUNTIME_BORDER_HPP_
