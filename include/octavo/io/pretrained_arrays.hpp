// octavo/io/pretrained_arrays.hpp: arrays that other frameworks trained into a graph, by the names that they gave them.
#ifndef OCTAVO_IO_PRETRAINED_ARRAYS_HPP_
#define OCTAVO_IO_PRETRAINED_ARRAYS_HPP_

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "../nn/layers/conv2d.hpp"
#include "../nn/layers/dense.hpp"
#include "../nn/layers/depthwise_conv2d.hpp"
#include "../nn/layers/shaping.hpp"
#include "../nn/weighted.hpp"
#include "pretrained_names.hpp"
#include "weight_set.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

struct PretrainedOptions {
  bool freeze = false;  // the layers that were filled
  // The dense layers, which belong to the classes that a network was trained on: taken where one layer of the file fits
  // (false), or required like all others (true).
  bool require_head = false;
};

// What was loaded.
struct Pretrained {
  std::string family;          // whose names: "torchvision", "timm", "Keras"; "ONNX": by order
  int arrays = 0;              // that were used; ONNX: layers with a kernel
  bool head = false;           // dense layers among them
  bool folded = false;         // ONNX: batch norm was folded into kernels; those of the model do nothing until
                               // train::unfold_batch_norm gives them statistics
  bool moved_padding = false;  // see load_pretrained
};

// Fills `model`, a graph with Keras' layer names (nn::mobilenet_v2), from arrays with the names of torchvision's,
// timm's or Keras' parameters; the family with most names in the file is taken. Kernels are transposed to our layouts.
// Afterwards the graph computes what theirs does: gamma makes up for another epsilon in batch norm, and where PyTorch
// puts the margin of a stride 2 convolution in front, Keras behind, the graph's zero padding is turned to fit. Throws,
// with the graph unchanged, one Error that lists all missing, surplus and mis-shaped arrays.
template <class Lazy = void>
Pretrained load_pretrained(nn::Graph& model, const WeightSet& weights, const PretrainedOptions& options = {});

namespace detail {

// A parameter of the graph and its name and extents in the file.
struct PretrainedTarget {
  int node;
  nn::Parameter* parameter;
  std::string name;
  Shape shape;
  std::vector<std::size_t> order;  // their axis for each of ours; their extents for depthwise: see below
  bool head;
};

// Their shape and, for each axis of ours, theirs.
inline void describe_layout(WeightLayout layout, const nn::Layer& layer, bool kernel, const Shape& ours,
                            PretrainedTarget& target) {
  target.shape = ours;
  target.order.clear();
  for (std::size_t i = 0; i < ours.rank(); ++i) target.order.push_back(i);
  if (!kernel) return;
  const bool torch = layout == WeightLayout::torch;
  if (const auto* depthwise = nn::layer_as<nn::DepthwiseConv2D>(layer)) {  // ours: H, W, C * M
    const std::int64_t multiplier = depthwise->options().multiplier;
    if (torch) {  // C * M, 1, H, W
      target.shape = {ours[2], 1, ours[0], ours[1]};
      target.order = {2, 3, 0, 1};
    } else {  // H, W, C, M
      target.shape = {ours[0], ours[1], ours[2] / multiplier, multiplier};
      target.order = {0, 1, 2, 3};
    }
  } else if (ours.rank() == 4) {  // ours: O, H, W, I
    target.shape = torch ? Shape{ours[0], ours[3], ours[1], ours[2]} : Shape{ours[1], ours[2], ours[3], ours[0]};
    target.order = torch ? std::vector<std::size_t>{0, 2, 3, 1} : std::vector<std::size_t>{3, 0, 1, 2};
  } else if (!torch) {  // dense, ours: out, in
    target.shape = {ours[1], ours[0]};
    target.order = {1, 0};
  }
}

// `values` of extents `shape` with its axes in the order `order`.
inline std::vector<float> reordered(const std::vector<float>& values, const Shape& shape,
                                    const std::vector<std::size_t>& order) {
  std::vector<std::int64_t> strides(order.size()), at(order.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    strides[i] = 1;
    for (std::size_t axis = order[i] + 1; axis < shape.rank(); ++axis) strides[i] *= shape[axis];
  }
  std::vector<float> result(values.size());
  std::int64_t from = 0;
  for (float& value : result) {
    value = values[static_cast<std::size_t>(from)];
    for (std::size_t i = order.size(); i-- > 0;) {
      from += strides[i];
      if (++at[i] < shape[order[i]]) break;
      from -= strides[i] * shape[order[i]];
      at[i] = 0;
    }
  }
  return result;
}

inline std::vector<PretrainedTarget> pretrained_targets(nn::Graph& model, const NameFamily& family) {
  std::vector<PretrainedTarget> targets;
  for (int id = 0; id < static_cast<int>(model.size()); ++id) {
    nn::Node& node = model.node(id);
    nn::Layer& layer = node.layer->inner();
    for (nn::Parameter* parameter : layer.parameters()) {
      PretrainedTarget target{id, parameter, {}, {}, {}, nn::layer_as<nn::Dense>(layer) != nullptr};
      target.name = name_in(family, node.name, parameter->name, nn::layer_as<nn::DepthwiseConv2D>(layer) != nullptr);
      describe_layout(family.layout, layer, parameter->name == "kernel", shape_of(parameter->value), target);
      targets.push_back(std::move(target));
    }
  }
  return targets;
}

// PyTorch's epsilon is 1e-5; gamma absorbs the difference to the layer's own.
inline void match_epsilon(nn::BatchNorm& norm, float epsilon) {
  for (std::size_t c = 0; c < norm.channels(); ++c) {
    const float variance = norm.moving_variance().value.data()[c];
    norm.gamma().value.data()[c] *= std::sqrt((variance + norm.options().epsilon) / (variance + epsilon));
  }
}

// In front of stride 2, Keras pads behind (0, 1), PyTorch (1, 1), of which the last row meets no window: (1, 0).
inline bool turn_padding(nn::Graph& model) {
  bool turned = false;
  for (int id = 1; id < static_cast<int>(model.size()); ++id) {
    const auto* pad = nn::layer_as<nn::ZeroPadding2D>(*model.node(id).layer);
    if (pad == nullptr || &model.node(id).layer->inner() != model.node(id).layer.get()) continue;
    const nn::Margins m = pad->margins();
    if (m.top == m.bottom && m.left == m.right) continue;
    model.replace(id, std::make_unique<nn::ZeroPadding2D>(nn::Margins{m.bottom, m.top, m.right, m.left}));
    turned = true;
  }
  return turned;
}

inline void list(std::string& text, std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  text += text.empty() ? "" : "; ";
  text += what;
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? " " : ", ") + names[i];
}

