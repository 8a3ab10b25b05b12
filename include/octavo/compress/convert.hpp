// octavo/compress/convert.hpp: a quantization-aware graph as an int8 program.
#ifndef OCTAVO_COMPRESS_CONVERT_HPP_
#define OCTAVO_COMPRESS_CONVERT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../quant/bias.hpp"
#include "export_float.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

struct ConvertOptions {
  std::optional<Rounding> rounding = {};  // default: that of the scheme with which the graph was quantized
  std::vector<std::string> labels = {};
  // Softmax of the logits in float32 (the default: 8 bits cannot tell probabilities below 1/256 apart), or as an int8
  // operator with scale 1/256 and zero point -128, for engines that have integers only.
  bool int8_softmax = false;
};

// The int8 model of a graph from quantize_model() (trained) or calibrate(): batch norm folded, activations and padding
// fused, weights and biases in integers (weights of 4 bits or fewer two a byte); float32 input and output, quantized
// and dequantized by operators at the border. Kernel codes are those that fake-quantization gave in the last pass. A
// graph without activation grids (Scheme::weights_only) becomes a dynamic-range program. Throws Error with the layer's
// name when a grid is missing or an accumulator could leave 32 bits.
template <class Lazy = void>
[[nodiscard]] runtime::Program convert(const nn::Graph& graph, const ConvertOptions& options = {});

// A kernel as stored: codes, their grids, and the bias that goes with them.
struct QuantizedKernel {
  std::vector<std::int8_t> codes;
  QuantParams params;
  std::vector<float> bias;  // folded, real values
  Ties ties = Ties::even;   // how the codes were rounded
};

// The integer kernel of a weighted operator. With simulated folding the codes are those of s[c] * kernel. Without, the
// codes are those of the kernel, and scale[c] is multiplied by |gain[c]|, the codes' sign flipped where gain[c] < 0:
// what a converter makes of a graph that TensorFlow Model Optimization trained. The lowest code of a full (not narrow)
// range has no opposite; there it becomes the highest one.
[[nodiscard]] inline QuantizedKernel quantize_kernel(const nn::Graph& graph, const FoldedOp& folded);

namespace detail {

// |accumulator| <= |bias| + sum over the taps of |code| * 255 must fit int32, for each output channel.
inline void require_no_overflow(const FoldedOp& folded, const std::vector<std::int8_t>& codes,
                                const std::vector<std::int32_t>& bias) {
  const std::size_t channels = folded.gain.size(), inner = codes.size() / channels;
  const bool last = folded.op.kind == runtime::OpKind::depthwise_conv2d;
  std::vector<std::int64_t> bound(channels);
  for (std::size_t i = 0; i < codes.size(); ++i)
    bound[last ? i % channels : i / inner] += std::abs(int{codes[i]}) * 255;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::int64_t worst = bound[c] + std::abs(std::int64_t{bias[c]});
    require(worst <= std::numeric_limits<std::int32_t>::max(), "layer '", folded.op.name,
            "': the accumulator of channel ", c, " could reach ", worst, ", more than 32 bits hold");
  }
}

class Converter {
 public:
  Converter(const nn::Graph& graph, const ConvertOptions& options) : writer_(graph), options_(options) {
    writer_.program.rounding = options.rounding.value_or(graph.rounding());
  }

  runtime::Program run() {
    const nn::Graph& graph = writer_.graph();
    writer_.program.labels = options_.labels;
    const int input = writer_.activation(graph.node(0).name, runtime::DType::f32, graph.input_shape());
    writer_.set_value(0, input);
    for (const FoldedOp& folded : fold(graph)) emit(folded);
    const int last = graph.output();
    if (writer_.tensor(writer_.value(last)).dtype == runtime::DType::i8)
      writer_.set_value(last, dequantized(writer_.value(last), graph.node(last).name + "/real"));
    return writer_.finish(input);
  }

 private:
  using OpKind = runtime::OpKind;

  void emit(const FoldedOp& folded) {
    const nn::Node& output = writer_.graph().node(folded.output);
    if (folded.op.kind == OpKind::softmax) return emit_softmax(writer_.value(folded.reads[0]), folded.output);
    if (passes_through(writer_.graph(), folded) && folded.op.kind != OpKind::quantize)
      return writer_.set_value(folded.output, writer_.value(folded.reads[0]));
    std::vector<int> inputs = values_of(writer_, folded.reads);
    if (folded.op.kind != OpKind::quantize)
      for (const int input : inputs)
        require(writer_.tensor(input).dtype == runtime::DType::i8, "layer '", folded.op.name, "': its input '",
                writer_.tensor(input).name, "' is not on a grid");
    if (folded.hard_sigmoid()) return emit_hard_sigmoid(folded, inputs[0]);
    if (folded.weighted()) push_weights(folded, inputs);
    const runtime::Quantization grid = output_grid(folded, inputs[0]);
    const int result = writer_.activation(folded.softmax ? output.name + "/logits" : output.name, runtime::DType::i8,
                                          output.shape, grid);
    runtime::Op op = folded.op;
    op.in_double = op.kind == OpKind::dense && writer_.program.rounding == Rounding::tflite_double;
    writer_.push(std::move(op), std::move(inputs), result);
    if (folded.softmax)
      emit_softmax(result, folded.output);
    else
      writer_.set_value(folded.output, result);
  }

