// Datasets in memory, subsets, splits, the cache, and a dataset of the user's own.
#include <octavo/data/cached.hpp>
#include <octavo/data/split.hpp>
#include <octavo/data/tensor_dataset.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;

namespace {

// n one-number elements, element i has the value i and the label i modulo `classes`.
Dataset numbers(int n, int classes) {
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < n; ++i) {
    values.push_back(static_cast<float>(i));
    labels.push_back(i % classes);
  }
  return tensor_dataset({1}, values, labels);
}

std::vector<int> contents(const Dataset& dataset) {
  std::vector<int> result;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    float value = 0.0F;
    dataset.load(i, {&value, 1});
    result.push_back(static_cast<int>(value));
  }
  return result;
}

// Pictures that count how often they are asked for.
class Counting : public ImageSource {
 public:
  Counting(int n, const Preprocessing& to, bool broken = false)
      : ImageSource(std::vector<std::int32_t>(static_cast<std::size_t>(n), 0), {"only"}, to), broken_(broken) {}
  [[nodiscard]] std::string name(std::int64_t i) const override { return "picture " + std::to_string(i); }
  ImageView pixels(std::int64_t i, Image& scratch) const override {
    ++asked;
    require(!broken_ || i != 2, name(i), ": is broken");
    scratch = pattern(20, 30, 3, static_cast<int>(i));
    return scratch.view();
  }
  mutable std::atomic<int> asked{0};

 private:
  bool broken_;
};

std::vector<float> loaded(const Dataset& dataset, std::int64_t i) {
  std::vector<float> out(static_cast<std::size_t>(dataset.image_shape().size()));
  dataset.load(i, out);
  return out;
}

}  // namespace

TEST_CASE("tensor dataset") {
  std::vector<float> values(2 * 4 * 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 24.0F;
  const Dataset data = tensor_dataset({2, 2, 3}, values, {1, 0}, {.class_names = {"cat", "dog"}});
  CHECK(data.size() == 2);
  CHECK(data.label(0) == 1);
  CHECK(data.classes() == 2);
  CHECK(data.class_names()[1] == "dog");
  CHECK(data.image_shape() == Shape{2, 2, 3});
  CHECK(data.name(1) == "tensor[1]");
  CHECK(data.preprocessing() == nullptr);
  CHECK(loaded(data, 1) == std::vector<float>(values.begin() + 12, values.end()));
  const Image preview = data.preview(1);
  CHECK(preview.height == 2);
  CHECK(int{preview.pixels[6]} == 191);  // 18/24 of 255
  std::vector<float> out(12);
  data.load(1, Augmentation{}, Rng(1), out);
  CHECK(out == loaded(data, 1));
  data.load(0, Augmentation{.horizontal_flip = true}, Rng(1), out);
  const std::vector<float> mirrored = {values[3], values[4],  values[5],  values[0], values[1], values[2],
                                       values[9], values[10], values[11], values[6], values[7], values[8]};
  CHECK((out == loaded(data, 0) || out == mirrored));
  CHECK(numbers(7, 3).class_names() == std::vector<std::string>{"0", "1", "2"});
  CHECK(numbers(7, 3).class_counts() == std::vector<std::int64_t>{3, 2, 2});
}

TEST_CASE("tensor dataset: errors") {
  CHECK(contains(error_of([] { (void)tensor_dataset({3}, {1, 2, 3, 4}, {0, 1}); }), "need 6 values, found 4"));
  CHECK(contains(error_of([] { (void)tensor_dataset({1}, {1}, {-1}); }), "label -1 is negative"));
  CHECK(contains(error_of([] { (void)tensor_dataset({1}, {1}, {2}, {.class_names = {"a", "b"}}); }), "among the 2"));
  CHECK(contains(error_of([] { (void)tensor_dataset({0}, {}, {}); }), "empty"));
  const Dataset data = numbers(3, 3);
  CHECK(contains(error_of([&] { (void)data.preview(0); }), "no images"));
  float two[2];
  CHECK(contains(error_of([&] { data.load(0, two); }), "needs 1 floats, found 2"));
  CHECK(contains(error_of([&] { (void)data.label(3); }), "no image 3 among 3"));
  CHECK(contains(error_of([&] { (void)data.name(-1); }), "no image -1"));
}

TEST_CASE("the empty dataset") {
  const Dataset none;
  CHECK(none.size() == 0);
  CHECK(none.empty());
  CHECK(none.classes() == 0);
  CHECK(none.class_counts().empty());
  CHECK(contains(error_of([&] { (void)none.image_shape(); }), "empty"));
  CHECK(contains(error_of([&] { (void)none.label(0); }), "no image 0 among 0"));
  CHECK(split(none, {0.8, 0.1, 0.1}, 1).test.empty());
}

TEST_CASE("subsets") {
  const Dataset data = numbers(10, 5);
  const Dataset part = subset(data, {7, 2, 2});
  CHECK(contents(part) == std::vector<int>{7, 2, 2});
  CHECK(part.label(0) == 2);
  CHECK(part.classes() == 5);
  CHECK(contents(subset(part, {2, 0})) == std::vector<int>{2, 7});
  CHECK(contents(take(data, 3)) == std::vector<int>{0, 1, 2});
  CHECK(take(data, 100).size() == 10);
  CHECK(contains(error_of([&] { (void)subset(data, {0, 10}); }), "no image 10 among 10"));
}

TEST_CASE("split: sizes, no image twice, the same for the same seed") {
  for (const int n : {1, 9, 10, 30, 101}) {
    const Dataset data = numbers(n, 3);
    const Splits parts = split(data, {0.8, 0.1, 0.1}, 7);
    CHECK(parts.validation.size() == n / 10);
    CHECK(parts.test.size() == n / 10);
    CHECK(parts.train.size() == n - 2 * (n / 10));
    std::multiset<int> all;
    for (const Dataset& part : {parts.train, parts.validation, parts.test})
      for (const int value : contents(part)) all.insert(value);
    CHECK(all.size() == static_cast<std::size_t>(n));
    CHECK(std::set<int>(all.begin(), all.end()).size() == static_cast<std::size_t>(n));
    const Splits again = split(data, {0.8, 0.1, 0.1}, 7);
    CHECK(contents(again.train) == contents(parts.train));
    CHECK(contents(again.test) == contents(parts.test));
  }
  const Dataset data = numbers(100, 3);
  const Splits parts = split(data, {0.8, 0.1, 0.1}, 7);
  CHECK(contents(split(data, {0.8, 0.1, 0.1}, 8).train) != contents(parts.train));
  std::vector<int> sorted = contents(parts.train);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted != contents(parts.train));  // shuffled
  const Splits half = split(data, {0.25, 0.25, 0.0}, 7);
  CHECK(half.train.size() == 25);
  CHECK(half.validation.size() == 25);
  CHECK(half.test.empty());
}

