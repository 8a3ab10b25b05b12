// octavo/compress/quantize_model.hpp: makes a float graph quantization-aware.
#ifndef OCTAVO_COMPRESS_QUANTIZE_MODEL_HPP_
#define OCTAVO_COMPRESS_QUANTIZE_MODEL_HPP_

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "../nn/fake_quantized.hpp"
#include "../nn/graph.hpp"
#include "../quant/scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// A copy of `graph` in which the input goes through a grid ("quantize_layer"), each layer is wrapped, each kernel and
// each activation that the int8 model will store is fake-quantized, and, if the scheme says so, batch norm folding is
// simulated. What is frozen stays frozen. Its ranges come from training, or from calibrate(). Throws when the graph is
// quantization-aware already.
template <class Lazy = void>
[[nodiscard]] nn::Graph quantize_model(const nn::Graph& graph, const Scheme& scheme = Scheme::octavo()) {
  require(!graph.quantized(), "graph '", graph.name(), "' is quantization-aware already");
  scheme.validate();
  const auto readers = graph.consumers();
  nn::Graph quantized(graph.name());
  quantized.set_quantized(true);
  quantized.set_rounding(scheme.rounding);
  std::vector<int> ids;  // in `quantized`, of the node that stands for each node of `graph`
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    const nn::Node& node = graph.node(id);
    if (id == 0) {
      const Shape& shape = node.shape;
      const int input = quantized.input(node.name, Shape(shape.begin() + 1, shape.end()));
      ids.push_back(scheme.quantize_activations
                        ? quantized.add("quantize_layer", nn::QuantizeLayer(scheme.input_settings()), {input})
                        : input);
      continue;
    }
    std::vector<int> inputs;
    for (const int input : node.inputs) inputs.push_back(ids[static_cast<std::size_t>(input)]);
    bool on_grid = nn::has_grid(graph, id, readers);
    const auto* dense = nn::layer_as<nn::Dense>(std::as_const(*node.layer));
    if (dense != nullptr && dense->options().activation == nn::Activation::softmax) on_grid &= scheme.quantize_logits;
    auto wrapper =
        std::make_unique<nn::QuantizeWrapper>(node.layer->clone(), nn::wrapper_settings(*node.layer, scheme, on_grid));
    ids.push_back(quantized.add(node.name, std::move(wrapper), std::move(inputs)));
    nn::Node& copy = quantized.node(ids.back());
    copy.frozen = node.frozen;
    const auto theirs = std::as_const(*node.layer).parameters();
    const auto ours = copy.layer->inner().parameters();
    for (std::size_t i = 0; i < theirs.size(); ++i) ours[i]->value = theirs[i]->value;
  }
  if (scheme.batch_norm == BatchNormFolding::none) return quantized;
  const auto new_readers = quantized.consumers();
  for (int id = 0; id < static_cast<int>(quantized.size()); ++id) {
    nn::Node& node = quantized.node(id);
    const std::vector<int>& own_readers = new_readers[static_cast<std::size_t>(id)];
    if (node.layer->weight_quantizer() == nullptr || node.layer->output_quantizer() != nullptr ||
        own_readers.size() != 1)
      continue;
    if (nn::layer_as<nn::BatchNorm>(*quantized.node(own_readers[0]).layer) != nullptr)
      node.folded_batch_norm = own_readers[0];
  }
  return quantized;
}

// Calls body(node, quantizer) for each output grid of a quantization-aware graph, the input's included.
template <class Body>
void for_each_output_quantizer(nn::Graph& graph, Body&& body) {
  for (int id = 0; id < static_cast<int>(graph.size()); ++id)
    if (FakeQuantizer* quantizer = graph.node(id).layer->output_quantizer()) body(graph.node(id), *quantizer);
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::nn::Graph octavo::compress::quantize_model<void>(const octavo::nn::Graph&, const octavo::Scheme&));

#endif  // OCTAVO_COMPRESS_QUANTIZE_MODEL_HPP_
