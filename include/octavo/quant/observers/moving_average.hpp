// octavo/quant/observers/moving_average.hpp: an exponential moving average of each batch's range.
#ifndef OCTAVO_QUANT_OBSERVERS_MOVING_AVERAGE_HPP_
#define OCTAVO_QUANT_OBSERVERS_MOVING_AVERAGE_HPP_

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../observer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// What the average starts from.
//   first_batch: the first batch's range
//   zero_debias: 0, with the missing weight divided out: value / (1 - momentum^batches) (Kingma and Ba 2015, section 3)
//   fixed:       start_range, which stays in the average for long: TensorFlow Model Optimization's -6, 6
enum class AverageStart : std::uint8_t { first_batch, zero_debias, fixed };

struct MovingAverageSettings {
  double momentum = 0.99;  // in [0, 1)
  AverageStart start = AverageStart::first_batch;
  Range start_range = {-6.0F, 6.0F};  // for AverageStart::fixed

  // TensorFlow Model Optimization's MovingAverageQuantizer (quantization/keras/quantizers.py).
  [[nodiscard]] static constexpr MovingAverageSettings tfmot() { return {0.999, AverageStart::fixed, {-6.0F, 6.0F}}; }
  friend bool operator==(const MovingAverageSettings&, const MovingAverageSettings&) = default;
};

// For both ends of the range: v := momentum * v + (1 - momentum) * batch, where a batch's range is first widened to
// hold 0 (a grid holds it anyway). Averages in double. Two observers of consecutive batches merge into what one would
// have seen, up to rounding.
class MovingAverageObserver : public Observer {
 public:
  explicit MovingAverageObserver(std::string tensor, std::size_t channels = 1, MovingAverageSettings settings = {})
      : Observer(std::move(tensor), channels), settings_(settings), averages_(channels) {
    require(settings.momentum >= 0.0 && settings.momentum < 1.0, "observer of '", name(),
            "': expected a momentum in [0, 1), found ", settings.momentum);
    require_range(settings.start_range, name());
  }

  [[nodiscard]] std::string_view kind() const override { return "moving_average"; }
  [[nodiscard]] std::unique_ptr<Observer> clone() const override {
    return std::make_unique<MovingAverageObserver>(*this);
  }
  [[nodiscard]] const MovingAverageSettings& settings() const noexcept { return settings_; }

  // first_batch: momentum^(batches - 1), the first batch's share; fixed: momentum^batches; zero_debias: 0.
  [[nodiscard]] double staleness() const override {
    if (empty()) return settings_.start == AverageStart::fixed ? 1.0 : 0.0;
    if (settings_.start == AverageStart::zero_debias) return 0.0;
    const auto steps = static_cast<double>(batches() - (settings_.start == AverageStart::first_batch ? 1 : 0));
    return std::pow(settings_.momentum, steps);
  }

 protected:
  void update(std::span<const float> /*values*/, const ChannelLayout& /*layout*/,
              std::span<const Range> ranges) override {
    for (std::size_t c = 0; c < averages_.size(); ++c) {
      const Range batch = ranges[c].with_zero();
      Average& a = averages_[c];
      if (empty()) start(a, batch);
      a.low -= (a.low - static_cast<double>(batch.low)) * (1.0 - settings_.momentum);
      a.high -= (a.high - static_cast<double>(batch.high)) * (1.0 - settings_.momentum);
    }
  }
  // An average over n more batches that started from s instead of from v is wrong by momentum^n * (v - s).
  void merge_from(const Observer& other_observer) override {
    const auto& other = static_cast<const MovingAverageObserver&>(other_observer);
    require(other.settings_ == settings_, "observer of '", name(), "' (moving_average): merging needs equal settings");
    const double kept = std::pow(settings_.momentum, static_cast<double>(other.batches()));
    for (std::size_t c = 0; c < averages_.size(); ++c) {
      Average& a = averages_[c];
      const Average& b = other.averages_[c];
      if (empty()) {
        a = b;
        continue;
      }
      a.low = b.low + kept * (a.low - b.start_low);
      a.high = b.high + kept * (a.high - b.start_high);
    }
  }
  [[nodiscard]] Range range_of(std::size_t channel) const override {
    double weight = 1.0;
    if (settings_.start == AverageStart::zero_debias)
      weight -= std::pow(settings_.momentum, static_cast<double>(batches()));
    const Average& a = averages_[channel];
    return {static_cast<float>(a.low / weight), static_cast<float>(a.high / weight)};
  }
  void clear() override { averages_.assign(averages_.size(), Average{}); }
  void write_state(std::vector<double>& numbers) const override {
    for (const Average& a : averages_) numbers.insert(numbers.end(), {a.low, a.high, a.start_low, a.start_high});
  }
  void read_state(std::span<const double> numbers) override {
    require_state_size(numbers.size(), 4 * averages_.size());
    for (std::size_t c = 0; c < averages_.size(); ++c)
      averages_[c] = {numbers[4 * c], numbers[4 * c + 1], numbers[4 * c + 2], numbers[4 * c + 3]};
  }

 private:
  struct Average {
    double low = 0.0, high = 0.0;
    double start_low = 0.0, start_high = 0.0;
  };

  void start(Average& a, Range batch) const {
    Range from{};
    if (settings_.start == AverageStart::first_batch) from = batch;
    if (settings_.start == AverageStart::fixed) from = settings_.start_range;
    a.low = a.start_low = static_cast<double>(from.low);
    a.high = a.start_high = static_cast<double>(from.high);
  }

  MovingAverageSettings settings_;
  std::vector<Average> averages_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVERS_MOVING_AVERAGE_HPP_
