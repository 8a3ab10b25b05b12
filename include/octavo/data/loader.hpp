// octavo/data/loader.hpp: batches, shuffled and augmented, made by background threads while the network trains.
#ifndef OCTAVO_DATA_LOADER_HPP_
#define OCTAVO_DATA_LOADER_HPP_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "../core/rng.hpp"
#include "../core/tensor.hpp"
#include "augment.hpp"
#include "dataset.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct Batch {
  Tensor images;                      // NHWC (N, then the dataset's image_shape())
  std::vector<std::int32_t> labels;   // N
  std::vector<std::int64_t> indices;  // N: which images of the dataset they are

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

// The order in which epoch `epoch` visits `n` images: a permutation that depends on n, seed and epoch only; 0, 1, ...
// without shuffling.
inline std::vector<std::int64_t> epoch_order(std::int64_t n, bool shuffle, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (shuffle) {
    Rng rng = Rng(seed).fork(static_cast<std::uint64_t>(epoch));
    rng.shuffle(order.begin(), order.end());
  }
  return order;
}

// The generator of image `index` in epoch `epoch`: a stream of its own, apart from the shuffling's.
inline Rng augmentation_rng(std::uint64_t seed, std::int64_t epoch, std::int64_t index) {
  constexpr std::uint64_t stream = 0xA06;
  return Rng(seed).fork(stream).fork(static_cast<std::uint64_t>(epoch)).fork(static_cast<std::uint64_t>(index));
}

// Fills `batch` with the images `indices`, here and now.
void load_batch(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch);

struct LoaderOptions {
  std::int64_t batch_size = 32;
  bool shuffle = true;
  std::uint64_t seed = 0;       // of the order and of the augmentation
  Augmentation augmentation{};  // nothing by default
  int threads = 1;              // that make batches; 0: next() makes them itself
  int prefetch = 2;             // batches that wait ready, at least `threads`
  bool drop_last = false;       // leave out a last batch that is not full
};

// One pass over a dataset after another:
//   for (epoch...) { loader.begin_epoch(epoch); while (loader.next(batch)) train(batch); }
// The batches of an epoch depend on dataset, batch_size, shuffle, seed, augmentation and epoch only: not on the
// threads, and not on what was read before, so training that is resumed sees the same ones. One thread calls the
// members.
class BatchLoader {
 public:
  // Throws Error where an option has no meaning. Nothing is loaded before begin_epoch().
  BatchLoader(Dataset dataset, const LoaderOptions& options);
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;
  // Stops in the middle of a batch, if need be.
  ~BatchLoader();

  // Leaves the current epoch, wherever it is, and begins another one at batch `first_batch`.
  void begin_epoch(std::int64_t epoch, std::int64_t first_batch = 0);

  // Gives the next batch, or returns false at the end of the epoch. The memory of what `batch` held is used again.
  // Rethrows what the dataset threw while this batch was made; then each further call does, until begin_epoch().
  bool next(Batch& batch);

  // Batches of an epoch.
  [[nodiscard]] std::int64_t batches() const { return batches_; }
  // The current epoch's order of images.
  [[nodiscard]] const std::vector<std::int64_t>& order() const { return order_; }
  [[nodiscard]] const Dataset& dataset() const { return dataset_; }
  [[nodiscard]] const LoaderOptions& options() const { return options_; }

 private:
  // Batch number b waits in slot b modulo the number of slots.
  struct Slot {
    Batch batch;
    std::exception_ptr error;
    bool ready = false;
  };

  void work();
  void make(std::int64_t number, Batch& batch) const;
  void wait_until_idle();

  Dataset dataset_;
  LoaderOptions options_;
  std::int64_t batches_ = 0;
  bool begun_ = false;  // begin_epoch() was called

  // Written by begin_epoch() while no worker is busy.
  std::int64_t epoch_ = 0;
  std::vector<std::int64_t> order_;

  std::mutex guard_;  // of all below
  std::condition_variable work_there_;
  std::condition_variable batch_there_;
  std::vector<Slot> slots_;
  std::int64_t next_made_ = 0;
  std::int64_t next_taken_ = 0;
  int busy_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
  std::atomic<bool> cancelled_{false};  // read by busy workers, without the lock
  std::vector<std::thread> team_;
};

namespace detail {

// Shapes the batch; returns the floats of one image.
inline std::size_t prepare_batch(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch) {
  const Shape image = dataset.image_shape();
  Shape shape{static_cast<std::int64_t>(indices.size())};
  for (const std::int64_t extent : image) shape.push_back(extent);
  if (batch.images.dimension() != shape.rank() || shape_of(batch.images) != shape) reshape_to(batch.images, shape);
  batch.labels.resize(indices.size());
  batch.indices.assign(indices.begin(), indices.end());
  for (std::size_t k = 0; k < indices.size(); ++k) batch.labels[k] = dataset.label(indices[k]);
  return static_cast<std::size_t>(image.size());
}

}  // namespace detail

