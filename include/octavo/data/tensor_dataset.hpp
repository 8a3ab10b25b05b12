// octavo/data/tensor_dataset.hpp: a dataset in memory, of float arrays: generated images, features of a frozen network.
#ifndef OCTAVO_DATA_TENSOR_DATASET_HPP_
#define OCTAVO_DATA_TENSOR_DATASET_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataset.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct TensorDatasetOptions {
  std::vector<std::string> class_names{};      // empty: "0", "1", ... up to the largest label
  PixelRange range = PixelRange::zero_to_one;  // what the values mean, for previews and colour changes
};

// Element i is values[i*shape.size() ...], of any shape; augmentation and previews need rank 3 (HWC).
class TensorSource : public DatasetSource {
 public:
  TensorSource(const Shape& shape, std::vector<float> values, std::vector<std::int32_t> labels,
               TensorDatasetOptions options)
      : shape_(shape), values_(std::move(values)), labels_(std::move(labels)), options_(std::move(options)) {
    require(shape_.size() > 0, "tensor_dataset: elements of shape ", shape_.to_string(), " are empty");
    require(static_cast<std::int64_t>(values_.size()) == static_cast<std::int64_t>(labels_.size()) * shape_.size(),
            "tensor_dataset: ", labels_.size(), " labels and elements of shape ", shape_.to_string(), " need ",
            static_cast<std::int64_t>(labels_.size()) * shape_.size(), " values, found ", values_.size());
    std::int32_t largest = -1;
    for (const std::int32_t label : labels_) {
      require(label >= 0, "tensor_dataset: label ", label, " is negative");
      largest = std::max(largest, label);
    }
    if (options_.class_names.empty())
      for (std::int32_t label = 0; label <= largest; ++label) options_.class_names.push_back(std::to_string(label));
    require(largest < static_cast<std::int32_t>(options_.class_names.size()), "tensor_dataset: label ", largest,
            " is not among the ", options_.class_names.size(), " classes");
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return labels_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return options_.class_names; }
  [[nodiscard]] std::string name(std::int64_t i) const override { return "tensor[" + std::to_string(i) + "]"; }
  [[nodiscard]] Shape image_shape() const override { return shape_; }

  void load(std::int64_t i, std::span<float> out) const override {
    const std::span<const float> from = element(i);
    std::copy(from.begin(), from.end(), out.begin());
  }
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const override {
    if (!augmentation.enabled()) return load(i, out);
    augment(image(i), options_.range, augmentation, rng, out);
  }
  [[nodiscard]] Image preview(std::int64_t i) const override {
    const FloatImageView from = image(i);
    Image picture(from.height, from.width, from.channels);
    for (std::size_t k = 0; k < picture.pixels.size(); ++k) {
      const std::size_t c = k % static_cast<std::size_t>(from.channels);
      picture.pixels[k] = to_byte((from.data[k] - options_.range.offset[c]) / options_.range.scale[c]);
    }
    return picture;
  }

 private:
  [[nodiscard]] std::span<const float> element(std::int64_t i) const {
    const auto n = static_cast<std::size_t>(shape_.size());
    return std::span(values_).subspan(static_cast<std::size_t>(i) * n, n);
  }
  [[nodiscard]] FloatImageView image(std::int64_t i) const {
    require(shape_.rank() == 3, "tensor_dataset: elements of shape ", shape_.to_string(),
            " are no images; expected height x width x channels");
    return {element(i).data(), static_cast<int>(shape_[0]), static_cast<int>(shape_[1]), static_cast<int>(shape_[2])};
  }

  Shape shape_;
  std::vector<float> values_;
  std::vector<std::int32_t> labels_;
  TensorDatasetOptions options_;
};

// labels.size() elements of `shape` (without the batch axis), one after the other in `values`.
inline Dataset tensor_dataset(const Shape& shape, std::vector<float> values, std::vector<std::int32_t> labels,
                              TensorDatasetOptions options = {}) {
  return std::make_shared<const TensorSource>(shape, std::move(values), std::move(labels), std::move(options));
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_TENSOR_DATASET_HPP_
