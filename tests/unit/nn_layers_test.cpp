// Gradients of every layer, alone and in a graph, against central differences; fused passes against single layers.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "octavo/nn/eigen.hpp"
#include "octavo/nn/executor.hpp"
#include "octavo/nn/layers/merging.hpp"
#include "octavo/nn/layers/permute.hpp"
#include "octavo/nn/layers/resize.hpp"
#include "octavo/nn/layers/smooth_activations.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"

using namespace octavo;
using namespace octavo::nn;

namespace {

Tensor random_tensor(const Shape& shape, Rng& rng, float spread = 1.0F) {
  Tensor t = make_tensor(shape);
  for (float& x : values(t)) x = spread * rng.normal();
  return t;
}

// Loss = sum of weights * output, so that its gradient to the output is `weights`.
double weighted_sum(const Tensor& output, const Tensor& weights) {
  double sum = 0;
  for (std::size_t i = 0; i < output.size(); ++i)
    sum += static_cast<double>(output.data()[i]) * static_cast<double>(weights.data()[i]);
  return sum;
}

// Compares analytic gradients of every trainable parameter with central differences in a training-mode graph. Layers
// with kinks (ReLU, max) may disagree at a few points where the step crosses one: `allowed` counts those.
void check_gradients(Graph& graph, const Tensor& input, int allowed = 0) {
  Executor executor(graph, 2);
  Rng rng(5);
  const Tensor& output = executor.forward(input, true);
  const Tensor weights = random_tensor(shape_of(output), rng);
  executor.backward(weights, false);
  struct Probe {
    Parameter* parameter;
    std::size_t index;
    float analytic;
  };
  std::vector<Probe> probes;
  for (const NamedParameter& p : graph.parameters()) {
    if (!p.trainable) continue;
    for (int i = 0; i < 12; ++i) {
      const auto index = static_cast<std::size_t>(rng.below(p.parameter->value.size()));
      probes.push_back({p.parameter, index, p.parameter->gradient.data()[index]});
    }
  }
  REQUIRE_FALSE(probes.empty());
  int wrong = 0;
  for (const Probe& probe : probes) {
    float& weight = probe.parameter->value.data()[probe.index];
    const float original = weight, step = 1e-2F * std::max(1.0F, std::abs(original));
    weight = original + step;
    const double above = weighted_sum(executor.forward(input, true), weights);
    weight = original - step;
    const double below = weighted_sum(executor.forward(input, true), weights);
    weight = original;
    const double numeric = (above - below) / (2.0 * static_cast<double>(step));
    const double tolerance = 0.02 * (std::abs(numeric) + std::abs(static_cast<double>(probe.analytic))) + 0.02;
    if (std::abs(numeric - static_cast<double>(probe.analytic)) > tolerance) {
      ++wrong;
      MESSAGE(probe.parameter->name << "[" << probe.index << "]: numeric " << numeric << ", analytic "
                                    << probe.analytic);
    }
  }
  CHECK(wrong <= allowed);
}

}  // namespace

TEST_CASE("as_matrix: the tensor's own memory, a row a pixel") {
  octavo::Tensor tensor = octavo::make_tensor({2, 3, 1, 4});
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<float>(i);
  auto matrix = octavo::nn::as_matrix(tensor);
  REQUIRE(matrix.rows() == 6);
  REQUIRE(matrix.cols() == 4);
  CHECK(matrix(5, 1) == 21.0F);
  matrix.row(2).setZero();
  CHECK(tensor.data()[7] == 7.0F);
  CHECK(tensor.data()[8] == 0.0F);
  CHECK(octavo::nn::as_row(tensor.data() + 4, 4).sum() == 22.0F);
  const octavo::Tensor scalar;
  CHECK_THROWS_AS(static_cast<void>(octavo::nn::as_matrix(scalar)), octavo::Error);
}

