// octavo/kernels/accumulator.hpp: the proof, per output channel, that no int32 accumulator can overflow.
//
// The kernels compute acc = start + sum_k w[k] * q[k] with codes q in [0, 255] (u8 terms) and
//   start = bias - input_zero_point * sum_k w[k],
// where a tap outside the input reads q = input_zero_point. Whatever the order of the products, each partial sum lies
// in
//   [start + 255 * (sum of negative w), start + 255 * (sum of positive w)].
// The portable form bias + sum w * (q - input_zero_point) lies within |bias| + sum |w| * max(zp, 255 - zp).
#ifndef OCTAVO_KERNELS_ACCUMULATOR_HPP_
#define OCTAVO_KERNELS_ACCUMULATOR_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "../core/error.hpp"
#include "portable_vector.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Sums over one output channel's weights.
struct WeightSums {
  std::int64_t positive = 0;  // sum of the positive weights
  std::int64_t negative = 0;  // sum of the negative ones, <= 0

  void add(std::int8_t weight) noexcept { (weight > 0 ? positive : negative) += weight; }
  // `n` weights in a row, without a branch: the signs of weights cannot be foretold. Words of a vector hold the sums of
  // pairs, |sum| <= 256, for up to 64 vectors before they are widened.
  void add(const std::int8_t* weights, std::int64_t n) noexcept {
    while (n >= 16) {
      const std::int64_t vectors = std::min<std::int64_t>(n / 16, 64);
      detail::Words up{}, down{};
      for (std::int64_t i = 0; i < vectors; ++i, weights += 16) {
        const detail::SplitBytes pair = detail::split_weights(weights);
        up += (pair.even & (pair.even > 0)) + (pair.odd & (pair.odd > 0));
        down += (pair.even & (pair.even < 0)) + (pair.odd & (pair.odd < 0));
      }
      for (unsigned k = 0; k < 8; ++k) positive += up[k], negative += down[k];
      n -= vectors * 16;
    }
    for (; n > 0; --n) add(*weights++);
  }
  [[nodiscard]] std::int64_t total() const noexcept { return positive + negative; }
  [[nodiscard]] std::int64_t absolute() const noexcept { return positive - negative; }
};

// What the kernel's accumulator starts from, and the largest absolute value that it, or any partial sum, can take.
struct AccumulatorBound {
  std::int32_t start = 0;
  std::int64_t largest = 0;
};

// Throws Error when int32 does not hold every partial sum of every form; `what` names the operator in the text.
[[nodiscard]] inline AccumulatorBound prove_accumulator(std::string_view what, std::int64_t channel,
                                                        const WeightSums& sums, std::int64_t bias,
                                                        std::int32_t input_zero_point) {
  const std::int64_t start = bias - input_zero_point * sums.total();
  const std::int64_t low = start + 255 * sums.negative;
  const std::int64_t high = start + 255 * sums.positive;
  const std::int64_t portable =
      std::abs(bias) + sums.absolute() * std::max<std::int64_t>(input_zero_point, 255 - input_zero_point);
  const std::int64_t largest = std::max({std::abs(start), std::abs(low), std::abs(high), portable});
  require(largest <= std::numeric_limits<std::int32_t>::max(), what, ": the accumulator of output channel ", channel,
          " can reach ", largest, ", int32 holds ", std::numeric_limits<std::int32_t>::max(), " (bias ", bias,
          ", sum of |weights| ", sums.absolute(), ", input zero point ", input_zero_point, " in u8 terms)");
  return {static_cast<std::int32_t>(start), largest};
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_ACCUMULATOR_HPP_
