// octavo/io/onnx_export.hpp: a runtime::Program as an ONNX graph: float operators, and QDQ where it is quantized.
#ifndef OCTAVO_IO_ONNX_EXPORT_HPP_
#define OCTAVO_IO_ONNX_EXPORT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/output_stage.hpp"
#include "../runtime/program.hpp"
#include "../runtime/program_info.hpp"
#include "../runtime/step.hpp"
#include "../runtime/validate.hpp"
#include "../version.hpp"
#include "onnx_writer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

struct OnnxExportOptions {
  bool uint8_activations = false;  // codes 0..255 in place of -128..127; what they stand for is the same
};

namespace onnx {

// The file's bytes. Images are NCHW, the batch is open. A quantized operator is written as DequantizeLinear, the float
// operator, QuantizeLinear (operator set 13), its weights as int8 with one scale a channel, its bias as int32: the form
// that engines turn back into integer kernels. Throws Error naming an operator that ONNX does not have.
template <class Lazy = void>
[[nodiscard]] std::string export_program(const runtime::Program& program, const OnnxExportOptions& options);

namespace detail {

template <class Lazy = void>
class Exporter {
 public:
  Exporter(const runtime::Program& program, const OnnxExportOptions& options)
      : program_(program), options_(options), writer_(program.name) {}

  std::string run() {
    runtime::validate(program_);
    for (const int id : program_.inputs) {
      const runtime::TensorInfo& tensor = at(id);
      const std::string name = writer_.unique(tensor.name);
      writer_.input(name, tensor.dtype == DType::f32 ? Type::f32 : border_type(tensor), dims_of(tensor.shape));
      (tensor.dtype == DType::f32 ? real_ : codes_)[id] = name;
    }
    std::vector<std::string> outputs;  // reserved now: no operator takes one of these names
    for (const int id : program_.outputs) outputs.push_back(writer_.unique(at(id).name));
    for (const runtime::Op& op : program_.ops) {
      try {
        write(op);
      } catch (const Error& error) {
        fail(runtime::name_of(op.kind), " '", op.name, "': ", error.what());
      }
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const int id = program_.outputs[i];
      const bool is_real = at(id).dtype == DType::f32;
      writer_.named_node("Identity", {is_real ? real(id) : codes_.at(id)}, outputs[i]);
      writer_.output(outputs[i], is_real ? Type::f32 : code_type(at(id)), dims_of(at(id).shape));
    }
    std::string labels;
    for (const std::string& label : program_.labels) labels += (labels.empty() ? "" : "\n") + label;
    if (!labels.empty()) writer_.metadata("labels", labels);
    for (const auto& [key, value] : program_.metadata) writer_.metadata(key, value);
    const auto number = [](int part) { return std::to_string(part); };
    return writer_.file(number(OCTAVO_VERSION_MAJOR) + "." + number(OCTAVO_VERSION_MINOR) + "." +
                        number(OCTAVO_VERSION_PATCH));
  }

 private:
  using DType = runtime::DType;
  using OpKind = runtime::OpKind;

  [[nodiscard]] const runtime::TensorInfo& at(int id) const { return runtime::tensor_at(program_, id); }
  // NHWC to NCHW, the batch open.
  [[nodiscard]] static Dims dims_of(const Shape& shape) {
    if (shape.rank() == 4) return {-1, shape[3], shape[1], shape[2]};
    Dims dims(shape.begin(), shape.end());
    dims[0] = -1;
    return dims;
  }
  // ONNX' axis of an axis of ours.
  [[nodiscard]] static std::int64_t axis_of(int axis, std::size_t rank) {
    if (axis < 0) axis += static_cast<int>(rank);
    constexpr std::int64_t places[] = {0, 2, 3, 1};
    return rank == 4 ? places[axis] : axis;
  }
  // Inputs and outputs keep their type; codes inside are int8 or, if asked for, uint8.
  [[nodiscard]] static Type border_type(const runtime::TensorInfo& tensor) {
    return tensor.dtype == DType::u8 ? Type::u8 : Type::i8;
  }
  [[nodiscard]] Type code_type(const runtime::TensorInfo& tensor) const {
    const bool border =
        std::any_of(program_.inputs.begin(), program_.inputs.end(), [&](int id) { return &at(id) == &tensor; }) ||
        std::any_of(program_.outputs.begin(), program_.outputs.end(), [&](int id) { return &at(id) == &tensor; });
    if (border || tensor.dtype == DType::u8) return border_type(tensor);
    return options_.uint8_activations ? Type::u8 : Type::i8;
  }

