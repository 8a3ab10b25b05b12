// octavo/runtime/program_info.hpp: what can be read off a Program: sizes, window geometry, multiply-adds.
#ifndef OCTAVO_RUNTIME_PROGRAM_INFO_HPP_
#define OCTAVO_RUNTIME_PROGRAM_INFO_HPP_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/resize_axis.hpp"
#include "../quant/grid.hpp"
#include "program.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// Bytes of one element; int4 has none of its own (see data_bytes).
constexpr std::int64_t element_bytes(DType dtype) { return dtype == DType::f32 || dtype == DType::i32 ? 4 : 1; }

// Bytes of a tensor's values. int4: each row of the outermost extent takes whole bytes.
[[nodiscard]] inline std::int64_t data_bytes(DType dtype, const Shape& shape) {
  if (dtype != DType::i4) return shape.size() * element_bytes(dtype);
  const std::int64_t rows = shape.rank() == 0 ? 1 : shape[0];
  return rows == 0 ? 0 : rows * ((shape.size() / rows + 1) / 2);
}

// Codes of [-8, 7] as an int4 tensor of that shape holds them: two a byte, the low nibble first, each row of the
// outermost extent in whole bytes.
[[nodiscard]] inline AlignedVector<std::uint8_t> packed_nibbles(std::span<const std::int8_t> codes,
                                                                const Shape& shape) {
  AlignedVector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(data_bytes(DType::i4, shape)));
  const std::size_t rows = shape.rank() == 0 ? 1 : static_cast<std::size_t>(shape[0]);
  const std::size_t columns = rows == 0 ? 0 : codes.size() / rows;
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t i = 0; i < columns; i += 2) {
      const std::int8_t* code = codes.data() + row * columns + i;
      const int high = i + 1 < columns ? code[1] : 0;
      bytes.push_back(static_cast<std::uint8_t>((code[0] & 15) | (high & 15) << 4));
    }
  return bytes;
}

constexpr bool is_convolution(OpKind kind) {
  return kind == OpKind::conv2d || kind == OpKind::depthwise_conv2d || kind == OpKind::dense;
}
constexpr bool is_pool(OpKind kind) { return kind == OpKind::average_pool2d || kind == OpKind::max_pool2d; }
constexpr bool is_resize(OpKind kind) { return kind == OpKind::resize_nearest || kind == OpKind::resize_bilinear; }

[[nodiscard]] inline const TensorInfo& tensor_at(const Program& program, int id) {
  if (id < 0 || static_cast<std::size_t>(id) >= program.tensors.size())
    fail("no tensor ", id, "; the program has ", program.tensors.size());
  return program.tensors[static_cast<std::size_t>(id)];
}
[[nodiscard]] inline const TensorInfo& input_of(const Program& program, const Op& op, std::size_t i) {
  if (i >= op.inputs.size()) fail(name_of(op.kind), " '", op.name, "': no input ", i);
  return tensor_at(program, op.inputs[i]);
}
[[nodiscard]] inline const TensorInfo& output_of(const Program& program, const Op& op) {
  if (op.outputs.empty()) fail(name_of(op.kind), " '", op.name, "': no output");
  return tensor_at(program, op.outputs[0]);
}

// The grid of a tensor with one scale.
[[nodiscard]] inline Grid grid_of(const TensorInfo& tensor) {
  const Quantization& q = tensor.quantization;
  require(q.scale.size() == 1 && q.zero_point.size() == 1, "tensor '", tensor.name, "': expected one scale, found ",
          q.scale.size());
  return {q.scale[0], q.zero_point[0], q.qmin, q.qmax};
}

// The three scales whose quotient input * weight[c] / output requantizes a convolution, mul, clamp or requantize.
// TFLite's kernels compute in double, but in float32: s_in * s_w of a dense layer with one weight scale, and of all
// legacy uint8 convolutions; the whole quotient of MUL and of RELU. The tflite modes do so too.
struct RequantizationScales {
  float input = 1.0F;
  std::vector<float> weight = {1.0F};
  float output = 1.0F;
};
[[nodiscard]] inline RequantizationScales requantization_scales(const Program& program, const Op& op) {
  RequantizationScales scales;
  scales.input = grid_of(input_of(program, op, 0)).scale;
  scales.output = grid_of(output_of(program, op)).scale;
  const bool tflite = program.rounding != Rounding::nearest_even_f32;
  if (is_convolution(op.kind) || op.kind == OpKind::mul) {
    scales.weight = input_of(program, op, 1).quantization.scale;
    const bool product = op.kind == OpKind::mul || op.kind == OpKind::dense || op.legacy_uint8;
    if (tflite && product && scales.weight.size() == 1) {
      scales.input *= scales.weight[0];
      scales.weight[0] = 1.0F;
    }
  }
  if (tflite && (op.kind == OpKind::mul || op.kind == OpKind::clamp)) {
    scales.input /= scales.output;
    scales.output = 1.0F;
  }
  return scales;
}

