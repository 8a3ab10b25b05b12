// Rounding rules, codes of arrays, and biases, against double arithmetic.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/bias.hpp>
#include <octavo/quant/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace oc = octavo;

namespace {

constexpr oc::Ties kAllTies[] = {oc::Ties::even, oc::Ties::up, oc::Ties::away};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

double round_double(double x, oc::Ties ties) {
  if (ties == oc::Ties::even) return std::nearbyint(x);
  return ties == oc::Ties::up ? std::floor(x + 0.5) : std::round(x);  // exact: x is a float, far below 2^52
}

std::int32_t expected_code(float x, const oc::Grid& grid, oc::Ties ties) {
  const double steps = static_cast<double>(x / grid.scale);
  if (std::isinf(steps)) return steps > 0 ? grid.qmax : grid.qmin;
  return static_cast<std::int32_t>(std::clamp(round_double(steps, ties) + grid.zero_point,
                                              static_cast<double>(grid.qmin), static_cast<double>(grid.qmax)));
}

oc::Grid random_grid(oc::Rng& random) {
  const int bits = 2 + static_cast<int>(random.below(7));
  oc::Grid grid;
  grid.qmax = (1 << (bits - 1)) - 1;
  grid.qmin = -grid.qmax - static_cast<int>(random.below(2));
  grid.zero_point = grid.qmin + static_cast<int>(random.below(static_cast<std::uint64_t>(grid.qmax - grid.qmin + 1)));
  grid.scale =
      random.below(2) == 0 ? std::ldexp(1.0F, static_cast<int>(random.below(8)) - 4) : random.uniform(1e-3F, 2.0F);
  return grid;
}

// Values on ties, beside them, far away, and in between.
float random_value(oc::Rng& random, const oc::Grid& grid) {
  const auto half_steps = static_cast<float>(static_cast<int>(random.below(1201)) - 600);
  const float x = 0.5F * half_steps * grid.scale;
  switch (random.below(6)) {
    case 0:
      return std::nextafter(x, kInfinity);
    case 1:
      return std::nextafter(x, -kInfinity);
    case 2:
      return random.normal() * 30.0F * grid.scale;
    case 3: {
      constexpr float corners[] = {kInfinity, -kInfinity, 0.0F, -0.0F, 1e-45F, 3e38F, -3e38F};
      return corners[random.below(std::size(corners))];
    }
    default:
      return x;
  }
}

}  // namespace

TEST_CASE("round_ties is exact on ties, beside them, and everywhere else up to 2^22") {
  oc::Rng random(31);
  for (const oc::Ties ties : kAllTies) {
    for (int i = -3000; i <= 3000; ++i) {
      const float tie = 0.5F * static_cast<float>(i);
      for (const float x : {tie, std::nextafter(tie, kInfinity), std::nextafter(tie, -kInfinity)})
        REQUIRE(static_cast<double>(oc::round_ties(x, ties)) == round_double(static_cast<double>(x), ties));
    }
    for (int i = 0; i < 100000; ++i) {
      const float x = random.uniform(-1.0F, 1.0F) * std::ldexp(1.0F, static_cast<int>(random.below(23)));
      REQUIRE(static_cast<double>(oc::round_ties(x, ties)) == round_double(static_cast<double>(x), ties));
    }
    CHECK(!std::signbit(oc::round_ties(-0.2F, ties)));
    CHECK(std::isnan(oc::round_ties(std::nanf(""), ties)));
  }
  CHECK(oc::round_ties(0.49999997F, oc::Ties::up) == 0.0F);  // adding 0.5 in float would give 1
  CHECK(oc::ties_from_name("away") == oc::Ties::away);
  CHECK_THROWS_AS(static_cast<void>(oc::ties_from_name("down")), oc::Error);
}

