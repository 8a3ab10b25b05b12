// octavo/nn/layers/conv2d.hpp: convolution with stride, SAME/VALID/explicit padding, groups and dilation.
#ifndef OCTAVO_NN_LAYERS_CONV2D_HPP_
#define OCTAVO_NN_LAYERS_CONV2D_HPP_

#include <memory>

#include "../../kernels/conv2d_f32.hpp"
#include "../padding.hpp"
#include "../weighted.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct Conv2DOptions {
  std::int64_t filters = 1;
  Extent kernel{1};
  Extent strides{1};
  Padding padding = Padding::valid();
  Extent dilation{1};
  std::int64_t groups = 1;
  bool use_bias = true;
};

// [n, h, w, c] -> [n, out_h, out_w, filters]. Kernel OHWI: [filters][kernel_h][kernel_w][c / groups].
class Conv2D final : public WeightedLayer {
 public:
  explicit Conv2D(const Conv2DOptions& options) : options_(options) {}

  [[nodiscard]] std::string_view type() const override { return "Conv2D"; }
  [[nodiscard]] const Conv2DOptions& options() const noexcept { return options_; }
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return geometry_; }

  Shape build(std::span<const Shape> inputs, Rng& random) override {
    require_inputs(inputs, 1, type());
    input_ = inputs[0];
    absorb({});
    const std::int64_t in = input_[3], out = options_.filters, groups = options_.groups;
    require(out >= 1, type(), ": filters must be at least 1, found ", out);
    require(groups >= 1 && in % groups == 0 && out % groups == 0, type(), ": groups ", groups,
            " must divide the input's ", in, " channels and the ", out, " filters");
    const std::int64_t taps = options_.kernel.height * options_.kernel.width;
    create(glorot_uniform({out, options_.kernel.height, options_.kernel.width, in / groups}, taps * in / groups,
                          taps * out / groups, random),
           out, options_.use_bias);
    return {1, geometry_.out_h, geometry_.out_w, out};
  }

  // Takes over the margins of a zero padding layer in front: the input is then the unpadded tensor. Only with explicit
  // padding. Called by the graph's planner; absorb({}) undoes it.
  void absorb(const Margins& margins, const Shape* unpadded = nullptr) {
    geometry_ =
        window_geometry(unpadded != nullptr ? *unpadded : input_,
                        {options_.kernel, options_.strides, options_.padding, options_.dilation}, margins, type());
    geometry_.out_c = options_.filters;
    geometry_.groups = options_.groups;
  }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    conv2d_f32(geometry_, batch_of(output), inputs[0]->data(), weights(), bias_values(), output.data(),
               *context.workspace, context.threads);
  }

  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    const std::int64_t batch = batch_of(grad_output);
    if (!context.frozen)
      conv2d_f32_weight_gradient(geometry_, batch, inputs[0]->data(), grad_output.data(), kernel_gradient(),
                                 bias_gradient(), *context.workspace, context.threads);
    if (grad_inputs[0] != nullptr)
      conv2d_f32_input_gradient(geometry_, batch, grad_output.data(), weights(), grad_inputs[0]->data(),
                                *context.workspace, context.threads);
  }

  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Conv2D>(*this); }
  [[nodiscard]] std::int64_t macs() const override {
    return geometry_.out_size() * options_.kernel.height * options_.kernel.width * geometry_.in_c / geometry_.groups;
  }

 private:
  Conv2DOptions options_;
  Shape input_;
  ConvGeometry geometry_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_CONV2D_HPP_
