// octavo/io/onnx_lower_windows.hpp: lowers ONNX' convolutions, pools, pads, means and matrix products.
#ifndef OCTAVO_IO_ONNX_LOWER_WINDOWS_HPP_
#define OCTAVO_IO_ONNX_LOWER_WINDOWS_HPP_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_layer.hpp"
#include "onnx_lower_ops.hpp"
#include "onnx_values.hpp"
#include "onnx_window.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

template <class Lazy>
Value OpLowering<Lazy>::conv_of(Value& x, const Constant& kernel, const Value* bias) {
  require(kernel.dims.size() == 4, "only two-dimensional kernels (OIHW) are imported, found ", to_string(kernel.dims));
  Layer layer = image_layer(x, LayerKind::conv);
  const std::int64_t out = kernel.dims[0], per_group = kernel.dims[1], channels = x.dims[1];
  const std::int64_t kh = kernel.dims[2], kw = kernel.dims[3];
  layer.groups = node().integer("group", 1);
  require(layer.groups >= 1 && out >= 1 && channels % layer.groups == 0 && out % layer.groups == 0 &&
              per_group == channels / layer.groups,
          "kernel ", to_string(kernel.dims), " with ", layer.groups, " groups does not fit ", to_string(x.dims));
  const auto declared = node().list("kernel_shape");
  require(declared.empty() || declared == Dims{kh, kw}, "kernel_shape ", to_string(declared),
          " is not that of the kernel ", to_string(kernel.dims));
  read_window(node(), kh, kw, x.dims, layer);
  if (layer.groups > 1 && layer.groups == channels) {
    layer.kind = LayerKind::depthwise;
    layer.weights = Strided{kernel, {kh, kw, out}, {kw, 1, kh * kw}, 2};
  } else {
    layer.weights = Strided{kernel, {out, kh, kw, per_group}, {per_group * kh * kw, kw, 1, kh * kw}, 0};
  }
  if (bias != nullptr) layer.bias = vector_of(constant(bias, "the bias"), out, "the bias");
  layer.type = Type::f32;
  const Dims dims = {x.dims[0], out, output_extent(layer, x.dims[2], true), output_extent(layer, x.dims[3], false)};
  layer.shape = {1, dims[2], dims[3], out};
  return values_.image(values_.push(std::move(layer)), dims);
}

template <class Lazy>
Value OpLowering<Lazy>::pool_of(Value& x, bool is_max) {
  require(node().node().outputs.size() == 1, "its second output, the indices, is not computed");
  Layer layer = image_layer(x, is_max ? LayerKind::max_pool : LayerKind::average_pool);
  const auto kernel = node().list("kernel_shape");
  require(kernel.size() == 2, "expected a kernel_shape of two extents, found ", to_string(kernel));
  read_window(node(), kernel[0], kernel[1], x.dims, layer);
  require(layer.dilation_h == 1 && layer.dilation_w == 1, "dilated pools are not imported");
  if (!is_max && node().integer("count_include_pad", 0) != 0 &&
      std::max({layer.top, layer.bottom, layer.left, layer.right}) > 0) {
    require(node().integer("ceil_mode", 0) == 0, "ceil_mode together with count_include_pad");
    Layer margins = values_.layer_like(x, LayerKind::pad, name_ + "/pad");
    margins.inputs = layer.inputs;
    margins.top = layer.top, margins.bottom = layer.bottom, margins.left = layer.left, margins.right = layer.right;
    margins.shape = {1, x.dims[2] + layer.top + layer.bottom, x.dims[3] + layer.left + layer.right, x.dims[1]};
    layer.inputs = {values_.push(std::move(margins))};
    layer.top = layer.bottom = layer.left = layer.right = 0;
    const Layer& padded = values_.layers.back();
    const Dims dims = {x.dims[0], x.dims[1], output_extent(layer, padded.shape[1], true),
                       output_extent(layer, padded.shape[2], false)};
    layer.shape = {1, dims[2], dims[3], dims[1]};
    return values_.image(values_.push(std::move(layer)), dims);
  }
  if (node().integer("ceil_mode", 0) != 0) grow_to_ceiling(layer, x.dims[2], x.dims[3]);
  const Dims dims = {x.dims[0], x.dims[1], output_extent(layer, x.dims[2], true),
                     output_extent(layer, x.dims[3], false)};
  layer.shape = {1, dims[2], dims[3], dims[1]};
  return values_.image(values_.push(std::move(layer)), dims);
}

