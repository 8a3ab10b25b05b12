// octavo/compress/program_writer.hpp: puts a runtime::Program together, tensor by tensor.
#ifndef OCTAVO_COMPRESS_PROGRAM_WRITER_HPP_
#define OCTAVO_COMPRESS_PROGRAM_WRITER_HPP_

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../nn/graph.hpp"
#include "../runtime/program_info.hpp"
#include "fold.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// Holds the program being written and which of its tensors stands for each node's value.
class ProgramWriter {
 public:
  explicit ProgramWriter(const nn::Graph& graph) : graph_(graph) { program.name = graph.name(); }

  runtime::Program program;

  [[nodiscard]] const nn::Graph& graph() const noexcept { return graph_; }

  // A tensor that an operator or the caller fills. Its extent 0 is the batch.
  int activation(std::string name, runtime::DType dtype, const Shape& shape, runtime::Quantization quantization = {}) {
    program.tensors.push_back({std::move(name), dtype, shape, std::move(quantization), {}});
    return static_cast<int>(program.tensors.size()) - 1;
  }

  // Weights or biases, copied.
  template <class Value>
  int constant(std::string name, const Shape& shape, std::span<const Value> data,
               runtime::Quantization quantization = {}) {
    constexpr runtime::DType dtype = std::is_same_v<Value, float>         ? runtime::DType::f32
                                     : std::is_same_v<Value, std::int8_t> ? runtime::DType::i8
                                                                          : runtime::DType::i32;
    static_assert(dtype != runtime::DType::i32 || std::is_same_v<Value, std::int32_t>);
    require(static_cast<std::int64_t>(data.size()) == shape.size(), "tensor '", name, "': ", data.size(),
            " values do not fill ", shape.to_string());
    const int id = activation(std::move(name), dtype, shape, std::move(quantization));
    runtime::ConstantBytes& bytes = program.tensors.back().data;
    bytes.resize(data.size_bytes());
    std::memcpy(bytes.data(), data.data(), data.size_bytes());
    return id;
  }

  // Weights in codes: two a byte where their grid has 4 bits or fewer.
  int weights(std::string name, const Shape& shape, std::span<const std::int8_t> codes,
              runtime::Quantization quantization) {
    const bool nibbles = !quantization.empty() && quantization.bits <= 4;
    const int id = constant<std::int8_t>(std::move(name), shape, codes, std::move(quantization));
    if (!nibbles) return id;
    runtime::TensorInfo& tensor = program.tensors.back();
    tensor.dtype = runtime::DType::i4;
    tensor.data = runtime::packed_nibbles(codes, shape);
    return id;
  }

  // The tensor that stands for the value of node `id`.
  [[nodiscard]] int value(int id) const {
    const auto found = values_.find(id);
    require(found != values_.end(), "layer '", graph_.node(id).name, "': its value is read before it is computed");
    return found->second;
  }
  void set_value(int id, int tensor) { values_[id] = tensor; }
  [[nodiscard]] const runtime::TensorInfo& tensor(int id) const {
    return program.tensors[static_cast<std::size_t>(id)];
  }

  void push(runtime::Op op, std::vector<int> inputs, int output) {
    op.inputs = std::move(inputs);
    op.outputs = {output};
    program.ops.push_back(std::move(op));
  }
  void push(runtime::OpKind kind, std::string name, int input, int output) {
    runtime::Op op;
    op.kind = kind;
    op.name = std::move(name);
    push(std::move(op), {input}, output);
  }

  // The program, with its input and its output: what stands for the graph's last node.
  [[nodiscard]] runtime::Program finish(int input) {
    program.inputs = {input};
    program.outputs = {value(graph_.output())};
    return std::move(program);
  }

 private:
  const nn::Graph& graph_;
  std::map<int, int> values_;
};

// A layer whose output is, in a float program, its input: dropout, and the grid of the input.
[[nodiscard]] inline bool passes_through(const nn::Graph& graph, const FoldedOp& op) {
  const nn::Layer& layer = *graph.node(op.node).layer;
  return nn::layer_as<nn::Dropout>(layer) != nullptr || nn::layer_as<nn::QuantizeLayer>(layer) != nullptr;
}

// The tensors that stand for nodes.
[[nodiscard]] inline std::vector<int> values_of(const ProgramWriter& writer, const std::vector<int>& nodes) {
  std::vector<int> tensors;
  for (const int node : nodes) tensors.push_back(writer.value(node));
  return tensors;
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_COMPRESS_PROGRAM_WRITER_HPP_