  // Scale and zero point of an activation, as constants; one pair for each grid.
  std::pair<std::string, std::string> grid_constants(const runtime::TensorInfo& tensor) {
    const Grid grid = runtime::grid_of(tensor);
    const Type type = code_type(tensor);
    const int zero = grid.zero_point + (type == Type::u8 && tensor.dtype == DType::i8 ? 128 : 0);
    auto& made = grids_[{grid.scale, zero, type}];
    if (!made.first.empty()) return made;
    const auto byte = static_cast<std::uint8_t>(zero);
    made.first = writer_.scalar(tensor.name + "_scale", grid.scale);
    made.second = writer_.template constant<std::uint8_t>(tensor.name + "_zero_point", type, {}, {&byte, 1});
    return made;
  }
  // The value's real numbers, dequantized where it is held as codes.
  const std::string& real(int id) {
    std::string& name = real_[id];
    if (!name.empty()) return name;
    const auto found = codes_.find(id);
    require(found != codes_.end(), "the input '", at(id).name, "' is not computed");
    const auto [scale, zero] = grid_constants(at(id));
    return name = writer_.node("DequantizeLinear", {found->second, scale, zero}, at(id).name + "_real");
  }
  // Makes `value`, real numbers, the value of a tensor: on its grid if it has one.
  void set(int id, const std::string& value) {
    const runtime::TensorInfo& tensor = at(id);
    if (tensor.dtype == DType::f32) {
      real_[id] = value;
      return;
    }
    const auto [scale, zero] = grid_constants(tensor);
    codes_[id] = writer_.node("QuantizeLinear", {value, scale, zero}, tensor.name + "_codes");
  }

  [[nodiscard]] std::vector<float> limits_of(const runtime::Op& op, const runtime::TensorInfo& out) const {
    if (std::isinf(op.clamp_low) && std::isinf(op.clamp_high)) return {};
    if (out.dtype != DType::f32 && op.kind != OpKind::clamp) {  // what the grid cuts off anyway needs no operator
      const Grid grid = runtime::grid_of(out);
      const CodeLimits limits = activation_range(grid, op.clamp_low, op.clamp_high);
      if (limits.min == -128 && limits.max == 127) return {};
    }
    return {op.clamp_low, op.clamp_high};
  }
  std::string clamped(const std::string& value, const std::vector<float>& limits, const std::string& name) {
    if (limits.empty()) return value;
    if (limits[0] == 0.0F && std::isinf(limits[1])) return writer_.node("Relu", {value}, name + "_relu");
    const std::string low = std::isinf(limits[0]) ? "" : writer_.scalar(name + "_low", limits[0]);
    const std::string high = std::isinf(limits[1]) ? "" : writer_.scalar(name + "_high", limits[1]);
    return writer_.node("Clip", high.empty() ? std::vector<std::string>{value, low} : std::vector{value, low, high},
                        name + "_clip");
  }

