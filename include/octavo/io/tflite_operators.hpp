// octavo/io/tflite_operators.hpp: the operators of a .tflite file, one function a family.
#ifndef OCTAVO_IO_TFLITE_OPERATORS_HPP_
#define OCTAVO_IO_TFLITE_OPERATORS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../quant/quantize.hpp"
#include "tflite_infer.hpp"
#include "tflite_program.hpp"
#include "tflite_shapes.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Translates one operator after another into the program. Each throws Error for what it cannot represent.
template <class Lazy = void>
class Operators {
 public:
  explicit Operators(ProgramOfFile<Lazy>& program)
      : p_(program), numbers_(program.tensors(), program.budget()), shapes_(program.tensors(), numbers_) {}

  // `border`: the output is one of the model's and no other operator reads it.
  void translate(const Node& node, bool border) {
    require(node.outputs.size() == 1, "expected 1 output, found ", node.outputs.size());
    border_ = border;
    if (numbers_.compute(node)) return;
    shapes_.infer(node);
    switch (static_cast<Builtin>(node.code)) {
      case Builtin::conv_2d:
        return convolution(node, OpKind::conv2d);
      case Builtin::depthwise_conv_2d:
        return convolution(node, OpKind::depthwise_conv2d);
      case Builtin::fully_connected:
        return fully_connected(node);
      case Builtin::add:
        return pair(node, OpKind::add);
      case Builtin::mul:
        return pair(node, OpKind::mul);
      case Builtin::sub:
        return pair(node, OpKind::sub);
      case Builtin::average_pool_2d:
        return pool(node, OpKind::average_pool2d);
      case Builtin::max_pool_2d:
        return pool(node, OpKind::max_pool2d);
      case Builtin::mean:
        return mean(node);
      case Builtin::pad:
        return pad(node);
      case Builtin::resize_bilinear:
        return resize(node, OpKind::resize_bilinear, ResizeBilinearField::align_corners,
                      ResizeBilinearField::half_pixel_centers);
      case Builtin::resize_nearest_neighbor:
        return resize(node, OpKind::resize_nearest, ResizeNearestField::align_corners,
                      ResizeNearestField::half_pixel_centers);
      case Builtin::reshape:
      case Builtin::squeeze:
      case Builtin::expand_dims:
        return reshape(node);
      case Builtin::transpose:
        return transpose(node);
      case Builtin::concatenation:
        return concatenation(node);
      case Builtin::softmax:
        return softmax(node);
      case Builtin::logistic:
        return unary(node, {.kind = OpKind::logistic, .name = name_of(node)});
      case Builtin::hard_swish:
        return unary(node, {.kind = OpKind::hard_swish, .name = name_of(node)});
      case Builtin::relu:
        return unary(node, {.kind = OpKind::clamp, .name = name_of(node), .clamp_low = 0.0F});
      case Builtin::relu6:
        return unary(node, {.kind = OpKind::clamp, .name = name_of(node), .clamp_low = 0.0F, .clamp_high = 6.0F});
      case Builtin::relu_n1_to_1:
        return unary(node, {.kind = OpKind::clamp, .name = name_of(node), .clamp_low = -1.0F, .clamp_high = 1.0F});
      case Builtin::quantize:
        return quantize(node);
      case Builtin::dequantize:
        return dequantize(node);
      default:
        fail("this operator is not supported");
    }
  }

 private:
  using Op = runtime::Op;
  using OpKind = runtime::OpKind;

  static void expect_inputs(const Node& node, std::size_t least, std::size_t most) {
    require(node.inputs.size() >= least && node.inputs.size() <= most, "expected ", least, " to ", most,
            " inputs, found ", node.inputs.size());
  }
  [[nodiscard]] bool is_uint8(const Node& node) const { return p_.file(node.inputs[0]).is(Type::u8); }
  [[nodiscard]] const std::string& name_of(const Node& node) const { return p_.file(node.outputs[0]).name; }