TEST_CASE("gradients: convolutions of every kind") {
  Rng rng(1);
  struct Case {
    Conv2DOptions options;
    Shape input;
  };
  const std::vector<Case> cases = {
      {{.filters = 5, .kernel = 1}, {6, 5, 7}},
      {{.filters = 4, .kernel = 3, .padding = Padding::same()}, {6, 5, 3}},
      {{.filters = 4, .kernel = 3, .strides = 2, .padding = Padding::same(), .use_bias = false}, {7, 6, 2}},
      {{.filters = 6, .kernel = {3, 2}, .padding = Margins{1, 0, 0, 2}, .groups = 2}, {5, 6, 4}},
      {{.filters = 3, .kernel = 3, .dilation = 2}, {8, 7, 2}},
  };
  for (const Case& c : cases) {
    Graph graph;
    const int x = graph.input("x", c.input);
    graph.add("second", Conv2D({.filters = 3, .kernel = 1}), {graph.add("conv", Conv2D(c.options), {x})});
    Tensor input = random_tensor(graph.input_shape().with_batch(2), rng);
    check_gradients(graph, input);
  }
}

TEST_CASE("gradients: depthwise convolution reaches the layer below") {
  Rng rng(2);
  for (const std::int64_t multiplier : {1, 2})
    for (const std::int64_t stride : {1, 2}) {
      Graph graph;
      int x = graph.input("x", {7, 6, 3});
      x = graph.add("below", Conv2D({.filters = 5, .kernel = 1}), {x});
      x = graph.add("pad", ZeroPadding2D(Margins{0, 1, 0, 1}), {x});
      graph.add("depthwise", DepthwiseConv2D({.kernel = 3, .strides = stride, .multiplier = multiplier}), {x});
      check_gradients(graph, random_tensor(graph.input_shape().with_batch(2), rng));
    }
}

TEST_CASE("gradients: batch norm alone, with ReLU6 fused, and with a residual add") {
  Rng rng(3);
  Graph graph;
  const int x = graph.input("x", {6, 6, 4});
  int y = graph.add("conv", Conv2D({.filters = 6, .kernel = 1, .use_bias = false}), {x});
  const int a = y = graph.add("norm", BatchNorm(), {y});
  y = graph.add("conv2", Conv2D({.filters = 6, .kernel = 1, .use_bias = false}), {y});
  y = graph.add("norm2", BatchNorm(), {y});
  y = graph.add("relu2", ReLU6(), {y});
  y = graph.add("add", Add(), {a, y});
  y = graph.add("pool", GlobalAveragePooling2D(), {y});
  graph.add("dense", Dense({.units = 3}), {y});
  for (const char* norm : {"norm", "norm2"})
    for (Parameter* p : graph.layer<BatchNorm>(norm).parameters())
      if (p->learned)
        for (float& v : values(p->value)) v += 0.3F * rng.normal();
  check_gradients(graph, random_tensor(graph.input_shape().with_batch(4), rng), 3);
}

TEST_CASE("gradients: pools, dense layers, softmax") {
  Rng rng(4);
  Graph graph;
  int x = graph.input("x", {8, 8, 2});
  x = graph.add("conv", Conv2D({.filters = 4, .kernel = 3}), {x});
  x = graph.add("average", AveragePooling2D({.size = 3, .strides = 2, .padding = Padding::same()}), {x});
  x = graph.add("conv2", Conv2D({.filters = 4, .kernel = 1}), {x});
  x = graph.add("max", MaxPooling2D({.size = 2, .strides = 1}), {x});
  x = graph.add("flatten", Flatten(), {x});
  x = graph.add("dense", Dense({.units = 5, .activation = Activation::linear}), {x});
  graph.add("softmax", Dense({.units = 3, .activation = Activation::softmax}), {x});
  check_gradients(graph, random_tensor(graph.input_shape().with_batch(3), rng), 3);
}

TEST_CASE("gradients: products, gates, smooth activations, concatenation, permutation") {
  Rng rng(8);
  Graph graph;
  const int x = graph.input("x", {4, 5, 3});
  const int conv = graph.add("conv", Conv2D({.filters = 4, .kernel = 1}), {x});
  const int swish = graph.add("swish", HardSwish(), {conv});
  const int mean = graph.add("mean", GlobalAveragePooling2D(), {swish});
  const int one = graph.add("one", Reshape({1, 1, 4}), {mean});
  const int gate = graph.add("gate", HardSigmoid(), {graph.add("fc", Conv2D({.filters = 4, .kernel = 1}), {one})});
  const int scaled = graph.add("scaled", Multiply(), {swish, gate});
  const int smooth = graph.add("smooth", Sigmoid(), {scaled});
  const int product = graph.add("product", Multiply(), {smooth, scaled});
  const int both = graph.add("both", Concatenate(), {product, scaled});
  const int turned = graph.add("turned", Permute({0, 3, 1, 2}), {both});
  graph.add("dense", Dense({.units = 3}), {graph.add("flat", Flatten(), {turned})});
  CHECK(graph.node(turned).shape == Shape{1, 8, 4, 5});
  check_gradients(graph, random_tensor(graph.input_shape().with_batch(2), rng), 3);
}

