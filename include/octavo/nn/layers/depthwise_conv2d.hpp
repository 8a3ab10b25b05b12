// octavo/nn/layers/depthwise_conv2d.hpp: one small kernel for each input channel.
#ifndef OCTAVO_NN_LAYERS_DEPTHWISE_CONV2D_HPP_
#define OCTAVO_NN_LAYERS_DEPTHWISE_CONV2D_HPP_

#include <memory>

#include "../../kernels/depthwise_conv2d_f32.hpp"
#include "../padding.hpp"
#include "../weighted.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct DepthwiseConv2DOptions {
  Extent kernel{3};
  Extent strides{1};
  Padding padding = Padding::valid();
  Extent dilation{1};
  std::int64_t multiplier = 1;
  bool use_bias = true;
};

// [n, h, w, c] -> [n, out_h, out_w, c * multiplier]; output channel o reads input channel o / multiplier.
// Kernel HWC: [kernel_h][kernel_w][c * multiplier].
class DepthwiseConv2D final : public WeightedLayer {
 public:
  explicit DepthwiseConv2D(const DepthwiseConv2DOptions& options) : options_(options) {}

  [[nodiscard]] std::string_view type() const override { return "DepthwiseConv2D"; }
  [[nodiscard]] ChannelAxis channel_axis() const noexcept override { return ChannelAxis::last; }
  [[nodiscard]] const DepthwiseConv2DOptions& options() const noexcept { return options_; }
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return geometry_; }

  Shape build(std::span<const Shape> inputs, Rng& random) override {
    require_inputs(inputs, 1, type());
    require(options_.multiplier >= 1, type(), ": multiplier must be at least 1, found ", options_.multiplier);
    input_ = inputs[0];
    absorb({});
    const std::int64_t taps = options_.kernel.height * options_.kernel.width;
    create(glorot_uniform({options_.kernel.height, options_.kernel.width, geometry_.out_c}, taps * geometry_.in_c,
                          taps * options_.multiplier, random),
           geometry_.out_c, options_.use_bias);
    return {1, geometry_.out_h, geometry_.out_w, geometry_.out_c};
  }

  // See Conv2D::absorb.
  void absorb(const Margins& margins, const Shape* unpadded = nullptr) {
    geometry_ =
        window_geometry(unpadded != nullptr ? *unpadded : input_,
                        {options_.kernel, options_.strides, options_.padding, options_.dilation}, margins, type());
    geometry_.out_c = geometry_.in_c * options_.multiplier;
    geometry_.groups = geometry_.in_c;
  }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    depthwise_conv2d_f32(geometry_, batch_of(output), inputs[0]->data(), weights(), bias_values(), output.data(),
                         *context.workspace, context.threads);
  }

  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    const std::int64_t batch = batch_of(grad_output);
    if (!context.frozen)
      depthwise_conv2d_f32_weight_gradient(geometry_, batch, inputs[0]->data(), grad_output.data(), kernel_gradient(),
                                           bias_gradient(), *context.workspace, context.threads);
    if (grad_inputs[0] != nullptr)
      depthwise_conv2d_f32_input_gradient(geometry_, batch, grad_output.data(), weights(), grad_inputs[0]->data(),
                                          *context.workspace, context.threads);
  }

  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<DepthwiseConv2D>(*this); }
  [[nodiscard]] std::int64_t macs() const override {
    return geometry_.out_size() * options_.kernel.height * options_.kernel.width;
  }

 private:
  DepthwiseConv2DOptions options_;
  Shape input_;
  ConvGeometry geometry_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_DEPTHWISE_CONV2D_HPP_
