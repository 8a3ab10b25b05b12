// octavo/quant/observer.hpp: what watches a tensor and says which range of real values its codes should cover.
//
// A user's own observer derives from Observer, or, when the range of each batch is all that it needs, from
// RangeObserver.
#ifndef OCTAVO_QUANT_OBSERVER_HPP_
#define OCTAVO_QUANT_OBSERVER_HPP_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "channels.hpp"
#include "range.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Watches one tensor, as a whole or by channel. Not thread-safe: give each thread a clone and merge them.
class Observer {
 public:
  explicit Observer(std::string tensor, std::size_t channels = 1) : name_(std::move(tensor)), channels_(channels) {
    require(channels > 0, "observer of '", name_, "': expected at least one channel");
  }
  virtual ~Observer() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }  // the tensor that it watches
  void set_name(std::string tensor) { name_ = std::move(tensor); }
  [[nodiscard]] std::size_t channels() const noexcept { return channels_; }
  [[nodiscard]] std::int64_t batches() const noexcept { return batches_; }  // observed so far
  [[nodiscard]] bool empty() const noexcept { return batches_ == 0; }

  // "min_max", "moving_average", ...: names the type in checkpoints.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  [[nodiscard]] virtual std::unique_ptr<Observer> clone() const = 0;

  // Takes in a batch. With more than one channel, `layout` says where they are. Throws, naming the tensor (and the
  // index), for an empty batch, NaN or infinity, and a layout with another number of channels; the state is then
  // unchanged.
  void observe(std::span<const float> values) { observe(values, ChannelLayout{1, 1, values.size()}); }
  void observe(std::span<const float> values, const ChannelLayout& layout) {
    require(layout.channels == channels_, "observer of '", name_, "': expected ", channels_, " channels, found ",
            layout.channels);
    require(layout.size() == values.size(), "observer of '", name_, "': expected ", layout.size(), " values, found ",
            values.size());
    std::vector<Range> ranges(channels_);
    find_channel_ranges(values, layout, name_, ranges);
    update(values, layout, ranges);
    ++batches_;
  }

  // True when the smallest and largest value of a batch are not enough (histograms).
  [[nodiscard]] virtual bool needs_values() const { return false; }

  // The same as observe() of a batch with this smallest and largest value, for callers that know them already. Throws,
  // naming the tensor, when needs_values(), with more than one channel, or for a range that is not finite or reversed.
  void observe_range(float low, float high) {
    require(!needs_values() && channels_ == 1, "observer of '", name_, "' (", kind(),
            "): a batch's range is not enough");
    const Range range{low, high};
    require_range(range, name_);
    update({}, ChannelLayout{}, {&range, 1});
    ++batches_;
  }

  // Takes in what `other` saw, as if it had come after. Throws, naming the tensor, for another kind or settings.
  void merge(const Observer& other) {
    require(other.kind() == kind() && other.channels_ == channels_, "observer of '", name_, "' (", kind(), ", ",
            channels_, " channels): cannot merge one of '", other.name_, "' (", other.kind(), ", ", other.channels_,
            ")");
    if (other.empty()) return;
    merge_from(other);
    batches_ += other.batches_;
  }

  // The range to quantize. Throws, naming the tensor, when nothing was observed or there is no such channel.
  [[nodiscard]] Range range(std::size_t channel = 0) const {
    require(!empty(), "observer of '", name_, "' (", kind(), "): nothing was observed, so there is no range");
    require(channel < channels_, "observer of '", name_, "': no channel ", channel, " of ", channels_);
    return range_of(channel);
  }

  // The share that a start value which no data gave (or the first batch) still has in range(): 0 for most observers.
  [[nodiscard]] virtual double staleness() const { return 0.0; }

  // Forgets everything observed.
  void reset() {
    clear();
    batches_ = 0;
  }

  // The state as plain numbers, for checkpoints: exact, and as long as the observer's memory. set_state() takes what
  // state() gave, of an observer with the same kind, settings and channels; throws, naming the tensor, otherwise.
  [[nodiscard]] std::vector<double> state() const {
    std::vector<double> numbers = {static_cast<double>(batches_)};
    write_state(numbers);
    return numbers;
  }
  void set_state(std::span<const double> numbers) {
    require(!numbers.empty() && numbers[0] >= 0.0 && numbers[0] < 0x1p53, "observer of '", name_,
            "': state has no batch count");
    read_state(numbers.subspan(1));
    batches_ = static_cast<std::int64_t>(numbers[0]);
  }

 protected:
  Observer(const Observer&) = default;
  Observer& operator=(const Observer&) = default;

  // What a kind of observer defines. ranges: the batch's range by channel, finite. values may be empty (and the layout
  // meaningless) unless needs_values(). During update() and merge_from(), batches() is the count before.
  virtual void update(std::span<const float> values, const ChannelLayout& layout, std::span<const Range> ranges) = 0;
  virtual void merge_from(const Observer& other) = 0;  // same kind and channels, not empty
  [[nodiscard]] virtual Range range_of(std::size_t channel) const = 0;
  virtual void clear() = 0;
  virtual void write_state(std::vector<double>& numbers) const = 0;  // appends
  virtual void read_state(std::span<const double> numbers) = 0;      // what write_state appended

  void require_state_size(std::size_t found, std::size_t expected) const {
    require(found == expected, "observer of '", name_, "' (", kind(), "): expected a state of ", expected,
            " numbers, found ", found);
  }

 private:
  std::string name_;
  std::size_t channels_;
  std::int64_t batches_ = 0;
};

// A type that FakeQuantized layers and schemes can name: an Observer that is made from a tensor's name and a number of
// channels.
template <class Type>
concept ObserverType = std::derived_from<Type, Observer> && std::constructible_from<Type, std::string, std::size_t>;

// An observer whose memory is one range a channel. A kind defines kind(), clone() and combine().
class RangeObserver : public Observer {
 public:
  explicit RangeObserver(std::string tensor, std::size_t channels = 1)
      : Observer(std::move(tensor), channels), ranges_(channels) {}

 protected:
  // What is remembered after `seen`, then `next`. first: `seen` is empty, nothing was observed yet. Used for a batch
  // and for the memory of a merged observer alike, so it should be associative.
  [[nodiscard]] virtual Range combine(Range seen, Range next, bool first) const = 0;

  void update(std::span<const float> /*values*/, const ChannelLayout& /*layout*/,
              std::span<const Range> ranges) override {
    for (std::size_t c = 0; c < ranges_.size(); ++c) ranges_[c] = combine(ranges_[c], ranges[c], empty());
  }
  void merge_from(const Observer& other) override {
    const auto& ranges = static_cast<const RangeObserver&>(other).ranges_;
    for (std::size_t c = 0; c < ranges_.size(); ++c) ranges_[c] = combine(ranges_[c], ranges[c], empty());
  }
  [[nodiscard]] Range range_of(std::size_t channel) const override { return ranges_[channel]; }
  void clear() override { ranges_.assign(ranges_.size(), Range{}); }
  void write_state(std::vector<double>& numbers) const override {
    for (const Range& r : ranges_) numbers.push_back(r.low), numbers.push_back(r.high);
  }
  void read_state(std::span<const double> numbers) override {
    require_state_size(numbers.size(), 2 * ranges_.size());
    for (std::size_t c = 0; c < ranges_.size(); ++c)
      ranges_[c] = {float_from_state(numbers[2 * c], name()), float_from_state(numbers[2 * c + 1], name())};
  }

 private:
  std::vector<Range> ranges_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVER_HPP_
