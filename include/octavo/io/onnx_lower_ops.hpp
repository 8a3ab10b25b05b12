// octavo/io/onnx_lower_ops.hpp: one function for each ONNX operator that is imported.
//
// Operators of quantized models are lowered as what they mean: dequantize, the float operator, quantize. Which of those
// become one integer operator is decided where a program is written (onnx_program.hpp).
#ifndef OCTAVO_IO_ONNX_LOWER_OPS_HPP_
#define OCTAVO_IO_ONNX_LOWER_OPS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_fold.hpp"
#include "onnx_layer.hpp"
#include "onnx_node.hpp"
#include "onnx_values.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// The values that a node reads; null where an optional input is missing.
using NodeInputs = std::vector<Value*>;

template <class Lazy = void>
class OpLowering {
 public:
  explicit OpLowering(ValueSpace<Lazy>& values) : values_(values) {}

  // Writes the layers of one node and returns its first output. `bias`: of a MatMul whose sum was merged into it.
  [[nodiscard]] Value lower(const NodeReader& node, NodeInputs in, std::optional<Constant> bias) {
    const auto& table = operators();
    const auto entry = std::find_if(table.begin(), table.end(), [&](const Entry& e) { return e.op == node.op(); });
    require(entry != table.end(), "this operator is not imported");
    require(in.size() >= entry->least, "expected ", entry->least, " inputs, found ", in.size());
    for (std::size_t i = 0; i < entry->least; ++i) require(in[i] != nullptr, "input ", i, " is missing");
    in.resize(std::max<std::size_t>(in.size(), 12), nullptr);
    node_ = &node;
    name_ = node.node().name.empty() ? std::string(node.node().outputs[0]) : std::string(node.node().name);
    merged_bias_ = std::move(bias);
    return (this->*entry->run)(in);
  }

 private:
  struct Entry {
    std::string_view op;
    std::size_t least;
    Value (OpLowering::*run)(NodeInputs&);
  };
  [[nodiscard]] static const std::vector<Entry>& operators() {
    static const std::vector<Entry> table = {
        {"Conv", 2, &OpLowering::conv},
        {"BatchNormalization", 5, &OpLowering::batch_norm},
        {"Relu", 1, &OpLowering::clamp},
        {"Clip", 1, &OpLowering::clamp},
        {"Add", 2, &OpLowering::binary},
        {"Sub", 2, &OpLowering::binary},
        {"Mul", 2, &OpLowering::binary},
        {"Div", 2, &OpLowering::binary},
        {"GlobalAveragePool", 1, &OpLowering::global_average},
        {"ReduceMean", 1, &OpLowering::reduce_mean},
        {"AveragePool", 1, &OpLowering::pool},
        {"MaxPool", 1, &OpLowering::pool},
        {"Gemm", 2, &OpLowering::gemm},
        {"MatMul", 2, &OpLowering::matmul},
        {"Flatten", 1, &OpLowering::reshape},
        {"Reshape", 1, &OpLowering::reshape},
        {"Squeeze", 1, &OpLowering::reshape},
        {"Unsqueeze", 1, &OpLowering::reshape},
        {"Transpose", 1, &OpLowering::transpose},
        {"Pad", 1, &OpLowering::pad},
        {"Resize", 1, &OpLowering::resize},
        {"Upsample", 2, &OpLowering::resize},
        {"Concat", 1, &OpLowering::concat},
        {"Dropout", 1, &OpLowering::dropout},
        {"Identity", 1, &OpLowering::identity},
        {"Cast", 1, &OpLowering::cast},
        {"Softmax", 1, &OpLowering::softmax},
        {"Sigmoid", 1, &OpLowering::unary},
        {"HardSigmoid", 1, &OpLowering::unary},
        {"HardSwish", 1, &OpLowering::unary},
        {"QuantizeLinear", 2, &OpLowering::quantize_linear},
        {"DequantizeLinear", 2, &OpLowering::dequantize_linear},
        {"QLinearConv", 8, &OpLowering::qlinear_conv},
        {"QLinearMatMul", 8, &OpLowering::qlinear_matmul},
        {"QGemm", 6, &OpLowering::qgemm},
        {"QLinearAdd", 7, &OpLowering::qlinear_binary},
        {"QLinearMul", 7, &OpLowering::qlinear_binary},
        {"QLinearGlobalAveragePool", 4, &OpLowering::qlinear_pool},
        {"QLinearAveragePool", 4, &OpLowering::qlinear_pool},
        {"QLinearSigmoid", 4, &OpLowering::qlinear_unary},
        {"QLinearSoftmax", 4, &OpLowering::qlinear_softmax},
        {"QLinearConcat", 5, &OpLowering::qlinear_concat},
    };
    return table;
  }

