// Optimizers against steps computed by hand in double; schedules at their corners.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "octavo/train/optimizers.hpp"
#include "octavo/train/schedules.hpp"

using namespace octavo;
using namespace octavo::train;

namespace {

// A parameter of its own, with its place in a list.
struct Weights {
  explicit Weights(std::vector<float> numbers, bool decays = true) {
    parameter.value = make_tensor({static_cast<std::int64_t>(numbers.size())});
    std::copy(numbers.begin(), numbers.end(), parameter.value.begin());
    parameter.decays = decays;
  }
  void set_gradient(const std::vector<float>& numbers) {
    reshape_to(parameter.gradient, shape_of(parameter.value));
    std::copy(numbers.begin(), numbers.end(), parameter.gradient.begin());
  }
  [[nodiscard]] double at(std::size_t i) const { return static_cast<double>(parameter.value.data()[i]); }
  nn::Parameter parameter;
};

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(2e-6); }

}  // namespace

TEST_CASE("Adam makes Keras' steps") {
  Weights w({1.0F, -2.0F, 0.5F});
  const std::vector<nn::NamedParameter> list = {{"dense/kernel", &w.parameter, true}};
  Optimizer optimizer(Adam{.learning_rate = 0.01});
  double value[] = {1.0, -2.0, 0.5}, m[3] = {}, v[3] = {};
  const std::vector<std::vector<float>> gradients = {{0.3F, -1.5F, 0.0F}, {0.1F, 0.4F, -2.0F}, {-0.2F, 0.4F, 1e-4F}};
  for (std::size_t t = 1; t <= gradients.size(); ++t) {
    CAPTURE(t);
    w.set_gradient(gradients[t - 1]);
    optimizer.step(list, 0.01);
    const auto power = static_cast<double>(t);
    const double rate = 0.01 * std::sqrt(1 - std::pow(0.999, power)) / (1 - std::pow(0.9, power));
    for (std::size_t i = 0; i < 3; ++i) {
      const auto g = static_cast<double>(gradients[t - 1][i]);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      value[i] -= rate * m[i] / (std::sqrt(v[i]) + 1e-7);
      CHECK(w.at(i) == near(value[i]));
    }
  }
  CHECK(optimizer.steps() == 3);
}

TEST_CASE("gradient descent, momentum and nesterov make Keras' steps") {
  for (const bool nesterov : {false, true})
    for (const double momentum : {0.0, 0.9}) {
      CAPTURE(nesterov);
      CAPTURE(momentum);
      Weights w({1.0F, -2.0F});
      const std::vector<nn::NamedParameter> list = {{"dense/kernel", &w.parameter, true}};
      Optimizer optimizer(Sgd{.momentum = momentum, .nesterov = nesterov});
      double value[] = {1.0, -2.0}, velocity[2] = {};
      for (const float scale : {1.0F, -0.5F, 2.0F}) {
        w.set_gradient({0.3F * scale, -1.5F * scale});
        optimizer.step(list, 0.1);
        for (std::size_t i = 0; i < 2; ++i) {
          const double g = (i == 0 ? 0.3 : -1.5) * static_cast<double>(scale);
          velocity[i] = momentum * velocity[i] - 0.1 * g;
          value[i] += nesterov && momentum > 0.0 ? momentum * velocity[i] - 0.1 * g : velocity[i];
          CHECK(w.at(i) == near(value[i]));
        }
      }
    }
}

TEST_CASE("weight decay is decoupled and leaves biases alone") {
  Weights kernel({1.0F}), bias({1.0F}, false);
  kernel.set_gradient({0.0F});
  bias.set_gradient({0.0F});
  const std::vector<nn::NamedParameter> list = {{"dense/kernel", &kernel.parameter, true},
                                                {"dense/bias", &bias.parameter, true}};
  for (const OptimizerOptions& options :
       {OptimizerOptions(Adam{.weight_decay = 0.5}), OptimizerOptions(Sgd{.momentum = 0.9, .weight_decay = 0.5})}) {
    kernel.parameter.value.data()[0] = 1.0F;
    Optimizer optimizer(options);
    optimizer.step(list, 0.1);
    CHECK(kernel.at(0) == near(0.95));
    CHECK(bias.at(0) == 1.0);
  }
}

TEST_CASE("clipping shortens all gradients together") {
  Weights a({0.0F}), b({0.0F}), frozen({0.0F});
  const std::vector<nn::NamedParameter> list = {
      {"a/kernel", &a.parameter, true}, {"b/kernel", &b.parameter, true}, {"c/kernel", &frozen.parameter, false}};
  Optimizer optimizer(Sgd{.clip_norm = 1.0});
  a.set_gradient({3.0F});
  b.set_gradient({-4.0F});
  frozen.set_gradient({100.0F});
  optimizer.step(list, 1.0);  // norm 5
  CHECK(a.at(0) == near(-0.6));
  CHECK(b.at(0) == near(0.8));
  CHECK(frozen.at(0) == 0.0);
  a.set_gradient({0.3F});
  b.set_gradient({-0.4F});
  optimizer.step(list, 1.0);  // norm .5: as it is
  CHECK(a.at(0) == near(-0.9));
  CHECK(b.at(0) == near(1.2));
}

