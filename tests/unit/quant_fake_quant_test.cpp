// Fake-quantization, forward and backward, against double arithmetic, TensorFlow's formula and differences.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/fake_quant.hpp>
#include <octavo/quant/lsq.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace oc = octavo;

namespace {

constexpr oc::Ties kAllTies[] = {oc::Ties::even, oc::Ties::up, oc::Ties::away};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  oc::Shape shape;
  int axis;
};
// Per tensor, and channels first, in the middle, last; lengths around the vector block.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t n : {1, 3, 15, 16, 17, 31, 32, 33, 100}) {
    all.push_back({{n}, oc::kPerTensor});
    all.push_back({{n, 5}, 0});
    all.push_back({{3, n}, 0});
    all.push_back({{3, 3, n}, oc::kLastAxis});
    all.push_back({{2, n, 3}, 1});
    all.push_back({{2, 3, n}, 1});
  }
  return all;
}

struct Problem {
  oc::ChannelLayout layout;
  oc::QuantParams params;
  std::vector<float> in, gradient;
};
Problem make_problem(const Case& c, oc::Rng& random) {
  Problem p;
  p.layout = oc::channel_layout(c.shape, c.axis, "t");
  oc::TensorScheme scheme{.bits = 2 + static_cast<int>(random.below(7)), .symmetric = random.below(2) == 0};
  scheme.narrow = random.below(2) == 0;
  scheme.axis = c.axis;
  std::vector<oc::Range> ranges(p.layout.channels);
  for (oc::Range& range : ranges) range = {-random.uniform(0.1F, 2.0F), random.uniform(0.1F, 2.0F)};
  p.params = oc::params_from_ranges(ranges, scheme, "t");
  p.in.resize(p.layout.size());
  p.gradient.resize(p.layout.size());
  for (std::size_t i = 0; i < p.in.size(); ++i) {
    const oc::Grid grid = p.params.grid(i / p.layout.inner % p.layout.channels);
    const auto half_steps = static_cast<float>(static_cast<int>(random.below(601)) - 300);
    p.in[i] = random.below(2) == 0 ? 0.5F * half_steps * grid.scale : random.normal();
    if (random.below(20) == 0) p.in[i] = random.below(2) == 0 ? grid.low() : grid.high();
    p.gradient[i] = random.normal();
  }
  return p;
}

}  // namespace

TEST_CASE("forward is dequantize(quantize(x)), bit for bit, in place too") {
  oc::Rng random(61);
  for (const Case& c : cases()) {
    Problem p = make_problem(c, random);
    for (const oc::Ties ties : kAllTies) {
      std::vector<float> out(p.in.size()), back(p.in.size()), in_place = p.in;
      std::vector<std::int8_t> codes(p.in.size());
      oc::fake_quantize(p.in, c.shape, p.params, ties, out, "t");
      oc::quantize(p.in, c.shape, p.params, ties, codes, "t");
      oc::dequantize(codes, c.shape, p.params, back, "t");
      REQUIRE(out == back);
      oc::fake_quantize(in_place, c.shape, p.params, ties, in_place, "t");
      REQUIRE(in_place == out);
      for (std::size_t i = 0; i < p.in.size(); ++i) {
        const oc::Grid grid = p.params.grid(i / p.layout.inner % p.layout.channels);
        REQUIRE(oc::fake_quantize(p.in[i], grid, ties) == out[i]);
        REQUIRE(!std::signbit(out[i] == 0.0F ? out[i] : 0.0F));
      }
      if (c.axis == oc::kPerTensor) {
        oc::fake_quantize(p.in, p.params.grid(), ties, in_place, "t");
        REQUIRE(in_place == out);
      }
    }
  }
}

TEST_CASE("NaN passes through the forward pass, infinities saturate") {
  const oc::Grid grid{.scale = 0.5F, .zero_point = 3};
  std::vector<float> in(40, 1.0F);
  in[5] = std::nanf(""), in[6] = kInfinity, in[7] = -kInfinity, in[39] = std::nanf("");
  for (const oc::Ties ties : kAllTies) {
    std::vector<float> out(in.size());
    oc::fake_quantize(in, grid, ties, out, "t");
    CHECK(std::isnan(out[5]));
    CHECK(std::isnan(out[39]));
    CHECK(out[6] == grid.high());
    CHECK(out[7] == grid.low());
    CHECK(std::isnan(oc::fake_quantize(std::nanf(""), grid, ties)));
  }
}