  void write(const runtime::Op& op) {
    const int out = op.outputs[0];
    const std::string& name = op.name;
    switch (op.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
      case OpKind::dense:
        return finish(op, weighted(op));
      case OpKind::average_pool2d:
      case OpKind::max_pool2d: {
        Attributes window = window_of(op);
        window.emplace_back("kernel_shape", Dims{op.window.kernel_h, op.window.kernel_w});
        return finish(op, writer_.node(op.kind == OpKind::max_pool2d ? "MaxPool" : "AveragePool", {real(op.inputs[0])},
                                       name, window));
      }
      case OpKind::global_average_pool:
        return global_average(op);
      case OpKind::add:
      case OpKind::mul:
      case OpKind::sub: {
        const std::size_t rank = at(out).shape.rank();
        const char* const kind = op.kind == OpKind::add ? "Add" : op.kind == OpKind::mul ? "Mul" : "Sub";
        return finish(op, writer_.node(kind, {operand(op.inputs[0], rank), operand(op.inputs[1], rank)}, name));
      }
      case OpKind::mean:
        return mean(op);
      case OpKind::transpose: {
        Dims perm(op.axes.size());
        for (std::size_t i = 0; i < perm.size(); ++i)
          perm[static_cast<std::size_t>(axis_of(static_cast<int>(i), perm.size()))] = axis_of(op.axes[i], perm.size());
        return set(out, writer_.node("Transpose", {real(op.inputs[0])}, name, {{"perm", perm}}));
      }
      case OpKind::concat: {
        std::vector<std::string> parts;
        for (const int id : op.inputs) parts.push_back(real(id));
        return set(out, writer_.node("Concat", parts, name, {{"axis", axis_of(op.axis, at(out).shape.rank())}}));
      }
      case OpKind::pad: {
        const std::string pads =
            writer_.integers(name + "_pads", {0, 0, op.pad_top, op.pad_left, 0, 0, op.pad_bottom, op.pad_right});
        return set(out, writer_.node("Pad", {real(op.inputs[0]), pads}, name));
      }
      case OpKind::resize_nearest:
      case OpKind::resize_bilinear:
        return set(out, resized(op));
      case OpKind::reshape:
        return set(out, reshaped(real(op.inputs[0]), at(op.inputs[0]).shape, at(out).shape, name));
      case OpKind::clamp:
        return finish(op, real(op.inputs[0]));
      case OpKind::softmax: {
        std::string x = real(op.inputs[0]);
        if (op.beta != 1.0F) x = writer_.node("Mul", {x, writer_.scalar(name + "_beta", op.beta)}, name + "_scaled");
        return set(out, writer_.node("Softmax", {x}, name, {{"axis", axis_of(-1, at(out).shape.rank())}}));
      }
      case OpKind::logistic:
        return set(out, writer_.node("Sigmoid", {real(op.inputs[0])}, name));
      case OpKind::hard_swish: {  // HardSwish itself came with a later operator set
        const std::string& x = real(op.inputs[0]);
        const std::string gate =
            writer_.node("HardSigmoid", {x}, name + "_gate", {{"alpha", 1.0F / 6.0F}, {"beta", 0.5F}});
        return set(out, writer_.node("Mul", {x, gate}, name));
      }
      case OpKind::quantize:
      case OpKind::requantize:
        return set(out, real(op.inputs[0]));
      case OpKind::dequantize:
        real_[out] = real(op.inputs[0]);
        return;
    }
    fail("it cannot be written as ONNX");
  }
  // Activation and grid behind an operator.
  void finish(const runtime::Op& op, const std::string& value) {
    set(op.outputs[0], clamped(value, limits_of(op, at(op.outputs[0])), op.name));
  }

  // By sizes, which unlike scales are exact. Batch and channels of them are the input's, as the batch is open.
  std::string resized(const runtime::Op& op) {
    const std::string x = real(op.inputs[0]);
    const Shape& to = at(op.outputs[0]).shape;
    const std::string shape = writer_.node("Shape", {x}, op.name + "_shape");
    const std::string kept = writer_.node(
        "Slice", {shape, writer_.integers(op.name + "_begin", {0}), writer_.integers(op.name + "_end", {2})},
        op.name + "_kept");
    const std::string sizes = writer_.node("Concat", {kept, writer_.integers(op.name + "_pixels", {to[1], to[2]})},
                                           op.name + "_sizes", {{"axis", std::int64_t{0}}});
    const bool nearest = op.kind == OpKind::resize_nearest;
    const char* const coordinates = op.align_corners        ? "align_corners"
                                    : op.half_pixel_centers ? "half_pixel"
                                                            : "asymmetric";
    Attributes attributes = {{"mode", nearest ? "nearest" : "linear"}, {"coordinate_transformation_mode", coordinates}};
    if (nearest)
      attributes.emplace_back("nearest_mode",
                              op.align_corners || op.half_pixel_centers ? "round_prefer_ceil" : "floor");
    return writer_.node("Resize", {x, "", "", sizes}, op.name, attributes);
  }

  std::string reshaped(std::string value, const Shape& from, const Shape& to, const std::string& name) {
    const auto image = [](const Shape& s) { return s.rank() == 4 && s[3] > 1 && s[1] * s[2] > 1; };
    if (image(from))  // elements follow each other in NHWC
      value = writer_.node("Transpose", {value}, name + "_nhwc", {{"perm", Dims{0, 2, 3, 1}}});
    Dims target(to.begin(), to.end());
    target[0] = 0;  // the batch, as it is
    if (to.rank() == 4 && !image(to)) target = {0, to[3], to[1], to[2]};
    value = writer_.node("Reshape", {value, writer_.integers(name + "_shape", target)}, name);
    if (image(to)) value = writer_.node("Transpose", {value}, name + "_nchw", {{"perm", Dims{0, 3, 1, 2}}});
    return value;
  }

