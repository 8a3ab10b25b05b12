// octavo/runtime/validate_impl.hpp: bodies of runtime/validate.hpp. Include that.
#ifndef OCTAVO_RUNTIME_VALIDATE_IMPL_HPP_
#define OCTAVO_RUNTIME_VALIDATE_IMPL_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "program.hpp"
#include "program_info.hpp"
#include "validate.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

namespace detail {

inline constexpr std::int64_t kMaxExtent = std::int64_t{1} << 24;
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;
inline constexpr std::int64_t kMaxPoolTaps = std::int64_t{1} << 16;
inline constexpr std::size_t kMaxConcatInputs = 32;

constexpr bool is_code(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

template <class Lazy = void>
void validate_quantization(const TensorInfo& tensor) {
  const Quantization& q = tensor.quantization;
  const auto what = [&](const auto&... parts) { fail("tensor '", tensor.name, "': ", parts...); };
  if (tensor.dtype == DType::f32) {
    if (!q.empty()) what("float32 has no quantization");
    return;
  }
  if (q.empty()) {
    if (tensor.dtype != DType::i32) what(name_of(tensor.dtype), " needs a scale and a zero point");
    return;
  }
  if (q.zero_point.size() != q.scale.size())
    what("expected ", q.scale.size(), " zero points, found ", q.zero_point.size());
  if (q.axis < -1 || q.axis >= static_cast<int>(tensor.shape.rank())) what("no axis ", q.axis, " in ", tensor.shape);
  const std::int64_t entries = q.axis < 0 ? 1 : tensor.shape[static_cast<std::size_t>(q.axis)];
  if (static_cast<std::int64_t>(q.scale.size()) != entries)
    what("expected ", entries, " scales along axis ", q.axis, ", found ", q.scale.size());
  constexpr float smallest = std::numeric_limits<float>::min(), largest = std::numeric_limits<float>::max();
  for (const float scale : q.scale)
    if (!(scale >= smallest && scale <= largest)) what("scale ", scale, " is no normal number > 0");
  if (tensor.dtype == DType::i32) {
    for (const std::int32_t zero_point : q.zero_point)
      if (zero_point != 0) what("expected zero point 0 for int32, found ", zero_point);
    return;
  }
  const std::int32_t lowest = tensor.dtype == DType::u8 ? 0 : tensor.dtype == DType::i8 ? -128 : -8;
  const std::int32_t highest = lowest + (tensor.dtype == DType::i4 ? 15 : 255);
  if (q.bits < 2 || q.bits > (tensor.dtype == DType::i4 ? 4 : 8))
    what(q.bits, " bits do not fit ", name_of(tensor.dtype));
  if (q.qmin < lowest || q.qmax > highest || q.qmin >= q.qmax)
    what("codes [", q.qmin, ", ", q.qmax, "] are no range of ", name_of(tensor.dtype), ", [", lowest, ", ", highest,
         "]");
  for (const std::int32_t zero_point : q.zero_point)
    if (zero_point < q.qmin || zero_point > q.qmax)
      what("zero point ", zero_point, " is not in [", q.qmin, ", ", q.qmax, "]");
}

template <class Lazy = void>
void validate_tensor(const TensorInfo& tensor) {
  require(!tensor.name.empty(), "a tensor has no name");
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.shape) {
    require(extent >= 1 && extent <= kMaxExtent, "tensor '", tensor.name, "': extent ", extent, " of ", tensor.shape,
            " is not in [1, ", kMaxExtent, "]");
    elements *= extent;  // at most 2^31 * 2^24
    require(elements <= kMaxElements, "tensor '", tensor.name, "': ", tensor.shape, " has more than ", kMaxElements,
            " elements");
  }
  require(static_cast<int>(tensor.dtype) <= static_cast<int>(DType::i4), "tensor '", tensor.name, "': unknown type");
  if (tensor.constant()) {
    require(static_cast<std::int64_t>(tensor.data.size()) == data_bytes(tensor.dtype, tensor.shape), "tensor '",
            tensor.name, "': ", tensor.shape, " of ", name_of(tensor.dtype), " needs ",
            data_bytes(tensor.dtype, tensor.shape), " bytes, found ", tensor.data.size());
  } else {
    require(tensor.dtype == DType::f32 || is_code(tensor.dtype), "tensor '", tensor.name, "': an activation cannot be ",
            name_of(tensor.dtype));
    require(tensor.shape.rank() >= 1 && tensor.shape[0] == 1, "tensor '", tensor.name,
            "': expected an activation whose first extent, the batch, is 1; found ", tensor.shape);
    require(tensor.quantization.axis == -1, "tensor '", tensor.name, "': activations are quantized per tensor");
  }
  validate_quantization(tensor);
}

// Checks one operator whose tensor ids are known to be in range.
template <class Lazy = void>
class OpValidator {
 public:
  OpValidator(const Program& program, const Op& op) : program_(program), op_(op) {}

