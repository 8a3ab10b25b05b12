// octavo/io/tflite_tensors.hpp: the tensors of a .tflite file, and how each becomes one of a Program.
#ifndef OCTAVO_IO_TFLITE_TENSORS_HPP_
#define OCTAVO_IO_TFLITE_TENSORS_HPP_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../runtime/program.hpp"
#include "../runtime/program_info.hpp"
#include "flat_table.hpp"
#include "tflite_schema.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Bytes that an import may still allocate. References in a file can be shared, so a small file can describe a huge
// program; each piece that is made of it is paid for here.
class Budget {
 public:
  explicit Budget(std::size_t file_bytes) : left_(4 * file_bytes + (std::size_t{16} << 20)) {}
  void take(std::size_t bytes) {
    require(bytes <= left_, "the program would be far larger than its file");
    left_ -= bytes;
  }

 private:
  std::size_t left_;
};

// One tensor of the file. Views point into the file.
struct FileTensor {
  std::string name;  // unique, never empty
  std::uint8_t type = 0;
  Shape shape;  // as a Program wants it: extent 0 is 1 (one is put in front where it is not)
  int added_axes = 0;
  bool open_shape = false;             // the signature leaves an extent open; the shape has 1 there
  bool open_extent = false;            // the same, behind the first
  std::span<const std::uint8_t> data;  // constants
  runtime::Quantization quantization;  // of the file, zero points as they are there

  [[nodiscard]] bool is(Type wanted) const { return type == static_cast<std::uint8_t>(wanted); }
  [[nodiscard]] bool constant() const noexcept { return !data.empty(); }
  // The extents as the file counts them.
  [[nodiscard]] std::vector<std::int64_t> dims() const { return {shape.begin() + added_axes, shape.end()}; }
};

namespace detail {

[[nodiscard]] inline float float_of_half(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const auto fraction = static_cast<float>(half & 1023);
  const float size = exponent == 0    ? std::ldexp(fraction, -24)
                     : exponent == 31 ? (fraction == 0.0F ? HUGE_VALF : std::nanf(""))
                                      : std::ldexp(1024.0F + fraction, exponent - 25);
  return (half & 0x8000) != 0 ? -size : size;
}

[[nodiscard]] inline std::int64_t stored_bytes(std::uint8_t type, std::int64_t elements) {
  switch (static_cast<Type>(type)) {
    case Type::f32:
    case Type::i32:
      return 4 * elements;
    case Type::f16:
      return 2 * elements;
    case Type::i64:
      return 8 * elements;
    case Type::i4:
      return (elements + 1) / 2;
    case Type::i8:
    case Type::u8:
      return elements;
  }
  return -1;
}

}  // namespace detail

