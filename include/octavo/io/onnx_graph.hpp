// octavo/io/onnx_graph.hpp: the layers of an ONNX graph as an nn::Graph that can be trained and quantized.
#ifndef OCTAVO_IO_ONNX_GRAPH_HPP_
#define OCTAVO_IO_ONNX_GRAPH_HPP_

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "../nn/layers/activations.hpp"
#include "../nn/layers/add.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "../nn/layers/conv2d.hpp"
#include "../nn/layers/dense.hpp"
#include "../nn/layers/depthwise_conv2d.hpp"
#include "../nn/layers/merging.hpp"
#include "../nn/layers/permute.hpp"
#include "../nn/layers/pooling.hpp"
#include "../nn/layers/resize.hpp"
#include "../nn/layers/shaping.hpp"
#include "../nn/layers/smooth_activations.hpp"
#include "onnx_layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// A float graph of one input and one output. `limit` bounds the bytes of all parameters together. Throws Error for
// quantized graphs, and for several inputs or outputs.
template <class Lazy = void>
[[nodiscard]] nn::Graph make_graph(const Lowered& lowered, std::size_t limit);

namespace detail {

template <class Lazy = void>
class GraphWriter {
 public:
  GraphWriter(const Lowered& lowered, std::size_t limit)
      : lowered_(lowered), left_(limit), graph_(lowered.name.empty() ? "onnx" : lowered.name) {}

  nn::Graph run() {
    require(lowered_.constant_outputs.empty(), "the output is a constant");
    require(lowered_.outputs.size() == 1, "expected one output, found ", lowered_.outputs.size());
    for (std::size_t i = 0; i < lowered_.layers.size(); ++i) {
      const Layer& layer = lowered_.layers[i];
      require((layer.kind == LayerKind::input) == (i == 0), "expected one input that comes first");
      require(layer.type == Type::f32 && layer.kind != LayerKind::dequantize, "layer '", layer.name,
              "' is quantized: load this model as a runtime::Program");
      if (i == 0)
        graph_.input(layer.name, Shape(layer.shape.begin() + 1, layer.shape.end()));
      else
        add(layer);
      require(graph_.node(static_cast<int>(i)).shape == layer.shape, "layer '", layer.name, "': expected the shape ",
              layer.shape.to_string(), ", found ", graph_.node(static_cast<int>(i)).shape.to_string());
    }
    require(lowered_.layers.size() >= 2 && lowered_.outputs[0] == graph_.output(), "the graph computes nothing");
    return std::move(graph_);
  }

 private:
  static void copy(const std::vector<float>& from, nn::Parameter& to) {
    require(from.size() == to.value.size(), "expected ", to.value.size(), " values, found ", from.size());
    std::copy(from.begin(), from.end(), to.value.begin());
  }
  void spend(std::int64_t elements) {
    const auto bytes = static_cast<std::size_t>(elements) * sizeof(float);
    require(bytes <= left_, "the parameters of all layers take much more memory than the file");
    left_ -= bytes;
  }
  static nn::Padding padding_of(const Layer& l) { return nn::Margins{l.top, l.bottom, l.left, l.right}; }

  void add(const Layer& layer) {
    if (layer.weights) return add_weighted(layer);
    if (layer.kind == LayerKind::batch_norm) return add_batch_norm(layer);
    graph_.add(layer.name, plain(layer), layer.inputs);
  }

  void add_weighted(const Layer& layer) {
    spend(elements_of(layer.weights->extents));
    std::unique_ptr<nn::WeightedLayer> made;
    if (layer.kind == LayerKind::conv)
      made = std::make_unique<nn::Conv2D>(nn::Conv2DOptions{.filters = layer.weights->channels(),
                                                            .kernel = {layer.kernel_h, layer.kernel_w},
                                                            .strides = {layer.stride_h, layer.stride_w},
                                                            .padding = padding_of(layer),
                                                            .dilation = {layer.dilation_h, layer.dilation_w},
                                                            .groups = layer.groups,
                                                            .use_bias = layer.bias.has_value()});
    else if (layer.kind == LayerKind::depthwise)
      made = std::make_unique<nn::DepthwiseConv2D>(
          nn::DepthwiseConv2DOptions{.kernel = {layer.kernel_h, layer.kernel_w},
                                     .strides = {layer.stride_h, layer.stride_w},
                                     .padding = padding_of(layer),
                                     .dilation = {layer.dilation_h, layer.dilation_w},
                                     .multiplier = layer.weights->channels() / layer.groups,
                                     .use_bias = layer.bias.has_value()});
    else
      made = std::make_unique<nn::Dense>(
          nn::DenseOptions{.units = layer.weights->channels(), .use_bias = layer.bias.has_value()});
    nn::WeightedLayer& weighted = *made;
    const int id = graph_.add(layer.name, std::move(made), layer.inputs);
    copy(layer.weights->reals(), weighted.kernel());
    if (layer.bias) copy(layer.bias->reals(), *weighted.bias());
    graph_.node(id).frozen = layer.fixed;
  }

