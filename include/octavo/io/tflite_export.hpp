// octavo/io/tflite_export.hpp: a runtime::Program becomes a .tflite model.
#ifndef OCTAVO_IO_TFLITE_EXPORT_HPP_
#define OCTAVO_IO_TFLITE_EXPORT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../kernels/output_stage.hpp"
#include "../runtime/step.hpp"
#include "../runtime/validate.hpp"
#include "tflite_file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Translates operators into those of TFLite; what one cannot say alone becomes several (PAD before a convolution with
// paddings of its own, QUANTIZE before a concatenation of different grids). Throws Error naming the operator that has
// no form there.
template <class Lazy = void>
class Exporter {
 public:
  explicit Exporter(const runtime::Program& program) : p_(program) {
    runtime::validate(program);
    for (const Op& op : p_.ops) uint8_ = uint8_ || op.legacy_uint8;
  }

  [[nodiscard]] AlignedVector<std::uint8_t> run() {
    ids_.assign(p_.tensors.size(), -1);
    for (const int id : p_.inputs) file_.inputs.push_back(tensor(id));
    for (const Op& op : p_.ops) {
      try {
        translate(op);
      } catch (const Error& error) {
        fail(name_of(op.kind), " '", op.name, "': ", error.what());
      }
    }
    for (const int id : p_.outputs) file_.outputs.push_back(tensor(id));
    return write_file(file_, p_.name);
  }

 private:
  using Op = runtime::Op;
  using OpKind = runtime::OpKind;
  using DType = runtime::DType;
  using TensorInfo = runtime::TensorInfo;

  [[nodiscard]] const TensorInfo& info(int id) const { return tensor_at(p_, id); }

  // The file's tensor for the program's; constants are stored with it.
  [[nodiscard]] int tensor(int id) {
    if (id < 0) return -1;
    int& known = ids_[static_cast<std::size_t>(id)];
    if (known >= 0) return known;
    const TensorInfo& from = info(id);
    FileTensorOut to = like(from, from.name, from.shape);
    if (from.constant()) {
      to.data.assign(from.data.begin(), from.data.end());
      if (from.dtype == DType::i4) {
        const std::vector<std::int8_t> codes = runtime::weight_codes(from);
        to.data.assign(codes.begin(), codes.end());
      }
      if (uint8_ && from.dtype == DType::i8)
        for (std::uint8_t& code : to.data) code ^= 0x80U;
    }
    known = file_.add(std::move(to));
    return known;
  }

  // Type and grid of a tensor; models with legacy operators are uint8 again.
  [[nodiscard]] FileTensorOut like(const TensorInfo& from, const std::string& name, const Shape& shape) const {
    FileTensorOut to;
    to.name = name;
    to.shape.assign(shape.begin(), shape.end());
    to.scale = from.quantization.scale;
    to.zero_point = {from.quantization.zero_point.begin(), from.quantization.zero_point.end()};
    to.axis = std::max(from.quantization.axis, 0);
    switch (from.dtype) {
      case DType::f32:
        to.type = Type::f32;
        break;
      case DType::i32:
        to.type = Type::i32;
        break;
      case DType::u8:
        to.type = Type::u8;
        break;
      case DType::i8:
      case DType::i4:
        to.type = uint8_ ? Type::u8 : Type::i8;
        if (uint8_)
          for (std::int64_t& z : to.zero_point) z += 128;
        break;
    }
    return to;
  }
  [[nodiscard]] int integers(const std::string& name, const std::vector<std::int32_t>& values,
                             std::vector<std::int64_t> shape) {
    FileTensorOut to;
    to.name = name;
    to.type = Type::i32;
    to.shape = std::move(shape);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
    to.data.assign(bytes, bytes + values.size() * sizeof(std::int32_t));
    return file_.add(std::move(to));
  }

  // 1 for float, otherwise the first version that has 8-bit tensors.
  [[nodiscard]] int version(const Op& op, int eight_bits) const {
    return input_of(p_, op, 0).dtype == DType::f32 && output_of(p_, op).dtype == DType::f32 ? 1 : eight_bits;
  }
  void emit(Builtin code, int version, std::vector<int> inputs, int output, Options type = Options::none,
            std::vector<FlatField> options = {}) {
    file_.ops.push_back({code, version, std::move(inputs), {output}, type, std::move(options), {}});
  }
  void emit(const Op& op, Builtin code, int eight_bits, Options type = Options::none,
            std::vector<FlatField> options = {}) {
    std::vector<int> inputs;
    for (const int id : op.inputs) inputs.push_back(tensor(id));
    emit(code, version(op, eight_bits), std::move(inputs), tensor(op.outputs[0]), type, std::move(options));
  }

