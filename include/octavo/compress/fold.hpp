// octavo/compress/fold.hpp: a graph as the operators that a runtime executes: batch norm folded, activations and
// padding fused.
//
// The one folding of the library: float export, dynamic range and int8 conversion all read its result, and simulated
// folding in training (nn::BatchNorm::folding_scale) uses the same gain.
#ifndef OCTAVO_COMPRESS_FOLD_HPP_
#define OCTAVO_COMPRESS_FOLD_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../nn/eigen.hpp"
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
#include "../nn/quantize_wrapper.hpp"
#include "../runtime/program.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// One operator and the chain of nodes that it replaces.
struct FoldedOp {
  runtime::Op op;          // kind, name, window, clamp; inputs and outputs are left empty
  int node = -1;           // the node that computes: convolution, dense, add, ...
  int output = -1;         // the last node of the chain: the operator's result is this node's value
  std::vector<int> reads;  // the nodes whose values it takes
  Shape weights_shape;     // OHWI, 1HWC or [out][in]; rank 0 when it has no weights
  // Per output channel: folded kernel = gain[c] * kernel[c], folded bias = bias[c]. Both 1 and the layer's own bias
  // where there is no batch norm. gain = gamma / sqrt(moving_variance + epsilon),
  // bias = beta + (layer bias - moving_mean) * gain.
  std::vector<float> gain;
  std::vector<float> bias;
  bool softmax = false;  // a dense layer that ends in softmax
  // hard sigmoid, clamp(alpha * x + offset, 0, 1): two operators, clamp(x + offset / alpha, 0, 1 / alpha) and times
  // alpha
  float alpha = 0.0F, offset = 0.0F;

  [[nodiscard]] bool weighted() const noexcept { return weights_shape.rank() != 0; }
  [[nodiscard]] bool hard_sigmoid() const noexcept { return alpha != 0.0F; }
};

// The operators of `graph` in order. Throws Error that names a layer which no operator stands for: a batch norm that
// does not follow a convolution, depthwise convolution or dense layer alone, or a layer of an unknown type.
[[nodiscard]] inline std::vector<FoldedOp> fold(const nn::Graph& graph);

// The folded kernel of a weighted operator in the layout of `weights_shape`.
[[nodiscard]] inline std::vector<float> folded_kernel(const nn::Graph& graph, const FoldedOp& op);

namespace detail {

using runtime::OpKind;

class Folder {
 public:
  explicit Folder(const nn::Graph& graph) : graph_(graph), readers_(graph.consumers()), done_(graph.size(), 0) {}

