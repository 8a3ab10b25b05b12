// octavo/train/quantizers.hpp: all quantizers and batch norm layers of a graph at once: freezing them.
#ifndef OCTAVO_TRAIN_QUANTIZERS_HPP_
#define OCTAVO_TRAIN_QUANTIZERS_HPP_

#include <string>

#include "../nn/graph.hpp"
#include "../nn/layers/batch_norm.hpp"
#include "../quant/fake_quantizer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// Calls visit(name, quantizer), name "conv1/weight_quantizer" or "conv1/output_quantizer", in order of the nodes.
template <class Visit>
void for_each_quantizer(nn::Graph& graph, Visit&& visit) {
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    const nn::Node& node = graph.node(id);
    if (FakeQuantizer* quantizer = node.layer->weight_quantizer()) visit(node.name + "/weight_quantizer", *quantizer);
    if (FakeQuantizer* quantizer = node.layer->output_quantizer()) visit(node.name + "/output_quantizer", *quantizer);
  }
}

// Calls visit(node, batch norm), wrappers looked through.
template <class Visit>
void for_each_batch_norm(nn::Graph& graph, Visit&& visit) {
  for (int id = 0; id < static_cast<int>(graph.size()); ++id)
    if (auto* norm = nn::layer_as<nn::BatchNorm>(*graph.node(id).layer)) visit(graph.node(id), *norm);
}

// The ranges of all activations stand still, or move again. Those of the kernels always follow the kernels.
inline void freeze_observers(nn::Graph& graph, bool frozen = true) {
  for (int id = 0; id < static_cast<int>(graph.size()); ++id)
    if (FakeQuantizer* quantizer = graph.node(id).layer->output_quantizer()) quantizer->set_observing(!frozen);
}

// All batch norm layers use, and keep, their moving statistics in training too, or the batch's again.
inline void freeze_batch_norm_statistics(nn::Graph& graph, bool frozen = true) {
  for_each_batch_norm(graph, [&](const nn::Node&, nn::BatchNorm& norm) { norm.freeze_statistics(frozen); });
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_QUANTIZERS_HPP_
