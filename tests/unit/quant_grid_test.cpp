// Grids from ranges: the formulas of TFLite, TensorFlow and ONNX, written out again here in the plainest way.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/choose_grid.hpp>
#include <octavo/quant/params.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace oc = octavo;

namespace {

constexpr oc::TensorScheme kActivation = oc::AsymmetricActivations<8>::kDescriptor;

// TensorFlow's Nudge (core/kernels/fake_quant_ops_functor.h), on the unsigned grid.
struct Nudged {
  float low, high, scale;
  int zero_point;
};
Nudged nudge(float min, float max, int bits, bool narrow) {
  const float qmin = narrow ? 1.0F : 0.0F;
  const float qmax = static_cast<float>((1 << bits) - 1);
  const float scale = (max - min) / (qmax - qmin);
  const float from_min = qmin - min / scale;
  float zero_point = std::round(from_min);
  if (from_min < qmin) zero_point = qmin;
  if (from_min > qmax) zero_point = qmax;
  return {(qmin - zero_point) * scale, (qmax - zero_point) * scale, scale, static_cast<int>(zero_point)};
}

std::string error_of(auto call) {
  try {
    call();
  } catch (const oc::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("tf_nudge equals TensorFlow's formula for every width, full and narrow") {
  oc::Rng random(21);
  for (int i = 0; i < 50000; ++i) {
    const int bits = 2 + static_cast<int>(random.below(7));
    const bool narrow = random.below(2) == 0;
    const float min =
        random.below(8) == 0 ? 0.0F : -random.uniform() * std::ldexp(1.0F, static_cast<int>(random.below(20)) - 10);
    const float max = random.below(8) == 0 ? -min + 0.5F : random.uniform(0.001F, 1.0F);
    const Nudged expected = nudge(min, max, bits, narrow);
    const oc::Grid grid = oc::tf_nudge(min, max, bits, narrow);
    REQUIRE(grid.scale == expected.scale);
    REQUIRE(grid.zero_point + (1 << (bits - 1)) == expected.zero_point);
    REQUIRE(grid.low() == expected.low);
    REQUIRE(grid.high() == expected.high);
    REQUIRE(grid.qmax - grid.qmin == (1 << bits) - (narrow ? 2 : 1));
  }
}

TEST_CASE("tf_nudge: known values") {
  const oc::Grid six = oc::tf_nudge(-6.0F, 6.0F, 8, false);
  CHECK(six.scale == 12.0F / 255.0F);
  CHECK(six.zero_point == 0);  // 127.5 goes up to 128
  CHECK(six.low() == doctest::Approx(-6.0235294));
  CHECK(six.high() == doctest::Approx(5.9764706));
  const oc::Grid narrow = oc::tf_nudge(-1.0F, 1.0F, 8, true);
  CHECK(narrow == oc::Grid{.scale = 1.0F / 127.0F, .zero_point = 0, .qmin = -127, .qmax = 127});
  CHECK_THROWS_AS(static_cast<void>(oc::tf_nudge(0.5F, 1.0F, 8, false)), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::tf_nudge(-1.0F, -0.5F, 8, false)), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::tf_nudge(-1.0F, 1.0F, 9, false)), oc::Error);
}

TEST_CASE("asymmetric ranges follow TFLite's formula") {
  oc::Rng random(22);
  int rules_differ = 0;
  for (int i = 0; i < 20000; ++i) {
    const float a = random.normal() * 3.0F, b = random.normal();
    const oc::Range range{std::min(a, b), std::max(a, b)};
    const float min = std::min(range.low, 0.0F), max = std::max(range.high, 0.0F);
    const float scale = (max - min) / 255.0F;
    const float zero_point = std::clamp(std::round(-128.0F - min / scale), -128.0F, 127.0F);
    const oc::Grid grid = oc::grid_from_range(range, kActivation, "a");
    REQUIRE(grid.scale == scale);
    REQUIRE(grid.zero_point == static_cast<int>(zero_point));
    REQUIRE(std::abs(grid.low() - min) <= 0.501F * scale);
    REQUIRE(std::abs(grid.high() - max) <= 0.501F * scale);
    rules_differ += grid.zero_point != oc::tf_nudge(min, max, 8, false).zero_point ? 1 : 0;
  }
  CHECK(rules_differ == 0);  // TFLite's and TensorFlow's formulas agree away from ties
}

TEST_CASE("the zero point rules part only at ties") {
  const oc::Range tie{-1.0F, 509.0F};  // scale 2, -128 + 0.5
  CHECK(oc::grid_from_range(tie, kActivation, "a", oc::ZeroPointRule::tflite).zero_point == -128);
  CHECK(oc::grid_from_range(tie, kActivation, "a", oc::ZeroPointRule::tensorflow).zero_point == -127);
  CHECK(oc::grid_from_range(tie, kActivation, "a", oc::ZeroPointRule::onnx).zero_point == -128);
  const oc::Range next{-3.0F, 507.0F};  // -128 + 1.5
  CHECK(oc::grid_from_range(next, kActivation, "a", oc::ZeroPointRule::tflite).zero_point == -127);
  CHECK(oc::grid_from_range(next, kActivation, "a", oc::ZeroPointRule::tensorflow).zero_point == -126);
  CHECK(oc::grid_from_range(next, kActivation, "a", oc::ZeroPointRule::onnx).zero_point == -126);
}

TEST_CASE("symmetric ranges: absmax / qmax when narrow, and the larger of both ends' steps when full") {
  oc::Rng random(23);
  for (int bits = 2; bits <= 8; ++bits) {
    const int qmax = (1 << (bits - 1)) - 1;
    for (int i = 0; i < 500; ++i) {
      const float a = random.normal(), b = random.normal();
      const oc::Range range{std::min(a, b), std::max(a, b)};
      const oc::TensorScheme narrow{.bits = bits, .symmetric = true, .narrow = true};
      const oc::Grid grid = oc::grid_from_range(range, narrow, "w");
      REQUIRE(grid.scale == std::max(std::abs(range.low), std::abs(range.high)) / static_cast<float>(qmax));
      REQUIRE(grid.zero_point == 0);
      REQUIRE(grid.qmin == -qmax);
      const oc::TensorScheme full{.bits = bits, .symmetric = true, .narrow = false};
      const oc::Grid wide = oc::grid_from_range(range, full, "w");
      REQUIRE(wide.qmin == -qmax - 1);
      REQUIRE(wide.low() <= range.low * 0.999999F + 1e-6F);
      REQUIRE(wide.high() >= range.high * 0.999999F - 1e-6F);
      REQUIRE(wide.scale <= grid.scale);
    }
  }
  // With full codes k of TensorFlow Model Optimization's quant_ops.py is -(2^b - 2) / 2^b, so a range of [-128, 0] has
  // steps of 1, one of [0, 127] too.
  const oc::TensorScheme full{.bits = 8, .symmetric = true, .narrow = false};
  CHECK(oc::grid_from_range({-128.0F, 0.0F}, full, "w").scale == 1.0F);
  CHECK(oc::grid_from_range({0.0F, 127.0F}, full, "w").scale == 1.0F);
}

TEST_CASE("a range without extent counts as [0, 1] or [-1, 1], and zero stays exact") {
  const oc::TensorScheme weight = oc::SymmetricWeights<8, oc::kPerTensor>::kDescriptor;
  for (const oc::Range range : {oc::Range{0.0F, 0.0F}, oc::Range{-1e-42F, 1e-42F}}) {
    CHECK(oc::grid_from_range(range, kActivation, "a") == oc::Grid{.scale = 1.0F / 255.0F, .zero_point = -128});
    CHECK(oc::grid_from_range(range, weight, "w") ==
          oc::Grid{.scale = 1.0F / 127.0F, .zero_point = 0, .qmin = -127, .qmax = 127});
  }
  const oc::Grid constant = oc::grid_from_range({3.0F, 3.0F}, kActivation, "a");  // 0 is included: [0, 3]
  CHECK(constant == oc::Grid{.scale = 3.0F / 255.0F, .zero_point = -128});
  const oc::Grid negative = oc::grid_from_range({-3.0F, -1.0F}, kActivation, "a");
  CHECK(negative == oc::Grid{.scale = 3.0F / 255.0F, .zero_point = 127});
}

TEST_CASE("grid_from_range names the tensor when a range is none") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float largest = std::numeric_limits<float>::max();
  for (const oc::Range bad : {oc::Range{1.0F, -1.0F}, oc::Range{0.0F, infinity}, oc::Range{std::nanf(""), 1.0F},
                              oc::Range{-largest, largest}}) {
    const std::string text =
        error_of([&] { static_cast<void>(oc::grid_from_range(bad, kActivation, "block_3/relu")); });
    CHECK(text.find("'block_3/relu'") != std::string::npos);
  }
  CHECK(error_of([] {
          static_cast<void>(oc::grid_from_range({0, 1}, {.bits = 9}, "w"));
        }).find("9 bits") != std::string::npos);
}

