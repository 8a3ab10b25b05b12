// Dynamic-range operators: the bits of the reference on each level, and the real result within quantization error.
#include <doctest/doctest.h>

#include <cmath>

#include "int8_support.hpp"
#include "octavo/kernels/dynamic_range.hpp"
#include "octavo/kernels/reference/conv2d.hpp"

using namespace int8_test;

namespace {

DynamicRangeStage random_dynamic_stage(std::int64_t channels, Rng& rng) {
  DynamicRangeStage stage;
  const std::int64_t scales = rng.below(2) == 0 ? 1 : channels;
  for (std::int64_t c = 0; c < scales; ++c) stage.weight_scale.push_back(0.001F + 0.01F * rng.uniform());
  if (rng.below(3) != 0)
    for (std::int64_t c = 0; c < channels; ++c) stage.bias.push_back(rng.uniform(-2.0F, 2.0F));
  if (rng.below(2) == 0) stage.low = 0.0F, stage.high = 6.0F;
  return stage;
}

// The definition: each image by itself through quantize_dynamic, the reference accumulator, dequantize_accumulator.
template <class Accumulate>
Exact<float> expected_of(const ConvGeometry& g, const Exact<float>& in, std::int64_t batch,
                         const DynamicRangeStage& stage, Accumulate accumulate) {
  Exact<float> out(batch * g.out_size());
  for (std::int64_t b = 0; b < batch; ++b) {
    Exact<std::uint8_t> codes(g.in_size());
    const Grid grid = quantize_dynamic(in.data() + b * g.in_size(), codes.data(), g.in_size());
    accumulate(codes.data(), grid.zero_point, [&](std::int64_t index, std::int64_t c, std::int32_t acc) {
      const auto channel = static_cast<std::size_t>(c);
      out[static_cast<std::size_t>(b * g.out_size() + index)] = reference::dequantize_accumulator(
          acc, stage.weight_scale[stage.weight_scale.size() == 1 ? 0 : channel], grid.scale,
          stage.bias.empty() ? 0.0F : stage.bias[channel], stage.low, stage.high);
    });
  }
  return out;
}

template <class Operator>
void check(const Operator& op, const Exact<float>& in, const Exact<float>& expected, std::int64_t batch, int threads) {
  at_each_level([&](Isa isa) {
    Exact<float> out(static_cast<std::int64_t>(expected.size()));
    Scratch scratch(op.scratch_bytes(threads));
    op.run(in.data(), out.data(), batch, threads, scratch.span());
    INFO(name_of(isa), " ", op.kernel_name());
    REQUIRE(out == expected);
  });
}

}  // namespace

TEST_CASE("convolution, depthwise and dense: the reference's bits") {
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    ConvGeometry g;
    g.in_c = 1 + static_cast<std::int64_t>(rng.below(20));
    const bool flat = i % 5 == 0;  // what dense can do
    g.in_h = flat ? 1 : 1 + static_cast<std::int64_t>(rng.below(6));
    g.in_w = flat ? 1 : 1 + static_cast<std::int64_t>(rng.below(6));
    Window& w = g.window;
    w.kernel_h = w.kernel_w = flat ? 1 : 1 + 2 * static_cast<std::int64_t>(rng.below(2));
    w.stride_h = w.stride_w = 1 + static_cast<std::int64_t>(rng.below(2));
    w.pad_top = w.pad_left = w.kernel_h / 2;
    g.out_h = (g.in_h + w.stride_h - 1) / w.stride_h;
    g.out_w = (g.in_w + w.stride_w - 1) / w.stride_w;
    const std::int64_t batch = 1 + static_cast<std::int64_t>(rng.below(3));
    const int threads = 1 + static_cast<int>(rng.below(2));
    Exact<float> in(batch * g.in_size());
    for (std::size_t k = 0; k < in.size(); ++k) in[k] = rng.normal() + 0.3F;

    const bool depthwise = rng.below(2) == 0;
    g.out_c = depthwise ? g.in_c * (1 + static_cast<std::int64_t>(rng.below(2)))
                        : 1 + static_cast<std::int64_t>(rng.below(70));
    const DynamicRangeStage stage = random_dynamic_stage(g.out_c, rng);
    const std::int64_t taps = w.kernel_h * w.kernel_w;
    Exact<std::int8_t> weights(g.out_c * taps * (depthwise ? 1 : g.in_c));
    const WeightBits bits = !depthwise && rng.below(2) == 0 ? WeightBits::four : WeightBits::eight;
    fill_weights(weights.data(), weights.size(), 0, rng, bits);
    if (depthwise) {
      const auto expected =
          expected_of(g, in, batch, stage, [&](const std::uint8_t* codes, std::int32_t zero, auto store) {
            reference::depthwise_conv2d_accumulate(g, codes, 1, weights.data(), nullptr, zero, store);
          });
      check(DynamicRangeDepthwiseConv2d(g, weights.span(), stage), in, expected, batch, threads);
    } else {
      const auto expected =
          expected_of(g, in, batch, stage, [&](const std::uint8_t* codes, std::int32_t zero, auto store) {
            reference::conv2d_accumulate(g, codes, 1, weights.data(), nullptr, zero, store);
          });
      check(DynamicRangeConv2d(g, weights.span(), stage, "conv2d", bits), in, expected, batch, threads);
      if (flat)
        check(DynamicRangeDense(g.in_c, g.out_c, weights.span(), stage, "dense", bits), in, expected, batch, threads);
    }
  }
}

TEST_CASE("dense: near the real product") {
  Rng rng(2);
  const std::int64_t in_c = 64, out_c = 10;
  Exact<std::int8_t> weights(in_c * out_c);
  fill_weights(weights.data(), weights.size(), 0, rng);
  DynamicRangeStage stage;
  stage.weight_scale = {0.01F};
  Exact<float> in(2 * in_c), out(2 * out_c);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = rng.uniform(i < 64 ? -1.0F : 0.0F, i < 64 ? 1.0F : 100.0F);
  const DynamicRangeDense dense(in_c, out_c, weights.span(), stage);
  Scratch scratch(dense.scratch_bytes(1));
  dense.run(in.data(), out.data(), 2, 1, scratch.span());
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < 10; ++c) {
      double exact = 0, bound = 0;
      const double half_step = (r == 0 ? 2.0 : 100.0) / 255.0 * 0.51;  // each input is off by at most half a step
      for (std::size_t k = 0; k < 64; ++k) {
        exact += 0.01 * weights[c * 64 + k] * static_cast<double>(in[r * 64 + k]);
        bound += 0.01 * std::abs(weights[c * 64 + k]) * half_step;
      }
      CHECK(std::abs(exact - static_cast<double>(out[r * 10 + c])) <= bound);
    }
}

TEST_CASE("parameters that do not fit are refused") {
  const std::vector<std::int8_t> weights(12);
  DynamicRangeStage stage;
  CHECK_THROWS_AS(DynamicRangeDense(4, 3, weights, stage), Error);
  stage.weight_scale = {0.1F};
  CHECK_NOTHROW(DynamicRangeDense(4, 3, weights, stage));
  stage.bias = {1.0F};
  CHECK_THROWS_AS(DynamicRangeDense(4, 3, weights, stage), Error);
}
