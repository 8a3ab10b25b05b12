// octavo/nn/layers/batch_norm.hpp: batch normalization, fused with the clamp and the fake-quantization behind it.
#ifndef OCTAVO_NN_LAYERS_BATCH_NORM_HPP_
#define OCTAVO_NN_LAYERS_BATCH_NORM_HPP_

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "../../kernels/batch_norm_f32.hpp"
#include "../../quant/fake_quantizer.hpp"
#include "../activation.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct BatchNormOptions {
  float momentum = 0.99F;
  float epsilon = 1e-3F;
};

// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, per channel (the last axis).
// In training mean and variance (biased) are the batch's, and the moving ones follow:
// moving = momentum * moving + (1 - momentum) * batch, with the unbiased variance (Keras' fused batch norm).
// Otherwise, and in a frozen node or with frozen statistics, the moving ones are used.
//
// Simulated folding: the convolution in front multiplies its kernel by scale s[c] = gamma / sqrt(moving_variance +
// epsilon) before fake-quantization, so what arrives here is s[c] * x. folding_scale() gives s and makes this layer
// divide it out again, inside the same per-channel multiplication (the scheme of torch.ao's fused QAT modules). With
// moving statistics the multiplication is then by exactly 1: the folded convolution of the int8 model.
class BatchNorm final : public Layer {
 public:
  // What follows in the same pass over memory: a clamp (ReLU, ReLU6) and an output grid.
  struct Epilogue {
    ClampRange clamp;
    FakeQuantizer* quantizer = nullptr;
  };

  explicit BatchNorm(const BatchNormOptions& options = {}) : options_(options) {
    gamma_.name = "gamma", beta_.name = "beta";
    moving_mean_.name = "moving_mean", moving_variance_.name = "moving_variance";
    moving_mean_.learned = moving_variance_.learned = false;
  }

  [[nodiscard]] std::string_view type() const override { return "BatchNormalization"; }
  [[nodiscard]] const BatchNormOptions& options() const noexcept { return options_; }
  [[nodiscard]] Parameter& gamma() noexcept { return gamma_; }
  [[nodiscard]] Parameter& beta() noexcept { return beta_; }
  [[nodiscard]] Parameter& moving_mean() noexcept { return moving_mean_; }
  [[nodiscard]] Parameter& moving_variance() noexcept { return moving_variance_; }
  [[nodiscard]] std::size_t channels() const noexcept { return gamma_.value.size(); }
  // What the last forward normalized with, one a channel: the batch's mean and (biased) variance, or the moving ones.
  [[nodiscard]] std::span<const float> used_mean() const noexcept { return mean_; }
  [[nodiscard]] std::span<const float> used_variance() const noexcept { return variance_; }

  // Use the moving statistics in training too (the last epochs of quantization-aware training).
  void freeze_statistics(bool frozen) noexcept { statistics_frozen_ = frozen; }
  [[nodiscard]] bool statistics_frozen() const noexcept { return statistics_frozen_; }

