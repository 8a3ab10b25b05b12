// octavo/data/dataset.hpp: Dataset, a cheap handle to pictures with labels, and DatasetSource, what stands behind one.
#ifndef OCTAVO_DATA_DATASET_HPP_
#define OCTAVO_DATA_DATASET_HPP_

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/rng.hpp"
#include "../core/shape.hpp"
#include "augment.hpp"
#include "pixels.hpp"
#include "view.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// What a kind of dataset implements. Const calls may come from several threads at once. Indices are 0 <= i < size()
// (Dataset checks them).
class DatasetSource {
 public:
  DatasetSource() = default;
  DatasetSource(const DatasetSource&) = delete;
  DatasetSource& operator=(const DatasetSource&) = delete;
  virtual ~DatasetSource() = default;

  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual std::int32_t label(std::int64_t i) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& class_names() const = 0;
  [[nodiscard]] virtual std::string name(std::int64_t i) const = 0;
  [[nodiscard]] virtual Shape image_shape() const = 0;
  virtual void load(std::int64_t i, std::span<float> out) const = 0;
  virtual void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const = 0;
  [[nodiscard]] virtual Image preview(std::int64_t i) const = 0;

  // How load() makes floats from the 8-bit pixels; null where the source holds floats.
  [[nodiscard]] virtual const Preprocessing* preprocessing() const { return nullptr; }
  // The 8-bit picture before preprocessing; `scratch` may own it. Only where preprocessing() is not null.
  virtual ImageView pixels(std::int64_t i, Image& /*scratch*/) const {
    fail("dataset: image ", i, " ('", name(i), "') has no 8-bit pixels");
  }
};

// Images with labels. Copies share the same source; none of the calls changes it.
class Dataset {
 public:
  // Nothing: size 0.
  Dataset() = default;
  // Any source: return std::make_shared<const MySource>(...);
  template <std::derived_from<DatasetSource> Source>
  Dataset(std::shared_ptr<Source> source) : source_(std::move(source)) {}  // NOLINT: conversion intended

  [[nodiscard]] std::int64_t size() const { return source_ ? source_->size() : 0; }
  [[nodiscard]] bool empty() const { return size() == 0; }

  // 0 <= label < classes().
  [[nodiscard]] std::int32_t label(std::int64_t i) const { return at(i).label(i); }
  [[nodiscard]] const std::vector<std::string>& class_names() const {
    static const std::vector<std::string> none;
    return source_ ? source_->class_names() : none;
  }
  [[nodiscard]] int classes() const { return static_cast<int>(class_names().size()); }

  // Where image i comes from: a path, or "train-images-idx3-ubyte.gz[17]".
  [[nodiscard]] std::string name(std::int64_t i) const { return at(i).name(i); }

  // Height, width, channels of what load() writes (a TensorDataset may have any shape).
  [[nodiscard]] Shape image_shape() const { return existing().image_shape(); }

  // Decodes, resizes and normalizes image i into `out`, image_shape().size() floats. Throws Error that names the file.
  void load(std::int64_t i, std::span<float> out) const { checked(i, out).load(i, out); }

  // The same with random changes, which depend on `rng` alone.
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const {
    checked(i, out).load(i, augmentation, rng, out);
  }

  // Image i for people's eyes, before preprocessing.
  [[nodiscard]] Image preview(std::int64_t i) const { return at(i).preview(i); }

  // How load() makes floats from pixels; null for datasets that hold floats.
  [[nodiscard]] const Preprocessing* preprocessing() const { return source_ ? source_->preprocessing() : nullptr; }

  // How many images each class has.
  [[nodiscard]] std::vector<std::int64_t> class_counts() const {
    std::vector<std::int64_t> counts(class_names().size());
    for (std::int64_t i = 0; i < size(); ++i) ++counts[static_cast<std::size_t>(source_->label(i))];
    return counts;
  }

  // Null for the empty dataset.
  [[nodiscard]] const std::shared_ptr<const DatasetSource>& source() const { return source_; }

 private:
  [[nodiscard]] const DatasetSource& existing() const {
    require(source_ != nullptr, "dataset: is empty");
    return *source_;
  }
  [[nodiscard]] const DatasetSource& at(std::int64_t i) const {
    require(i >= 0 && i < size(), "dataset: no image ", i, " among ", size());
    return *source_;
  }
  [[nodiscard]] const DatasetSource& checked(std::int64_t i, std::span<float> out) const {
    const DatasetSource& source = at(i);
    const Shape shape = source.image_shape();
    require(static_cast<std::int64_t>(out.size()) == shape.size(), "dataset: image ", i, " of shape ",
            shape.to_string(), " needs ", shape.size(), " floats, found ", out.size());
    return source;
  }

  std::shared_ptr<const DatasetSource> source_;
};

// The common part of the sources that have 8-bit pixels: they implement pixels() and name().
class ImageSource : public DatasetSource {
 public:
  // Labels must lie in [0, class_names.size()).
  ImageSource(std::vector<std::int32_t> labels, std::vector<std::string> class_names, const Preprocessing& to)
      : labels_(std::move(labels)), class_names_(std::move(class_names)), preprocessing_(to) {
    to.check();
    for (std::size_t i = 0; i < labels_.size(); ++i)
      require(labels_[i] >= 0 && static_cast<std::size_t>(labels_[i]) < class_names_.size(), "dataset: label ",
              labels_[i], " of image ", i, " is not among the ", class_names_.size(), " classes");
  }

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return labels_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return class_names_; }
  [[nodiscard]] Shape image_shape() const override { return preprocessing_.shape(); }
  [[nodiscard]] const Preprocessing* preprocessing() const override { return &preprocessing_; }

  void load(std::int64_t i, std::span<float> out) const override {
    Image scratch;
    preprocess(pixels(i, scratch), preprocessing_, out);
  }
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const override {
    Image scratch;
    preprocess(pixels(i, scratch), preprocessing_, augmentation, rng, out);
  }
  [[nodiscard]] Image preview(std::int64_t i) const override {
    Image scratch;
    return copy_pixels(pixels(i, scratch));
  }

 private:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> class_names_;
  Preprocessing preprocessing_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_DATASET_HPP_