  std::vector<FoldedOp> run() {
    for (int id = 1; id < static_cast<int>(graph_.size()); ++id) {
      if (done_[index(id)]) continue;
      if (const nn::ZeroPadding2D* pad = absorbed_by_next(id)) {
        margins_ = pad->margins();
        pad_input_ = graph_.node(id).inputs[0];
        continue;
      }
      ops_.push_back(fold_node(id));
    }
    return std::move(ops_);
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  template <class LayerType>
  [[nodiscard]] const LayerType* as(int id) const {
    return nn::layer_as<LayerType>(std::as_const(*graph_.node(id).layer));
  }
  [[nodiscard]] int only_reader(int id) const { return readers_[index(id)].size() == 1 ? readers_[index(id)][0] : -1; }

  // The zero padding at `id` when the convolution that alone reads it follows at once and has explicit padding.
  [[nodiscard]] const nn::ZeroPadding2D* absorbed_by_next(int id) const {
    const auto* pad = as<nn::ZeroPadding2D>(id);
    if (pad == nullptr || only_reader(id) != id + 1) return nullptr;
    const auto* conv = as<nn::Conv2D>(id + 1);
    const auto* depthwise = as<nn::DepthwiseConv2D>(id + 1);
    const bool explicit_padding = (conv != nullptr && !conv->options().padding.is_same()) ||
                                  (depthwise != nullptr && !depthwise->options().padding.is_same());
    return explicit_padding ? pad : nullptr;
  }

  FoldedOp fold_node(int id) {
    const nn::Node& node = graph_.node(id);
    FoldedOp folded;
    folded.node = folded.output = id;
    folded.op.name = node.name;
    folded.reads = node.inputs;
    if (as<nn::WeightedLayer>(id) != nullptr)
      fold_weighted(id, folded);
    else
      translate(id, folded);
    const bool takes_clamp = folded.weighted() || folded.op.kind == OpKind::add;
    if (takes_clamp && !folded.softmax) fuse_clamp(folded);
    return folded;
  }

  void fold_weighted(int id, FoldedOp& folded) {
    const auto& layer = *as<nn::WeightedLayer>(id);
    const Shape kernel = shape_of(layer.kernel().value);
    folded.weights_shape = kernel;
    const auto channels = static_cast<std::size_t>(layer.channels());
    folded.gain.assign(channels, 1.0F);
    folded.bias.assign(channels, 0.0F);
    if (layer.bias() != nullptr) folded.bias.assign(layer.bias()->value.begin(), layer.bias()->value.end());
    if (const auto* conv = as<nn::Conv2D>(id)) {
      folded.op.kind = OpKind::conv2d;
      folded.op.groups = conv->options().groups;
      set_window(id, conv->options().kernel, conv->options().strides, conv->options().padding, conv->options().dilation,
                 folded);
    } else if (const auto* depthwise = as<nn::DepthwiseConv2D>(id)) {
      folded.op.kind = OpKind::depthwise_conv2d;
      folded.weights_shape = {1, kernel[0], kernel[1], kernel[2]};
      set_window(id, depthwise->options().kernel, depthwise->options().strides, depthwise->options().padding,
                 depthwise->options().dilation, folded);
    } else if (const auto* dense = as<nn::Dense>(id)) {
      folded.op.kind = OpKind::dense;
      const nn::ClampRange range = nn::clamp_range(dense->options().activation);
      folded.op.clamp_low = range.low, folded.op.clamp_high = range.high;
      folded.softmax = dense->options().activation == nn::Activation::softmax;
      if (dense->options().activation != nn::Activation::linear) return;
    } else {
      fail("layer '", graph_.node(id).name, "': no operator for a weighted layer of type ", layer.type());
    }
    fold_batch_norm(folded);
  }

  void set_window(int id, const nn::Extent& kernel, const nn::Extent& strides, const nn::Padding& padding,
                  const nn::Extent& dilation, FoldedOp& folded) {
    const bool padded = pad_input_ >= 0;
    const int input = padded ? pad_input_ : graph_.node(id).inputs[0];
    folded.reads = {input};
    folded.op.window = nn::window_geometry(graph_.node(input).shape, {kernel, strides, padding, dilation},
                                           padded ? margins_ : nn::Margins{}, graph_.node(id).layer->type())
                           .window;
    margins_ = {};
    pad_input_ = -1;
  }

  void fold_batch_norm(FoldedOp& folded) {
    const int next = only_reader(folded.output);
    if (next < 0 || as<nn::BatchNorm>(next) == nullptr) return;
    auto& norm = const_cast<nn::BatchNorm&>(*as<nn::BatchNorm>(next));
    for (std::size_t c = 0; c < folded.gain.size(); ++c) {
      folded.gain[c] = norm.inference_gain(c);
      folded.bias[c] =
          norm.beta().value.data()[c] + (folded.bias[c] - norm.moving_mean().value.data()[c]) * folded.gain[c];
    }
    folded.output = next;
    done_[index(next)] = 1;
  }

  // A clamp that alone reads the result, if nothing was quantized in between.
  void fuse_clamp(FoldedOp& folded) {
    const int next = only_reader(folded.output);
    if (next < 0 || graph_.node(folded.output).layer->output_quantizer() != nullptr) return;
    const auto* clamp = as<nn::ClampLayer>(next);
    if (clamp == nullptr) return;
    folded.op.clamp_low = std::max(folded.op.clamp_low, clamp->range().low);
    folded.op.clamp_high = std::min(folded.op.clamp_high, clamp->range().high);
    folded.output = next;
    done_[index(next)] = 1;
  }

  void translate(int id, FoldedOp& folded) {
    runtime::Op& op = folded.op;
    if (as<nn::Add>(id) != nullptr) {
      op.kind = OpKind::add;
    } else if (const auto* clamp = as<nn::ClampLayer>(id)) {
      op.kind = OpKind::clamp;
      op.clamp_low = clamp->range().low, op.clamp_high = clamp->range().high;
    } else if (const auto* average = as<nn::AveragePooling2D>(id)) {
      op.kind = OpKind::average_pool2d;
      op.window = average->geometry().window;
    } else if (const auto* maximum = as<nn::MaxPooling2D>(id)) {
      op.kind = OpKind::max_pool2d;
      op.window = maximum->geometry().window;
    } else if (as<nn::GlobalAveragePooling2D>(id) != nullptr) {
      op.kind = OpKind::global_average_pool;
    } else if (const auto* pad = as<nn::ZeroPadding2D>(id)) {
      op.kind = OpKind::pad;
      const nn::Margins& m = pad->margins();
      op.pad_top = m.top, op.pad_bottom = m.bottom, op.pad_left = m.left, op.pad_right = m.right;
    } else if (as<nn::Reshape>(id) != nullptr) {
      op.kind = OpKind::reshape;
    } else if (as<nn::Softmax>(id) != nullptr) {
      op.kind = OpKind::softmax;
    } else if (as<nn::Multiply>(id) != nullptr) {
      op.kind = OpKind::mul;
    } else if (const auto* joined = as<nn::Concatenate>(id)) {
      op.kind = OpKind::concat;
      op.axis = joined->axis();
    } else if (const auto* permuted = as<nn::Permute>(id)) {
      op.kind = OpKind::transpose;
      op.axes = permuted->order();
    } else if (const auto* resized = as<nn::Resize2D>(id)) {
      op.kind = resized->options().bilinear ? OpKind::resize_bilinear : OpKind::resize_nearest;
      op.align_corners = resized->options().align_corners;
      op.half_pixel_centers = resized->options().half_pixel_centers;
    } else if (as<nn::Sigmoid>(id) != nullptr) {
      op.kind = OpKind::logistic;
    } else if (as<nn::HardSwish>(id) != nullptr) {
      op.kind = OpKind::hard_swish;
    } else if (const auto* hard = as<nn::HardSigmoid>(id)) {
      require(hard->alpha() > 0.0F && std::isnormal(hard->alpha()), "layer '", graph_.node(id).name, "': the slope ",
              hard->alpha(), " is no normal number > 0");
      op.kind = OpKind::mul;
      folded.alpha = hard->alpha(), folded.offset = hard->offset();
    } else if (as<nn::Dropout>(id) != nullptr) {
      op.kind = OpKind::reshape;  // the identity in inference: see passes_through()
    } else if (as<nn::QuantizeLayer>(id) != nullptr) {
      op.kind = OpKind::quantize;
    } else {
      fail("layer '", graph_.node(id).name, "': no operator stands for a layer of type ",
           graph_.node(id).layer->inner().type());
    }
  }

  const nn::Graph& graph_;
  std::vector<std::vector<int>> readers_;
  std::vector<char> done_;
  std::vector<FoldedOp> ops_;
  nn::Margins margins_;
  int pad_input_ = -1;
};

}  // namespace detail

inline std::vector<FoldedOp> fold(const nn::Graph& graph) { return detail::Folder(graph).run(); }

inline std::vector<float> folded_kernel(const nn::Graph& graph, const FoldedOp& op) {
  const auto& layer = *nn::layer_as<nn::WeightedLayer>(std::as_const(*graph.node(op.node).layer));
  const std::span<const float> kernel = values(layer.kernel().value);
  std::vector<float> folded(kernel.size());
  const auto channels = static_cast<Eigen::Index>(op.gain.size());
  const auto inner = static_cast<Eigen::Index>(kernel.size()) / channels;
  const Eigen::Map<const Eigen::VectorXf> gain(op.gain.data(), channels);
  if (layer.channel_axis() == nn::ChannelAxis::first)
    nn::MatrixMap(folded.data(), channels, inner) =
        gain.asDiagonal() * nn::ConstMatrixMap(kernel.data(), channels, inner);
  else
    nn::MatrixMap(folded.data(), inner, channels) =
        nn::ConstMatrixMap(kernel.data(), inner, channels) * gain.asDiagonal();
  return folded;
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_COMPRESS_FOLD_HPP_
