// Q31 multipliers and their two rounding rules against 128-bit integer arithmetic.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/fixed_point.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace oc = octavo;

namespace {

__extension__ typedef __int128 Wide;
constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max();

// floor(numerator / 2^shift).
Wide floor_shift(Wide numerator, int shift) {
  const Wide unit = Wide{1} << shift;
  const Wide quotient = numerator / unit;
  return quotient - (numerator % unit < 0 ? 1 : 0);
}
// numerator / 2^shift to nearest: ties toward +infinity, or away from zero.
Wide nearest_up(Wide numerator, int shift) {
  return shift == 0 ? numerator : floor_shift(numerator + (Wide{1} << (shift - 1)), shift);
}
Wide nearest_away(Wide numerator, int shift) {
  return numerator < 0 ? -nearest_up(-numerator, shift) : nearest_up(numerator, shift);
}

std::int32_t random_int32(oc::Rng& random) {
  constexpr std::int32_t corners[] = {kLowest, kLowest + 1, -1, 0, 1, kLargest - 1, kLargest, 1 << 30, -(1 << 30)};
  if (random.below(16) == 0) return corners[random.below(std::size(corners))];
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(random())) >> random.below(31);
}

}  // namespace

TEST_CASE("saturating_rounding_doubling_high_mul is nearest, ties up, and saturates once") {
  oc::Rng random(1);
  for (int i = 0; i < 200000; ++i) {
    const std::int32_t a = random_int32(random), b = random_int32(random);
    if (a == kLowest && b == kLowest) continue;
    REQUIRE(Wide{oc::saturating_rounding_doubling_high_mul(a, b)} == nearest_up(Wide{a} * b, 31));
  }
  CHECK(oc::saturating_rounding_doubling_high_mul(kLowest, kLowest) == kLargest);
  CHECK(oc::saturating_rounding_doubling_high_mul(1, 1 << 30) == 1);    // +0.5
  CHECK(oc::saturating_rounding_doubling_high_mul(-1, 1 << 30) == 0);   // -0.5
  CHECK(oc::saturating_rounding_doubling_high_mul(-3, 1 << 30) == -1);  // -1.5
}

TEST_CASE("rounding_divide_by_pot is nearest, ties away from zero, for every exponent") {
  oc::Rng random(2);
  for (int exponent = 0; exponent <= 31; ++exponent)
    for (int i = 0; i < 5000; ++i) {
      const std::int32_t x = random_int32(random);
      REQUIRE(Wide{oc::rounding_divide_by_pot(x, exponent)} == nearest_away(x, exponent));
    }
}

TEST_CASE("quantize_multiplier is the nearest 31-bit fraction") {
  oc::Rng random(3);
  for (int i = 0; i < 20000; ++i) {
    const double real =
        std::ldexp(1.0 + static_cast<double>(random() >> 12) * 0x1p-52, static_cast<int>(random.below(61)) - 32);
    for (const oc::Rounding rounding : {oc::Rounding::tflite_double, oc::Rounding::tflite_single}) {
      const oc::QuantizedMultiplier m = oc::quantize_multiplier(real, rounding);
      REQUIRE(m.multiplier >= 1 << 30);
      REQUIRE(m.shift >= -31);
      REQUIRE(m.shift <= 30);
      REQUIRE(std::abs(m.value() - real) <= std::ldexp(0.5, m.shift - 31));  // half a unit in the last place
    }
  }
}

TEST_CASE("quantize_multiplier: corners") {
  using oc::QuantizedMultiplier;
  const auto both = [](double real, QuantizedMultiplier expected) {
    CHECK(oc::quantize_multiplier(real, oc::Rounding::tflite_double) == expected);
    CHECK(oc::quantize_multiplier(real, oc::Rounding::tflite_single) == expected);
  };
  both(0.0, {0, 0});
  both(1.0, {1 << 30, 1});
  both(0.25, {1 << 30, -1});
  both(1.0 - 0x1p-40, {1 << 30, 1});                // the carry
  both(1.0 - 0x1p-31, {kLargest, 0});               // the last one without
  both(0.5 + 0x1p-32, {(1 << 30) + 1, 0});          // a tie goes away from zero
  both(0x1p-32, {1 << 30, -31});                    // the smallest
  both(0x1p-33, {0, 0});                            // a shift of -32
  both(0x1p-33 * (2.0 - 0x1p-40), {1 << 30, -31});  // carried over the border
  both(0x1p30 * (1.0 - 0x1p-31), {kLargest, 30});   // the largest
  both(std::numeric_limits<double>::denorm_min(), {0, 0});
  CHECK(oc::quantize_multiplier(0x1p30, oc::Rounding::tflite_single) == QuantizedMultiplier{kLargest, 30});
  CHECK(oc::quantize_multiplier(1e300, oc::Rounding::tflite_single) == QuantizedMultiplier{kLargest, 30});
  CHECK_THROWS_AS(static_cast<void>(oc::quantize_multiplier(0x1p30, oc::Rounding::tflite_double)), oc::Error);
  for (const double bad : {-0.5, std::nan(""), static_cast<double>(INFINITY)})
    CHECK_THROWS_AS(static_cast<void>(oc::quantize_multiplier(bad, oc::Rounding::tflite_single)), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::quantize_multiplier(0.5, oc::Rounding::nearest_even_f32)), oc::Error);
}

