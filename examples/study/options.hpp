// examples/study/options.hpp: what a study does: the settings behind demo, study and smoke.
#ifndef OCTAVO_EXAMPLES_STUDY_OPTIONS_HPP_
#define OCTAVO_EXAMPLES_STUDY_OPTIONS_HPP_

#include <cstdint>
#include <octavo/octavo.hpp>
#include <string>
#include <vector>

namespace study {

namespace oc = octavo;

enum class Preset { demo, study, smoke };

// One training: what fit() is given.
struct Phase {
  int epochs = 0;
  double learning_rate = 1e-3;      // of Adam
  double final_factor = 0.0;        // a cosine from learning_rate down to final_factor * learning_rate
  double warm_up = 0.0;             // share of the steps
  bool augment = false;             // Options::augmentation
  bool freezes_statistics = false;  // batch norm keeps its moving statistics
  int observers_freeze_at = -1;     // QAT: ranges stand still from this epoch on; -1: never
};

// A study trains in these steps:
//   float            from the start network (pretrained, or random): `first`, the backbone frozen if there is one
//   float_finetuned  from float: all layers, `tune` and then `settle`
//   qat_finetuned    from float: all layers, `tune`, and then `settle` with quantization
//   qat_from_scratch from the start network: all layers with quantization, `scratch` and then `settle`
// float_finetuned and qat_finetuned share `tune` and differ in nothing but the quantization of `settle`.
struct Options {
  Preset preset = Preset::smoke;
  std::string title;
  std::string data;     // folder; empty: where the preset's data usually is
  std::string weights;  // pretrained: see load_backbone(); empty: random start
  std::string out;
  bool resume = false;
  std::uint64_t seed = 1;
  int threads = 0;         // 0: all
  std::int64_t limit = 0;  // training images at most; 0: all

  // The network.
  oc::Shape input;
  double alpha = 1.0;
  std::vector<std::int64_t> hidden;
  std::int64_t stem_stride = 2;
  float batch_norm_momentum = 0.99F;

  // Training.
  std::int64_t batch_size = 32;
  double label_smoothing = 0.0;
  oc::Augmentation augmentation{};
  Phase first, tune, settle, scratch;
  int patience = -1;  // of `first`: stops early, and keeps the best epoch; -1: neither

  // Quantization and measuring.
  std::int64_t calibration_images = 200;
  std::int64_t compared_images = 32;
  int latency_runs = 50;  // of each model
  std::int64_t throughput_batch = 32;

  [[nodiscard]] bool pretrained() const { return !weights.empty(); }
};

inline Options preset_options(Preset preset) {
  Options options;
  options.preset = preset;
  switch (preset) {
    case Preset::smoke:
      options.title = "Smoke test of the quantization study";
      options.out = "out/smoke";
      options.input = {32, 32, 1};
      options.alpha = 0.35;
      options.hidden = {16};
      options.batch_norm_momentum = 0.8F;
      options.batch_size = 16;
      options.first = {.epochs = 3, .learning_rate = 3e-3, .final_factor = 0.1};
      options.tune = {};
      options.settle = {.epochs = 1, .learning_rate = 3e-4, .freezes_statistics = true};
      options.scratch = options.first;
      options.calibration_images = 32;
      options.compared_images = 8;
      options.latency_runs = 3;
      options.throughput_batch = 8;
      break;
    case Preset::demo:
      options.title = "Quantization of MobileNetV2 on Fashion-MNIST";
      options.out = "out/demo";
      options.input = {32, 32, 1};
      options.alpha = 0.35;
      options.stem_stride = 1;
      options.batch_norm_momentum = 0.98F;
      options.batch_size = 128;
      options.augmentation.horizontal_flip = true;
      options.first = {.epochs = 7, .learning_rate = 4e-3, .final_factor = 0.02, .warm_up = 0.1, .augment = true};
      options.tune = {};
      options.settle = {
          .epochs = 1, .learning_rate = 1e-4, .final_factor = 0.1, .augment = true, .freezes_statistics = true};
      options.scratch = {.epochs = 4, .learning_rate = 4e-3, .final_factor = 0.02, .warm_up = 0.1, .augment = true};
      options.calibration_images = 512;
      options.compared_images = 64;
      options.latency_runs = 300;
      options.throughput_batch = 64;
      break;
    case Preset::study:
      options.title = "Quantization of MobileNetV2 on photos";
      options.out = "out/study";
      options.input = {224, 224, 3};
      options.hidden = {128, 128};
      options.batch_norm_momentum = 0.95F;
      options.label_smoothing = 0.1;
      options.augmentation = {.horizontal_flip = true,
                              .vertical_flip = true,
                              .quarter_turns = true,
                              .min_area = 0.5F,
                              .brightness = 0.15F,
                              .contrast = 0.15F};
      options.first = {.epochs = 20, .learning_rate = 1e-3};
      options.patience = 2;
      options.tune = {.epochs = 6, .learning_rate = 5e-4, .final_factor = 0.1, .warm_up = 0.05, .augment = true};
      options.settle = {.epochs = 3,
                        .learning_rate = 5e-5,
                        .final_factor = 0.02,
                        .augment = true,
                        .freezes_statistics = true,
                        .observers_freeze_at = 1};
      options.scratch = options.tune;
      break;
  }
  return options;
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_OPTIONS_HPP_
