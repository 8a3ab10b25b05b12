// octavo/io/onnx_model.hpp: an ONNX file as plain structures that point into its bytes. Reading is onnx_parse.hpp's.
//
// Field numbers, type codes and their meaning: onnx.proto3 of the ONNX specification.
#ifndef OCTAVO_IO_ONNX_MODEL_HPP_
#define OCTAVO_IO_ONNX_MODEL_HPP_

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// TensorProto.DataType; those that are not listed are read as unsupported.
enum class Type : std::int32_t {
  undefined = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  bf16 = 16,
  u4 = 21,
  i4 = 22,
};

// Types whose values are float32 in this library.
[[nodiscard]] constexpr bool is_floating(Type type) {
  return type == Type::f32 || type == Type::f16 || type == Type::f64 || type == Type::bf16;
}

[[nodiscard]] constexpr std::string_view name_of(Type type) {
  switch (type) {
    case Type::f32:
      return "float32";
    case Type::u8:
      return "uint8";
    case Type::i8:
      return "int8";
    case Type::u16:
      return "uint16";
    case Type::i16:
      return "int16";
    case Type::i32:
      return "int32";
    case Type::i64:
      return "int64";
    case Type::boolean:
      return "bool";
    case Type::f16:
      return "float16";
    case Type::f64:
      return "float64";
    case Type::u32:
      return "uint32";
    case Type::u64:
      return "uint64";
    case Type::bf16:
      return "bfloat16";
    case Type::u4:
      return "uint4";
    case Type::i4:
      return "int4";
    case Type::undefined:
      break;
  }
  return "an unknown type";
}

// Bytes of an element as Tensor::data holds it (4-bit elements are unpacked to one byte each); 0 for unknown types.
[[nodiscard]] constexpr std::size_t bytes_of(Type type) {
  switch (type) {
    case Type::u8:
    case Type::i8:
    case Type::boolean:
    case Type::u4:
    case Type::i4:
      return 1;
    case Type::u16:
    case Type::i16:
    case Type::f16:
    case Type::bf16:
      return 2;
    case Type::f32:
    case Type::i32:
    case Type::u32:
      return 4;
    case Type::i64:
    case Type::f64:
    case Type::u64:
      return 8;
    case Type::undefined:
      break;
  }
  return 0;
}

using Dims = std::vector<std::int64_t>;

// A constant array, row-major, little-endian. `data` has exactly the bytes that dims and type say.
struct Tensor {
  std::string_view name;
  Type type = Type::undefined;
  Dims dims;
  std::span<const std::uint8_t> data;
};

struct Attribute {
  std::string_view name;
  float f = 0.0F;
  std::int64_t i = 0;
  std::string_view s;
  int tensor = -1;  // index into Model::attribute_tensors
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
};

struct Node {
  std::string_view op;
  std::string_view domain;
  std::string_view name;
  std::vector<std::string_view> inputs;  // an empty name: the optional input is not there
  std::vector<std::string_view> outputs;
  std::vector<Attribute> attributes;
};

// A graph's input or output. An extent that is a parameter ("batch") or missing is -1.
struct ValueInfo {
  std::string_view name;
  Type type = Type::undefined;
  std::optional<Dims> dims;
};

struct Model {
  std::string file;  // for messages
  std::int64_t ir_version = 0;
  std::int64_t opset = 0;  // of the default domain
  std::string_view producer;
  std::string_view graph_name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<Tensor> attribute_tensors;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;

  // What the views above point into.
  Bytes bytes;
  std::deque<Bytes> external;   // files of external data
  std::deque<Bytes> converted;  // data of tensors that the file holds in another form
  std::size_t total_bytes = 0;  // of the file and its external data

  Model() = default;
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() = default;
};

[[nodiscard]] inline std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (const std::int64_t extent : dims) {
    if (text.size() > 1) text += ',';
    text += std::to_string(extent);
  }
  text += ']';
  return text;
}

// The number of elements. Throws when an extent is negative or there are more than 2^40.
[[nodiscard]] inline std::int64_t elements_of(const Dims& dims) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  std::int64_t product = 1;
  for (const std::int64_t extent : dims) {
    require(extent >= 0, "extent ", extent, " of ", to_string(dims), " is negative");
    require(!__builtin_mul_overflow(product, extent, &product) && product <= most, "shape ", to_string(dims),
            " has too many elements");
  }
  return product;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_MODEL_HPP_
