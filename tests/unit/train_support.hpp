// What the tests of training share: small patterns to learn, and a small network that learns them.
#ifndef OCTAVO_TESTS_UNIT_TRAIN_SUPPORT_HPP_
#define OCTAVO_TESTS_UNIT_TRAIN_SUPPORT_HPP_

#include <cstring>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/data/tensor_dataset.hpp"
#include "octavo/nn/graph.hpp"
#include "octavo/nn/layers/activations.hpp"
#include "octavo/nn/layers/batch_norm.hpp"
#include "octavo/nn/layers/conv2d.hpp"
#include "octavo/nn/layers/dense.hpp"
#include "octavo/nn/layers/depthwise_conv2d.hpp"
#include "octavo/nn/layers/pooling.hpp"
#include "octavo/nn/layers/shaping.hpp"
#include "octavo/train/fit.hpp"

namespace train_support {

inline constexpr int kClasses = 4;
using octavo::train::FitOptions;

// n images 8x8x1: rows, columns, diagonals or squares of random phase, with noise; the classes take turns.
inline octavo::Dataset patterns(std::int64_t n, std::uint64_t seed, float noise = 0.3F) {
  octavo::Rng random(seed);
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i) {
    const int label = static_cast<int>(i % kClasses);
    const int phase = static_cast<int>(random.below(4));
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        const int wave[] = {y + phase, x + phase, x + y + phase, (x / 2 + y / 2) * 2 + phase / 2 * 2};
        const float level = wave[label] / 2 % 2 == 0 ? 0.2F : 0.8F;
        values.push_back(level + noise * random.normal());
      }
    labels.push_back(label);
  }
  return octavo::tensor_dataset({8, 8, 1}, std::move(values), std::move(labels));
}

// Two convolutions with batch norm ("conv1", "bn1", "relu1", "depthwise", "bn2", "relu2"), pooling, dropout, "dense".
inline octavo::nn::Graph small_model(float dropout = 0.0F, std::uint64_t seed = 3) {
  namespace nn = octavo::nn;
  nn::Graph graph("small", seed);
  int x = graph.input("input", {8, 8, 1});
  x = graph.add("conv1", nn::Conv2D({.filters = 12, .kernel = 3, .padding = nn::Padding::same(), .use_bias = false}),
                {x});
  x = graph.add("bn1", nn::BatchNorm({.momentum = 0.9F}), {x});
  x = graph.add("relu1", nn::ReLU6(), {x});
  x = graph.add("depthwise",
                nn::DepthwiseConv2D(
                    {.kernel = 3, .strides = 2, .padding = nn::Padding::same(), .multiplier = 2, .use_bias = false}),
                {x});
  x = graph.add("bn2", nn::BatchNorm({.momentum = 0.9F}), {x});
  x = graph.add("relu2", nn::ReLU6(), {x});
  x = graph.add("pool", nn::GlobalAveragePooling2D(), {x});
  if (dropout > 0.0F) x = graph.add("dropout", nn::Dropout(dropout), {x});
  graph.add("dense", nn::Dense({.units = kClasses, .activation = nn::Activation::softmax}), {x});
  return graph;
}

// Quiet. One thread: the tests of a machine run side by side.
inline FitOptions quiet(int epochs) {
  FitOptions options;
  options.epochs = epochs;
  options.verbosity = octavo::train::Verbosity::silent;
  options.threads = 1;
  return options;
}

inline bool same_bits(const octavo::Tensor& a, const octavo::Tensor& b) {
  return octavo::shape_of(a) == octavo::shape_of(b) && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Names of the parameters whose bits differ.
inline std::vector<std::string> differences(octavo::nn::Graph& a, octavo::nn::Graph& b) {
  std::vector<std::string> names;
  const auto ours = a.parameters(), theirs = b.parameters();
  if (ours.size() != theirs.size()) return {"number of parameters"};
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!same_bits(ours[i].parameter->value, theirs[i].parameter->value)) names.push_back(ours[i].name);
  return names;
}

}  // namespace train_support

#endif  // OCTAVO_TESTS_UNIT_TRAIN_SUPPORT_HPP_