TEST_CASE("dynamic_quantize_linear_grid is ONNX' DynamicQuantizeLinear, shifted to int8") {
  // onnx/backend/test: x = [0, 2, -3, -2.5, 1.34, 0.5] gives scale 5 / 255 and uint8 zero point 153.
  const std::vector<float> values = {0.0F, 2.0F, -3.0F, -2.5F, 1.34F, 0.5F};
  const oc::Grid grid = oc::dynamic_quantize_linear_grid(values, "x");
  CHECK(grid.scale == 5.0F / 255.0F);
  CHECK(grid.zero_point + 128 == 153);
}

TEST_CASE("code_limits: TFLite's fused activations") {
  const oc::Grid grid{.scale = 6.0F / 255.0F, .zero_point = -128};
  CHECK(oc::relu6_limits(grid) == oc::CodeLimits{-128, 127});
  const oc::Grid wide{.scale = 0.05F, .zero_point = -10};
  CHECK(oc::relu6_limits(wide) == oc::CodeLimits{-10, 110});
  CHECK(oc::relu_limits(wide) == oc::CodeLimits{-10, 127});
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(oc::code_limits(-infinity, infinity, wide) == oc::CodeLimits{-128, 127});
  CHECK(oc::code_limits(-1.0F, 1.0F, {.scale = 0.4F, .zero_point = 0}) ==
        oc::CodeLimits{-3, 3});  // 2.5 goes away from 0
  CHECK_THROWS_AS(static_cast<void>(oc::code_limits(1.0F, 0.0F, wide)), oc::Error);
  CHECK(oc::probability_grid().low() == 0.0F);
  CHECK(oc::probability_grid().high() == 255.0F / 256.0F);
  CHECK(oc::tanh_grid().low() == -1.0F);
}