  static void set_activation(Op& op, const FlatTable& options, int field) {
    const auto activation = options.scalar<std::uint8_t>(field);
    switch (static_cast<Activation>(activation)) {
      case Activation::none:
        return;
      case Activation::relu:
        op.clamp_low = 0.0F;
        return;
      case Activation::relu6:
        op.clamp_low = 0.0F, op.clamp_high = 6.0F;
        return;
      case Activation::relu_n1_to_1:
        op.clamp_low = -1.0F, op.clamp_high = 1.0F;
        return;
    }
    fail("the fused activation ", static_cast<int>(activation), " is not supported");
  }

  // Stride, dilation and padding; the kernel's extents are in op.window already.
  static void set_window(Op& op, const Shape& in, const FlatTable& options, int stride_w, int stride_h, int dilation_w,
                         int dilation_h) {
    const auto number = [&](int field, std::int32_t missing) {
      const std::int64_t value = options.scalar<std::int32_t>(field, missing);
      require(value >= 1 && value <= (1 << 16), "a stride or dilation of ", value);
      return value;
    };
    Window& w = op.window;
    w.stride_w = number(stride_w, 0), w.stride_h = number(stride_h, 0);
    if (dilation_w >= 0) w.dilation_w = number(dilation_w, 1), w.dilation_h = number(dilation_h, 1);
    const auto padding = options.scalar<std::uint8_t>(ConvField::padding);
    require(padding <= 1, "the padding ", static_cast<int>(padding), " is unknown");
    if (static_cast<Padding>(padding) == Padding::valid) return;
    require(w.kernel_h <= (1 << 16) && w.kernel_w <= (1 << 16), "a kernel of ", w.kernel_h, "x", w.kernel_w);
    w.pad_top = runtime::same_padding(in[1], w.kernel_h, w.stride_h, w.dilation_h).before;
    w.pad_left = runtime::same_padding(in[2], w.kernel_w, w.stride_w, w.dilation_w).before;
  }

  void convolution(const Node& node, OpKind kind) {
    expect_inputs(node, 2, 3);
    const int x = p_.read(node.inputs[0]);
    const Shape in = p_.shape_of(x);
    require(in.rank() == 4, "expected an NHWC input, found ", in.to_string());
    const int weights = constant(node.inputs[1]);
    const Shape kernel = p_.shape_of(weights);
    require(kernel.rank() == 4, "expected weights of 4 axes, found ", kernel.to_string());
    Op op{.kind = kind, .name = name_of(node)};
    op.window.kernel_h = kernel[1], op.window.kernel_w = kernel[2];
    if (kind == OpKind::conv2d) {
      set_activation(op, node.options, ConvField::activation);
      set_window(op, in, node.options, ConvField::stride_w, ConvField::stride_h, ConvField::dilation_w,
                 ConvField::dilation_h);
      require(in[3] % kernel[3] == 0, in[3], " input channels are no multiple of the weights' ", kernel[3]);
      op.groups = in[3] / kernel[3];
    } else {
      set_activation(op, node.options, DepthwiseField::activation);
      set_window(op, in, node.options, DepthwiseField::stride_w, DepthwiseField::stride_h, DepthwiseField::dilation_w,
                 DepthwiseField::dilation_h);
    }
    op.legacy_uint8 = is_uint8(node);
    p_.emit(std::move(op), {x, weights, bias(node, x, weights)}, p_.write(node.outputs[0]));
  }

  // Rows of the last axis, unless the weights want more: then each image is one row.
  void fully_connected(const Node& node) {
    expect_inputs(node, 2, 3);
    require(node.options.template scalar<std::uint8_t>(FullyConnectedField::weights_format) == 0,
            "shuffled weights are not supported");
    int x = p_.read(node.inputs[0]);
    const int weights = constant(node.inputs[1]);
    const Shape kernel = p_.shape_of(weights);
    require(kernel.rank() == 2, "expected weights of 2 axes, found ", kernel.to_string());
    Shape in = p_.shape_of(x);
    const std::int64_t size = in.size();
    require(size % kernel[1] == 0, "the weights have ", kernel[1], " columns, the input is ", in.to_string());
    if (in.rank() < 2 || in.back() != kernel[1])
      in = size == kernel[1] ? Shape{1, size} : Shape{1, size / kernel[1], kernel[1]};
    x = p_.reshaped(x, in);
    Op op{.kind = OpKind::dense, .name = name_of(node)};
    set_activation(op, node.options, FullyConnectedField::activation);
    op.legacy_uint8 = is_uint8(node);
    op.in_double = p_.file(node.inputs[0]).is(Type::i8);
    Shape out = in;
    out[out.rank() - 1] = kernel[0];
    const int b = bias(node, x, weights);
    finish_reshaped(node, std::move(op), {x, weights, b}, out);
  }

