// octavo/io/load_folded_weights.hpp: weights with folded batch norm (folded_weights.hpp) into a graph that can train.
#ifndef OCTAVO_IO_LOAD_FOLDED_WEIGHTS_HPP_
#define OCTAVO_IO_LOAD_FOLDED_WEIGHTS_HPP_

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "../nn/graph.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "../nn/layers/dense.hpp"
#include "../nn/weighted.hpp"
#include "folded_weights.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Fills the convolutions and depthwise convolutions of `graph`, in order, from the layers of a folder that holds
// layer_map.csv and one .bin file. A bias goes to the layer's own bias or to the beta of the batch norm behind it,
// whose gain becomes 1: the graph then computes the folded network's function. train::unfold_batch_norm gives such
// batch norms real statistics before they train. A dense layer takes the file's classifier when the shapes fit;
// otherwise it and all behind it keep their values. Throws, with the graph unchanged, when a layer's shape differs, or
// the file has more or fewer convolutions than the graph. Returns the number of layers filled.
inline int load_folded_weights(nn::Graph& graph, const std::string& folder);

namespace detail {

// The only file in `folder` that ends so.
inline std::string only_file(const std::string& folder, const std::string& ending) {
  std::vector<std::string> found;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code))
    if (entry.path().extension() == ending) found.push_back(entry.path().string());
  require(!code, "folded weights: cannot read folder '", folder, "': ", code.message());
  require(found.size() == 1, "folded weights: expected one ", ending, " file in '", folder, "', found ", found.size());
  return found[0];
}

// A weighted layer, the batch norm that takes its bias (or null), and where its numbers come from.
struct FoldedTarget {
  nn::WeightedLayer* layer;
  nn::BatchNorm* norm;
  const FoldedLayer* source;
};

inline void fill(const FoldedTarget& target) {
  std::copy(target.source->weights.begin(), target.source->weights.end(), target.layer->kernel().value.begin());
  if (nn::Parameter* bias = target.layer->bias())
    std::copy(target.source->bias.begin(), target.source->bias.end(), bias->value.begin());
  if (target.norm == nullptr) return;
  const bool has_bias = target.layer->bias() != nullptr;
  for (std::size_t c = 0; c < target.norm->channels(); ++c) {
    target.norm->gamma().value.data()[c] = std::sqrt(1.0F + target.norm->options().epsilon);
    target.norm->beta().value.data()[c] = has_bias ? 0.0F : target.source->bias[c];
    target.norm->moving_mean().value.data()[c] = 0.0F;
    target.norm->moving_variance().value.data()[c] = 1.0F;
  }
}

}  // namespace detail

inline int load_folded_weights(nn::Graph& graph, const std::string& folder) {
  const std::vector<FoldedLayer> layers =
      read_folded_weights(detail::only_file(folder, ".csv"), detail::only_file(folder, ".bin"));
  const auto readers = graph.consumers();
  std::vector<detail::FoldedTarget> targets;
  std::size_t next = 0;
  bool own_head = false;
  for (int id = 0; id < static_cast<int>(graph.size()) && !own_head; ++id) {
    const nn::Node& node = graph.node(id);
    auto* const layer = nn::layer_as<nn::WeightedLayer>(*node.layer);
    if (layer == nullptr) continue;
    const Shape kernel = shape_of(layer->kernel().value);
    const bool dense = nn::layer_as<nn::Dense>(*node.layer) != nullptr;
    const bool depthwise = layer->channel_axis() == nn::ChannelAxis::last;
    const FoldedLayer* const source = next < layers.size() ? &layers[next] : nullptr;
    Shape expected = kernel;
    if (dense) expected = {kernel[0], 1, 1, kernel[1]};
    if (depthwise) expected = {1, kernel[0], kernel[1], kernel[2]};
    const bool fits = source != nullptr && source->depthwise == depthwise && source->weight_shape == expected;
    own_head = dense && !fits;
    if (own_head) break;
    require(fits, "folded weights in '", folder, "': layer '", node.name, "' expects weights ", expected.to_string(),
            ", found ", source != nullptr ? source->weight_shape.to_string() : std::string("no more layers"));
    const auto& own_readers = readers[static_cast<std::size_t>(id)];
    nn::BatchNorm* const norm =
        own_readers.size() == 1 ? nn::layer_as<nn::BatchNorm>(*graph.node(own_readers[0]).layer) : nullptr;
    require(norm != nullptr || layer->bias() != nullptr, "folded weights: layer '", node.name,
            "' has neither a bias nor a batch norm to take the file's bias");
    targets.push_back({layer, norm, source});
    ++next;
  }
  // A classifier that the graph has none of its shape for may be left; convolutions may not.
  require(layers.size() - next <= 1, "folded weights in '", folder, "': ", layers.size(), " layers, the graph takes ",
          next);
  for (const detail::FoldedTarget& target : targets) detail::fill(target);
  return static_cast<int>(targets.size());
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_LOAD_FOLDED_WEIGHTS_HPP_
