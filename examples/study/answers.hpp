// examples/study/answers.hpp: what a model says about each test image, and how two models differ.
#ifndef OCTAVO_EXAMPLES_STUDY_ANSWERS_HPP_
#define OCTAVO_EXAMPLES_STUDY_ANSWERS_HPP_

#include <algorithm>
#include <cstdint>
#include <octavo/octavo.hpp>
#include <octavo/report/study.hpp>
#include <span>
#include <string>
#include <vector>

namespace study {

namespace oc = octavo;

// One entry an image, in the dataset's order.
struct Answers {
  std::vector<std::int32_t> classes;  // of the largest output
  std::vector<float> probabilities;   // the largest output
  std::vector<std::int32_t> truth;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(classes.size()); }
  [[nodiscard]] bool right(std::size_t i) const { return classes[i] == truth[i]; }
  [[nodiscard]] double accuracy() const {
    std::int64_t correct = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) correct += right(i) ? 1 : 0;
    return static_cast<double>(correct) / static_cast<double>(size());
  }
};

namespace detail {

inline void take_answers(std::span<const float> outputs, std::span<const std::int32_t> labels, Answers& answers) {
  const std::size_t width = outputs.size() / labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span<const float> row = outputs.subspan(i * width, width);
    const std::size_t best = oc::index_of_largest(row);
    answers.classes.push_back(static_cast<std::int32_t>(best));
    answers.probabilities.push_back(row[best]);
    answers.truth.push_back(labels[i]);
  }
}

}  // namespace detail

// Calls visit(batch) for all images in order.
template <class Visit>
void for_each_batch(const oc::Dataset& dataset, std::int64_t batch_size, Visit&& visit) {
  oc::LoaderOptions loading;
  loading.batch_size = batch_size;
  loading.shuffle = false;
  oc::BatchLoader loader(dataset, loading);
  loader.begin_epoch(0);
  oc::Batch batch;
  while (loader.next(batch)) visit(batch);
}

inline Answers answers_of(oc::nn::Graph& graph, const oc::Dataset& dataset, std::int64_t batch_size, int threads) {
  Answers answers;
  oc::nn::Executor executor(graph, threads);
  for_each_batch(dataset, batch_size, [&](const oc::Batch& batch) {
    detail::take_answers(oc::values(executor.forward(batch.images)), batch.labels, answers);
  });
  return answers;
}

inline Answers answers_of(const oc::runtime::Model& model, const oc::Dataset& dataset, std::int64_t batch_size) {
  Answers answers;
  std::vector<float> outputs;
  for_each_batch(dataset, batch_size, [&](const oc::Batch& batch) {
    outputs.resize(static_cast<std::size_t>(model.output().shape.size() * batch.size()));
    model.run(oc::values(batch.images), outputs);
    detail::take_answers(outputs, batch.labels, answers);
  });
  return answers;
}

// The share of images that both put into the same class.
inline double agreement(const Answers& a, const Answers& b) {
  std::int64_t same = 0;
  for (std::size_t i = 0; i < a.classes.size(); ++i) same += a.classes[i] == b.classes[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(a.size());
}

// a's accuracy minus b's.
inline oc::report::PairedDifference difference(const Answers& a, const Answers& b) {
  std::int64_t gained = 0, lost = 0;
  for (std::size_t i = 0; i < a.classes.size(); ++i) {
    gained += a.right(i) && !b.right(i) ? 1 : 0;
    lost += !a.right(i) && b.right(i) ? 1 : 0;
  }
  return oc::report::paired_difference(gained, lost, a.size());
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_ANSWERS_HPP_
