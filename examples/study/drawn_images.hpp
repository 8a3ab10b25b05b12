// examples/study/drawn_images.hpp: images drawn in memory: something to learn where there are no files.
#ifndef OCTAVO_EXAMPLES_STUDY_DRAWN_IMAGES_HPP_
#define OCTAVO_EXAMPLES_STUDY_DRAWN_IMAGES_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <octavo/octavo.hpp>
#include <utility>
#include <vector>

namespace study {

namespace oc = octavo;

// `n` noisy images, `shape` = height, width, channels, of four classes: stripes that are upright, level or slanted, and
// rings. Values in [-1, 1].
inline oc::Dataset drawn_images(std::int64_t n, const oc::Shape& shape, std::uint64_t seed) {
  oc::Rng random(seed);
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(i % 4);
    const float phase = random.uniform(0.0F, 6.28F), period = random.uniform(0.5F, 0.9F);
    for (std::int64_t y = 0; y < shape[0]; ++y)
      for (std::int64_t x = 0; x < shape[1]; ++x) {
        const auto u = static_cast<float>(x), v = static_cast<float>(y);
        const float along[] = {u, v, u + v, std::hypot(u - 16.0F, v - 16.0F)};
        const float value = std::sin(along[label] * period + phase) + 0.2F * random.normal();
        for (std::int64_t c = 0; c < shape[2]; ++c) values.push_back(std::clamp(value, -1.0F, 1.0F));
      }
    labels.push_back(label);
  }
  oc::TensorDatasetOptions options;
  options.class_names = {"upright", "level", "slanted", "rings"};
  options.range = oc::PixelRange::minus_one_to_one;
  return oc::tensor_dataset(shape, std::move(values), std::move(labels), std::move(options));
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_DRAWN_IMAGES_HPP_
