// From a float graph to int8: folding, calibration, conversion, and layer by layer agreement.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "octavo/compress/calibrate.hpp"
#include "octavo/compress/compare.hpp"
#include "octavo/compress/convert.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"

using namespace octavo;
using namespace octavo::nn;

namespace {

Tensor random_images(const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Tensor t = make_tensor(shape);
  for (float& x : values(t)) x = rng.uniform(-1.0F, 1.0F);
  return t;
}

// A small MobileNetV2 whose batch norms have lived: statistics of real batches, gammas of both signs.
Graph lived_in(std::uint64_t seed, bool negative_gammas = true) {
  Graph graph =
      mobilenet_v2({.input = {32, 32, 3}, .alpha = 0.35, .hidden = {16}, .classes = 5, .stem_stride = 1, .seed = seed});
  Rng rng(seed);
  for (const Node& node : graph.nodes())
    if (auto* norm = layer_as<BatchNorm>(*node.layer))
      for (std::size_t c = 0; c < norm->channels(); ++c) {
        norm->gamma().value.data()[c] = 0.4F + rng.uniform() + 0.0F;
        if (negative_gammas && rng.below(7) == 0) norm->gamma().value.data()[c] *= -1.0F;
        norm->beta().value.data()[c] = 0.5F * rng.normal();
      }
  Executor executor(graph, 2);
  for (int i = 0; i < 2; ++i)
    executor.forward(random_images({16, 32, 32, 3}, seed + 10 + static_cast<std::uint64_t>(i)), true);
  // Two batches leave the moving statistics near their start; move them all the way.
  for (const Node& node : graph.nodes())
    if (auto* norm = layer_as<BatchNorm>(*node.layer))
      for (std::size_t c = 0; c < norm->channels(); ++c) {
        float& mean = norm->moving_mean().value.data()[c];
        float& variance = norm->moving_variance().value.data()[c];
        mean = mean / (1.0F - 0.999F * 0.999F);
        variance = std::max((variance - 0.999F * 0.999F) / (1.0F - 0.999F * 0.999F), 1e-3F);
      }
  return graph;
}

auto batches_of(const Tensor& images, int count) {
  return [&images, left = count](Tensor& batch) mutable {
    if (left-- <= 0) return false;
    batch = images;
    return true;
  };
}

std::vector<float> run(const runtime::Program& program, const Tensor& images) {
  const runtime::Model model(program);
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size()) * images.shape()[0]);
  model.run(values(images), output);
  return output;
}

}  // namespace

TEST_CASE("export_float gives the graph's inference output") {
  Graph graph = lived_in(1);
  const Tensor images = random_images({3, 32, 32, 3}, 2);
  const std::vector<float> exported = run(compress::export_float(graph), images);
  Executor executor(graph, 2);
  const Tensor& expected = executor.forward(images);
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(exported[i] == doctest::Approx(expected.data()[i]).epsilon(1e-3));
}

TEST_CASE("simulated folding changes nothing while quantizers are off") {
  Graph graph = lived_in(3);
  Graph qat = compress::quantize_model(graph);
  compress::for_each_output_quantizer(qat,
                                      [](Node&, FakeQuantizer& q) { q.set_enabled(false), q.set_observing(false); });
  for (int id = 0; id < static_cast<int>(qat.size()); ++id)
    if (FakeQuantizer* q = qat.node(id).layer->weight_quantizer()) q->set_enabled(false);
  const Tensor images = random_images({4, 32, 32, 3}, 4);
  Executor plain(graph, 2), folded(qat, 2);
  for (const bool training : {false, true}) {
    CAPTURE(training);
    const Tensor& expected = plain.forward(images, training);
    const Tensor& found = folded.forward(images, training);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(found.data()[i] == doctest::Approx(expected.data()[i]).epsilon(2e-3));
  }
  // The same gradients, too.
  Tensor gradient = make_tensor({4, 5}, 0.1F);
  for (std::size_t i = 0; i < gradient.size(); i += 3) gradient.data()[i] = -0.3F;
  plain.backward(gradient, true);
  folded.backward(gradient, true);
  for (const char* name : {"Conv1", "block_3_depthwise", "block_5_expand", "Conv_1"}) {
    CAPTURE(name);
    const Tensor& a = graph.layer<WeightedLayer>(name).kernel().gradient;
    const Tensor& b = qat.layer<WeightedLayer>(name).kernel().gradient;
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(static_cast<double>(a.data()[i] - b.data()[i]), 2);
      size += std::pow(static_cast<double>(a.data()[i]), 2);
    }
    CHECK(difference <= 1e-4 * size);
  }
}

