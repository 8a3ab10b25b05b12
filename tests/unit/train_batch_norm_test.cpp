// Statistics of batch norm, measured anew and unfolded.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "octavo/compress/quantize_model.hpp"
#include "octavo/train/batch_norm_tools.hpp"
#include "train_support.hpp"

using namespace octavo;
using namespace octavo::train;
using train_support::patterns;
using train_support::small_model;

namespace {

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(shape_of(a) == shape_of(b));
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return largest;
}

// A network as it is imported: its batch norm layers are the identity and a bias.
nn::Graph folded_model() {
  nn::Graph model = small_model();
  Rng random(11);
  for_each_batch_norm(model, [&](const nn::Node&, nn::BatchNorm& norm) {
    for (std::size_t c = 0; c < norm.channels(); ++c) {
      norm.gamma().value.data()[c] = std::sqrt(1.0F + norm.options().epsilon);
      norm.beta().value.data()[c] = random.uniform(-0.5F, 1.0F);
    }
  });
  return model;
}

Tensor all_images(const Dataset& data) {
  Batch batch;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < data.size(); ++i) indices.push_back(i);
  load_batch(data, indices, batch);
  return batch.images;
}

}  // namespace

TEST_CASE("unfolding keeps the function, and makes batch statistics give it too") {
  const Dataset data = patterns(128, 1);
  nn::Graph model = folded_model(), before = model;
  const Tensor images = all_images(data);
  unfold_batch_norm(model, data, {.batch_size = 32, .threads = 2});
  CHECK(largest_difference(predict(model, data), predict(before, data)) < 1e-4);

  // The statistics are those of the layers' inputs.
  nn::BatchNorm& first = model.layer<nn::BatchNorm>("bn1");
  nn::Executor executor(model, 1);
  executor.forward(images, false);
  const Tensor& input = executor.value(model.id_of("conv1"));
  double sum = 0.0, square = 0.0;
  const std::size_t rows = input.size() / 12;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto x = static_cast<double>(input.data()[row * 12 + 5]);
    sum += x, square += x * x;
  }
  const double mean = sum / static_cast<double>(rows);
  CHECK(static_cast<double>(first.moving_mean().value.data()[5]) == doctest::Approx(mean).epsilon(1e-4));
  CHECK(static_cast<double>(first.moving_variance().value.data()[5]) ==
        doctest::Approx(square / static_cast<double>(rows) - mean * mean).epsilon(1e-4));

  // In training mode with all images as a batch: nearly the same outputs, which they are not without unfolding.
  Tensor expected = predict(before, data);
  nn::Graph trained = model, folded = before;
  nn::Executor with(trained, 1), without(folded, 1);
  CHECK(largest_difference(with.forward(images, true), expected) < 1e-3);
  CHECK(largest_difference(without.forward(images, true), expected) > 1e-2);
}

TEST_CASE("unfolding looks at as many batches as asked") {
  const Dataset data = patterns(64, 1);
  nn::Graph few = folded_model(), all = folded_model();
  unfold_batch_norm(few, data, {.batch_size = 16, .batches = 1});
  unfold_batch_norm(all, data, {.batch_size = 16});
  CHECK(few.layer<nn::BatchNorm>("bn1").moving_mean().value != all.layer<nn::BatchNorm>("bn1").moving_mean().value);
  CHECK(largest_difference(predict(few, data), predict(all, data)) < 1e-4);
}

TEST_CASE("a quantized graph is not unfolded") {
  nn::Graph model = compress::quantize_model(small_model());
  CHECK_THROWS_WITH_AS(unfold_batch_norm(model, patterns(8, 1)), doctest::Contains("is quantized"), Error);
}

TEST_CASE("measured anew, statistics are the mean over the batches") {
  const Dataset data = patterns(96, 1);
  nn::Graph model = small_model();
  // One batch of everything: moving statistics are then those of training mode, so both modes agree.
  re_estimate_batch_norm(model, data, {.batch_size = 96, .threads = 2});
  nn::Graph copy = model;
  nn::Executor executor(copy, 1);
  const Tensor images = all_images(data);
  const Tensor inference = executor.forward(images, false);
  CHECK(largest_difference(executor.forward(images, true), inference) < 1e-3);

  // Three batches: the mean of what each gives alone (the first layer does not depend on other layers' statistics).
  nn::Graph three = small_model();
  re_estimate_batch_norm(three, data, {.batch_size = 32, .seed = 4});
  nn::BatchNorm& norm = three.layer<nn::BatchNorm>("bn1");
  CHECK(norm.moving_mean().value.data()[3] ==
        doctest::Approx(model.layer<nn::BatchNorm>("bn1").moving_mean().value.data()[3]).epsilon(1e-4));
}

TEST_CASE("frozen layers and ranges stay when statistics are measured") {
  const Dataset data = patterns(32, 1);
  nn::Graph model = compress::quantize_model(small_model());
  FitOptions options = train_support::quiet(1);
  fit(model, data, options);
  model.freeze("bn1");
  model.layer<nn::BatchNorm>("bn2").freeze_statistics(true);
  const ModelState before = model_state(model);
  re_estimate_batch_norm(model, data);
  nn::Graph copy = model;
  set_model_state(copy, before);
  CHECK(train_support::differences(model, copy).empty());

  model.unfreeze("bn1");
  re_estimate_batch_norm(model, data);
  CHECK(train_support::differences(model, copy) == std::vector<std::string>{"bn1/moving_mean", "bn1/moving_variance"});
  const ModelState after = model_state(model);
  for (std::size_t i = 0; i < after.numbers.size(); ++i)
    if (after.numbers[i].name.ends_with("/output_quantizer"))
      CHECK(after.numbers[i].numbers == before.numbers[i].numbers);
}

TEST_CASE("ranges and statistics stand still from the epoch or the step that was asked for") {
  const Dataset data = patterns(64, 1);
  nn::Graph model = compress::quantize_model(small_model());
  FitOptions options = train_support::quiet(3);
  options.batch_size = 32;  // two steps an epoch
  options.quantization_freeze = {.observers_at_epoch = 1, .batch_norm_at_step = 4};
  std::vector<ModelState> states;
  options.on_epoch_end.push_back([&](EpochEnd& end) { states.push_back(model_state(end.model)); });
  fit(model, data, options);
  REQUIRE(states.size() == 3);
  const auto numbers = [&](std::size_t epoch, const std::string& name) {
    for (const NamedNumbers& one : states[epoch].numbers)
      if (one.name == name) return one.numbers;
    return std::vector<double>();
  };
  const auto moving_mean = [&](std::size_t epoch) {
    for (const NamedArray& one : states[epoch].parameters)
      if (one.name == "bn1/moving_mean") return one.values;
    return Tensor();
  };
  // The first number tells whether a quantizer observes; the rest is its range.
  REQUIRE(numbers(0, "relu1/output_quantizer").size() > 4);
  CHECK(numbers(0, "relu1/output_quantizer")[0] == 1.0);
  CHECK(numbers(1, "relu1/output_quantizer")[0] == 0.0);
  CHECK(numbers(1, "relu1/output_quantizer") == numbers(2, "relu1/output_quantizer"));
  CHECK(numbers(1, "bn1/statistics_frozen") == std::vector<double>{0.0});
  CHECK(numbers(2, "bn1/statistics_frozen") == std::vector<double>{1.0});
  CHECK(moving_mean(0) != moving_mean(1));
  CHECK(moving_mean(1) == moving_mean(2));
}
