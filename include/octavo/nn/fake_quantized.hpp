// octavo/nn/fake_quantized.hpp: FakeQuantized<Layer, Scheme>, and where a network's layers are quantized.
#ifndef OCTAVO_NN_FAKE_QUANTIZED_HPP_
#define OCTAVO_NN_FAKE_QUANTIZED_HPP_

#include <concepts>
#include <memory>
#include <utility>

#include "../quant/scheme.hpp"
#include "../quant/typed_scheme.hpp"
#include "graph.hpp"
#include "layers/activations.hpp"
#include "layers/batch_norm.hpp"
#include "layers/depthwise_conv2d.hpp"
#include "layers/permute.hpp"
#include "layers/pooling.hpp"
#include "layers/resize.hpp"
#include "quantize_wrapper.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// How `scheme` quantizes the kernel of a weighted layer: depthwise and dense kernels have schemes of their own.
[[nodiscard]] inline QuantizerSettings kernel_settings(const Layer& layer, const Scheme& scheme) {
  if (layer_as<DepthwiseConv2D>(layer) != nullptr) return scheme.weight_settings(scheme.depthwise_weights);
  if (layer_as<Dense>(layer) != nullptr) return scheme.weight_settings(scheme.dense_weights);
  return scheme.weight_settings(scheme.weights);
}

// Kernel, if there is one, and output, if `quantizes_output` and the scheme quantizes activations.
[[nodiscard]] inline WrapperSettings wrapper_settings(const Layer& layer, const Scheme& scheme, bool quantizes_output) {
  WrapperSettings settings;
  if (layer_as<WeightedLayer>(layer) != nullptr) settings.weights = kernel_settings(layer, scheme);
  if (quantizes_output && scheme.quantize_activations) settings.output = scheme.activation_settings();
  settings.trains_when_frozen = scheme.trains_frozen_kernels;
  return settings;
}

// A layer of any type, the user's included, with its kernel and output fake-quantized as the scheme type says.
// quantize_model() puts the same wrapper, with a run-time scheme, around each layer of a graph.
template <std::derived_from<Layer> LayerType, SchemeType Type = DefaultScheme>
class FakeQuantized final : public QuantizeWrapper {
 public:
  explicit FakeQuantized(LayerType layer) : FakeQuantized(std::make_unique<LayerType>(std::move(layer))) {}
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<FakeQuantized>(*this); }

 private:
  explicit FakeQuantized(std::unique_ptr<LayerType> layer)
      : QuantizeWrapper(nullptr_checked(layer), wrapper_settings(*layer, scheme_of<Type>(), true)) {}
  static std::unique_ptr<Layer> nullptr_checked(std::unique_ptr<LayerType>& layer) {
    return std::make_unique<LayerType>(*layer);  // the settings above still read the original
  }
};

// Whether the value of node `id` is put on a grid. Not between a convolution and its batch norm or clamp, which one
// integer operator computes; not behind layers that only move codes, or average them on the grid that they have.
[[nodiscard]] inline bool has_grid(const Graph& graph, int id, const std::vector<std::vector<int>>& readers) {
  const Layer& layer = *graph.node(id).layer;
  const std::vector<int>& own_readers = readers[static_cast<std::size_t>(id)];
  const Layer* next = own_readers.size() == 1 ? graph.node(own_readers[0]).layer.get() : nullptr;
  const bool norm_follows = next != nullptr && layer_as<BatchNorm>(*next) != nullptr;
  const bool clamp_follows = next != nullptr && layer_as<ClampLayer>(*next) != nullptr;
  if (layer_as<WeightedLayer>(layer) != nullptr) {
    const auto* dense = layer_as<Dense>(layer);
    const bool linear = dense == nullptr || dense->options().activation == Activation::linear;
    return !(linear && (norm_follows || clamp_follows));
  }
  if (layer_as<BatchNorm>(layer) != nullptr || layer.type() == "Add") return !clamp_follows;
  const bool moves_codes = layer_as<ZeroPadding2D>(layer) != nullptr || layer_as<Reshape>(layer) != nullptr ||
                           layer_as<Dropout>(layer) != nullptr || layer_as<WindowPool>(layer) != nullptr ||
                           layer_as<Softmax>(layer) != nullptr || layer_as<InputLayer>(layer) != nullptr ||
                           layer_as<Permute>(layer) != nullptr || layer_as<Resize2D>(layer) != nullptr;
  return !moves_codes;
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_FAKE_QUANTIZED_HPP_
