// octavo/core/rng.hpp: random numbers that are the same on every compiler and library.
//
// The standard's engines are fixed but its distributions are not; these are.
#ifndef OCTAVO_CORE_RNG_HPP_
#define OCTAVO_CORE_RNG_HPP_

#include <cmath>
#include <cstdint>
#include <utility>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// SplitMix64 (Steele, Lea, Flood 2014). The whole state is one number, so a checkpoint can store it.
class Rng {
 public:
  using result_type = std::uint64_t;
  explicit Rng(std::uint64_t seed = 0) noexcept : state_(seed) {}

  std::uint64_t operator()() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept { return ~std::uint64_t{0}; }

  // Uniform in [low, high): 24 random bits.
  float uniform(float low = 0.0F, float high = 1.0F) noexcept {
    return low + (high - low) * (static_cast<float>((*this)() >> 40) * 0x1p-24F);
  }
  // Uniform in [0, n), n > 0 (the bias is below n / 2^64).
  std::uint64_t below(std::uint64_t n) noexcept { return (*this)() % n; }
  // Standard normal (Box-Muller, one of the pair).
  float normal() noexcept {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>((*this)() >> 11) * 0x1p-53));
    const double angle = 6.283185307179586 * (static_cast<double>((*this)() >> 11) * 0x1p-53);
    return static_cast<float>(radius * std::cos(angle));
  }
  // Fisher-Yates shuffle of a random-access range.
  template <class Iterator>
  void shuffle(Iterator first, Iterator last) {
    for (auto n = last - first; n > 1; --n)
      std::swap(first[n - 1], first[static_cast<decltype(n)>(below(static_cast<std::uint64_t>(n)))]);
  }
  // An independent stream, e.g. for one image of one epoch.
  [[nodiscard]] Rng fork(std::uint64_t stream) const noexcept {
    Rng child(state_ ^ (stream * 0xD1B54A32D192ED03ULL + 0x8CB92BA72F3D8DD7ULL));
    child();
    return child;
  }

  [[nodiscard]] std::uint64_t state() const noexcept { return state_; }
  void set_state(std::uint64_t state) noexcept { state_ = state; }

 private:
  std::uint64_t state_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_RNG_HPP_
