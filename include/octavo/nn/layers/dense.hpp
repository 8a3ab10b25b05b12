// octavo/nn/layers/dense.hpp: a fully connected layer with its activation.
#ifndef OCTAVO_NN_LAYERS_DENSE_HPP_
#define OCTAVO_NN_LAYERS_DENSE_HPP_

#include <memory>

#include "../../kernels/batch_norm_f32.hpp"
#include "../../kernels/gemm_f32.hpp"
#include "../activation.hpp"
#include "../eigen.hpp"
#include "../weighted.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct DenseOptions {
  std::int64_t units = 1;
  Activation activation = Activation::linear;
  bool use_bias = true;
};

// [n, in] -> [n, units]: activation(x W^T + b). Kernel [units][in].
class Dense final : public WeightedLayer {
 public:
  explicit Dense(const DenseOptions& options) : options_(options) {}

  [[nodiscard]] std::string_view type() const override { return "Dense"; }
  [[nodiscard]] const DenseOptions& options() const noexcept { return options_; }

  Shape build(std::span<const Shape> inputs, Rng& random) override {
    require_inputs(inputs, 1, type());
    require_rank(inputs[0], 2, type());
    require(options_.units >= 1, type(), ": units must be at least 1, found ", options_.units);
    create(glorot_uniform({options_.units, inputs[0][1]}, inputs[0][1], options_.units, random), options_.units,
           options_.use_bias);
    return {1, options_.units};
  }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    forward_linear(context, *inputs[0], output);
    if (options_.activation != Activation::linear) activate(options_.activation, output, output);
  }

  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& output,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    const bool passes = options_.activation == Activation::linear ||
                        (options_.activation == Activation::softmax && context.logit_gradient);
    if (passes) return backward_linear(context, *inputs[0], grad_output, grad_inputs[0]);
    reshape_to(grad_linear_, shape_of(grad_output));
    activate_gradient(options_.activation, output, grad_output, grad_linear_);
    backward_linear(context, *inputs[0], grad_linear_, grad_inputs[0]);
  }

  // The part before the activation, and its gradients: what quantization puts its grid behind.
  void forward_linear(const Context& context, const Tensor& input, Tensor& output) {
    const std::int64_t rows = batch_of(output), in = shape_of(input)[1], out = options_.units;
    gemm_f32(Transpose::no, Transpose::yes, rows, out, in, input.data(), in, weights(), in, output.data(), out, false,
             *context.workspace, context.threads);
    if (const float* bias = bias_values()) as_matrix(output).array().rowwise() += as_row(bias, out);
  }
  void backward_linear(const Context& context, const Tensor& input, const Tensor& grad_output, Tensor* grad_input) {
    const std::int64_t rows = batch_of(grad_output), in = shape_of(input)[1], out = options_.units;
    if (!context.frozen) {
      gemm_f32(Transpose::yes, Transpose::no, out, in, rows, grad_output.data(), out, input.data(), in,
               kernel_gradient(), in, false, *context.workspace, context.threads);
      if (float* gradient = bias_gradient()) channel_sums_f32(grad_output.data(), rows, out, gradient, context.threads);
    }
    if (grad_input != nullptr)
      gemm_f32(Transpose::no, Transpose::no, rows, in, out, grad_output.data(), out, weights(), in, grad_input->data(),
               in, false, *context.workspace, context.threads);
  }

  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Dense>(*this); }
  [[nodiscard]] std::int64_t macs() const override { return static_cast<std::int64_t>(kernel().value.size()); }

 private:
  DenseOptions options_;
  Tensor grad_linear_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_DENSE_HPP_