  [[nodiscard]] runtime::Quantization output_grid(const FoldedOp& folded, int input) const {
    const nn::Node& output = writer_.graph().node(folded.output);
    if (folded.op.kind == OpKind::logistic) {  // the operator's own grid, [0, 1)
      runtime::Quantization grid;
      grid.scale = {1.0F / 256.0F}, grid.zero_point = {-128};
      return grid;
    }
    if (const FakeQuantizer* quantizer = output.layer->output_quantizer()) {
      require(quantizer->enabled(), "layer '", output.name, "': its grid is switched off");
      return to_quantization(quantizer->params(), 1);
    }
    const bool keeps_grid = folded.op.kind == OpKind::reshape || folded.op.kind == OpKind::pad ||
                            folded.op.kind == OpKind::transpose || folded.op.kind == OpKind::max_pool2d ||
                            folded.op.kind == OpKind::average_pool2d || runtime::is_resize(folded.op.kind);
    require(keeps_grid, "layer '", output.name, "': its output has no grid; calibrate the graph or train it");
    return writer_.tensor(input).quantization;
  }

  void push_weights(const FoldedOp& folded, std::vector<int>& inputs) {
    QuantizedKernel kernel = quantize_kernel(writer_.graph(), folded);
    const float input_scale = writer_.tensor(inputs[0]).quantization.scale[0];
    const std::string& name = folded.op.name;
    if (widen_weight_scales(kernel.bias, input_scale, kernel.params.scale, name) > 0)
      quantize(folded_kernel(writer_.graph(), folded), folded.weights_shape, kernel.params, kernel.ties, kernel.codes,
               name);
    const std::vector<std::int32_t> bias = quantize_biases(kernel.bias, input_scale, kernel.params.scale, name);
    require_no_overflow(folded, kernel.codes, bias);
    runtime::Quantization weights_grid = to_quantization(kernel.params, folded.weights_shape.rank());
    runtime::Quantization bias_grid;
    for (const float scale : weights_grid.scale) bias_grid.scale.push_back(input_scale * scale);
    bias_grid.zero_point.assign(bias_grid.scale.size(), 0);
    bias_grid.axis = weights_grid.axis < 0 ? -1 : 0;
    bias_grid.bits = 32;
    bias_grid.qmin = std::numeric_limits<std::int32_t>::min();
    bias_grid.qmax = std::numeric_limits<std::int32_t>::max();
    inputs.push_back(writer_.weights(name + "/kernel", folded.weights_shape, kernel.codes, weights_grid));
    inputs.push_back(
        writer_.constant<std::int32_t>(name + "/bias", {static_cast<std::int64_t>(bias.size())}, bias, bias_grid));
  }

  int dequantized(int tensor, const std::string& name) {
    const int real = writer_.activation(name, runtime::DType::f32, writer_.tensor(tensor).shape);
    writer_.push(OpKind::dequantize, name, tensor, real);
    return real;
  }

  // The sum stands on the result's grid stretched by 1 / alpha, so the product leaves its codes as they are: the value
  // is rounded once.
  void emit_hard_sigmoid(const FoldedOp& folded, int input) {
    const nn::Node& output = writer_.graph().node(folded.output);
    const runtime::Quantization grid = output_grid(folded, input);
    runtime::Quantization stretched = grid;
    stretched.scale[0] = grid.scale[0] / folded.alpha;
    const int sum =
        writer_.activation(folded.op.name + "/shifted", runtime::DType::i8, output.shape, std::move(stretched));
    const int result = writer_.activation(output.name, runtime::DType::i8, output.shape, grid);
    const int addend = number(folded.op.name + "/offset", folded.offset / folded.alpha);
    writer_.push(hard_sigmoid_sum(folded), {input, addend}, sum);
    writer_.push(folded.op, {sum, number(folded.op.name + "/alpha", folded.alpha)}, result);
    writer_.set_value(folded.output, result);
  }
  // One real number as a code of +-127.
  int number(const std::string& name, float value) {
    runtime::Quantization grid;
    const float size = std::abs(value) / 127.0F;
    grid.scale = {std::isnormal(size) ? size : 1.0F}, grid.zero_point = {0};
    const auto code = static_cast<std::int8_t>(!std::isnormal(size) ? 0 : value < 0.0F ? -127 : 127);
    return writer_.constant<std::int8_t>(name, Shape{1}, {&code, 1}, std::move(grid));
  }