TEST_CASE("gradients: resize, larger and smaller, each kind and way of centering") {
  Rng rng(9);
  for (const bool bilinear : {false, true})
    for (int centers = 0; centers < 3; ++centers) {
      Graph graph;
      const int x = graph.input("x", {4, 5, 3});
      const int conv = graph.add("conv", Conv2D({.filters = 4, .kernel = 1}), {x});
      const int larger = graph.add("larger", Resize2D({7, 6, bilinear, centers == 1, centers == 2}), {conv});
      const int smaller = graph.add("smaller", Resize2D({3, 4, bilinear, centers == 1, centers == 2}), {larger});
      graph.add("dense", Dense({.units = 3}), {graph.add("flat", Flatten(), {smaller})});
      CHECK(graph.node(larger).shape == Shape{1, 7, 6, 4});
      check_gradients(graph, random_tensor(graph.input_shape().with_batch(2), rng));
    }
  Graph graph;
  const int x = graph.input("x", {4, 5, 3});
  CHECK_THROWS_WITH_AS(graph.add("none", Resize2D({0, 4}), {x}), doctest::Contains("Resize2D: extent 0"), Error);
}

TEST_CASE("clip, hard swish and hard sigmoid at their corners") {
  Graph graph;
  const int x = graph.input("x", {6});
  const int clipped = graph.add("clip", Clip({-0.5F, 4.0F}), {x});
  graph.add("swish", HardSwish(), {clipped});
  Tensor input = make_tensor({1, 6});
  const float in[] = {-4, -0.25F, 0, 1, 3, 9}, out[] = {-0.5F * 2.5F / 6, -0.25F * 2.75F / 6, 0, 4.0F / 6, 3, 4};
  std::copy(std::begin(in), std::end(in), input.begin());
  Executor executor(graph, 1);
  const Tensor& y = executor.forward(input);
  for (std::size_t i = 0; i < 6; ++i) CHECK(y.data()[i] == doctest::Approx(out[i]));
  CHECK(HardSigmoid(0.2F, 0.5F).value(-3.0F) == 0.0F);
  CHECK(HardSigmoid(0.2F, 0.5F).value(1.0F) == doctest::Approx(0.7F));
  CHECK(HardSigmoid(0.2F, 0.5F).slope(5.0F) == 0.0F);
}

TEST_CASE("of_logits: the gradient of cross-entropy passes the softmax") {
  Rng rng(6);
  Graph graph;
  const int x = graph.input("x", {4});
  graph.add("out", Dense({.units = 3, .activation = Activation::softmax}), {x});
  Executor executor(graph, 1);
  const Tensor input = random_tensor({2, 4}, rng);
  const Tensor p = executor.forward(input, true);
  Tensor through = make_tensor({2, 3}, 0.0F), direct = p;  // labels 0 and 2
  through(0, 0) = -1.0F / p(0, 0), through(1, 2) = -1.0F / p(1, 2);
  direct(0, 0) -= 1.0F, direct(1, 2) -= 1.0F;
  executor.backward(through, false);
  const Tensor expected = graph.layer<Dense>("out").kernel().gradient;
  executor.backward(direct, true);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(graph.layer<Dense>("out").kernel().gradient.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-4));
}

