// Features of frozen layers are kept where they may be: the same training, each image loaded once.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "octavo/nn/models/mobilenet_v2.hpp"
#include "train_support.hpp"

using namespace octavo;
using namespace octavo::train;
using train_support::patterns;
using train_support::quiet;
using train_support::small_model;

namespace {

// Counts how often images are loaded.
class CountingSource : public DatasetSource {
 public:
  explicit CountingSource(Dataset dataset) : dataset_(std::move(dataset)) {}
  [[nodiscard]] std::int64_t size() const override { return dataset_.size(); }
  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return dataset_.label(i); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return dataset_.class_names(); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return dataset_.name(i); }
  [[nodiscard]] Shape image_shape() const override { return dataset_.image_shape(); }
  [[nodiscard]] Image preview(std::int64_t i) const override { return dataset_.preview(i); }
  void load(std::int64_t i, std::span<float> out) const override {
    ++loads;
    dataset_.load(i, out);
  }
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const override {
    ++loads;
    dataset_.load(i, augmentation, rng, out);
  }
  mutable std::atomic<std::int64_t> loads{0};

 private:
  Dataset dataset_;
};

double largest_difference(nn::Graph& a, nn::Graph& b) {
  double largest = 0.0;
  const auto ours = a.parameters(), theirs = b.parameters();
  for (std::size_t p = 0; p < ours.size(); ++p)
    for (std::size_t i = 0; i < ours[p].parameter->value.size(); ++i)
      largest = std::max(largest, std::abs(static_cast<double>(ours[p].parameter->value.data()[i]) -
                                           static_cast<double>(theirs[p].parameter->value.data()[i])));
  return largest;
}

}  // namespace

TEST_CASE("kept features of frozen layers give the same training, and load each image once") {
  const auto training = std::make_shared<CountingSource>(patterns(200, 1));
  const auto held_out = std::make_shared<CountingSource>(patterns(100, 2));
  const Dataset validation(held_out);
  nn::Graph start = small_model(0.2F);
  {  // statistics that are not those of a new network
    FitOptions options = quiet(1);
    fit(start, patterns(128, 3), options);
  }
  for (const char* layer : {"conv1", "bn1", "depthwise", "bn2"}) start.freeze(layer);
  const auto train_with = [&](bool keep, std::size_t memory, nn::Graph& model) {
    training->loads = held_out->loads = 0;
    FitOptions options = quiet(4);
    options.optimizer = Adam{.learning_rate = 1e-2};
    options.validation = &validation;
    options.keep_features = keep;
    options.feature_memory = memory;
    return fit(model, Dataset(training), options);
  };
  constexpr std::size_t enough = 1 << 20;
  nn::Graph without = start, with = start, too_small = start;
  const History plain = train_with(false, enough, without);
  CHECK(training->loads == 4 * 200);
  CHECK(held_out->loads == 4 * 100);
  const History kept = train_with(true, enough, with);
  CHECK(training->loads == 200);
  CHECK(held_out->loads == 100);
  train_with(true, 300 * 24 * 4 - 1, too_small);  // 24 pooled features an image
  CHECK(training->loads == 4 * 200);
  CHECK(train_support::differences(without, too_small).empty());

  CHECK(largest_difference(start, with) > 1e-2);
  CHECK(largest_difference(without, with) < 1e-4);
  for (std::size_t e = 0; e < 4; ++e) {
    CHECK(kept.epochs[e].loss == doctest::Approx(plain.epochs[e].loss).epsilon(1e-4));
    CHECK(kept.epochs[e].val_loss == doctest::Approx(plain.epochs[e].val_loss).epsilon(1e-4));
  }
}

TEST_CASE("features are not kept where that would be wrong") {
  const auto training = std::make_shared<CountingSource>(patterns(64, 1));
  nn::Graph model = small_model();
  model.freeze("conv1");
  model.freeze("bn1");
  FitOptions options = quiet(3);
  SUBCASE("augmentation") {
    options.augmentation = {.vertical_flip = true};
    fit(model, Dataset(training), options);
    CHECK(training->loads == 3 * 64);
  }
  SUBCASE("a hook unfreezes") {
    options.on_epoch_end.push_back([](EpochEnd& end) {
      if (end.result().epoch == 1) end.model.unfreeze();
    });
    const nn::Graph before = model;
    fit(model, Dataset(training), options);
    CHECK(training->loads == 64 + 64);  // once for two epochs, then once for the third
    nn::Graph was = before;
    CHECK(model.layer<nn::Conv2D>("conv1").kernel().value != was.layer<nn::Conv2D>("conv1").kernel().value);
  }
}

TEST_CASE("a frozen MobileNetV2 computes each image once; its head trains as it would without") {
  Rng random(8);
  std::vector<float> pixels(24 * 32 * 32 * 3);
  for (float& value : pixels) value = random.uniform(-1.0F, 1.0F);
  std::vector<std::int32_t> labels(24);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 3);
  const auto images = std::make_shared<CountingSource>(tensor_dataset({32, 32, 3}, pixels, labels));
  nn::Graph kept = nn::mobilenet_v2({.input = {32, 32, 3}, .alpha = 0.35, .hidden = {8}, .classes = 3});
  kept.freeze();
  kept.unfreeze("dense");
  nn::Graph plain = kept;
  FitOptions options = quiet(3);
  options.batch_size = 8;
  options.optimizer = Adam{.learning_rate = 1e-2};
  fit(kept, Dataset(images), options);
  CHECK(images->loads == 24);
  options.keep_features = false;
  fit(plain, Dataset(images), options);
  CHECK(images->loads == 24 + 3 * 24);
  CHECK(largest_difference(kept, plain) < 1e-4);
}
