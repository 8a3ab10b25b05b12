// octavo/train/train.hpp: all of training, and its main names in octavo itself.
#ifndef OCTAVO_TRAIN_TRAIN_HPP_
#define OCTAVO_TRAIN_TRAIN_HPP_

#include "batch_norm_tools.hpp"
#include "callbacks.hpp"
#include "evaluate.hpp"
#include "fit.hpp"
#include "history.hpp"
#include "hooks.hpp"
#include "losses.hpp"
#include "metrics.hpp"
#include "optimizers.hpp"
#include "schedules.hpp"
#include "state.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

using train::Adam;
using train::ConfusionMatrix;
using train::Constant;
using train::Cosine;
using train::CrossEntropy;
using train::EarlyStopping;
using train::EpochEnd;
using train::EpochHook;
using train::EvaluateOptions;
using train::Evaluation;
using train::ExponentialDecay;
using train::FitOptions;
using train::History;
using train::MeanSquaredError;
using train::Monitor;
using train::QuantizationFreeze;
using train::Sgd;
using train::StepDecay;
using train::TrainingState;
using train::Verbosity;

using train::evaluate;
using train::fit;
using train::freeze_batch_norm_statistics;
using train::freeze_observers;
using train::predict;
using train::re_estimate_batch_norm;
using train::unfold_batch_norm;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_TRAIN_HPP_
