// octavo/core/largest.hpp: which of several scores is the best, in one order for all of the library.
#ifndef OCTAVO_CORE_LARGEST_HPP_
#define OCTAVO_CORE_LARGEST_HPP_

#include <cstddef>
#include <span>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Whether score a is better than b: it is larger, or b is NaN and a is not. A strict weak order.
[[nodiscard]] constexpr bool better_score(float a, float b) noexcept { return a > b || (b != b && a == a); }

// The index of the largest score, the first of several; NaN only where all are. 0 for none.
[[nodiscard]] constexpr std::size_t index_of_largest(std::span<const float> scores) noexcept {
  std::size_t best = 0;
  for (std::size_t i = 1; i < scores.size(); ++i)
    if (better_score(scores[i], scores[best])) best = i;
  return best;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_LARGEST_HPP_
