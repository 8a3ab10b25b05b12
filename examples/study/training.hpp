// examples/study/training.hpp: one training after another, each kept on disk.
#ifndef OCTAVO_EXAMPLES_STUDY_TRAINING_HPP_
#define OCTAVO_EXAMPLES_STUDY_TRAINING_HPP_

#include <filesystem>
#include <octavo/octavo.hpp>
#include <octavo/report/study_json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "images.hpp"
#include "options.hpp"
#include "stages.hpp"

namespace study {

// A graph, where its file is, and how it came about.
struct TrainedGraph {
  oc::nn::Graph graph;
  std::string file;
  oc::report::Curve curve;  // of all its phases
  double seconds = 0.0;     // of all its phases
};

class TrainingRoom {
 public:
  TrainingRoom(const Options& options, const Images& images, const Stages& stages)
      : options_(options), images_(images), stages_(stages) {}

  // Goes on with `begin` for one phase. `name` is the model's; `part` tells its phases apart.
  TrainedGraph train(const std::string& name, const std::string& part, TrainedGraph begin, const Phase& phase,
                     int patience = -1) const {
    TrainedGraph result = std::move(begin);
    result.curve.name = name;
    const std::string stage = name + "." + part;
    const std::string folder = "models/" + name + "/";
    const std::string file = stages_.path(folder + part + ".safetensors");
    const std::string progress = stages_.path(folder + part + ".progress.safetensors");
    headline(stage + ": " + std::to_string(phase.epochs) + (phase.epochs == 1 ? " epoch" : " epochs"));
    if (const auto record = stages_.finished("train." + stage); record && std::filesystem::exists(file)) {
      static_cast<void>(oc::io::load_checkpoint(file, result.graph));
      add(oc::report::curve_from_json(*record), result);
      std::cout << "done before: " << file << '\n';
      result.file = file;
      return result;
    }

    oc::train::FitOptions fit = fit_options(phase, patience);
    oc::TrainingState state;
    const bool begun = stages_.finished("begun." + stage).has_value();
    if (begun && std::filesystem::exists(progress)) {
      state = oc::io::load_checkpoint(progress, result.graph);
      fit.resume = &state;
      std::cout << "going on after epoch " << state.epoch << '\n';
    }
    stages_.finish("begun." + stage, {});
    fit.on_epoch_end.push_back(oc::io::checkpoint_each_epoch(progress));
    const oc::train::History history = oc::train::fit(result.graph, images_.splits.train, fit);

    oc::io::save_checkpoint(file, result.graph, {});
    const oc::report::Curve curve = curve_of(name, history);
    stages_.finish("train." + stage, oc::report::to_json(curve));
    std::filesystem::remove(progress);
    add(curve, result);
    result.file = file;
    return result;
  }

 private:
  [[nodiscard]] oc::train::FitOptions fit_options(const Phase& phase, int patience) const {
    oc::train::FitOptions fit;
    fit.epochs = phase.epochs;
    fit.batch_size = options_.batch_size;
    fit.optimizer = oc::train::Adam{.learning_rate = phase.learning_rate};
    fit.schedule = oc::train::Cosine{.warm_up = phase.warm_up, .final_factor = phase.final_factor};
    fit.loss = oc::train::CrossEntropy{.label_smoothing = options_.label_smoothing};
    fit.validation = &images_.splits.validation;
    if (patience >= 0)
      fit.early_stopping = {.monitor = oc::train::Monitor::val_accuracy, .patience = patience, .restore_best = true};
    if (phase.augment) fit.augmentation = options_.augmentation;
    if (phase.freezes_statistics) fit.quantization_freeze.batch_norm_at_epoch = 0;
    fit.quantization_freeze.observers_at_epoch = phase.observers_freeze_at;
    fit.seed = options_.seed;
    if (options_.threads > 0) fit.threads = options_.threads;
    return fit;
  }

  static oc::report::Curve curve_of(const std::string& name, const oc::train::History& history) {
    oc::report::Curve curve;
    curve.name = name;
    for (const oc::train::EpochResult& epoch : history.epochs)
      curve.points.push_back({static_cast<double>(epoch.epoch + 1), epoch.loss, epoch.accuracy, epoch.val_loss,
                              epoch.val_accuracy, epoch.seconds});
    return curve;
  }

  // Appends a phase to what went before.
  static void add(const oc::report::Curve& phase, TrainedGraph& to) {
    const double before = to.curve.points.empty() ? 0.0 : to.curve.points.back().epoch;
    for (oc::report::CurvePoint point : phase.points) {
      point.epoch += before;
      to.seconds += point.seconds;
      to.curve.points.push_back(point);
    }
  }

  const Options& options_;
  const Images& images_;
  const Stages& stages_;
};

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_TRAINING_HPP_
