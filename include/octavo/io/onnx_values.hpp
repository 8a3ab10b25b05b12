// octavo/io/onnx_values.hpp: the values of an ONNX graph while it is lowered: which layer makes each, and in which
// order its elements lie in memory.
//
// ONNX' images are NCHW, ours NHWC. Each value remembers ONNX' extents and the order of the axes in memory, so
// Transpose, Flatten, Squeeze and the like move nothing: a layer that moves data is written only where an operator
// needs another order than the one at hand.
#ifndef OCTAVO_IO_ONNX_VALUES_HPP_
#define OCTAVO_IO_ONNX_VALUES_HPP_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_constant.hpp"
#include "onnx_layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

struct Value {
  std::optional<Constant> constant;
  int layer = -1;               // that makes it
  Dims dims;                    // ONNX' extents; 0 is the batch
  std::vector<int> order;       // the axes that are neither the batch nor 1, as they follow in memory
  Dims flat;                    // not empty: extents, without the batch, that were flattened into axis 1 ...
  std::vector<int> flat_order;  // ... while memory held them in this order
};

inline constexpr std::int64_t kMaxImportExtent = std::int64_t{1} << 24;  // as runtime::validate has it

template <class Lazy = void>
class ValueSpace {
 public:
  std::vector<Layer> layers;

  // Extents above 1, without the batch, in ONNX' order.
  [[nodiscard]] static std::vector<int> plain_order(const Dims& dims) {
    std::vector<int> order;
    for (std::size_t axis = 1; axis < dims.size(); ++axis)
      if (dims[axis] != 1) order.push_back(static_cast<int>(axis));
    return order;
  }
  // H, W, C of NCHW.
  [[nodiscard]] static std::vector<int> image_order(const Dims& dims) {
    std::vector<int> order;
    for (const int axis : {2, 3, 1})
      if (dims[static_cast<std::size_t>(axis)] != 1) order.push_back(axis);
    return order;
  }

  // Adds a layer under a name that is not in use.
  int push(Layer layer) {
    for (const std::int64_t extent : layer.shape)
      require(extent >= 1 && extent <= kMaxImportExtent, "the result would be ", layer.shape.to_string());
    require(layer.shape.size() <= std::int64_t{1} << 31, "the result would be ", layer.shape.to_string());
    std::string name = layer.name.empty() ? std::string(name_of(layer.kind)) : layer.name;
    for (int k = 1; !names_.insert(name).second; ++k) name = layer.name + "_" + std::to_string(k);
    layer.name = std::move(name);
    layers.push_back(std::move(layer));
    return static_cast<int>(layers.size()) - 1;
  }
  [[nodiscard]] const Layer& layer_of(const Value& value) const {
    return layers[static_cast<std::size_t>(value.layer)];
  }
  [[nodiscard]] Type type_of(const Value& value) const {
    return value.constant ? value.constant->type : layer_of(value).type;
  }

  // The value that layer `id` makes, whose memory is NHWC for ONNX' `dims` NCHW.
  [[nodiscard]] static Value image(int id, Dims dims) {
    Value value;
    value.layer = id;
    value.order = image_order(dims);
    value.dims = std::move(dims);
    return value;
  }
  [[nodiscard]] static Value plain(int id, Dims dims) {
    Value value;
    value.layer = id;
    value.order = plain_order(dims);
    value.dims = std::move(dims);
    return value;
  }

  // Brings the value into the memory order `order`; writes a transpose where it has another.
  void arrange(Value& value, const std::vector<int>& order, const std::string& name) {
    require(!value.constant, "expected a value that is computed, found a constant");
    if (!value.flat.empty()) {  // back to what was flattened, then to the plain order
      Dims dims{value.dims[0]};
      dims.insert(dims.end(), value.flat.begin(), value.flat.end());
      Value whole;
      whole.layer = value.layer;
      whole.order = value.flat_order;
      whole.dims = dims;
      arrange(whole, plain_order(dims), name);
      value.layer = whole.layer;
      value.flat.clear();
      value.flat_order.clear();
      value.order = plain_order(value.dims);
    }
    if (value.order == order) return;
    require(std::is_permutation(order.begin(), order.end(), value.order.begin(), value.order.end()), "cannot bring ",
            to_string(value.dims), " into another order");
    Shape from = {1}, to = {1};
    Layer transpose = layer_like(value, LayerKind::transpose, name + "/transpose");
    for (const int axis : value.order) from.push_back(value.dims[static_cast<std::size_t>(axis)]);
    transpose.order = {0};
    for (const int axis : order) {
      to.push_back(value.dims[static_cast<std::size_t>(axis)]);
      const auto place = std::find(value.order.begin(), value.order.end(), axis) - value.order.begin();
      transpose.order.push_back(static_cast<int>(place) + 1);
    }
    transpose.inputs = {with_shape(value, from, name)};
    transpose.shape = to;
    value.layer = push(std::move(transpose));
    value.order = order;
  }