TEST_CASE("calibrated, converted, compared: every layer agrees to one step on the same input") {
  Graph graph = lived_in(5);
  const Tensor images = random_images({8, 32, 32, 3}, 6);
  for (Scheme scheme : {compress::calibration_scheme(), Scheme::per_tensor()}) {
    CAPTURE(scheme.name);
    Graph calibrated = compress::calibrate(graph, batches_of(images, 3), {.scheme = scheme});
    const runtime::Program program = compress::convert(calibrated);
    const compress::Comparison comparison = compress::compare(calibrated, program, images);
    CHECK(comparison.layers.size() > 60);
    for (const compress::LayerComparison& layer : comparison.layers) {
      CAPTURE(layer.name);
      CHECK(layer.max_steps <= 1);
      CHECK(layer.differing < 0.01);
    }
    CHECK(comparison.output_sqnr_db > 10.0);  // a network of random weights is a hard case
  }
}

TEST_CASE("trained with fake quantization, the graph and its int8 model agree to one step per layer") {
  for (const Scheme& scheme : {Scheme::octavo(), Scheme::tfmot()}) {
    CAPTURE(scheme.name);
    Graph graph = lived_in(7);
    Graph qat = compress::quantize_model(graph, scheme);
    Executor executor(qat, 2);
    const Tensor images = random_images({8, 32, 32, 3}, 8);
    for (int step = 0; step < 3; ++step) {  // a few steps of plain gradient descent
      Tensor gradient = executor.forward(images, true);
      for (std::size_t n = 0; n < 8; ++n) gradient(n, n % 5) -= 1.0F;
      for (float& g : values(gradient)) g /= 8.0F;
      executor.backward(gradient, true);
      for (const NamedParameter& p : qat.parameters())
        if (p.trainable)
          for (std::size_t i = 0; i < p.parameter->value.size(); ++i)
            p.parameter->value.data()[i] -= 0.003F * p.parameter->gradient.data()[i];
    }
    const compress::Comparison comparison = compress::compare(qat, compress::convert(qat), images);
    for (const compress::LayerComparison& layer : comparison.layers) {
      CAPTURE(layer.name);
      CHECK(layer.max_steps <= 1);
    }
  }
}

TEST_CASE("dynamic range keeps activations float and quantizes large kernels") {
  Graph graph = lived_in(9);
  const runtime::Program program = compress::dynamic_range(graph);
  int quantized = 0;
  for (const runtime::TensorInfo& tensor : program.tensors) {
    if (tensor.dtype == runtime::DType::i8) ++quantized;
    if (tensor.constant() && tensor.shape.size() < 1024) CHECK(tensor.dtype == runtime::DType::f32);
  }
  CHECK(quantized > 20);
  const Tensor images = random_images({3, 32, 32, 3}, 10);
  const std::vector<float> exact = run(compress::export_float(graph), images), dynamic = run(program, images);
  CHECK(compress::sqnr_db(exact, dynamic) > 20.0);
}

