// tests/unit/onnx_files.hpp: writes ONNX models for tests, field by field.
#ifndef OCTAVO_TESTS_UNIT_ONNX_FILES_HPP_
#define OCTAVO_TESTS_UNIT_ONNX_FILES_HPP_

#include <cstdint>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/io/file.hpp"

namespace onnx_test {

using Ints = std::vector<std::int64_t>;

enum Type { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7 };

template <class Value>
constexpr int type_of() {
  if (std::is_same_v<Value, float>) return kFloat;
  if (std::is_same_v<Value, std::uint8_t>) return kUint8;
  if (std::is_same_v<Value, std::int8_t>) return kInt8;
  return std::is_same_v<Value, std::int32_t> ? kInt32 : kInt64;
}

template <class Value>
std::string tensor(std::string_view name, const Ints& dims, const std::vector<Value>& values) {
  std::string text;
  protozero::pbf_writer out(text);
  out.add_packed_int64(1, dims.begin(), dims.end());
  out.add_int32(2, type_of<Value>());
  out.add_bytes(8, name.data(), name.size());
  out.add_bytes(9, reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
  return text;
}

// An attribute: make with one of the functions below.
struct Attribute {
  std::string bytes;
};
inline Attribute attribute(std::string_view name, int value) {
  Attribute a;
  protozero::pbf_writer out(a.bytes);
  out.add_bytes(1, name.data(), name.size());
  out.add_int64(3, value);
  return a;
}
inline Attribute attribute(std::string_view name, float value) {
  Attribute a;
  protozero::pbf_writer out(a.bytes);
  out.add_bytes(1, name.data(), name.size());
  out.add_float(2, value);
  return a;
}
inline Attribute attribute(std::string_view name, std::string_view value) {
  Attribute a;
  protozero::pbf_writer out(a.bytes);
  out.add_bytes(1, name.data(), name.size());
  out.add_bytes(4, value.data(), value.size());
  return a;
}
inline Attribute attribute(std::string_view name, const Ints& values) {
  Attribute a;
  protozero::pbf_writer out(a.bytes);
  out.add_bytes(1, name.data(), name.size());
  for (const std::int64_t value : values) out.add_int64(8, value);  // not packed, as protobuf 2 files have it
  return a;
}
inline Attribute tensor_attribute(std::string_view name, const std::string& tensor) {
  Attribute a;
  protozero::pbf_writer out(a.bytes);
  out.add_bytes(1, name.data(), name.size());
  out.add_message(5, tensor);
  return a;
}

class ModelWriter {
 public:
  explicit ModelWriter(std::int64_t opset = 13) : opset_(opset) {}

  ModelWriter& input(std::string_view name, const Ints& dims, int type = kFloat) {
    protozero::pbf_writer(graph_).add_message(11, value_info(name, type, dims));
    return *this;
  }
  ModelWriter& output(std::string_view name, int type = kFloat) {
    protozero::pbf_writer(graph_).add_message(12, value_info(name, type, {}));
    return *this;
  }
  template <class Value>
  ModelWriter& constant(std::string_view name, const Ints& dims, const std::vector<Value>& values) {
    return initializer(tensor(name, dims, values));
  }
  ModelWriter& initializer(const std::string& tensor) {
    protozero::pbf_writer(graph_).add_message(5, tensor);
    return *this;
  }
  ModelWriter& node(std::string_view op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const std::vector<Attribute>& attributes = {},
                    std::string_view domain = "") {
    std::string text;
    protozero::pbf_writer out(text);
    for (const std::string& name : inputs) out.add_string(1, name);
    for (const std::string& name : outputs) out.add_string(2, name);
    out.add_string(3, "node_" + outputs[0]);
    out.add_bytes(4, op.data(), op.size());
    for (const Attribute& a : attributes) out.add_message(5, a.bytes);
    if (!domain.empty()) out.add_bytes(7, domain.data(), domain.size());
    protozero::pbf_writer(graph_).add_message(1, text);
    return *this;
  }

  [[nodiscard]] std::string text() const {
    std::string opset, model;
    protozero::pbf_writer(opset).add_int64(2, opset_);
    protozero::pbf_writer out(model);
    out.add_int64(1, 8);
    out.add_message(7, graph_);
    out.add_message(8, opset);
    return model;
  }
  [[nodiscard]] octavo::io::Bytes bytes() const {
    const std::string model = text();
    const auto* first = reinterpret_cast<const std::uint8_t*>(model.data());
    return {first, first + model.size()};
  }

 private:
  static std::string value_info(std::string_view name, int type, const Ints& dims) {
    std::string shape, tensor_type, any_type, text;
    for (const std::int64_t extent : dims) {
      std::string dimension;
      if (extent > 0)
        protozero::pbf_writer(dimension).add_int64(1, extent);
      else
        protozero::pbf_writer(dimension).add_string(2, "n");
      protozero::pbf_writer(shape).add_message(1, dimension);
    }
    protozero::pbf_writer(tensor_type).add_int32(1, type);
    if (!dims.empty()) protozero::pbf_writer(tensor_type).add_message(2, shape);
    protozero::pbf_writer(any_type).add_message(1, tensor_type);
    protozero::pbf_writer out(text);
    out.add_bytes(1, name.data(), name.size());
    out.add_message(2, any_type);
    return text;
  }

  std::int64_t opset_;
  std::string graph_;
};

}  // namespace onnx_test

#endif  // OCTAVO_TESTS_UNIT_ONNX_FILES_HPP_