// TensorFlow works with differences of float values, so its codes can be off where x / scale is within float rounding
// of a tie; everywhere else they are ours with Ties::up.
TEST_CASE("forward with Ties::up is TensorFlow's fake_quant") {
  oc::Rng random(62);
  int compared = 0;
  for (int i = 0; i < 100000; ++i) {
    const int bits = 2 + static_cast<int>(random.below(7));
    const bool narrow = random.below(2) == 0;
    const oc::Range range = {-random.uniform(0.0F, 4.0F), random.uniform(0.01F, 4.0F)};
    const oc::Grid grid = oc::tf_nudge(range.low, range.high, bits, narrow);
    const float x = random.normal() * 2.0F;
    const float low = grid.low(), high = grid.high();
    const float zero_steps = std::floor(-low / grid.scale + 0.5F);
    const float clamped = std::clamp(x, low, high);
    const float expected = std::floor((clamped - low) / grid.scale - zero_steps + 0.5F) * grid.scale;
    const float steps = clamped / grid.scale;
    if (std::abs(steps - std::floor(steps) - 0.5F) < 1e-4F) continue;
    ++compared;
    REQUIRE(oc::fake_quantize(x, grid, oc::Ties::up) == expected);
  }
  CHECK(compared > 99000);
}

TEST_CASE("backward: straight through inside the nudged limits, which count as inside") {
  oc::Rng random(63);
  for (const Case& c : cases()) {
    Problem p = make_problem(c, random);
    std::vector<float> grad_in(p.in.size()), in_place = p.gradient;
    oc::fake_quantize_backward(p.in, c.shape, p.gradient, p.params, grad_in, "t");
    oc::fake_quantize_backward(p.in, c.shape, in_place, p.params, in_place, "t");
    REQUIRE(in_place == grad_in);
    std::vector<double> low(p.layout.channels, 0.0), high(p.layout.channels, 0.0);
    for (std::size_t i = 0; i < p.in.size(); ++i) {
      const std::size_t channel = i / p.layout.inner % p.layout.channels;
      const oc::Grid grid = p.params.grid(channel);
      const bool below = p.in[i]<grid.low(), above = p.in[i]> grid.high();
      REQUIRE(grad_in[i] == (below || above ? 0.0F : p.gradient[i]));
      low[channel] += below ? static_cast<double>(p.gradient[i]) : 0.0;
      high[channel] += above ? static_cast<double>(p.gradient[i]) : 0.0;
    }
    const auto ends = oc::fake_quantize_range_gradient(p.in, c.shape, p.gradient, p.params, "t");
    REQUIRE(ends.size() == p.layout.channels);
    for (std::size_t channel = 0; channel < ends.size(); ++channel) {
      REQUIRE(ends[channel].low == doctest::Approx(low[channel]));
      REQUIRE(ends[channel].high == doctest::Approx(high[channel]));
    }
    if (c.axis == oc::kPerTensor) {
      oc::fake_quantize_backward(p.in, p.gradient, p.params.grid(), in_place, "t");
      REQUIRE(in_place == grad_in);
      const oc::RangeGradient ends1 = oc::fake_quantize_range_gradient(p.in, p.gradient, p.params.grid(), "t");
      REQUIRE(ends1.low == doctest::Approx(low[0]));
      REQUIRE(ends1.high == doctest::Approx(high[0]));
    }
  }
  const oc::Grid grid{};
  const std::vector<float> in = {std::nanf("")}, gradient = {1.0F};
  std::vector<float> grad_in(1);
  oc::fake_quantize_backward(in, gradient, grid, grad_in, "t");
  CHECK(grad_in[0] == 0.0F);
}

// The rounding inside has no useful derivative; that of the clamp to [low, high] is what the gradients stand for.
TEST_CASE("the gradients are those of the clamp: central differences") {
  oc::Rng random(64);
  const oc::Grid grid = oc::tf_nudge(-1.0F, 1.5F, 4, false);
  std::vector<float> in(200), gradient(200), grad_in(200);
  for (float& x : in) x = random.normal() * 1.5F;
  for (float& g : gradient) g = random.normal();
  const auto loss = [&](double shift_low, double shift_high) {
    double sum = 0.0;
    for (std::size_t i = 0; i < in.size(); ++i)
      sum += static_cast<double>(gradient[i]) * std::clamp(static_cast<double>(in[i]),
                                                           static_cast<double>(grid.low()) + shift_low,
                                                           static_cast<double>(grid.high()) + shift_high);
    return sum;
  };
  constexpr double h = 1e-5;
  const oc::RangeGradient ends = oc::fake_quantize_range_gradient(in, gradient, grid, "t");
  CHECK(ends.low == doctest::Approx((loss(h, 0) - loss(-h, 0)) / (2 * h)));
  CHECK(ends.high == doctest::Approx((loss(0, h) - loss(0, -h)) / (2 * h)));
}