TEST_CASE("full-range kernels and negative gammas: the lowest code's opposite does not wrap") {
  Graph graph = lived_in(21);
  Scheme scheme = compress::calibration_scheme();
  scheme.batch_norm = BatchNormFolding::none;
  scheme.weights.narrow = scheme.depthwise_weights.narrow = scheme.dense_weights.narrow = false;
  const Tensor images = random_images({8, 32, 32, 3}, 22);
  Graph calibrated = compress::calibrate(graph, batches_of(images, 2), {.scheme = scheme});
  int flipped = 0;
  float worst_steps = 0.0F;
  for (const compress::FoldedOp& folded : compress::fold(calibrated)) {
    if (!folded.weighted()) continue;
    const compress::QuantizedKernel kernel = compress::quantize_kernel(calibrated, folded);
    const std::vector<float> real = compress::folded_kernel(calibrated, folded);
    std::vector<float> stored(real.size());
    dequantize(kernel.codes, folded.weights_shape, kernel.params, stored, folded.op.name);
    const bool last = folded.op.kind == runtime::OpKind::depthwise_conv2d;
    const std::size_t channels = folded.gain.size();
    for (std::size_t i = 0; i < real.size(); ++i) {
      const std::size_t c = last ? i % channels : i / (real.size() / channels);
      flipped += folded.gain[c] < 0.0F && real[i] > 127.5F * kernel.params.scale[c] ? 1 : 0;
      worst_steps = std::max(worst_steps, std::abs(stored[i] - real[i]) / kernel.params.scale[c]);
    }
  }
  CHECK(flipped > 0);  // the case did occur
  CHECK(worst_steps < 1.001F);
  const compress::Comparison comparison = compress::compare(calibrated, compress::convert(calibrated), images);
  for (const compress::LayerComparison& layer : comparison.layers) {
    CAPTURE(layer.name);
    CHECK(layer.max_steps <= 2);
  }
}

TEST_CASE("the converted model rounds as its scheme says, unless told otherwise") {
  Graph graph = lived_in(23);
  const Tensor images = random_images({4, 32, 32, 3}, 24);
  const Graph ours = compress::calibrate(graph, batches_of(images, 1), {});
  const Graph theirs = compress::calibrate(graph, batches_of(images, 1), {.scheme = Scheme::tfmot()});
  CHECK(compress::convert(ours).rounding == Rounding::nearest_even_f32);
  const runtime::Program program = compress::convert(Graph(theirs));  // a copy knows it too
  CHECK(program.rounding == Rounding::tflite_double);
  for (const runtime::Op& op : program.ops)
    if (op.kind == runtime::OpKind::dense) CHECK(op.in_double);
  CHECK(compress::convert(theirs, {.rounding = Rounding::tflite_single}).rounding == Rounding::tflite_single);
  Scheme weights_only = Scheme::weights_only(8);
  weights_only.rounding = Rounding::tflite_double;
  CHECK(compress::convert(compress::quantize_model(graph, weights_only)).rounding == Rounding::tflite_double);
}

TEST_CASE("weights-only schemes convert to dynamic range") {
  Graph graph = lived_in(11);
  const Graph weights_only = compress::quantize_model(graph, Scheme::weights_only(4));
  const runtime::Program program = compress::convert(weights_only);
  for (const runtime::TensorInfo& tensor : program.tensors)
    if (tensor.dtype == runtime::DType::i8) CHECK(tensor.quantization.qmax == 7);
}

TEST_CASE("int8 softmax is offered for integer-only engines") {
  Graph graph = lived_in(13);
  const Tensor images = random_images({4, 32, 32, 3}, 14);
  const Graph calibrated = compress::calibrate(graph, batches_of(images, 1), {});
  const std::vector<float> whole = run(compress::convert(calibrated, {.int8_softmax = true}), images);
  const std::vector<float> mixed = run(compress::convert(calibrated), images);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(std::abs(whole[i] - mixed[i]) < 1.0F / 128.0F);
}