TEST_CASE("codes of one value and of arrays of every length are clamp(round(x / scale) + zero_point)") {
  oc::Rng random(32);
  for (int i = 0; i < 3000; ++i) {
    const oc::Grid grid = random_grid(random);
    std::vector<float> in(random.below(80));
    for (float& x : in) x = random_value(random, grid);
    std::vector<std::int8_t> out(in.size());
    for (const oc::Ties ties : kAllTies) {
      oc::quantize(in, grid, ties, out, "t");
      for (std::size_t j = 0; j < in.size(); ++j) {
        REQUIRE(int{out[j]} == expected_code(in[j], grid, ties));
        REQUIRE(oc::quantize(in[j], grid, ties) == expected_code(in[j], grid, ties));
      }
    }
  }
}

TEST_CASE("codes by channel, first, middle and last axis; dequantizing gives the codes back") {
  oc::Rng random(33);
  for (int i = 0; i < 300; ++i) {
    const oc::Shape shape = {static_cast<std::int64_t>(1 + random.below(20)),
                             static_cast<std::int64_t>(1 + random.below(5)),
                             static_cast<std::int64_t>(1 + random.below(40))};
    const int axis = static_cast<int>(random.below(3));
    const oc::ChannelLayout layout = oc::channel_layout(shape, axis, "w");
    oc::Grid common = random_grid(random);
    std::vector<oc::Grid> grids(layout.channels, common);
    for (oc::Grid& grid : grids) grid.scale *= random.uniform(0.5F, 2.0F);
    const oc::QuantParams params(grids, axis);
    std::vector<float> in(layout.size()), back(layout.size());
    for (float& x : in) x = random_value(random, common);
    std::vector<std::int8_t> out(in.size()), again(in.size());
    for (const oc::Ties ties : kAllTies) {
      oc::quantize(in, shape, params, ties, out, "w");
      oc::dequantize(out, shape, params, back, "w");
      oc::quantize(back, shape, params, ties, again, "w");
      for (std::size_t j = 0; j < in.size(); ++j) {
        const oc::Grid& grid = grids[j / layout.inner % layout.channels];
        REQUIRE(int{out[j]} == expected_code(in[j], grid, ties));
        REQUIRE(back[j] == static_cast<float>(out[j] - grid.zero_point) * grid.scale);
        REQUIRE(again[j] == out[j]);
      }
    }
  }
}

TEST_CASE("TFLite's QUANTIZE and ONNX' QuantizeLinear are two of the rules") {
  const oc::Grid grid{.scale = 2.0F, .zero_point = 1};
  const std::vector<float> in = {1.0F, -1.0F, 3.0F, -3.0F, 5.0F, 254.0F, -300.0F};
  std::vector<std::int8_t> out(in.size());
  oc::quantize(in, grid, oc::Ties::away, out, "x");
  CHECK(std::vector<int>(out.begin(), out.end()) == std::vector<int>{2, 0, 3, -1, 4, 127, -128});
  oc::quantize(in, grid, oc::Ties::even, out, "x");
  CHECK(std::vector<int>(out.begin(), out.end()) == std::vector<int>{1, 1, 3, -1, 3, 127, -128});
  oc::quantize(in, grid, oc::Ties::up, out, "x");
  CHECK(std::vector<int>(out.begin(), out.end()) == std::vector<int>{2, 1, 3, 0, 4, 127, -128});
}

TEST_CASE("quantizing NaN is an error that says where") {
  for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
    std::vector<float> in(40, 1.0F);
    in[at] = std::nanf("");
    std::vector<std::int8_t> out(in.size());
    try {
      oc::quantize(in, oc::Grid{}, oc::Ties::even, out, "logits");
      FAIL("no error");
    } catch (const oc::Error& error) {
      const std::string text = error.what();
      CHECK(text.find("'logits'") != std::string::npos);
      CHECK(text.find("index " + std::to_string(at)) != std::string::npos);
    }
  }
  std::vector<float> in(4);
  std::vector<std::int8_t> out(3);
  CHECK_THROWS_AS(oc::quantize(in, oc::Grid{}, oc::Ties::even, out, "x"), oc::Error);
}