  // An operator whose result has another shape than the file's tensor, but as many elements.
  void finish_reshaped(const Node& node, Op op, std::vector<int> inputs, const Shape& shape) {
    const int out = p_.write(node.outputs[0]);
    if (p_.shape_of(out) == shape) return p_.emit(std::move(op), std::move(inputs), out);
    const int step = p_.add_like(out, shape);
    p_.emit(std::move(op), std::move(inputs), step);
    p_.emit({.kind = OpKind::reshape, .name = name_of(node)}, {step}, out);
  }

  [[nodiscard]] int constant(std::int32_t t) {
    const int id = p_.read(t);
    runtime::TensorInfo& tensor = p_.program().tensors[static_cast<std::size_t>(id)];
    require(tensor.constant(), "the weights '", tensor.name, "' are no constant");
    return id;
  }

  // The bias's scale follows from input and weights; a file that says something else is computed like that anyway.
  [[nodiscard]] int bias(const Node& node, int x, int weights) {
    if (node.inputs.size() < 3 || node.inputs[2] < 0) return -1;
    const int id = constant(node.inputs[2]);
    runtime::TensorInfo& tensor = p_.program().tensors[static_cast<std::size_t>(id)];
    if (tensor.dtype != runtime::DType::i32) return id;
    const std::vector<float>& input = tensor_at(p_.program(), x).quantization.scale;
    const std::vector<float>& weight = tensor_at(p_.program(), weights).quantization.scale;
    std::vector<float>& scale = tensor.quantization.scale;
    bool same =
        input.size() == 1 && scale.size() == weight.size() && (scale.size() == 1 || tensor.quantization.axis == 0);
    for (std::size_t c = 0; same && c < scale.size(); ++c) {
      const double expected = static_cast<double>(input[0]) * static_cast<double>(weight[c]);
      same = std::isnormal(scale[c]) && std::abs(static_cast<double>(scale[c]) - expected) <= 1e-4 * expected &&
             tensor.quantization.zero_point[c] == 0;
    }
    if (!same) tensor.quantization = {};
    return id;
  }

  void pair(const Node& node, OpKind kind) {
    expect_inputs(node, 2, 2);
    Op op{.kind = kind, .name = name_of(node)};
    set_activation(op, node.options, ArithmeticField::activation);
    const int a = p_.read(node.inputs[0]);
    const int b = p_.read(node.inputs[1]);
    p_.emit(std::move(op), {a, b}, p_.write(node.outputs[0]));
  }

  void pool(const Node& node, OpKind kind) {
    expect_inputs(node, 1, 1);
    const int x = p_.read(node.inputs[0]);
    const Shape in = p_.shape_of(x);
    require(in.rank() == 4, "expected an NHWC input, found ", in.to_string());
    Op op{.kind = kind, .name = name_of(node)};
    op.window.kernel_h = node.options.template scalar<std::int32_t>(PoolField::filter_height);
    op.window.kernel_w = node.options.template scalar<std::int32_t>(PoolField::filter_width);
    require(op.window.kernel_h >= 1 && op.window.kernel_w >= 1, "a window of ", op.window.kernel_h, "x",
            op.window.kernel_w);
    set_activation(op, node.options, PoolField::activation);
    set_window(op, in, node.options, PoolField::stride_w, PoolField::stride_h, -1, -1);
    op.legacy_uint8 = is_uint8(node);
    p_.emit(std::move(op), {x}, p_.write(node.outputs[0]));
  }

