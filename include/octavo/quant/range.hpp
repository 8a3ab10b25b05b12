// octavo/quant/range.hpp: the smallest and largest value of a tensor or of its channels. NaN and infinity are errors.
#ifndef OCTAVO_QUANT_RANGE_HPP_
#define OCTAVO_QUANT_RANGE_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "channels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Real values low <= high, both finite.
struct Range {
  float low = 0.0F;
  float high = 0.0F;

  // The smallest interval that holds both.
  [[nodiscard]] Range united(Range other) const noexcept {
    return {std::min(low, other.low), std::max(high, other.high)};
  }
  [[nodiscard]] Range with_zero() const noexcept { return united({0.0F, 0.0F}); }
  friend bool operator==(const Range&, const Range&) = default;
};

// Throws, naming the tensor, unless both ends are finite and in order.
inline void require_range(Range range, std::string_view tensor) {
  require(std::isfinite(range.low) && std::isfinite(range.high) && range.low <= range.high, "tensor '", tensor,
          "': expected a finite range with low <= high, found [", range.low, ", ", range.high, "]");
}

// A float that a checkpoint stored as double. Throws, naming the tensor, when it is none.
[[nodiscard]] inline float float_from_state(double number, std::string_view tensor) {
  require(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()), "tensor '", tensor,
          "': stored state holds ", number, ", which is no finite float");
  return static_cast<float>(number);
}

namespace detail {

inline constexpr Range kEmptyRange = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};

// Throws, naming the tensor and the index of the first value that is no finite number, if there is one.
inline void require_finite(const float* values, std::size_t n, std::size_t first_index, std::string_view tensor) {
  for (std::size_t i = 0; i < n; ++i)
    require(std::isfinite(values[i]), "tensor '", tensor, "': value ", values[i], " at index ", first_index + i,
            " is not finite");
}

// Extends `range` by values[0 .. n). Returns false when one of them is not finite (0 * x is NaN for NaN and infinity);
// the range is then unspecified.
inline bool extend_range(const float* values, std::size_t n, Range& range) noexcept {
  constexpr std::size_t lanes = 16;
  float low[lanes], high[lanes], spoiled[lanes];
  for (std::size_t j = 0; j < lanes; ++j) low[j] = range.low, high[j] = range.high, spoiled[j] = 0.0F;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) {
      const float x = values[i + j];
      low[j] = x < low[j] ? x : low[j];
      high[j] = x > high[j] ? x : high[j];
      spoiled[j] += 0.0F * x;
    }
  for (std::size_t j = 0; i < n; ++i, ++j) {
    const float x = values[i];
    low[j] = std::min(low[j], x), high[j] = std::max(high[j], x), spoiled[j] += 0.0F * x;
  }
  float any_spoiled = 0.0F;
  for (std::size_t j = 0; j < lanes; ++j) {
    range = range.united({low[j], high[j]});
    any_spoiled += spoiled[j];
  }
  return any_spoiled == 0.0F;
}

}  // namespace detail

// The range of all values. Throws, naming the tensor (and the index), for an empty span, NaN or infinity.
[[nodiscard]] inline Range find_range(std::span<const float> values, std::string_view tensor) {
  require(!values.empty(), "tensor '", tensor, "': no values to take a range of");
  Range range = detail::kEmptyRange;
  if (!detail::extend_range(values.data(), values.size(), range))
    detail::require_finite(values.data(), values.size(), 0, tensor);
  return range;
}

// The range of each channel: ranges.size() == layout.channels, values.size() == layout.size() > 0. Throws as above.
inline void find_channel_ranges(std::span<const float> values, const ChannelLayout& layout, std::string_view tensor,
                                std::span<Range> ranges) {
  require(!values.empty(), "tensor '", tensor, "': no values to take a range of");
  require(values.size() == layout.size() && ranges.size() == layout.channels, "tensor '", tensor, "': expected ",
          layout.size(), " values and ", layout.channels, " ranges, found ", values.size(), " and ", ranges.size());
  std::fill(ranges.begin(), ranges.end(), detail::kEmptyRange);
  bool finite = true;
  if (layout.inner > 1) {
    const float* row = values.data();
    for (std::size_t o = 0; o < layout.outer; ++o)
      for (Range& range : ranges) finite &= detail::extend_range(row, layout.inner, range), row += layout.inner;
  } else {
    std::vector<float> spoiled(layout.channels, 0.0F);
    for (std::size_t o = 0; o < layout.outer; ++o) {
      const float* row = values.data() + o * layout.channels;
      for (std::size_t c = 0; c < layout.channels; ++c) {
        ranges[c] = ranges[c].united({row[c], row[c]});
        spoiled[c] += 0.0F * row[c];
      }
    }
    for (const float s : spoiled) finite &= s == 0.0F;
  }
  if (!finite) detail::require_finite(values.data(), values.size(), 0, tensor);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_RANGE_HPP_