  // An input of an operator that spreads its inputs over an output of `rank` axes.
  std::string operand(int id, std::size_t rank) {
    const runtime::TensorInfo& tensor = at(id);
    Shape shape = tensor.shape;
    if (!tensor.constant()) {
      if (rank != 4 || shape.rank() == 4) return real(id);
      require(shape.rank() == 2, "an input of ", shape.to_string(), " spread over an image");
      return writer_.node("Reshape", {real(id), writer_.integers(tensor.name + "_shape", {0, shape[1], 1, 1})},
                          tensor.name + "_image");
    }
    if (rank == 4) {
      Shape image = {1, 1, 1, 1};
      for (std::size_t i = 0; i < shape.rank(); ++i) image[4 - shape.rank() + i] = shape[i];
      shape = image;
    }
    Dims dims(shape.begin(), shape.end());
    if (rank == 4) dims = {shape[0], shape[3], shape[1], shape[2]};
    const auto write_values = [&](auto values, Type type, const std::string& name) {
      using Value = typename decltype(values)::value_type;
      std::vector<std::remove_const_t<Value>> to(values.begin(), values.end());
      if (rank == 4)
        for (std::int64_t i = 0, pixels = shape[1] * shape[2], c = shape[3]; i < shape.size(); ++i)
          to[static_cast<std::size_t>((i / (pixels * c) * c + i % c) * pixels + i / c % pixels)] =
              values[static_cast<std::size_t>(i)];
      return writer_.template constant<std::remove_const_t<Value>>(name, type, dims, to);
    };
    if (tensor.dtype == DType::f32)
      return write_values(runtime::constant_values<float>(tensor), Type::f32, tensor.name);
    const std::string codes =
        write_values(runtime::constant_values<std::int8_t>(tensor), Type::i8, tensor.name + "_codes");
    const Grid grid = runtime::grid_of(tensor);
    const auto zero = static_cast<std::int8_t>(grid.zero_point);
    return dequantized(codes, tensor.name, {grid.scale}, Type::i8, std::span<const std::int8_t>(&zero, 1));
  }

  void mean(const runtime::Op& op) {
    const int out = op.outputs[0];
    const std::size_t from = at(op.inputs[0]).shape.rank(), to = at(out).shape.rank();
    if (from == 4 && op.axes == std::vector<int>{1, 2}) return global_average(op);
    Dims axes;
    for (const int axis : op.axes) axes.push_back(axis_of(axis, from));
    std::string value = writer_.node("ReduceMean", {real(op.inputs[0])}, op.name,
                                     {{"axes", axes}, {"keepdims", std::int64_t{from == to ? 1 : 0}}});
    if (from == 4 && to == 3 && op.axes[0] != 3)  // channels stay, and stand last
      value = writer_.node("Transpose", {value}, op.name + "_nwc", {{"perm", Dims{0, 2, 1}}});
    finish(op, value);
  }

  void global_average(const runtime::Op& op) {
    const int out = op.outputs[0];
    std::string pooled =
        clamped(writer_.node("GlobalAveragePool", {real(op.inputs[0])}, op.name), limits_of(op, at(out)), op.name);
    if (at(out).shape.rank() == 4) return set(out, pooled);
    if (at(out).dtype != DType::f32) {  // on its grid at once, as engines look for it
      const auto [scale, zero] = grid_constants(at(out));
      pooled = writer_.node("QuantizeLinear", {pooled, scale, zero}, op.name + "_pooled_codes");
      pooled = writer_.node("DequantizeLinear", {pooled, scale, zero}, op.name + "_pooled");
    }
    set(out, writer_.node("Flatten", {pooled}, op.name + "_flat", {{"axis", std::int64_t{1}}}));
  }

  [[nodiscard]] Attributes window_of(const runtime::Op& op) const {
    const ConvGeometry g = runtime::geometry_of(program_, op);
    const Window& w = g.window;
    const auto behind = [](std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                           std::int64_t dilation, std::int64_t before) {
      return std::max<std::int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in - before, 0);
    };
    const std::int64_t bottom = behind(g.in_h, g.out_h, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top);
    const std::int64_t right = behind(g.in_w, g.out_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
    return {{"strides", Dims{w.stride_h, w.stride_w}}, {"pads", Dims{w.pad_top, w.pad_left, bottom, right}}};
  }

  std::string weighted(const runtime::Op& op) {
    const std::string kernel = kernel_of(op);
    std::vector<std::string> inputs = {real(op.inputs[0]), kernel};
    if (op.inputs[2] >= 0) inputs.push_back(bias_of(op));
    if (op.kind == OpKind::dense) {
      require(at(op.inputs[0]).shape.rank() == 2, "a dense layer on ", at(op.inputs[0]).shape.to_string(),
              " cannot be written as ONNX' Gemm");
      return writer_.node("Gemm", inputs, op.name, {{"transB", std::int64_t{1}}});
    }
    Attributes attributes = window_of(op);
    attributes.emplace_back("kernel_shape", Dims{op.window.kernel_h, op.window.kernel_w});
    attributes.emplace_back("dilations", Dims{op.window.dilation_h, op.window.dilation_w});
    attributes.emplace_back("group", op.kind == OpKind::conv2d ? op.groups : at(op.inputs[0]).shape[3]);
    return writer_.node("Conv", inputs, op.name, attributes);
  }