TEST_CASE("multiplying by a quantized multiplier: both rules against wide integers") {
  oc::Rng random(4);
  for (int i = 0; i < 200000; ++i) {
    const auto shift = static_cast<int>(random.below(62)) - 31;
    const oc::QuantizedMultiplier m{static_cast<std::int32_t>((1U << 30) + random.below(1U << 30)), shift};
    std::int32_t x = random_int32(random);
    if (shift > 0) x = static_cast<std::int32_t>(x >> std::min(shift + 1, 31));  // x * 2^shift and the result fit
    const Wide product = Wide{x} * m.multiplier;
    REQUIRE(Wide{oc::multiply_by_quantized_multiplier(x, m, oc::Rounding::tflite_single)} ==
            nearest_up(product, 31 - shift));
    const Wide high = nearest_up(Wide{x} * (Wide{1} << std::max(shift, 0)) * m.multiplier, 31);
    REQUIRE(Wide{oc::multiply_by_quantized_multiplier(x, m, oc::Rounding::tflite_double)} ==
            nearest_away(high, std::max(-shift, 0)));
  }
}

TEST_CASE("-0.25 * 6 is the example on which the rules part") {
  const auto quarter = oc::quantize_multiplier(0.25, oc::Rounding::tflite_double);
  CHECK(oc::multiply_by_quantized_multiplier(-6, quarter, oc::Rounding::tflite_double) == -2);
  CHECK(oc::multiply_by_quantized_multiplier(-6, quarter, oc::Rounding::tflite_single) == -1);
  CHECK(oc::multiply_by_quantized_multiplier(6, quarter, oc::Rounding::tflite_double) == 2);
  CHECK(oc::multiply_by_quantized_multiplier(6, quarter, oc::Rounding::tflite_single) == 2);
  static_assert(oc::multiply_by_quantized_multiplier(100, {1 << 30, 1}, oc::Rounding::tflite_double) == 100);
}

// The share depends on the sample, its order of magnitude does not.
TEST_CASE("the two rules differ on a few in a thousand random requantizations, by one") {
  oc::Rng random(5);
  int different = 0;
  constexpr int trials = 200000;
  for (int i = 0; i < trials; ++i) {
    const auto acc = static_cast<std::int32_t>(random.below(200001)) - 100000;
    const double real = static_cast<double>(random.uniform(1e-4F, 1e-2F));
    const auto m = oc::quantize_multiplier(real, oc::Rounding::tflite_double);
    const int twice = oc::multiply_by_quantized_multiplier(acc, m, oc::Rounding::tflite_double);
    const int once = oc::multiply_by_quantized_multiplier(acc, m, oc::Rounding::tflite_single);
    REQUIRE(std::abs(twice - once) <= 1);
    different += twice != once ? 1 : 0;
  }
  const double share = static_cast<double>(different) / trials;
  MESSAGE("double and single rounding differ on " << share * 100 << " % of " << trials);
  CHECK(share > 0.0005);
  CHECK(share < 0.02);
}

TEST_CASE("the 64-bit variant rounds once with a 16-bit multiplier") {
  oc::Rng random(6);
  for (int i = 0; i < 100000; ++i) {
    const auto shift = static_cast<int>(random.below(46)) - 31;
    const oc::QuantizedMultiplier m{static_cast<std::int32_t>((1U << 30) + random.below(1U << 30)), shift};
    const int magnitude = std::min(47, 31 - shift);  // of x, so that the result fits in 32 bits
    const std::int64_t x = static_cast<std::int64_t>(random()) >> (64 - magnitude);
    const Wide m16 = m.multiplier < 0x7FFF0000 ? floor_shift(Wide{m.multiplier} + (1 << 15), 16) : Wide{0x7FFF};
    REQUIRE(Wide{oc::multiply_by_quantized_multiplier(x, m)} == nearest_up(Wide{x} * m16, 15 - shift));
  }
}
