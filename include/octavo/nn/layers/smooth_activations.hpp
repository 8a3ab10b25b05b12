// octavo/nn/layers/smooth_activations.hpp: sigmoid, and its piecewise linear relatives of MobileNetV3.
#ifndef OCTAVO_NN_LAYERS_SMOOTH_ACTIVATIONS_HPP_
#define OCTAVO_NN_LAYERS_SMOOTH_ACTIVATIONS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "../../core/parallel.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// A function of one value, any shape. Derived gives value(x) and slope(x), dy/dx.
template <class Derived>
class ElementLayer : public Layer {
 public:
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    return inputs[0];
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    const float* x = inputs[0]->data();
    for_each(output, context.threads, [&](std::int64_t i) { output.data()[i] = self().value(x[i]); });
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    const float *x = inputs[0]->data(), *dy = grad_output.data();
    for_each(grad_output, context.threads,
             [&](std::int64_t i) { grad_inputs[0]->data()[i] = dy[i] * self().slope(x[i]); });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Derived>(self()); }

 private:
  [[nodiscard]] const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }
  template <class Body>
  static void for_each(const Tensor& tensor, int threads, Body&& body) {
    constexpr std::int64_t grain = 4096;
    const auto size = static_cast<std::int64_t>(tensor.size());
    parallel_for((size + grain - 1) / grain, threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t i = first * grain; i < std::min(last * grain, size); ++i) body(i);
    });
  }
};

// 1 / (1 + exp(-x))
class Sigmoid final : public ElementLayer<Sigmoid> {
 public:
  [[nodiscard]] std::string_view type() const override { return "Sigmoid"; }
  [[nodiscard]] float value(float x) const { return 1.0F / (1.0F + std::exp(-x)); }
  [[nodiscard]] float slope(float x) const {
    const float y = value(x);
    return y * (1.0F - y);
  }
};

// clamp(alpha * x + offset, 0, 1). Defaults: MobileNetV3's, clamp(x + 3, 0, 6) / 6. The slope is 0 at the corners.
class HardSigmoid final : public ElementLayer<HardSigmoid> {
 public:
  explicit HardSigmoid(float alpha = 1.0F / 6.0F, float offset = 0.5F) : alpha_(alpha), offset_(offset) {}
  [[nodiscard]] std::string_view type() const override { return "HardSigmoid"; }
  [[nodiscard]] float alpha() const noexcept { return alpha_; }
  [[nodiscard]] float offset() const noexcept { return offset_; }
  [[nodiscard]] float value(float x) const { return std::min(std::max(alpha_ * x + offset_, 0.0F), 1.0F); }
  [[nodiscard]] float slope(float x) const {
    const float line = alpha_ * x + offset_;
    return line > 0.0F && line < 1.0F ? alpha_ : 0.0F;
  }

 private:
  float alpha_, offset_;
};

// x * clamp(x + 3, 0, 6) / 6
class HardSwish final : public ElementLayer<HardSwish> {
 public:
  [[nodiscard]] std::string_view type() const override { return "HardSwish"; }
  [[nodiscard]] float value(float x) const { return x * std::min(std::max(x + 3.0F, 0.0F), 6.0F) / 6.0F; }
  [[nodiscard]] float slope(float x) const { return x <= -3.0F ? 0.0F : x >= 3.0F ? 1.0F : (2.0F * x + 3.0F) / 6.0F; }
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_SMOOTH_ACTIVATIONS_HPP_
