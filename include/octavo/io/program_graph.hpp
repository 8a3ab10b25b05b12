// octavo/io/program_graph.hpp: a float program as a graph of layers, to be fine-tuned and quantized.
#ifndef OCTAVO_IO_PROGRAM_GRAPH_HPP_
#define OCTAVO_IO_PROGRAM_GRAPH_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../nn/graph.hpp"
#include "../nn/layers/activations.hpp"
#include "../nn/layers/add.hpp"
#include "../nn/layers/conv2d.hpp"
#include "../nn/layers/dense.hpp"
#include "../nn/layers/depthwise_conv2d.hpp"
#include "../nn/layers/merging.hpp"
#include "../nn/layers/permute.hpp"
#include "../nn/layers/pooling.hpp"
#include "../nn/layers/resize.hpp"
#include "../nn/layers/shaping.hpp"
#include "../nn/layers/smooth_activations.hpp"
#include "../runtime/step.hpp"
#include "tflite.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

namespace detail {

// Adds a node for each operator, and one for its activation. Node names are the operators'.
template <class Lazy = void>
class GraphOfProgram {
 public:
  explicit GraphOfProgram(const runtime::Program& program) : p_(program), graph_(program.name) {}

  [[nodiscard]] nn::Graph run() {
    require(p_.inputs.size() == 1 && p_.outputs.size() == 1, "a graph has one input and one output; the program has ",
            p_.inputs.size(), " and ", p_.outputs.size());
    const runtime::TensorInfo& in = tensor_at(p_, p_.inputs[0]);
    require(in.dtype == runtime::DType::f32, "the input '", in.name, "' is ", name_of(in.dtype),
            "; only float programs become graphs");
    nodes_[p_.inputs[0]] = graph_.input(in.name, Shape(in.shape.begin() + 1, in.shape.end()));
    for (const runtime::Op& op : p_.ops) {
      try {
        add(op);
      } catch (const Error& error) {
        fail(name_of(op.kind), " '", op.name, "': ", error.what());
      }
    }
    require(nodes_.at(p_.outputs[0]) == graph_.output(), "the output '", tensor_at(p_, p_.outputs[0]).name,
            "' is not the last operator's");
    return std::move(graph_);
  }

 private:
  using Op = runtime::Op;
  using OpKind = runtime::OpKind;

  [[nodiscard]] int input(const Op& op, std::size_t i = 0) const {
    const auto found = nodes_.find(op.inputs.at(i));
    require(found != nodes_.end(), "its input '", input_of(p_, op, i).name, "' is a constant, which no layer takes");
    return found->second;
  }

  template <class LayerType>
  int put(const Op& op, LayerType layer, std::vector<int> inputs) {
    return graph_.add(op.name, std::move(layer), std::move(inputs));
  }

  void add(const Op& op) {
    int node = layer(op);
    const Shape& out = output_of(p_, op).shape;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (op.kind != OpKind::clamp && (op.clamp_low != -infinity || op.clamp_high != infinity))
      node = clamp(op.name + "_activation", op, node);
    if (!(graph_.node(node).shape == out))
      node = graph_.add(op.name + "_shape", nn::Reshape(Shape(out.begin() + 1, out.end())), {node});
    nodes_[op.outputs[0]] = node;
  }

  int clamp(const std::string& name, const Op& op, int from) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (op.clamp_low == 0.0F && op.clamp_high == infinity) return graph_.add(name, nn::ReLU(), {from});
    if (op.clamp_low == 0.0F && op.clamp_high == 6.0F) return graph_.add(name, nn::ReLU6(), {from});
    return graph_.add(name, nn::Clip({op.clamp_low, op.clamp_high}), {from});
  }