TEST_CASE("QuantParams: per channel along an axis, and errors that name the tensor") {
  const std::vector<float> weights = {1.0F, -2.0F, 3.0F, -4.0F, 5.0F, -6.0F};
  const oc::QuantParams rows = oc::params_from_values(weights, {2, 3}, oc::SymmetricWeights<8, 0>(), "w");
  CHECK(rows.scale == std::vector<float>{3.0F / 127.0F, 6.0F / 127.0F});
  CHECK(rows.symmetric());
  CHECK(rows.grid(1) == oc::Grid{.scale = 6.0F / 127.0F, .zero_point = 0, .qmin = -127, .qmax = 127});
  CHECK_THROWS_AS(static_cast<void>(rows.grid(2)), oc::Error);
  const oc::QuantParams columns =
      oc::params_from_values(weights, {2, 3}, oc::SymmetricWeights<8, oc::kLastAxis>(), "w");
  CHECK(columns.scale == std::vector<float>{4.0F / 127.0F, 5.0F / 127.0F, 6.0F / 127.0F});
  CHECK(columns.validate("w", {2, 3}) == oc::ChannelLayout{2, 3, 1});
  CHECK(error_of([&] { columns.validate("conv", {3, 2}); }).find("'conv'") != std::string::npos);
  const oc::QuantParams whole = oc::params_from_values(weights, {2, 3}, oc::AsymmetricActivations<8>(), "a");
  CHECK(whole.channels() == 1);
  CHECK(!whole.per_channel());

  const auto reject = [](auto change) {
    oc::QuantParams params(oc::Grid{});
    params.validate("t");
    change(params);
    CHECK(error_of([&] { params.validate("tensor_7"); }).find("'tensor_7'") != std::string::npos);
  };
  reject([](oc::QuantParams& p) { p.scale[0] = 0.0F; });
  reject([](oc::QuantParams& p) { p.scale[0] = -1.0F; });
  reject([](oc::QuantParams& p) { p.scale[0] = std::nanf(""); });
  reject([](oc::QuantParams& p) { p.scale[0] = 1e-44F; });
  reject([](oc::QuantParams& p) { p.scale.push_back(1.0F); });
  reject([](oc::QuantParams& p) { p.scale.push_back(1.0F), p.zero_point.push_back(0); });
  reject([](oc::QuantParams& p) { p.scale.clear(), p.zero_point.clear(); });
  reject([](oc::QuantParams& p) { p.zero_point[0] = 128; });
  reject([](oc::QuantParams& p) { p.bits = 4; });
  reject([](oc::QuantParams& p) { p.bits = 1; });
  reject([](oc::QuantParams& p) { p.qmin = 5; });
  reject([](oc::QuantParams& p) { p.axis = 6; });
}

TEST_CASE("channel_layout resolves the axis") {
  CHECK(oc::channel_layout({8, 3, 3, 4}, 0, "w") == oc::ChannelLayout{1, 8, 36});
  CHECK(oc::channel_layout({1, 3, 3, 4}, 3, "w") == oc::ChannelLayout{9, 4, 1});
  CHECK(oc::channel_layout({3, 3, 4}, oc::kLastAxis, "w") == oc::ChannelLayout{9, 4, 1});
  CHECK(oc::channel_layout({2, 3, 5}, 1, "w") == oc::ChannelLayout{2, 3, 5});
  CHECK(oc::channel_layout({2, 3, 5}, oc::kPerTensor, "w") == oc::ChannelLayout{1, 1, 30});
  CHECK_THROWS_AS(static_cast<void>(oc::channel_layout({2, 3}, 2, "w")), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::channel_layout({}, oc::kLastAxis, "w")), oc::Error);
}
