// octavo/train/evaluate.hpp: a model's loss, accuracy and predictions on a dataset, in inference mode.
#ifndef OCTAVO_TRAIN_EVALUATE_HPP_
#define OCTAVO_TRAIN_EVALUATE_HPP_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/tensor.hpp"
#include "../data/loader.hpp"
#include "../nn/executor.hpp"
#include "feed.hpp"
#include "losses.hpp"
#include "metrics.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  Loss loss = CrossEntropy{};
  bool keep_probabilities = false;
  int threads = default_threads();
};

struct Evaluation {
  double loss = 0.0;
  double accuracy = 0.0;
  double standard_error = 0.0;  // of the accuracy
  std::int64_t n = 0;
  std::int64_t correct = 0;
  std::vector<std::int32_t> predictions;  // in order of the dataset
  std::vector<std::int32_t> labels;
  Tensor probabilities;  // the outputs, [n, classes], if keep_probabilities

  [[nodiscard]] ConfusionMatrix confusion(int classes) const { return {classes, labels, predictions}; }
};

// Throws when the dataset is empty or does not fit the model.
template <class Lazy = void>
Evaluation evaluate(nn::Graph& model, const Dataset& dataset, const EvaluateOptions& options = {});

// The outputs for all images, [n, ...], in order of the dataset.
template <class Lazy = void>
Tensor predict(nn::Graph& model, const Dataset& dataset, const EvaluateOptions& options = {});

namespace detail {

// Throws unless the dataset's images are the graph's input. Graphs without labels pass classes = 0.
inline void require_fitting(const Dataset& dataset, const nn::Graph& model, const char* what, std::int64_t classes) {
  require(!dataset.empty(), what, ": the dataset is empty");
  Shape wanted;
  const Shape input = model.input_shape(), image = dataset.image_shape();
  for (std::size_t axis = 1; axis < input.rank(); ++axis) wanted.push_back(input[axis]);
  require(image == wanted, what, ": graph '", model.name(), "' expects images of ", wanted.to_string(),
          ", the dataset has ", image.to_string());
  require(classes == 0 || dataset.classes() <= classes, what, ": graph '", model.name(), "' tells ", classes,
          " classes apart, the dataset has ", dataset.classes());
}

// The loss that validation shows: without class weights.
inline Loss validation_loss(Loss loss) {
  if (auto* entropy = std::get_if<CrossEntropy>(&loss)) entropy->class_weights.clear();
  return loss;
}

// Runs a feed's epoch 0 through the executor. visit(outputs, batch, first image's place).
template <class Visit>
void for_each_output(nn::Executor& executor, BatchFeed& feed, Batch& batch, Visit&& visit) {
  feed.begin_epoch(0);
  for (std::int64_t begin = 0; feed.next(batch); begin += batch.size())
    visit(executor.run(feed.node(), batch.images, executor.graph().output(), false), batch, begin);
}

inline Evaluation evaluate_feed(nn::Executor& executor, BatchFeed& feed, Batch& batch, const Loss& loss,
                                bool keep_probabilities) {
  Evaluation result;
  RunningMean mean;
  if (keep_probabilities) result.probabilities = make_tensor({feed.images(), executor.graph().output_shape()[1]});
  for_each_output(executor, feed, batch, [&](const Tensor& outputs, const Batch& read, std::int64_t begin) {
    mean.add(loss_of(loss, outputs, read.labels, nullptr, read.indices), static_cast<double>(read.size()));
    if (keep_probabilities)
      std::copy_n(outputs.data(), outputs.size(),
                  result.probabilities.data() + begin * static_cast<std::int64_t>(outputs.shape()[1]));
    for (std::int64_t i = 0; i < read.size(); ++i) {
      const std::int32_t label = read.labels[static_cast<std::size_t>(i)];
      result.predictions.push_back(argmax(row_of(outputs, i)));
      result.labels.push_back(label);
      result.correct += result.predictions.back() == label ? 1 : 0;
    }
  });
  result.n = static_cast<std::int64_t>(result.labels.size());
  result.loss = mean.value();
  result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.n);
  result.standard_error = standard_error(result.accuracy, result.n);
  return result;
}

inline LoaderOptions in_order(std::int64_t batch_size) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.shuffle = false;
  return options;
}

}  // namespace detail

template <class Lazy>
Evaluation evaluate(nn::Graph& model, const Dataset& dataset, const EvaluateOptions& options) {
  check(options.loss, model);
  detail::require_fitting(dataset, model, "evaluate", model.output_shape()[1]);
  nn::Executor executor(model, options.threads);
  BatchFeed feed(dataset, detail::in_order(options.batch_size));
  Batch batch;
  return detail::evaluate_feed(executor, feed, batch, options.loss, options.keep_probabilities);
}

template <class Lazy>
Tensor predict(nn::Graph& model, const Dataset& dataset, const EvaluateOptions& options) {
  detail::require_fitting(dataset, model, "predict", 0);
  nn::Executor executor(model, options.threads);
  BatchFeed feed(dataset, detail::in_order(options.batch_size));
  Batch batch;
  Tensor all = make_tensor(model.output_shape().with_batch(dataset.size()));
  const std::int64_t size = model.output_shape().size();
  detail::for_each_output(executor, feed, batch, [&](const Tensor& outputs, const Batch&, std::int64_t begin) {
    std::copy_n(outputs.data(), outputs.size(), all.data() + begin * size);
  });
  return all;
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::train::Evaluation octavo::train::evaluate<void>(octavo::nn::Graph&, const octavo::Dataset&,
                                                                     const octavo::train::EvaluateOptions&));
OCTAVO_ENTRY(octavo::Tensor octavo::train::predict<void>(octavo::nn::Graph&, const octavo::Dataset&,
                                                         const octavo::train::EvaluateOptions&));

#endif  // OCTAVO_TRAIN_EVALUATE_HPP_