  // s[c] of the present parameters; from now on the input is taken to be s[c] * x. |s| is kept above 1e-9.
  std::span<const float> folding_scale() {
    input_scale_.resize(channels());
    for (std::size_t c = 0; c < channels(); ++c) input_scale_[c] = away_from_zero(inference_gain(c));
    return input_scale_;
  }
  // The input is x again.
  void stop_folding() noexcept { input_scale_.clear(); }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require(inputs[0].rank() >= 2, type(), ": expected an input of rank 2 or more, found ", inputs[0].to_string());
    const Shape channels = {inputs[0].back()};
    gamma_.value = make_tensor(channels, 1.0F);
    beta_.value = make_tensor(channels, 0.0F);
    moving_mean_.value = make_tensor(channels, 0.0F);
    moving_variance_.value = make_tensor(channels, 1.0F);
    return inputs[0];
  }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    forward_fused(context, *inputs[0], output, {});
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    backward_fused(context, *inputs[0], grad_output, grad_inputs[0], {});
  }

  // output = quantize(clamp(normalize(input))); the quantizer observes what it is about to quantize.
  void forward_fused(const Context& context, const Tensor& input, Tensor& output, const Epilogue& epilogue);

  // grad_input may be grad_output's own tensor; null: not needed. With folding, grad_input is that of s[c] * x.
  void backward_fused(const Context& context, const Tensor& input, const Tensor& grad_output, Tensor* grad_input,
                      const Epilogue& epilogue);

  [[nodiscard]] std::vector<Parameter*> parameters() override {
    return {&gamma_, &beta_, &moving_mean_, &moving_variance_};
  }
  using Layer::parameters;
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<BatchNorm>(*this); }

  // gamma / sqrt(moving_variance + epsilon) of channel c: the gain of the folded layer.
  [[nodiscard]] float inference_gain(std::size_t c) const {
    return gamma_.value.data()[c] / std::sqrt(moving_variance_.value.data()[c] + options_.epsilon);
  }

 private:
  static float away_from_zero(float scale) noexcept {
    constexpr float smallest = 1e-9F;
    return std::abs(scale) >= smallest ? scale : std::copysign(smallest, scale);
  }
  [[nodiscard]] bool uses_batch(const Context& context) const noexcept {
    return context.training && !context.frozen && !statistics_frozen_;
  }
  [[nodiscard]] float input_scale(std::size_t c) const noexcept {
    return input_scale_.empty() ? 1.0F : input_scale_[c];
  }
  [[nodiscard]] AffineClamp affine(const Epilogue& epilogue) const {
    AffineClamp a;
    a.multiplier = multiplier_.data(), a.offset = offset_.data();
    a.low = epilogue.clamp.low, a.high = epilogue.clamp.high;
    return a;
  }
  void update_moving(std::size_t rows);
  [[nodiscard]] ClampRange output_range(const ClampRange& clamp) const;

  BatchNormOptions options_;
  Parameter gamma_, beta_, moving_mean_, moving_variance_;
  bool statistics_frozen_ = false;
  AlignedVector<float> input_scale_;
  // Of the last forward: the affine map, and the statistics that made it (of x, not of s * x).
  AlignedVector<float> multiplier_, offset_, mean_, variance_, minimum_, maximum_;
  // Scratch of backward.
  AlignedVector<double> sum_g_, sum_gx_;
  AlignedVector<float> p_, q_, r_;
  Grid grid_;
};

inline void BatchNorm::forward_fused(const Context& context, const Tensor& input, Tensor& output,
                                     const Epilogue& epilogue) {
  const std::size_t n = channels(), rows = input.size() / n;
  for (auto* v : {&multiplier_, &offset_, &mean_, &variance_, &minimum_, &maximum_}) v->resize(n);
  const bool batch = uses_batch(context);
  if (batch) {
    channel_statistics_f32(input.data(), static_cast<std::int64_t>(rows), static_cast<std::int64_t>(n), mean_.data(),
                           variance_.data(), minimum_.data(), maximum_.data(), context.threads);
    for (std::size_t c = 0; c < n; ++c) mean_[c] /= input_scale(c), variance_[c] /= input_scale(c) * input_scale(c);
  } else {
    std::copy_n(moving_mean_.value.data(), n, mean_.data());
    std::copy_n(moving_variance_.value.data(), n, variance_.data());
  }
  for (std::size_t c = 0; c < n; ++c) {
    const float gain = gamma_.value.data()[c] / std::sqrt(variance_[c] + options_.epsilon);
    multiplier_[c] = gain / input_scale(c);
    offset_[c] = beta_.value.data()[c] - gain * mean_[c];
  }
  if (batch) update_moving(rows);

  AffineClamp map = affine(epilogue);
  const auto run = [&] {
    affine_clamp_forward_f32(input.data(), static_cast<std::int64_t>(rows), static_cast<std::int64_t>(n), map,
                             output.data(), context.threads);
  };
  FakeQuantizer* const quantizer = epilogue.quantizer;
  const bool observes = quantizer != nullptr && context.observe && quantizer->observing();
  const bool quantizes = quantizer != nullptr && quantizer->enabled();
  if (observes && batch && quantizer->accepts_range()) {  // the channels' extremes give the range without another pass
    const ClampRange range = output_range(epilogue.clamp);
    quantizer->observe_range(range.low, range.high);
  } else if (observes) {
    run();
    quantizer->observe(values(static_cast<const Tensor&>(output)));
    if (!quantizes) return;
  }
  if (quantizes) {
    grid_ = quantizer->grid();
    map.grid = &grid_;
    map.ties = quantizer->settings().ties;
  }
  run();
}