// A block of MobileNetV3: hard swish, and a gate of hard sigmoid over the channels.
Graph gated(std::uint64_t seed, float alpha) {
  Graph graph("gated", seed);
  int x = graph.input("image", {12, 12, 3});
  x = graph.add("stem", Conv2D({.filters = 8, .kernel = {3, 3}, .strides = {2, 2}}), {x});
  x = graph.add("swish", HardSwish(), {x});
  int gate = graph.add("mean", GlobalAveragePooling2D(), {x});
  gate = graph.add("squeeze", Dense({.units = 4}), {gate});
  gate = graph.add("relu", ReLU(), {gate});
  gate = graph.add("excite", Dense({.units = 8}), {gate});
  gate = graph.add("gate", HardSigmoid(alpha, 0.5F), {gate});
  gate = graph.add("image_of_gate", Reshape({1, 1, 8}), {gate});
  x = graph.add("gated", Multiply(), {x, gate});
  x = graph.add("last", Conv2D({.filters = 6, .kernel = {1, 1}}), {x});
  x = graph.add("last_swish", HardSwish(), {x});
  x = graph.add("pool", GlobalAveragePooling2D(), {x});
  graph.add("logits", Dense({.units = 5}), {x});
  for (const Node& node : graph.nodes())  // ranges in which the corners matter
    if (auto* layer = layer_as<WeightedLayer>(*node.layer))
      for (float& w : values(layer->kernel().value)) w *= 3.0F;
  return graph;
}

TEST_CASE("hard swish and hard sigmoid: float, calibrated and trained, one step a layer") {
  for (const float alpha : {1.0F / 6.0F, 0.2F}) {
    CAPTURE(alpha);
    Graph graph = gated(31, alpha);
    const Tensor images = random_images({8, 12, 12, 3}, 32);
    const std::vector<float> exported = run(compress::export_float(graph), images);
    Executor executor(graph, 1);
    const Tensor& expected = executor.forward(images);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(exported[i] == doctest::Approx(expected.data()[i]).epsilon(1e-4));

    Graph calibrated = compress::calibrate(graph, batches_of(images, 1), {});
    const auto agrees = [&](Graph& quantized) {
      const runtime::Program program = compress::convert(quantized);
      const compress::Comparison comparison = compress::compare(quantized, program, images);
      CHECK(comparison.layers.size() >= 11);
      for (const compress::LayerComparison& layer : comparison.layers) {
        CAPTURE(layer.name);
        CHECK(layer.max_steps <= 1);
        CHECK(layer.differing < 0.02);
      }
      return comparison.output_sqnr_db;
    };
    CHECK(agrees(calibrated) > 20.0);
    Executor training(calibrated, 1);
    Tensor gradient = make_tensor({8, 5}, 0.05F);
    training.forward(images, true);
    training.backward(gradient, true);
    auto& kernel = calibrated.layer<WeightedLayer>("stem").kernel();  // the gradient reaches the first layer
    double size = 0;
    for (const float g : values(kernel.gradient)) size += static_cast<double>(g) * static_cast<double>(g);
    CHECK(size > 0.0);
    for (std::size_t i = 0; i < kernel.value.size(); ++i) kernel.value.data()[i] -= 0.01F * kernel.gradient.data()[i];
    agrees(calibrated);
  }
}

TEST_CASE("conversion says what is missing") {
  Graph graph = lived_in(15);
  CHECK_THROWS_WITH_AS(static_cast<void>(compress::convert(graph)), doctest::Contains("not quantization-aware"), Error);
  const Graph untrained = compress::quantize_model(graph);
  CHECK_THROWS_WITH_AS(static_cast<void>(compress::convert(untrained)), doctest::Contains("quantize_layer"), Error);
  const Tensor images = random_images({4, 32, 32, 3}, 14);
  CHECK_THROWS_WITH_AS(static_cast<void>(compress::calibrate(graph, batches_of(images, 0), {})),
                       doctest::Contains("no images"), Error);
}
