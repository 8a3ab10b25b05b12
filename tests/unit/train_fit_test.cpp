// fit(): it learns, stops, keeps features of frozen layers, repeats itself, and complains where it must.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "train_support.hpp"

using namespace octavo;
using namespace octavo::train;
using train_support::patterns;
using train_support::quiet;
using train_support::small_model;

TEST_CASE("a small network learns patterns, with Adam and with momentum") {
  const Dataset training = patterns(512, 1), held_out = patterns(400, 2);
  for (const OptimizerOptions& optimizer :
       {OptimizerOptions(Adam{.learning_rate = 1e-2}),
        OptimizerOptions(Sgd{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4})}) {
    nn::Graph model = small_model();
    FitOptions options = quiet(10);
    options.optimizer = optimizer;
    options.schedule = Cosine{.warm_up = 0.1};
    options.validation = &held_out;
    const History history = fit(model, training, options);
    REQUIRE(history.epochs.size() == 10);
    CHECK(history.epochs.back().accuracy > 0.95);
    CHECK(history.epochs.back().val_accuracy > 0.95);
    CHECK(history.epochs.back().loss < 0.5 * history.epochs.front().loss);
    const Evaluation seen = evaluate(model, held_out);
    CHECK(seen.accuracy == doctest::Approx(history.epochs.back().val_accuracy));
    CHECK(seen.loss == doctest::Approx(history.epochs.back().val_loss).epsilon(1e-4));
  }
}

TEST_CASE("options of training work together: augmentation, smoothing, clipping, rates by name") {
  const Dataset training = patterns(256, 1);
  nn::Graph model = small_model(0.1F);
  FitOptions options = quiet(8);
  options.optimizer = Adam{.learning_rate = 5e-3, .weight_decay = 1e-2, .clip_norm = 1.0};
  options.rate_multipliers = {{"dense", 4.0}};
  options.loss = CrossEntropy{.label_smoothing = 0.1, .class_weights = {1, 1, 2, 1}};
  options.augmentation = {.horizontal_flip = true, .shift = 1};
  options.loader_threads = 2;
  const History history = fit(model, training, options);
  CHECK(history.epochs.back().loss < 0.75 * history.epochs.front().loss);
}

TEST_CASE("the same seed and threads give the same bits; another seed does not") {
  const Dataset training = patterns(96, 1);
  const auto train_with = [&](std::uint64_t seed) {
    nn::Graph model = small_model(0.2F);
    FitOptions options = quiet(2);
    options.seed = seed;
    options.threads = 2;
    options.loader_threads = static_cast<int>(seed % 3);
    options.augmentation = {.horizontal_flip = true};
    fit(model, training, options);
    return model;
  };
  nn::Graph one = train_with(5), two = train_with(5), other = train_with(6);
  CHECK(train_support::differences(one, two).empty());
  CHECK_FALSE(train_support::differences(one, other).empty());
}

TEST_CASE("early stopping ends training and restores the best model") {
  const Dataset training = patterns(128, 1), held_out = patterns(64, 2);
  nn::Graph model = small_model();
  std::vector<nn::Graph> models;
  FitOptions options = quiet(20);
  options.optimizer = Adam{.learning_rate = 3e-3};
  options.validation = &held_out;
  options.early_stopping = {.monitor = Monitor::val_loss, .patience = 2, .restore_best = true};
  options.on_epoch_end.push_back([&](EpochEnd& end) {
    models.push_back(end.model);
    // From the fourth epoch on the head is spoiled: no later epoch can be the best.
    if (end.result().epoch < 3) return;
    for (float& weight : values(end.model.layer<nn::Dense>("dense").kernel().value)) weight = weight > 0 ? -9.0F : 9.0F;
  });
  const History history = fit(model, training, options);
  CHECK(history.stopped_early);
  CHECK(history.restored_best);
  CHECK(history.epochs.size() == static_cast<std::size_t>(history.best_epoch) + 3);
  CHECK(history.best_epoch <= 3);
  for (const EpochResult& result : history.epochs)
    CHECK(history.epochs[static_cast<std::size_t>(history.best_epoch)].val_loss <= result.val_loss);
  CHECK(train_support::differences(model, models[static_cast<std::size_t>(history.best_epoch)]).empty());
  CHECK_FALSE(train_support::differences(model, models.back()).empty());
  CHECK(evaluate(model, held_out).loss ==
        doctest::Approx(history.epochs[static_cast<std::size_t>(history.best_epoch)].val_loss).epsilon(1e-5));
}

TEST_CASE("early stopping counts epochs without enough gain") {
  const EarlyStopping stopping{.monitor = Monitor::val_accuracy, .patience = 2, .min_delta = 0.01};
  BestEpoch best;
  const auto note = [&](int epoch, double accuracy) {
    EpochResult result;
    result.epoch = epoch;
    result.val_accuracy = accuracy;
    return note_epoch(stopping, result, best);
  };
  CHECK(note(0, 0.5));
  CHECK(note(1, 0.6));
  CHECK_FALSE(note(2, 0.605));
  CHECK_FALSE(should_stop(stopping, best));
  CHECK_FALSE(note(3, 0.59));
  CHECK(should_stop(stopping, best));
  CHECK(note(4, 0.7));
  CHECK_FALSE(should_stop(stopping, best));
  CHECK(best.epoch == 4);
  CHECK_THROWS_WITH_AS(note(5, std::numeric_limits<double>::quiet_NaN()), doctest::Contains("val_accuracy"), Error);
}

