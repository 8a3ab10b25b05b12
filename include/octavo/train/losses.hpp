// octavo/train/losses.hpp: what training makes small: cross-entropy, or the squared error, each with its gradient.
#ifndef OCTAVO_TRAIN_LOSSES_HPP_
#define OCTAVO_TRAIN_LOSSES_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../nn/eigen.hpp"
#include "../nn/graph.hpp"
#include "../nn/layers/activations.hpp"
#include "../nn/layers/dense.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// Sparse categorical cross-entropy: per image -w[label] * sum_k t[k] log p[k], with the targets
// t[k] = (1 - label_smoothing) * [k == label] + label_smoothing / classes. The mean over a batch divides by the number
// of images, also with class weights (as in Keras).
struct CrossEntropy {
  double label_smoothing = 0.0;         // in [0, 1)
  std::vector<double> class_weights{};  // one a class; empty: 1 each. Used in training, not in validation
  bool from_logits = false;             // the network ends without softmax; its outputs are x with p = softmax(x)
};

// Mean over all elements of (output - target)^2, the target being 1 at the label and 0 elsewhere.
struct MeanSquaredError {};

using Loss = std::variant<CrossEntropy, MeanSquaredError>;

// Throws unless the loss has a meaning for `model`: an output [n, classes] that ends in a softmax for cross-entropy
// (unless from_logits), a weight for each class.
void check(const Loss& loss, const nn::Graph& model);

// The loss of a batch of outputs [n, classes] and its labels. `gradient`, when not null, gets the outputs' shape and
// the derivative with respect to the logits for cross-entropy, w[label] / n * (p - t), and to the outputs for the
// squared error: see gradient_is_of_logits. Throws for a label out of range, and names its place, or its
// `indices` entry when given. Probabilities below 1e-7 count as 1e-7 in the logarithm (as in Keras).
double loss_of(const Loss& loss, const Tensor& outputs, std::span<const std::int32_t> labels, Tensor* gradient,
               std::span<const std::int64_t> indices = {});

// The second argument of Executor::backward() for the gradient of loss_of().
[[nodiscard]] inline bool gradient_is_of_logits(const Loss& loss) {
  const auto* entropy = std::get_if<CrossEntropy>(&loss);
  return entropy != nullptr && !entropy->from_logits;
}

// Mean of (output - target)^2 over all elements. `gradient`, when not null: 2 (output - target) / elements.
double mean_squared_error(const Tensor& outputs, const Tensor& targets, Tensor* gradient);

namespace detail {

inline constexpr float kSmallestProbability = 1e-7F;

inline std::int32_t checked_label(std::span<const std::int32_t> labels, std::size_t row, std::size_t classes,
                                  std::span<const std::int64_t> indices) {
  const std::int32_t label = labels[row];
  require(label >= 0 && static_cast<std::size_t>(label) < classes, "loss: label ", label, " of image ",
          indices.empty() ? static_cast<std::int64_t>(row) : indices[row], " is not among the ", classes, " classes");
  return label;
}

using Row = Eigen::Array<float, 1, Eigen::Dynamic>;

// p and log p of one image's outputs.
inline void probabilities(const CrossEntropy& loss, const nn::ConstRowMap& x, Row& p, Row& log_p) {
  if (loss.from_logits) {
    log_p = x - x.maxCoeff<Eigen::PropagateNaN>();
    p = log_p.exp();
    const float sum = p.sum();
    p /= sum, log_p -= std::log(sum);
  } else {
    p = x;
    // select() and not max(), which may turn NaN into a number: it must reach the loss.
    log_p = (x < kSmallestProbability).select(kSmallestProbability, x).log();
  }
}

inline double loss_value(const CrossEntropy& loss, const Tensor& outputs, std::span<const std::int32_t> labels,
                         Tensor* gradient, std::span<const std::int64_t> indices) {
  const std::size_t n = labels.size(), classes = outputs.shape()[1];
  const auto width = static_cast<std::int64_t>(classes);
  const auto share = static_cast<float>(loss.label_smoothing / static_cast<double>(classes));
  const auto main = static_cast<float>(1.0 - loss.label_smoothing);
  Row p, log_p;
  double total = 0.0;
  for (std::size_t row = 0; row < n; ++row) {
    const auto label = checked_label(labels, row, classes, indices);
    probabilities(loss, nn::as_row(outputs.data() + row * classes, width), p, log_p);
    double one = -static_cast<double>(main * log_p[label]);
    if (share > 0.0F) one -= static_cast<double>(share) * log_p.cast<double>().sum();
    const double weight = loss.class_weights.empty() ? 1.0 : loss.class_weights[static_cast<std::size_t>(label)];
    total += weight * one;
    if (gradient == nullptr) continue;
    nn::RowMap to = nn::as_row(gradient->data() + row * classes, width);
    to = p - share;
    to[label] -= main;
    to *= static_cast<float>(weight / static_cast<double>(n));
  }
  return total / static_cast<double>(n);
}

inline double loss_value(const MeanSquaredError& /*loss*/, const Tensor& outputs, std::span<const std::int32_t> labels,
                         Tensor* gradient, std::span<const std::int64_t> indices) {
  const std::size_t n = labels.size(), classes = outputs.shape()[1];
  nn::Matrix error = nn::as_matrix(outputs);
  for (std::size_t row = 0; row < n; ++row)
    error(static_cast<Eigen::Index>(row), checked_label(labels, row, classes, indices)) -= 1.0F;
  const auto count = static_cast<double>(n * classes);
  if (gradient != nullptr) nn::as_matrix(*gradient) = static_cast<float>(2.0 / count) * error;
  return error.cast<double>().squaredNorm() / count;
}

inline bool ends_in_softmax(const nn::Graph& model) {
  const nn::Layer& last = *model.node(model.output()).layer;
  if (nn::layer_as<nn::Softmax>(last) != nullptr) return true;
  const auto* dense = nn::layer_as<nn::Dense>(last);
  return dense != nullptr && dense->options().activation == nn::Activation::softmax;
}

}  // namespace detail