template <class Lazy>
Value OpLowering<Lazy>::mean_of(Value& x, bool keep_extents) {
  Layer layer = image_layer(x, LayerKind::global_average_pool);
  layer.shape = {1, x.dims[1]};
  const int id = values_.push(std::move(layer));
  return values_.plain(id, keep_extents ? Dims{x.dims[0], x.dims[1], 1, 1} : Dims{x.dims[0], x.dims[1]});
}

template <class Lazy>
Value OpLowering<Lazy>::reduce_mean(NodeInputs& in) {
  std::vector<std::int64_t> axes = in[1] != nullptr ? integers(constant(in[1], "the axes")) : node().list("axes");
  for (std::int64_t& axis : axes) axis = static_cast<std::int64_t>(detail::axis_of(axis, in[0]->dims.size()));
  std::sort(axes.begin(), axes.end());
  Value x = *in[0];
  const bool keep = node().integer("keepdims", 1) != 0;
  if (x.dims.size() == 4 && axes == Dims{1, 2}) {  // the image was transposed to NHWC
    Dims dims = {x.dims[0], x.dims[3], x.dims[1], x.dims[2]};
    for (int& axis : x.order) axis = axis == 3 ? 1 : axis + 1;
    x.dims = dims;
    Value mean = mean_of(x, false);
    if (keep) values_.reshape(mean, {mean.dims[0], 1, 1, mean.dims[1]}, name_);
    return mean;
  }
  if (x.dims.size() == 3 && axes == Dims{2} && x.order != values_.plain_order(x.dims)) {  // [N, C, H * W]
    Value mean;
    Dims dims = {x.dims[0], x.dims[1], x.dims[2], 1};
    for (int& axis : x.order) axis = axis == 2 ? 2 : 1;
    x.dims = dims;
    mean = mean_of(x, false);
    if (keep) values_.reshape(mean, {mean.dims[0], mean.dims[1], 1}, name_);
    return mean;
  }
  require(x.dims.size() == 4 && axes == Dims{2, 3}, "only the mean over height and width is imported, found axes ",
          to_string(axes), " of ", to_string(x.dims));
  return mean_of(x, keep);
}

