// octavo/io/onnx_lower_elements.hpp: lowers ONNX' operators that join, normalize or reorder values.
#ifndef OCTAVO_IO_ONNX_LOWER_ELEMENTS_HPP_
#define OCTAVO_IO_ONNX_LOWER_ELEMENTS_HPP_

#include <algorithm>
#include <cstdint>
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
Value OpLowering<Lazy>::softmax_of(Value& x, bool flattens) {
  const std::int64_t fallback = flattens ? 1 : -1;
  const std::size_t axis = detail::axis_of(node().integer("axis", fallback), x.dims.size());
  std::int64_t behind = 1;
  for (std::size_t i = axis + 1; i < x.dims.size(); ++i) behind *= x.dims[i];
  Layer layer = new_layer(x, LayerKind::softmax);
  if (flattens && behind != 1) {  // before operator set 13: over all axes from this one
    require(axis == 1, "softmax over the axes from ", axis, " of ", to_string(x.dims));
    values_.arrange(x, values_.plain_order(x.dims), name_);
    layer.inputs = {values_.with_shape(x, {1, elements_of({x.dims.begin() + 1, x.dims.end()})}, name_)};
  } else {
    std::vector<int> order = x.flat.empty() ? x.order : values_.plain_order(x.dims);
    const auto place = std::find(order.begin(), order.end(), static_cast<int>(axis));
    if (place != order.end()) std::rotate(place, place + 1, order.end());
    values_.arrange(x, order, name_);
    const std::int64_t width = x.dims[axis];
    layer.inputs = {x.layer};
    if (values_.layer_of(x).shape.back() != width || values_.layer_of(x).shape.rank() < 2)
      layer.inputs = {values_.with_shape(x, {1, values_.layer_of(x).shape.size() / width, width}, name_)};
  }
  layer.shape = values_.layers[static_cast<std::size_t>(layer.inputs[0])].shape;
  Value result = x;
  result.layer = values_.push(std::move(layer));
  return result;
}

template <class Lazy>
Value OpLowering<Lazy>::binary_of(Value& a, Value& b, std::string_view op) {
  if (a.constant && b.constant) fail("two constants of these types are not computed");
  if (a.constant || b.constant)
    return affine(a.constant ? b : a, a.constant ? *a.constant : *b.constant, op, a.constant.has_value());
  require(op == "Add" || op == "Mul", "between computed values only Add and Mul are imported");
  const bool add = op == "Add";
  if (a.dims != b.dims) {
    require(!add && a.dims.size() == 4 && b.dims.size() == 4, "values of ", to_string(a.dims), " and ",
            to_string(b.dims), ": only Mul takes one factor a channel");
    Value& gate = a.dims[2] * a.dims[3] == 1 ? a : b;
    Value& x = &gate == &a ? b : a;
    require(gate.dims[1] == x.dims[1] && gate.dims[2] == 1 && gate.dims[3] == 1, "values of ", to_string(a.dims),
            " and ", to_string(b.dims), ": expected one factor a channel");
    Layer layer = image_layer(x, LayerKind::mul);
    layer.inputs.push_back(values_.as_image(gate, name_));
    return values_.image(values_.push(std::move(layer)), x.dims);
  }
  std::vector<int> order = !a.flat.empty() ? values_.plain_order(a.dims) : a.order;
  values_.arrange(a, order, name_);
  values_.arrange(b, order, name_);
  const Shape shape = values_.layer_of(a).shape;
  Layer layer = new_layer(a, add ? LayerKind::add : LayerKind::mul);
  layer.inputs = {a.layer, values_.with_shape(b, shape, name_)};
  Value result = a;
  result.layer = values_.push(std::move(layer));
  return result;
}

template <class Lazy>
Value OpLowering<Lazy>::affine(Value& x, const Constant& c, std::string_view op, bool constant_first) {
  require(x.dims.size() >= 2, "expected 2 or more extents, found ", to_string(x.dims));
  const std::size_t rank = x.dims.size();
  const bool last = rank == 4 && x.order.size() > 0 && x.order.back() == 3 && x.order != values_.image_order(x.dims);
  const std::size_t channel = last ? 3 : 1;  // the axis that is innermost in memory
  const std::int64_t channels = x.dims[channel];
  Dims extents(rank > c.dims.size() ? rank - c.dims.size() : 0, 1);
  extents.insert(extents.end(), c.dims.begin(), c.dims.end());
  for (std::size_t i = 0; i < extents.size(); ++i)
    require(extents.size() == rank && (extents[i] == 1 || (i == channel && extents[i] == channels)), "a constant of ",
            to_string(c.dims), " with a value of ", to_string(x.dims), ": expected one number, or one a channel");
  std::vector<float> numbers = real_values(c);
  numbers.resize(static_cast<std::size_t>(channels), numbers.at(0));
  const bool sum = op == "Add" || op == "Sub";
  require(op != "Div" || !constant_first, "a constant divided by a value is not imported");
  const float sign = op == "Sub" && constant_first ? -1.0F : 1.0F;
  std::vector<float> gain(numbers.size(), sign), offset(numbers.size(), 0.0F);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (sum)
      offset[i] = op == "Sub" && !constant_first ? -numbers[i] : numbers[i];
    else
      gain[i] = op == "Div" ? 1.0F / numbers[i] : numbers[i];
  }
  Value result = x;
  if (!last && rank == 4) values_.as_image(x, name_);
  const Shape before = values_.layer_of(x).shape;
  require(rank == 4 || rank == 2, "a constant with a value of ", to_string(x.dims), " is not imported");
  Value image = x;
  if (!image.flat.empty()) values_.arrange(image, values_.plain_order(image.dims), name_);
  const Shape as_image = {1, before.size() / channels, 1, channels};
  Layer layer = new_layer(x, LayerKind::depthwise);
  layer.inputs = {rank == 4 && before.rank() == 4 ? image.layer : values_.with_shape(image, as_image, name_)};
  layer.groups = channels;
  layer.fixed = true;
  layer.weights = Strided{make_constant({channels}, gain), {1, 1, channels}, {0, 0, 1}, 2};
  layer.bias = vector_of(make_constant({channels}, offset), channels, "the constant");
  layer.shape = values_.layers[static_cast<std::size_t>(layer.inputs[0])].shape;
  result = image;
  result.layer = values_.push(std::move(layer));
  return result;
}

