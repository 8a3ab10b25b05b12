// examples/study/network.hpp: the network that a study begins with: pretrained or random.
#ifndef OCTAVO_EXAMPLES_STUDY_NETWORK_HPP_
#define OCTAVO_EXAMPLES_STUDY_NETWORK_HPP_

#include <filesystem>
#include <octavo/io/load_folded_weights.hpp>
#include <octavo/io/pretrained.hpp>
#include <octavo/octavo.hpp>
#include <string>
#if __has_include(<hdf5.h>)
#include <octavo/io/keras_h5.hpp>
#endif

#include "images.hpp"
#include "options.hpp"

namespace study {

// The layers behind the backbone have names that begin so.
inline std::string head_prefix(const Options& options) { return options.hidden.empty() ? "predictions" : "dense"; }

inline oc::nn::Graph build_network(const Options& options, std::int64_t classes) {
  return oc::nn::mobilenet_v2({.input = options.input,
                               .alpha = options.alpha,
                               .hidden = options.hidden,
                               .classes = classes,
                               .stem_stride = options.stem_stride,
                               .batch_norm_momentum = options.batch_norm_momentum,
                               .seed = options.seed});
}

// Fills the backbone from a file or folder of any form that is read: folded ImageNet weights (a folder with
// layer_map.csv), ONNX, Keras' HDF5, safetensors, a folder of .npy files. True when batch norm was folded into the
// kernels.
inline bool load_backbone(oc::nn::Graph& graph, const std::string& path) {
  if (path.ends_with(".h5") || path.ends_with(".hdf5")) {
#if __has_include(<hdf5.h>)
    oc::io::load_keras_h5(graph, path);
    return false;
#else
    oc::fail("'", path, "': this program was built without HDF5");
#endif
  }
  if (std::filesystem::exists(std::filesystem::path(path) / "layer_map.csv")) {
    oc::io::load_folded_weights(graph, path);
    return true;
  }
  return oc::io::load_pretrained(graph, path).folded;
}

// Random weights, or the backbone's of `options.weights`. Where those have batch norm folded into the kernels, each
// batch norm layer is given the statistics that its input has on the training images before it trains, which changes
// nothing in what the network computes.
inline oc::nn::Graph start_network(const Options& options, const Images& images) {
  oc::nn::Graph graph = build_network(options, images.splits.train.classes());
  if (!options.pretrained()) return graph;
  if (!load_backbone(graph, options.weights)) return graph;
  oc::train::BatchNormToolOptions measuring;
  measuring.batch_size = options.batch_size;
  measuring.batches = 30;
  measuring.seed = options.seed;
  if (options.threads > 0) measuring.threads = options.threads;
  oc::train::unfold_batch_norm(graph, images.splits.train, measuring);
  return graph;
}

inline std::string describe(oc::nn::Graph& graph, const Options& options) {
  const auto summary = oc::nn::summarize(graph);
  std::string text = "MobileNetV2, alpha " + oc::report::three_digits(options.alpha) + ", input " +
                     options.input.to_string() + ", " + oc::report::grouped(summary.parameters) + " parameters, " +
                     oc::report::fixed(static_cast<double>(graph.macs()) / 1e6, 1) + " million multiply-adds";
  if (options.stem_stride == 1) text += ", first convolution with stride 1";
  return text + (options.pretrained() ? ", backbone pretrained on ImageNet" : ", random start");
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_NETWORK_HPP_
