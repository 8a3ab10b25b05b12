// octavo/train/metrics.hpp: how good predictions are: accuracy, top-k, the confusion matrix.
#ifndef OCTAVO_TRAIN_METRICS_HPP_
#define OCTAVO_TRAIN_METRICS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/largest.hpp"
#include "../core/tensor.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// A weighted mean that grows. 0 while empty.
class RunningMean {
 public:
  void add(double value, double weight = 1.0) noexcept { sum_ += value * weight, weight_ += weight; }
  void reset() noexcept { sum_ = weight_ = 0.0; }
  [[nodiscard]] double value() const noexcept { return weight_ > 0.0 ? sum_ / weight_ : 0.0; }
  [[nodiscard]] double weight() const noexcept { return weight_; }

 private:
  double sum_ = 0.0;
  double weight_ = 0.0;
};

// The first of the largest values; NaN only where all are.
[[nodiscard]] inline std::int32_t argmax(std::span<const float> row) {
  return static_cast<std::int32_t>(index_of_largest(row));
}

// Row `i` of outputs [n, classes].
[[nodiscard]] inline std::span<const float> row_of(const Tensor& outputs, std::int64_t i) {
  const std::size_t width = outputs.shape()[1];
  return values(outputs).subspan(static_cast<std::size_t>(i) * width, width);
}

// Whether fewer than k classes come before `label`: those of a larger value, or an equal one and a smaller number. So
// k = 1 is argmax. A label out of range or a value that is NaN is never among them.
[[nodiscard]] inline bool in_top_k(std::span<const float> row, std::int32_t label, int k) {
  if (label < 0 || static_cast<std::size_t>(label) >= row.size()) return false;
  const auto at = static_cast<std::size_t>(label);
  if (std::isnan(row[at])) return false;
  int before = 0;
  for (std::size_t i = 0; i < row.size(); ++i) before += row[i] > row[at] || (row[i] == row[at] && i < at) ? 1 : 0;
  return before < k;
}

// How many of outputs [n, classes] have their label among the k best.
[[nodiscard]] inline std::int64_t count_correct(const Tensor& outputs, std::span<const std::int32_t> labels,
                                                int k = 1) {
  require(outputs.dimension() == 2 && outputs.shape()[0] == labels.size(), "accuracy: expected outputs [",
          labels.size(), ", classes], found ", shape_of(outputs).to_string());
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    correct += in_top_k(row_of(outputs, static_cast<std::int64_t>(i)), labels[i], k) ? 1 : 0;
  return correct;
}

// The share of correct predictions; 0 for none.
[[nodiscard]] inline double accuracy(std::span<const std::int32_t> predictions, std::span<const std::int32_t> labels) {
  require(predictions.size() == labels.size(), "accuracy: ", predictions.size(), " predictions, ", labels.size(),
          " labels");
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += predictions[i] == labels[i] ? 1 : 0;
  return labels.empty() ? 0.0 : static_cast<double>(correct) / static_cast<double>(labels.size());
}
[[nodiscard]] inline double top_k_accuracy(const Tensor& outputs, std::span<const std::int32_t> labels, int k) {
  const auto correct = static_cast<double>(count_correct(outputs, labels, k));
  return labels.empty() ? 0.0 : correct / static_cast<double>(labels.size());
}

// sqrt(a (1 - a) / n): the standard error of an accuracy measured on n images.
[[nodiscard]] inline double standard_error(double accuracy, std::int64_t n) {
  return n > 0 ? std::sqrt(std::max(0.0, accuracy * (1.0 - accuracy)) / static_cast<double>(n)) : 0.0;
}

// How often each class (row) was taken for each class (column).
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int classes)
      : classes_(classes), counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes)) {}
  ConfusionMatrix(int classes, std::span<const std::int32_t> labels, std::span<const std::int32_t> predictions)
      : ConfusionMatrix(classes) {
    require(predictions.size() == labels.size(), "confusion matrix: ", predictions.size(), " predictions, ",
            labels.size(), " labels");
    for (std::size_t i = 0; i < labels.size(); ++i) add(labels[i], predictions[i]);
  }

  void add(std::int32_t label, std::int32_t prediction) { ++counts_[index(label, prediction)]; }
  [[nodiscard]] int classes() const noexcept { return classes_; }
  [[nodiscard]] std::int64_t at(std::int32_t label, std::int32_t prediction) const {
    return counts_[index(label, prediction)];
  }
  [[nodiscard]] std::int64_t total() const {
    std::int64_t sum = 0;
    for (const std::int64_t count : counts_) sum += count;
    return sum;
  }
  // Of all images the right ones; of a class' images the right ones; of what was taken for a class the right ones.
  // 0 where there is none.
  [[nodiscard]] double accuracy() const {
    std::int64_t right = 0;
    for (int c = 0; c < classes_; ++c) right += at(c, c);
    return ratio(right, total());
  }
  [[nodiscard]] double recall(std::int32_t label) const {
    std::int64_t sum = 0;
    for (int c = 0; c < classes_; ++c) sum += at(label, c);
    return ratio(at(label, label), sum);
  }
  [[nodiscard]] double precision(std::int32_t prediction) const {
    std::int64_t sum = 0;
    for (int c = 0; c < classes_; ++c) sum += at(c, prediction);
    return ratio(at(prediction, prediction), sum);
  }

  // A table: a row a class, its name (or number) first, its recall last.
  void print(std::ostream& out, std::span<const std::string> names = {}) const {
    std::size_t width = 5;
    for (const std::string& name : names) width = std::max(width, name.size());
    for (int row = 0; row < classes_; ++row) {
      const auto at_row = static_cast<std::size_t>(row);
      out << std::setw(static_cast<int>(width)) << (at_row < names.size() ? names[at_row] : std::to_string(row));
      for (int column = 0; column < classes_; ++column) out << ' ' << std::setw(5) << at(row, column);
      out << "  " << std::llround(1000.0 * recall(row)) / 10 << '.' << std::llround(1000.0 * recall(row)) % 10
          << " %\n";
    }
  }

 private:
  static double ratio(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
  }
  [[nodiscard]] std::size_t index(std::int32_t label, std::int32_t prediction) const {
    require(label >= 0 && label < classes_ && prediction >= 0 && prediction < classes_, "confusion matrix of ",
            classes_, " classes: no label ", label, " with prediction ", prediction);
    return static_cast<std::size_t>(label) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(prediction);
  }

  int classes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_METRICS_HPP_
