// octavo/train/batch_norm_tools.hpp: statistics of batch norm layers, measured anew, and given back to weights that
// were imported with batch norm folded into the convolutions.
#ifndef OCTAVO_TRAIN_BATCH_NORM_TOOLS_HPP_
#define OCTAVO_TRAIN_BATCH_NORM_TOOLS_HPP_

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../data/loader.hpp"
#include "../kernels/batch_norm_f32.hpp"
#include "../nn/executor.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "evaluate.hpp"
#include "quantizers.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

struct BatchNormToolOptions {
  std::int64_t batch_size = 32;
  std::int64_t batches = 0;  // how many are looked at; 0: all
  std::uint64_t seed = 1;    // of the order of the images
  int threads = default_threads();
};

// Sets each moving mean and variance to the mean of what the batches have when the network runs as in training
// (batch statistics everywhere, dropout active), instead of the exponential average of the last few hundred steps.
// The function in inference mode changes: that is the purpose. Layers in frozen nodes or with frozen statistics stay
// as they are, and so do all observers' ranges. Only full batches count, unless there is none.
template <class Lazy = void>
void re_estimate_batch_norm(nn::Graph& model, const Dataset& dataset, const BatchNormToolOptions& options = {});

// Gives each batch norm layer the statistics of its input without changing the network's function. For weights whose
// batch norm was folded into the kernels: there gamma, beta, mean and variance are only some numbers that give the
// gain g = gamma / sqrt(variance + epsilon) and the offset o = beta - g * mean, and training with batch statistics
// would be another function. Measures mean m and variance v of each layer's input per channel, over all pixels of the
// batches, in inference mode, and sets
//   moving_mean = m, moving_variance = v, gamma = g sqrt(v + epsilon), beta = o + g m.
// Then g and o are what they were, up to rounding, and batch statistics give nearly the same outputs. Frozen nodes are
// treated too. Throws for a graph with quantizers.
template <class Lazy = void>
void unfold_batch_norm(nn::Graph& model, const Dataset& dataset, const BatchNormToolOptions& options = {});

namespace detail {

// Mean and sum of squared differences of each channel, over everything merged (Chan, Golub, LeVeque 1979).
class ChannelMoments {
 public:
  void merge(double rows, std::span<const float> mean, std::span<const float> variance) {
    if (mean_.empty()) mean_.resize(mean.size()), squares_.resize(mean.size());
    const double total = rows_ + rows;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double difference = static_cast<double>(mean[c]) - mean_[c];
      mean_[c] += difference * rows / total;
      squares_[c] += static_cast<double>(variance[c]) * rows + difference * difference * rows_ * rows / total;
    }
    rows_ = total;
  }
  [[nodiscard]] double mean(std::size_t c) const { return mean_[c]; }
  [[nodiscard]] double variance(std::size_t c) const { return squares_[c] / rows_; }

 private:
  double rows_ = 0.0;
  std::vector<double> mean_, squares_;
};

// Calls visit(batch) for the first batches of a shuffled epoch.
template <class Visit>
void for_some_batches(const Dataset& dataset, const BatchNormToolOptions& options, Visit&& visit) {
  LoaderOptions loading;
  loading.batch_size = std::min(options.batch_size, dataset.size());
  loading.seed = options.seed;
  loading.drop_last = true;
  BatchLoader loader(dataset, loading);
  loader.begin_epoch(0);
  Batch batch;
  for (std::int64_t i = 0; (options.batches <= 0 || i < options.batches) && loader.next(batch); ++i) visit(batch);
}

// The statistics that a layer's batches had, summed up; and the moving ones from before.
struct StatisticsSum {
  nn::BatchNorm* norm = nullptr;
  int input = 0;  // the node that it reads
  std::vector<double> mean, variance;
  Tensor old_mean, old_variance;
};

}  // namespace detail