  [[nodiscard]] const NodeReader& node() const noexcept { return *node_; }
  [[nodiscard]] const Constant& constant(const Value* value, std::string_view what) const {
    require(value != nullptr && value->constant.has_value(), what, " must be a constant");
    return *value->constant;
  }
  // A layer that reads and writes NHWC images.
  [[nodiscard]] Layer image_layer(Value& x, LayerKind kind) {
    const int input = values_.as_image(x, name_);
    Layer layer = values_.layer_like(x, kind, name_);
    layer.inputs = {input};
    return layer;
  }
  // A layer that works element by element: the order of its input is that of its output.
  [[nodiscard]] Value elementwise(Value& x, Layer layer) {
    layer.inputs = {x.layer};
    layer.shape = values_.layer_of(x).shape;
    Value result = x;
    result.layer = values_.push(std::move(layer));
    return result;
  }
  [[nodiscard]] Layer new_layer(const Value& x, LayerKind kind) { return values_.layer_like(x, kind, name_); }

  // --- windows ---

  Value conv(NodeInputs& in) { return conv_of(*in[0], constant(in[1], "the kernel"), in[2]); }
  Value conv_of(Value& x, const Constant& kernel, const Value* bias);
  // `count` values in one axis.
  [[nodiscard]] static Strided vector_of(const Constant& source, std::int64_t count, std::string_view what) {
    require(source.size() == count, what, ": expected ", count, " values, found ", to_string(source.dims));
    return {source, {count}, {1}, 0};
  }

  Value pool(NodeInputs& in) { return pool_of(*in[0], node().op() == "MaxPool"); }
  Value pool_of(Value& x, bool is_max);

  Value global_average(NodeInputs& in) { return mean_of(*in[0], true); }
  Value mean_of(Value& x, bool keep_extents);
  Value reduce_mean(NodeInputs& in);

  Value pad(NodeInputs& in);
  Value resize(NodeInputs& in);

  // --- dense ---

  Value gemm(NodeInputs& in) {
    return dense(*in[0], constant(in[1], "the matrix"), node().integer("transB", 0) != 0,
                 in[2] == nullptr ? std::optional<Constant>{} : constant(in[2], "the bias"));
  }
  Value matmul(NodeInputs& in) {
    require(in[1]->constant.has_value(), "a product of two computed values is not imported");
    return dense(*in[0], *in[1]->constant, false, merged_bias_);
  }
  Value dense(Value& x, const Constant& matrix, bool transposed, const std::optional<Constant>& bias);
  // [out][in]; where the inputs are an image that was flattened, in the order in which it lies in memory.
  [[nodiscard]] static Strided dense_weights(const Value& x, const Constant& matrix, std::int64_t outputs,
                                             bool transposed);

  // --- normalization, activations, element-wise ---

  Value batch_norm(NodeInputs& in);

  Value clamp(NodeInputs& in) {
    Layer layer = new_layer(*in[0], LayerKind::clamp);
    if (node().op() == "Relu") {
      layer.low = 0.0F;
    } else {
      layer.low = node().real("min", layer.low), layer.high = node().real("max", layer.high);
      if (in[1] != nullptr) layer.low = scalar(constant(in[1], "the minimum"));
      if (in[2] != nullptr) layer.high = scalar(constant(in[2], "the maximum"));
    }
    require(layer.low <= layer.high, "the range [", layer.low, ", ", layer.high, "] is empty");
    if (std::isinf(layer.low) && std::isinf(layer.high)) return *in[0];
    return elementwise(*in[0], std::move(layer));
  }
  [[nodiscard]] static float scalar(const Constant& constant) {
    require(constant.size() == 1, "expected one value, found ", to_string(constant.dims));
    return real_values(constant)[0];
  }

