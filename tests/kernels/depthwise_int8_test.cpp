// 8-bit depthwise convolution against the reference: each level, widths around every vector, extremes, every mode.
#include <doctest/doctest.h>

#include "int8_support.hpp"
#include "octavo/kernels/depthwise_conv2d.hpp"
#include "octavo/kernels/reference/conv2d.hpp"

using namespace int8_test;

namespace {

int cases = 0;

void check(const ConvGeometry& g, std::int64_t batch, Rounding rounding, int pattern, int stage_kind, Rng& rng) {
  const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
  Exact<std::int8_t> weights(g.out_c * taps);
  fill_weights(weights.data(), weights.size(), pattern, rng);
  Exact<std::int32_t> bias(rng.below(3) == 0 ? 0 : g.out_c);
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(rng.below(40001)) - 20000;
  const auto zero_point = static_cast<std::int32_t>(pattern == 0 ? rng.below(256) : rng.below(2) * 255);
  const OutputStage stage = random_stage(rounding, g.out_c, taps, stage_kind, rng);
  Exact<std::uint8_t> in(batch * g.in_size());
  fill_codes(in.data(), in.size(), pattern == 0 ? 0 : static_cast<int>(1 + rng.below(3)), rng);
  Exact<std::uint8_t> expected(batch * g.out_size());
  reference::depthwise_conv2d(g, in.data(), expected.data(), batch, weights.data(),
                              bias.size() == 0 ? nullptr : bias.data(), zero_point, stage);
  const QuantizedDepthwiseConv2d conv(g, weights.span(), bias.span(), zero_point, stage);
  at_each_level([&](Isa isa) {
    const int threads = 1 + static_cast<int>(rng.below(3));
    Exact<std::uint8_t> out(batch * g.out_size());
    out.fill(77);
    conv.run(in.data(), out.data(), batch, threads);
    ++cases;
    INFO(name_of(isa), " ", name_of(rounding), " in ", g.in_h, "x", g.in_w, "x", g.in_c, " out ", g.out_h, "x", g.out_w,
         "x", g.out_c, " kernel ", g.window.kernel_h, "x", g.window.kernel_w, " stride ", g.window.stride_h, "x",
         g.window.stride_w, " dilation ", g.window.dilation_h, "x", g.window.dilation_w, " pad ", g.window.pad_top, ",",
         g.window.pad_left, " batch ", batch, " threads ", threads, " pattern ", pattern);
    REQUIRE(out == expected);
  });
}

}  // namespace

TEST_CASE("3x3: channels around each vector, strides, paddings, sizes") {
  Rng rng(1);
  for (const std::int64_t c : {1, 3, 8, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 80, 96, 97, 128, 144, 161})
    for (const std::int64_t stride : {1, 2, 3})
      for (const std::int64_t pad : {0, 1, 2})
        for (int i = 0; i < 3; ++i) {
          ConvGeometry g;
          g.in_c = g.out_c = c;
          g.in_h = 1 + static_cast<std::int64_t>(rng.below(9));
          g.in_w = 1 + static_cast<std::int64_t>(rng.below(9));
          g.out_h = (g.in_h + stride - 1) / stride + static_cast<std::int64_t>(rng.below(2));
          g.out_w = (g.in_w + stride - 1) / stride + static_cast<std::int64_t>(rng.below(2));
          g.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = stride, .stride_w = stride};
          g.window.pad_top = pad;
          g.window.pad_left = static_cast<std::int64_t>(rng.below(3));
          if (rng.below(8) == 0) g.window.stride_h = 2;
          const int pattern = rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0;
          check(g, 1 + static_cast<std::int64_t>(rng.below(2)),
                i == 0 ? Rounding::nearest_even_f32 : kAllRoundings[rng.below(3)], pattern,
                static_cast<int>(rng.below(4)), rng);
        }
}

TEST_CASE("3x3, stride 1: rows around the groups that share a register") {
  Rng rng(3);
  for (const std::int64_t c : {16, 32, 80, 96, 144})
    for (std::int64_t rows = 3; rows <= 18; ++rows) {
      ConvGeometry g;
      g.in_c = g.out_c = c;
      g.in_h = g.out_h = rows;
      g.in_w = g.out_w = 1 + static_cast<std::int64_t>(rng.below(7));
      g.window = {.kernel_h = 3, .kernel_w = 3};
      g.window.pad_top = static_cast<std::int64_t>(rng.below(3));
      g.window.pad_left = 1;
      check(g, 2, Rounding::nearest_even_f32, 0, static_cast<int>(rng.below(4)), rng);
    }
}

TEST_CASE("random windows, dilations and channel multipliers") {
  Rng rng(2);
  for (int i = 0; i < 300; ++i) {
    ConvGeometry g;
    g.in_c = 1 + static_cast<std::int64_t>(rng.below(rng.below(3) == 0 ? 140 : 12));
    g.out_c = g.in_c * (rng.below(3) == 0 ? 1 + static_cast<std::int64_t>(rng.below(4)) : 1);
    g.in_h = 1 + static_cast<std::int64_t>(rng.below(12));
    g.in_w = 1 + static_cast<std::int64_t>(rng.below(12));
    Window& w = g.window;
    w.kernel_h = 1 + static_cast<std::int64_t>(rng.below(6));
    w.kernel_w = 1 + static_cast<std::int64_t>(rng.below(6));
    w.stride_h = 1 + static_cast<std::int64_t>(rng.below(3));
    w.stride_w = 1 + static_cast<std::int64_t>(rng.below(3));
    w.dilation_h = 1 + static_cast<std::int64_t>(rng.below(3));
    w.dilation_w = 1 + static_cast<std::int64_t>(rng.below(3));
    w.pad_top = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_h + 1)));
    w.pad_left = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_w + 1)));
    g.out_h = 1 + static_cast<std::int64_t>(rng.below(7));
    g.out_w = 1 + static_cast<std::int64_t>(rng.below(7));
    check(g, 1 + static_cast<std::int64_t>(rng.below(2)), kAllRoundings[rng.below(3)],
          rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0, static_cast<int>(rng.below(4)), rng);
  }
}

TEST_CASE("an accumulator that could leave int32 is refused") {
  const OutputStage stage{.scale = {1e-7F}, .multiplier = {}, .shift = {}};
  const std::vector<std::int8_t> weights(9, 127);
  const ConvGeometry g{.in_h = 3, .in_w = 3, .window = {.kernel_h = 3, .kernel_w = 3}};
  const std::int32_t headroom = INT32_MAX - 9 * 127 * 255;
  const std::int32_t fits[] = {headroom};
  const std::int32_t too_large[] = {headroom + 1};
  CHECK_NOTHROW(QuantizedDepthwiseConv2d(g, weights, fits, 0, stage));
  CHECK_THROWS_AS(QuantizedDepthwiseConv2d(g, weights, too_large, 0, stage), Error);
}

TEST_CASE("enough cases ran") {
  std::printf("depthwise: %d cases\n", cases);
  CHECK(cases > 500 * static_cast<int>(levels().size()));
}