  void run() const {
    check(op_.outputs.size() == 1, "expected 1 output, found ", op_.outputs.size());
    const TensorInfo& out = output_of(program_, op_);
    check(!out.constant(), "the output '", out.name, "' is a constant");
    check(op_.clamp_low <= op_.clamp_high, "the activation range [", op_.clamp_low, ", ", op_.clamp_high, "] is empty");
    switch (op_.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
      case OpKind::dense:
        return convolution();
      case OpKind::add:
      case OpKind::mul:
      case OpKind::sub:
        return pair();
      case OpKind::concat:
        return concat();
      default:
        activations(1);
        return single_input();
    }
  }

 private:
  template <class... Parts>
  void check(bool condition, const Parts&... parts) const {
    if (!condition) fail(name_of(op_.kind), " '", op_.name, "': ", parts...);
  }
  [[nodiscard]] const TensorInfo& input(std::size_t i = 0) const { return input_of(program_, op_, i); }
  [[nodiscard]] const TensorInfo& output() const { return output_of(program_, op_); }

  void activations(std::size_t count) const {
    check(op_.inputs.size() == count, "expected ", count, " inputs, found ", op_.inputs.size());
    for (std::size_t i = 0; i < count; ++i) check(!input(i).constant(), "input '", input(i).name, "' is a constant");
  }
  // Two tensors, at most one of them a constant, each spread over the output.
  void pair() const {
    check(op_.inputs.size() == 2, "expected 2 inputs, found ", op_.inputs.size());
    check(!input(0).constant() || !input(1).constant(), "both inputs are constants");
    same_type(true);
    const Shape& out = output().shape;
    Shape widest = out;
    for (std::size_t axis = 0; axis < out.rank(); ++axis) widest[axis] = 1;
    for (std::size_t i = 0; i < 2; ++i) {
      const Shape& in = input(i).shape;
      bool fits = in.rank() <= out.rank();
      for (std::size_t behind = 1; fits && behind <= in.rank(); ++behind) {
        const std::int64_t extent = in[in.rank() - behind];
        fits = extent == 1 || extent == out[out.rank() - behind];
        if (extent != 1) widest[out.rank() - behind] = extent;
      }
      check(fits, "input '", input(i).name, "', ", in, ", does not spread over ", out);
    }
    check(widest == out, "the inputs give ", widest, ", the output is ", out);
  }
  void expect_shape(const TensorInfo& tensor, const Shape& shape) const {
    check(tensor.shape == shape, "tensor '", tensor.name, "': expected ", shape, ", found ", tensor.shape);
  }
  void expect_type(const TensorInfo& tensor, DType dtype) const {
    check(tensor.dtype == dtype, "tensor '", tensor.name, "': expected ", name_of(dtype), ", found ",
          name_of(tensor.dtype));
  }
  // All inputs and the output are float32, or all int8.
  void same_type(bool free_grids) const {
    check(output().dtype == DType::f32 || output().dtype == DType::i8, "output '", output().name,
          "': expected float32 or int8, found ", name_of(output().dtype));
    for (std::size_t i = 0; i < op_.inputs.size(); ++i) {
      expect_type(input(i), output().dtype);
      if (output().dtype == DType::f32 || free_grids) continue;
      const Grid a = grid_of(input(i));
      const Grid b = grid_of(output());
      check(a.scale == b.scale && a.zero_point == b.zero_point, "input and output must have one grid, found scale ",
            a.scale, ", zero point ", a.zero_point, " and ", b.scale, ", ", b.zero_point);
    }
  }