  // The layer that holds the value with this shape; memory stays as it is.
  int with_shape(Value& value, const Shape& shape, const std::string& name) {
    if (layer_of(value).shape == shape) return value.layer;
    require(layer_of(value).shape.size() == shape.size(), "cannot make ", shape.to_string(), " of ",
            layer_of(value).shape.to_string());
    Layer reshape = layer_like(value, LayerKind::reshape, name + "/reshape");
    reshape.inputs = {value.layer};
    reshape.shape = shape;
    return value.layer = push(std::move(reshape));
  }

  // The layer that holds an NCHW value as [1, H, W, C].
  int as_image(Value& value, const std::string& name) {
    require(!value.constant, "expected a value that is computed, found a constant");
    require(value.dims.size() == 4, "expected 4 extents (NCHW), found ", to_string(value.dims));
    arrange(value, image_order(value.dims), name);
    return with_shape(value, {1, value.dims[2], value.dims[3], value.dims[1]}, name);
  }
  // The layer that holds a value [N, K] as [1, K].
  int as_rows(Value& value, const std::string& name) {
    require(!value.constant, "expected a value that is computed, found a constant");
    require(value.dims.size() == 2, "expected 2 extents, found ", to_string(value.dims));
    arrange(value, plain_order(value.dims), name);
    return with_shape(value, {1, value.dims[1]}, name);
  }
  // The layer that holds a value with all its extents: NHWC for four, else ONNX' order.
  int as_whole(Value& value, const std::string& name) {
    if (value.dims.size() == 4 && value.flat.empty() && value.order == image_order(value.dims))
      return as_image(value, name);
    if (!value.flat.empty()) arrange(value, plain_order(value.dims), name);
    // Extents of 1 have no place in memory: they stand behind the axis that ONNX has in front of them.
    Shape shape = {1};
    std::vector<int> axes;
    for (std::size_t axis = 1; axis < value.dims.size(); ++axis)
      if (value.dims[axis] == 1) axes.push_back(static_cast<int>(axis));
    std::vector<int> all = value.order;
    for (const int axis : axes) all.insert(all.begin() + std::min<std::ptrdiff_t>(axis - 1, std::ssize(all)), axis);
    for (const int axis : all) shape.push_back(value.dims[static_cast<std::size_t>(axis)]);
    return with_shape(value, shape, name);
  }

  // The same elements in ONNX' order with other extents: Reshape, Flatten, Squeeze, Unsqueeze.
  void reshape(Value& value, const Dims& dims, const std::string& name) {
    if (dims == value.dims) return;
    require(!dims.empty() && dims[0] == value.dims[0], "cannot make ", to_string(dims), " of ", to_string(value.dims),
            ": the batch must stay in front");
    if (!value.flat.empty()) arrange(value, plain_order(value.dims), name);
    if (same_but_ones(value, dims)) return;
    if (value.order != plain_order(value.dims)) {
      if (dims.size() == 2) {  // a dense layer can take its inputs in any order
        value.flat.assign(value.dims.begin() + 1, value.dims.end());
        value.flat_order = value.order;
        value.dims = dims;
        value.order = plain_order(dims);
        return;
      }
      if (merges(value, dims)) return;
      arrange(value, plain_order(value.dims), name);
    }
    value.dims = dims;
    value.order = plain_order(dims);
  }

  // A layer of `kind` with the type and grid of the value.
  [[nodiscard]] Layer layer_like(const Value& value, LayerKind kind, std::string name) const {
    Layer layer;
    layer.kind = kind;
    layer.name = std::move(name);
    layer.type = layer_of(value).type;
    layer.shape = layer_of(value).shape;
    return layer;
  }

 private:
  // Only extents of 1 come or go: the order stays, with new numbers for the axes.
  static bool same_but_ones(Value& value, const Dims& dims) {
    const std::vector<int> before = plain_order(value.dims), after = plain_order(dims);
    if (before.size() != after.size()) return false;
    for (std::size_t i = 0; i < before.size(); ++i)
      if (value.dims[static_cast<std::size_t>(before[i])] != dims[static_cast<std::size_t>(after[i])]) return false;
    for (int& axis : value.order)
      axis = after[static_cast<std::size_t>(std::find(before.begin(), before.end(), axis) - before.begin())];
    value.dims = dims;
    return true;
  }
  // [N, C, H, W] to [N, C, H * W]: axes that follow each other in memory become one.
  static bool merges(Value& value, const Dims& dims) {
    if (value.dims.size() != 4 || dims.size() != 3 || dims[1] != value.dims[1]) return false;
    if (value.order != image_order(value.dims)) return false;
    value.dims = dims;
    value.order.clear();
    for (const int axis : {2, 1})
      if (dims[static_cast<std::size_t>(axis)] != 1) value.order.push_back(axis);
    return true;
  }

  std::set<std::string> names_;
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_VALUES_HPP_