  Value unary(NodeInputs& in) { return unary_of(*in[0]); }
  Value unary_of(Value& x) {
    const bool sigmoid = node().op() == "Sigmoid" || node().op() == "QLinearSigmoid";
    const bool swish = node().op() == "HardSwish";
    Layer layer = new_layer(x, sigmoid ? LayerKind::sigmoid : swish ? LayerKind::hard_swish : LayerKind::hard_sigmoid);
    if (!sigmoid && !swish) layer.alpha = node().real("alpha", 0.2F), layer.offset = node().real("beta", 0.5F);
    return elementwise(x, std::move(layer));
  }

  Value softmax(NodeInputs& in) { return softmax_of(*in[0], node().opset() < 13 && node().opset() > 0); }
  Value softmax_of(Value& x, bool flattens);

  Value binary(NodeInputs& in) { return binary_of(*in[0], *in[1], node().op()); }
  Value binary_of(Value& a, Value& b, std::string_view op);

  // x op constant, one number or one a channel: a depthwise 1x1 convolution that does not learn.
  Value affine(Value& x, const Constant& c, std::string_view op, bool constant_first);

  // --- what moves data, or nothing ---

  Value identity(NodeInputs& in) { return *in[0]; }
  // Between floating point types, which are all float32 here. Others would change values.
  Value cast(NodeInputs& in) {
    const Type from = values_.type_of(*in[0]), to = static_cast<Type>(node().integer("to", 0));
    require(is_floating(from) && is_floating(to), "expected a cast between floating point types, found ", name_of(from),
            " to ", name_of(to), " (to = ", node().integer("to", 0), ")");
    return *in[0];
  }
  Value reshape(NodeInputs& in) {
    Value x = *in[0];
    const Constant* argument = in[1] == nullptr ? nullptr : &constant(in[1], "the shape or axes");
    values_.reshape(x, Folder<Lazy>::reshaped(node(), x.dims, argument), name_);
    return x;
  }
  Value transpose(NodeInputs& in);
  Value dropout(NodeInputs& in) {
    Layer layer = new_layer(*in[0], LayerKind::dropout);
    layer.rate = in[1] != nullptr ? scalar(constant(in[1], "the ratio")) : node().real("ratio", 0.5F);
    require(layer.rate >= 0.0F && layer.rate < 1.0F, "a ratio of ", layer.rate);
    return elementwise(*in[0], std::move(layer));
  }
  Value concat(NodeInputs& in) {
    std::vector<Value*> parts;
    for (Value* value : in)
      if (value != nullptr) parts.push_back(value);
    return concat_of(parts, node().integer("axis", 1));
  }
  Value concat_of(const std::vector<Value*>& parts, std::int64_t given_axis);

  // --- quantization ---

  [[nodiscard]] CodeGrid grid_of(const Value* scale, const Value* zero_point, std::size_t rank) const {
    const Constant* zero = zero_point == nullptr ? nullptr : &constant(zero_point, "the zero point");
    return make_code_grid(constant(scale, "the scale"), zero, node().integer("axis", 1), rank);
  }
  // The value on a grid; `zero_point` says the type of the codes.
  Value quantized(Value& x, const Value* scale, const Value* zero_point);
  // What codes stand for. A constant keeps its codes and gets a grid.
  Value dequantized(Value& x, const Value* scale, const Value* zero_point, std::int64_t channel_axis);
  // The bias of a quantized operator: int32 on the grid scale_x * scale_w[c].
  [[nodiscard]] std::optional<Value> dequantized_bias(const Value* bias, const Value* x_scale,
                                                      const Value* w_scale) const;

  Value quantize_linear(NodeInputs& in) { return quantized(*in[0], in[1], in[2]); }
  Value dequantize_linear(NodeInputs& in) { return dequantized(*in[0], in[1], in[2], node().integer("axis", 1)); }
  Value qlinear_conv(NodeInputs& in);
  Value qlinear_matmul(NodeInputs& in);
  Value qgemm(NodeInputs& in);
  Value qlinear_binary(NodeInputs& in);
  Value qlinear_pool(NodeInputs& in);
  Value qlinear_unary(NodeInputs& in);
  Value qlinear_softmax(NodeInputs& in);
  // Inputs: y_scale, y_zero_point, then (x, scale, zero_point) for each part.
  Value qlinear_concat(NodeInputs& in);

  ValueSpace<Lazy>& values_;
  const NodeReader* node_ = nullptr;
  std::string name_;
  std::optional<Constant> merged_bias_;
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_OPS_HPP_