  void single_input() const {
    const Shape& in = input().shape;
    const Shape& out = output().shape;
    switch (op_.kind) {
      case OpKind::quantize:
        expect_type(input(), DType::f32);
        check(is_code(output().dtype), "the output must be int8 or uint8");
        return expect_shape(output(), in);
      case OpKind::dequantize:
        expect_type(output(), DType::f32);
        check(is_code(input().dtype), "the input must be int8 or uint8");
        return expect_shape(output(), in);
      case OpKind::requantize:
        check(is_code(input().dtype) && is_code(output().dtype), "input and output must be int8 or uint8");
        return expect_shape(output(), in);
      case OpKind::average_pool2d:
      case OpKind::max_pool2d:
        same_type(op_.kind == OpKind::average_pool2d && program_.rounding == Rounding::nearest_even_f32);
        check(in.rank() == 4 && out.rank() == 4 && in[3] == out[3], "expected NHWC with equal channels, found ", in,
              " and ", out);
        check(op_.window.dilation_h == 1 && op_.window.dilation_w == 1, "pools have no dilation");
        check(op_.window.kernel_h >= 1 && op_.window.kernel_w >= 1 && op_.window.kernel_h <= kMaxPoolTaps &&
                  op_.window.kernel_w <= kMaxPoolTaps && op_.window.kernel_h * op_.window.kernel_w <= kMaxPoolTaps,
              "expected a window of 1 to ", kMaxPoolTaps, " pixels");
        return windows();
      case OpKind::global_average_pool:
        same_type(true);
        check(in.rank() == 4 && (out == Shape{1, in[3]} || out == Shape{1, 1, 1, in[3]}),
              "expected NHWC to 1xC or 1x1x1xC, found ", in, " to ", out);
        return;
      case OpKind::pad:
        return pad();
      case OpKind::resize_nearest:
      case OpKind::resize_bilinear:
        return resize();
      case OpKind::reshape:
        check(input().dtype == output().dtype, "cannot change the type");
        check(in.size() == out.size(), "cannot make ", out, " of ", in);
        return same_grid();
      case OpKind::clamp:
      case OpKind::hard_swish:
        same_type(true);
        return expect_shape(output(), in);
      case OpKind::mean:
        return mean();
      case OpKind::transpose:
        return transpose();
      default:
        return probability();
    }
  }

  void same_grid() const {
    check(input().quantization.scale == output().quantization.scale &&
              input().quantization.zero_point == output().quantization.zero_point,
          "input and output must have one grid");
  }

  void mean() const {
    same_type(true);
    const Shape& in = input().shape;
    check(!op_.axes.empty(), "expected at least one axis");
    for (std::size_t i = 0; i < op_.axes.size(); ++i)
      check(op_.axes[i] >= 1 && op_.axes[i] < static_cast<int>(in.rank()) &&
                op_.axes[i] == op_.axes[0] + static_cast<int>(i),
            "axis ", op_.axes[i], ": expected neighbours behind the batch of ", in);
    Shape kept;
    Shape dropped;
    for (std::size_t i = 0; i < in.rank(); ++i) {
      const int axis = static_cast<int>(i);
      const bool reduced = axis >= op_.axes.front() && axis <= op_.axes.back();
      kept.push_back(reduced ? 1 : in[i]);
      if (!reduced) dropped.push_back(in[i]);
    }
    check(output().shape == kept || output().shape == dropped, "expected ", kept, " or ", dropped, ", found ",
          output().shape);
    check(mean_extents(program_, op_).count < (1 << 23), "expected a mean of fewer than 2^23 values");
  }

