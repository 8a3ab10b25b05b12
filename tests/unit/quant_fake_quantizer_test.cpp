// FakeQuantizer, and the schemes that configure it.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/typed_scheme.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oc = octavo;

namespace {

std::vector<float> normal_values(oc::Rng& random, std::size_t n) {
  std::vector<float> values(n);
  for (float& x : values) x = random.normal();
  return values;
}

std::string error_of(auto call) {
  try {
    call();
  } catch (const oc::Error& error) {
    return error.what();
  }
  return "no error";
}

// Wants to know what it observes for: answers with the number of bits.
class ToldObserver final : public oc::RangeObserver {
 public:
  explicit ToldObserver(std::string tensor, std::size_t channels = 1, oc::TensorScheme scheme = {})
      : RangeObserver(std::move(tensor), channels), bits_(scheme.bits) {}
  [[nodiscard]] std::string_view kind() const override { return "told"; }
  [[nodiscard]] std::unique_ptr<oc::Observer> clone() const override { return std::make_unique<ToldObserver>(*this); }

 protected:
  [[nodiscard]] oc::Range combine(oc::Range, oc::Range next, bool) const override {
    return {next.low, static_cast<float>(bits_)};
  }

 private:
  int bits_;
};

struct FourBits : oc::DefaultScheme {
  using Weight = oc::SymmetricWeights<4, 0>;
  using ActivationObserver = oc::HistogramObserver;
};
struct AsymmetricWeights : oc::DefaultScheme {
  using Weight = oc::QuantizedAs<8, oc::Symmetry::asymmetric, 0>;
};
struct PerChannelActivations : oc::DefaultScheme {
  using Activation = oc::QuantizedAs<8, oc::Symmetry::asymmetric, oc::kLastAxis>;
};
struct NoObserver : oc::DefaultScheme {
  using InputObserver = int;
};
static_assert(oc::SchemeType<oc::DefaultScheme> && oc::SchemeType<oc::TfmotScheme> && oc::SchemeType<FourBits>);
static_assert(!oc::SchemeType<AsymmetricWeights> && !oc::SchemeType<PerChannelActivations>);
static_assert(!oc::SchemeType<NoObserver> && !oc::SchemeType<int>);

}  // namespace

TEST_CASE("an activation quantizer: observe, freeze, switch off") {
  oc::FakeQuantizer quantizer("relu_1", oc::Scheme::octavo().activation_settings());
  CHECK(!quantizer.ready());
  std::vector<float> in = {0.0F, 0.3F, 2.55F}, out(3);
  CHECK(error_of([&] { quantizer.forward(in, out); }).find("'relu_1'") != std::string::npos);
  CHECK(error_of([&] { static_cast<void>(quantizer.grid()); }).find("'relu_1'") != std::string::npos);
  quantizer.observe(in);
  CHECK(quantizer.ready());
  CHECK(quantizer.grid() == oc::Grid{.scale = 2.55F / 255.0F, .zero_point = -128});
  quantizer.forward(in, out);
  CHECK(out[0] == 0.0F);
  CHECK(out[1] == doctest::Approx(0.3));
  quantizer.set_observing(false);
  const oc::Grid frozen = quantizer.grid();
  quantizer.observe_range(-9.0F, 9.0F);
  quantizer.observe(std::vector<float>{100.0F});
  CHECK(quantizer.grid() == frozen);
  quantizer.set_enabled(false);
  in[1] = 77.125F;
  quantizer.forward(in, out);
  CHECK(out == in);
  std::vector<float> gradient = {1.0F, 2.0F, 3.0F}, grad_in(3);
  quantizer.backward(in, gradient, grad_in);
  CHECK(grad_in == gradient);
  quantizer.set_enabled(true);
  quantizer.backward(in, gradient, grad_in);
  CHECK(grad_in == std::vector<float>{1.0F, 0.0F, 3.0F});
}

