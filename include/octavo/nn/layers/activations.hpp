// octavo/nn/layers/activations.hpp: ReLU, ReLU6 and softmax as layers of their own.
#ifndef OCTAVO_NN_LAYERS_ACTIVATIONS_HPP_
#define OCTAVO_NN_LAYERS_ACTIVATIONS_HPP_

#include <memory>

#include "../../kernels/elementwise_f32.hpp"
#include "../activation.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// y = clamp(x, low, high). The gradient passes where low < x < high. Any shape.
class ClampLayer : public Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "ReLU"; }
  [[nodiscard]] const ClampRange& range() const noexcept { return range_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    return inputs[0];
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    clamp_f32(inputs[0]->data(), static_cast<std::int64_t>(output.size()), range_.low, range_.high, output.data(),
              context.threads);
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] != nullptr)
      clamp_backward_f32(inputs[0]->data(), grad_output.data(), static_cast<std::int64_t>(grad_output.size()),
                         range_.low, range_.high, grad_inputs[0]->data(), context.threads);
  }

 protected:
  explicit ClampLayer(ClampRange range) : range_(range) {}

 private:
  ClampRange range_;
};

// max(x, 0)
class ReLU final : public ClampLayer {
 public:
  ReLU() : ClampLayer(clamp_range(Activation::relu)) {}
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<ReLU>(*this); }
};

// min(max(x, 0), 6). Keras calls it ReLU with max_value 6.
class ReLU6 final : public ClampLayer {
 public:
  ReLU6() : ClampLayer(clamp_range(Activation::relu6)) {}
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<ReLU6>(*this); }
};

// min(max(x, low), high), for ranges that are neither ReLU's nor ReLU6's.
class Clip final : public ClampLayer {
 public:
  explicit Clip(ClampRange range) : ClampLayer(range) {}
  [[nodiscard]] std::string_view type() const override { return "Clip"; }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Clip>(*this); }
};

// exp(x) / sum exp(x) over the last axis.
class Softmax final : public Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "Softmax"; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require(inputs[0].rank() >= 2, type(), ": expected an input of rank 2 or more, found ", inputs[0].to_string());
    return inputs[0];
  }
  void forward(const Context& /*context*/, std::span<const Tensor* const> inputs, Tensor& output) override {
    softmax_rows(*inputs[0], output);
  }
  void backward(const Context& context, std::span<const Tensor* const> /*inputs*/, const Tensor& output,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    if (context.logit_gradient)
      std::copy_n(grad_output.data(), grad_output.size(), grad_inputs[0]->data());
    else
      softmax_rows_gradient(output, grad_output, *grad_inputs[0]);
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Softmax>(*this); }
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_ACTIVATIONS_HPP_