  void transpose() const {
    check(input().dtype == output().dtype, "cannot change the type");
    if (input().dtype != DType::f32) same_grid();
    const Shape& in = input().shape;
    std::vector<int> sorted = op_.axes;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i)
      check(sorted[i] == static_cast<int>(i), "the axes are no permutation");
    check(sorted.size() == in.rank() && op_.axes[0] == 0, "expected the ", in.rank(), " axes, the batch first");
    Shape expected;
    for (const int axis : op_.axes) expected.push_back(in[static_cast<std::size_t>(axis)]);
    expect_shape(output(), expected);
  }

  void probability() const {
    check(op_.kind == OpKind::softmax || op_.kind == OpKind::logistic, "unknown operator");
    same_type(true);
    expect_shape(output(), input().shape);
    check(op_.axis == -1 || op_.axis + 1 == static_cast<int>(input().shape.rank()), "only the last axis, found ",
          op_.axis);
    check(std::isfinite(op_.beta) && op_.beta > 0, "beta ", op_.beta, " must be finite and positive");
    if (output().dtype == DType::f32) return;
    const Grid grid = grid_of(output());
    check(grid.scale == 1.0F / 256 && grid.zero_point == -128,
          "the output must have scale 1/256, zero point -128; found ", grid.scale, ", ", grid.zero_point);
  }

  void pad() const {
    const Shape& in = input().shape;
    same_type(false);
    check(in.rank() == 4, "expected NHWC, found ", in);
    for (const std::int64_t amount : {op_.pad_top, op_.pad_bottom, op_.pad_left, op_.pad_right})
      check(amount >= 0 && amount <= kMaxExtent, "padding ", amount, " is out of range");
    expect_shape(output(), {1, in[1] + op_.pad_top + op_.pad_bottom, in[2] + op_.pad_left + op_.pad_right, in[3]});
  }

  void resize() const {
    const Shape& in = input().shape;
    const Shape& out = output().shape;
    same_type(false);
    check(in.rank() == 4 && out.rank() == 4 && in[3] == out[3], "expected NHWC with equal channels, found ", in,
          " and ", out);
    check(!op_.align_corners || !op_.half_pixel_centers, "align_corners and half_pixel_centers exclude each other");
  }

  void concat() const {
    check(op_.inputs.size() >= 2 && op_.inputs.size() <= kMaxConcatInputs, "expected 2 to ", kMaxConcatInputs,
          " inputs, found ", op_.inputs.size());
    activations(op_.inputs.size());
    same_type(true);
    Shape expected = input(0).shape;
    const int rank = static_cast<int>(expected.rank());
    const int axis = op_.axis < 0 ? op_.axis + rank : op_.axis;
    check(axis >= 1 && axis < rank, "axis ", op_.axis, " is not behind the batch in ", expected);
    const auto along = static_cast<std::size_t>(axis);
    for (std::size_t i = 1; i < op_.inputs.size(); ++i) {
      Shape other = input(i).shape;
      check(other.rank() == expected.rank(), "inputs of rank ", rank, " and ", other.rank());
      const std::int64_t sum = expected[along] + other[along];
      other[along] = expected[along];
      expect_shape_of(other, expected);
      expected[along] = sum;
    }
    expect_shape(output(), expected);
  }
  void expect_shape_of(const Shape& found, const Shape& expected) const {
    check(found == expected, "inputs differ outside of axis ", op_.axis, ": ", expected, " and ", found);
  }

