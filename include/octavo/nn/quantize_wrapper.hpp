// octavo/nn/quantize_wrapper.hpp: a layer whose kernel and output are fake-quantized, and the layer that quantizes the
// input: what quantization-aware training and calibration put into a graph.
#ifndef OCTAVO_NN_QUANTIZE_WRAPPER_HPP_
#define OCTAVO_NN_QUANTIZE_WRAPPER_HPP_

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../quant/fake_quantizer.hpp"
#include "layers/dense.hpp"
#include "weighted.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// What a wrapper quantizes. nullopt: left in float.
struct WrapperSettings {
  std::optional<QuantizerSettings> weights;  // of a WeightedLayer's kernel
  std::optional<QuantizerSettings> output;   // behind the activation; of a dense softmax layer: before it
  bool trains_when_frozen = false;           // the kernel, as in TensorFlow Model Optimization
};

// Forward: output = q_out(layer(input; kernel = q_w(s * kernel))), s = the folding scale if there is one. Backward:
// straight through both grids; the kernel's gradient is with respect to the kernel itself.
// The kernel's grid follows the kernel in every pass; the output's grid moves while the context observes.
class QuantizeWrapper : public Layer {
 public:
  QuantizeWrapper(std::unique_ptr<Layer> layer, WrapperSettings settings)
      : layer_(std::move(layer)), settings_(std::move(settings)) {
    weighted_ = dynamic_cast<WeightedLayer*>(layer_.get());
    require(!settings_.weights || weighted_ != nullptr, "a ", layer_->type(), " layer has no kernel to quantize");
  }
  QuantizeWrapper(const QuantizeWrapper& other)
      : Layer(other),
        layer_(other.layer_->clone()),
        weighted_(dynamic_cast<WeightedLayer*>(layer_.get())),
        settings_(other.settings_),
        name_(other.name_),
        weights_(other.weights_),
        output_(other.output_),
        weight_step_(other.weight_step_),
        output_step_(other.output_step_) {}
  QuantizeWrapper& operator=(const QuantizeWrapper&) = delete;

  [[nodiscard]] std::string_view type() const override { return "QuantizeWrapper"; }
  [[nodiscard]] Layer& inner() noexcept override { return layer_->inner(); }
  using Layer::inner;
  [[nodiscard]] FakeQuantizer* weight_quantizer() noexcept override { return weights_ ? &*weights_ : nullptr; }
  [[nodiscard]] FakeQuantizer* output_quantizer() noexcept override { return output_ ? &*output_ : nullptr; }
  void set_folding_scale(std::span<const float> scale) override { folding_scale_ = scale; }
  void set_name(const std::string& name) override {
    name_ = name;
    layer_->set_name(name);
  }
  // A dense softmax layer: its quantized logits in the last forward.
  [[nodiscard]] const Tensor& logits() const noexcept { return logits_; }

