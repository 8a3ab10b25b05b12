// octavo/train/hooks.hpp: what a caller may do at the end of each epoch.
#ifndef OCTAVO_TRAIN_HOOKS_HPP_
#define OCTAVO_TRAIN_HOOKS_HPP_

#include <functional>

#include "../nn/graph.hpp"
#include "history.hpp"
#include "state.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// What a hook sees. The model may be changed: parameters, freezing and unfreezing (not its layers).
struct EpochEnd {
  nn::Graph& model;
  const History& history;                // its last element is this epoch
  int epochs = 0;                        // planned
  std::function<TrainingState()> state;  // makes what save_checkpoint() writes
  bool stop = false;                     // set it, and training ends here

  [[nodiscard]] const EpochResult& result() const { return history.epochs.back(); }
};

using EpochHook = std::function<void(EpochEnd&)>;

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_HOOKS_HPP_
