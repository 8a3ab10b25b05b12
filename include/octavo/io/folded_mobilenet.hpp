// octavo/io/folded_mobilenet.hpp: a folded MobileNetV2 (folded_weights.hpp) as a float Program.
#ifndef OCTAVO_IO_FOLDED_MOBILENET_HPP_
#define OCTAVO_IO_FOLDED_MOBILENET_HPP_

#include <string>
#include <utility>
#include <vector>

#include "../runtime/program_builder.hpp"
#include "folded_weights.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// The network of the layers in order, with SAME padding as TensorFlow: the residual sums of MobileNetV2 (Sandler et al.
// 2018, fig. 4d: a block adds its input to its projection when its stride is 1 and the channels are equal), a global
// average pool in front of the last layer, which is the classifier, and softmax at the end.
// Input: 1 x height x width x 3, pixels scaled to [-1, 1] (pixel / 127.5 - 1); output: 1 x classes.
[[nodiscard]] runtime::Program program_from_folded_mobilenet(const std::vector<FoldedLayer>& layers,
                                                             std::string name = "mobilenet_v2");

namespace detail {

class FoldedMobileNet {
 public:
  explicit FoldedMobileNet(std::string name) : builder_(std::move(name)) {}

  runtime::Program build(const std::vector<FoldedLayer>& layers) {
    require(layers.size() >= 3, "MobileNetV2: ", layers.size(), " layers are too few");
    int id = builder_.add_input("input", layers[0].in);
    int block_input = -1;
    std::int64_t block_stride = 1;
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
      const FoldedLayer& layer = layers[i];
      check_input(layer, id);
      id = convolution(layer, id);
      if (layer.depthwise) block_stride = layer.stride;
      const bool projection = !layer.depthwise && layer.high > 6.0F && i > 0;  // the only layers without activation
      if (!projection) continue;
      if (block_input >= 0 && block_stride == 1 && shape(block_input) == layer.out) {
        runtime::Op add;
        add.kind = runtime::OpKind::add;
        add.name = "add_" + std::to_string(i);
        id = builder_.add_op(add, {block_input, id}, layer.out);
      }
      block_input = id;
    }
    return head(layers.back(), id);
  }

 private:
  [[nodiscard]] const Shape& shape(int id) { return runtime::tensor_at(builder_.program(), id).shape; }

  void check_input(const FoldedLayer& layer, int id) {
    require(shape(id) == layer.in, "MobileNetV2: layer ", layer.index, " reads ", layer.in.to_string(),
            ", the layer before it gives ", shape(id).to_string());
  }

  int convolution(const FoldedLayer& layer, int input) {
    const std::string name = (layer.depthwise ? "depthwise_" : "conv_") + std::to_string(layer.index);
    const int weights = builder_.add_floats(name + "/weights", layer.weight_shape, layer.weights);
    const int bias = builder_.add_floats(name + "/bias", {layer.channels()}, layer.bias);
    runtime::Op op;
    op.kind = layer.depthwise ? runtime::OpKind::depthwise_conv2d : runtime::OpKind::conv2d;
    op.name = name;
    const std::int64_t kernel_h = layer.weight_shape[1];
    const std::int64_t kernel_w = layer.weight_shape[2];
    op.window = {kernel_h,
                 kernel_w,
                 layer.stride,
                 layer.stride,
                 1,
                 1,
                 runtime::same_padding(layer.in[1], kernel_h, layer.stride).before,
                 runtime::same_padding(layer.in[2], kernel_w, layer.stride).before};
    op.clamp_low = layer.low;
    op.clamp_high = layer.high;
    return builder_.add_op(op, {input, weights, bias}, layer.out);
  }

  runtime::Program head(const FoldedLayer& layer, int id) {
    const std::int64_t features = shape(id)[3];
    require(!layer.depthwise && layer.weight_shape == Shape{layer.out[3], 1, 1, features},
            "MobileNetV2: the last layer, ", layer.weight_shape.to_string(), ", is no classifier of ", features,
            " features");
    runtime::Op op;
    op.kind = runtime::OpKind::global_average_pool;
    op.name = "global_average_pool";
    id = builder_.add_op(op, {id}, {1, features});
    op.kind = runtime::OpKind::dense;
    op.name = "classifier";
    const int weights = builder_.add_floats("classifier/weights", {layer.out[3], features}, layer.weights);
    const int bias = builder_.add_floats("classifier/bias", {layer.out[3]}, layer.bias);
    id = builder_.add_op(op, {id, weights, bias}, {1, layer.out[3]});
    op.kind = runtime::OpKind::softmax;
    op.name = "softmax";
    builder_.add_output(builder_.add_op(op, {id}, {1, layer.out[3]}));
    return std::move(builder_).build();
  }

  runtime::ProgramBuilder builder_;
};

}  // namespace detail

inline runtime::Program program_from_folded_mobilenet(const std::vector<FoldedLayer>& layers, std::string name) {
  return detail::FoldedMobileNet(std::move(name)).build(layers);
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_FOLDED_MOBILENET_HPP_
