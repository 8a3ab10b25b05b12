// octavo/nn/weighted.hpp: what convolution, depthwise convolution and dense share: a kernel and perhaps a bias.
#ifndef OCTAVO_NN_WEIGHTED_HPP_
#define OCTAVO_NN_WEIGHTED_HPP_

#include <cstdint>
#include <optional>
#include <vector>

#include "layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// Where a kernel's output channels stand: outermost (conv2d OHWI, dense [out][in]) or innermost (depthwise HWC).
enum class ChannelAxis : std::uint8_t { first, last };

// A layer that multiplies its input by a kernel. Quantization-aware training replaces the kernel for the time of a
// pass by its fake-quantized copy; the gradient that backward leaves in kernel().gradient is that of the copy.
class WeightedLayer : public Layer {
 public:
  [[nodiscard]] Parameter& kernel() noexcept { return kernel_; }
  [[nodiscard]] const Parameter& kernel() const noexcept { return kernel_; }
  [[nodiscard]] Parameter* bias() noexcept { return bias_ ? &*bias_ : nullptr; }
  [[nodiscard]] const Parameter* bias() const noexcept { return bias_ ? &*bias_ : nullptr; }
  [[nodiscard]] virtual ChannelAxis channel_axis() const noexcept { return ChannelAxis::first; }
  [[nodiscard]] std::int64_t channels() const {
    const Shape shape = shape_of(kernel_.value);
    return channel_axis() == ChannelAxis::first ? shape[0] : shape.back();
  }

  // The kernel to compute with from now on; null: the layer's own. The caller keeps it alive.
  void set_effective_kernel(const Tensor* kernel) noexcept { effective_kernel_ = kernel; }

  [[nodiscard]] std::vector<Parameter*> parameters() override {
    std::vector<Parameter*> all = {&kernel_};
    if (bias_) all.push_back(&*bias_);
    return all;
  }
  using Layer::parameters;

 protected:
  WeightedLayer() { kernel_.name = "kernel", kernel_.decays = true; }
  WeightedLayer(const WeightedLayer& other) : Layer(other), kernel_(other.kernel_), bias_(other.bias_) {}
  WeightedLayer(WeightedLayer&& other) noexcept = default;

  void create(Tensor kernel, std::int64_t outputs, bool with_bias) {
    kernel_.value = std::move(kernel);
    if (!with_bias) return;
    bias_.emplace();
    bias_->name = "bias";
    bias_->value = make_tensor({outputs}, 0.0F);
  }
  [[nodiscard]] const float* weights() const noexcept {
    return (effective_kernel_ != nullptr ? *effective_kernel_ : kernel_.value).data();
  }
  [[nodiscard]] const float* bias_values() const noexcept { return bias_ ? bias_->value.data() : nullptr; }
  // Storage for the gradients; the bias' is null without a bias.
  [[nodiscard]] float* kernel_gradient() {
    reshape_to(kernel_.gradient, shape_of(kernel_.value));
    return kernel_.gradient.data();
  }
  [[nodiscard]] float* bias_gradient() {
    if (!bias_) return nullptr;
    reshape_to(bias_->gradient, shape_of(bias_->value));
    return bias_->gradient.data();
  }

 private:
  Parameter kernel_;
  std::optional<Parameter> bias_;
  const Tensor* effective_kernel_ = nullptr;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_WEIGHTED_HPP_
