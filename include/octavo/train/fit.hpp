// octavo/train/fit.hpp: fit(), the training loop.
#ifndef OCTAVO_TRAIN_FIT_HPP_
#define OCTAVO_TRAIN_FIT_HPP_

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/tensor.hpp"
#include "../data/loader.hpp"
#include "../nn/executor.hpp"
#include "callbacks.hpp"
#include "evaluate.hpp"
#include "feed.hpp"
#include "history.hpp"
#include "hooks.hpp"
#include "losses.hpp"
#include "metrics.hpp"
#include "optimizers.hpp"
#include "progress.hpp"
#include "schedules.hpp"
#include "state.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

struct FitOptions {
  int epochs = 1;  // to reach, the ones before a resumption included
  std::int64_t batch_size = 32;
  OptimizerOptions optimizer = Adam{};
  Schedule schedule = Constant{};
  Loss loss = CrossEntropy{};
  const Dataset* validation = nullptr;
  EarlyStopping early_stopping{};
  Augmentation augmentation{};
  QuantizationFreeze quantization_freeze{};
  std::vector<RateMultiplier> rate_multipliers{};  // learning rates by name, e.g. {{"dense", 10.0}}
  std::uint64_t seed = 1;                          // of the order, the augmentation and dropout
  int threads = default_threads();
  int loader_threads = 1;  // that decode and augment, beside the others
  bool shuffle = true;
  int initial_epoch = 0;                  // counts from here (order, augmentation, schedule); without `resume`
  const TrainingState* resume = nullptr;  // continues after this state; load_checkpoint() also gives the model's
  std::vector<EpochHook> on_epoch_end{};
  std::ostream* progress = &std::cout;
  Verbosity verbosity = Verbosity::automatic;
  // Layers that are frozen, from the input on, compute each image once; the rest trains on their kept outputs. Done
  // where nothing is augmented and feature_memory (bytes) is enough.
  bool keep_features = true;
  std::size_t feature_memory = std::size_t{2} << 30;
};

// Trains what is not frozen in `model` on `data`. The same bits for the same model, data, options and thread count.
// Throws when data and model do not fit, an option has no meaning, or the loss is not finite (naming epoch and step).
template <class Lazy = void>
History fit(nn::Graph& model, const Dataset& data, const FitOptions& options);

namespace detail {

class Trainer {
 public:
  Trainer(nn::Graph& model, const Dataset& data, const FitOptions& options);
  History run();

 private:
  static LoaderOptions loader_options(const FitOptions& options);
  void resume(const TrainingState& state);
  void prepare_features();
  void train_epoch(EpochResult& result);
  void train_step(const Batch& batch, EpochResult& result);
  // False: training ends.
  bool end_epoch(EpochResult result);
  [[nodiscard]] TrainingState state() const;