TEST_CASE("observe_range is observe for those who know the range") {
  oc::Rng random(71);
  oc::FakeQuantizer by_value("a", oc::Scheme::octavo().activation_settings()), by_range = by_value;
  CHECK(by_range.accepts_range());
  for (int i = 0; i < 5; ++i) {
    const std::vector<float> values = normal_values(random, 100);
    by_value.observe(values);
    const oc::Range range = oc::find_range(values, "a");
    by_range.observe_range(range.low, range.high);
    CHECK(by_value.grid() == by_range.grid());
  }
  CHECK(by_value.state() == by_range.state());
  oc::QuantizerSettings histogram = oc::Scheme::octavo().activation_settings();
  histogram.observer = oc::ObserverSettings::with_histogram(oc::RangeSearch::entropy);
  oc::FakeQuantizer values_only("b", histogram);
  CHECK(!values_only.accepts_range());
  CHECK(error_of([&] { values_only.observe_range(0, 1); }).find("'b'") != std::string::npos);
  const oc::FakeQuantizer weights("w", oc::Scheme::octavo().weight_settings(oc::Scheme::octavo().weights), 4);
  CHECK(!weights.accepts_range());
}

TEST_CASE("weights: the codes are what conversion stores from the same values") {
  oc::Rng random(72);
  for (const oc::Scheme& scheme : {oc::Scheme::octavo(), oc::Scheme::tfmot(), oc::Scheme::per_tensor(),
                                   oc::Scheme::weights_only(4), oc::Scheme::weights_only(2)}) {
    CAPTURE(scheme.name);
    for (const auto& [tensor, shape] : {std::pair{scheme.weights, oc::Shape{24, 3, 3, 5}},
                                        std::pair{scheme.depthwise_weights, oc::Shape{1, 3, 3, 40}},
                                        std::pair{scheme.depthwise_weights, oc::Shape{3, 3, 40}},
                                        std::pair{scheme.dense_weights, oc::Shape{10, 33}}}) {
      const oc::ChannelLayout layout = oc::channel_layout(shape, tensor.axis, "w");
      oc::FakeQuantizer quantizer("w", scheme.weight_settings(tensor), layout.channels);
      const std::vector<float> values = normal_values(random, layout.size());
      std::vector<float> out(values.size()), back(values.size());
      std::vector<std::int8_t> codes(values.size()), converted(values.size());
      quantizer.observe(normal_values(random, layout.size()), shape);  // an earlier step leaves no trace
      quantizer.observe(values, shape);
      quantizer.forward(values, out, shape);
      quantizer.codes(values, codes, shape);
      const oc::QuantParams params = oc::params_from_values(values, shape, tensor, "w", scheme.zero_point_rule);
      CHECK(params == quantizer.params());
      oc::quantize(values, shape, params, scheme.ties, converted, "w");
      CHECK(codes == converted);
      oc::dequantize(codes, shape, params, back, "w");
      CHECK(out == back);
      if (layout.channels > 1) CHECK_THROWS_AS(quantizer.forward(values, out), oc::Error);
    }
  }
}

TEST_CASE("copies are independent, states restore exactly, fixed grids stay") {
  oc::Rng random(73);
  const oc::Shape shape = {4, 9};
  for (const bool learned : {false, true}) {
    oc::QuantizerSettings settings = oc::Scheme::octavo().weight_settings(oc::Scheme::octavo().weights);
    if (learned) settings.step = oc::StepPolicy::learned;
    oc::FakeQuantizer quantizer("w", settings, 4);
    CHECK(quantizer.state().size() > 4);  // an unused one has a state too
    const std::vector<float> values = normal_values(random, 36);
    quantizer.observe(values, shape);
    quantizer.set_observing(false);
    oc::FakeQuantizer restored("w", settings, 4);
    restored.set_state(quantizer.state());
    CHECK(restored.params() == quantizer.params());
    CHECK(!restored.observing());
    CHECK(restored.state() == quantizer.state());
    oc::FakeQuantizer copy = quantizer;
    copy.set_observing(true);
    copy.observe(normal_values(random, 36), shape);
    CHECK((copy.params() == quantizer.params()) == learned);
    CHECK(restored.params() == quantizer.params());
    std::vector<double> damaged = quantizer.state();
    damaged.pop_back();
    CHECK(error_of([&] { restored.set_state(damaged); }).find("'w'") != std::string::npos);
    damaged = quantizer.state();
    damaged[4] = -1.0;
    CHECK_THROWS_AS(restored.set_state(damaged), oc::Error);
    damaged = quantizer.state();
    damaged[5] = 1e9;
    CHECK_THROWS_AS(restored.set_state(damaged), oc::Error);
    damaged = quantizer.state();
    damaged[3] = 3.0;
    CHECK_THROWS_AS(restored.set_state(damaged), oc::Error);
    CHECK_THROWS_AS(restored.set_state({}), oc::Error);
    CHECK(restored.params() == quantizer.params());
  }
  oc::FakeQuantizer softmax("softmax", oc::Scheme::octavo().activation_settings());
  softmax.fix(oc::QuantParams(oc::probability_grid()));
  softmax.observe_range(-5.0F, 5.0F);
  CHECK(softmax.ready());
  CHECK(softmax.grid() == oc::probability_grid());
  oc::FakeQuantizer restored("softmax", oc::Scheme::octavo().activation_settings());
  restored.set_state(softmax.state());
  CHECK(restored.grid() == oc::probability_grid());
  const std::vector<oc::Grid> two(2);
  CHECK_THROWS_AS(softmax.fix(oc::QuantParams(two, 0)), oc::Error);
}

