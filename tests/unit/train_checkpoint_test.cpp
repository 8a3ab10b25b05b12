// Checkpoints: training that stops and goes on is the same, bit for bit; files that do not fit are refused.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "octavo/compress/quantize_model.hpp"
#include "octavo/io/checkpoint.hpp"
#include "train_support.hpp"

using namespace octavo;
using namespace octavo::train;
using train_support::patterns;
using train_support::quiet;
using train_support::small_model;

namespace {

// A folder that goes when the test ends.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "octavo-checkpoint-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

FitOptions full_options(int epochs) {
  FitOptions options = quiet(epochs);
  options.batch_size = 16;
  options.optimizer = Adam{.learning_rate = 3e-3, .weight_decay = 1e-3};
  options.schedule = Cosine{.warm_up = 0.1};
  options.augmentation = {.horizontal_flip = true, .min_area = 0.6F, .shift = 1, .brightness = 0.2F};
  return options;
}

EpochHook stop_after(int epochs) {
  return [epochs](EpochEnd& end) { end.stop = end.result().epoch + 1 >= epochs; };
}

void check_same_history(const History& a, const History& b) {
  REQUIRE(a.epochs.size() == b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    CHECK(a.epochs[i].epoch == b.epochs[i].epoch);
    CHECK(a.epochs[i].loss == b.epochs[i].loss);
    CHECK(a.epochs[i].val_loss == b.epochs[i].val_loss);
    CHECK(a.epochs[i].val_accuracy == b.epochs[i].val_accuracy);
    CHECK(a.epochs[i].learning_rate == b.epochs[i].learning_rate);
  }
  CHECK(a.best_epoch == b.best_epoch);
}

// Four epochs straight, against two, a file, another process' model, and two more.
void check_resume(const nn::Graph& start, FitOptions options) {
  const Folder folder;
  const Dataset training = patterns(100, 1), held_out = patterns(32, 2);
  options.validation = &held_out;
  nn::Graph straight = start;
  const History whole = fit(straight, training, options);

  nn::Graph first = start;
  FitOptions half = options;
  half.on_epoch_end = {io::checkpoint_each_epoch(folder.file("last.safetensors")), stop_after(2)};
  fit(first, training, half);
  CHECK_FALSE(train_support::differences(straight, first).empty());

  nn::Graph second = start;
  const TrainingState state = io::load_checkpoint(folder.file("last.safetensors"), second);
  CHECK(train_support::differences(first, second).empty());
  CHECK(state.epoch == 2);
  CHECK(state.step == 14);
  options.resume = &state;
  const History resumed = fit(second, training, options);
  CHECK(train_support::differences(straight, second) == std::vector<std::string>{});
  check_same_history(whole, resumed);
  const ModelState a = model_state(straight), b = model_state(second);
  REQUIRE(a.numbers.size() == b.numbers.size());
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    CAPTURE(a.numbers[i].name);
    CHECK(a.numbers[i].numbers == b.numbers[i].numbers);
  }
}

}  // namespace

TEST_CASE("resumed training is the same bit for bit: augmentation, dropout, Adam, cosine") {
  check_resume(small_model(0.3F), full_options(4));
}

TEST_CASE("resumed training is the same bit for bit: momentum, frozen layers, best model") {
  FitOptions options = quiet(4);
  options.batch_size = 16;
  options.optimizer = Sgd{.learning_rate = 0.05, .momentum = 0.9, .clip_norm = 1.0};
  options.early_stopping = {.monitor = Monitor::val_accuracy, .patience = 10, .restore_best = true};
  nn::Graph model = small_model(0.3F);
  model.freeze("conv1");
  model.freeze("bn1");
  check_resume(model, options);
}

TEST_CASE("resumed quantization-aware training is the same bit for bit") {
  FitOptions options = full_options(4);
  options.quantization_freeze = {.observers_at_epoch = 3, .batch_norm_at_step = 16};
  check_resume(compress::quantize_model(small_model()), options);
}

TEST_CASE("the epoch at which early stopping ended is the end after a resumption too") {
  const Folder folder;
  const Dataset training = patterns(32, 1), held_out = patterns(16, 2);
  nn::Graph model = small_model();
  FitOptions options = quiet(10);
  options.optimizer = Sgd{.learning_rate = 0.0};  // nothing is gained after the first epoch but by moving statistics
  options.validation = &held_out;
  options.early_stopping = {.patience = 1, .min_delta = 100.0, .restore_best = true};
  options.on_epoch_end = {io::checkpoint_each_epoch(folder.file("c"))};
  CHECK(fit(model, training, options).epochs.size() == 2);
  nn::Graph again = small_model();
  const TrainingState state = io::load_checkpoint(folder.file("c"), again);
  options.resume = &state;
  const History history = fit(again, training, options);
  CHECK(history.epochs.size() == 2);
  CHECK(history.stopped_early);
  CHECK(train_support::differences(model, again).empty());
}

