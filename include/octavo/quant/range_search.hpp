// octavo/quant/range_search.hpp: from a histogram to the range worth quantizing: percentile, least squares, entropy.
#ifndef OCTAVO_QUANT_RANGE_SEARCH_HPP_
#define OCTAVO_QUANT_RANGE_SEARCH_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "choose_grid.hpp"
#include "histogram.hpp"
#include "range.hpp"
#include "tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

enum class RangeSearch : std::uint8_t { none, percentile, mean_squared_error, entropy };

constexpr std::string_view name_of(RangeSearch search) {
  constexpr std::string_view names[] = {"none", "percentile", "mean_squared_error", "entropy"};
  return names[static_cast<std::size_t>(search)];
}

// All functions: the histogram is not empty; the result lies within its range (widened by 0 where said). A value is
// taken to be anywhere in its bin with equal probability.

// Cuts the same share of values, (100 - percentile) / 2 percent, from both ends. percentile in (0, 100]; 100 gives the
// whole range. Linear within a bin.
[[nodiscard]] inline Range percentile_range(const Histogram& histogram, double percentile);

// The mean squared difference between the values and what `grid` makes of them (ties do not matter). Values that are
// exactly 0 have no error.
[[nodiscard]] inline double quantization_error(const Histogram& histogram, const Grid& grid);

// The range that makes quantization_error of grid_from_range(range, scheme) least, searched by shrinking the ends in
// turn through 1/128ths of the range with 0 included, until neither helps.
// Throws, naming the tensor, for a scheme that is none, or values too far apart for float32.
[[nodiscard]] inline Range least_squares_range(const Histogram& histogram, const TensorScheme& scheme,
                                               std::string_view tensor = "histogram");

// The Kullback-Leibler divergence in nats between the values clipped to bins [first, first + n) (what is outside goes
// to the end bins) and the same bins after merging them into `levels` equal groups (each group's mass spread evenly
// over its bins that were not empty): the information that quantization to the range loses (Migacz 2017, TensorRT).
// Values that are exactly 0 lose nothing and do not count: half of what leaves a ReLU would otherwise decide alone.
[[nodiscard]] inline double clipping_divergence(const Histogram& histogram, std::size_t first, std::size_t n,
                                                std::size_t levels);

// The range [max(low, -t), min(high, t)], 0 included, with the least clipping_divergence, over 128 thresholds t from
// the first that leaves one bin a code. levels = the number of codes of `scheme`.
[[nodiscard]] inline Range entropy_range(const Histogram& histogram, const TensorScheme& scheme);

namespace detail {

// The value below which `share` of the histogram lies, share in [0, 1].
inline double quantile(const Histogram& histogram, double share) {
  const double wanted = share * static_cast<double>(histogram.total());
  double below = 0.0;
  const auto counts = histogram.counts();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    if (count > 0.0 && below + count >= wanted)
      return histogram.left_edge(i) + histogram.width() * ((wanted - below) / count);
    below += count;
  }
  return static_cast<double>(histogram.range().high);
}

// The antiderivative of (u - clamp(round(u), first, last))^2, continuous everywhere: each whole step adds 1/12.
inline double error_integral(double u, double first, double last) {
  const double nearest = std::clamp(std::floor(u + 0.5), first, last);
  const double rest = u - nearest;
  return nearest / 12.0 + rest * rest * rest / 3.0;
}

}  // namespace detail

inline Range percentile_range(const Histogram& histogram, double percentile) {
  require(percentile > 0.0 && percentile <= 100.0, "percentile: expected a number in (0, 100], found ", percentile);
  const double cut = (100.0 - percentile) / 200.0;
  const Range full = histogram.range();
  const auto low = static_cast<float>(detail::quantile(histogram, cut));
  const auto high = static_cast<float>(detail::quantile(histogram, 1.0 - cut));
  const Range range = {std::clamp(low, full.low, full.high), std::clamp(high, full.low, full.high)};
  if (percentile == 100.0) return full;
  return {range.low, std::max(range.low, range.high)};
}

inline double quantization_error(const Histogram& histogram, const Grid& grid) {
  const auto scale = static_cast<double>(grid.scale);
  const auto first = static_cast<double>(grid.qmin - grid.zero_point);
  const auto last = static_cast<double>(grid.qmax - grid.zero_point);
  const double step = histogram.width() / scale;
  const auto counts = histogram.counts();
  double left = histogram.left_edge(0) / scale;
  double integral = detail::error_integral(left, first, last);
  double sum = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    left += step;  // a few hundred roundings of 2^-53 each do not matter here
    const double next = detail::error_integral(left, first, last);
    auto count = static_cast<double>(counts[i]);
    if (static_cast<std::int64_t>(i) == histogram.zero_bin()) count -= static_cast<double>(histogram.zeros());
    sum += count * (next - integral);
    integral = next;
  }
  return sum / step * scale * scale / static_cast<double>(histogram.total());
}

