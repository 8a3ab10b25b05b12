// octavo/io/onnx_layer.hpp: what an ONNX graph becomes on its way into an nn::Graph or a runtime::Program: a list of
// layers on NHWC tensors, with constants that are read in our order.
#ifndef OCTAVO_IO_ONNX_LAYER_HPP_
#define OCTAVO_IO_ONNX_LAYER_HPP_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "onnx_constant.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

enum class LayerKind : std::uint8_t {
  input,
  conv,
  depthwise,
  dense,
  batch_norm,
  clamp,
  add,
  mul,
  concat,
  average_pool,
  max_pool,
  global_average_pool,
  pad,
  reshape,
  transpose,
  softmax,
  sigmoid,
  hard_sigmoid,
  hard_swish,
  dropout,
  quantize,
  dequantize,
  resize_nearest,
  resize_bilinear,
};

[[nodiscard]] constexpr std::string_view name_of(LayerKind kind) {
  constexpr std::string_view names[] = {"input",
                                        "convolution",
                                        "depthwise convolution",
                                        "dense",
                                        "batch normalization",
                                        "clamp",
                                        "add",
                                        "mul",
                                        "concat",
                                        "average",
                                        "maximum",
                                        "global average",
                                        "pad",
                                        "reshape",
                                        "transpose",
                                        "softmax",
                                        "sigmoid",
                                        "hard sigmoid",
                                        "hard swish",
                                        "dropout",
                                        "quantize",
                                        "dequantize",
                                        "nearest resize",
                                        "bilinear resize"};
  return names[static_cast<std::size_t>(kind)];
}

// An array in our order: element (i0, i1, ...) of `extents` stands at sum(i * stride) in `source`.
struct Strided {
  Constant source;
  Dims extents;
  Dims strides;
  std::size_t channel_axis = 0;  // of the output channels in `extents`
  float factor = 1.0F;           // multiplies the real values (Gemm's alpha and beta)

  [[nodiscard]] Shape shape() const { return {extents.begin(), extents.end()}; }
  [[nodiscard]] std::int64_t channels() const { return extents[channel_axis]; }

  // `values` of the source, in our order.
  template <class Value>
  [[nodiscard]] std::vector<Value> arranged(const std::vector<Value>& values) const {
    std::vector<Value> result(static_cast<std::size_t>(elements_of(extents)));
    Dims at(extents.size(), 0);
    std::int64_t from = 0;
    for (Value& value : result) {
      value = values.at(static_cast<std::size_t>(from));
      for (std::size_t axis = extents.size(); axis-- > 0;) {
        from += strides[axis];
        if (++at[axis] < extents[axis]) break;
        from -= strides[axis] * extents[axis];
        at[axis] = 0;
      }
    }
    return result;
  }
  [[nodiscard]] std::vector<float> reals() const {
    std::vector<float> values = arranged(real_values(source));
    if (factor != 1.0F)
      for (float& value : values) value *= factor;
    return values;
  }
};

struct Layer {
  LayerKind kind = LayerKind::input;
  std::string name;
  std::vector<int> inputs = {};  // indices of layers
  Shape shape = {};              // of the output: batch 1, NHWC

  // Windows: conv, depthwise, pools; margins also: pad.
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  std::int64_t groups = 1;

  std::optional<Strided> weights = {};  // OHWI, HWC or [out][in]
  std::optional<Strided> bias = {};     // [out]
  bool fixed = false;                   // constants of the graph that are no learned weights: the node is frozen

  std::vector<float> gamma = {}, beta = {}, mean = {}, variance = {};  // batch norm
  float epsilon = 0.0F, momentum = 0.0F;

  float low = -std::numeric_limits<float>::infinity();  // clamp
  float high = std::numeric_limits<float>::infinity();
  float alpha = 0.0F, offset = 0.0F;                       // hard sigmoid: clamp(alpha * x + offset, 0, 1)
  float rate = 0.0F;                                       // dropout
  int axis = -1;                                           // concat
  std::vector<int> order = {};                             // transpose: input axis of each output axis
  bool align_corners = false, half_pixel_centers = false;  // resize

  Type type = Type::f32;  // of the output's elements: u8 or i8 are codes
  CodeGrid grid = {};     // quantize: of the output; dequantize: of the input
};

// The lowered graph. Layers stand in an order of execution; each has one output.
struct Lowered {
  std::string name;
  std::vector<Layer> layers;
  std::vector<int> outputs;
  std::vector<std::string> output_names;
  std::vector<Constant> constant_outputs;  // of a graph that needed no run: one for each output, and no layers
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LAYER_HPP_
