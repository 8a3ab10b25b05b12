// octavo/nn/layers/shaping.hpp: layers that move data: zero padding, flatten, reshape, dropout, and the input.
#ifndef OCTAVO_NN_LAYERS_SHAPING_HPP_
#define OCTAVO_NN_LAYERS_SHAPING_HPP_

#include <algorithm>
#include <memory>

#include "../layer.hpp"
#include "../padding.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// A graph's input: holds the batch that the caller gave.
class InputLayer final : public Layer {
 public:
  explicit InputLayer(Shape shape) : shape_(shape) {}
  [[nodiscard]] std::string_view type() const override { return "InputLayer"; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 0, type());
    return shape_;
  }
  void forward(const Context&, std::span<const Tensor* const>, Tensor&) override {}
  void backward(const Context&, std::span<const Tensor* const>, const Tensor&, const Tensor&,
                std::span<Tensor* const>) override {}
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<InputLayer>(*this); }

 private:
  Shape shape_;
};

// Adds margins of zeros around an image. In front of a convolution with explicit padding the graph hands the margins to
// the convolution and never makes the padded tensor.
class ZeroPadding2D final : public Layer {
 public:
  explicit ZeroPadding2D(const Margins& margins) : margins_(margins) {}
  [[nodiscard]] std::string_view type() const override { return "ZeroPadding2D"; }
  [[nodiscard]] const Margins& margins() const noexcept { return margins_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require_rank(inputs[0], 4, type());
    require(std::min({margins_.top, margins_.bottom, margins_.left, margins_.right}) >= 0, type(),
            ": margins must not be negative");
    return {1, inputs[0][1] + margins_.top + margins_.bottom, inputs[0][2] + margins_.left + margins_.right,
            inputs[0][3]};
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    std::fill_n(output.data(), output.size(), 0.0F);
    for_each_row(shape_of(*inputs[0]), shape_of(output), context.threads,
                 [&](std::int64_t inner, std::int64_t outer, std::int64_t size) {
                   std::copy_n(inputs[0]->data() + inner, size, output.data() + outer);
                 });
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& output,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    for_each_row(shape_of(*inputs[0]), shape_of(output), context.threads,
                 [&](std::int64_t inner, std::int64_t outer, std::int64_t size) {
                   std::copy_n(grad_output.data() + outer, size, grad_inputs[0]->data() + inner);
                 });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<ZeroPadding2D>(*this); }

 private:
  template <class Body>
  void for_each_row(const Shape& in, const Shape& out, int threads, Body&& body) const {
    const std::int64_t size = in[2] * in[3];
    parallel_for(in[0] * in[1], threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t row = first; row < last; ++row) {
        const std::int64_t n = row / in[1], y = row % in[1] + margins_.top;
        body(row * size, ((n * out[1] + y) * out[2] + margins_.left) * out[3], size);
      }
    });
  }

  Margins margins_;
};

// [n, ...] -> [n, product of the rest] (Flatten) or [n, given extents] (Reshape). A copy.
class Reshape : public Layer {
 public:
  // `extents` without the batch; their product must be the input's.
  explicit Reshape(Shape extents) : extents_(extents) {}
  [[nodiscard]] std::string_view type() const override { return "Reshape"; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    Shape output = {1};
    for (const std::int64_t extent : target(inputs[0])) output.push_back(extent);
    require(output.size() == inputs[0].size(), type(), ": cannot make ", output.to_string(), " of ",
            inputs[0].to_string());
    return output;
  }
  void forward(const Context&, std::span<const Tensor* const> inputs, Tensor& output) override {
    std::copy_n(inputs[0]->data(), output.size(), output.data());
  }
  void backward(const Context&, std::span<const Tensor* const>, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] != nullptr) std::copy_n(grad_output.data(), grad_output.size(), grad_inputs[0]->data());
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Reshape>(*this); }

 protected:
  [[nodiscard]] virtual Shape target(const Shape& /*input*/) const { return extents_; }

 private:
  Shape extents_;
};

class Flatten final : public Reshape {
 public:
  Flatten() : Reshape(Shape{}) {}
  [[nodiscard]] std::string_view type() const override { return "Flatten"; }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Flatten>(*this); }

 private:
  [[nodiscard]] Shape target(const Shape& input) const override { return {input.size()}; }
};

// In training each value is 0 with probability `rate`, otherwise multiplied by 1 / (1 - rate); afterwards the identity.
class Dropout final : public Layer {
 public:
  explicit Dropout(float rate) : rate_(rate) {}
  [[nodiscard]] std::string_view type() const override { return "Dropout"; }
  [[nodiscard]] bool stationary() const override { return rate_ == 0.0F; }
  [[nodiscard]] float rate() const noexcept { return rate_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require(rate_ >= 0.0F && rate_ < 1.0F, type(), ": rate must be in [0, 1), found ", rate_);
    return inputs[0];
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    factors_.resize(output.size());
    const bool drops = context.training && context.random != nullptr;
    for (std::size_t i = 0; i < output.size(); ++i) {
      factors_[i] = !drops ? 1.0F : context.random->uniform() < rate_ ? 0.0F : 1.0F / (1.0F - rate_);
      output.data()[i] = inputs[0]->data()[i] * factors_[i];
    }
  }
  void backward(const Context&, std::span<const Tensor* const>, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    for (std::size_t i = 0; i < grad_output.size(); ++i)
      grad_inputs[0]->data()[i] = grad_output.data()[i] * factors_[i];
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Dropout>(*this); }

 private:
  float rate_;
  std::vector<float> factors_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_SHAPING_HPP_
