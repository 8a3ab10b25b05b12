// octavo/compress/calibrate.hpp: post-training quantization: finds the activations' ranges from sample images.
#ifndef OCTAVO_COMPRESS_CALIBRATE_HPP_
#define OCTAVO_COMPRESS_CALIBRATE_HPP_

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "../core/parallel.hpp"
#include "../data/dataset.hpp"
#include "../nn/executor.hpp"
#include "quantize_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// Scheme::octavo() with the smallest and largest value over all calibration images as range, as TFLite's converter.
[[nodiscard]] inline Scheme calibration_scheme() {
  Scheme scheme = Scheme::octavo();
  scheme.activation_observer = scheme.input_observer = ObserverSettings::min_max();
  return scheme;
}

struct CalibrationOptions {
  Scheme scheme = calibration_scheme();
  std::int64_t images = 200;  // taken evenly from the whole dataset
  std::int64_t batch_size = 32;
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

// The same with images of a dataset.
[[nodiscard]] inline nn::Graph calibrate(const nn::Graph& graph, const Dataset& images,
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
  return calibrate(graph, next_batch, options);
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_COMPRESS_CALIBRATE_HPP_