  int layer(const Op& op) {
    switch (op.kind) {
      case OpKind::conv2d:
        return weighted(op, nn::Conv2D({.filters = output_of(p_, op).shape[3],
                                        .kernel = {op.window.kernel_h, op.window.kernel_w},
                                        .strides = {op.window.stride_h, op.window.stride_w},
                                        .padding = padding(op),
                                        .dilation = {op.window.dilation_h, op.window.dilation_w},
                                        .groups = op.groups,
                                        .use_bias = op.inputs[2] >= 0}));
      case OpKind::depthwise_conv2d:
        return weighted(op,
                        nn::DepthwiseConv2D({.kernel = {op.window.kernel_h, op.window.kernel_w},
                                             .strides = {op.window.stride_h, op.window.stride_w},
                                             .padding = padding(op),
                                             .dilation = {op.window.dilation_h, op.window.dilation_w},
                                             .multiplier = output_of(p_, op).shape[3] / input_of(p_, op, 0).shape[3],
                                             .use_bias = op.inputs[2] >= 0}));
      case OpKind::dense:
        return weighted(op, nn::Dense({.units = output_of(p_, op).shape.back(), .use_bias = op.inputs[2] >= 0}));
      case OpKind::average_pool2d:
        return put(op, nn::AveragePooling2D(pool(op)), {input(op)});
      case OpKind::max_pool2d:
        return put(op, nn::MaxPooling2D(pool(op)), {input(op)});
      case OpKind::global_average_pool:
        return put(op, nn::GlobalAveragePooling2D(), {input(op)});
      case OpKind::add:
        return has_constant(op) ? affine(op) : put(op, nn::Add(), {input(op, 0), input(op, 1)});
      case OpKind::mul:
        return has_constant(op) ? affine(op) : product(op);
      case OpKind::sub:
        require(has_constant(op), "there is no layer for the difference of two computed values");
        return affine(op);
      case OpKind::concat: {
        std::vector<int> inputs;
        for (std::size_t i = 0; i < op.inputs.size(); ++i) inputs.push_back(input(op, i));
        return put(op, nn::Concatenate(op.axis), std::move(inputs));
      }
      case OpKind::pad:
        return put(op, nn::ZeroPadding2D({op.pad_top, op.pad_bottom, op.pad_left, op.pad_right}), {input(op)});
      case OpKind::reshape: {
        const Shape& out = output_of(p_, op).shape;
        return put(op, nn::Reshape(Shape(out.begin() + 1, out.end())), {input(op)});
      }
      case OpKind::resize_nearest:
      case OpKind::resize_bilinear:
        return put(op,
                   nn::Resize2D({output_of(p_, op).shape[1], output_of(p_, op).shape[2],
                                 op.kind == OpKind::resize_bilinear, op.align_corners, op.half_pixel_centers}),
                   {input(op)});
      case OpKind::transpose:
        return put(op, nn::Permute(op.axes), {input(op)});
      case OpKind::clamp:
        return clamp(op.name, op, input(op));
      case OpKind::softmax:
        require(op.beta == 1.0F, "beta is ", op.beta, ", layers have 1");
        return put(op, nn::Softmax(), {input(op)});
      case OpKind::logistic:
        return put(op, nn::Sigmoid(), {input(op)});
      case OpKind::hard_swish:
        return put(op, nn::HardSwish(), {input(op)});
      default:
        fail("there is no layer for it");
    }
  }

  [[nodiscard]] bool has_constant(const Op& op) const {
    return input_of(p_, op, 0).constant() || input_of(p_, op, 1).constant();
  }
  // The factor a channel is the second one.
  int product(const Op& op) {
    const bool turned = input_of(p_, op, 0).shape.size() < input_of(p_, op, 1).shape.size();
    return put(op, nn::Multiply(), {input(op, turned ? 1 : 0), input(op, turned ? 0 : 1)});
  }
  // A sum, difference or product with one number, or one a channel: a depthwise 1x1 convolution that does not learn.
  int affine(const Op& op) {
    const std::size_t other = input_of(p_, op, 0).constant() ? 0 : 1;
    const Shape in = input_of(p_, op, 1 - other).shape;
    const std::span<const float> numbers = runtime::constant_values<float>(input_of(p_, op, other));
    const auto channels = static_cast<std::size_t>(in.back());
    const Shape& shape = input_of(p_, op, other).shape;
    require(output_of(p_, op).shape == in &&
                (numbers.size() == 1 || (numbers.size() == channels && shape.back() == in.back())),
            "the constant '", input_of(p_, op, other).name, "', ", shape.to_string(),
            ", is neither one number nor one a channel");
    int from = input(op, 1 - other);
    if (in.rank() != 4)
      from = graph_.add(op.name + "_pixels", nn::Reshape({in.size() / in.back(), 1, in.back()}), {from});
    const int node = put(op, nn::DepthwiseConv2D({.kernel = {1, 1}}), {from});
    auto& made = graph_.layer<nn::DepthwiseConv2D>(op.name);
    for (std::size_t c = 0; c < channels; ++c) {
      const float number = numbers[numbers.size() == 1 ? 0 : c];
      const bool product = op.kind == OpKind::mul;
      made.kernel().value.data()[c] = product ? number : op.kind == OpKind::sub && other == 0 ? -1.0F : 1.0F;
      made.bias()->value.data()[c] = product ? 0.0F : op.kind == OpKind::sub && other == 1 ? -number : number;
    }
    graph_.node(node).frozen = true;
    return node;
  }

