// octavo/nn/models/mobilenet_v2.hpp: MobileNetV2 (Sandler et al. 2018) with Keras' architecture and layer names.
#ifndef OCTAVO_NN_MODELS_MOBILENET_V2_HPP_
#define OCTAVO_NN_MODELS_MOBILENET_V2_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../graph.hpp"
#include "../layers/activations.hpp"
#include "../layers/add.hpp"
#include "../layers/batch_norm.hpp"
#include "../layers/conv2d.hpp"
#include "../layers/dense.hpp"
#include "../layers/depthwise_conv2d.hpp"
#include "../layers/pooling.hpp"
#include "../layers/shaping.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct MobileNetV2Options {
  Shape input = {224, 224, 3};            // height, width (both at least 32), channels
  double alpha = 1.0;                     // width: .35, .5, .75, 1.0, 1.3 or 1.4
  std::vector<std::int64_t> hidden = {};  // dense ReLU layers between the pooled features and the classes
  std::int64_t classes = 1000;            // 0: without top, the output is the feature map
  std::int64_t stem_stride = 2;           // 1 for small images (not Keras')
  float batch_norm_momentum = 0.999F;     // Keras'; lower for trainings of less than some thousand steps
  std::uint64_t seed = 1;                 // of the initial kernels
};

// 2,257,984 parameters without top at alpha 1; 3,538,984 with 1000 classes; 2,439,625 with hidden {128, 128} and 9
// classes. The classifier's layers are "dense", "dense_1", ...; without hidden layers "predictions". The input's
// values are those of the pretrained weights: [-1, 1] for Keras'.
template <class Lazy = void>
Graph mobilenet_v2(const MobileNetV2Options& options);

namespace detail {

// Keras' _make_divisible: the nearest multiple of 8, but not below 90 % of the value.
inline std::int64_t make_divisible(double value) {
  constexpr std::int64_t divisor = 8;
  const std::int64_t rounded = std::max(divisor, static_cast<std::int64_t>(value + divisor / 2.0) / divisor * divisor);
  return static_cast<double>(rounded) < 0.9 * value ? rounded + divisor : rounded;
}

// Margins for a 3x3 kernel with stride 2 such that the output is ceil(in / 2): Keras' correct_pad.
inline Margins stride_two_margins(const Shape& input) { return {1 - (1 - input[1] % 2), 1, 1 - (1 - input[2] % 2), 1}; }

struct MobileNetV2Builder {
  Graph graph;
  BatchNormOptions norm_options;

  int norm(const std::string& name, int x) { return graph.add(name, BatchNorm(norm_options), {x}); }
  int norm_relu(const std::string& norm_name, const std::string& relu_name, int x) {
    return graph.add(relu_name, ReLU6(), {norm(norm_name, x)});
  }
  int pointwise(const std::string& name, int x, std::int64_t filters) {
    return graph.add(name, Conv2D({.filters = filters, .use_bias = false}), {x});
  }

  // Inverted residual bottleneck: expand, depthwise, project; the input is added where shapes allow.
  int bottleneck(int x, int block, double alpha, std::int64_t expansion, std::int64_t filters, std::int64_t stride) {
    const std::string prefix = block == 0 ? "expanded_conv_" : "block_" + std::to_string(block) + "_";
    const std::int64_t in = graph.node(x).shape[3];
    const std::int64_t out = make_divisible(static_cast<double>(filters) * alpha);
    int y = x;
    if (block > 0)
      y = norm_relu(prefix + "expand_BN", prefix + "expand_relu", pointwise(prefix + "expand", y, expansion * in));
    if (stride == 2) y = graph.add(prefix + "pad", ZeroPadding2D(stride_two_margins(graph.node(y).shape)), {y});
    y = graph.add(prefix + "depthwise",
                  DepthwiseConv2D({.kernel = 3,
                                   .strides = stride,
                                   .padding = stride == 2 ? Padding::valid() : Padding::same(),
                                   .use_bias = false}),
                  {y});
    y = norm_relu(prefix + "depthwise_BN", prefix + "depthwise_relu", y);
    y = norm(prefix + "project_BN", pointwise(prefix + "project", y, out));
    return stride == 1 && in == out ? graph.add(prefix + "add", Add(), {x, y}) : y;
  }
};

}  // namespace detail

template <class Lazy>
Graph mobilenet_v2(const MobileNetV2Options& options) {
  require(options.input.rank() == 3, "mobilenet_v2: expected an input of height, width, channels, found ",
          options.input.to_string());
  require(options.input[0] >= 32 && options.input[1] >= 32, "mobilenet_v2: the input must be at least 32x32, found ",
          options.input.to_string());
  require(std::abs(options.alpha - 0.7) < 0.70001 && options.alpha > 0.0,
          "mobilenet_v2: alpha must be in (0, 1.4], found ", options.alpha);
  require(options.stem_stride == 1 || options.stem_stride == 2, "mobilenet_v2: stem_stride must be 1 or 2, found ",
          options.stem_stride);
  detail::MobileNetV2Builder b{Graph("mobilenet_v2", options.seed),
                               {.momentum = options.batch_norm_momentum, .epsilon = 1e-3F}};
  Graph& graph = b.graph;
  int x = graph.input("input_1", options.input);
  const std::int64_t stem = detail::make_divisible(32 * options.alpha);
  const bool halves = options.stem_stride == 2;
  if (halves) x = graph.add("Conv1_pad", ZeroPadding2D(detail::stride_two_margins(graph.node(x).shape)), {x});
  x = graph.add("Conv1",
                Conv2D({.filters = stem,
                        .kernel = 3,
                        .strides = options.stem_stride,
                        .padding = halves ? Padding::valid() : Padding::same(),
                        .use_bias = false}),
                {x});
  x = b.norm_relu("bn_Conv1", "Conv1_relu", x);

  struct Stage {
    std::int64_t expansion, filters, repeats, stride;
  };
  constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                              {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  int block = 0;
  for (const Stage& stage : stages)
    for (std::int64_t i = 0; i < stage.repeats; ++i)
      x = b.bottleneck(x, block++, options.alpha, stage.expansion, stage.filters, i == 0 ? stage.stride : 1);

  const std::int64_t features = options.alpha > 1.0 ? detail::make_divisible(1280 * options.alpha) : 1280;
  x = b.norm_relu("Conv_1_bn", "out_relu", b.pointwise("Conv_1", x, features));
  if (options.classes == 0) return std::move(graph);

  x = graph.add("global_average_pooling2d", GlobalAveragePooling2D(), {x});
  int dense = 0;
  const auto next_name = [&] {
    const std::string name = dense == 0 ? "dense" : "dense_" + std::to_string(dense);
    ++dense;
    return name;
  };
  for (const std::int64_t units : options.hidden)
    x = graph.add(next_name(), Dense({.units = units, .activation = Activation::relu}), {x});
  graph.add(options.hidden.empty() ? "predictions" : next_name(),
            Dense({.units = options.classes, .activation = Activation::softmax}), {x});
  return std::move(graph);
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::nn::Graph octavo::nn::mobilenet_v2<void>(const octavo::nn::MobileNetV2Options&));

#endif  // OCTAVO_NN_MODELS_MOBILENET_V2_HPP_