  nn::Graph& model_;
  const FitOptions& options_;
  nn::Executor executor_;
  Optimizer optimizer_;
  Progress progress_;
  BatchFeed feed_;
  std::optional<BatchFeed> validation_;
  Loss validation_loss_;
  std::vector<nn::NamedParameter> parameters_;
  Batch batch_;
  Tensor gradient_;
  RunningMean loss_, accuracy_;
  int epoch_ = 0;
  std::int64_t step_ = 0;
  History history_;
  BestEpoch best_;
  ModelState best_model_;
};

inline LoaderOptions Trainer::loader_options(const FitOptions& options) {
  LoaderOptions loader;
  loader.batch_size = options.batch_size;
  loader.shuffle = options.shuffle;
  loader.seed = options.seed;
  loader.augmentation = options.augmentation;
  loader.threads = options.loader_threads;
  return loader;
}

inline Trainer::Trainer(nn::Graph& model, const Dataset& data, const FitOptions& options)
    : model_(model),
      options_(options),
      executor_(model, options.threads, Rng(options.seed).fork(1)()),
      optimizer_(options.optimizer, options.rate_multipliers, options.threads),
      progress_(options.progress, options.verbosity),
      feed_(data, loader_options(options)),
      validation_loss_(validation_loss(options.loss)) {
  check(options.loss, model);
  require(options.epochs >= 0 && options.initial_epoch >= 0, "fit: epochs ", options.epochs, ", initial_epoch ",
          options.initial_epoch, "; expected 0 or more");
  require(options.batch_size >= 1, "fit: batch_size ", options.batch_size, "; expected at least 1");
  require(static_cast<bool>(options.schedule), "fit: the schedule is empty");
  const std::int64_t classes = model.output_shape()[1];
  require_fitting(data, model, "fit", classes);
  if (options.validation != nullptr) {
    require_fitting(*options.validation, model, "fit, validation", classes);
    LoaderOptions in_order = detail::in_order(options.batch_size);
    in_order.threads = options.loader_threads;
    validation_.emplace(*options.validation, in_order);
  }
  optimizer_.check_multipliers(model.parameters());
  epoch_ = options.initial_epoch;
  step_ = epoch_ * feed_.batches();
  if (options.resume != nullptr) resume(*options.resume);
}

inline void Trainer::resume(const TrainingState& state) {
  require(options_.initial_epoch == 0, "fit: initial_epoch and resume exclude each other");
  require(state.seed == options_.seed && state.batch_size == options_.batch_size && state.images == feed_.images(),
          "fit: cannot resume training with seed ", state.seed, ", batch size ", state.batch_size, " and ",
          state.images, " images with seed ", options_.seed, ", batch size ", options_.batch_size, " and ",
          feed_.images(), " images");
  optimizer_.set_state(state.optimizer, state.optimizer_steps);
  executor_.random().set_state(state.random);
  epoch_ = state.epoch;
  step_ = state.step;
  history_ = state.history;
  best_ = state.best;
  best_model_ = state.best_model;
}

inline TrainingState Trainer::state() const {
  TrainingState state;
  state.epoch = epoch_;
  state.step = step_;
  state.random = const_cast<Trainer*>(this)->executor_.random().state();
  state.seed = options_.seed;
  state.batch_size = options_.batch_size;
  state.images = feed_.images();
  state.optimizer = optimizer_.state();
  state.optimizer_steps = optimizer_.steps();
  state.history = history_;
  state.best = best_;
  state.best_model = best_model_;
  return state;
}

inline History Trainer::run() {
  bool goes_on = !should_stop(options_.early_stopping, best_);
  history_.stopped_early = !goes_on;
  while (goes_on && epoch_ < options_.epochs) {
    const auto begin = std::chrono::steady_clock::now();
    EpochResult result;
    result.epoch = epoch_;
    progress_.begin_epoch(epoch_, options_.epochs, feed_.batches());
    train_epoch(result);
    if (validation_) {
      const Evaluation seen = evaluate_feed(executor_, *validation_, batch_, validation_loss_, false);
      result.val_loss = seen.loss;
      result.val_accuracy = seen.accuracy;
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    goes_on = end_epoch(result);
  }
  if (options_.early_stopping.restore_best && !best_model_.empty()) {
    set_model_state(model_, best_model_, "the best epoch's model");
    history_.restored_best = true;
    progress_.say("Restored the model of epoch " + std::to_string(best_.epoch + 1) + ": " +
                  std::string(name_of(options_.early_stopping.monitor)) + ' ' + Progress::fixed(best_.value));
  }
  return history_;
}

// Decides anew at each epoch what the frozen layers are: hooks may unfreeze.
inline void Trainer::prepare_features() {
  int cut = executor_.frozen_cut();
  if (cut < 1 || !options_.keep_features || options_.augmentation.enabled()) cut = 0;
  if (cut > 0) {
    std::size_t bytes = feed_.feature_bytes(model_, cut);
    if (validation_) bytes += validation_->feature_bytes(model_, cut);
    if (bytes > options_.feature_memory) cut = 0;
  }
  if (cut == feed_.node()) return;
  feed_.drop_features();
  if (validation_) validation_->drop_features();
  if (cut == 0) return;
  const std::int64_t total = feed_.images() + (validation_ ? validation_->images() : 0);
  feed_.keep_features(executor_, cut, [&](std::int64_t done) { progress_.features(done, total); });
  if (validation_)
    validation_->keep_features(executor_, cut,
                               [&](std::int64_t done) { progress_.features(feed_.images() + done, total); });
}

inline void Trainer::train_epoch(EpochResult& result) {
  prepare_features();
  parameters_ = model_.parameters();
  loss_.reset(), accuracy_.reset();
  feed_.begin_epoch(epoch_);
  for (std::int64_t i = 1; feed_.next(batch_); ++i) {
    train_step(batch_, result);
    progress_.step(i, static_cast<std::int64_t>(loss_.weight()), loss_.value(), accuracy_.value());
  }
  result.loss = loss_.value();
  result.accuracy = accuracy_.value();
}

inline void Trainer::train_step(const Batch& batch, EpochResult& result) {
  apply(options_.quantization_freeze, model_, epoch_, step_);
  const Tensor& outputs = executor_.run(feed_.node(), batch.images, model_.output(), true);
  const double loss = loss_of(options_.loss, outputs, batch.labels, &gradient_, batch.indices);
  require(std::isfinite(loss), "fit: the loss is ", loss, " in epoch ", epoch_ + 1, ", step ",
          step_ % feed_.batches() + 1, "; a smaller learning rate or clip_norm may help");
  const auto count = static_cast<double>(batch.size());
  loss_.add(loss, count);
  accuracy_.add(static_cast<double>(count_correct(outputs, batch.labels)) / count, count);
  executor_.backward(gradient_, gradient_is_of_logits(options_.loss));
  const std::int64_t total = feed_.batches() * options_.epochs;
  result.learning_rate = optimizer_.learning_rate() * options_.schedule(step_, total);
  optimizer_.step(parameters_, result.learning_rate);
  ++step_;
}

inline bool Trainer::end_epoch(EpochResult result) {
  ++epoch_;
  if (options_.early_stopping.enabled() && note_epoch(options_.early_stopping, result, best_)) {
    history_.best_epoch = best_.epoch;
    if (options_.early_stopping.restore_best) best_model_ = model_state(model_);
  }
  history_.epochs.push_back(result);
  progress_.end_epoch(result);
  history_.stopped_early = should_stop(options_.early_stopping, best_);
  EpochEnd end{model_, history_, options_.epochs, [this] { return state(); }};
  for (const EpochHook& hook : options_.on_epoch_end) hook(end);
  return !history_.stopped_early && !end.stop;
}

}  // namespace detail

template <class Lazy>
History fit(nn::Graph& model, const Dataset& data, const FitOptions& options) {
  return detail::Trainer(model, data, options).run();
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::train::History octavo::train::fit<void>(octavo::nn::Graph&, const octavo::Dataset&,
                                                             const octavo::train::FitOptions&));

#endif  // OCTAVO_TRAIN_FIT_HPP_