  void convolution() const {
    check(op_.inputs.size() == 3, "expected 3 inputs (x, weights, bias or -1), found ", op_.inputs.size());
    check(op_.inputs[1] >= 0, "the weights are missing");
    const TensorInfo& x = input();
    const TensorInfo& weights = input(1);
    check(!x.constant(), "input '", x.name, "' is a constant");
    check(weights.constant(), "the weights '", weights.name, "' are no constant");
    check(x.dtype == DType::f32 || x.dtype == DType::i8, "input '", x.name, "': expected float32 or int8, found ",
          name_of(x.dtype));
    check(weights.dtype == DType::i8 || weights.dtype == DType::i4 ||
              (weights.dtype == DType::f32 && x.dtype == DType::f32),
          "cannot compute with ", name_of(x.dtype), " inputs and ", name_of(weights.dtype), " weights");
    expect_type(output(), x.dtype);
    const std::int64_t channels = op_.kind == OpKind::dense    ? dense()
                                  : op_.kind == OpKind::conv2d ? conv()
                                                               : depthwise();
    const int axis = op_.kind == OpKind::depthwise_conv2d ? 3 : 0;
    if (weights.dtype != DType::f32) {
      check(weights.quantization.axis == -1 || weights.quantization.axis == axis, "weights '", weights.name,
            "': expected one scale or one along axis ", axis, ", found axis ", weights.quantization.axis);
      const bool asymmetric = op_.legacy_uint8 && weights.quantization.axis == -1;
      for (const std::int32_t zero_point : weights.quantization.zero_point)
        check(asymmetric || zero_point == 0, "weights '", weights.name, "': expected zero point 0, found ", zero_point);
    }
    if (op_.legacy_uint8) {
      check(x.dtype == DType::i8 && weights.dtype == DType::i8, "legacy uint8: expected int8 inputs and weights");
    }
    if (op_.inputs[2] != -1) bias(input(2), channels);
  }

  void bias(const TensorInfo& bias, std::int64_t channels) const {
    check(bias.constant(), "the bias '", bias.name, "' is no constant");
    expect_type(bias, input().dtype == DType::f32 ? DType::f32 : DType::i32);
    expect_shape(bias, {channels});
    if (bias.dtype != DType::i32 || bias.quantization.empty()) return;
    const std::vector<float>& weight_scale = input(1).quantization.scale;
    const std::vector<float>& scale = bias.quantization.scale;
    check(scale.size() == 1 || static_cast<std::int64_t>(scale.size()) == channels, "bias: ", scale.size(), " scales");
    const auto input_scale = static_cast<double>(grid_of(input()).scale);
    for (std::size_t c = 0; c < std::max(scale.size(), weight_scale.size()); ++c) {
      const double expected = input_scale * static_cast<double>(weight_scale[weight_scale.size() == 1 ? 0 : c]);
      const auto found = static_cast<double>(scale[scale.size() == 1 ? 0 : c]);
      if (!(std::abs(found - expected) <= 1e-4 * expected)) [[unlikely]]
        check(false, "bias '", bias.name, "', channel ", c, ": expected the scale of input times weights, ", expected,
              ", found ", found);
    }
  }

  [[nodiscard]] std::int64_t dense() const {
    const Shape& in = input().shape;
    const Shape& weights = input(1).shape;
    check(weights.rank() == 2 && in.rank() >= 2, "expected 1x..xI inputs and OxI weights, found ", in, " and ",
          weights);
    check(weights[1] == in.back(), "weights '", input(1).name, "': expected ", in.back(), " inputs, found ",
          weights[1]);
    Shape expected = in;
    expected[in.rank() - 1] = weights[0];
    check(output().shape == expected, "output '", output().name, "': expected ", expected, ", found ", output().shape);
    return weights[0];
  }

  [[nodiscard]] std::int64_t conv() const {
    const Shape& weights = input(1).shape;
    const std::int64_t channels = images();
    check(weights.rank() == 4, "expected OHWI weights, found ", weights);
    check(
        op_.groups >= 1 && op_.groups <= kMaxExtent && input().shape[3] % op_.groups == 0 && channels % op_.groups == 0,
        op_.groups, " groups do not divide ", input().shape[3], " inputs and ", channels, " outputs");
    expect_shape(input(1), {channels, op_.window.kernel_h, op_.window.kernel_w, input().shape[3] / op_.groups});
    windows();
    return channels;
  }

  [[nodiscard]] std::int64_t depthwise() const {
    const std::int64_t channels = images();
    check(channels % input().shape[3] == 0, channels, " output channels are no multiple of ", input().shape[3]);
    expect_shape(input(1), {1, op_.window.kernel_h, op_.window.kernel_w, channels});
    windows();
    return channels;
  }