TEST_CASE("split: the order is part of the contract") {
  // Worked out by the definition: Fisher-Yates with SplitMix64 of seed 7; each part takes its share in shuffled order.
  std::vector<int> order(10);
  std::iota(order.begin(), order.end(), 0);
  Rng rng(7);
  for (std::size_t n = 10; n > 1; --n) std::swap(order[n - 1], order[rng() % n]);
  const Splits parts = split(numbers(10, 2), {0.6, 0.2, 0.2}, 7);
  CHECK(contents(parts.train) == std::vector<int>(order.begin(), order.begin() + 6));
  CHECK(contents(parts.validation) == std::vector<int>(order.begin() + 6, order.begin() + 8));
  CHECK(contents(parts.test) == std::vector<int>(order.begin() + 8, order.end()));
}

TEST_CASE("split: stratified keeps the mix of classes") {
  std::vector<std::int32_t> labels(100, 0);
  labels.insert(labels.end(), 30, 1);
  labels.insert(labels.end(), 9, 2);
  const Dataset data = tensor_dataset({1}, std::vector<float>(labels.size()), labels);
  const Splits parts = split(data, {0.8, 0.1, 0.1}, 3, /*stratified=*/true);
  CHECK(parts.train.class_counts() == std::vector<std::int64_t>{80, 24, 9});
  CHECK(parts.validation.class_counts() == std::vector<std::int64_t>{10, 3, 0});
  CHECK(parts.test.class_counts() == std::vector<std::int64_t>{10, 3, 0});
  // Classes are mixed, not one after the other.
  bool mixed = false;
  for (std::int64_t i = 1; i < 50; ++i) mixed = mixed || parts.train.label(i) < parts.train.label(i - 1);
  CHECK(mixed);
}

TEST_CASE("split: fractions without a meaning are errors") {
  CHECK(contains(error_of([] { (void)split(numbers(10, 2), {0.9, 0.2, 0.1}, 1); }), "0.9, 0.2, 0.1"));
  CHECK(contains(error_of([] { (void)split(numbers(10, 2), {0.9, -0.1, 0.1}, 1); }), "-0.1"));
}

