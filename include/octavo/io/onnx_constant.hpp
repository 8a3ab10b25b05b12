// octavo/io/onnx_constant.hpp: constants of an ONNX graph, and the operators that are computed while it is imported.
#ifndef OCTAVO_IO_ONNX_CONSTANT_HPP_
#define OCTAVO_IO_ONNX_CONSTANT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../quant/grid.hpp"
#include "onnx_model.hpp"
#include "safetensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// The grid of integer codes: real = scale * (code - zero_point), one entry, or one for each index along `axis`.
struct CodeGrid {
  std::vector<float> scale;
  std::vector<std::int32_t> zero_point;
  int axis = -1;  // -1: one entry for all

  [[nodiscard]] Grid at(std::size_t i, Type type) const {
    const std::size_t k = scale.size() == 1 ? 0 : i;
    Grid grid{scale[k], zero_point[k], 0, 255};
    if (type == Type::i8) grid.qmin = -128, grid.qmax = 127;
    if (type == Type::i4) grid.qmin = -8, grid.qmax = 7;
    if (type == Type::u4) grid.qmax = 15;
    return grid;
  }
  friend bool operator==(const CodeGrid&, const CodeGrid&) = default;
};

// A constant value. With a grid it stands for real numbers: the result of DequantizeLinear on its codes.
struct Constant {
  Type type = Type::undefined;
  Dims dims;
  std::span<const std::uint8_t> data;            // lives in the model, or in `owner`
  std::shared_ptr<const Bytes> owner = nullptr;  // keeps computed data alive
  std::shared_ptr<const CodeGrid> grid = nullptr;

  [[nodiscard]] std::int64_t size() const { return elements_of(dims); }
  [[nodiscard]] bool is_real() const {
    return grid != nullptr || type == Type::f32 || type == Type::f16 || type == Type::bf16 || type == Type::f64;
  }
};

// The stored elements as numbers, without the grid.
template <class Number>
[[nodiscard]] std::vector<Number> stored_numbers(const Constant& constant);

// The real values: the stored elements, or what the codes stand for.
template <class Lazy = void>
[[nodiscard]] std::vector<float> real_values(const Constant& constant);

// The elements of an integer constant: axes, shapes, pads.
[[nodiscard]] inline std::vector<std::int64_t> integers(const Constant& constant);

// Computed with int64 elements, or float32.
[[nodiscard]] inline Constant make_constant(const Dims& dims, std::span<const std::int64_t> values);
[[nodiscard]] inline Constant make_constant(const Dims& dims, std::span<const float> values);

namespace detail {

template <class Stored, class Number>
std::vector<Number> cast_elements(std::span<const std::uint8_t> data) {
  std::vector<Number> numbers(data.size() / sizeof(Stored));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, data.data() + i * sizeof stored, sizeof stored);
    if constexpr (std::is_integral_v<Number> && std::is_floating_point_v<Stored>)
      numbers[i] = std::isnan(stored) ? 0 : static_cast<Number>(std::clamp<double>(stored, -0x1p31, 0x1p31 - 1));
    else
      numbers[i] = static_cast<Number>(stored);
  }
  return numbers;
}

template <class Value>
Constant owned_constant(Type type, const Dims& dims, std::span<const Value> values) {
  auto bytes = std::make_shared<Bytes>();
  bytes->resize(values.size_bytes());
  if (!values.empty()) std::memcpy(bytes->data(), values.data(), values.size_bytes());
  Constant constant{type, dims, *bytes};
  constant.owner = std::move(bytes);
  return constant;
}

// Index in [0, rank) of an axis that may count from behind.
[[nodiscard]] inline std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  require(axis >= -r && axis < r, "axis ", axis, " is not one of ", rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

}  // namespace detail

template <class Number>
std::vector<Number> stored_numbers(const Constant& constant) {
  using detail::cast_elements;
  switch (constant.type) {
    case Type::f32:
      return cast_elements<float, Number>(constant.data);
    case Type::f64:
      return cast_elements<double, Number>(constant.data);
    case Type::i64:
      return cast_elements<std::int64_t, Number>(constant.data);
    case Type::u64:
      return cast_elements<std::uint64_t, Number>(constant.data);
    case Type::i32:
      return cast_elements<std::int32_t, Number>(constant.data);
    case Type::u32:
      return cast_elements<std::uint32_t, Number>(constant.data);
    case Type::i16:
      return cast_elements<std::int16_t, Number>(constant.data);
    case Type::u16:
      return cast_elements<std::uint16_t, Number>(constant.data);
    case Type::i8:
    case Type::i4:
      return cast_elements<std::int8_t, Number>(constant.data);
    case Type::u8:
    case Type::u4:
    case Type::boolean:
      return cast_elements<std::uint8_t, Number>(constant.data);
    case Type::f16:
    case Type::bf16: {
      const Shape flat{static_cast<std::int64_t>(constant.data.size() / 2)};
      const auto floats =
          to_floats({constant.type == Type::f16 ? ElementType::f16 : ElementType::bf16, flat, constant.data});
      return std::vector<Number>(floats.begin(), floats.end());
    }
    case Type::undefined:
      break;
  }
  fail("a constant of ", name_of(constant.type));
}

template <class Lazy>
std::vector<float> real_values(const Constant& constant) {
  std::vector<float> values = stored_numbers<float>(constant);
  if (constant.grid == nullptr) return values;
  const CodeGrid& grid = *constant.grid;
  const std::size_t entries = grid.scale.size();
  std::size_t inner = values.size();
  if (entries > 1)
    for (std::size_t i = 0; i <= static_cast<std::size_t>(grid.axis); ++i)
      inner /= static_cast<std::size_t>(std::max<std::int64_t>(constant.dims[i], 1));
  const std::vector<std::int32_t> codes = stored_numbers<std::int32_t>(constant);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t k = entries == 1 ? 0 : i / std::max<std::size_t>(inner, 1) % entries;
    values[i] = static_cast<float>(std::int64_t{codes[i]} - grid.zero_point[k]) * grid.scale[k];
  }
  return values;
}

inline std::vector<std::int64_t> integers(const Constant& constant) {
  require(!constant.is_real() || constant.type == Type::i64, "expected integers, found ", name_of(constant.type));
  return stored_numbers<std::int64_t>(constant);
}

inline Constant make_constant(const Dims& dims, std::span<const std::int64_t> values) {
  return detail::owned_constant(Type::i64, dims, values);
}
inline Constant make_constant(const Dims& dims, std::span<const float> values) {
  return detail::owned_constant(Type::f32, dims, values);
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_CONSTANT_HPP_