  // NHWC in and out; returns the output channels.
  [[nodiscard]] std::int64_t images() const {
    check(input().shape.rank() == 4 && output().shape.rank() == 4, "expected NHWC, found ", input().shape, " and ",
          output().shape);
    check(op_.window.kernel_h >= 1 && op_.window.kernel_h <= kMaxExtent && op_.window.kernel_w >= 1 &&
              op_.window.kernel_w <= kMaxExtent,
          "the window ", op_.window.kernel_h, "x", op_.window.kernel_w, " is out of range");
    return output().shape[3];
  }

  void windows() const {
    const Window& w = op_.window;
    axis("rows", input().shape[1], output().shape[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top);
    axis("columns", input().shape[2], output().shape[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
  }
  void axis(std::string_view what, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
            std::int64_t dilation, std::int64_t pad) const {
    check(stride >= 1 && stride <= kMaxExtent && dilation >= 1 && dilation <= kMaxExtent, what, ": stride ", stride,
          " or dilation ", dilation, " is out of range");
    const std::int64_t reach = (kernel - 1) * dilation;
    check(pad >= 0 && pad <= reach, what, ": padding ", pad, " in front is not in [0, ", reach, "]");
    const std::int64_t fewest = in + pad > reach ? (in + pad - reach - 1) / stride + 1 : 1;
    const std::int64_t most = (in + pad - 1) / stride + 1;
    check(out >= fewest && out <= most, "output ", what, ": expected ", fewest, " to ", most, ", found ", out);
  }

  const Program& program_;
  const Op& op_;
};

}  // namespace detail

template <class Lazy>
void validate(const Program& program) {
  std::vector<std::string_view> names;
  for (const TensorInfo& tensor : program.tensors) {
    detail::validate_tensor(tensor);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  require(twice == names.end(), "two tensors have the name '", twice == names.end() ? "" : *twice, "'");

  require(!program.inputs.empty() && !program.outputs.empty(), "the program '", program.name,
          "' has no input or no output");
  std::vector<bool> written(program.tensors.size(), false);
  for (const int id : program.inputs) {
    const TensorInfo& tensor = tensor_at(program, id);
    require(!tensor.constant(), "the input '", tensor.name, "' is a constant");
    require(!written[static_cast<std::size_t>(id)], "tensor '", tensor.name, "' is an input twice");
    written[static_cast<std::size_t>(id)] = true;
  }
  for (const Op& op : program.ops) {
    require(static_cast<int>(op.kind) <= static_cast<int>(kLastOpKind), "operator '", op.name, "': unknown kind");
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      if (op.inputs[i] == -1 && i == 2 && is_convolution(op.kind)) continue;
      const TensorInfo& tensor = input_of(program, op, i);
      require(tensor.constant() || written[static_cast<std::size_t>(op.inputs[i])], name_of(op.kind), " '", op.name,
              "': input '", tensor.name, "' is not written by an earlier operator");
    }
    detail::OpValidator<Lazy>(program, op).run();
    const auto out = static_cast<std::size_t>(op.outputs[0]);
    require(!written[out], name_of(op.kind), " '", op.name, "': tensor '", program.tensors[out].name,
            "' is written before");
    written[out] = true;
  }
  for (std::size_t id = 0; id < written.size(); ++id)
    require(written[id] || program.tensors[id].constant(), "tensor '", program.tensors[id].name,
            "' is neither an input nor a constant nor written by an operator");
  for (const int id : program.outputs)
    require(!tensor_at(program, id).constant(), "the output '", tensor_at(program, id).name, "' is a constant");
  const std::int64_t classes = tensor_at(program, program.outputs[0]).shape.back();
  require(program.labels.empty() || static_cast<std::int64_t>(program.labels.size()) == classes, "the program '",
          program.name, "' has ", program.labels.size(), " labels for ", classes, " classes");
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_VALIDATE_IMPL_HPP_