template <class Lazy>
void re_estimate_batch_norm(nn::Graph& model, const Dataset& dataset, const BatchNormToolOptions& options) {
  detail::require_fitting(dataset, model, "re_estimate_batch_norm", 0);
  std::vector<detail::StatisticsSum> all;
  for_each_batch_norm(model, [&](const nn::Node& node, nn::BatchNorm& norm) {
    if (node.frozen || norm.statistics_frozen()) return;
    all.push_back({&norm, node.inputs[0], std::vector<double>(norm.channels()), std::vector<double>(norm.channels()),
                   norm.moving_mean().value, norm.moving_variance().value});
  });
  if (all.empty()) return;
  std::vector<std::pair<FakeQuantizer*, bool>> observing;
  for_each_quantizer(model, [&](const std::string&, FakeQuantizer& quantizer) {
    observing.emplace_back(&quantizer, quantizer.observing());
  });
  freeze_observers(model);
  nn::Executor executor(model, options.threads, options.seed);
  double batches = 0.0;
  detail::for_some_batches(dataset, options, [&](const Batch& batch) {
    executor.forward(batch.images, true);
    ++batches;
    for (detail::StatisticsSum& one : all) {
      const std::size_t channels = one.norm->channels();
      const auto rows = static_cast<double>(executor.value(one.input).size() / channels);
      const double unbiased = rows > 1.0 ? rows / (rows - 1.0) : 1.0;
      for (std::size_t c = 0; c < channels; ++c) {
        one.mean[c] += static_cast<double>(one.norm->used_mean()[c]);
        one.variance[c] += unbiased * static_cast<double>(one.norm->used_variance()[c]);
      }
      one.norm->moving_mean().value = one.old_mean;  // simulated folding scales kernels with them: all batches alike
      one.norm->moving_variance().value = one.old_variance;
    }
  });
  for (const detail::StatisticsSum& one : all)
    for (std::size_t c = 0; c < one.mean.size(); ++c) {
      one.norm->moving_mean().value.data()[c] = static_cast<float>(one.mean[c] / batches);
      one.norm->moving_variance().value.data()[c] = static_cast<float>(one.variance[c] / batches);
    }
  for (const auto& [quantizer, was] : observing) quantizer->set_observing(was);
}

template <class Lazy>
void unfold_batch_norm(nn::Graph& model, const Dataset& dataset, const BatchNormToolOptions& options) {
  detail::require_fitting(dataset, model, "unfold_batch_norm", 0);
  for_each_quantizer(model, [&](const std::string& name, FakeQuantizer&) {
    fail("unfold_batch_norm: graph '", model.name(), "' is quantized ('", name, "'); do it before");
  });
  nn::Executor executor(model, options.threads, options.seed);
  std::map<nn::BatchNorm*, detail::ChannelMoments> moments;
  std::vector<float> mean, variance, minimum, maximum;
  detail::for_some_batches(dataset, options, [&](const Batch& batch) {
    executor.forward(batch.images, false);
    for_each_batch_norm(model, [&](const nn::Node& node, nn::BatchNorm& norm) {
      const Tensor& input = executor.value(node.inputs[0]);
      const std::size_t channels = norm.channels(), rows = input.size() / channels;
      for (auto* one : {&mean, &variance, &minimum, &maximum}) one->resize(channels);
      channel_statistics_f32(input.data(), static_cast<std::int64_t>(rows), static_cast<std::int64_t>(channels),
                             mean.data(), variance.data(), minimum.data(), maximum.data(), options.threads);
      moments[&norm].merge(static_cast<double>(rows), mean, variance);
    });
  });
  for (const auto& [norm, measured] : moments)
    for (std::size_t c = 0; c < norm->channels(); ++c) {
      float& gamma = norm->gamma().value.data()[c];
      float& beta = norm->beta().value.data()[c];
      float& moving_mean = norm->moving_mean().value.data()[c];
      float& moving_variance = norm->moving_variance().value.data()[c];
      const auto epsilon = static_cast<double>(norm->options().epsilon);
      const double gain = static_cast<double>(gamma) / std::sqrt(static_cast<double>(moving_variance) + epsilon);
      const double offset = static_cast<double>(beta) - gain * static_cast<double>(moving_mean);
      moving_mean = static_cast<float>(measured.mean(c));
      moving_variance = static_cast<float>(measured.variance(c));
      gamma = static_cast<float>(gain * std::sqrt(static_cast<double>(moving_variance) + epsilon));
      beta = static_cast<float>(offset + gain * static_cast<double>(moving_mean));
    }
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(void octavo::train::re_estimate_batch_norm<void>(octavo::nn::Graph&, const octavo::Dataset&,
                                                              const octavo::train::BatchNormToolOptions&));

OCTAVO_ENTRY(void octavo::train::unfold_batch_norm<void>(octavo::nn::Graph&, const octavo::Dataset&,
                                                         const octavo::train::BatchNormToolOptions&));

#endif  // OCTAVO_TRAIN_BATCH_NORM_TOOLS_HPP_