  void add_batch_norm(const Layer& layer) {
    spend(4 * static_cast<std::int64_t>(layer.gamma.size()));
    auto made =
        std::make_unique<nn::BatchNorm>(nn::BatchNormOptions{.momentum = layer.momentum, .epsilon = layer.epsilon});
    nn::BatchNorm& norm = *made;
    graph_.add(layer.name, std::move(made), layer.inputs);
    copy(layer.gamma, norm.gamma());
    copy(layer.beta, norm.beta());
    copy(layer.mean, norm.moving_mean());
    copy(layer.variance, norm.moving_variance());
  }

  [[nodiscard]] static std::unique_ptr<nn::Layer> plain(const Layer& layer) {
    const nn::PoolOptions pool{{layer.kernel_h, layer.kernel_w}, {layer.stride_h, layer.stride_w}, padding_of(layer)};
    switch (layer.kind) {
      case LayerKind::clamp:
        if (layer.low == 0.0F && layer.high == 6.0F) return std::make_unique<nn::ReLU6>();
        if (layer.low == 0.0F && std::isinf(layer.high)) return std::make_unique<nn::ReLU>();
        return std::make_unique<nn::Clip>(nn::ClampRange{layer.low, layer.high});
      case LayerKind::add:
        return std::make_unique<nn::Add>();
      case LayerKind::mul:
        return std::make_unique<nn::Multiply>();
      case LayerKind::concat:
        return std::make_unique<nn::Concatenate>(layer.axis);
      case LayerKind::average_pool:
        return std::make_unique<nn::AveragePooling2D>(pool);
      case LayerKind::max_pool:
        return std::make_unique<nn::MaxPooling2D>(pool);
      case LayerKind::global_average_pool:
        return std::make_unique<nn::GlobalAveragePooling2D>();
      case LayerKind::pad:
        return std::make_unique<nn::ZeroPadding2D>(nn::Margins{layer.top, layer.bottom, layer.left, layer.right});
      case LayerKind::reshape:
        return std::make_unique<nn::Reshape>(Shape(layer.shape.begin() + 1, layer.shape.end()));
      case LayerKind::resize_nearest:
      case LayerKind::resize_bilinear:
        return std::make_unique<nn::Resize2D>(nn::Resize2DOptions{layer.shape[1], layer.shape[2],
                                                                  layer.kind == LayerKind::resize_bilinear,
                                                                  layer.align_corners, layer.half_pixel_centers});
      case LayerKind::transpose:
        return std::make_unique<nn::Permute>(layer.order);
      case LayerKind::softmax:
        return std::make_unique<nn::Softmax>();
      case LayerKind::sigmoid:
        return std::make_unique<nn::Sigmoid>();
      case LayerKind::hard_sigmoid:
        return std::make_unique<nn::HardSigmoid>(layer.alpha, layer.offset);
      case LayerKind::hard_swish:
        return std::make_unique<nn::HardSwish>();
      case LayerKind::dropout:
        return std::make_unique<nn::Dropout>(layer.rate);
      default:
        fail("layer '", layer.name, "': no layer stands for ", name_of(layer.kind));
    }
  }

  const Lowered& lowered_;
  std::size_t left_;
  nn::Graph graph_;
};

}  // namespace detail

template <class Lazy>
nn::Graph make_graph(const Lowered& lowered, std::size_t limit) {
  return detail::GraphWriter<Lazy>(lowered, limit).run();
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_GRAPH_HPP_