TEST_CASE("sizes that do not fit are errors") {
  std::vector<float> four(4), three(3);
  const oc::QuantParams whole(oc::Grid{});
  CHECK_THROWS_AS(oc::fake_quantize(four, oc::Grid{}, oc::Ties::even, three, "t"), oc::Error);
  CHECK_THROWS_AS(oc::fake_quantize(four, {3}, whole, oc::Ties::even, four, "t"), oc::Error);
  CHECK_THROWS_AS(oc::fake_quantize(four, {4}, whole, oc::Ties::even, three, "t"), oc::Error);
  CHECK_THROWS_AS(oc::fake_quantize_backward(four, {4}, three, whole, four, "t"), oc::Error);
  CHECK_THROWS_AS(oc::fake_quantize_backward(three, {4}, four, whole, four, "t"), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::lsq_backward(four, three, oc::Grid{}, oc::Ties::even, four, "t")), oc::Error);
}

// The gradient of the step treats round(v) - v as a constant (straight-through): differences of the function in which
// it is one must agree. Outside the limits the function needs no such help.
TEST_CASE("LSQ: the step's gradient against central differences") {
  oc::Rng random(65);
  for (const oc::Grid grid :
       {oc::Grid{.scale = 0.11F, .zero_point = 0, .qmin = -7, .qmax = 7}, oc::Grid{.scale = 0.03F, .zero_point = -128},
        oc::Grid{.scale = 0.5F, .zero_point = 1, .qmin = -2, .qmax = 1}}) {
    const double first = grid.qmin - grid.zero_point, last = grid.qmax - grid.zero_point;
    std::vector<float> in(300), gradient(300), grad_in(300);
    for (float& x : in) x = random.normal();
    for (float& g : gradient) g = random.normal();
    const auto loss = [&](double step) {
      double sum = 0.0;
      for (std::size_t i = 0; i < in.size(); ++i) {
        const double v0 = static_cast<double>(in[i] / grid.scale);
        const double v = static_cast<double>(in[i]) / step;
        const double y = v0 <= first ? first * step : v0 >= last ? last * step : (v + (std::nearbyint(v0) - v0)) * step;
        sum += static_cast<double>(gradient[i]) * y;
      }
      return sum;
    };
    const double h = 1e-4 * static_cast<double>(grid.scale), step = static_cast<double>(grid.scale);
    const double expected = (loss(step + h) - loss(step - h)) / (2 * h);
    CHECK(oc::lsq_backward(in, gradient, grid, oc::Ties::even, grad_in, "t") ==
          doctest::Approx(expected).epsilon(1e-5));
    for (std::size_t i = 0; i < in.size(); ++i) {
      const float v = in[i] / grid.scale;
      const bool inside = static_cast<double>(v) > first && static_cast<double>(v) < last;
      REQUIRE(grad_in[i] == (inside ? gradient[i] : 0.0F));
    }
  }
}

TEST_CASE("LSQ: first step and gradient scale") {
  const std::vector<float> values = {1.0F, -2.0F, 3.0F, -6.0F};  // mean |x| = 3
  const oc::Grid grid{.scale = 1.0F, .zero_point = 0, .qmin = -8, .qmax = 7};
  CHECK(oc::lsq_initial_step(values, grid, "w") == doctest::Approx(6.0 / std::sqrt(7.0)));
  CHECK(oc::lsq_gradient_scale(100, grid) == doctest::Approx(1.0 / std::sqrt(700.0)));
  CHECK(oc::lsq_gradient_scale(1, {.scale = 1.0F, .zero_point = -128}) == doctest::Approx(1.0 / std::sqrt(255.0)));
  const std::vector<float> zeros(3, 0.0F), bad = {kInfinity};
  CHECK(oc::lsq_initial_step(zeros, grid, "w") > 0.0F);
  CHECK_THROWS_AS(static_cast<void>(oc::lsq_initial_step({}, grid, "w")), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::lsq_initial_step(bad, grid, "w")), oc::Error);
}

TEST_CASE("LSQ: gradient descent on the step reduces the squared error") {
  oc::Rng random(66);
  std::vector<float> in(2000), out(2000), grad_out(2000), grad_in(2000);
  for (float& x : in) x = random.normal();
  oc::Grid grid{.scale = 2.0F, .zero_point = 0, .qmin = -7, .qmax = 7};
  const auto error = [&] {
    oc::fake_quantize(in, grid, oc::Ties::even, out, "t");
    double sum = 0.0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      grad_out[i] = out[i] - in[i];
      sum += static_cast<double>(grad_out[i]) * static_cast<double>(grad_out[i]);
    }
    return sum / static_cast<double>(in.size());
  };
  const double before = error();
  for (int step = 0; step < 200; ++step) {
    static_cast<void>(error());
    const double gradient = oc::lsq_backward(in, grad_out, grid, oc::Ties::even, grad_in, "t");
    grid.scale -= static_cast<float>(0.02 * gradient * oc::lsq_gradient_scale(in.size(), grid));
  }
  CHECK(error() < 0.2 * before);
  CHECK(grid.scale < 0.6F);
}
