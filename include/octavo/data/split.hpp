// octavo/data/split.hpp: parts of a dataset: by index, and by a seeded random cut into training, validation and test.
#ifndef OCTAVO_DATA_SPLIT_HPP_
#define OCTAVO_DATA_SPLIT_HPP_

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataset.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The images `indices` of `whole`, in that order; an index may stand there twice.
Dataset subset(const Dataset& whole, std::vector<std::int64_t> indices);

// The first `n` images (all, if there are fewer).
Dataset take(const Dataset& whole, std::int64_t n);

struct Splits {
  Dataset train;
  Dataset validation;
  Dataset test;
};

struct SplitFractions {
  double train = 0.8;
  double validation = 0.1;
  double test = 0.1;
};

// Cuts `whole` after shuffling it by `seed`. The sizes are floor(n * fraction); where the fractions add up to 1,
// training gets what is left over. `stratified` does this class by class, so that each part has the same mix. The same
// seed gives the same parts everywhere. Throws where a fraction is negative or they add up to more than 1.
Splits split(const Dataset& whole, const SplitFractions& fractions, std::uint64_t seed, bool stratified = false);

namespace detail {

class SubsetSource final : public DatasetSource {
 public:
  SubsetSource(std::shared_ptr<const DatasetSource> whole, std::vector<std::int64_t> indices)
      : whole_(std::move(whole)), indices_(std::move(indices)) {}

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return whole_->label(at(i)); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return whole_->class_names(); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return whole_->name(at(i)); }
  [[nodiscard]] Shape image_shape() const override { return whole_->image_shape(); }
  void load(std::int64_t i, std::span<float> out) const override { whole_->load(at(i), out); }
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const override {
    whole_->load(at(i), augmentation, rng, out);
  }
  [[nodiscard]] Image preview(std::int64_t i) const override { return whole_->preview(at(i)); }
  [[nodiscard]] const Preprocessing* preprocessing() const override { return whole_->preprocessing(); }
  ImageView pixels(std::int64_t i, Image& scratch) const override { return whole_->pixels(at(i), scratch); }

 private:
  [[nodiscard]] std::int64_t at(std::int64_t i) const { return indices_[static_cast<std::size_t>(i)]; }

  std::shared_ptr<const DatasetSource> whole_;
  std::vector<std::int64_t> indices_;
};

}  // namespace detail

inline Dataset subset(const Dataset& whole, std::vector<std::int64_t> indices) {
  for (const std::int64_t i : indices)
    require(i >= 0 && i < whole.size(), "subset: no image ", i, " among ", whole.size());
  if (whole.source() == nullptr) return whole;
  return std::make_shared<const detail::SubsetSource>(whole.source(), std::move(indices));
}

inline Dataset take(const Dataset& whole, std::int64_t n) {
  require(n >= 0, "take: ", n, " images");
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(n, whole.size())));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return subset(whole, std::move(indices));
}

inline Splits split(const Dataset& whole, const SplitFractions& fractions, std::uint64_t seed, bool stratified) {
  const double sum = fractions.train + fractions.validation + fractions.test;
  constexpr double tolerance = 1e-9;
  require(fractions.train >= 0.0 && fractions.validation >= 0.0 && fractions.test >= 0.0 && sum <= 1.0 + tolerance,
          "split: fractions ", fractions.train, ", ", fractions.validation, ", ", fractions.test,
          "; expected none below 0, and a sum of at most 1");
  std::vector<std::int64_t> shuffled(static_cast<std::size_t>(whole.size()));
  std::iota(shuffled.begin(), shuffled.end(), std::int64_t{0});
  Rng rng(seed);
  rng.shuffle(shuffled.begin(), shuffled.end());

  // One group of all images, or one per class; each is cut alike. Walking along `shuffled` keeps the parts mixed.
  const auto group_of = [&](std::int64_t i) { return stratified ? static_cast<std::size_t>(whole.label(i)) : 0; };
  std::vector<std::int64_t> sizes(stratified ? static_cast<std::size_t>(whole.classes()) : 1);
  for (const std::int64_t i : shuffled) ++sizes[group_of(i)];
  std::vector<std::array<std::int64_t, 3>> wanted;
  for (const std::int64_t n : sizes) {
    // 0.1 * 30 must count as 3 although the product may be smaller.
    const auto part = [n](double fraction) {
      return static_cast<std::int64_t>(std::floor(static_cast<double>(n) * fraction + tolerance));
    };
    const std::int64_t validation = part(fractions.validation);
    const std::int64_t test = part(fractions.test);
    wanted.push_back({sum >= 1.0 - tolerance ? n - validation - test : part(fractions.train), validation, test});
  }
  std::array<std::vector<std::int64_t>, 3> parts;
  for (const std::int64_t i : shuffled) {
    std::array<std::int64_t, 3>& left = wanted[group_of(i)];
    for (std::size_t part = 0; part < 3; ++part) {
      if (left[part] == 0) continue;
      --left[part];
      parts[part].push_back(i);
      break;
    }
  }
  return {subset(whole, std::move(parts[0])), subset(whole, std::move(parts[1])), subset(whole, std::move(parts[2]))};
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_SPLIT_HPP_
