// octavo/quant/observers/histogram.hpp: a histogram of all values, and a search for the range that loses least.
#ifndef OCTAVO_QUANT_OBSERVERS_HISTOGRAM_HPP_
#define OCTAVO_QUANT_OBSERVERS_HISTOGRAM_HPP_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../histogram.hpp"
#include "../observer.hpp"
#include "../range_search.hpp"
#include "../tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct HistogramSettings {
  std::size_t bins = 2048;
  RangeSearch search = RangeSearch::mean_squared_error;
  double percentile = 99.99;  // for RangeSearch::percentile
  TensorScheme scheme = {};   // the codes that the range is for: mean_squared_error and entropy

  friend bool operator==(const HistogramSettings&, const HistogramSettings&) = default;
};

// Memory: bins counts a channel. Merging and order change nothing (Histogram). range() searches each time: a few
// milliseconds for 2048 bins.
class HistogramObserver final : public Observer {
 public:
  explicit HistogramObserver(std::string tensor, std::size_t channels = 1, HistogramSettings settings = {})
      : Observer(std::move(tensor), channels), settings_(settings), histograms_(channels, Histogram(settings.bins)) {
    settings.scheme.validate(name());
    require(settings.percentile > 0.0 && settings.percentile <= 100.0, "observer of '", name(),
            "': expected a percentile in (0, 100], found ", settings.percentile);
  }

  [[nodiscard]] std::string_view kind() const override { return "histogram"; }
  [[nodiscard]] std::unique_ptr<Observer> clone() const override { return std::make_unique<HistogramObserver>(*this); }
  [[nodiscard]] bool needs_values() const override { return true; }
  [[nodiscard]] const HistogramSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const Histogram& histogram(std::size_t channel = 0) const { return histograms_.at(channel); }

 protected:
  void update(std::span<const float> values, const ChannelLayout& layout, std::span<const Range> ranges) override {
    if (layout.outer == 1) {
      for (std::size_t c = 0; c < histograms_.size(); ++c)
        histograms_[c].add(values.subspan(c * layout.inner, layout.inner), ranges[c]);
      return;
    }
    std::vector<float> channel(layout.outer * layout.inner);
    for (std::size_t c = 0; c < histograms_.size(); ++c) {
      for (std::size_t o = 0; o < layout.outer; ++o)
        for (std::size_t i = 0; i < layout.inner; ++i)
          channel[o * layout.inner + i] = values[(o * layout.channels + c) * layout.inner + i];
      histograms_[c].add(channel, ranges[c]);
    }
  }
  void merge_from(const Observer& other_observer) override {
    const auto& other = static_cast<const HistogramObserver&>(other_observer);
    require(other.settings_.bins == settings_.bins, "observer of '", name(), "' (histogram): cannot merge ",
            other.settings_.bins, " bins into ", settings_.bins);
    for (std::size_t c = 0; c < histograms_.size(); ++c) histograms_[c].merge(other.histograms_[c]);
  }
  [[nodiscard]] Range range_of(std::size_t channel) const override {
    const Histogram& histogram = histograms_[channel];
    switch (settings_.search) {
      case RangeSearch::percentile:
        return percentile_range(histogram, settings_.percentile);
      case RangeSearch::mean_squared_error:
        return least_squares_range(histogram, settings_.scheme, name());
      case RangeSearch::entropy:
        return entropy_range(histogram, settings_.scheme);
      case RangeSearch::none:
        break;
    }
    return histogram.range();
  }
  void clear() override { histograms_.assign(histograms_.size(), Histogram(settings_.bins)); }
  void write_state(std::vector<double>& numbers) const override {
    for (const Histogram& histogram : histograms_) histogram.write(numbers);
  }
  void read_state(std::span<const double> numbers) override {
    std::vector<Histogram> read(histograms_.size(), Histogram(settings_.bins));
    for (Histogram& histogram : read) numbers = numbers.subspan(histogram.read(numbers, name()));
    require_state_size(numbers.size(), 0);
    histograms_ = std::move(read);
  }

 private:
  HistogramSettings settings_;
  std::vector<Histogram> histograms_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVERS_HISTOGRAM_HPP_