template <class Lazy>
Value OpLowering<Lazy>::concat_of(const std::vector<Value*>& parts, std::int64_t given_axis) {
  require(!parts.empty(), "it has no inputs");
  if (parts.size() == 1) return *parts[0];
  Value& first = *parts[0];
  const std::size_t rank = first.dims.size(), axis = detail::axis_of(given_axis, rank);
  require(axis > 0, "joining along the batch is not imported");
  require(rank == 4 || rank == 2, "joining values of ", to_string(first.dims), " is not imported");
  Dims dims = first.dims;
  Layer layer;
  layer.kind = LayerKind::concat;
  layer.name = name_;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Dims other = parts[i]->dims;
    require(other.size() == rank, "values of ", to_string(first.dims), " and ", to_string(other));
    if (i > 0) dims[axis] += other[axis];
    other[axis] = dims[axis];
    require(other == dims, "the extents differ outside of axis ", axis, ": ", to_string(first.dims), " and ",
            to_string(parts[i]->dims));
    layer.inputs.push_back(rank == 4 ? values_.as_image(*parts[i], name_) : values_.as_rows(*parts[i], name_));
  }
  layer.type = values_.layer_of(first).type;
  constexpr int places[] = {0, 3, 1, 2};
  layer.axis = rank == 4 ? places[axis] : 1;
  layer.shape = rank == 4 ? Shape{1, dims[2], dims[3], dims[1]} : Shape{1, dims[1]};
  const int id = values_.push(std::move(layer));
  return rank == 4 ? values_.image(id, dims) : values_.plain(id, dims);
}

template <class Lazy>
Value OpLowering<Lazy>::batch_norm(NodeInputs& in) {
  Value& x = *in[0];
  require(x.dims.size() == 4 || x.dims.size() == 2, "expected 2 or 4 extents, found ", to_string(x.dims));
  const std::int64_t channels = x.dims[1];
  const int input = x.dims.size() == 4 ? values_.as_image(x, name_) : values_.as_rows(x, name_);
  Layer layer = new_layer(x, LayerKind::batch_norm);
  layer.inputs = {input};
  std::vector<float>* const parts[] = {&layer.gamma, &layer.beta, &layer.mean, &layer.variance};
  for (std::size_t i = 0; i < 4; ++i) {
    const Constant& part = constant(in[i + 1], "scale, bias, mean and variance");
    require(part.size() == channels, "expected ", channels, " values, found ", to_string(part.dims));
    *parts[i] = real_values(part);
  }
  layer.epsilon = node().real("epsilon", 1e-5F);
  layer.momentum = node().real("momentum", 0.9F);
  require(layer.epsilon >= 0.0F && layer.momentum >= 0.0F && layer.momentum <= 1.0F, "epsilon ", layer.epsilon,
          " or momentum ", layer.momentum, " is out of range");
  Value result = x;
  result.layer = values_.push(std::move(layer));
  return result;
}

template <class Lazy>
Value OpLowering<Lazy>::transpose(NodeInputs& in) {
  Value x = *in[0];
  if (!x.flat.empty()) values_.arrange(x, values_.plain_order(x.dims), name_);
  std::vector<std::int64_t> perm = node().list("perm");
  if (perm.empty())
    for (std::size_t i = x.dims.size(); i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
  require(perm.size() == x.dims.size() && perm[0] == 0, "order ", to_string(perm), " of ", to_string(x.dims),
          ": the batch must stay in front");
  Dims dims;
  std::vector<int> place(perm.size(), -1);
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const std::size_t from = detail::axis_of(perm[i], perm.size());
    require(place[from] < 0, "order ", to_string(perm), " names an axis twice");
    place[from] = static_cast<int>(i);
    dims.push_back(x.dims[from]);
  }
  for (int& axis : x.order) axis = place[static_cast<std::size_t>(axis)];
  x.dims = std::move(dims);
  return x;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_ELEMENTS_HPP_
