// octavo/io/onnx_writer.hpp: puts an ONNX file together: nodes, constants, inputs and outputs, as protocol buffers.
#ifndef OCTAVO_IO_ONNX_WRITER_HPP_
#define OCTAVO_IO_ONNX_WRITER_HPP_

#include <cstdint>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "onnx_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

using AttributeValue = std::variant<std::int64_t, float, std::string_view, Dims>;
using Attributes = std::vector<std::pair<std::string_view, AttributeValue>>;

// One graph in operator set 13. Nodes must be added in an order of execution.
template <class Lazy = void>
class ModelWriter {
 public:
  explicit ModelWriter(const std::string& name) { protozero::pbf_writer(graph_).add_string(2, name); }

  // A name that no value has yet: `name`, or `name` with a number.
  [[nodiscard]] std::string unique(const std::string& name) {
    std::string made = name.empty() ? "value" : name;
    for (int k = 1; !names_.insert(made).second; ++k) made = name + "_" + std::to_string(k);
    return made;
  }

  // A batch extent (-1) is written as the parameter "N".
  void input(const std::string& name, Type type, const Dims& dims) {
    protozero::pbf_writer(graph_).add_message(11, value_info(name, type, dims));
  }
  void output(const std::string& name, Type type, const Dims& dims) {
    protozero::pbf_writer(graph_).add_message(12, value_info(name, type, dims));
  }

  // Adds a constant; returns its name.
  template <class Value>
  std::string constant(const std::string& name, Type type, const Dims& dims, std::span<const Value> values) {
    require(sizeof(Value) == bytes_of(type) && std::ssize(values) == elements_of(dims), "constant '", name,
            "': ", values.size(), " values do not fill ", to_string(dims));
    const std::string made = unique(name);
    std::string tensor;
    protozero::pbf_writer out(tensor);
    out.add_packed_int64(1, dims.begin(), dims.end());
    out.add_int32(2, static_cast<std::int32_t>(type));
    out.add_string(8, made);
    out.add_bytes(9, reinterpret_cast<const char*>(values.data()), values.size_bytes());
    protozero::pbf_writer(graph_).add_message(5, tensor);
    return made;
  }
  std::string integers(const std::string& name, const Dims& values) {
    return constant<std::int64_t>(name, Type::i64, {std::ssize(values)}, values);
  }
  std::string scalar(const std::string& name, float value) {
    return constant<float>(name, Type::f32, {}, std::span<const float>(&value, 1));
  }

  // Adds a node with one output; returns the output, whose name is made of `output`.
  std::string node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
                   const Attributes& attributes = {}) {
    const std::string made = unique(output);
    named_node(op, inputs, made, attributes);
    return made;
  }
  // The same; the name is taken as it is (from unique(), or that of a declared output).
  void named_node(std::string_view op, const std::vector<std::string>& inputs, const std::string& output,
                  const Attributes& attributes = {}) {
    std::string text;
    protozero::pbf_writer out(text);
    for (const std::string& name : inputs) out.add_string(1, name);
    out.add_string(2, output);
    out.add_string(3, output + "/" + std::string(op));
    out.add_bytes(4, op.data(), op.size());
    for (const auto& [name, value] : attributes) out.add_message(5, attribute(name, value));
    protozero::pbf_writer(graph_).add_message(1, text);
  }

  void metadata(const std::string& key, const std::string& value) {
    std::string text;
    protozero::pbf_writer(text).add_string(1, key);
    protozero::pbf_writer(text).add_string(2, value);
    metadata_.push_back(std::move(text));
  }

  // The whole file.
  [[nodiscard]] std::string file(const std::string& producer_version) const {
    std::string opset, text;
    protozero::pbf_writer(opset).add_string(1, "");
    protozero::pbf_writer(opset).add_int64(2, 13);
    require(graph_.size() < (std::size_t{1} << 31) - (1U << 20), "the model has ", graph_.size(),
            " bytes, more than a protocol buffer message may have");
    protozero::pbf_writer out(text);
    out.add_int64(1, 7);  // the first version of the format with operator set 13
    out.add_string(2, "octavo");
    out.add_string(3, producer_version);
    out.add_message(7, graph_);
    out.add_message(8, opset);
    for (const std::string& entry : metadata_) out.add_message(14, entry);
    return text;
  }

 private:
  static std::string value_info(const std::string& name, Type type, const Dims& dims) {
    std::string shape, tensor_type, any_type, text;
    for (const std::int64_t extent : dims) {
      std::string dimension;
      if (extent >= 0)
        protozero::pbf_writer(dimension).add_int64(1, extent);
      else
        protozero::pbf_writer(dimension).add_string(2, "N");
      protozero::pbf_writer(shape).add_message(1, dimension);
    }
    protozero::pbf_writer(tensor_type).add_int32(1, static_cast<std::int32_t>(type));
    protozero::pbf_writer(tensor_type).add_message(2, shape);
    protozero::pbf_writer(any_type).add_message(1, tensor_type);
    protozero::pbf_writer(text).add_string(1, name);
    protozero::pbf_writer(text).add_message(2, any_type);
    return text;
  }

  static std::string attribute(std::string_view name, const AttributeValue& value) {
    enum { kFloat = 1, kInt = 2, kString = 3, kInts = 7 };  // AttributeProto.AttributeType
    std::string text;
    protozero::pbf_writer out(text);
    out.add_bytes(1, name.data(), name.size());
    if (const auto* i = std::get_if<std::int64_t>(&value)) {
      out.add_int64(3, *i);
      out.add_enum(20, kInt);
    } else if (const auto* f = std::get_if<float>(&value)) {
      out.add_float(2, *f);
      out.add_enum(20, kFloat);
    } else if (const auto* s = std::get_if<std::string_view>(&value)) {
      out.add_bytes(4, s->data(), s->size());
      out.add_enum(20, kString);
    } else {
      for (const std::int64_t extent : std::get<Dims>(value)) out.add_int64(8, extent);
      out.add_enum(20, kInts);
    }
    return text;
  }

  std::string graph_;
  std::vector<std::string> metadata_;
  std::set<std::string> names_;
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_WRITER_HPP_