  void emit_softmax(int logits, int node) {
    const nn::Node& output = writer_.graph().node(node);
    int result = 0;
    if (options_.int8_softmax) {
      runtime::Quantization grid;
      grid.scale = {1.0F / 256.0F}, grid.zero_point = {-128};
      result = writer_.activation(output.name, runtime::DType::i8, output.shape, grid);
      writer_.push(OpKind::softmax, output.name + "/softmax", logits, result);
    } else {
      const int real = dequantized(logits, output.name + "/real_logits");
      result = writer_.activation(output.name, runtime::DType::f32, output.shape);
      writer_.push(OpKind::softmax, output.name + "/softmax", real, result);
    }
    writer_.set_value(node, result);
  }

  ProgramWriter writer_;
  ConvertOptions options_;
};

inline int write_quantized_kernel(ProgramWriter& writer, const FoldedOp& folded, std::span<const float> /*kernel*/) {
  const QuantizedKernel kernel = quantize_kernel(writer.graph(), folded);
  return writer.weights(folded.op.name + "/kernel", folded.weights_shape, kernel.codes,
                        to_quantization(kernel.params, folded.weights_shape.rank()));
}

}  // namespace detail

inline QuantizedKernel quantize_kernel(const nn::Graph& graph, const FoldedOp& folded) {
  const nn::Node& node = graph.node(folded.node);
  const FakeQuantizer* own = node.layer->weight_quantizer();
  require(own != nullptr, "layer '", node.name, "': its kernel has no grid; call quantize_model or calibrate first");
  FakeQuantizer quantizer = *own;
  const bool simulated = node.folded_batch_norm >= 0;
  const Tensor& kernel = nn::layer_as<nn::WeightedLayer>(*node.layer)->kernel().value;
  const Shape shape = shape_of(kernel);
  std::vector<float> scaled(kernel.begin(), kernel.end());
  if (simulated) {
    auto& norm = *nn::layer_as<nn::BatchNorm>(*graph.node(node.folded_batch_norm).layer);
    const std::span<const float> scale = norm.folding_scale();
    const bool first = nn::layer_as<nn::WeightedLayer>(*node.layer)->channel_axis() == nn::ChannelAxis::first;
    for (std::size_t i = 0; i < scaled.size(); ++i)
      scaled[i] *= scale[first ? i / (scaled.size() / scale.size()) : i % scale.size()];
  }
  quantizer.observe(scaled, shape);
  QuantizedKernel result{std::vector<std::int8_t>(scaled.size()), quantizer.params(), folded.bias,
                         quantizer.settings().ties};
  quantizer.codes(scaled, result.codes, shape);
  const std::size_t channels = folded.gain.size();
  const bool unit_gain = std::all_of(folded.gain.begin(), folded.gain.end(), [](float g) { return g == 1.0F; });
  const bool last = folded.op.kind == runtime::OpKind::depthwise_conv2d;
  if (!simulated && !unit_gain) {
    if (!result.params.per_channel()) {  // one grid times a gain for each channel is a grid for each channel
      result.params.axis = last ? kLastAxis : 0;
      result.params.scale.assign(channels, result.params.scale[0]);
      result.params.zero_point.assign(channels, 0);
    }
    for (std::size_t c = 0; c < channels; ++c) {
      const float scale = result.params.scale[c] * std::abs(folded.gain[c]);
      if (std::isnormal(scale)) result.params.scale[c] = scale;
    }
    for (std::size_t i = 0; i < result.codes.size(); ++i) {
      const float gain = folded.gain[last ? i % channels : i / (result.codes.size() / channels)];
      if (gain < 0.0F) result.codes[i] = static_cast<std::int8_t>(std::min(-result.codes[i], result.params.qmax));
      if (!std::isnormal(gain)) result.codes[i] = 0;
    }
  }
  return result;
}

template <class Lazy>
runtime::Program convert(const nn::Graph& graph, const ConvertOptions& options) {
  require(graph.quantized(), "graph '", graph.name(),
          "' is not quantization-aware: call quantize_model or calibrate first");
  if (graph.find("quantize_layer") >= 0) return detail::Converter(graph, options).run();
  runtime::Program program = detail::write_float_program(graph, detail::write_quantized_kernel);
  program.rounding = options.rounding.value_or(graph.rounding());
  program.labels = options.labels;
  return program;
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::runtime::Program octavo::compress::convert<void>(const octavo::nn::Graph&,
                                                                      const octavo::compress::ConvertOptions&));

#endif  // OCTAVO_COMPRESS_CONVERT_HPP_