TEST_CASE("a loss that is not finite is an error with epoch and step") {
  std::vector<float> pixels(64 * 64, 0.5F);
  std::vector<std::int32_t> labels(64, 1);
  pixels[40 * 64] = std::numeric_limits<float>::quiet_NaN();  // image 40 is in the third batch of 16
  nn::Graph model = small_model();
  FitOptions options = quiet(1);
  options.batch_size = 16;
  options.shuffle = false;
  CHECK_THROWS_WITH_AS(fit(model, tensor_dataset({8, 8, 1}, pixels, labels), options),
                       doctest::Contains("in epoch 1, step 3"), Error);
}

TEST_CASE("data that do not fit the model are refused") {
  nn::Graph model = small_model();
  const FitOptions options = quiet(1);
  const std::vector<float> zeros(64);
  CHECK_THROWS_WITH_AS(fit(model, tensor_dataset({4, 16, 1}, zeros, {0}), options),
                       doctest::Contains("expects images of 8x8x1, the dataset has 4x16x1"), Error);
  CHECK_THROWS_WITH_AS(fit(model, tensor_dataset({8, 8, 1}, zeros, {7}), options),
                       doctest::Contains("tells 4 classes apart, the dataset has 8"), Error);
  CHECK_THROWS_WITH_AS(fit(model, Dataset(), options), doctest::Contains("empty"), Error);
  FitOptions wrong = options;
  wrong.rate_multipliers = {{"head", 10.0}};
  CHECK_THROWS_WITH_AS(fit(model, patterns(8, 1), wrong), doctest::Contains("'head'"), Error);
  wrong = options;
  wrong.early_stopping = {.patience = 1};
  CHECK_THROWS_WITH_AS(fit(model, patterns(8, 1), wrong), doctest::Contains("validation"), Error);
}

TEST_CASE("schedule, initial epoch and hooks") {
  const Dataset training = patterns(40, 1);
  nn::Graph model = small_model();
  FitOptions options = quiet(10);
  options.batch_size = 16;  // 3 steps an epoch
  options.initial_epoch = 2;
  options.optimizer = Sgd{.learning_rate = 0.5};
  std::vector<std::int64_t> steps;
  options.schedule = [&](std::int64_t step, std::int64_t total) {
    CHECK(total == 30);
    steps.push_back(step);
    return 0.1;
  };
  options.on_epoch_end.push_back([](EpochEnd& end) { end.stop = end.result().epoch == 3; });
  const History history = fit(model, training, options);
  CHECK(steps == std::vector<std::int64_t>{6, 7, 8, 9, 10, 11});
  REQUIRE(history.epochs.size() == 2);
  CHECK(history.epochs[0].epoch == 2);
  CHECK(history.epochs[0].learning_rate == doctest::Approx(0.05));
  CHECK(std::isnan(history.epochs[0].val_loss));
}

TEST_CASE("predictions and probabilities stand in the dataset's order") {
  const Dataset data = patterns(37, 4);
  nn::Graph model = small_model();
  const Evaluation seen = evaluate(model, data, {.batch_size = 8, .keep_probabilities = true, .threads = 2});
  const Tensor outputs = predict(model, data, {.batch_size = 37, .threads = 2});
  CHECK(seen.n == 37);
  REQUIRE(shape_of(outputs) == Shape{37, 4});
  for (std::int64_t i = 0; i < 37; ++i) {
    CHECK(seen.labels[static_cast<std::size_t>(i)] == i % 4);
    CHECK(seen.predictions[static_cast<std::size_t>(i)] == argmax(row_of(outputs, i)));
    CHECK(row_of(seen.probabilities, i)[2] == doctest::Approx(row_of(outputs, i)[2]).epsilon(1e-5));
  }
  CHECK(seen.confusion(4).accuracy() == doctest::Approx(seen.accuracy));
  CHECK(static_cast<double>(seen.correct) == doctest::Approx(37.0 * seen.accuracy));
}

TEST_CASE("fit prints two lines an epoch") {
  const Dataset training = patterns(40, 1), held_out = patterns(8, 2);
  nn::Graph model = small_model();
  std::ostringstream out;
  FitOptions options = quiet(2);
  options.batch_size = 16;
  options.validation = &held_out;
  options.progress = &out;
  options.verbosity = Verbosity::automatic;
  fit(model, training, options);
  const std::string text = out.str();
  CHECK(text.starts_with("Epoch 1/2\n3/3 [==============================] - "));
  CHECK(text.find("/step - loss: ") != std::string::npos);
  CHECK(text.find(" - val_accuracy: ") != std::string::npos);
  CHECK(text.find("\nEpoch 2/2\n") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}
