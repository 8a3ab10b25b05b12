// Losses against closed forms and central differences; metrics against counts by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "octavo/train/losses.hpp"
#include "octavo/train/metrics.hpp"

using namespace octavo;
using namespace octavo::train;

namespace {

Tensor tensor_of(const Shape& shape, const std::vector<float>& numbers) {
  Tensor tensor = make_tensor(shape);
  std::copy(numbers.begin(), numbers.end(), tensor.begin());
  return tensor;
}

Tensor softmax(const Tensor& logits) {
  Tensor p = make_tensor(shape_of(logits));
  nn::softmax_rows(logits, p);
  return p;
}

// Compares the gradient with central differences of the loss in double-sized steps of float.
void check_gradient(const Loss& loss, bool of_logits) {
  Rng random(5);
  Tensor x = make_tensor({3, 5});
  for (float& value : values(x)) value = random.uniform(-2.0F, 2.0F);
  const std::vector<std::int32_t> labels = {4, 0, 2};
  const auto at = [&](const Tensor& logits, Tensor* gradient) {
    return loss_of(loss, of_logits ? softmax(logits) : logits, labels, gradient);
  };
  Tensor gradient;
  at(x, &gradient);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i);
    constexpr float step = 1e-2F;
    Tensor plus = x, minus = x;
    plus.data()[i] += step;
    minus.data()[i] -= step;
    const double slope = (at(plus, nullptr) - at(minus, nullptr)) / (2.0 * static_cast<double>(step));
    CHECK(static_cast<double>(gradient.data()[i]) == doctest::Approx(slope).epsilon(2e-3).scale(0.1));
  }
}

}  // namespace

TEST_CASE("cross-entropy is minus the mean log probability of the labels") {
  const Tensor p = tensor_of({2, 2}, {0.25F, 0.75F, 0.5F, 0.5F});
  const std::vector<std::int32_t> labels = {1, 0};
  const double expected = -(std::log(0.75) + std::log(0.5)) / 2.0;
  CHECK(loss_of(CrossEntropy{}, p, labels, nullptr) == doctest::Approx(expected).epsilon(1e-6));
  // Weights: each image's loss times its class' weight, still divided by 2.
  const double weighted = -(3.0 * std::log(0.75) + 0.5 * std::log(0.5)) / 2.0;
  CHECK(loss_of(CrossEntropy{.class_weights = {0.5, 3.0}}, p, labels, nullptr) ==
        doctest::Approx(weighted).epsilon(1e-6));
  // Smoothing .2 over 2 classes: targets .9 and .1.
  const double smooth = -(0.9 * std::log(0.75) + 0.1 * std::log(0.25) + std::log(0.5)) / 2.0;
  CHECK(loss_of(CrossEntropy{.label_smoothing = 0.2}, p, labels, nullptr) == doctest::Approx(smooth).epsilon(1e-6));
}

TEST_CASE("gradients of the losses agree with central differences") {
  SUBCASE("cross-entropy") { check_gradient(CrossEntropy{}, true); }
  SUBCASE("smoothed and weighted") {
    check_gradient(CrossEntropy{.label_smoothing = 0.1, .class_weights = {1, 2, 0.5, 1, 3}}, true);
  }
  SUBCASE("from logits") { check_gradient(CrossEntropy{.label_smoothing = 0.1, .from_logits = true}, false); }
  SUBCASE("squared error") { check_gradient(MeanSquaredError{}, false); }
}

TEST_CASE("cross-entropy stays finite where float runs out, and lets NaN through") {
  const std::vector<std::int32_t> labels = {0};
  Tensor gradient;
  CHECK(loss_of(CrossEntropy{}, tensor_of({1, 2}, {0.0F, 1.0F}), labels, &gradient) ==
        doctest::Approx(-std::log(1e-7)).epsilon(1e-5));
  CHECK(gradient.data()[0] == -1.0F);
  CHECK(loss_of(CrossEntropy{.from_logits = true}, tensor_of({1, 2}, {-300.0F, 300.0F}), labels, nullptr) ==
        doctest::Approx(600.0));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(loss_of(CrossEntropy{}, tensor_of({1, 2}, {nan, nan}), labels, nullptr)));
}

TEST_CASE("mean squared error of two tensors") {
  Tensor gradient;
  const double loss = mean_squared_error(tensor_of({2, 2}, {1, 2, 3, 4}), tensor_of({2, 2}, {1, 0, 3, 5}), &gradient);
  CHECK(loss == doctest::Approx(5.0 / 4.0));
  CHECK(gradient.data()[1] == doctest::Approx(1.0));
  CHECK(gradient.data()[3] == doctest::Approx(-0.5));
  CHECK_THROWS_AS(mean_squared_error(make_tensor({2, 2}), make_tensor({4}), nullptr), Error);
}