TEST_CASE("cache: each picture is decoded once, and loads nearly the same") {
  const Preprocessing to{.height = 16, .width = 12, .keep_aspect = true, .range = PixelRange::raw_0_255};
  const auto source = std::make_shared<Counting>(9, to);
  const Dataset plain = source;
  const Dataset kept = cached(plain, {.threads = 3});
  CHECK(kept.size() == 9);
  CHECK(kept.image_shape() == Shape{16, 12, 3});
  CHECK(*kept.preprocessing() == to);
  CHECK(kept.name(4) == "picture 4");
  CHECK(source->asked == 0);
  std::vector<std::vector<float>> first;
  for (std::int64_t i = 0; i < 9; ++i) first.push_back(loaded(kept, i));
  CHECK(source->asked == 9);
  for (std::int64_t i = 0; i < 9; ++i) {
    const std::vector<float> exact = loaded(plain, i);
    const std::vector<float> now = loaded(kept, i);
    CHECK(now == first[static_cast<std::size_t>(i)]);
    for (std::size_t k = 0; k < exact.size(); ++k) CHECK(std::abs(exact[k] - now[k]) <= 0.5001F);
  }
  CHECK(source->asked == 18);  // by `plain`
  CHECK(kept.preview(0).height == 20);

  // Kept at another size: resized once more when loaded.
  const Dataset large = cached(plain, {.height = 20, .width = 15});
  const std::vector<float> out = loaded(large, 3);
  CHECK(out.size() == 16 * 12 * 3);
  Image stored(20, 15, 3);
  std::vector<float> between(stored.pixels.size());
  resize_bilinear(center_crop(pattern(20, 30, 3, 3).view(), 20, 15), 20, 15, std::span<float>(between));
  for (std::size_t k = 0; k < between.size(); ++k) stored.pixels[k] = to_byte(between[k]);
  std::vector<float> expected(out.size());
  resize_bilinear(stored.view(), 16, 12, std::span<float>(expected));
  CHECK(out == expected);
}

TEST_CASE("cache: several threads may be the first") {
  const Preprocessing to{.height = 8, .width = 8};
  const auto source = std::make_shared<Counting>(20, to);
  const Dataset kept = cached(Dataset(source));
  std::vector<std::thread> team;
  for (int t = 0; t < 4; ++t)
    team.emplace_back([&] {
      for (std::int64_t i = 0; i < 20; ++i) (void)loaded(kept, i);
    });
  for (std::thread& member : team) member.join();
  CHECK(source->asked == 20);
}

TEST_CASE("cache: augmentation starts from the kept picture") {
  const Preprocessing to{.height = 20, .width = 30, .range = PixelRange::raw_0_255};
  const Dataset plain = std::make_shared<Counting>(2, to);
  const Dataset kept = cached(plain);
  const Augmentation augmentation{.horizontal_flip = true, .min_area = 0.4F, .brightness = 0.2F};
  std::vector<float> a(1800);
  std::vector<float> b(1800);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    plain.load(1, augmentation, Rng(seed), a);
    kept.load(1, augmentation, Rng(seed), b);
    CHECK(a == b);  // the size is the pictures' own: nothing was rounded
  }
}

TEST_CASE("cache: errors come through, at each use; floats need none") {
  const Dataset kept = cached(Dataset(std::make_shared<Counting>(5, Preprocessing{.height = 8, .width = 8}, true)));
  CHECK(contains(error_of([&] { (void)loaded(kept, 0); }), "picture 2: is broken"));
  CHECK(contains(error_of([&] { (void)loaded(kept, 0); }), "picture 2: is broken"));
  const Dataset floats = numbers(4, 2);
  CHECK(cached(floats).source() == floats.source());
  const Dataset padded =
      std::make_shared<Counting>(1, Preprocessing{.height = 40, .width = 40, .resize = ResizeMethod::pad});
  CHECK(cached(padded).image_shape() == Shape{40, 40, 3});
  CHECK(loaded(cached(padded), 0) == loaded(padded, 0));
  CHECK(contains(error_of([&] { (void)cached(padded, {.height = 50}); }), "40x40"));
}

TEST_CASE("labels of a source must name classes") {
  class Wrong : public Counting {
   public:
    Wrong() : Counting(1, {}) {}
  };
  CHECK(Dataset(std::make_shared<Wrong>()).size() == 1);
  class Labels : public ImageSource {
   public:
    Labels() : ImageSource({0, 2}, {"a", "b"}, {}) {}
    [[nodiscard]] std::string name(std::int64_t) const override { return "x"; }
    ImageView pixels(std::int64_t, Image&) const override { return {}; }
  };
  CHECK(contains(error_of([] { Labels labels; }), "label 2 of image 1 is not among the 2 classes"));
}
