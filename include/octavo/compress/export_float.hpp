// octavo/compress/export_float.hpp: a float graph as a float program, and as one with int8 weights (dynamic range).
#ifndef OCTAVO_COMPRESS_EXPORT_FLOAT_HPP_
#define OCTAVO_COMPRESS_EXPORT_FLOAT_HPP_

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../quant/params.hpp"
#include "../quant/quantize.hpp"
#include "program_writer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// The graph in inference mode, batch norm folded, activations and padding fused, all float32. A quantization-aware
// graph is exported as the float network inside it.
template <class Lazy = void>
[[nodiscard]] runtime::Program export_float(const nn::Graph& graph);

struct DynamicRangeOptions {
  bool per_channel = true;               // false: one scale a kernel, as converters did in 2020 (shows the collapse)
  std::int64_t minimum_elements = 1024;  // smaller kernels stay float (TFLite's rule)
};

// Post-training dynamic range quantization: kernels int8, symmetric in [-127, 127], biases and activations float32. At
// run time each input is quantized to 8 bits image by image, as in TFLite's hybrid kernels (which kernels, and from how
// many elements: its converter's quantize_weights.cc).
template <class Lazy = void>
[[nodiscard]] runtime::Program dynamic_range(const nn::Graph& graph, const DynamicRangeOptions& options = {});

// The program's view of quantization parameters.
[[nodiscard]] inline runtime::Quantization to_quantization(const QuantParams& params, std::size_t rank) {
  const int axis = params.axis == kLastAxis ? static_cast<int>(rank) - 1 : params.axis;
  return {params.scale, params.zero_point, axis, params.bits, params.qmin, params.qmax};
}

namespace detail {

// Writes the kernel of an operator as a constant and returns its tensor.
using KernelWriter = std::function<int(ProgramWriter&, const FoldedOp&, std::span<const float>)>;

inline int write_float_kernel(ProgramWriter& writer, const FoldedOp& folded, std::span<const float> kernel) {
  return writer.constant<float>(folded.op.name + "/kernel", folded.weights_shape, kernel);
}

// clamp(x + offset / alpha, 0, 1 / alpha), the first operator of a hard sigmoid.
[[nodiscard]] inline runtime::Op hard_sigmoid_sum(const FoldedOp& folded) {
  runtime::Op sum;
  sum.kind = runtime::OpKind::add;
  sum.name = folded.op.name + "/shifted";
  sum.clamp_low = 0.0F, sum.clamp_high = 1.0F / folded.alpha;
  return sum;
}

inline void emit_float(ProgramWriter& writer, const FoldedOp& folded, const KernelWriter& write_kernel) {
  const nn::Graph& graph = writer.graph();
  if (passes_through(graph, folded)) return writer.set_value(folded.output, writer.value(folded.reads[0]));
  std::vector<int> inputs = values_of(writer, folded.reads);
  if (folded.weighted()) {
    inputs.push_back(write_kernel(writer, folded, folded_kernel(graph, folded)));
    inputs.push_back(
        writer.constant<float>(folded.op.name + "/bias", {static_cast<std::int64_t>(folded.bias.size())}, folded.bias));
  }
  const nn::Node& output = graph.node(folded.output);
  if (folded.hard_sigmoid()) {
    const std::string& name = folded.op.name;
    const int shifted = writer.activation(name + "/shifted", runtime::DType::f32, output.shape);
    const int result = writer.activation(output.name, runtime::DType::f32, output.shape);
    const float offset = folded.offset / folded.alpha;
    const int addend = writer.constant<float>(name + "/offset", Shape{1}, {&offset, 1});
    const int factor = writer.constant<float>(name + "/alpha", Shape{1}, {&folded.alpha, 1});
    writer.push(hard_sigmoid_sum(folded), {inputs[0], addend}, shifted);
    writer.push(folded.op, {shifted, factor}, result);
    return writer.set_value(folded.output, result);
  }
  int result =
      writer.activation(folded.softmax ? output.name + "/logits" : output.name, runtime::DType::f32, output.shape);
  writer.push(folded.op, std::move(inputs), result);
  if (folded.softmax) {
    const int probabilities = writer.activation(output.name, runtime::DType::f32, output.shape);
    writer.push(runtime::OpKind::softmax, output.name + "/softmax", result, probabilities);
    result = probabilities;
  }
  writer.set_value(folded.output, result);
}

inline runtime::Program write_float_program(const nn::Graph& graph, const KernelWriter& write_kernel) {
  ProgramWriter writer(graph);
  const int input = writer.activation(graph.node(0).name, runtime::DType::f32, graph.input_shape());
  writer.set_value(0, input);
  for (const FoldedOp& folded : fold(graph)) emit_float(writer, folded, write_kernel);
  return writer.finish(input);
}

}  // namespace detail

template <class Lazy>
runtime::Program export_float(const nn::Graph& graph) {
  return detail::write_float_program(graph, detail::write_float_kernel);
}

template <class Lazy>
runtime::Program dynamic_range(const nn::Graph& graph, const DynamicRangeOptions& options) {
  const auto write_kernel = [&](ProgramWriter& writer, const FoldedOp& folded, std::span<const float> kernel) {
    if (static_cast<std::int64_t>(kernel.size()) < options.minimum_elements)
      return detail::write_float_kernel(writer, folded, kernel);
    const bool depthwise = folded.op.kind == runtime::OpKind::depthwise_conv2d;
    TensorScheme scheme{.bits = 8, .symmetric = true, .narrow = true, .axis = kPerTensor};
    if (options.per_channel) scheme.axis = depthwise ? kLastAxis : 0;
    const std::string name = folded.op.name + "/kernel";
    const QuantParams params = params_from_values(kernel, folded.weights_shape, scheme, name);
    std::vector<std::int8_t> codes(kernel.size());
    quantize(kernel, folded.weights_shape, params, Ties::away, codes, name);
    return writer.constant<std::int8_t>(name, folded.weights_shape, codes,
                                        to_quantization(params, folded.weights_shape.rank()));
  };
  return detail::write_float_program(graph, write_kernel);
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::runtime::Program octavo::compress::export_float<void>(const octavo::nn::Graph&));
OCTAVO_ENTRY(octavo::runtime::Program octavo::compress::dynamic_range<void>(
    const octavo::nn::Graph&, const octavo::compress::DynamicRangeOptions&));

#endif  // OCTAVO_COMPRESS_EXPORT_FLOAT_HPP_