template <class Lazy>
Value OpLowering<Lazy>::pad(NodeInputs& in) {
  const std::string_view mode = node().text("mode", "constant");
  require(mode == "constant", "mode '", mode, "' is not imported");
  std::vector<std::int64_t> pads = in[1] != nullptr ? integers(constant(in[1], "pads")) : node().list("pads");
  Value& x = *in[0];
  const std::size_t rank = x.dims.size();
  if (in[3] != nullptr) {  // the axes that the pads are for
    std::vector<std::int64_t> all(2 * rank, 0);
    const auto axes = integers(constant(in[3], "axes"));
    require(pads.size() == 2 * axes.size(), "expected two pads an axis");
    for (std::size_t i = 0; i < axes.size(); ++i) {
      all[detail::axis_of(axes[i], rank)] = pads[i];
      all[detail::axis_of(axes[i], rank) + rank] = pads[i + axes.size()];
    }
    pads = all;
  }
  require(pads.size() == 2 * rank, "expected ", 2 * rank, " pads, found ", pads.size());
  if (std::all_of(pads.begin(), pads.end(), [](std::int64_t p) { return p == 0; })) return x;
  require(rank == 4, "only images (NCHW) are padded, found ", to_string(x.dims));
  if (in[2] != nullptr || node().has("value")) {
    if (in[2] != nullptr)
      require(constant(in[2], "the value").size() == 1, "the value: expected one number, found ",
              to_string(in[2]->dims));
    const double fill = in[2] == nullptr ? static_cast<double>(node().real("value", 0.0F))
                                         : stored_numbers<double>(*in[2]->constant)[0];
    const Layer& from = values_.layer_of(x);
    const double zero = from.type == Type::f32 || from.grid.zero_point.empty() ? 0.0 : from.grid.zero_point[0];
    require(fill == zero, "only padding with 0 is imported, found ", fill);
  }
  Layer layer = image_layer(x, LayerKind::pad);
  require(pads[0] == 0 && pads[1] == 0 && pads[4] == 0 && pads[5] == 0, "only height and width are padded, found ",
          to_string(pads));
  for (const std::int64_t amount : pads)
    require(amount >= 0 && amount <= kMaxImportExtent, "a padding of ", amount, " is not imported");
  layer.top = pads[2], layer.left = pads[3], layer.bottom = pads[6], layer.right = pads[7];
  const Dims dims = {x.dims[0], x.dims[1], x.dims[2] + layer.top + layer.bottom, x.dims[3] + layer.left + layer.right};
  layer.shape = {1, dims[2], dims[3], dims[1]};
  return values_.image(values_.push(std::move(layer)), dims);
}

template <class Lazy>
Value OpLowering<Lazy>::dense(Value& x, const Constant& matrix, bool transposed, const std::optional<Constant>& bias) {
  require(node().integer("transA", 0) == 0, "a transposed first input is not imported");
  require(!x.constant && x.dims.size() == 2 && matrix.dims.size() == 2,
          "only products of two matrices are imported, found ", to_string(x.dims), " and ", to_string(matrix.dims));
  const std::int64_t inputs = matrix.dims[transposed ? 1 : 0], outputs = matrix.dims[transposed ? 0 : 1];
  require(inputs == x.dims[1] && outputs >= 1, "the matrix ", to_string(matrix.dims), " does not fit ",
          to_string(x.dims));
  Layer layer = new_layer(x, LayerKind::dense);
  layer.type = Type::f32;
  layer.weights = dense_weights(x, matrix, outputs, transposed);
  layer.weights->factor = node().real("alpha", 1.0F);
  if (bias && bias->size() > 0) {
    require(bias->size() == outputs || bias->size() == 1, "the bias: expected ", outputs, " values, found ",
            to_string(bias->dims));
    require(bias->size() == 1 || bias->dims.back() == outputs, "the bias has the shape ", to_string(bias->dims));
    layer.bias = Strided{*bias, {outputs}, {bias->size() == 1 ? 0 : 1}, 0, node().real("beta", 1.0F)};
  }
  const int source = x.flat.empty() ? values_.as_rows(x, name_) : values_.with_shape(x, {1, x.dims[1]}, name_);
  layer.inputs = {source};
  layer.shape = {1, outputs};
  return values_.plain(values_.push(std::move(layer)), {x.dims[0], outputs});
}

template <class Lazy>
Strided OpLowering<Lazy>::dense_weights(const Value& x, const Constant& matrix, std::int64_t outputs, bool transposed) {
  const std::int64_t in_stride = transposed ? 1 : outputs, out_stride = transposed ? matrix.dims[1] : 1;
  if (x.flat.empty()) return {matrix, {outputs, x.dims[1]}, {out_stride, in_stride}, 0};
  Strided weights{matrix, {outputs}, {out_stride}, 0};
  for (const int axis : x.flat_order) {
    std::int64_t stride = in_stride;
    for (std::size_t i = static_cast<std::size_t>(axis); i < x.flat.size(); ++i) stride *= x.flat[i];
    weights.extents.push_back(x.flat[static_cast<std::size_t>(axis) - 1]);
    weights.strides.push_back(stride);
  }
  return weights;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_WINDOWS_HPP_