TEST_CASE("a grid that is none is an error that names the tensor") {
  const std::vector<float> in(4, 1.0F);
  std::vector<std::int8_t> out(in.size());
  std::vector<float> real(in.size());
  for (const float scale : {0.0F, -1.0F, std::nanf(""), kInfinity, 1e-45F}) {
    const oc::Grid grid{.scale = scale};
    CHECK_THROWS_AS(oc::quantize(in, grid, oc::Ties::even, out, "x"), oc::Error);
    CHECK_THROWS_AS(oc::dequantize(out, grid, real, "x"), oc::Error);
  }
  CHECK_THROWS_WITH_AS(oc::quantize(in, oc::Grid{.scale = -1.0F}, oc::Ties::even, out, "logits"),
                       "tensor 'logits': scale -1 is no normal positive number", oc::Error);
  CHECK_THROWS_WITH_AS(oc::quantize(in, oc::Grid{.zero_point = 128}, oc::Ties::even, out, "x"),
                       "tensor 'x': expected codes within [-128, 127] and a zero point among them, found [-128, 127] "
                       "and 128",
                       oc::Error);
  CHECK_THROWS_AS(oc::quantize(in, oc::Grid{.qmax = 255}, oc::Ties::even, out, "x"), oc::Error);
}

TEST_CASE("dequantizing any 32-bit code is defined") {
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  CHECK(oc::dequantize(lowest, {.scale = 1.0F, .zero_point = 5}) == -2147483648.0F);
  CHECK(oc::dequantize(std::numeric_limits<std::int32_t>::max(), {.scale = 0.5F, .zero_point = -128}) == 1073741888.0F);
}

TEST_CASE("biases: round half away in double, and a scale that leaves room") {
  CHECK(oc::quantize_bias(1.0F, 0.5F, 0.25F) == 8);
  CHECK(oc::quantize_bias(0.1875F, 0.5F, 0.25F) == 2);    // 1.5
  CHECK(oc::quantize_bias(-0.1875F, 0.5F, 0.25F) == -2);  // -1.5
  CHECK(oc::quantize_bias(1e30F, 0.5F, 0.25F) == std::numeric_limits<std::int32_t>::max());
  CHECK(oc::quantize_bias(-1e30F, 0.5F, 0.25F) == std::numeric_limits<std::int32_t>::min());

  oc::Rng random(34);
  for (int i = 0; i < 20000; ++i) {
    const float input_scale = random.uniform(1e-4F, 0.1F),
                weight_scale = std::ldexp(random.uniform(1.0F, 2.0F), -static_cast<int>(random.below(60)));
    const float bias = random.normal() * 10.0F;
    const double limit = 0.5 * static_cast<double>(input_scale) * static_cast<double>(weight_scale) * 2147483647.0;
    const float widened = oc::widen_weight_scale(bias, input_scale, weight_scale);
    const bool fits = std::abs(static_cast<double>(bias)) < limit;
    REQUIRE((widened == weight_scale) == fits);
    const double code = static_cast<double>(bias) / (static_cast<double>(input_scale) * static_cast<double>(widened));
    REQUIRE(std::abs(code) <= 1073741824.5 * (1 + 1e-6));  // half the accumulator
    REQUIRE(std::abs(oc::quantize_bias(bias, input_scale, widened) - code) <= 0.5);
  }

  const std::vector<float> bias = {1.0F, -50.0F, 0.0F};
  std::vector<float> scales = {0.01F, 1e-9F, 1e-9F};
  CHECK(oc::widen_weight_scales(bias, 0.02F, scales, "conv") == 1);
  CHECK(scales[0] == 0.01F);
  CHECK(scales[1] == doctest::Approx(100.0 / 2147483647.0 / 0.02));
  CHECK(scales[2] == 1e-9F);
  CHECK(oc::quantize_biases(bias, 0.02F, scales, "conv")[0] == 5000);
  const std::vector<float> one = {1e-9F}, two(2);
  CHECK_THROWS_AS(static_cast<void>(oc::quantize_biases(bias, 0.02F, one, "conv")), oc::Error);  // -50 does not fit
  CHECK_THROWS_AS(static_cast<void>(oc::quantize_biases(bias, 0.02F, two, "conv")), oc::Error);
  const std::vector<float> bad = {std::nanf("")};
  CHECK_THROWS_AS(static_cast<void>(oc::quantize_biases(bad, 0.02F, one, "conv")), oc::Error);
}
