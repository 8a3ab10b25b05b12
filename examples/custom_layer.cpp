// examples/custom_layer.cpp: a layer, an observer and a scheme of your own, put together by templates.
#include <cstdint>
#include <iostream>
#include <memory>
#include <octavo/octavo.hpp>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "study/drawn_images.hpp"

namespace oc = octavo;

namespace {

// y = x * sigmoid(slope[c] * x), one learned slope a channel (Swish, Ramachandran et al. 2017).
class Swish final : public oc::nn::Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "Swish"; }

  oc::Shape build(std::span<const oc::Shape> inputs, oc::Rng& /*random*/) override {
    oc::nn::require_inputs(inputs, 1, type());
    slope_.name = "slope";
    slope_.value = oc::make_tensor({inputs[0].back()}, 1.0F);
    return inputs[0];
  }
  void forward(const oc::nn::Context& /*context*/, std::span<const oc::Tensor* const> inputs,
               oc::Tensor& output) override {
    const Pixels x = oc::nn::as_matrix(*inputs[0]).array();
    oc::nn::as_matrix(output) = x * (x.rowwise() * slope()).logistic();
  }
  // dy/dx = s + slope x s (1 - s), dy/dslope = x^2 s (1 - s), with s = sigmoid(slope x).
  void backward(const oc::nn::Context& context, std::span<const oc::Tensor* const> inputs, const oc::Tensor& /*output*/,
                const oc::Tensor& grad_output, std::span<oc::Tensor* const> grad_inputs) override {
    const Pixels x = oc::nn::as_matrix(*inputs[0]).array(), dy = oc::nn::as_matrix(grad_output).array();
    const Pixels s = (x.rowwise() * slope()).logistic(), steep = x * s * (1.0F - s);
    if (grad_inputs[0] != nullptr) oc::nn::as_matrix(*grad_inputs[0]) = dy * (s + steep.rowwise() * slope());
    if (context.frozen) return;
    slope_.gradient = oc::make_tensor(oc::shape_of(slope_.value));
    oc::nn::as_matrix(slope_.gradient) = (dy * x * steep).colwise().sum();
  }
  [[nodiscard]] std::vector<oc::nn::Parameter*> parameters() override { return {&slope_}; }
  [[nodiscard]] std::unique_ptr<oc::nn::Layer> clone() const override { return std::make_unique<Swish>(*this); }

 private:
  using Pixels = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // a row a pixel
  [[nodiscard]] oc::nn::ConstRowMap slope() const {
    return oc::nn::as_row(slope_.value.data(), static_cast<std::int64_t>(slope_.value.size()));
  }
  oc::nn::Parameter slope_;
};

// A range that grows at once, and shrinks by a tenth of the difference each batch.
class SteadyObserver final : public oc::RangeObserver {
 public:
  using RangeObserver::RangeObserver;
  [[nodiscard]] std::string_view kind() const override { return "steady"; }
  [[nodiscard]] std::unique_ptr<oc::Observer> clone() const override { return std::make_unique<SteadyObserver>(*this); }

 protected:
  [[nodiscard]] oc::Range combine(oc::Range seen, oc::Range next, bool first) const override {
    if (first) return next;
    const oc::Range slow = {0.9F * seen.low + 0.1F * next.low, 0.9F * seen.high + 0.1F * next.high};
    return slow.united(next);
  }
};

// The default scheme, but kernels in four bits, and activations watched by our observer.
struct FourBitScheme : oc::DefaultScheme {
  using Weight = oc::SymmetricWeights<4, 0>;
  using DenseWeight = oc::SymmetricWeights<4, 0>;
  using ActivationObserver = SteadyObserver;
};

template <class LayerType>
using FourBit = oc::FakeQuantized<LayerType, FourBitScheme>;

oc::nn::Graph build(std::int64_t classes) {
  oc::nn::Graph graph("custom");
  int x = graph.input("image", {16, 16, 1});
  x = graph.add("conv1", FourBit<oc::nn::Conv2D>(oc::nn::Conv2D({.filters = 8, .kernel = 3, .strides = 2})), {x});
  x = graph.add("swish1", FourBit<Swish>(Swish()), {x});
  x = graph.add("conv2", FourBit<oc::nn::Conv2D>(oc::nn::Conv2D({.filters = 16, .kernel = 3, .strides = 2})), {x});
  x = graph.add("swish2", FourBit<Swish>(Swish()), {x});
  x = graph.add("flatten", oc::nn::Flatten(), {x});
  graph.add("scores",
            FourBit<oc::nn::Dense>(oc::nn::Dense({.units = classes, .activation = oc::nn::Activation::softmax})), {x});
  return graph;
}

}  // namespace

int main() {
  const oc::Dataset train = study::drawn_images(256, {16, 16, 1}, /*seed=*/1);
  const oc::Dataset test = study::drawn_images(128, {16, 16, 1}, /*seed=*/2);
  oc::nn::Graph graph = build(train.classes());
  graph.set_quantized(true);
  std::cout << oc::summarize(graph);
  oc::fit(graph, train, {.epochs = 8, .batch_size = 16, .optimizer = oc::Adam{.learning_rate = 1e-2}});
  const oc::Evaluation result = oc::evaluate(graph, test);

  // The codes of the first kernel: seven on each side of zero.
  const oc::FakeQuantizer& quantizer = *graph.node(graph.id_of("conv1")).layer->weight_quantizer();
  std::cout << "test accuracy " << result.accuracy << " with " << quantizer.settings().scheme.to_string()
            << " kernels and a learned slope in each channel\n";
  return result.accuracy > 0.6 && quantizer.settings().scheme.bits == 4 ? 0 : 1;
}