// Reads the tensors of one subgraph.
template <class Lazy = void>
class TensorReader {
 public:
  TensorReader(const FlatTable& model, const FlatTable& graph, Budget& budget) : model_(model), budget_(budget) {
    const auto tables = graph.vector<std::uint32_t>(SubGraphField::tensors);
    budget_.take(tables.size() * (sizeof(FileTensor) + sizeof(runtime::TensorInfo) + 64));
    tensors_.reserve(tables.size());
    buffers_ = model.vector<std::uint32_t>(ModelField::buffers);
    for (std::size_t i = 0; i < tables.size(); ++i) {
      try {
        tensors_.push_back(read(graph.element(tables, i), i));
      } catch (const Error& error) {
        fail("tensor ", i, ": ", error.what());
      }
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return tensors_.size(); }
  [[nodiscard]] const FileTensor& at(std::int32_t i) const {
    require(i >= 0 && static_cast<std::size_t>(i) < tensors_.size(), "there is no tensor ", i, " among ",
            tensors_.size());
    return tensors_[static_cast<std::size_t>(i)];
  }
  // The shape of an activation that the file leaves open.
  void resolve(std::int32_t i, const std::vector<std::int64_t>& dims) {
    FileTensor& tensor = tensors_[static_cast<std::size_t>(&at(i) - tensors_.data())];
    if (tensor.constant()) return;
    require(dims.size() <= Shape::kMaxRank, "'", tensor.name, "' has ", dims.size(), " axes");
    tensor.shape = Shape(dims.begin(), dims.end());
    tensor.added_axes = 0;
    normalize(tensor);
  }

 private:
  [[nodiscard]] FileTensor read(const FlatTable& table, std::size_t index) {
    FileTensor tensor;
    tensor.name = unique(table.string(TensorField::name), index);
    tensor.type = table.scalar<std::uint8_t>(TensorField::type);
    const auto extents = table.vector<std::int32_t>(TensorField::shape);
    require(extents.size() <= Shape::kMaxRank, "'", tensor.name, "' has ", extents.size(), " axes");
    for (std::size_t i = 0; i < extents.size(); ++i) tensor.shape.push_back(extents[i]);
    read_data(table, tensor);
    const auto signature = table.vector<std::int32_t>(TensorField::shape_signature);
    require(signature.size() <= Shape::kMaxRank, "'", tensor.name, "' has ", signature.size(), " axes");
    for (std::size_t i = 0; i < signature.size(); ++i) {
      tensor.open_shape = tensor.open_shape || signature[i] < 0;
      tensor.open_extent = tensor.open_extent || (i > 0 && signature[i] < 0);
    }
    if (!tensor.constant()) normalize(tensor);
    read_quantization(table.table(TensorField::quantization), tensor);
    require(!table.has(TensorField::sparsity), "'", tensor.name, "' is sparse, which is not supported");
    return tensor;
  }

  [[nodiscard]] std::string unique(std::string_view found, std::size_t index) {
    budget_.take(4 * (found.size() + 64));
    std::string name = found.empty() ? "tensor_" + std::to_string(index) : std::string(found);
    if (!names_.insert(name).second) {
      name.append("#").append(std::to_string(index));
      require(names_.insert(name).second, "two tensors are called '", name, "'");
    }
    return name;
  }

  // Activations have a batch of 1 in front.
  static void normalize(FileTensor& tensor) {
    const bool fits = tensor.shape.rank() >= 1 && tensor.shape[0] == 1;
    if (fits || tensor.shape.rank() == Shape::kMaxRank) return;
    Shape shape{1};
    for (const std::int64_t extent : tensor.shape) shape.push_back(extent);
    tensor.shape = shape;
    tensor.added_axes = 1;
  }

  void read_data(const FlatTable& table, FileTensor& tensor) const {
    const auto index = table.scalar<std::uint32_t>(TensorField::buffer);
    require(index < std::max<std::size_t>(buffers_.size(), 1), "'", tensor.name, "': there is no buffer ", index);
    if (buffers_.empty()) return;
    const FlatTable buffer = model_.element(buffers_, index);
    require(buffer.scalar<std::uint64_t>(BufferField::offset) <= 1, "'", tensor.name,
            "': its values lie behind the tables, which is not supported");
    const auto data = buffer.vector<std::uint8_t>(BufferField::data);
    if (data.empty()) return;
    for (const std::int64_t extent : tensor.shape)
      require(extent > 0, "'", tensor.name, "': a constant of shape ", tensor.shape.to_string());
    const std::int64_t expected = detail::stored_bytes(tensor.type, tensor.shape.size());
    require(expected < 0 || static_cast<std::int64_t>(data.size()) == expected, "'", tensor.name,
            "': ", tensor.shape.to_string(), " of ", type_name(tensor.type), " needs ", expected, " bytes, found ",
            data.size());
    tensor.data = data.bytes();
  }

  void read_quantization(const FlatTable& table, FileTensor& tensor) {
    const auto scale = table.vector<float>(QuantizationField::scale);
    const auto zero_point = table.vector<std::int64_t>(QuantizationField::zero_point);
    if (scale.empty()) return;
    require(zero_point.size() == scale.size() || zero_point.size() <= 1, "'", tensor.name, "': ", scale.size(),
            " scales and ", zero_point.size(), " zero points");
    budget_.take(scale.size() * 24);
    runtime::Quantization& q = tensor.quantization;
    q.scale.reserve(scale.size());
    q.zero_point.reserve(scale.size());
    for (std::size_t i = 0; i < scale.size(); ++i) {
      q.scale.push_back(scale[i]);
      const std::int64_t z = zero_point.empty() ? 0 : zero_point[zero_point.size() == 1 ? 0 : i];
      require(z >= INT32_MIN && z <= INT32_MAX, "'", tensor.name, "': zero point ", z, " is out of range");
      q.zero_point.push_back(static_cast<std::int32_t>(z));
    }
    q.axis = scale.size() > 1 ? table.scalar<std::int32_t>(QuantizationField::dimension) : -1;
    if (q.axis >= 0 && !tensor.constant()) q.axis += tensor.added_axes;
  }

  const FlatTable& model_;
  Budget& budget_;
  FlatVector<std::uint32_t> buffers_;
  std::set<std::string, std::less<>> names_;
  std::vector<FileTensor> tensors_;
};

// The values of a small integer constant: paddings, axes, permutations.
template <class Lazy = void>
[[nodiscard]] std::vector<std::int64_t> integer_values(const FileTensor& tensor) {
  require(tensor.constant() && (tensor.is(Type::i32) || tensor.is(Type::i64)), "'", tensor.name,
          "': expected a constant of int32 or int64");
  const std::size_t width = tensor.is(Type::i32) ? 4 : 8;
  require(tensor.data.size() <= 64 * width, "'", tensor.name, "': expected at most 64 numbers");
  std::vector<std::int64_t> values;
  for (std::size_t at = 0; at + width <= tensor.data.size(); at += width) {
    std::int64_t value = 0;
    if (width == 8) {
      std::memcpy(&value, tensor.data.data() + at, 8);
    } else {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, tensor.data.data() + at, 4);
      value = narrow;
    }
    values.push_back(value);
  }
  return values;
}

