// octavo/train/history.hpp: what training tells afterwards: a line of numbers per epoch.
#ifndef OCTAVO_TRAIN_HISTORY_HPP_
#define OCTAVO_TRAIN_HISTORY_HPP_

#include <cstdint>
#include <limits>
#include <vector>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

struct EpochResult {
  int epoch = 0;  // counted from 0
  double loss = 0.0;
  double accuracy = 0.0;  // of the training images as they passed, between the updates
  double val_loss = std::numeric_limits<double>::quiet_NaN();      // NaN without a validation set
  double val_accuracy = std::numeric_limits<double>::quiet_NaN();  //
  double seconds = 0.0;                                            // all of the epoch: data, training, validation
  double learning_rate = 0.0;                                      // at the last step
};

struct History {
  std::vector<EpochResult> epochs;
  int best_epoch = -1;  // of early stopping, counted from 0; -1 without
  bool stopped_early = false;
  bool restored_best = false;  // the model is that of best_epoch

  [[nodiscard]] double seconds() const {
    double sum = 0.0;
    for (const EpochResult& result : epochs) sum += result.seconds;
    return sum;
  }
};

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_HISTORY_HPP_
