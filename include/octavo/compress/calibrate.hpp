// octavo/compress/calibrate.hpp: post-training quantization: finds the activations' ranges from sample images.
#ifndef OCTAVO_COMPRESS_CALIBRATE_HPP_
#define OCTAVO_COMPRESS_CALIBRATE_HPP_

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "../data/dataset.hpp"
#include "../nn/executor.hpp"
#include "../train/batch_norm_tools.hpp"
#include "quantize_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// Scheme::octavo() with each activation's range chosen for the least squared error over all calibration images. (The
// smallest and largest value, as TFLite's converter takes them, are ObserverSettings::min_max().)
[[nodiscard]] inline Scheme calibration_scheme() {
  Scheme scheme = Scheme::octavo();
  scheme.activation_observer = scheme.input_observer =
      ObserverSettings::with_histogram(RangeSearch::mean_squared_error);
  return scheme;
}

struct CalibrationOptions {
  Scheme scheme = calibration_scheme();
  std::int64_t images = 200;  // taken evenly from the whole dataset
  std::int64_t batch_size = 32;
  // Batches of training images from which the quantized network's batch norm statistics are measured anew, which takes
  // back the shift that rounding brings into each channel's mean: no labels, no gradients. 0: they stay the float
  // network's. For datasets only, and for batch norms with statistics of their own: those that load_folded_weights()
  // made neutral need train::unfold_batch_norm() first.
  std::int64_t batch_norm_batches = 0;
  int threads = default_threads();
};

// A quantization-aware copy of a float graph whose ranges were observed on batches and are now fixed: convert() makes
// the int8 model of it, compare() says what each layer lost, and training may go on from it. next_batch(tensor) fills a
// batch of images and returns false when there are no more. The float network runs, in inference mode. Throws when
// there was no batch, or a value is not finite.
template <std::predicate<Tensor&> NextBatch>
[[nodiscard]] nn::Graph calibrate(const nn::Graph& graph, NextBatch&& next_batch, const CalibrationOptions& options) {
  nn::Graph quantized = quantize_model(graph, options.scheme);
  const auto enable = [&](bool enabled) {
    for_each_output_quantizer(quantized, [&](nn::Node&, FakeQuantizer& q) { q.set_enabled(enabled); });
    for (int id = 0; id < static_cast<int>(quantized.size()); ++id)
      if (FakeQuantizer* q = quantized.node(id).layer->weight_quantizer()) q->set_enabled(enabled);
  };
  enable(false);
  nn::Executor executor(quantized, options.threads);
  executor.set_calibrating(true);
  Tensor batch;
  bool any = false;
  while (next_batch(batch)) {
    executor.forward(batch);
    any = true;
  }
  require(any, "calibrate: graph '", graph.name(), "' got no images");
  enable(true);
  for_each_output_quantizer(quantized, [](nn::Node&, FakeQuantizer& q) { q.set_observing(false); });
  return quantized;
}

namespace detail {

// Measures the statistics of every batch norm layer again, frozen ones included, which stay frozen.
inline void adapt_batch_norm(nn::Graph& graph, const Dataset& images, const CalibrationOptions& options) {
  std::vector<std::pair<bool, bool>> frozen;  // of each node: the node, its batch norm's statistics
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    nn::Node& node = graph.node(id);
    auto* const norm = nn::layer_as<nn::BatchNorm>(*node.layer);
    frozen.emplace_back(node.frozen, norm != nullptr && norm->statistics_frozen());
    node.frozen = false;
    if (norm != nullptr) norm->freeze_statistics(false);
  }
  train::re_estimate_batch_norm(
      graph, images,
      {.batch_size = options.batch_size, .batches = options.batch_norm_batches, .threads = options.threads});
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    nn::Node& node = graph.node(id);
    node.frozen = frozen[static_cast<std::size_t>(id)].first;
    if (auto* const norm = nn::layer_as<nn::BatchNorm>(*node.layer))
      norm->freeze_statistics(frozen[static_cast<std::size_t>(id)].second);
  }
}

}  // namespace detail

// The same with images of a dataset.
template <class Lazy = void>
[[nodiscard]] nn::Graph calibrate(const nn::Graph& graph, const Dataset& images,
                                  const CalibrationOptions& options = {}) {
  const std::int64_t size = images.size(), wanted = std::min(options.images, size);
  require(wanted >= 1 && options.batch_size >= 1,
          "calibrate: expected at least one image and a batch size of at least 1, "
          "found ",
          size, " images, ", options.images, " wanted, batch size ", options.batch_size);
  std::int64_t done = 0;
  const auto next_batch = [&](Tensor& batch) {
    const std::int64_t count = std::min(options.batch_size, wanted - done);
    if (count <= 0) return false;
    reshape_to(batch, graph.input_shape().with_batch(count));
    const auto image_size = static_cast<std::size_t>(graph.input_shape().size());
    for (std::int64_t i = 0; i < count; ++i, ++done)
      images.load(done * size / wanted, values(batch).subspan(static_cast<std::size_t>(i) * image_size, image_size));
    return true;
  };
  nn::Graph quantized = calibrate(graph, next_batch, options);
  if (options.batch_norm_batches > 0) detail::adapt_batch_norm(quantized, images, options);
  return quantized;
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::nn::Graph octavo::compress::calibrate<void>(const octavo::nn::Graph&, const octavo::Dataset&,
                                                                 const octavo::compress::CalibrationOptions&));

#endif  // OCTAVO_COMPRESS_CALIBRATE_HPP_