template <class Lazy = void>
const NameFamily& find_family(nn::Graph& model, const WeightSet& weights) {
  const NameFamily* best = nullptr;
  std::size_t most = 0;
  for (const NameFamily& family : kFamilies) {
    std::size_t found = 0;
    for (const PretrainedTarget& target : pretrained_targets(model, family))
      if (weights.arrays.contains(target.name)) ++found;
    if (found > most) most = found, best = &family;
  }
  require(best != nullptr, "'", weights.source, "': none of its ", weights.arrays.size(),
          " arrays has a name that torchvision, timm or Keras give to a parameter of '", model.name(), "'");
  return *best;
}

}  // namespace detail

template <class Lazy>
Pretrained load_pretrained(nn::Graph& model, const WeightSet& weights, const PretrainedOptions& options) {
  const NameFamily& family = detail::find_family(model, weights);
  std::vector<detail::PretrainedTarget> targets = detail::pretrained_targets(model, family);
  const auto array_of = [&](const detail::PretrainedTarget& target) -> const WeightArray* {
    const auto found = weights.arrays.find(target.name);
    return target.name.empty() || found == weights.arrays.end() ? nullptr : &found->second;
  };
  bool head = options.require_head;
  if (!head) {
    head = true;
    for (const auto& target : targets)
      if (target.head) head = head && array_of(target) != nullptr && array_of(target)->shape == target.shape;
  }
  std::vector<std::string> missing, misshaped, surplus;
  std::set<std::string> known;
  for (const auto& target : targets) {
    known.insert(target.name);
    if (target.head && !head) continue;
    const WeightArray* array = array_of(target);
    const std::string ours = model.node(target.node).name + "/" + target.parameter->name;
    if (array == nullptr)
      missing.push_back(target.name.empty() ? ours : target.name);
    else if (!(array->shape == target.shape))
      misshaped.push_back(target.name + " (expected " + target.shape.to_string() + ", found " +
                          array->shape.to_string() + ")");
  }
  // A head that is not taken: every name that the family gives to "predictions", and dense layers of the file's own.
  for (const char* parameter : {"kernel", "bias"}) known.insert(name_in(family, "predictions", parameter, false));
  for (const auto& [name, array] : weights.arrays)
    if (!known.contains(name) && !std::string_view(name).ends_with(family.ignored)) surplus.push_back(name);
  std::string text;
  detail::list(text, "missing:", missing);
  detail::list(text, "of another shape:", misshaped);
  detail::list(text, "surplus:", surplus);
  require(text.empty(), "'", weights.source, "' (", family.name, "'s names) does not fit '", model.name(), "': ", text);

  Pretrained result;
  result.family = family.name;
  for (const auto& target : targets) {
    if (target.head && !head) continue;
    const std::vector<float> values = detail::reordered(array_of(target)->values, target.shape, target.order);
    std::copy(values.begin(), values.end(), target.parameter->value.begin());
    result.head = result.head || target.head;
    ++result.arrays;
    if (options.freeze) model.node(target.node).frozen = true;
  }
  if (family.layout == WeightLayout::torch) {
    constexpr float torch_epsilon = 1e-5F;
    for (int id = 0; id < static_cast<int>(model.size()); ++id)
      if (auto* norm = nn::layer_as<nn::BatchNorm>(*model.node(id).layer)) detail::match_epsilon(*norm, torch_epsilon);
    result.moved_padding = detail::turn_padding(model);
  }
  return result;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_PRETRAINED_ARRAYS_HPP_