  Shape build(std::span<const Shape> inputs, Rng& random) override {
    const Shape output = layer_->build(inputs, random);
    if (settings_.weights) {
      const bool per_channel = settings_.weights->scheme.per_channel();
      weights_.emplace(name_ + "/kernel", *settings_.weights,
                       per_channel ? static_cast<std::size_t>(weighted_->channels()) : std::size_t{1});
      make_step(*weights_, weight_step_, "kernel_step");
    }
    if (settings_.output) {
      output_.emplace(name_, *settings_.output);
      make_step(*output_, output_step_, "output_step");
    }
    return output;
  }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    const Context inner_context = for_inner(context);
    prepare_kernel();
    if (!output_) return layer_->forward(inner_context, inputs, output);
    reshape_to(raw_, shape_of(output));
    if (before_softmax()) {
      dense()->forward_linear(inner_context, *inputs[0], raw_);
      reshape_to(logits_, shape_of(output));
      quantize_output(context, logits_);
      softmax_rows(logits_, output);
    } else {
      layer_->forward(inner_context, inputs, raw_);
      quantize_output(context, output);
    }
  }

  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& output,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    const Context inner_context = for_inner(context);
    if (!output_) {
      layer_->backward(inner_context, inputs, output, grad_output, grad_inputs);
    } else {
      reshape_to(grad_raw_, shape_of(grad_output));
      const bool through_softmax = before_softmax() && !context.logit_gradient;
      if (through_softmax) softmax_rows_gradient(output, grad_output, grad_raw_);
      output_->backward(values(std::as_const(raw_)), values(through_softmax ? std::as_const(grad_raw_) : grad_output),
                        values(grad_raw_));
      collect_step(*output_, output_step_);
      if (before_softmax())
        dense()->backward_linear(inner_context, *inputs[0], grad_raw_, grad_inputs[0]);
      else
        layer_->backward(inner_context, inputs, raw_, grad_raw_, grad_inputs);
    }
    if (weights_ && !inner_context.frozen) finish_kernel_gradient();
  }

  [[nodiscard]] std::vector<Parameter*> parameters() override {
    std::vector<Parameter*> all = layer_->parameters();
    for (auto* step : {&weight_step_, &output_step_})
      if (*step) all.push_back(&**step);
    return all;
  }
  using Layer::parameters;
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<QuantizeWrapper>(*this); }
  [[nodiscard]] std::int64_t macs() const override { return layer_->macs(); }

  // As Keras counts them: a step counter, and a minimum and a maximum for each grid.
  [[nodiscard]] std::int64_t extra_variables() const override {
    const std::size_t grids = (weights_ ? weights_->channels() : 0) + (output_ ? output_->channels() : 0);
    return 1 + 2 * static_cast<std::int64_t>(grids);
  }
  [[nodiscard]] bool stationary() const override {
    return layer_->stationary() && !(output_ && output_->observing()) && !settings_.trains_when_frozen;
  }
  [[nodiscard]] bool learns_when_frozen(const Parameter& parameter) const override {
    return settings_.trains_when_frozen && weighted_ != nullptr && &parameter == &weighted_->kernel();
  }

 private:
  [[nodiscard]] Dense* dense() const noexcept { return dynamic_cast<Dense*>(layer_.get()); }
  [[nodiscard]] bool before_softmax() const noexcept {
    const Dense* layer = dense();
    return layer != nullptr && layer->options().activation == Activation::softmax;
  }
  [[nodiscard]] Context for_inner(const Context& context) const {
    Context inner_context = context;
    if (settings_.trains_when_frozen && weighted_ != nullptr) inner_context.frozen = false;
    return inner_context;
  }

  // Observes raw_ and writes its quantized values.
  void quantize_output(const Context& context, Tensor& quantized) {
    if (context.observe) output_->observe(values(std::as_const(raw_)));
    apply_step(*output_, output_step_);
    output_->forward(values(std::as_const(raw_)), values(quantized));
  }

  // quantized_ = q_w(s * kernel), which the layer computes with from now on.
  void prepare_kernel() {
    if (!weights_) return;
    const Tensor& kernel = weighted_->kernel().value;
    const Shape shape = shape_of(kernel);
    reshape_to(scaled_, shape);
    std::copy_n(kernel.data(), kernel.size(), scaled_.data());
    scale_channels(scaled_);
    weights_->observe(values(std::as_const(scaled_)), shape);
    apply_step(*weights_, weight_step_);
    reshape_to(quantized_, shape);
    weights_->forward(values(std::as_const(scaled_)), values(quantized_), shape);
    weighted_->set_effective_kernel(&quantized_);
  }
  void finish_kernel_gradient() {
    Tensor& gradient = weighted_->kernel().gradient;
    const bool nothing_clipped = weights_->observing() && !weight_step_;
    if (!nothing_clipped)
      weights_->backward(values(std::as_const(scaled_)), values(std::as_const(gradient)), values(gradient),
                         shape_of(gradient));
    collect_step(*weights_, weight_step_);
    scale_channels(gradient);
  }
  void scale_channels(Tensor& kernel) const {
    if (folding_scale_.empty()) return;
    const std::size_t channels = folding_scale_.size(), inner_size = kernel.size() / channels;
    float* value = kernel.data();
    if (weighted_->channel_axis() == ChannelAxis::first) {
      for (const float scale : folding_scale_)
        for (std::size_t i = 0; i < inner_size; ++i) *value++ *= scale;
    } else {
      for (std::size_t i = 0; i < inner_size; ++i)
        for (const float scale : folding_scale_) *value++ *= scale;
    }
  }

  // A learned step (LSQ) is a parameter; the quantizer holds the working copy.
  static void make_step(const FakeQuantizer& quantizer, std::optional<Parameter>& step, const char* name) {
    if (quantizer.settings().step != StepPolicy::learned) return;
    step.emplace();
    step->name = name;
    step->value = make_tensor({static_cast<std::int64_t>(quantizer.channels())}, 0.0F);  // 0: not started
  }
  static void apply_step(FakeQuantizer& quantizer, std::optional<Parameter>& step) {
    if (!step || !quantizer.ready()) return;
    const std::span<float> steps = quantizer.steps();
    if (step->value.data()[0] == 0.0F) {
      std::copy(steps.begin(), steps.end(), step->value.begin());
      return;
    }
    std::copy(step->value.begin(), step->value.end(), steps.begin());
    quantizer.clamp_steps();
    std::copy(steps.begin(), steps.end(), step->value.begin());
  }
  static void collect_step(FakeQuantizer& quantizer, std::optional<Parameter>& step) {
    if (!step) return;
    reshape_to(step->gradient, shape_of(step->value));
    const std::span<const float> gradients = quantizer.step_gradients();
    std::copy(gradients.begin(), gradients.end(), step->gradient.begin());
  }

  std::unique_ptr<Layer> layer_;
  WeightedLayer* weighted_ = nullptr;  // layer_ when it has a kernel
  WrapperSettings settings_;
  std::string name_;
  std::optional<FakeQuantizer> weights_;
  std::optional<FakeQuantizer> output_;
  std::optional<Parameter> weight_step_, output_step_;
  std::span<const float> folding_scale_;
  Tensor scaled_, quantized_;       // the kernel, before and after its grid
  Tensor raw_, logits_, grad_raw_;  // the output before its grid
};

// Puts the input on its grid. The gradient passes inside the grid's limits.
class QuantizeLayer final : public Layer {
 public:
  explicit QuantizeLayer(QuantizerSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] std::string_view type() const override { return "QuantizeLayer"; }
  [[nodiscard]] FakeQuantizer* output_quantizer() noexcept override { return quantizer_ ? &*quantizer_ : nullptr; }
  void set_name(const std::string& name) override { name_ = name; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    quantizer_.emplace(name_, settings_);
    return inputs[0];
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    if (context.observe) quantizer_->observe(values(*inputs[0]));
    quantizer_->forward(values(*inputs[0]), values(output));
  }
  void backward(const Context&, std::span<const Tensor* const> inputs, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] != nullptr)
      quantizer_->backward(values(*inputs[0]), values(grad_output), values(*grad_inputs[0]));
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<QuantizeLayer>(*this); }
  [[nodiscard]] std::int64_t extra_variables() const override { return 3; }
  [[nodiscard]] bool stationary() const override { return !quantizer_ || !quantizer_->observing(); }

 private:
  QuantizerSettings settings_;
  std::string name_;
  std::optional<FakeQuantizer> quantizer_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_QUANTIZE_WRAPPER_HPP_
