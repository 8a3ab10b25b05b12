// Requantization of an accumulator, by mode, against double arithmetic.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/requantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace oc = octavo;

namespace {

// float(acc) * scale in double is exact; its conversion to float is the one rounding of a float product.
std::int32_t expected_nearest_even(std::int32_t acc, float scale, std::int32_t zero_point, oc::CodeLimits limits) {
  const auto product = static_cast<float>(static_cast<double>(static_cast<float>(acc)) * static_cast<double>(scale));
  const double code = std::nearbyint(static_cast<double>(product)) + zero_point;
  return static_cast<std::int32_t>(std::clamp(code, static_cast<double>(limits.min), static_cast<double>(limits.max)));
}

std::int32_t random_accumulator(oc::Rng& random) {
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  constexpr std::int32_t largest = std::numeric_limits<std::int32_t>::max();
  constexpr std::int32_t corners[] = {lowest,        lowest + 1,    -1, 0, 1, largest - 1, largest,
                                      (1 << 24) + 1, -(1 << 24) - 1};
  if (random.below(16) == 0) return corners[random.below(std::size(corners))];
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(random())) >> random.below(31);
}

}  // namespace

TEST_CASE("requantize_nearest_even: float product, clamp, nearest even, zero point") {
  oc::Rng random(11);
  for (int i = 0; i < 300000; ++i) {
    const std::int32_t acc = random_accumulator(random);
    const float scale = std::ldexp(1.0F + random.uniform(), static_cast<int>(random.below(40)) - 33);
    const std::int32_t zero_point = static_cast<std::int32_t>(random.below(256)) - 128;
    const std::int32_t a = static_cast<std::int32_t>(random.below(256)) - 128;
    const std::int32_t b = static_cast<std::int32_t>(random.below(256)) - 128;
    const oc::CodeLimits limits{std::min(a, b), std::max(a, b)};
    REQUIRE(oc::requantize_nearest_even(acc, scale, zero_point, limits) ==
            expected_nearest_even(acc, scale, zero_point, limits));
  }
}

TEST_CASE("requantize_nearest_even: ties go to the even number of steps, before the zero point is added") {
  const oc::CodeLimits all;
  CHECK(oc::requantize_nearest_even(1, 0.5F, 0, all) == 0);
  CHECK(oc::requantize_nearest_even(3, 0.5F, 0, all) == 2);
  CHECK(oc::requantize_nearest_even(5, 0.5F, 0, all) == 2);
  CHECK(oc::requantize_nearest_even(-1, 0.5F, 0, all) == 0);
  CHECK(oc::requantize_nearest_even(-3, 0.5F, 0, all) == -2);
  CHECK(oc::requantize_nearest_even(1, 0.5F, 3, all) == 3);  // rounding 3.5 as a whole would give 4
  CHECK(oc::requantize_nearest_even(1000, 0.5F, 0, all) == 127);
  CHECK(oc::requantize_nearest_even(-1000, 0.5F, 0, all) == -128);
  CHECK(oc::requantize_nearest_even(1000, 0.5F, 0, {-10, 20}) == 20);
  CHECK(oc::requantize_nearest_even(std::numeric_limits<std::int32_t>::max(), 3e38F, 0, all) == 127);  // infinite
  CHECK(oc::requantize_nearest_even(12345, 0.0F, 7, all) == 7);
}

// float(1/6) is a little above 1/6: 9 and 15 times it round to the ties 1.5 and 2.5 in float32, though the exact
// products lie above. A compiler that fused the product into the rounding would give 2 and 3.
TEST_CASE("requantize_nearest_even rounds the product before it rounds to a whole number") {
  const float sixth = 0.16666667F;
  REQUIRE(15.0 * static_cast<double>(sixth) > 2.5);
  volatile float fifteen = 15.0F;
  REQUIRE(fifteen * sixth == 2.5F);
  CHECK(oc::requantize_nearest_even(9, sixth, 0, {}) == 2);
  CHECK(oc::requantize_nearest_even(15, sixth, 0, {}) == 2);
  CHECK(oc::requantize_nearest_even(-15, sixth, 0, {}) == -2);
}

TEST_CASE("requantize in the tflite modes: multiply, add the zero point, clamp") {
  oc::Rng random(13);
  for (int i = 0; i < 100000; ++i) {
    const std::int32_t acc = random_accumulator(random);
    const double real =
        std::ldexp(1.0 + static_cast<double>(random.uniform()), -1 - static_cast<int>(random.below(24)));
    const std::int32_t zero_point = static_cast<std::int32_t>(random.below(256)) - 128;
    for (const oc::Rounding rounding : {oc::Rounding::tflite_double, oc::Rounding::tflite_single}) {
      const oc::Requantizer requantizer = oc::make_requantizer(real, rounding);
      const double exact = static_cast<double>(acc) * requantizer.multiplier.value() + zero_point;
      const std::int32_t code = requantizer(acc, zero_point, {});
      const double clamped = std::clamp(exact, -128.0, 127.0);
      // Two roundings may move a value by half a step more than 2^-shift; one moves it by half a step.
      REQUIRE(std::abs(code - clamped) <= 0.5 + std::ldexp(1.0, requantizer.multiplier.shift));
      REQUIRE(code == std::clamp<std::int64_t>(
                          std::int64_t{oc::multiply_by_quantized_multiplier(acc, requantizer.multiplier, rounding)} +
                              zero_point,
                          -128, 127));
    }
  }
}

TEST_CASE("make_requantizer keeps what its mode needs, and refuses what no mode can hold") {
  const auto even = oc::make_requantizer(0.3, oc::Rounding::nearest_even_f32);
  CHECK(even.scale == 0.3F);
  CHECK(even(10, 1, {}) == 4);
  CHECK(oc::make_requantizer(0.3, oc::Rounding::tflite_single).multiplier ==
        oc::quantize_multiplier(0.3, oc::Rounding::tflite_single));
  for (const oc::Rounding rounding : oc::kAllRoundings) {
    CHECK_THROWS_AS(static_cast<void>(oc::make_requantizer(-1.0, rounding)), oc::Error);
    CHECK_THROWS_AS(static_cast<void>(oc::make_requantizer(std::nan(""), rounding)), oc::Error);
  }
  CHECK_THROWS_AS(static_cast<void>(oc::make_requantizer(1e300, oc::Rounding::nearest_even_f32)), oc::Error);
  CHECK(oc::requantization_multiplier(0.1F, 0.2F, 0.4F) ==
        static_cast<double>(0.1F) * static_cast<double>(0.2F) / static_cast<double>(0.4F));
}
