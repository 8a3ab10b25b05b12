// octavo/nn/layers/add.hpp: the sum of two tensors of one shape (a residual connection).
#ifndef OCTAVO_NN_LAYERS_ADD_HPP_
#define OCTAVO_NN_LAYERS_ADD_HPP_

#include <memory>

#include "../../kernels/elementwise_f32.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

class Add final : public Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "Add"; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 2, type());
    require(inputs[0] == inputs[1], type(), ": the inputs' shapes differ: ", inputs[0].to_string(), " and ",
            inputs[1].to_string());
    return inputs[0];
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    add_f32(inputs[0]->data(), inputs[1]->data(), static_cast<std::int64_t>(output.size()), output.data(),
            context.threads);
  }
  void backward(const Context& /*context*/, std::span<const Tensor* const> /*inputs*/, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    for (Tensor* gradient : grad_inputs)
      if (gradient != nullptr) std::copy_n(grad_output.data(), grad_output.size(), gradient->data());
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Add>(*this); }
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_ADD_HPP_
