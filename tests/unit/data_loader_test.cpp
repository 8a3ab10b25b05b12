// Batches: which images, in which order, from how many threads; epochs left early; errors of the dataset.
#include <octavo/data/loader.hpp>
#include <octavo/data/split.hpp>
#include <octavo/data/tensor_dataset.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;

namespace {

Dataset pictures(int n, int size = 6) {
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < n; ++i) {
    const Image image = pattern(size, size, 3, i);
    for (const std::uint8_t value : image.pixels) values.push_back(static_cast<float>(value) / 255.0F);
    labels.push_back(i % 3);
  }
  return tensor_dataset({size, size, 3}, values, labels);
}

struct Epoch {
  std::vector<std::int64_t> indices;
  std::vector<std::int32_t> labels;
  std::vector<float> values;
  std::vector<std::int64_t> sizes;
  friend bool operator==(const Epoch&, const Epoch&) = default;
};

Epoch rest_of_epoch(BatchLoader& loader) {
  Epoch epoch;
  Batch batch;
  while (loader.next(batch)) {
    epoch.sizes.push_back(batch.size());
    epoch.indices.insert(epoch.indices.end(), batch.indices.begin(), batch.indices.end());
    epoch.labels.insert(epoch.labels.end(), batch.labels.begin(), batch.labels.end());
    const auto images = values(batch.images);
    epoch.values.insert(epoch.values.end(), images.begin(), images.end());
  }
  return epoch;
}
Epoch one_epoch(BatchLoader& loader, std::int64_t epoch) {
  loader.begin_epoch(epoch);
  return rest_of_epoch(loader);
}

const Augmentation kSome{.horizontal_flip = true, .min_area = 0.5F, .shift = 1, .brightness = 0.2F};

// Image 5 throws; image 7 waits until it is allowed.
class Gated : public ImageSource {
 public:
  Gated() : ImageSource(std::vector<std::int32_t>(20, 0), {"only"}, Preprocessing{.height = 4, .width = 4}) {}
  [[nodiscard]] std::string name(std::int64_t i) const override { return "picture " + std::to_string(i); }
  ImageView pixels(std::int64_t i, Image& scratch) const override {
    ++asked;
    require(i != 5, name(i), ": is broken");
    if (i == 7) {
      std::unique_lock lock(guard);
      ++waiting;
      changed.notify_all();
      changed.wait(lock, [this] { return open; });
    }
    scratch = pattern(4, 4, 3);
    return scratch.view();
  }
  mutable std::atomic<int> asked{0};
  mutable std::mutex guard;
  mutable std::condition_variable changed;
  mutable int waiting = 0;
  mutable bool open = false;
};

}  // namespace

TEST_CASE("an epoch visits each image once, in the published order") {
  const Dataset data = pictures(23);
  for (const int threads : {0, 1, 3}) {
    BatchLoader loader(data, {.batch_size = 5, .seed = 4, .threads = threads});
    CHECK(loader.batches() == 5);
    const Epoch epoch = one_epoch(loader, 2);
    CHECK(epoch.sizes == std::vector<std::int64_t>{5, 5, 5, 5, 3});
    CHECK(epoch.indices == loader.order());
    CHECK(epoch.indices == epoch_order(23, true, 4, 2));
    CHECK(std::set<std::int64_t>(epoch.indices.begin(), epoch.indices.end()).size() == 23);
    std::vector<float> expected(108);
    for (std::size_t k = 0; k < 23; ++k) {
      CHECK(epoch.labels[k] == data.label(epoch.indices[k]));
      data.load(epoch.indices[k], expected);
      CHECK(std::equal(expected.begin(), expected.end(), epoch.values.begin() + static_cast<std::ptrdiff_t>(108 * k)));
    }
  }
}

TEST_CASE("the batch has the shape NHWC, or N and the element's shape") {
  BatchLoader loader(pictures(4), {.batch_size = 3, .shuffle = false});
  loader.begin_epoch(0);
  Batch batch;
  REQUIRE(loader.next(batch));
  CHECK(shape_of(batch.images) == Shape{3, 6, 6, 3});
  CHECK(batch.indices == std::vector<std::int64_t>{0, 1, 2});
  REQUIRE(loader.next(batch));
  CHECK(shape_of(batch.images) == Shape{1, 6, 6, 3});
  CHECK_FALSE(loader.next(batch));
  CHECK_FALSE(loader.next(batch));
  load_batch(tensor_dataset({2}, {1, 2, 3, 4}, {0, 1}), std::vector<std::int64_t>{1, 0}, batch);
  CHECK(shape_of(batch.images) == Shape{2, 2});
  CHECK(batch.images(0, 1) == 4.0F);
  CHECK(batch.labels == std::vector<std::int32_t>{1, 0});
}

TEST_CASE("the same bits from any number of threads, with augmentation, in every epoch") {
  const Dataset data = pictures(30);
  BatchLoader one(data, {.batch_size = 4, .seed = 9, .augmentation = kSome, .threads = 1});
  BatchLoader three(data, {.batch_size = 4, .seed = 9, .augmentation = kSome, .threads = 3, .prefetch = 5});
  BatchLoader none(data, {.batch_size = 4, .seed = 9, .augmentation = kSome, .threads = 0});
  std::set<std::vector<float>> different;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    const Epoch expected = one_epoch(none, epoch);
    CHECK(one_epoch(one, epoch) == expected);
    CHECK(one_epoch(three, epoch) == expected);
    different.insert(expected.values);
  }
  CHECK(different.size() == 4);
  // An epoch does not depend on those before it, nor does a picture on its place in a batch.
  BatchLoader fresh(data, {.batch_size = 7, .seed = 9, .augmentation = kSome});
  CHECK(one_epoch(fresh, 3).values == one_epoch(none, 3).values);
  BatchLoader other(data, {.batch_size = 4, .seed = 10, .augmentation = kSome});
  CHECK(one_epoch(other, 3).values != one_epoch(none, 3).values);
}