  // The fused activation; limits that no code of the output's grid can tell apart are the same.
  [[nodiscard]] Activation activation(const Op& op) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    constexpr std::pair<float, float> limits[] = {{-infinity, infinity}, {0.0F, infinity}, {-1.0F, 1.0F}, {0.0F, 6.0F}};
    const TensorInfo& out = output_of(p_, op);
    for (int i = 0; i < 4; ++i)
      if (limits[i] == std::pair(op.clamp_low, op.clamp_high)) return static_cast<Activation>(i);
    if (out.dtype == DType::i8)
      for (int i = 0; i < 4; ++i)
        if (activation_range(grid_of(out), limits[i].first, limits[i].second) ==
            activation_range(grid_of(out), op.clamp_low, op.clamp_high))
          return static_cast<Activation>(i);
    fail("no activation of TFLite clamps to [", op.clamp_low, ", ", op.clamp_high, "]");
  }
  template <class Enum>
  static FlatField byte(int field, Enum value) {
    return FlatField::scalar(field, static_cast<std::uint8_t>(value));
  }
  static FlatField number(int field, std::int64_t value) {
    return FlatField::scalar(field, static_cast<std::int32_t>(value));
  }

  void translate(const Op& op) {
    switch (op.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
        return convolution(op);
      case OpKind::dense:
        return dense(op);
      case OpKind::average_pool2d:
      case OpKind::max_pool2d:
        return pool(op);
      case OpKind::global_average_pool:
      case OpKind::mean:
        return mean(op);
      case OpKind::add:
        return emit(op, Builtin::add, 2, Options::add, {byte(ArithmeticField::activation, activation(op))});
      case OpKind::mul:
        return emit(op, Builtin::mul, 2, Options::mul, {byte(ArithmeticField::activation, activation(op))});
      case OpKind::sub:
        return emit(op, Builtin::sub, 3, Options::sub, {byte(ArithmeticField::activation, activation(op))});
      case OpKind::concat:
        return concat(op);
      case OpKind::pad:
        return pad(op);
      case OpKind::resize_nearest:
      case OpKind::resize_bilinear:
        return resize(op);
      case OpKind::reshape:
        return reshape(op);
      case OpKind::transpose:
        return emit(Builtin::transpose, version(op, 2),
                    {tensor(op.inputs[0]), integers(op.name + "/axes", {op.axes.begin(), op.axes.end()},
                                                    {static_cast<std::int64_t>(op.axes.size())})},
                    tensor(op.outputs[0]), Options::transpose);
      case OpKind::clamp:
        return clamp(op);
      case OpKind::softmax:
        return emit(op, Builtin::softmax, 2, Options::softmax, {FlatField::scalar(SoftmaxField::beta, op.beta)});
      case OpKind::logistic:
        return emit(op, Builtin::logistic, 2);
      case OpKind::hard_swish:
        return emit(op, Builtin::hard_swish, 1, Options::hard_swish);
      case OpKind::quantize:
        return emit(op, Builtin::quantize, 1, Options::quantize);
      case OpKind::requantize:
        return requantize(op);
      case OpKind::dequantize:
        return emit(op, Builtin::dequantize, 2, Options::dequantize);
    }
    fail("it has no form in TFLite");
  }

  // SAME or VALID where the window is one of these; -1 otherwise.
  [[nodiscard]] int padding_of(const Window& w, const Shape& in, const Shape& out) const {
    const auto same = [](std::int64_t i, std::int64_t o, std::int64_t k, std::int64_t s, std::int64_t d,
                         std::int64_t pad) {
      const runtime::SamePadding rule = runtime::same_padding(i, k, s, d);
      return rule.out == o && rule.before == pad;
    };
    const auto valid = [](std::int64_t i, std::int64_t o, std::int64_t k, std::int64_t s, std::int64_t d,
                          std::int64_t pad) { return pad == 0 && (o - 1) * s + (k - 1) * d + 1 <= i; };
    const auto both = [&](auto rule) {
      return rule(in[1], out[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top) &&
             rule(in[2], out[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
    };
    if (both(valid)) return static_cast<int>(Padding::valid);
    return both(same) ? static_cast<int>(Padding::same) : -1;
  }

  // The padding behind the last pixel that a window's outputs need.
  [[nodiscard]] static std::int64_t behind(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                           std::int64_t dilation, std::int64_t before) {
    return std::max<std::int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - before - in, 0);
  }
  // The operator's input with the window's padding around it, (bottom, right) behind it: a PAD in front.
  [[nodiscard]] int padded(const Op& op, std::pair<std::int64_t, std::int64_t> end) {
    const Shape& in = input_of(p_, op, 0).shape;
    const Window& w = op.window;
    const Shape shape{1, in[1] + w.pad_top + end.first, in[2] + w.pad_left + end.second, in[3]};
    const int to = file_.add(like(info(op.inputs[0]), op.name + "/pad", shape));
    emit_pad(op, tensor(op.inputs[0]), to, w.pad_top, end.first, w.pad_left, end.second);
    return to;
  }
  // Whether the least code of the tensor, or the activation of the operator that writes it, is real 0 or more.
  [[nodiscard]] bool never_negative(int id) const {
    if (info(id).dtype == DType::i8 && grid_of(info(id)).zero_point <= grid_of(info(id)).qmin) return true;
    return std::any_of(p_.ops.begin(), p_.ops.end(),
                       [&](const Op& op) { return op.outputs[0] == id && op.clamp_low >= 0.0F; });
  }

  void convolution(const Op& op) {
    const Shape& in = input_of(p_, op, 0).shape;
    const Shape& out = output_of(p_, op).shape;
    const Window& w = op.window;
    int x = tensor(op.inputs[0]);
    int padding = padding_of(w, in, out);
    if (padding < 0) {  // pads of its own: an operator in front
      x = padded(op, {behind(in[1], out[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top),
                      behind(in[2], out[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left)});
      padding = static_cast<int>(Padding::valid);
    }
    const bool plain = op.kind == OpKind::conv2d;
    const bool hybrid = input_of(p_, op, 0).dtype == DType::f32 && input_of(p_, op, 1).dtype != DType::f32;
    std::vector<FlatField> options{byte(ConvField::padding, padding), number(ConvField::stride_w, w.stride_w),
                                   number(ConvField::stride_h, w.stride_h)};
    if (plain) {
      options.push_back(byte(ConvField::activation, activation(op)));
      options.push_back(number(ConvField::dilation_w, w.dilation_w));
      options.push_back(number(ConvField::dilation_h, w.dilation_h));
    } else {
      options.push_back(number(DepthwiseField::multiplier, out[3] / in[3]));
      options.push_back(byte(DepthwiseField::activation, activation(op)));
      options.push_back(number(DepthwiseField::dilation_w, w.dilation_w));
      options.push_back(number(DepthwiseField::dilation_h, w.dilation_h));
    }
    const int eight_bits = uint8_ ? 1 : 3;
    emit(plain ? Builtin::conv_2d : Builtin::depthwise_conv_2d, hybrid ? 5 : version(op, eight_bits),
         {x, tensor(op.inputs[1]), bias_of(op)}, tensor(op.outputs[0]), plain ? Options::conv : Options::depthwise,
         std::move(options));
  }

  // The bias with the scale that the formula gives it; kernels of TFLite Micro want one, so zeros where there is none.
  [[nodiscard]] int bias_of(const Op& op) {
    const TensorInfo& weights = input_of(p_, op, 1);
    const bool real = input_of(p_, op, 0).dtype == DType::f32;
    FileTensorOut to;
    to.name = op.inputs[2] < 0 ? op.name + "/bias" : info(op.inputs[2]).name;
    to.type = real ? Type::f32 : Type::i32;
    to.shape = {output_of(p_, op).shape.back()};
    to.data.assign(static_cast<std::size_t>(to.shape[0]) * 4, 0);
    if (op.inputs[2] >= 0) to.data.assign(info(op.inputs[2]).data.begin(), info(op.inputs[2]).data.end());
    if (!real) {
      for (const float scale : weights.quantization.scale)
        to.scale.push_back(grid_of(input_of(p_, op, 0)).scale * scale);
      to.zero_point.assign(to.scale.size(), 0);
    }
    if (op.inputs[2] >= 0) {  // one bias may serve two operators of different scales
      const auto known = biases_.find(op.inputs[2]);
      if (known != biases_.end() && file_.tensors[static_cast<std::size_t>(known->second)].scale == to.scale)
        return known->second;
      if (known != biases_.end()) to.name = op.name + "/" + to.name;
    }
    const int id = file_.add(std::move(to));
    if (op.inputs[2] >= 0) biases_.emplace(op.inputs[2], id);
    return id;
  }

  void dense(const Op& op) {
    const bool hybrid = input_of(p_, op, 0).dtype == DType::f32 && input_of(p_, op, 1).dtype != DType::f32;
    const bool rows = input_of(p_, op, 0).shape.rank() > 2;
    const int eight_bits = uint8_ ? 1 : rows ? 5 : 4;
    emit(Builtin::fully_connected, hybrid ? 9 : version(op, eight_bits),
         {tensor(op.inputs[0]), tensor(op.inputs[1]), bias_of(op)}, tensor(op.outputs[0]), Options::fully_connected,
         {byte(FullyConnectedField::activation, activation(op)), byte(FullyConnectedField::weights_format, 0),
          byte(FullyConnectedField::keep_num_dims, rows ? 1 : 0),
          byte(FullyConnectedField::asymmetric_quantize_inputs, hybrid ? 1 : 0)});
  }

  void pool(const Op& op) {
    const Shape& in = input_of(p_, op, 0).shape;
    const Shape& out = output_of(p_, op).shape;
    const Window& w = op.window;
    int padding = padding_of(w, in, out);
    int x = tensor(op.inputs[0]);
    if (padding < 0) {
      require(op.kind == OpKind::max_pool2d && never_negative(op.inputs[0]),
              "its padding is neither SAME nor VALID, and pools of TFLite know no other; only a maximum of values that "
              "are never negative can be padded with zeros");
      x = padded(op, {behind(in[1], out[1], w.kernel_h, w.stride_h, 1, w.pad_top),
                      behind(in[2], out[2], w.kernel_w, w.stride_w, 1, w.pad_left)});
      padding = static_cast<int>(Padding::valid);
    }
    if (output_of(p_, op).dtype == DType::i8) require_same_grid(op);
    emit(op.kind == OpKind::max_pool2d ? Builtin::max_pool_2d : Builtin::average_pool_2d, version(op, uint8_ ? 1 : 2),
         {x}, tensor(op.outputs[0]), Options::pool,
         {byte(PoolField::padding, padding), number(PoolField::stride_w, w.stride_w),
          number(PoolField::stride_h, w.stride_h), number(PoolField::filter_width, w.kernel_w),
          number(PoolField::filter_height, w.kernel_h), byte(PoolField::activation, activation(op))});
  }
  void require_same_grid(const Op& op) const {
    require(grid_of(input_of(p_, op, 0)) == grid_of(output_of(p_, op)), "TFLite wants one grid for input and output");
  }

  void mean(const Op& op) {
    require(activation(op) == Activation::none, "MEAN has no fused activation");
    std::vector<std::int32_t> axes{1, 2};
    if (op.kind == OpKind::mean) axes.assign(op.axes.begin(), op.axes.end());
    const bool keep = input_of(p_, op, 0).shape.rank() == output_of(p_, op).shape.rank();
    const auto count = static_cast<std::int64_t>(axes.size());
    emit(Builtin::mean, version(op, 2), {tensor(op.inputs[0]), integers(op.name + "/axes", axes, {count})},
         tensor(op.outputs[0]), Options::reducer, {byte(ReducerField::keep_dims, keep ? 1 : 0)});
  }

  void emit_pad(const Op& op, int x, int to, std::int64_t top, std::int64_t bottom, std::int64_t left,
                std::int64_t right) {
    std::vector<std::int32_t> amounts{0, 0};
    for (const std::int64_t amount : {top, bottom, left, right}) amounts.push_back(static_cast<std::int32_t>(amount));
    amounts.insert(amounts.end(), {0, 0});
    emit(Builtin::pad, input_of(p_, op, 0).dtype == DType::f32 ? 1 : 2,
         {x, integers(op.name + "/paddings", amounts, {4, 2})}, to, Options::pad);
  }
  void pad(const Op& op) {
    emit_pad(op, tensor(op.inputs[0]), tensor(op.outputs[0]), op.pad_top, op.pad_bottom, op.pad_left, op.pad_right);
  }

  void resize(const Op& op) {
    const Shape& out = output_of(p_, op).shape;
    const std::vector<std::int32_t> size{static_cast<std::int32_t>(out[1]), static_cast<std::int32_t>(out[2])};
    const std::vector<int> inputs{tensor(op.inputs[0]), integers(op.name + "/size", size, {2})};
    const bool bilinear = op.kind == OpKind::resize_bilinear;
    const int with_centers = op.half_pixel_centers || (op.align_corners && !bilinear) ? 3 : 1;  // version of the flags
    emit(bilinear ? Builtin::resize_bilinear : Builtin::resize_nearest_neighbor,
         std::max(version(op, uint8_ ? 1 : 2), with_centers), inputs, tensor(op.outputs[0]),
         bilinear ? Options::resize_bilinear : Options::resize_nearest,
         {byte(bilinear ? int{ResizeBilinearField::align_corners} : int{ResizeNearestField::align_corners},
               op.align_corners),
          byte(bilinear ? int{ResizeBilinearField::half_pixel_centers} : int{ResizeNearestField::half_pixel_centers},
               op.half_pixel_centers)});
  }

  void reshape(const Op& op) {
    std::vector<std::int32_t> extents;
    for (const std::int64_t extent : output_of(p_, op).shape) extents.push_back(static_cast<std::int32_t>(extent));
    const auto rank = static_cast<std::int64_t>(extents.size());
    emit(Builtin::reshape, 1, {tensor(op.inputs[0]), integers(op.name + "/shape", extents, {rank})},
         tensor(op.outputs[0]), Options::reshape, {FlatField::reference(ReshapeField::new_shape)});
    file_.ops.back().new_shape = extents;
  }

  void clamp(const Op& op) {
    const Activation limits = activation(op);
    if (limits == Activation::none) {
      require(output_of(p_, op).dtype == DType::i8, "a clamp without limits");
      return emit(op, Builtin::quantize, 2, Options::quantize);
    }
    emit(op,
         limits == Activation::relu    ? Builtin::relu
         : limits == Activation::relu6 ? Builtin::relu6
                                       : Builtin::relu_n1_to_1,
         2);
  }

  // int8 and uint8 codes of one grid are the same tensor where everything is uint8.
  void requantize(const Op& op) {
    const TensorInfo& from = input_of(p_, op, 0);
    const TensorInfo& to = output_of(p_, op);
    const bool alias = uint8_ && runtime::stored_grid(from) == runtime::stored_grid(to);
    const auto is_output = [&](int id) {
      return std::find(p_.outputs.begin(), p_.outputs.end(), id) != p_.outputs.end();
    };
    if (alias && !(is_output(op.outputs[0]) && is_border(op.inputs[0]))) {
      const int id = tensor(op.inputs[0]);
      ids_[static_cast<std::size_t>(op.outputs[0])] = id;
      if (is_output(op.outputs[0])) file_.rename(id, to.name);
      return;
    }
    emit(op, Builtin::quantize, 2, Options::quantize);
  }
  [[nodiscard]] bool is_border(int id) const {
    return std::find(p_.inputs.begin(), p_.inputs.end(), id) != p_.inputs.end() ||
           std::find(p_.outputs.begin(), p_.outputs.end(), id) != p_.outputs.end();
  }

  void concat(const Op& op) {
    const TensorInfo& out = output_of(p_, op);
    std::vector<int> inputs;
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      int x = tensor(op.inputs[i]);
      const bool differs = out.dtype == DType::i8 && !op.legacy_uint8 && !(grid_of(info(op.inputs[i])) == grid_of(out));
      if (differs) {
        const int to = file_.add(like(out, op.name + "/input" + std::to_string(i), info(op.inputs[i]).shape));
        emit(Builtin::quantize, 2, {x}, to, Options::quantize);
        x = to;
      }
      inputs.push_back(x);
    }
    const int axis = op.axis < 0 ? op.axis + static_cast<int>(out.shape.rank()) : op.axis;
    emit(Builtin::concatenation, version(op, uint8_ ? 1 : 2), std::move(inputs), tensor(op.outputs[0]),
         Options::concatenation, {number(ConcatenationField::axis, axis), byte(ConcatenationField::activation, 0)});
  }

  const runtime::Program& p_;
  bool uint8_ = false;  // legacy models are written as what they were
  std::vector<int> ids_;
  std::map<int, int> biases_;
  FileOut file_;
};

}  // namespace tflite

// The bytes of a .tflite file that computes what the program does: float32, dynamic range (8-bit weights) or int8;
// models with legacy uint8 operators become uint8 again. Rounding is not part of the format: LiteRT's reference kernels
// give the bytes of tflite_double. Throws Error naming an operator that TFLite cannot express: clamps other than RELU,
// RELU6, RELU_N1_TO_1, and pools with paddings of their own.
template <class Lazy = void>
[[nodiscard]] AlignedVector<std::uint8_t> to_tflite(const runtime::Program& program) {
  try {
    return tflite::Exporter<Lazy>(program).run();
  } catch (const Error& error) {
    fail("'", program.name, "' as .tflite: ", error.what());
  }
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::AlignedVector<std::uint8_t> octavo::io::to_tflite<void>(const octavo::runtime::Program&));

#endif  // OCTAVO_IO_TFLITE_EXPORT_HPP_