inline Range least_squares_range(const Histogram& histogram, const TensorScheme& scheme, std::string_view tensor) {
  constexpr int parts = 128;
  const Range full = histogram.range().with_zero();
  const auto part_of = [](float end, int part) { return end * (static_cast<float>(part) / static_cast<float>(parts)); };
  const auto error_of = [&](int low, int high) {
    const Grid grid = grid_from_range({part_of(full.low, low), part_of(full.high, high)}, scheme, tensor);
    return quantization_error(histogram, grid);
  };
  int low = parts, high = parts;
  double best = error_of(low, high);
  for (bool improved = true; improved;) {
    improved = false;
    for (int part = 1; part <= parts; ++part) {
      if (const double error = error_of(low, part); full.high > 0.0F && error < best)
        best = error, high = part, improved = true;
    }
    for (int part = 1; part <= parts; ++part) {
      if (const double error = error_of(part, high); full.low < 0.0F && error < best)
        best = error, low = part, improved = true;
    }
  }
  return {part_of(full.low, low), part_of(full.high, high)};
}

inline double clipping_divergence(const Histogram& histogram, std::size_t first, std::size_t n, std::size_t levels) {
  const auto counts = histogram.counts();
  require(n > 0 && levels > 0 && first + n <= counts.size(), "clipping_divergence: bins ", first, " + ", n, " of ",
          counts.size());
  const auto mass_of = [&](std::size_t i) {
    const bool holds_zeros = static_cast<std::int64_t>(i) == histogram.zero_bin();
    return static_cast<double>(counts[i]) - (holds_zeros ? static_cast<double>(histogram.zeros()) : 0.0);
  };
  std::vector<double> clipped(n);
  for (std::size_t i = 0; i < n; ++i) clipped[i] = mass_of(first + i);
  std::vector<double> merged(n, 0.0);
  double inside = 0.0;
  for (std::size_t level = 0; level < std::min(levels, n); ++level) {
    const std::size_t begin = level * n / std::min(levels, n);
    const std::size_t end = (level + 1) * n / std::min(levels, n);
    double mass = 0.0, occupied = 0.0;
    for (std::size_t i = begin; i < end; ++i) mass += clipped[i], occupied += clipped[i] > 0.0 ? 1.0 : 0.0;
    for (std::size_t i = begin; i < end; ++i) merged[i] = clipped[i] > 0.0 ? mass / occupied : 0.0;
    inside += mass;
  }
  for (std::size_t i = 0; i < first; ++i) clipped.front() += mass_of(i);
  for (std::size_t i = first + n; i < counts.size(); ++i) clipped.back() += mass_of(i);
  // An empty end bin that received clipped mass has no counterpart: it counts as half a value.
  constexpr double half_a_value = 0.5;
  const auto total = std::max(static_cast<double>(histogram.total() - histogram.zeros()), 1.0);
  double divergence = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    if (clipped[i] == 0.0) continue;
    const double p = clipped[i] / total;
    const double q = (merged[i] > 0.0 ? merged[i] : half_a_value) / std::max(inside, 1.0);
    divergence += p * std::log(p / q);
  }
  return divergence;
}

inline Range entropy_range(const Histogram& histogram, const TensorScheme& scheme) {
  constexpr std::size_t thresholds = 128;
  const Range full = histogram.range().with_zero();
  const auto levels = static_cast<std::size_t>(scheme.qmax() - scheme.qmin()) + 1;
  const auto counts = histogram.counts();
  const auto bins = static_cast<std::int64_t>(counts.size());
  const std::int64_t zero = histogram.zero_bin();
  // t covers `reach` bins on each side of 0.
  const std::int64_t farthest = std::max(bins - zero, zero);
  const bool one_sided = full.low == 0.0F || full.high == 0.0F;
  const auto nearest = static_cast<std::int64_t>(one_sided ? levels : (levels + 1) / 2);
  Range best = full;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < thresholds; ++i) {
    const std::int64_t reach =
        farthest - (farthest - nearest) * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(thresholds - 1);
    const std::int64_t begin = std::clamp<std::int64_t>(zero - reach, 0, bins);
    const std::int64_t end = std::clamp<std::int64_t>(zero + reach, 0, bins);
    if (reach < nearest || begin >= end) break;
    const double divergence =
        clipping_divergence(histogram, static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin), levels);
    if (divergence >= least) continue;
    least = divergence;
    const auto t = static_cast<float>(static_cast<double>(reach) * histogram.width());
    best = {std::max(full.low, -t), std::min(full.high, t)};
  }
  return best;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_RANGE_SEARCH_HPP_