  // Rows and columns below and to the right follow from the output's size.
  [[nodiscard]] nn::Padding padding(const Op& op) const {
    const Window& w = op.window;
    const Shape& in = input_of(p_, op, 0).shape;
    const Shape& out = output_of(p_, op).shape;
    const auto same = [](std::int64_t i, std::int64_t o, std::int64_t k, std::int64_t s, std::int64_t d,
                         std::int64_t pad) {
      const runtime::SamePadding rule = runtime::same_padding(i, k, s, d);
      return rule.out == o && rule.before == pad;
    };
    if ((w.pad_top > 0 || w.pad_left > 0) && same(in[1], out[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top) &&
        same(in[2], out[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left))
      return nn::Padding::same();
    const auto behind = [](std::int64_t i, std::int64_t o, std::int64_t k, std::int64_t s, std::int64_t d,
                           std::int64_t pad) {
      return std::max<std::int64_t>((o - 1) * s + (k - 1) * d + 1 - pad - i, 0);
    };
    return nn::Margins{w.pad_top, behind(in[1], out[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top), w.pad_left,
                       behind(in[2], out[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left)};
  }
  [[nodiscard]] nn::PoolOptions pool(const Op& op) const {
    return {.size = {op.window.kernel_h, op.window.kernel_w},
            .strides = {op.window.stride_h, op.window.stride_w},
            .padding = padding(op)};
  }

  template <class LayerType>
  int weighted(const Op& op, LayerType layer) {
    require(input_of(p_, op, 1).dtype == runtime::DType::f32, "its weights are ", name_of(input_of(p_, op, 1).dtype),
            "; layers have float32 weights");
    const int from = input(op);
    const int node = put(op, std::move(layer), {from});
    auto& made = graph_.layer<LayerType>(op.name);
    const auto copy = [&](const runtime::TensorInfo& values, Tensor& to) {
      const std::span<const float> real = runtime::constant_values<float>(values);
      require(real.size() == to.size(), "'", values.name, "' has ", real.size(), " values for ", to.size());
      std::copy(real.begin(), real.end(), to.data());
    };
    copy(input_of(p_, op, 1), made.kernel().value);
    if (op.inputs[2] >= 0) copy(input_of(p_, op, 2), made.bias()->value);
    return node;
  }

  const runtime::Program& p_;
  nn::Graph graph_;
  std::map<int, int> nodes_;  // tensor to node
};

}  // namespace detail

// The graph that computes what a float program does: trainable kernels and biases, each operator a layer of its name,
// fused activations as layers of their own ("..._activation"). Throws Error naming an operator that has no layer
// (MEAN over other axes than rows and columns, constants with more than one number a channel), or that computes with
// integers.
template <class Lazy = void>
[[nodiscard]] nn::Graph to_graph(const runtime::Program& program) {
  try {
    return detail::GraphOfProgram<Lazy>(program).run();
  } catch (const Error& error) {
    fail("'", program.name, "' as a graph: ", error.what());
  }
}

// The same for a float .tflite file.
template <class Lazy = void>
[[nodiscard]] nn::Graph load_tflite_graph(const std::string& path) {
  return to_graph(load_tflite_program(path));
}

}  // namespace io

using io::load_tflite_graph;
using io::to_graph;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::nn::Graph octavo::io::to_graph<void>(const octavo::runtime::Program&));

#endif  // OCTAVO_IO_PROGRAM_GRAPH_HPP_
