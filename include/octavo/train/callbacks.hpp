// octavo/train/callbacks.hpp: what may happen between epochs and steps: stopping early, freezing ranges and
// batch statistics.
#ifndef OCTAVO_TRAIN_CALLBACKS_HPP_
#define OCTAVO_TRAIN_CALLBACKS_HPP_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "history.hpp"
#include "quantizers.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

enum class Monitor : std::uint8_t { val_loss, val_accuracy, loss, accuracy };

constexpr std::string_view name_of(Monitor monitor) {
  constexpr std::string_view names[] = {"val_loss", "val_accuracy", "loss", "accuracy"};
  return names[static_cast<std::size_t>(monitor)];
}

// Ends training when the monitored value has not become better, by more than min_delta, for more than `patience`
// epochs: with patience 2, at the second epoch in a row without (Keras). restore_best puts back the model of the best
// epoch at the end, however it came.
struct EarlyStopping {
  Monitor monitor = Monitor::val_loss;
  int patience = -1;  // negative: never stops; 0 is as 1
  double min_delta = 0.0;
  bool restore_best = false;

  [[nodiscard]] bool enabled() const noexcept { return patience >= 0 || restore_best; }
};

// What early stopping remembers from epoch to epoch.
struct BestEpoch {
  int epoch = -1;  // counted from 0; -1: none yet
  double value = std::numeric_limits<double>::quiet_NaN();
  int waited = 0;  // epochs since
};

// Takes in an epoch; true when it is the best so far. Throws when the epoch does not have the monitored value.
inline bool note_epoch(const EarlyStopping& stopping, const EpochResult& result, BestEpoch& best) {
  const double values[] = {result.val_loss, result.val_accuracy, result.loss, result.accuracy};
  const double value = values[static_cast<std::size_t>(stopping.monitor)];
  require(!std::isnan(value), "early stopping: epoch ", result.epoch + 1, " has no ", name_of(stopping.monitor),
          "; give a validation set");
  const bool rises = stopping.monitor == Monitor::val_accuracy || stopping.monitor == Monitor::accuracy;
  const double gain = rises ? value - best.value : best.value - value;
  if (best.epoch >= 0 && !(gain > stopping.min_delta)) {
    ++best.waited;
    return false;
  }
  best = {result.epoch, value, 0};
  return true;
}

[[nodiscard]] inline bool should_stop(const EarlyStopping& stopping, const BestEpoch& best) {
  return stopping.patience >= 0 && best.waited > 0 && best.waited >= stopping.patience;
}

// Quantization-aware training ends better with ranges and batch statistics that stand still (Krishnamoorthi 2018,
// section 3.2). Each limit counts from the start of the training, resumed or not; negative: never. The earlier of
// epoch and step counts.
struct QuantizationFreeze {
  int observers_at_epoch = -1;  // from this epoch on, counted from 0, observers stand still
  std::int64_t observers_at_step = -1;
  int batch_norm_at_epoch = -1;  // from this epoch on batch norm uses, and keeps, its moving statistics
  std::int64_t batch_norm_at_step = -1;
};

// To be called before each step: does what is due.
inline void apply(const QuantizationFreeze& freeze, nn::Graph& graph, int epoch, std::int64_t step) {
  const auto due = [&](int at_epoch, std::int64_t at_step) {
    return (at_epoch >= 0 && epoch >= at_epoch) || (at_step >= 0 && step >= at_step);
  };
  if (due(freeze.observers_at_epoch, freeze.observers_at_step)) freeze_observers(graph);
  if (due(freeze.batch_norm_at_epoch, freeze.batch_norm_at_step)) freeze_batch_norm_statistics(graph);
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_CALLBACKS_HPP_