inline void BatchNorm::update_moving(std::size_t rows) {
  const float keep = options_.momentum;
  const float unbiased = rows > 1 ? static_cast<float>(rows) / static_cast<float>(rows - 1) : 1.0F;
  for (std::size_t c = 0; c < channels(); ++c) {
    float& mean = moving_mean_.value.data()[c];
    float& variance = moving_variance_.value.data()[c];
    mean = keep * mean + (1.0F - keep) * mean_[c];
    variance = keep * variance + (1.0F - keep) * variance_[c] * unbiased;
  }
}

// Smallest and largest value that the affine map and the clamp give on the batch just seen.
inline ClampRange BatchNorm::output_range(const ClampRange& clamp) const {
  ClampRange range{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  for (std::size_t c = 0; c < channels(); ++c) {
    const float a = multiplier_[c] * minimum_[c] + offset_[c], b = multiplier_[c] * maximum_[c] + offset_[c];
    range.low = std::min({range.low, a, b});
    range.high = std::max({range.high, a, b});
  }
  return {std::clamp(range.low, clamp.low, clamp.high), std::clamp(range.high, clamp.low, clamp.high)};
}

// With x the normalized layer's input, s the folding scale and N the number of rows:
//   dbeta = sum g, dgamma = sum g * xhat, dx = gamma / (sigma N) * (N g - dbeta - xhat dgamma), d(s x) = dx / s,
// which has the form p g + q (s x) + r per channel.
inline void BatchNorm::backward_fused(const Context& context, const Tensor& input, const Tensor& grad_output,
                                      Tensor* grad_input, const Epilogue& epilogue) {
  const std::size_t n = channels();
  const auto rows = static_cast<std::int64_t>(input.size() / n);
  AffineClamp map = affine(epilogue);
  if (epilogue.quantizer != nullptr && epilogue.quantizer->enabled()) {
    map.grid = &grid_;
    map.ties = epilogue.quantizer->settings().ties;
  }
  const bool batch = uses_batch(context);
  if (!context.frozen) {
    sum_g_.resize(n), sum_gx_.resize(n);
    affine_clamp_backward_sums_f32(input.data(), grad_output.data(), rows, static_cast<std::int64_t>(n), map,
                                   sum_g_.data(), sum_gx_.data(), context.threads);
    for (Parameter* parameter : {&gamma_, &beta_}) reshape_to(parameter->gradient, shape_of(parameter->value));
  }
  for (auto* v : {&p_, &q_, &r_}) v->resize(n);
  for (std::size_t c = 0; c < n; ++c) {
    p_[c] = multiplier_[c];
    if (context.frozen) continue;
    const float inverse_sigma = 1.0F / std::sqrt(variance_[c] + options_.epsilon);
    const auto dbeta = static_cast<float>(sum_g_[c]);
    const auto dgamma =
        static_cast<float>(static_cast<double>(inverse_sigma) * (sum_gx_[c] / static_cast<double>(input_scale(c)) -
                                                                 static_cast<double>(mean_[c]) * sum_g_[c]));
    gamma_.gradient.data()[c] = dgamma;
    beta_.gradient.data()[c] = dbeta;
    if (!batch) continue;
    const float share = multiplier_[c] / static_cast<float>(rows);
    q_[c] = -share * inverse_sigma * dgamma / input_scale(c);
    r_[c] = -share * (dbeta - inverse_sigma * mean_[c] * dgamma);
  }
  if (grad_input != nullptr)
    affine_clamp_backward_input_f32(input.data(), grad_output.data(), rows, static_cast<std::int64_t>(n), map,
                                    p_.data(), batch ? q_.data() : nullptr, batch ? r_.data() : nullptr,
                                    grad_input->data(), context.threads);
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_BATCH_NORM_HPP_
