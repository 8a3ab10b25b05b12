// What a training step pays for its images, on one core: decoding, resizing, the cache, augmentation, whole batches.
// The pictures are made here (256 x 256, smooth with noise, JPEG quality 90), so the numbers need no data set.
#include <benchmark/benchmark.h>
#include <octavo/data/cached.hpp>
#include <octavo/data/image.hpp>
#include <octavo/data/loader.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace oc = octavo;

namespace {

oc::Image photo(int size, std::uint64_t seed) {
  oc::Rng rng(seed);
  oc::Image image(size, size, 3);
  const float fast = rng.uniform(0.02F, 0.1F);
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      for (int c = 0; c < 3; ++c) {
        const float wave = std::sin(static_cast<float>(x * (c + 1)) * fast) * std::cos(static_cast<float>(y) * fast);
        image.pixels[static_cast<std::size_t>((y * size + x) * 3 + c)] =
            oc::to_byte(128.0F + 90.0F * wave + 8.0F * rng.normal());
      }
  return image;
}

// JPEG files in memory.
class JpegSource final : public oc::ImageSource {
 public:
  explicit JpegSource(int n) : ImageSource(std::vector<std::int32_t>(static_cast<std::size_t>(n)), {"photo"}, {}) {
    for (int i = 0; i < n; ++i) files_.push_back(oc::encode_jpeg(photo(256, static_cast<std::uint64_t>(i)).view()));
  }
  [[nodiscard]] std::string name(std::int64_t i) const override { return std::to_string(i); }
  oc::ImageView pixels(std::int64_t i, oc::Image& scratch) const override {
    scratch = oc::decode_image(files_[static_cast<std::size_t>(i)], 3, name(i));
    return scratch.view();
  }

 private:
  std::vector<std::vector<std::uint8_t>> files_;
};

const oc::Dataset& photos() {
  static const oc::Dataset dataset = std::make_shared<const JpegSource>(64);
  return dataset;
}
const oc::Dataset& kept_photos() {
  static const oc::Dataset dataset = oc::cached(photos());
  return dataset;
}

void count_images(benchmark::State& state, std::int64_t per_iteration = 1) {
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * per_iteration), benchmark::Counter::kIsRate);
}

void decode_jpeg_256(benchmark::State& state) {
  const auto file = oc::encode_jpeg(photo(256, 1).view());
  for (auto step : state) benchmark::DoNotOptimize(oc::decode_image(file, 3));
  count_images(state);
}
BENCHMARK(decode_jpeg_256);

void resize_256_to_224(benchmark::State& state, oc::ResizeMethod method) {
  const oc::Image image = photo(256, 1);
  const oc::Preprocessing to{.resize = method};
  std::vector<float> out(static_cast<std::size_t>(to.shape().size()));
  for (auto step : state) {
    oc::preprocess(image.view(), to, out);
    benchmark::ClobberMemory();
  }
  count_images(state);
}
BENCHMARK_CAPTURE(resize_256_to_224, bilinear, oc::ResizeMethod::bilinear);
BENCHMARK_CAPTURE(resize_256_to_224, area, oc::ResizeMethod::area);

void load(benchmark::State& state, const oc::Dataset& dataset, const oc::Augmentation& augmentation) {
  std::vector<float> out(static_cast<std::size_t>(dataset.image_shape().size()));
  std::int64_t i = 0;
  for (auto step : state) {
    if (augmentation.enabled())
      dataset.load(i % dataset.size(), augmentation, oc::augmentation_rng(1, 0, i), out);
    else
      dataset.load(i % dataset.size(), out);
    ++i;
  }
  count_images(state);
}
const oc::Augmentation kFlip{.horizontal_flip = true};
const oc::Augmentation kCrop{.horizontal_flip = true, .min_area = 0.3F};
const oc::Augmentation kAll{.horizontal_flip = true,
                            .quarter_turns = true,
                            .min_area = 0.3F,
                            .brightness = 0.2F,
                            .contrast = 0.2F,
                            .saturation = 0.2F};
BENCHMARK_CAPTURE(load, jpeg, photos(), {});
BENCHMARK_CAPTURE(load, cached, kept_photos(), {});
BENCHMARK_CAPTURE(load, cached_flip, kept_photos(), kFlip);
BENCHMARK_CAPTURE(load, cached_flip_crop, kept_photos(), kCrop);
BENCHMARK_CAPTURE(load, cached_flip_turn_crop_colours, kept_photos(), kAll);

// An epoch through the background thread, nothing else to do.
void batches(benchmark::State& state, const oc::Augmentation& augmentation) {
  oc::BatchLoader loader(kept_photos(), {.batch_size = 32, .augmentation = augmentation, .threads = 1});
  oc::Batch batch;
  std::int64_t epoch = 0;
  for (auto step : state) {
    loader.begin_epoch(epoch++);
    while (loader.next(batch)) benchmark::DoNotOptimize(batch.images.data());
  }
  count_images(state, kept_photos().size());
}
BENCHMARK_CAPTURE(batches, cached_flip_crop, kCrop)->UseRealTime();

}  // namespace