// The tensor for a Program: uint8 becomes int8 by shifting codes and zero points by 128 unless `keep_uint8`, int4 and
// float16 constants become int8 and float32. Constants are copied.
template <class Lazy = void>
[[nodiscard]] runtime::TensorInfo to_program(const FileTensor& from, Budget& budget, bool keep_uint8 = false) {
  runtime::TensorInfo to;
  to.name = from.name;
  to.shape = from.shape;
  to.quantization = from.quantization;
  runtime::Quantization& q = to.quantization;
  const auto elements = from.constant() ? static_cast<std::size_t>(from.shape.size()) : std::size_t{0};
  const bool shifted = from.is(Type::u8) && !keep_uint8;
  switch (static_cast<Type>(from.type)) {
    case Type::f32:
    case Type::f16:
      to.dtype = runtime::DType::f32;
      q = {};
      break;
    case Type::i32:
      to.dtype = runtime::DType::i32;
      break;
    case Type::u8:
    case Type::i8:
    case Type::i4:
      to.dtype = from.is(Type::u8) && keep_uint8 ? runtime::DType::u8 : runtime::DType::i8;
      require(!q.empty(), "'", from.name, "' is ", type_name(from.type), " without a scale");
      if (shifted)
        for (std::int32_t& z : q.zero_point) z = z >= 0 && z <= 255 ? z - 128 : 1000;
      if (to.dtype == runtime::DType::u8) q.qmin = 0, q.qmax = 255;
      break;
    default:
      fail("'", from.name, "' is ", type_name(from.type), ", which is not supported");
  }
  if (!from.constant()) return to;
  budget.take(elements * static_cast<std::size_t>(runtime::element_bytes(to.dtype)));
  if (from.is(Type::f16)) {
    to.data.resize(elements * 4);
    for (std::size_t i = 0; i < elements; ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, from.data.data() + 2 * i, 2);
      const float value = detail::float_of_half(half);
      std::memcpy(to.data.data() + 4 * i, &value, 4);
    }
  } else if (from.is(Type::i4)) {
    to.data.resize(elements);
    for (std::size_t i = 0; i < elements; ++i) {
      const int nibble = (from.data[i / 2] >> (i % 2 == 0 ? 0 : 4)) & 15;
      to.data[i] = static_cast<std::uint8_t>(nibble >= 8 ? nibble - 16 : nibble);
    }
  } else {
    to.data.assign(from.data.begin(), from.data.end());
    if (shifted)
      for (std::uint8_t& code : to.data) code ^= 0x80U;
  }
  return to;
}

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_TENSORS_HPP_