TEST_CASE("learned steps: the first batch starts them, the optimizer moves them") {
  oc::Rng random(74);
  const oc::Shape shape = {3, 50};
  oc::Scheme scheme = oc::Scheme::weights_only(4);
  scheme.weight_step = oc::StepPolicy::learned;
  oc::FakeQuantizer quantizer("w", scheme.weight_settings(scheme.weights), 3);
  CHECK_THROWS_AS(static_cast<void>(quantizer.steps()), oc::Error);
  std::vector<float> values = normal_values(random, 150);
  for (std::size_t i = 50; i < 100; ++i) values[i] *= 4.0F;
  quantizer.observe(values, shape);
  std::vector<float> out(150), gradient(150), grad_in(150);
  const std::vector<float> start(quantizer.steps().begin(), quantizer.steps().end());
  for (std::size_t c = 0; c < 3; ++c)
    CHECK(start[c] ==
          doctest::Approx(oc::lsq_initial_step(std::span(values).subspan(50 * c, 50), quantizer.grid(c), "w")));
  quantizer.observe(normal_values(random, 150), shape);  // no longer asked
  CHECK(std::equal(start.begin(), start.end(), quantizer.steps().begin()));

  const auto error = [&] {
    quantizer.forward(values, out, shape);
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      gradient[i] = out[i] - values[i];
      sum += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    return sum;
  };
  const double before = error();
  for (int step = 0; step < 100; ++step) {
    static_cast<void>(error());
    quantizer.backward(values, gradient, grad_in, shape);
    for (std::size_t c = 0; c < 3; ++c) quantizer.steps()[c] -= 0.02F * quantizer.step_gradients()[c];
    quantizer.clamp_steps();
  }
  CHECK(error() < before);
  quantizer.steps()[0] = -1.0F;
  quantizer.clamp_steps();
  CHECK(quantizer.grid(0).scale > 0.0F);

  // Step gradients: by channel, scaled.
  quantizer.steps()[0] = start[0];
  quantizer.backward(values, gradient, grad_in, shape);
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<float> row(50);
    const double expected =
        oc::lsq_backward(std::span(values).subspan(50 * c, 50), std::span(gradient).subspan(50 * c, 50),
                         quantizer.grid(c), oc::Ties::even, row, "w") *
        oc::lsq_gradient_scale(50, quantizer.grid(c));
    CHECK(quantizer.step_gradients()[c] == doctest::Approx(expected));
  }
}