inline void load_batch(const Dataset& dataset, std::span<const std::int64_t> indices, Batch& batch) {
  const std::size_t n = detail::prepare_batch(dataset, indices, batch);
  for (std::size_t k = 0; k < indices.size(); ++k) dataset.load(indices[k], values(batch.images).subspan(k * n, n));
}

inline BatchLoader::BatchLoader(Dataset dataset, const LoaderOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  require(options.batch_size > 0, "batch loader: batch_size ", options.batch_size, "; expected at least 1");
  require(options.threads >= 0 && options.prefetch >= 0, "batch loader: ", options.threads, " threads, prefetch ",
          options.prefetch, "; expected none below 0");
  options.augmentation.check();
  batches_ = dataset_.size() / options.batch_size;
  if (!options.drop_last && dataset_.size() % options.batch_size != 0) ++batches_;
  next_made_ = next_taken_ = batches_;  // nothing to do before begin_epoch()
  slots_.resize(static_cast<std::size_t>(std::max({options.prefetch, options.threads, 1})));
  try {
    for (int i = 0; i < options.threads; ++i) team_.emplace_back([this] { work(); });
  } catch (const std::exception& error) {
    {
      const std::lock_guard lock(guard_);
      stop_ = true;
    }
    work_there_.notify_all();
    for (std::thread& member : team_) member.join();
    fail("batch loader: cannot start ", options.threads, " threads (", error.what(), ')');
  }
}

inline BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(guard_);
    stop_ = true;
    cancelled_ = true;
  }
  work_there_.notify_all();
  for (std::thread& member : team_) member.join();
}

// On return no worker touches a slot or the order, and none begins before next_made_ is moved.
inline void BatchLoader::wait_until_idle() {
  std::unique_lock lock(guard_);
  next_made_ = batches_;
  cancelled_ = true;
  batch_there_.wait(lock, [this] { return busy_ == 0; });
  cancelled_ = false;
}

inline void BatchLoader::begin_epoch(std::int64_t epoch, std::int64_t first_batch) {
  require(first_batch >= 0 && first_batch <= batches_, "batch loader: begin at batch ", first_batch, " of ", batches_);
  wait_until_idle();
  epoch_ = epoch;
  order_ = epoch_order(dataset_.size(), options_.shuffle, options_.seed, epoch);
  begun_ = true;
  {
    const std::lock_guard lock(guard_);
    for (Slot& slot : slots_) {
      slot.ready = false;
      slot.error = nullptr;
    }
    failure_ = nullptr;
    next_taken_ = next_made_ = first_batch;
  }
  work_there_.notify_all();
}

inline void BatchLoader::make(std::int64_t number, Batch& batch) const {
  const std::int64_t begin = number * options_.batch_size;
  const std::int64_t end = std::min(begin + options_.batch_size, dataset_.size());
  const auto indices =
      std::span(order_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  const std::size_t n = detail::prepare_batch(dataset_, indices, batch);
  for (std::size_t k = 0; k < indices.size() && !cancelled_.load(std::memory_order_relaxed); ++k) {
    const std::span<float> out = values(batch.images).subspan(k * n, n);
    if (options_.augmentation.enabled())
      dataset_.load(indices[k], options_.augmentation, augmentation_rng(options_.seed, epoch_, indices[k]), out);
    else
      dataset_.load(indices[k], out);
  }
}

inline void BatchLoader::work() {
  const auto room = static_cast<std::int64_t>(slots_.size());
  std::unique_lock lock(guard_);
  while (true) {
    work_there_.wait(lock, [&] { return stop_ || next_made_ < std::min(batches_, next_taken_ + room); });
    if (stop_) return;
    const std::int64_t number = next_made_++;
    Slot& slot = slots_[static_cast<std::size_t>(number % room)];
    ++busy_;
    lock.unlock();
    std::exception_ptr error;
    try {
      make(number, slot.batch);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    slot.error = error;
    slot.ready = true;
    --busy_;
    batch_there_.notify_all();
  }
}

inline bool BatchLoader::next(Batch& batch) {
  require(begun_, "batch loader: next() before begin_epoch()");
  if (failure_) std::rethrow_exception(failure_);
  if (next_taken_ == batches_) return false;
  if (team_.empty()) {
    try {
      make(next_taken_, batch);
    } catch (...) {
      failure_ = std::current_exception();
      throw;
    }
    ++next_taken_;
    return true;
  }
  {
    std::unique_lock lock(guard_);
    Slot& slot = slots_[static_cast<std::size_t>(next_taken_) % slots_.size()];
    batch_there_.wait(lock, [&slot] { return slot.ready; });
    slot.ready = false;
    failure_ = std::exchange(slot.error, nullptr);
    if (failure_) std::rethrow_exception(failure_);
    std::swap(batch, slot.batch);
    ++next_taken_;
  }
  work_there_.notify_one();
  return true;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_LOADER_HPP_