inline void check(const Loss& loss, const nn::Graph& model) {
  const Shape shape = model.output_shape();
  const std::string& last = model.node(model.output()).name;
  require(shape.rank() == 2, "loss: expected an output [n, classes], layer '", last, "' gives ", shape.to_string());
  const auto* entropy = std::get_if<CrossEntropy>(&loss);
  if (entropy == nullptr) return;
  require(entropy->from_logits != detail::ends_in_softmax(model), "cross-entropy: the last layer, '", last, "', ",
          entropy->from_logits ? "is a softmax, expected none with from_logits"
                               : "is no softmax; add one, or set from_logits");
  require(entropy->label_smoothing >= 0.0 && entropy->label_smoothing < 1.0, "cross-entropy: label_smoothing ",
          entropy->label_smoothing, "; expected 0 or more, below 1");
  const auto weights = static_cast<std::int64_t>(entropy->class_weights.size());
  require(weights == 0 || weights == shape[1], "cross-entropy: expected ", shape[1], " class weights, found ", weights);
  for (const double weight : entropy->class_weights)
    require(weight >= 0.0 && std::isfinite(weight), "cross-entropy: class weight ", weight, "; expected 0 or more");
}

inline double loss_of(const Loss& loss, const Tensor& outputs, std::span<const std::int32_t> labels, Tensor* gradient,
                      std::span<const std::int64_t> indices) {
  const Shape shape = shape_of(outputs);
  require(shape.rank() == 2 && !labels.empty() && shape[0] == static_cast<std::int64_t>(labels.size()),
          "loss: expected outputs [", labels.size(), ", classes], found ", shape.to_string());
  if (gradient != nullptr) reshape_to(*gradient, shape);
  return std::visit([&](const auto& one) { return detail::loss_value(one, outputs, labels, gradient, indices); }, loss);
}

inline double mean_squared_error(const Tensor& outputs, const Tensor& targets, Tensor* gradient) {
  require(shape_of(outputs) == shape_of(targets) && outputs.size() > 0, "mean squared error: expected targets of ",
          shape_of(outputs).to_string(), ", found ", shape_of(targets).to_string());
  if (gradient != nullptr) reshape_to(*gradient, shape_of(outputs));
  const nn::Matrix error = nn::as_matrix(outputs) - nn::as_matrix(targets);
  const auto count = static_cast<double>(outputs.size());
  if (gradient != nullptr) nn::as_matrix(*gradient) = static_cast<float>(2.0 / count) * error;
  return error.cast<double>().squaredNorm() / count;
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_LOSSES_HPP_
