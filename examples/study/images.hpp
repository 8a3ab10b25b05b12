// examples/study/images.hpp: the images of a study: training, validation, test.
#ifndef OCTAVO_EXAMPLES_STUDY_IMAGES_HPP_
#define OCTAVO_EXAMPLES_STUDY_IMAGES_HPP_

#include <cstdint>
#include <filesystem>
#include <octavo/octavo.hpp>
#include <octavo/report/study.hpp>
#include <string>
#include <utility>
#include <vector>

#include "drawn_images.hpp"
#include "options.hpp"

namespace study {

struct Images {
  oc::Splits splits;
  std::string name;
  std::string source;
};

inline Images open_drawn(const Options& options) {
  return {{drawn_images(320, options.input, options.seed), drawn_images(64, options.input, options.seed + 1),
           drawn_images(128, options.input, options.seed + 2)},
          "drawn stripes and rings",
          "made in memory"};
}

// 55,000 to train, 5,000 to validate, 10,000 to test: 28 x 28 pixels in the middle of the network's input.
inline Images open_fashion_mnist(const Options& options) {
  oc::ImageOptions image;
  image.height = static_cast<int>(options.input[0]);
  image.width = static_cast<int>(options.input[1]);
  image.channels = static_cast<int>(options.input[2]);
  image.resize = oc::ResizeMethod::pad;
  image.range = oc::PixelRange::minus_one_to_one;
  const oc::TrainTest data = oc::fashion_mnist(options.data, image);
  const oc::Splits parts = oc::split(data.train, {55.0 / 60.0, 5.0 / 60.0, 0.0}, options.seed, /*stratified=*/true);
  return {{parts.train, parts.validation, data.test},
          "Fashion-MNIST",
          options.data.empty() ? oc::kFashionMnistFolder : options.data};
}

// DeepWeeds' layout (images/ and split.csv or labels.csv), or a folder of photos for each class, cut 8:1:1.
inline Images open_photos(const Options& options) {
  oc::ImageOptions image;
  image.height = static_cast<int>(options.input[0]);
  image.width = static_cast<int>(options.input[1]);
  const std::filesystem::path folder = options.data;
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  Images images;
  images.source = options.data;
  if (options.data.empty() || has("split.csv") || has("labels.csv") || has("labels")) {
    images.splits = oc::deepweeds(folder, image, options.seed);
    images.name = "DeepWeeds";
  } else {
    images.splits = oc::split(oc::image_folder(folder, image), {0.8, 0.1, 0.1}, options.seed, /*stratified=*/true);
    images.name = folder.filename().string();
  }
  // Decoded photos stay in memory, a little larger than the network reads them, so that crops have detail to choose.
  constexpr std::int64_t most = 6000;
  if (images.splits.train.size() <= most)
    images.splits.train =
        oc::cached(images.splits.train, {.height = image.height * 8 / 7, .width = image.width * 8 / 7});
  if (images.splits.validation.size() <= most) images.splits.validation = oc::cached(images.splits.validation);
  if (images.splits.test.size() <= most) images.splits.test = oc::cached(images.splits.test);
  return images;
}

inline Images open_images(const Options& options) {
  Images images = options.preset == Preset::demo    ? open_fashion_mnist(options)
                  : options.preset == Preset::study ? open_photos(options)
                                                    : open_drawn(options);
  if (options.limit > 0) images.splits.train = oc::take(images.splits.train, options.limit);
  oc::require(!images.splits.train.empty() && !images.splits.validation.empty() && !images.splits.test.empty(),
              images.name, ": training, validation and test images are needed, found ", images.splits.train.size(),
              ", ", images.splits.validation.size(), " and ", images.splits.test.size());
  return images;
}

inline oc::report::DatasetInfo describe(const Images& images, const Options& options) {
  oc::report::DatasetInfo info;
  info.name = images.name;
  info.source = images.source;
  info.classes = images.splits.test.class_names();
  info.train = images.splits.train.size();
  info.validation = images.splits.validation.size();
  info.test = images.splits.test.size();
  info.input = options.input;
  info.preprocessing = "pixel / 127.5 - 1";
  if (const oc::Preprocessing* how = images.splits.test.preprocessing())
    info.preprocessing += ", " + std::string(oc::name_of(how->resize));
  return info;
}

// What a manifest says about the input.
inline oc::TextFields preprocessing_fields(const oc::Dataset& dataset) {
  const oc::Preprocessing* how = dataset.preprocessing();
  return how == nullptr ? oc::TextFields{} : oc::to_text(*how);
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_IMAGES_HPP_
