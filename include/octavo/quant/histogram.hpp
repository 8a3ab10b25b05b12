// octavo/quant/histogram.hpp: a streaming histogram of constant size whose result does not depend on order or merging.
#ifndef OCTAVO_QUANT_HISTOGRAM_HPP_
#define OCTAVO_QUANT_HISTOGRAM_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "range.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Counts of values in bins of width 2^e: bin k holds [k * 2^e, (k + 1) * 2^e). e is the smallest for which the bins
// between the smallest and the largest value number at most `max_bins` (and no smaller than a float of the largest
// magnitude can resolve), so it follows from the extremes alone; when it grows, bins 2k and 2k + 1 join into bin k,
// exactly. Hence any order of add() and merge() over the same values gives the same histogram. Memory: max_bins counts.
class Histogram {
 public:
  explicit Histogram(std::size_t max_bins = 2048) : max_bins_(max_bins) {
    require(max_bins >= 2, "histogram: expected at least 2 bins, found ", max_bins);
  }

  // Adds finite values; `range` is their smallest and largest.
  void add(std::span<const float> values, Range range);

  // Adds the values of another histogram with the same max_bins.
  void merge(const Histogram& other);

  [[nodiscard]] bool empty() const noexcept { return total_ == 0; }
  [[nodiscard]] std::size_t max_bins() const noexcept { return max_bins_; }
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t zeros() const noexcept { return zeros_; }  // values that are exactly 0
  [[nodiscard]] Range range() const noexcept { return range_; }          // smallest and largest value, exact
  [[nodiscard]] std::span<const std::uint64_t> counts() const noexcept { return counts_; }
  [[nodiscard]] double width() const { return std::ldexp(1.0, exponent_); }
  [[nodiscard]] double left_edge(std::size_t bin) const {
    return static_cast<double>(first_ + static_cast<std::int64_t>(bin)) * width();
  }
  // The bin of real 0; it may lie outside [0, counts().size()).
  [[nodiscard]] std::int64_t zero_bin() const noexcept { return -first_; }

  void write(std::vector<double>& numbers) const;                              // appends the state
  std::size_t read(std::span<const double> numbers, std::string_view tensor);  // returns how many numbers it took

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  [[nodiscard]] static std::int64_t bin_of(float x, double inverse_width) noexcept {
    const double scaled = static_cast<double>(x) * inverse_width;  // exact: a power of two
    const auto truncated = static_cast<std::int64_t>(scaled);
    return truncated - (scaled < static_cast<double>(truncated) ? 1 : 0);
  }
  [[nodiscard]] int exponent_for(Range range) const;
  void cover(Range range);  // range_, exponent_, first_ and counts_ for values in `range` too

  std::size_t max_bins_;
  int exponent_ = 0;
  std::int64_t first_ = 0;  // counts_[0] is bin first_
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t zeros_ = 0;
  Range range_;
};

inline int Histogram::exponent_for(Range range) const {
  constexpr int smallest = -149 - 23, mantissa_bits = 23;
  const double magnitude =
      std::max(std::abs(static_cast<double>(range.low)), std::abs(static_cast<double>(range.high)));
  int exponent = magnitude == 0.0 ? smallest : std::ilogb(magnitude) - mantissa_bits;
  const auto limit = static_cast<std::int64_t>(max_bins_);
  for (;; ++exponent) {
    const double inverse = std::ldexp(1.0, -exponent);
    if (bin_of(range.high, inverse) - bin_of(range.low, inverse) < limit) return exponent;
  }
}

inline void Histogram::cover(Range range) {
  const Range all = empty() ? range : range_.united(range);
  if (!empty() && all == range_) return;
  const int exponent = exponent_for(all);
  const double inverse = std::ldexp(1.0, -exponent);
  const std::int64_t first = bin_of(all.low, inverse);
  const std::int64_t last = bin_of(all.high, inverse);
  std::vector<std::uint64_t> counts(static_cast<std::size_t>(last - first + 1), 0);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const std::int64_t joined = (first_ + static_cast<std::int64_t>(i)) >> std::min(exponent - exponent_, 62);
    if (counts_[i] != 0) counts[static_cast<std::size_t>(joined - first)] += counts_[i];
  }
  range_ = all, exponent_ = exponent, first_ = first;
  counts_ = std::move(counts);
}