TEST_CASE("Scheme: the factories say what they promise") {
  const oc::Scheme octavo = oc::Scheme::octavo();
  octavo.validate();
  CHECK(octavo.weights.to_string() == "int8 symmetric narrow per channel (axis 0)");
  CHECK(octavo.depthwise_weights.to_string() == "int8 symmetric narrow per channel (last axis)");
  CHECK(octavo.activations.to_string() == "int8 asymmetric per tensor");
  CHECK(octavo.weights.qmin() == -127);
  CHECK(octavo.activations.qmin() == -128);
  CHECK(octavo.batch_norm == oc::BatchNormFolding::simulate);
  CHECK(!octavo.trains_frozen_kernels);

  const oc::Scheme tfmot = oc::Scheme::tfmot();
  tfmot.validate();
  CHECK(tfmot.weights.per_channel());
  CHECK(!tfmot.depthwise_weights.per_channel());
  CHECK(!tfmot.dense_weights.per_channel());
  CHECK(tfmot.batch_norm == oc::BatchNormFolding::none);
  CHECK(tfmot.trains_frozen_kernels);
  CHECK(tfmot.activation_observer.moving_average == oc::MovingAverageSettings::tfmot());
  oc::FakeQuantizer input("input", tfmot.input_settings());
  input.observe_range(0.25F, 1.0F);
  CHECK(input.observer().range() == oc::Range{0.0F, 1.0F});
  oc::FakeQuantizer relu("relu", tfmot.activation_settings());
  relu.observe_range(0.0F, 6.0F);
  CHECK(relu.grid() == oc::tf_nudge(-6.0F * 0.999F, 6.0F, 8, false));

  CHECK(!oc::Scheme::per_tensor().weights.per_channel());
  CHECK(!oc::Scheme::weights_only(4).quantize_activations);
  CHECK(oc::Scheme::weights_only(4).dense_weights.qmax() == 7);
  CHECK_THROWS_AS(static_cast<void>(oc::Scheme::weights_only(9)), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::Scheme::weights_only(1)), oc::Error);
  oc::Scheme bad = octavo;
  bad.weights.symmetric = false;
  CHECK_THROWS_AS(bad.validate(), oc::Error);
  bad = octavo;
  bad.activations.axis = 3;
  CHECK_THROWS_AS(bad.validate(), oc::Error);
}

TEST_CASE("schemes as types stand for the same schemes") {
  oc::Rng random(75);
  const auto same = [&random](const oc::Scheme& a, const oc::Scheme& b) {
    CHECK(a.name == b.name);
    CHECK(a.weights == b.weights);
    CHECK(a.depthwise_weights == b.depthwise_weights);
    CHECK(a.dense_weights == b.dense_weights);
    CHECK(a.activations == b.activations);
    CHECK(a.batch_norm == b.batch_norm);
    CHECK(a.ties == b.ties);
    CHECK(a.rounding == b.rounding);
    for (const bool input : {false, true}) {
      oc::FakeQuantizer p("x", input ? a.input_settings() : a.activation_settings());
      oc::FakeQuantizer q("x", input ? b.input_settings() : b.activation_settings());
      for (int i = 0; i < 5; ++i) {
        const std::vector<float> values = normal_values(random, 64);
        p.observe(values), q.observe(values);
      }
      CHECK(p.grid() == q.grid());
      CHECK(oc::FakeQuantizer(p).grid() == p.grid());
      CHECK(p.state() == q.state());
    }
  };
  same(oc::scheme_of<oc::DefaultScheme>(), oc::Scheme::octavo());
  same(oc::scheme_of<oc::TfmotScheme>(), oc::Scheme::tfmot());
  const oc::Scheme four = oc::scheme_of<FourBits>();
  CHECK(four.weights.bits == 4);
  CHECK(four.dense_weights.bits == 8);
  oc::FakeQuantizer activation("a", four.activation_settings());
  CHECK(activation.observer().kind() == "histogram");
  const auto weight = oc::make_observer(oc::ObserverSettings::of<oc::HistogramObserver>(), "w", 1, {.bits = 4});
  CHECK(dynamic_cast<const oc::HistogramObserver&>(*weight).settings().scheme.bits == 4);
  const auto told = oc::make_observer(oc::ObserverSettings::of<ToldObserver>(), "w", 1, {.bits = 3});
  told->observe_range(0.0F, 1.0F);
  CHECK(told->range().high == 3.0F);
  constexpr oc::TensorScheme descriptor = oc::SymmetricWeights<3, 1>();
  static_assert(descriptor.bits == 3 && descriptor.symmetric && descriptor.narrow && descriptor.axis == 1);
}