TEST_CASE("rates by name: the longest prefix counts") {
  Weights head({0.0F}), bias({0.0F}), rest({0.0F}), still({0.0F});
  const std::vector<nn::NamedParameter> list = {{"dense/kernel", &head.parameter, true},
                                                {"dense/bias", &bias.parameter, true},
                                                {"conv1/kernel", &rest.parameter, true},
                                                {"stem/kernel", &still.parameter, true}};
  Optimizer optimizer(Sgd{}, {{"dense", 10.0}, {"dense/bias", 20.0}, {"stem", 0.0}});
  CHECK_NOTHROW(optimizer.check_multipliers(list));
  for (Weights* w : {&head, &bias, &rest, &still}) w->set_gradient({1.0F});
  optimizer.step(list, 0.1);
  CHECK(head.at(0) == near(-1.0));
  CHECK(bias.at(0) == near(-2.0));
  CHECK(rest.at(0) == near(-0.1));
  CHECK(still.at(0) == 0.0);
  CHECK_THROWS_WITH_AS(Optimizer(Sgd{}, {{"haed", 10.0}}).check_multipliers(list), doctest::Contains("'haed'"), Error);
}

TEST_CASE("what no backward pass has reached stays") {
  Weights w({1.0F});
  Optimizer optimizer(Adam{.weight_decay = 0.5});
  optimizer.step(std::vector<nn::NamedParameter>{{"a/kernel", &w.parameter, true}}, 0.1);
  CHECK(w.at(0) == 1.0);
}

TEST_CASE("an optimizer continues from its state, bit for bit") {
  for (const OptimizerOptions& options : {OptimizerOptions(Adam{}), OptimizerOptions(Sgd{.momentum = 0.9})}) {
    Weights one({1.0F, -1.0F}), two({1.0F, -1.0F});
    const std::vector<nn::NamedParameter> first = {{"a/kernel", &one.parameter, true}};
    const std::vector<nn::NamedParameter> second = {{"a/kernel", &two.parameter, true}};
    Optimizer straight(options), before(options), after(options);
    const auto step = [](Optimizer& optimizer, const std::vector<nn::NamedParameter>& list, Weights& w, float g) {
      w.set_gradient({g, -3.0F * g});
      optimizer.step(list, 1e-2);
    };
    for (const float g : {0.5F, -0.1F, 0.7F, 0.2F}) step(straight, first, one, g);
    for (const float g : {0.5F, -0.1F}) step(before, second, two, g);
    after.set_state(before.state(), before.steps());
    for (const float g : {0.7F, 0.2F}) step(after, second, two, g);
    CHECK(one.parameter.value == two.parameter.value);
  }
}

TEST_CASE("a state that does not fit is refused by name") {
  Weights w({1.0F, 2.0F});
  w.set_gradient({1.0F, 1.0F});
  const std::vector<nn::NamedParameter> list = {{"a/kernel", &w.parameter, true}};
  Optimizer adam(Adam{}), momentum(Sgd{.momentum = 0.9});
  momentum.step(list, 0.1);
  CHECK_THROWS_WITH_AS(adam.set_state(momentum.state(), 1), doctest::Contains("velocity/a/kernel"), Error);
  adam.set_state(std::vector<NamedArray>{{"m/a/kernel", make_tensor({3}, 0.0F)}}, 1);
  CHECK_THROWS_WITH_AS(adam.step(list, 0.1), doctest::Contains("'a/kernel'"), Error);
}

TEST_CASE("settings without a meaning are refused") {
  CHECK_THROWS_WITH_AS(Optimizer(Adam{.beta_1 = 1.0}), doctest::Contains("beta_1"), Error);
  CHECK_THROWS_WITH_AS(Optimizer(Adam{.epsilon = 0.0}), doctest::Contains("epsilon"), Error);
  CHECK_THROWS_WITH_AS(Optimizer(Sgd{.momentum = -0.1}), doctest::Contains("momentum"), Error);
  CHECK_THROWS_WITH_AS(Optimizer(Sgd{.learning_rate = std::nan("")}), doctest::Contains("learning_rate"), Error);
}

TEST_CASE("schedules") {
  const auto at = [](const Schedule& schedule, std::int64_t step) { return schedule(step, 100); };
  CHECK(at(Constant{}, 99) == 1.0);

  const Schedule steps = StepDecay{.at = {0.5, 0.75}, .factor = 0.1};
  CHECK(at(steps, 49) == 1.0);
  CHECK(at(steps, 50) == doctest::Approx(0.1));
  CHECK(at(steps, 75) == doctest::Approx(0.01));

  const Schedule exponential = ExponentialDecay{.final_factor = 0.01};
  CHECK(at(exponential, 0) == 1.0);
  CHECK(at(exponential, 50) == doctest::Approx(0.1));

  const Schedule cosine = Cosine{.warm_up = 0.1, .final_factor = 0.2};
  CHECK(at(cosine, 0) == doctest::Approx(0.1));
  CHECK(at(cosine, 4) == doctest::Approx(0.5));
  CHECK(at(cosine, 9) == doctest::Approx(1.0));
  CHECK(at(cosine, 10) == doctest::Approx(1.0));
  CHECK(at(cosine, 55) == doctest::Approx(0.6));
  CHECK(at(cosine, 100) == doctest::Approx(0.2));
  for (std::int64_t step = 11; step < 100; ++step) CHECK(at(cosine, step) < at(cosine, step - 1));
}
