// octavo/quant/ties.hpp: rounding to the nearest integer with a named rule for ties, exact and without libm calls.
#ifndef OCTAVO_QUANT_TIES_HPP_
#define OCTAVO_QUANT_TIES_HPP_

#include <cstddef>
#include <string_view>

#include "../core/error.hpp"
#include "grid.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

constexpr std::string_view name_of(Ties ties) {
  constexpr std::string_view names[] = {"even", "up", "away"};
  return names[static_cast<std::size_t>(ties)];
}

inline Ties ties_from_name(std::string_view name) {
  for (const Ties ties : {Ties::even, Ties::up, Ties::away})
    if (name_of(ties) == name) return ties;
  fail("ties rule '", name, "' is unknown; expected even, up or away");
}

// The integer nearest to x, |x| <= 2^22; NaN gives NaN. Exact for each rule: adding 1.5 * 2^23 leaves no fraction bits,
// so the sum is rounded to an integer, ties to even (the processor's default rounding direction is assumed, as the
// standard does); x - nearest is then exact, and equals +-0.5 only at a tie. Clamp a product before it comes here: a
// bare one might be fused into the addition where the compiler contracts expressions.
template <Ties kTies>
[[nodiscard]] OCTAVO_INLINE float round_ties(float x) noexcept {
  constexpr float magic = 12582912.0F;
  const float nearest = (x + magic) - magic;
  if constexpr (kTies == Ties::even) return nearest;
  const float rest = x - nearest;
  if constexpr (kTies == Ties::up) return nearest + (rest >= 0.5F ? 1.0F : 0.0F);
  const float sign = __builtin_copysignf(1.0F, x);
  return nearest + (rest * sign >= 0.5F ? sign : 0.0F);
}

[[nodiscard]] inline float round_ties(float x, Ties ties) noexcept {
  if (ties == Ties::even) return round_ties<Ties::even>(x);
  return ties == Ties::up ? round_ties<Ties::up>(x) : round_ties<Ties::away>(x);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_TIES_HPP_
