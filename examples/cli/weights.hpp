// examples/cli/weights.hpp: a file of weights by name as a model: the MobileNetV2 that they fit.
#ifndef OCTAVO_EXAMPLES_CLI_WEIGHTS_HPP_
#define OCTAVO_EXAMPLES_CLI_WEIGHTS_HPP_

#include <algorithm>
#include <cstdint>
#include <octavo/io/pretrained.hpp>
#include <octavo/octavo.hpp>
#include <string>
#include <utility>
#if __has_include(<hdf5.h>)
#include <octavo/io/keras_h5.hpp>
#endif

namespace cli {

namespace oc = octavo;

namespace detail {

inline constexpr double kWidths[] = {0.35, 0.5, 0.75, 1.0, 1.3, 1.4};

inline oc::io::WeightSet read_weights(const std::string& path) {
  if (!path.ends_with(".h5") && !path.ends_with(".hdf5")) return oc::io::read_weight_set(path);
#if __has_include(<hdf5.h>)
  return oc::io::read_keras_h5(oc::mobilenet_v2({.alpha = kWidths[0]}), path);  // the order of layers tells the names
#else
  oc::fail("'", path, "': this program was built without HDF5");
#endif
}

// Classes of the one matrix that is there; without one the network has no top.
inline std::int64_t classes_of(const oc::io::WeightSet& weights, std::int64_t features) {
  std::int64_t classes = 0;
  for (const auto& [name, array] : weights.arrays)
    if (array.shape.rank() == 2 && array.shape.size() % features == 0) classes = array.shape.size() / features;
  return classes;
}

}  // namespace detail

// Weights say neither width nor input: the width is the one whose kernels have as many values, the input is 224 x 224.
inline oc::nn::Graph graph_of_weights(const std::string& path) {
  const oc::io::WeightSet weights = detail::read_weights(path);
  std::int64_t found = 0;
  for (const auto& [name, array] : weights.arrays)
    if (array.shape.rank() == 4) found += array.shape.size();
  std::string known;
  for (const double width : detail::kWidths) {
    const auto features = static_cast<std::int64_t>(1280 * std::max(width, 1.0));
    oc::nn::Graph graph = oc::mobilenet_v2(
        {.input = {224, 224, 3}, .alpha = width, .classes = detail::classes_of(weights, features), .seed = 1});
    std::int64_t size = 0;
    for (const oc::nn::Node& node : graph.nodes())
      if (const auto* layer = oc::nn::layer_as<oc::nn::WeightedLayer>(std::as_const(*node.layer)))
        if (oc::nn::layer_as<oc::nn::Dense>(std::as_const(*node.layer)) == nullptr)
          size += static_cast<std::int64_t>(layer->kernel().value.size());
    if (size == found) {
      static_cast<void>(oc::io::load_pretrained(graph, weights, {.require_head = graph.find("predictions") >= 0}));
      return graph;
    }
    known += (known.empty() ? "" : ", ") + std::to_string(size);
  }
  oc::fail("'", path, "': weights alone are a model only where they are MobileNetV2's, whose kernels have ", known,
           " values (width 0.35 to 1.4); these have ", found);
}

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_WEIGHTS_HPP_
