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
#include <span>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "portable_vector.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Sums over one output channel's weights.
struct WeightSums {
  std::int64_t positive = 0;  // sum of the positive weights
  std::int64_t negative = 0;  // sum of the negative ones, <= 0

  // Without a branch: the signs of weights cannot be foretold.
  void add(std::int8_t weight) noexcept {
    positive += std::max<std::int64_t>(weight, 0);
    negative += std::min<std::int64_t>(weight, 0);
  }
  [[nodiscard]] std::int64_t total() const noexcept { return positive + negative; }
  [[nodiscard]] std::int64_t absolute() const noexcept { return positive - negative; }
};

namespace detail {

// The sums of each channel, where its weights are neighbours: [channels][n]. Of bytes: the positive weights, and all
// plus 128.
[[nodiscard]] inline std::vector<WeightSums> sums_of_rows(std::span<const std::int8_t> weights, std::int64_t channels) {
  std::vector<WeightSums> sums(static_cast<std::size_t>(channels));
  const std::int64_t length = static_cast<std::int64_t>(weights.size()) / channels;
  const std::int8_t* from = weights.data();
  for (WeightSums& of_channel : sums) {
    UnsignedLongs up{}, all{};
    std::int64_t i = 0;
    for (; i + 16 <= length; i += 16, from += 16) {
      const auto bytes = load_vector<Bytes16>(from);
      up += sum_bytes(bytes & (bytes > 0));
      all += sum_bytes(bytes ^ -128);
    }
    of_channel.positive = static_cast<std::int64_t>(up[0] + up[1]);
    of_channel.negative = static_cast<std::int64_t>(all[0] + all[1]) - 128 * i - of_channel.positive;
    for (; i < length; ++i) of_channel.add(*from++);
  }
  return sums;
}

// The same where the channel is the last extent, [n][channels]: 16 channels at once, in 16 bits that hold up to 256
// weights; word k of `even` is of byte 2 * k, of `odd` of byte 2 * k + 1.
[[nodiscard]] inline std::vector<WeightSums> sums_of_columns(std::span<const std::int8_t> weights,
                                                             std::int64_t channels) {
  std::vector<WeightSums> sums(static_cast<std::size_t>(channels));
  const std::int64_t rows = static_cast<std::int64_t>(weights.size()) / channels;
  std::int64_t c = 0;
  for (; c + 16 <= channels; c += 16)
    for (std::int64_t row = 0; row < rows;) {
      const std::int64_t end = std::min<std::int64_t>(rows, row + 256);
      const std::int64_t offset = 128 * (end - row);
      UnsignedWords up_even{}, up_odd{}, all_even{}, all_odd{};
      for (; row < end; ++row) {
        const auto bytes = load_vector<Bytes16>(weights.data() + row * channels + c);
        const auto up = UnsignedWords(bytes & (bytes > 0));
        const auto all = UnsignedWords(bytes ^ -128);
        up_even += up & 0xFF, up_odd += up >> 8;
        all_even += all & 0xFF, all_odd += all >> 8;
      }
      for (unsigned k = 0; k < 16; ++k) {
        WeightSums& of_channel = sums[static_cast<std::size_t>(c) + k];
        const std::int64_t up = k % 2 == 0 ? up_even[k / 2] : up_odd[k / 2];
        of_channel.positive += up;
        of_channel.negative += (k % 2 == 0 ? all_even[k / 2] : all_odd[k / 2]) - offset - up;
      }
    }
  for (; c < channels; ++c)
    for (std::int64_t row = 0; row < rows; ++row)
      sums[static_cast<std::size_t>(c)].add(weights[static_cast<std::size_t>(row * channels + c)]);
  return sums;
}

}  // namespace detail

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