TEST_CASE("an epoch can begin in its middle") {
  BatchLoader loader(pictures(22), {.batch_size = 4, .seed = 1, .augmentation = kSome, .threads = 2});
  loader.begin_epoch(6);
  Batch batch;
  for (int i = 0; i < 3; ++i) REQUIRE(loader.next(batch));
  const Epoch rest = rest_of_epoch(loader);
  BatchLoader resumed(pictures(22), {.batch_size = 4, .seed = 1, .augmentation = kSome, .threads = 2});
  resumed.begin_epoch(6, 3);
  CHECK(rest_of_epoch(resumed) == rest);
  resumed.begin_epoch(6, 6);
  CHECK_FALSE(resumed.next(batch));
  CHECK(contains(error_of([&] { resumed.begin_epoch(0, 7); }), "batch 7 of 6"));
}

TEST_CASE("without shuffling; without the last batch; empty datasets") {
  BatchLoader loader(pictures(10), {.batch_size = 4, .shuffle = false, .drop_last = true});
  CHECK(loader.batches() == 2);
  CHECK(one_epoch(loader, 5).indices == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
  BatchLoader small(pictures(3), {.batch_size = 4, .drop_last = true});
  CHECK(small.batches() == 0);
  CHECK(one_epoch(small, 0).indices.empty());
  BatchLoader empty(Dataset{}, {});
  CHECK(one_epoch(empty, 0).indices.empty());
}

TEST_CASE("leaving an epoch early, by the next epoch or by the end") {
  const Dataset data = pictures(40);
  for (const int threads : {1, 3}) {
    BatchLoader loader(data, {.batch_size = 2, .seed = 3, .threads = threads, .prefetch = 4});
    Batch batch;
    for (std::int64_t epoch = 0; epoch < 30; ++epoch) {
      loader.begin_epoch(epoch);
      for (std::int64_t i = 0; i < epoch % 5; ++i) REQUIRE(loader.next(batch));
    }
    CHECK(one_epoch(loader, 2).indices == epoch_order(40, true, 3, 2));
    for (int i = 0; i < 30; ++i) {
      BatchLoader left(data, {.batch_size = 2, .threads = threads});
      if (i % 3 > 0) left.begin_epoch(i);
      if (i % 3 > 1) CHECK(left.next(batch));
    }
  }
}

TEST_CASE("destruction waits for the picture in the making, and makes no other") {
  const auto source = std::make_shared<Gated>();
  std::vector<std::int64_t> indices = {7, 8, 9, 10, 11, 12, 13, 14};
  std::thread opener([&] {
    // Opens the gate some time after the worker has come to it: by then the loader is being destroyed.
    std::unique_lock lock(source->guard);
    source->changed.wait(lock, [&] { return source->waiting > 0; });
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    lock.lock();
    source->open = true;
    source->changed.notify_all();
  });
  {
    BatchLoader loader(subset(Dataset(source), indices), {.batch_size = 8, .shuffle = false});
    loader.begin_epoch(0);
    std::unique_lock lock(source->guard);
    source->changed.wait(lock, [&] { return source->waiting > 0; });
  }
  opener.join();
  CHECK(source->open);
  CHECK(source->asked == 1);
}

TEST_CASE("an error of the dataset comes out of next(), in its turn, until the next epoch") {
  const auto source = std::make_shared<Gated>();
  source->open = true;
  for (const int threads : {0, 1, 3}) {
    BatchLoader loader(Dataset(source), {.batch_size = 2, .shuffle = false, .threads = threads, .prefetch = 4});
    for (int round = 0; round < 2; ++round) {
      loader.begin_epoch(round);
      Batch batch;
      REQUIRE(loader.next(batch));
      REQUIRE(loader.next(batch));
      CHECK(batch.indices[0] == 2);
      CHECK(contains(error_of([&] { (void)loader.next(batch); }), "picture 5: is broken"));
      CHECK(contains(error_of([&] { (void)loader.next(batch); }), "picture 5: is broken"));
    }
    loader.begin_epoch(0, 3);
    Batch batch;
    CHECK(loader.next(batch));
    CHECK(batch.indices[0] == 6);
  }
}

TEST_CASE("no more batches are made ahead than asked for") {
  const auto source = std::make_shared<Gated>();
  source->open = true;
  BatchLoader loader(subset(Dataset(source), {0, 1, 2, 3, 4, 6, 8, 9, 10}),
                     {.batch_size = 1, .shuffle = false, .threads = 1, .prefetch = 2});
  loader.begin_epoch(0);
  Batch batch;
  REQUIRE(loader.next(batch));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(source->asked <= 3);
  CHECK(rest_of_epoch(loader).indices.size() == 8);
  CHECK(source->asked == 9);
}

TEST_CASE("options without a meaning, and calls out of turn") {
  const Dataset data = pictures(3);
  CHECK(contains(error_of([&] { BatchLoader loader(data, {.batch_size = 0}); }), "batch_size 0"));
  CHECK(contains(error_of([&] { BatchLoader loader(data, {.threads = -1}); }), "-1 threads"));
  CHECK(contains(error_of([&] { BatchLoader loader(data, {.augmentation = {.shift = -2}}); }), "shift -2"));
  BatchLoader loader(data, {});
  Batch batch;
  CHECK(contains(error_of([&] { (void)loader.next(batch); }), "before begin_epoch"));
}
