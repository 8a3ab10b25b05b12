// octavo/train/feed.hpp: the batches that a network reads: images from a loader, or the features that its frozen
// layers made of them, computed once and kept.
#ifndef OCTAVO_TRAIN_FEED_HPP_
#define OCTAVO_TRAIN_FEED_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../data/loader.hpp"
#include "../nn/executor.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// One pass after another over a dataset. The order of the images is the loader's in either case.
class BatchFeed {
 public:
  BatchFeed(Dataset dataset, const LoaderOptions& options) : dataset_(std::move(dataset)), options_(options) {}

  [[nodiscard]] const Dataset& dataset() const noexcept { return dataset_; }
  [[nodiscard]] std::int64_t images() const { return dataset_.size(); }
  [[nodiscard]] std::int64_t batches() const {
    return (dataset_.size() + options_.batch_size - 1) / options_.batch_size;
  }
  // The node whose values the batches hold: 0, the graph's input, or that of keep_features().
  [[nodiscard]] int node() const noexcept { return node_; }

  // The memory that features of node `node` take, in bytes.
  [[nodiscard]] std::size_t feature_bytes(const nn::Graph& graph, int node) const {
    return static_cast<std::size_t>(dataset_.size() * graph.node(node).shape.size()) * sizeof(float);
  }
  // From now on the batches hold the values of `node`, made now in inference mode. No augmentation. `tell(done)` is
  // called as it goes.
  template <class Tell>
  void keep_features(nn::Executor& executor, int node, Tell&& tell);
  // The batches hold images again.
  void drop_features() {
    node_ = 0;
    features_ = {};
  }

  void begin_epoch(std::int64_t epoch);
  // Fills `batch` (images: the values of node()); false at the end of the epoch.
  bool next(Batch& batch);

 private:
  Dataset dataset_;
  LoaderOptions options_;
  std::unique_ptr<BatchLoader> loader_;  // made when images are first read
  int node_ = 0;
  Shape feature_shape_;  // batch 1
  AlignedVector<float> features_;
  std::vector<std::int64_t> order_;
  std::int64_t taken_ = 0;  // images of this epoch
};

template <class Tell>
void BatchFeed::keep_features(nn::Executor& executor, int node, Tell&& tell) {
  require(!options_.augmentation.enabled(), "features cannot be kept: the images are augmented");
  loader_.reset();
  feature_shape_ = executor.graph().node(node).shape;
  const std::int64_t size = feature_shape_.size();
  features_ = {};
  features_.resize(static_cast<std::size_t>(size * dataset_.size()));
  LoaderOptions in_order = options_;
  in_order.shuffle = false;
  BatchLoader loader(dataset_, in_order);
  loader.begin_epoch(0);
  Batch batch;
  for (std::int64_t done = 0; loader.next(batch); done += batch.size()) {
    const Tensor& value = executor.run(0, batch.images, node, false);
    std::copy_n(value.data(), value.size(), features_.data() + done * size);
    tell(done + batch.size());
  }
  node_ = node;
}

inline void BatchFeed::begin_epoch(std::int64_t epoch) {
  if (node_ != 0) {
    order_ = epoch_order(dataset_.size(), options_.shuffle, options_.seed, epoch);
    taken_ = 0;
    return;
  }
  if (loader_ == nullptr) loader_ = std::make_unique<BatchLoader>(dataset_, options_);
  loader_->begin_epoch(epoch);
}

inline bool BatchFeed::next(Batch& batch) {
  if (node_ == 0) return loader_->next(batch);
  const std::int64_t count = std::min(options_.batch_size, dataset_.size() - taken_);
  if (count <= 0) return false;
  const Shape shape = feature_shape_.with_batch(count);
  if (shape_of(batch.images) != shape) reshape_to(batch.images, shape);
  batch.labels.resize(static_cast<std::size_t>(count));
  batch.indices.assign(order_.begin() + taken_, order_.begin() + taken_ + count);
  const std::int64_t size = feature_shape_.size();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t image = batch.indices[static_cast<std::size_t>(i)];
    batch.labels[static_cast<std::size_t>(i)] = dataset_.label(image);
    std::copy_n(features_.data() + image * size, size, batch.images.data() + i * size);
  }
  taken_ += count;
  return true;
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_FEED_HPP_
