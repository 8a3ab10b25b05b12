// octavo/io/onnx_pretrained.hpp: the weights of an ONNX model in a graph of the same layers with names of its own.
#ifndef OCTAVO_IO_ONNX_PRETRAINED_HPP_
#define OCTAVO_IO_ONNX_PRETRAINED_HPP_

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "../nn/layers/dense.hpp"
#include "../nn/weighted.hpp"
#include "onnx.hpp"
#include "pretrained_arrays.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Fills `model` from an ONNX model whose convolutions have the same kernels in the same order. A batch norm layer takes
// the one behind its convolution in the file, or the bias where the file's is folded. Dense layers are taken where all
// of them fit. Throws, with the graph unchanged, and lists the layers that differ.
template <class Lazy = void>
Pretrained load_pretrained_onnx(nn::Graph& model, const std::string& path, const PretrainedOptions& options = {});

namespace detail {

// A weighted layer and the batch norm that alone reads it, or null.
struct WeightedPart {
  int node;
  nn::WeightedLayer* layer;
  nn::BatchNorm* norm;
  bool dense;
};

inline std::vector<WeightedPart> weighted_parts(nn::Graph& graph, bool skip_frozen) {
  const auto readers = graph.consumers();
  std::vector<WeightedPart> parts;
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    auto* const layer = nn::layer_as<nn::WeightedLayer>(*graph.node(id).layer);
    if (layer == nullptr || (skip_frozen && graph.node(id).frozen)) continue;
    const std::vector<int>& next = readers[static_cast<std::size_t>(id)];
    nn::BatchNorm* norm = next.size() == 1 ? nn::layer_as<nn::BatchNorm>(*graph.node(next[0]).layer) : nullptr;
    parts.push_back({id, layer, norm, nn::layer_as<nn::Dense>(*graph.node(id).layer) != nullptr});
  }
  return parts;
}

inline void copy_part(const WeightedPart& from, const WeightedPart& to) {
  const auto copy = [](const nn::Parameter& a, nn::Parameter& b) {
    std::copy(a.value.begin(), a.value.end(), b.value.begin());
  };
  copy(from.layer->kernel(), to.layer->kernel());
  const nn::Parameter* bias = from.layer->bias();
  if (to.norm == nullptr) {
    if (to.layer->bias() == nullptr) return;
    if (bias != nullptr)
      copy(*bias, *to.layer->bias());
    else
      std::fill(to.layer->bias()->value.begin(), to.layer->bias()->value.end(), 0.0F);
    return;
  }
  if (to.layer->bias() != nullptr) std::fill(to.layer->bias()->value.begin(), to.layer->bias()->value.end(), 0.0F);
  for (std::size_t c = 0; c < to.norm->channels(); ++c) {
    const float shift = bias == nullptr ? 0.0F : bias->value.data()[c];
    if (from.norm == nullptr) {  // gain 1
      to.norm->gamma().value.data()[c] = std::sqrt(1.0F + to.norm->options().epsilon);
      to.norm->beta().value.data()[c] = shift;
      to.norm->moving_mean().value.data()[c] = 0.0F;
      to.norm->moving_variance().value.data()[c] = 1.0F;
      continue;
    }
    to.norm->gamma().value.data()[c] = from.norm->gamma().value.data()[c];
    to.norm->beta().value.data()[c] = from.norm->beta().value.data()[c];
    to.norm->moving_mean().value.data()[c] = from.norm->moving_mean().value.data()[c] - shift;
    to.norm->moving_variance().value.data()[c] = from.norm->moving_variance().value.data()[c];
  }
  if (from.norm != nullptr) match_epsilon(*to.norm, from.norm->options().epsilon);
}

// Whether the first convolution with stride 2 has its margin in front, as PyTorch's.
inline bool pads_in_front(const nn::Graph& graph) {
  for (const nn::Node& node : graph.nodes())
    if (const auto* conv = nn::layer_as<nn::Conv2D>(std::as_const(*node.layer));
        conv != nullptr && conv->options().strides.height == 2)
      return conv->geometry().window.pad_top > 0;
  return false;
}

}  // namespace detail

template <class Lazy>
Pretrained load_pretrained_onnx(nn::Graph& model, const std::string& path, const PretrainedOptions& options) {
  nn::Graph source = load_onnx_graph<Lazy>(path);
  std::vector<detail::WeightedPart> from = detail::weighted_parts(source, true),
                                    to = detail::weighted_parts(model, false);
  const auto split = [](std::vector<detail::WeightedPart>& parts) {
    std::vector<detail::WeightedPart> dense;
    const auto middle = std::stable_partition(parts.begin(), parts.end(), [](const auto& p) { return !p.dense; });
    dense.assign(middle, parts.end());
    parts.erase(middle, parts.end());
    return dense;
  };
  const std::vector<detail::WeightedPart> from_head = split(from), to_head = split(to);
  std::string text;
  const auto fits = [&](const detail::WeightedPart& a, const detail::WeightedPart& b) {
    return shape_of(a.layer->kernel().value) == shape_of(b.layer->kernel().value) &&
           !(b.norm == nullptr && a.norm != nullptr);
  };
  const auto compare = [&](const auto& theirs, const auto& ours) {
    std::vector<std::string> missing, surplus, misshaped;
    for (std::size_t i = 0; i < std::max(theirs.size(), ours.size()); ++i) {
      if (i >= theirs.size()) {
        missing.push_back(model.node(ours[i].node).name);
      } else if (i >= ours.size()) {
        surplus.push_back(source.node(theirs[i].node).name);
      } else if (!fits(theirs[i], ours[i])) {
        misshaped.push_back(model.node(ours[i].node).name + " (expected " +
                            shape_of(ours[i].layer->kernel().value).to_string() + ", found " +
                            shape_of(theirs[i].layer->kernel().value).to_string() + " in '" +
                            source.node(theirs[i].node).name + "')");
      }
    }
    detail::list(text, "missing:", missing);
    detail::list(text, "of another shape:", misshaped);
    detail::list(text, "surplus:", surplus);
    return missing.empty() && surplus.empty() && misshaped.empty();
  };
  compare(from, to);
  std::string backbone = text;
  Pretrained result;
  result.family = "ONNX";
  result.head = compare(from_head, to_head) && !to_head.empty();
  if (!options.require_head) text = backbone;
  require(text.empty(), "'", path, "' does not fit '", model.name(), "': ", text);

  const auto fill = [&](const auto& theirs, const auto& ours) {
    for (std::size_t i = 0; i < ours.size(); ++i) {
      detail::copy_part(theirs[i], ours[i]);
      result.folded = result.folded || (theirs[i].norm == nullptr && ours[i].norm != nullptr);
      if (options.freeze) model.node(ours[i].node).frozen = true;
      ++result.arrays;
    }
  };
  fill(from, to);
  if (result.head) fill(from_head, to_head);
  if (options.freeze)
    for (const auto& part : to)
      for (int id = 0; id < static_cast<int>(model.size()); ++id)
        if (part.norm != nullptr && nn::layer_as<nn::BatchNorm>(*model.node(id).layer) == part.norm)
          model.node(id).frozen = true;
  if (detail::pads_in_front(source) && !detail::pads_in_front(model))
    result.moved_padding = detail::turn_padding(model);
  return result;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_PRETRAINED_HPP_
