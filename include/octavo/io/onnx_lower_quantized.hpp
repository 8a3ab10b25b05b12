// octavo/io/onnx_lower_quantized.hpp: lowers ONNX' quantized operators: dequantize, the float operator, quantize.
#ifndef OCTAVO_IO_ONNX_LOWER_QUANTIZED_HPP_
#define OCTAVO_IO_ONNX_LOWER_QUANTIZED_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_layer.hpp"
#include "onnx_lower_ops.hpp"
#include "onnx_values.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

template <class Lazy>
Value OpLowering<Lazy>::quantized(Value& x, const Value* scale, const Value* zero_point) {
  require(!x.constant, "a constant that is quantized was expected to be computed");
  Layer layer = new_layer(x, LayerKind::quantize);
  layer.grid = grid_of(scale, zero_point, x.dims.size());
  require(layer.grid.axis < 0, "activations with one scale a channel are not imported");
  const auto told = static_cast<Type>(node().integer("output_dtype", 0));
  layer.type = zero_point != nullptr ? zero_point->constant->type : told == Type::undefined ? Type::u8 : told;
  require(layer.type == Type::u8 || layer.type == Type::i8, "codes of ", name_of(layer.type), " are not imported");
  const Grid limits = layer.grid.at(0, layer.type);
  require(limits.zero_point >= limits.qmin && limits.zero_point <= limits.qmax, "zero point ", limits.zero_point,
          " is no ", name_of(layer.type));
  return elementwise(x, std::move(layer));
}

template <class Lazy>
Value OpLowering<Lazy>::dequantized(Value& x, const Value* scale, const Value* zero_point, std::int64_t channel_axis) {
  if (x.constant) {
    require(!x.constant->is_real(), "expected integers, found real numbers");
    const Constant* zero = zero_point == nullptr ? nullptr : &constant(zero_point, "the zero point");
    auto grid = make_code_grid(constant(scale, "the scale"), zero, channel_axis, x.dims.size());
    if (grid.axis >= 0)
      require(x.dims[static_cast<std::size_t>(grid.axis)] == std::ssize(grid.scale), "expected ",
              x.dims[static_cast<std::size_t>(grid.axis)], " scales, found ", grid.scale.size());
    Value real = x;
    real.constant->grid = std::make_shared<const CodeGrid>(std::move(grid));
    return real;
  }
  const Type type = values_.type_of(x);
  require(type == Type::u8 || type == Type::i8, "expected uint8 or int8, found ", name_of(type));
  Layer layer = new_layer(x, LayerKind::dequantize);
  layer.type = Type::f32;
  layer.grid = grid_of(scale, zero_point, x.dims.size());
  require(layer.grid.axis < 0, "activations with one scale a channel are not imported");
  return elementwise(x, std::move(layer));
}

template <class Lazy>
std::optional<Value> OpLowering<Lazy>::dequantized_bias(const Value* bias, const Value* x_scale,
                                                        const Value* w_scale) const {
  if (bias == nullptr) return {};
  Value real = *bias;
  const float x = scalar(constant(x_scale, "the scale"));
  auto grid = std::make_shared<CodeGrid>();
  for (const float w : real_values(constant(w_scale, "the scale"))) grid->scale.push_back(x * w);
  grid->zero_point.assign(grid->scale.size(), 0);
  grid->axis = grid->scale.size() > 1 ? 0 : -1;
  require(constant(bias, "the bias").size() == std::ssize(grid->scale) || grid->scale.size() == 1,
          "the bias has the shape ", to_string(bias->dims));
  real.constant->grid = std::move(grid);
  return real;
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_conv(NodeInputs& in) {
  Value x = dequantized(*in[0], in[1], in[2], 0), w = dequantized(*in[3], in[4], in[5], 0);
  const std::optional<Value> bias = dequantized_bias(in[8], in[1], in[4]);
  Value y = conv_of(x, constant(&w, "the kernel"), bias ? &*bias : nullptr);
  return quantized(y, in[6], in[7]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_matmul(NodeInputs& in) {
  Value x = dequantized(*in[0], in[1], in[2], 0), w = dequantized(*in[3], in[4], in[5], 1);
  Value y = dense(x, constant(&w, "the matrix"), false, {});
  return quantized(y, in[6], in[7]);
}

template <class Lazy>
Value OpLowering<Lazy>::qgemm(NodeInputs& in) {
  const bool transposed = node().integer("transB", 0) != 0;
  Value x = dequantized(*in[0], in[1], in[2], 0), w = dequantized(*in[3], in[4], in[5], transposed ? 0 : 1);
  const std::optional<Value> bias = dequantized_bias(in[6], in[1], in[4]);
  Value y = dense(x, constant(&w, "the matrix"), transposed, bias ? bias->constant : std::optional<Constant>{});
  return in[7] == nullptr ? y : quantized(y, in[7], in[8]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_binary(NodeInputs& in) {
  Value a = dequantized(*in[0], in[1], in[2], 0), b = dequantized(*in[3], in[4], in[5], 0);
  Value y = binary_of(a, b, node().op().substr(std::string_view("QLinear").size()));
  return quantized(y, in[6], in[7]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_pool(NodeInputs& in) {
  require(node().integer("channels_last", 0) == 0, "channels_last is not imported");
  Value x = dequantized(*in[0], in[1], in[2], 0);
  Value y = node().op() == "QLinearGlobalAveragePool" ? mean_of(x, true) : pool_of(x, false);
  return quantized(y, in[3], in[4]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_unary(NodeInputs& in) {
  Value x = dequantized(*in[0], in[1], in[2], 0);
  Value y = unary_of(x);
  return quantized(y, in[3], in[4]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_softmax(NodeInputs& in) {
  Value x = dequantized(*in[0], in[1], in[2], 0);
  Value y = softmax_of(x, node().integer("opset", 13) < 13);
  return quantized(y, in[3], in[4]);
}

template <class Lazy>
Value OpLowering<Lazy>::qlinear_concat(NodeInputs& in) {
  std::vector<Value> reals;
  for (std::size_t i = 2; i + 2 < in.size() && in[i] != nullptr; i += 3)
    reals.push_back(dequantized(*in[i], in[i + 1], in[i + 2], 0));
  std::vector<Value*> parts;
  for (Value& real : reals) parts.push_back(&real);
  Value y = concat_of(parts, node().integer("axis", 1));
  return quantized(y, in[0], in[1]);
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_QUANTIZED_HPP_