inline void Histogram::add(std::span<const float> values, Range range) {
  if (values.empty()) return;
  cover(range);
  const double inverse = std::ldexp(1.0, -exponent_);
  std::uint64_t zeros = 0;
  for (const float x : values) {
    ++counts_[static_cast<std::size_t>(bin_of(x, inverse) - first_)];
    zeros += x == 0.0F ? 1 : 0;
  }
  total_ += values.size(), zeros_ += zeros;
}

inline void Histogram::merge(const Histogram& other) {
  require(max_bins_ == other.max_bins_, "histogram: cannot merge ", other.max_bins_, " bins into ", max_bins_);
  if (other.empty()) return;
  cover(other.range_);
  const int growth = std::min(exponent_ - other.exponent_, 62);  // >= 0: this range holds the other's
  for (std::size_t i = 0; i < other.counts_.size(); ++i) {
    const std::int64_t joined = (other.first_ + static_cast<std::int64_t>(i)) >> growth;
    if (other.counts_[i] != 0) counts_[static_cast<std::size_t>(joined - first_)] += other.counts_[i];
  }
  total_ += other.total_, zeros_ += other.zeros_;
}

inline void Histogram::write(std::vector<double>& numbers) const {
  numbers.insert(numbers.end(),
                 {static_cast<double>(exponent_), static_cast<double>(first_), static_cast<double>(total_),
                  static_cast<double>(zeros_), static_cast<double>(range_.low), static_cast<double>(range_.high),
                  static_cast<double>(counts_.size())});
  for (const std::uint64_t count : counts_) numbers.push_back(static_cast<double>(count));
}

inline std::size_t Histogram::read(std::span<const double> numbers, std::string_view tensor) {
  constexpr std::size_t header = 7;
  constexpr double exact = 0x1p53;  // whole numbers below are exact in double
  require(numbers.size() >= header, "tensor '", tensor, "': histogram state is too short");
  const bool whole = numbers[2] >= 0.0 && numbers[3] >= 0.0 &&
                     std::all_of(numbers.begin(), numbers.begin() + 4,
                                 [](double x) { return std::abs(x) < exact && x == std::floor(x); });
  const double bins = numbers[6];
  require(whole && bins >= 0.0 && bins <= static_cast<double>(max_bins_) && bins == std::floor(bins) &&
              numbers.size() - header >= static_cast<std::size_t>(bins),
          "tensor '", tensor, "': histogram state is damaged, or has more than ", max_bins_, " bins");
  require(std::abs(numbers[0]) < 300.0, "tensor '", tensor, "': histogram state has bins of width 2^", numbers[0]);
  Histogram read(max_bins_);
  read.exponent_ = static_cast<int>(numbers[0]);
  read.first_ = static_cast<std::int64_t>(numbers[1]);
  read.total_ = static_cast<std::uint64_t>(numbers[2]);
  read.zeros_ = static_cast<std::uint64_t>(numbers[3]);
  read.range_ = {float_from_state(numbers[4], tensor), float_from_state(numbers[5], tensor)};
  double sum = 0.0;
  for (std::size_t i = header; i < header + static_cast<std::size_t>(bins); ++i) {
    require(numbers[i] >= 0.0 && numbers[i] < exact, "tensor '", tensor, "': histogram state has a bad count");
    read.counts_.push_back(static_cast<std::uint64_t>(numbers[i]));
    sum += numbers[i];
  }
  require(sum == numbers[2], "tensor '", tensor, "': histogram state does not add up");
  if (!read.empty()) {
    require_range(read.range_, tensor);
    Histogram expected(max_bins_);
    expected.cover(read.range_);
    require(expected.exponent_ == read.exponent_ && expected.first_ == read.first_ &&
                expected.counts_.size() == read.counts_.size() && read.zeros_ <= read.total_,
            "tensor '", tensor, "': histogram state does not fit its range");
  }
  *this = std::move(read);
  return header + static_cast<std::size_t>(bins);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_HISTOGRAM_HPP_