TEST_CASE("a label out of range is named by its index") {
  const Tensor p = tensor_of({2, 2}, {0.5F, 0.5F, 0.5F, 0.5F});
  const std::vector<std::int32_t> labels = {0, 2};
  const std::vector<std::int64_t> indices = {17, 41};
  CHECK_THROWS_WITH_AS(loss_of(CrossEntropy{}, p, labels, nullptr),
                       "loss: label 2 of image 1 is not among the 2 classes", Error);
  CHECK_THROWS_WITH_AS(loss_of(MeanSquaredError{}, p, labels, nullptr, indices),
                       "loss: label 2 of image 41 is not among the 2 classes", Error);
  CHECK_THROWS_AS(loss_of(CrossEntropy{}, p, std::vector<std::int32_t>{0}, nullptr), Error);
}

TEST_CASE("a loss is checked against the graph") {
  nn::Graph model;
  model.add("dense", nn::Dense({.units = 4, .activation = nn::Activation::softmax}), {model.input("input", {3})});
  CHECK_NOTHROW(check(CrossEntropy{}, model));
  CHECK_NOTHROW(check(MeanSquaredError{}, model));
  CHECK_THROWS_WITH_AS(check(CrossEntropy{.from_logits = true}, model), doctest::Contains("'dense'"), Error);
  CHECK_THROWS_WITH_AS(check(CrossEntropy{.label_smoothing = 1.0}, model), doctest::Contains("label_smoothing"), Error);
  CHECK_THROWS_WITH_AS(check(CrossEntropy{.class_weights = {1, 2}}, model), doctest::Contains("expected 4"), Error);
}

TEST_CASE("top-k counts ties by the order of classes, so top-1 is argmax") {
  const std::vector<float> row = {0.1F, 0.4F, 0.4F, 0.1F};
  CHECK(argmax(row) == 1);
  CHECK(in_top_k(row, 1, 1));
  CHECK_FALSE(in_top_k(row, 2, 1));
  CHECK(in_top_k(row, 2, 2));
  CHECK_FALSE(in_top_k(row, 3, 3));
  CHECK(in_top_k(row, 3, 4));
  CHECK_FALSE(in_top_k(row, 4, 4));
  CHECK_FALSE(in_top_k(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0.0F}, 0, 2));
  const Tensor outputs = tensor_of({2, 4}, {0.1F, 0.4F, 0.4F, 0.1F, 0.7F, 0.1F, 0.1F, 0.1F});
  CHECK(top_k_accuracy(outputs, std::vector<std::int32_t>{2, 0}, 1) == 0.5);
  CHECK(top_k_accuracy(outputs, std::vector<std::int32_t>{2, 0}, 2) == 1.0);
}

TEST_CASE("confusion matrix, accuracy and its standard error") {
  const std::vector<std::int32_t> labels = {0, 0, 0, 1, 1, 2}, predictions = {0, 0, 1, 1, 0, 2};
  const ConfusionMatrix matrix(3, labels, predictions);
  CHECK(matrix.at(0, 0) == 2);
  CHECK(matrix.at(0, 1) == 1);
  CHECK(matrix.at(1, 0) == 1);
  CHECK(matrix.total() == 6);
  CHECK(matrix.accuracy() == doctest::Approx(4.0 / 6.0));
  CHECK(matrix.recall(0) == doctest::Approx(2.0 / 3.0));
  CHECK(matrix.precision(1) == doctest::Approx(0.5));
  CHECK(accuracy(predictions, labels) == doctest::Approx(4.0 / 6.0));
  CHECK(standard_error(0.5, 100) == doctest::Approx(0.05));
  CHECK_THROWS_AS(static_cast<void>(matrix.at(3, 0)), Error);
  std::ostringstream out;
  matrix.print(out, std::vector<std::string>{"lantana", "parkinsonia", "negative"});
  CHECK(out.str().find("    lantana     2     1     0  66.7 %\n") != std::string::npos);
}

TEST_CASE("a running mean is weighted") {
  RunningMean mean;
  CHECK(mean.value() == 0.0);
  mean.add(1.0, 32.0);
  mean.add(4.0, 16.0);
  CHECK(mean.value() == doctest::Approx(2.0));
}
