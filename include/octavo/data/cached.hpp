// octavo/data/cached.hpp: a dataset whose decoded pictures stay in memory, 8 bit: 150 kB each at 224 x 224 x 3.
#ifndef OCTAVO_DATA_CACHED_HPP_
#define OCTAVO_DATA_CACHED_HPP_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "dataset.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct CacheOptions {
  int height = 0;   // of what is kept; 0: the size that load() gives. Larger leaves detail for random crops
  int width = 0;    // 0: as height
  int threads = 0;  // that fill the cache; 0: all
};

// The same images, decoded once: all of them, in parallel, when the first is asked for. What is kept is the part that
// Preprocessing keeps, resized and rounded to 8 bit, so at the default size load() differs from the original's by
// half a grey level at most. A dataset that holds floats is returned as it is.
Dataset cached(const Dataset& dataset, const CacheOptions& options = {});

namespace detail {

class CachedSource final : public DatasetSource {
 public:
  CachedSource(std::shared_ptr<const DatasetSource> original, const CacheOptions& options)
      : original_(std::move(original)), load_(*original_->preprocessing()), store_(load_), threads_(options.threads) {
    if (options.height > 0) store_.height = store_.width = options.height;
    if (options.width > 0) store_.width = options.width;
    require(store_.resize != ResizeMethod::pad || (store_.height == load_.height && store_.width == load_.width),
            "cached: padded pictures are kept at the size that they are loaded at, ", load_.height, 'x', load_.width);
    // The kept part has been cut out already.
    load_.keep_aspect = false;
    load_.central_crop = 1.0F;
    image_size_ = static_cast<std::size_t>(store_.shape().size());
  }

  [[nodiscard]] std::int64_t size() const override { return original_->size(); }
  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return original_->label(i); }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return original_->class_names(); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return original_->name(i); }
  [[nodiscard]] Shape image_shape() const override { return load_.shape(); }
  [[nodiscard]] const Preprocessing* preprocessing() const override { return original_->preprocessing(); }
  // The original's, which may be larger.
  [[nodiscard]] Image preview(std::int64_t i) const override { return original_->preview(i); }

  void load(std::int64_t i, std::span<float> out) const override { preprocess(kept(i), load_, out); }
  void load(std::int64_t i, const Augmentation& augmentation, const Rng& rng, std::span<float> out) const override {
    preprocess(kept(i), load_, augmentation, rng, out);
  }
  ImageView pixels(std::int64_t i, Image& scratch) const override { return original_->pixels(i, scratch); }

 private:
  [[nodiscard]] ImageView kept(std::int64_t i) const {
    if (!filled_.load(std::memory_order_acquire)) {
      const std::lock_guard lock(filling_);
      if (!filled_.load(std::memory_order_relaxed)) fill();
    }
    return {pixels_.data() + static_cast<std::size_t>(i) * image_size_, store_.height, store_.width, store_.channels};
  }

  void fill() const {
    std::vector<std::uint8_t> all(static_cast<std::size_t>(size()) * image_size_);
    parallel_for(size(), threads_ > 0 ? threads_ : default_threads(), [&](std::int64_t begin, std::int64_t end, int) {
      std::vector<float> resized(image_size_);
      for (std::int64_t i = begin; i < end; ++i) {
        Image scratch;
        resize_to(kept_part(original_->pixels(i, scratch), store_), store_, resized);
        std::uint8_t* to = all.data() + static_cast<std::size_t>(i) * image_size_;
        for (std::size_t k = 0; k < image_size_; ++k) to[k] = to_byte(resized[k]);
      }
    });
    pixels_ = std::move(all);
    filled_.store(true, std::memory_order_release);
  }

  std::shared_ptr<const DatasetSource> original_;
  Preprocessing load_;
  Preprocessing store_;
  int threads_;
  std::size_t image_size_ = 0;
  // std::call_once would do, but hangs after an exception under some C libraries and sanitizers.
  mutable std::atomic<bool> filled_{false};
  mutable std::mutex filling_;
  mutable std::vector<std::uint8_t> pixels_;
};

}  // namespace detail

inline Dataset cached(const Dataset& dataset, const CacheOptions& options) {
  require(options.height >= 0 && options.width >= 0, "cached: ", options.height, 'x', options.width, " pixels");
  if (dataset.preprocessing() == nullptr) return dataset;
  return std::make_shared<const detail::CachedSource>(dataset.source(), options);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_CACHED_HPP_