  // OHWI or 1HWC to OIHW.
  template <class Value>
  std::pair<Dims, std::vector<Value>> oihw(const runtime::Op& op, std::span<const Value> from) const {
    const Shape& s = at(op.inputs[1]).shape;
    if (op.kind == OpKind::dense) return {{s[0], s[1]}, {from.begin(), from.end()}};
    const bool depthwise = op.kind == OpKind::depthwise_conv2d;
    const std::int64_t out = depthwise ? s[3] : s[0], in = depthwise ? 1 : s[3], taps = s[1] * s[2];
    std::vector<Value> to;
    to.reserve(from.size());
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t i = 0; i < in; ++i)
        for (std::int64_t t = 0; t < taps; ++t)
          to.push_back(from[static_cast<std::size_t>(depthwise ? t * out + o : (o * taps + t) * in + i)]);
    return {{out, in, s[1], s[2]}, to};
  }

  std::string kernel_of(const runtime::Op& op) {
    const runtime::TensorInfo& weights = at(op.inputs[1]);
    if (weights.dtype == DType::f32) {
      const auto [dims, values] = oihw(op, runtime::constant_values<float>(weights));
      return writer_.template constant<float>(weights.name, Type::f32, dims, values);
    }
    const std::vector<std::int8_t> codes = runtime::weight_codes(weights);
    const auto [dims, values] = oihw(op, std::span<const std::int8_t>(codes));
    const std::string stored = writer_.template constant<std::int8_t>(weights.name + "_codes", Type::i8, dims, values);
    const std::vector<std::int8_t> zeros(weights.quantization.zero_point.begin(),
                                         weights.quantization.zero_point.end());
    return dequantized(stored, weights.name, weights.quantization.scale, Type::i8, std::span<const std::int8_t>(zeros));
  }
  std::string bias_of(const runtime::Op& op) {
    const runtime::TensorInfo& bias = at(op.inputs[2]);
    const std::int64_t channels = bias.shape[0];
    if (bias.dtype == DType::f32)
      return writer_.template constant<float>(bias.name, Type::f32, {channels}, runtime::constant_values<float>(bias));
    const float input_scale = runtime::grid_of(at(op.inputs[0])).scale;
    std::vector<float> scale;
    for (const float s : at(op.inputs[1]).quantization.scale) scale.push_back(input_scale * s);
    const std::string stored = writer_.template constant<std::int32_t>(bias.name + "_codes", Type::i32, {channels},
                                                                       runtime::constant_values<std::int32_t>(bias));
    const std::vector<std::int32_t> zeros(scale.size(), 0);
    return dequantized(stored, bias.name, scale, Type::i32, std::span<const std::int32_t>(zeros));
  }
  // Of a constant with one scale, or one along its axis 0.
  template <class Value>
  std::string dequantized(const std::string& stored, const std::string& name, const std::vector<float>& scale,
                          Type type, std::span<const Value> zeros) {
    const Dims dims = scale.size() == 1 ? Dims{} : Dims{std::ssize(scale)};
    const std::string scales = writer_.template constant<float>(name + "_scale", Type::f32, dims, scale);
    const std::string zero_points = writer_.constant(name + "_zero_point", type, dims, zeros);
    return writer_.node("DequantizeLinear", {stored, scales, zero_points}, name, {{"axis", std::int64_t{0}}});
  }

  const runtime::Program& program_;
  OnnxExportOptions options_;
  ModelWriter<Lazy> writer_;
  std::map<int, std::string> real_, codes_;  // by tensor: the name of its real values, and of its codes
  std::map<std::tuple<float, int, Type>, std::pair<std::string, std::string>> grids_;
};

}  // namespace detail

template <class Lazy>
std::string export_program(const runtime::Program& program, const OnnxExportOptions& options) {
  return detail::Exporter<Lazy>(program, options).run();
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(std::string octavo::io::onnx::export_program<void>(const octavo::runtime::Program&,
                                                                const octavo::io::OnnxExportOptions&));

#endif  // OCTAVO_IO_ONNX_EXPORT_HPP_