  // Axis `value` of a tensor of the file, negative ones from the end, as an axis of the program's tensor.
  [[nodiscard]] int axis_of(const FileTensor& tensor, std::int64_t value) const {
    const auto rank = static_cast<std::int64_t>(tensor.shape.rank()) - tensor.added_axes;
    require(value >= -rank && value < rank, "axis ", value, " of '", tensor.name, "'");
    return static_cast<int>(value < 0 ? value + rank : value) + tensor.added_axes;
  }

  // x with its axes in another order.
  [[nodiscard]] int transposed(int x, const std::vector<int>& axes) {
    Shape shape;
    for (const int axis : axes) shape.push_back(p_.shape_of(x)[static_cast<std::size_t>(axis)]);
    const int to = p_.add_like(x, shape);
    p_.emit({.kind = OpKind::transpose, .name = tensor_at(p_.program(), to).name, .axes = axes}, {x}, to);
    return to;
  }

  void mean(const Node& node) {
    expect_inputs(node, 2, 2);
    int x = p_.read(node.inputs[0]);
    const Shape in = p_.shape_of(x);
    std::vector<bool> reduced(in.rank(), false);
    for (const std::int64_t value : numbers_.values(node.inputs[1]))
      reduced[static_cast<std::size_t>(axis_of(p_.file(node.inputs[0]), value))] = true;
    reduced[0] = false;  // an extent of 1
    std::vector<int> axes;
    std::vector<int> order;
    for (std::size_t i = 0; i < in.rank(); ++i) (reduced[i] ? axes : order).push_back(static_cast<int>(i));
    Shape out;
    for (const int axis : order) out.push_back(in[static_cast<std::size_t>(axis)]);
    require(!axes.empty(), "no axis but the batch");
    Op op{.kind = OpKind::mean, .name = name_of(node)};
    if (in.rank() == 4 && axes == std::vector<int>{1, 2}) {
      op.kind = OpKind::global_average_pool;
      if (p_.file(node.outputs[0]).shape == Shape{1, 1, 1, in[3]}) out = {1, 1, 1, in[3]};
      return finish_reshaped(node, std::move(op), {x}, out);
    }
    if (axes.back() - axes.front() >= static_cast<int>(axes.size())) {  // neighbours after this
      std::vector<int> permutation{0};
      permutation.insert(permutation.end(), axes.begin(), axes.end());
      permutation.insert(permutation.end(), order.begin() + 1, order.end());
      x = transposed(x, permutation);
      for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i) + 1;
    }
    op.axes = axes;
    finish_reshaped(node, std::move(op), {x}, out);
  }

  // Rows and columns of NHWC at once; any other axis on a view [1, before, axis, behind].
  void pad(const Node& node) {
    expect_inputs(node, 2, 2);
    const FileTensor& from = p_.file(node.inputs[0]);
    int x = p_.read(node.inputs[0]);
    Shape shape = p_.shape_of(x);
    const std::vector<std::int64_t> amounts = numbers_.values(node.inputs[1]);
    const auto added = static_cast<std::size_t>(from.added_axes);
    require(amounts.size() == 2 * (shape.rank() - added), "expected ", 2 * (shape.rank() - added), " paddings, found ",
            amounts.size());
    std::vector<std::pair<std::int64_t, std::int64_t>> by_axis(added);
    for (std::size_t i = 0; i + 1 < amounts.size(); i += 2) {
      for (const std::size_t k : {i, i + 1})
        require(amounts[k] >= 0 && amounts[k] <= (1 << 24), "a padding of ", amounts[k]);
      by_axis.emplace_back(amounts[i], amounts[i + 1]);
    }
    const auto padded = [&](std::size_t axis) { return by_axis[axis].first + by_axis[axis].second > 0; };
    require(!padded(0), "the batch cannot be padded");
    if (shape.rank() == 4 && !padded(3)) {
      Op op{.kind = OpKind::pad, .name = name_of(node)};
      op.pad_top = by_axis[1].first, op.pad_bottom = by_axis[1].second;
      op.pad_left = by_axis[2].first, op.pad_right = by_axis[2].second;
      return p_.emit(std::move(op), {x}, p_.write(node.outputs[0]));
    }
    for (std::size_t axis = 1; axis < shape.rank(); ++axis) {
      if (!padded(axis)) continue;
      Shape view{1, 1, shape[axis], 1};
      for (std::size_t i = 1; i < axis; ++i) view[1] *= shape[i];
      for (std::size_t i = axis + 1; i < shape.rank(); ++i) view[3] *= shape[i];
      x = p_.reshaped(x, view);
      const std::int64_t extent = shape[axis] + by_axis[axis].first + by_axis[axis].second;
      shape[axis] = view[2] = extent;
      const int to = p_.add_like(x, view);
      Op op{.kind = OpKind::pad, .name = tensor_at(p_.program(), to).name};
      op.pad_left = by_axis[axis].first, op.pad_right = by_axis[axis].second;
      p_.emit(std::move(op), {x}, to);
      x = to;
    }
    const int out = p_.write(node.outputs[0]);
    require(p_.shape_of(out) == shape, "expected the output ", shape.to_string(), ", found ",
            p_.shape_of(out).to_string());
    p_.emit({.kind = OpKind::reshape, .name = name_of(node)}, {x}, out);
  }

  void resize(const Node& node, OpKind kind, int align_corners, int half_pixel_centers) {
    expect_inputs(node, 2, 2);
    const int x = p_.read(node.inputs[0]);
    const std::vector<std::int64_t> size = numbers_.values(node.inputs[1]);
    require(size.size() == 2, "expected a size of 2 extents, found ", size.size());
    Op op{.kind = kind, .name = name_of(node)};
    op.align_corners = node.options.template scalar<std::uint8_t>(align_corners) != 0;
    op.half_pixel_centers = node.options.template scalar<std::uint8_t>(half_pixel_centers) != 0;
    op.legacy_uint8 = kind == OpKind::resize_bilinear && is_uint8(node);
    const int out = p_.write(node.outputs[0]);
    const Shape shape = p_.shape_of(out);
    require(shape.rank() == 4 && shape[1] == size[0] && shape[2] == size[1], "expected an output of ", size[0], "x",
            size[1], " pixels, found ", shape.to_string());
    p_.emit(std::move(op), {x}, out);
  }

  void reshape(const Node& node) {
    expect_inputs(node, 1, 2);
    const int x = p_.read(node.inputs[0]);
    if (tensor_at(p_.program(), x).constant()) {
      runtime::TensorInfo tensor = to_program(p_.file(node.outputs[0]), p_.budget());
      const runtime::TensorInfo& from = tensor_at(p_.program(), x);
      require(tensor.shape.size() == from.shape.size() && tensor.dtype == from.dtype, "cannot make ",
              tensor.shape.to_string(), " of ", from.shape.to_string());
      p_.budget().take(from.data.size());
      tensor.data = from.data;
      return p_.define(node.outputs[0], p_.add(std::move(tensor)));
    }
    p_.emit({.kind = OpKind::reshape, .name = name_of(node)}, {x}, p_.write(node.outputs[0]));
  }

  void transpose(const Node& node) {
    expect_inputs(node, 2, 2);
    const int x = p_.read(node.inputs[0]);
    const FileTensor& from = p_.file(node.inputs[0]);
    Op op{.kind = OpKind::transpose, .name = name_of(node)};
    if (from.added_axes == 1) op.axes.push_back(0);
    for (const std::int64_t value : numbers_.values(node.inputs[1])) op.axes.push_back(axis_of(from, value));
    const Shape in = p_.shape_of(x);
    require(op.axes.size() == in.rank(), "expected ", in.rank(), " axes, found ", op.axes.size());
    // Extents of 1 may go anywhere: where the others keep their order, no value moves.
    int last = -1;
    bool moves = false;
    for (const int axis : op.axes) {
      if (in[static_cast<std::size_t>(axis)] == 1) continue;
      moves = moves || axis < last;
      last = axis;
    }
    if (!moves) op = {.kind = OpKind::reshape, .name = name_of(node)};
    p_.emit(std::move(op), {x}, p_.write(node.outputs[0]));
  }

  void concatenation(const Node& node) {
    require(!node.inputs.empty() && node.inputs.size() <= 64, "expected 1 to 64 inputs, found ", node.inputs.size());
    require(node.options.template scalar<std::uint8_t>(ConcatenationField::activation) == 0,
            "a fused activation is not supported");
    std::vector<int> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(p_.read(node.inputs[i]));
    Op op{.kind = OpKind::concat, .name = name_of(node)};
    op.axis = axis_of(p_.file(node.inputs[0]), node.options.template scalar<std::int32_t>(ConcatenationField::axis));
    op.legacy_uint8 = is_uint8(node);
    if (inputs.size() == 1) op = {.kind = OpKind::reshape, .name = name_of(node)};
    p_.emit(std::move(op), std::move(inputs), p_.write(node.outputs[0]));
  }

  void softmax(const Node& node) {
    Op op{.kind = OpKind::softmax, .name = name_of(node)};
    op.beta = node.options.template scalar<float>(SoftmaxField::beta);
    unary(node, std::move(op));
  }

  void unary(const Node& node, Op op) {
    expect_inputs(node, 1, 1);
    const int x = p_.read(node.inputs[0]);
    p_.emit(std::move(op), {x}, p_.write(node.outputs[0]));
  }

  void quantize(const Node& node) {
    expect_inputs(node, 1, 1);
    const int x = p_.read_border(node.inputs[0]);
    const bool from_float = tensor_at(p_.program(), x).dtype == runtime::DType::f32;
    p_.emit({.kind = from_float ? OpKind::quantize : OpKind::requantize, .name = name_of(node)}, {x},
            p_.write(node.outputs[0], border_));
  }

  // Constants (weights stored in 8 or 16 bits) are dequantized here.
  void dequantize(const Node& node) {
    expect_inputs(node, 1, 1);
    const FileTensor& from = p_.file(node.inputs[0]);
    if (!from.constant()) {
      const int x = p_.read_border(node.inputs[0]);
      return p_.emit({.kind = OpKind::dequantize, .name = name_of(node)}, {x}, p_.write(node.outputs[0]));
    }
    const runtime::TensorInfo codes = to_program(from, p_.budget());
    runtime::TensorInfo real = codes;
    real.name = name_of(node);
    real.dtype = runtime::DType::f32;
    real.quantization = {};
    if (codes.dtype != runtime::DType::f32) {
      require(codes.dtype == runtime::DType::i8, "cannot dequantize ", runtime::name_of(codes.dtype));
      p_.budget().take(codes.data.size() * 4);
      real.data.resize(codes.data.size() * 4);
      const runtime::Quantization& q = codes.quantization;
      const auto axis = static_cast<std::size_t>(std::max(q.axis, 0));
      require(q.axis < static_cast<int>(codes.shape.rank()), "no axis ", q.axis, " in ", codes.shape.to_string());
      std::size_t inner = 1;  // elements of one channel that are neighbours
      for (std::size_t k = axis + 1; k < codes.shape.rank(); ++k) inner *= static_cast<std::size_t>(codes.shape[k]);
      require(q.scale.size() == 1 || static_cast<std::int64_t>(q.scale.size()) == codes.shape[axis], "expected ",
              codes.shape.to_string(), " to have ", q.scale.size(), " channels along axis ", axis);
      for (std::size_t i = 0; i < codes.data.size(); ++i) {
        const std::size_t c = i / inner % q.scale.size();
        const Grid grid{q.scale[c], q.zero_point[c], -128, 127};
        const float value = octavo::dequantize(static_cast<std::int8_t>(codes.data[i]), grid);
        std::memcpy(real.data.data() + 4 * i, &value, 4);
      }
    }
    p_.define(node.outputs[0], p_.add(std::move(real)));
  }

  ProgramOfFile<Lazy>& p_;
  ShapeNumbers<Lazy> numbers_;
  ShapeInference<Lazy> shapes_;
  bool border_ = false;
};

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_OPERATORS_HPP_