TEST_CASE("a frozen batch norm keeps its moving statistics and uses them") {
  Rng rng(7);
  Graph graph;
  const int x = graph.input("x", {3, 3, 2});
  graph.add("norm", BatchNorm(), {x});
  Executor executor(graph, 1);
  const Tensor input = random_tensor({4, 3, 3, 2}, rng, 3.0F);
  graph.freeze("norm");
  const Tensor frozen = executor.forward(input, true);
  CHECK(graph.layer<BatchNorm>("norm").moving_mean().value.data()[0] == 0.0F);
  CHECK(frozen.data()[5] == doctest::Approx(input.data()[5] / std::sqrt(1.001F)));
  graph.unfreeze("norm");
  const Tensor trained = executor.forward(input, true);
  double mean = 0;
  for (std::size_t i = 0; i < trained.size(); i += 2) mean += static_cast<double>(trained.data()[i]);
  CHECK(std::abs(mean) < 1e-3);
  CHECK(graph.layer<BatchNorm>("norm").moving_mean().value.data()[0] != 0.0F);
}

TEST_CASE("the executor's fused passes give what the layers give one by one") {
  Rng rng(8);
  Graph graph = mobilenet_v2({.input = {33, 40, 3}, .alpha = 0.35, .classes = 4});
  const Tensor input = random_tensor(graph.input_shape().with_batch(2), rng);
  Executor executor(graph, 2);
  const Tensor fused = executor.forward(input);
  // One by one: explicit padding layers, separate batch norms and clamps. A second copy has no absorbed margins.
  Graph plain = mobilenet_v2({.input = {33, 40, 3}, .alpha = 0.35, .classes = 4});
  plain.copy_parameters_from(graph);
  std::vector<Tensor> outputs(plain.size());
  outputs[0] = input;
  Workspace workspace;
  for (int id = 1; id < static_cast<int>(plain.size()); ++id) {
    Node& node = plain.node(id);
    std::vector<const Tensor*> inputs;
    for (const int i : node.inputs) inputs.push_back(&outputs[static_cast<std::size_t>(i)]);
    Tensor& output = outputs[static_cast<std::size_t>(id)] = make_tensor(node.shape.with_batch(2));
    node.layer->forward({.threads = 1, .workspace = &workspace}, inputs, output);
  }
  for (std::size_t i = 0; i < fused.size(); ++i)
    CHECK(fused.data()[i] == doctest::Approx(outputs.back().data()[i]).epsilon(1e-4));
}

TEST_CASE("frozen_cut finds the end of a frozen backbone") {
  Graph graph = mobilenet_v2({.input = {32, 32, 3}, .alpha = 0.35, .hidden = {8}, .classes = 4});
  CHECK(Executor(graph).frozen_cut() == -1);
  graph.freeze();
  graph.unfreeze("dense");
  const int cut = Executor(graph).frozen_cut();
  REQUIRE(cut > 0);
  CHECK(graph.node(cut).name == "global_average_pooling2d");
  graph.unfreeze("block_3");
  const int earlier = Executor(graph).frozen_cut();
  REQUIRE(earlier > 0);
  CHECK(graph.node(earlier).name == "block_2_add");
}

TEST_CASE("graphs reject what does not fit, and say where") {
  Graph graph;
  const int x = graph.input("x", {8, 8, 3});
  CHECK_THROWS_WITH_AS(graph.add("x", ReLU(), {x}), doctest::Contains("already a layer 'x'"), Error);
  CHECK_THROWS_WITH_AS(graph.add("dense", Dense({.units = 3}), {x}), doctest::Contains("layer 'dense'"), Error);
  CHECK_THROWS_WITH_AS(graph.add("conv", Conv2D({.filters = 4, .kernel = 9}), {x}), doctest::Contains("window of 9"),
                       Error);
  CHECK_THROWS_WITH_AS(graph.add("conv", Conv2D({.filters = 4, .groups = 2}), {x}), doctest::Contains("groups 2"),
                       Error);
  const int y = graph.add("conv", Conv2D({.filters = 4}), {x});
  CHECK_THROWS_WITH_AS(graph.add("add", Add(), {x, y}), doctest::Contains("1x8x8x3 and 1x8x8x4"), Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(graph.id_of("nothing")), doctest::Contains("nothing"), Error);
  CHECK_THROWS_WITH_AS(graph.freeze("block_99"), doctest::Contains("block_99"), Error);
  Executor executor(graph);
  CHECK_THROWS_WITH_AS(executor.forward(make_tensor({2, 7, 8, 3})), doctest::Contains("1x8x8x3"), Error);
  CHECK_THROWS_AS(executor.backward(make_tensor({2, 8, 8, 4}), false), Error);
}
