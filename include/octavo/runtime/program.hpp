// octavo/runtime/program.hpp: a network as plain data: what conversion produces, files hold, and Model executes.
//
// A Program is complete and readable: operators in execution order, every tensor with its type, shape and quantization,
// the weights in canonical layout (OHWI, 1HWC, [out][in]). Packing, fusion and memory planning are Model's business and
// leave no trace here.
#ifndef OCTAVO_RUNTIME_PROGRAM_HPP_
#define OCTAVO_RUNTIME_PROGRAM_HPP_

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../core/shape.hpp"
#include "../kernels/geometry.hpp"
#include "../quant/rounding.hpp"
#include "constant_bytes.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// float32, int8, uint8 (only at a model's border), int32 (biases), int4 (weights: two codes a byte, low nibble first,
// each row of the outermost extent padded to whole bytes).
enum class DType : std::uint8_t { f32, i8, u8, i32, i4 };

// Quantization of a tensor: real = scale * (code - zero_point). One entry for the whole tensor (axis = -1) or one for
// each index along `axis`. Empty: not quantized.
struct Quantization {
  std::vector<float> scale;
  std::vector<std::int32_t> zero_point;
  int axis = -1;
  int bits = 8;
  std::int32_t qmin = -128;  // -127 for narrow-range weights
  std::int32_t qmax = 127;

  [[nodiscard]] bool empty() const noexcept { return scale.empty(); }
  friend bool operator==(const Quantization&, const Quantization&) = default;
};

// An activation (`data` empty; extent 0 of the shape is the batch and stands as 1) or a constant (`data` holds its
// little-endian bytes, exactly as many as shape and type say).
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  Quantization quantization;
  ConstantBytes data;

  [[nodiscard]] bool constant() const noexcept { return !data.empty(); }
};

// inputs of each kind, in order (weights and bias are constants; a missing bias is -1):
//   conv2d, depthwise_conv2d, dense: x, weights, bias        add, mul, sub: a, b         concat: x0, x1, ...
//   all others: x
// add, mul, sub spread an input over the output where its extent is 1 (extents align at the last one); one of the two
// may be a constant. mean: over op.axes, neighbours behind the batch, which the output keeps as 1 or drops. transpose:
// output axis i is input axis op.axes[i]; axis 0, the batch, stays.
// Weights: conv2d OHWI, depthwise 1HWC, dense [out][in]. i8/i4 weights with i8 activations compute in integers; with
// f32 activations they are dynamic range: the input is quantized per image at run time. clamp: relu, relu6 and the
// like, where it could not be fused. hard_swish: x * clamp(x + 3, 0, 6) / 6. requantize: i8/u8 -> i8/u8 with other
// parameters. resize_nearest, resize_bilinear: an NHWC image to the output's rows and columns, on one grid
// (kernels/resize_axis.hpp has the positions, kernels/resize.hpp the arithmetic of each rounding). New kinds come last:
// kLastOpKind follows.
enum class OpKind : std::uint8_t {
  quantize,
  dequantize,
  requantize,
  conv2d,
  depthwise_conv2d,
  dense,
  average_pool2d,
  max_pool2d,
  global_average_pool,
  add,
  mul,
  concat,
  pad,
  reshape,
  clamp,
  softmax,
  logistic,
  sub,
  mean,
  transpose,
  hard_swish,
  resize_nearest,
  resize_bilinear,
};
inline constexpr OpKind kLastOpKind = OpKind::resize_bilinear;

// One operator. Fields that a kind does not use keep their defaults.
struct Op {
  OpKind kind = OpKind::reshape;
  std::string name;  // the float layer it came from
  std::vector<int> inputs = {};
  std::vector<int> outputs = {};
  Window window = {};                                         // conv2d, depthwise_conv2d, pools
  std::int64_t groups = 1;                                    // conv2d
  float clamp_low = -std::numeric_limits<float>::infinity();  // fused activation, real values: relu6 is [0, 6]
  float clamp_high = std::numeric_limits<float>::infinity();
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;  // pad
  int axis = -1;                                                          // concat, softmax
  float beta = 1.0F;                                                      // softmax
  std::vector<int> axes = {};                                             // mean, transpose
  bool align_corners = false, half_pixel_centers = false;                 // resize: at most one of them
  // From a model of uint8 tensors (codes and zero points are shifted by 128 here). Weights, one scale for all, may have
  // a zero point, and the tflite modes compute as TFLite does for uint8: a convolution's s_in * s_w is rounded to
  // float32, average_pool2d rounds halves up, concat maps between grids and resize_bilinear interpolates in float32.
  bool legacy_uint8 = false;
  // dense in int8, tflite_double: acc * (s_in * s_w / s_out) is rounded in double, halves away from zero, as LiteRT's
  // reference FULLY_CONNECTED does now. TFLite Micro, and TFLite in its time, use multiplier and shift as everywhere.
  bool in_double = false;
};

// Invariants, checked by validate(): tensor ids are in range; each activation is an input or written by exactly one
// earlier operator; shapes, types and quantization fit each operator.
struct Program {
  std::string name;
  Rounding rounding = Rounding::nearest_even_f32;
  std::vector<TensorInfo> tensors;
  std::vector<Op> ops;
  std::vector<int> inputs;
  std::vector<int> outputs;
  std::vector<std::string> labels;              // class names, may be empty
  std::map<std::string, std::string> metadata;  // preprocessing, accuracy, free text: kept, not interpreted
};

constexpr std::string_view name_of(DType dtype) {
  constexpr std::string_view names[] = {"float32", "int8", "uint8", "int32", "int4"};
  return names[static_cast<std::size_t>(dtype)];
}

constexpr std::string_view name_of(OpKind kind) {
  constexpr std::string_view names[] = {"quantize",
                                        "dequantize",
                                        "requantize",
                                        "conv2d",
                                        "depthwise_conv2d",
                                        "dense",
                                        "average_pool2d",
                                        "max_pool2d",
                                        "global_average_pool",
                                        "add",
                                        "mul",
                                        "concat",
                                        "pad",
                                        "reshape",
                                        "clamp",
                                        "softmax",
                                        "logistic",
                                        "sub",
                                        "mean",
                                        "transpose",
                                        "hard_swish",
                                        "resize_nearest",
                                        "resize_bilinear"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_PROGRAM_HPP_