// Whether the operator is one of those that Op::in_double speaks of.
[[nodiscard]] inline bool requantizes_in_double(const Program& program, const Op& op) {
  return op.in_double && op.kind == OpKind::dense && program.rounding == Rounding::tflite_double && !op.legacy_uint8 &&
         output_of(program, op).dtype == DType::i8;
}

// The extents that a mean reduces are [first, last); outside of them are those before (without the batch) and behind.
struct MeanExtents {
  std::int64_t outer = 1, count = 1, inner = 1;
};
[[nodiscard]] inline MeanExtents mean_extents(const Program& program, const Op& op) {
  const Shape& shape = input_of(program, op, 0).shape;
  MeanExtents extents;
  for (std::size_t i = 1; i < shape.rank(); ++i) {
    const int axis = static_cast<int>(i);
    if (axis < op.axes.front())
      extents.outer *= shape[i];
    else
      (axis <= op.axes.back() ? extents.count : extents.inner) *= shape[i];
  }
  return extents;
}

// The id of the tensor of that name, or -1.
[[nodiscard]] inline int find_tensor(const Program& program, std::string_view name) {
  for (std::size_t i = 0; i < program.tensors.size(); ++i)
    if (program.tensors[i].name == name) return static_cast<int>(i);
  return -1;
}

// The sizes of a convolution, depthwise convolution, dense layer (each row of the last extent is a pixel) or pool.
[[nodiscard]] inline ConvGeometry geometry_of(const Program& program, const Op& op) {
  const Shape& in = input_of(program, op, 0).shape;
  const Shape& out = output_of(program, op).shape;
  ConvGeometry g;
  if (op.kind == OpKind::dense) {
    g.in_c = in.back();
    g.out_c = out.back();
    g.in_w = g.out_w = in.with_batch(1).size() / g.in_c;
    return g;
  }
  g.in_h = in[1], g.in_w = in[2], g.in_c = in[3];
  g.out_h = out[1], g.out_w = out[2], g.out_c = out[3];
  g.groups = op.kind == OpKind::conv2d ? op.groups : g.in_c;
  g.window = op.window;
  return g;
}

// The sizes of a resize.
[[nodiscard]] inline ResizeGeometry resize_geometry_of(const Program& program, const Op& op) {
  const Shape& in = input_of(program, op, 0).shape;
  const Shape& out = output_of(program, op).shape;
  return {in[1], in[2], out[1], out[2], in[3], op.align_corners, op.half_pixel_centers};
}

// Whether the operator is the resize of a uint8 model that TFLite computes in float32.
[[nodiscard]] inline bool interpolates_as_uint8(const Program& program, const Op& op) {
  return op.legacy_uint8 && op.kind == OpKind::resize_bilinear && program.rounding != Rounding::nearest_even_f32 &&
         output_of(program, op).dtype == DType::i8;
}

// Multiply-adds of one image; 0 for operators that have none.
[[nodiscard]] inline std::int64_t macs_of(const Program& program, const Op& op) {
  if (!is_convolution(op.kind)) return 0;
  const ConvGeometry g = geometry_of(program, op);
  const std::int64_t inputs = op.kind == OpKind::depthwise_conv2d ? 1 : g.in_c / g.groups;
  const std::int64_t taps = op.kind == OpKind::dense ? 1 : g.window.kernel_h * g.window.kernel_w;
  return g.out_size() * taps * (op.kind == OpKind::dense ? g.in_c : inputs);
}
[[nodiscard]] inline std::int64_t macs_of(const Program& program) {
  std::int64_t total = 0;
  for (const Op& op : program.ops) total += macs_of(program, op);
  return total;
}

// Bytes of all constants.
[[nodiscard]] inline std::int64_t weight_bytes(const Program& program) {
  std::int64_t total = 0;
  for (const TensorInfo& tensor : program.tensors) total += static_cast<std::int64_t>(tensor.data.size());
  return total;
}

// Output extent and first padding of TensorFlow's SAME rule: out = ceil(in / stride), and the padding that this needs
// is split with the smaller half in front.
struct SamePadding {
  std::int64_t out = 1;
  std::int64_t before = 0;
};
[[nodiscard]] constexpr SamePadding same_padding(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                                 std::int64_t dilation = 1) {
  const std::int64_t out = (in + stride - 1) / stride;
  const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in, 0);
  return {out, total / 2};
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_PROGRAM_INFO_HPP_