TEST_CASE("frozen flags and quantizers come back") {
  const Folder folder;
  nn::Graph model = compress::quantize_model(small_model());
  fit(model, patterns(32, 1), quiet(1));
  model.freeze("conv1");
  freeze_observers(model);
  freeze_batch_norm_statistics(model);
  io::save_checkpoint(folder.file("c"), model, {});
  nn::Graph other = compress::quantize_model(small_model(0.0F, 9));
  static_cast<void>(io::load_checkpoint(folder.file("c"), other));
  CHECK(other.node(other.id_of("conv1")).frozen);
  CHECK_FALSE(other.node(other.id_of("dense")).frozen);
  CHECK(other.layer<nn::BatchNorm>("bn1").statistics_frozen());
  const Dataset data = patterns(16, 3);
  CHECK(predict(other, data) == predict(model, data));
  int quantizers = 0;
  for_each_quantizer(other, [&](const std::string& name, FakeQuantizer& quantizer) {
    CHECK(quantizer.observing() == name.ends_with("/weight_quantizer"));
    ++quantizers;
  });
  CHECK(quantizers > 4);
}

TEST_CASE("resuming with other data, batch size or seed is refused") {
  nn::Graph model = small_model();
  TrainingState state;
  FitOptions options = quiet(2);
  options.on_epoch_end = {[&](EpochEnd& end) { state = end.state(); }};
  fit(model, patterns(32, 1), options);
  options.resume = &state;
  CHECK_THROWS_WITH_AS(fit(model, patterns(36, 1), options), doctest::Contains("36 images"), Error);
  options.seed = 2;
  CHECK_THROWS_WITH_AS(fit(model, patterns(32, 1), options), doctest::Contains("seed 2"), Error);
}

TEST_CASE("all that does not fit a model stands in one error, and the model is as before") {
  const Folder folder;
  nn::Graph model = small_model();
  io::save_checkpoint(folder.file("c"), model, {});
  nn::Graph other("other");
  int x = other.input("input", {8, 8, 1});
  x = other.add("conv1", nn::Conv2D({.filters = 5, .kernel = 3}), {x});
  x = other.add("pool", nn::GlobalAveragePooling2D(), {x});
  other.add("dense", nn::Dense({.units = 4}), {x});
  nn::Graph before = other;
  std::string text;
  try {
    static_cast<void>(io::load_checkpoint(folder.file("c"), other));
  } catch (const Error& error) {
    text = error.what();
  }
  CAPTURE(text);
  CHECK(text.find("parameter 'conv1/kernel': expected 5x3x3x1, found 12x3x3x1") != std::string::npos);
  CHECK(text.find("parameter 'conv1/bias' 5 is missing") != std::string::npos);
  CHECK(text.find("parameter 'bn1/gamma' 12 is surplus") != std::string::npos);
  CHECK(text.find("parameter 'dense/kernel': expected 4x5, found 4x24") != std::string::npos);
  CHECK(text.find("'bn1/statistics_frozen' is surplus") != std::string::npos);
  CHECK(train_support::differences(other, before).empty());
}

TEST_CASE("files that are no checkpoints are refused by name") {
  const Folder folder;
  nn::Graph model = small_model();
  CHECK_THROWS_WITH_AS(static_cast<void>(io::load_checkpoint(folder.file("none"), model)), doctest::Contains("none"),
                       Error);
  io::save_weights(folder.file("w"), model);
  CHECK_THROWS_WITH_AS(static_cast<void>(io::load_checkpoint(folder.file("w"), model)),
                       doctest::Contains("expected format octavo.checkpoint, found octavo.weights"), Error);
  std::ofstream(folder.file("short")) << "12345";
  CHECK_THROWS_WITH_AS(static_cast<void>(io::load_checkpoint(folder.file("short"), model)), doctest::Contains("short"),
                       Error);
  io::save_checkpoint(folder.file("c"), model, {});
  std::string bytes = io::read_text_file(folder.file("c"));
  io::write_file(folder.file("short"), bytes.substr(0, bytes.size() - 8));
  CHECK_THROWS_AS(static_cast<void>(io::load_checkpoint(folder.file("short"), model)), Error);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  io::write_file(folder.file("damaged"), bytes);
  CHECK_THROWS_WITH_AS(static_cast<void>(io::load_checkpoint(folder.file("damaged"), model)),
                       doctest::Contains("checksum"), Error);
}

TEST_CASE("weights alone: by name, by prefix, and out of a checkpoint") {
  const Folder folder;
  nn::Graph model = small_model(0.0F, 3), all = small_model(0.0F, 4), some = small_model(0.0F, 5);
  const nn::Graph untouched = some;
  io::save_weights(folder.file("w"), model);
  io::load_weights(folder.file("w"), all);
  CHECK(train_support::differences(model, all).empty());
  io::load_weights(folder.file("w"), some, {.prefix = "conv1"});
  nn::Graph was = untouched;
  CHECK(train_support::differences(was, some) == std::vector<std::string>{"conv1/kernel"});

  io::save_checkpoint(folder.file("c"), model, {});
  nn::Graph third = small_model(0.0F, 6);
  io::load_weights(folder.file("c"), third);
  CHECK(train_support::differences(model, third).empty());

  nn::Graph head("head");
  head.add("dense", nn::Dense({.units = 4}), {head.input("input", {24})});
  CHECK_THROWS_WITH_AS(io::load_weights(folder.file("w"), head),
                       doctest::Contains("'conv1/kernel' 12x3x3x1 is surplus"), Error);
  io::load_weights(folder.file("w"), head, {.ignore_surplus = true});
  CHECK(head.layer<nn::Dense>("dense").kernel().value == model.layer<nn::Dense>("dense").kernel().value);
}
