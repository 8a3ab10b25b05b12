// A convolution and the depthwise one behind it in one kernel, against the two references in turn: each level, both
// kinds of first convolution, sizes around bands, tiles and vectors, extremes, every mode, parts of threads.
#include <doctest/doctest.h>

#include <string>

#include "int8_support.hpp"
#include "octavo/kernels/conv_depthwise.hpp"
#include "octavo/kernels/reference/conv2d.hpp"

using namespace int8_test;

namespace {

int cases = 0;

struct Pair {
  ConvGeometry front, depthwise;
};

// A depthwise 3x3 convolution of an image of h x w x channels.
ConvGeometry depthwise_of(std::int64_t h, std::int64_t w, std::int64_t channels, std::int64_t stride,
                          std::int64_t pad) {
  ConvGeometry g;
  g.in_h = h, g.in_w = w, g.in_c = g.out_c = channels;
  g.out_h = (h - 1 + pad) / stride + 1;
  g.out_w = (w - 1 + pad) / stride + 1;
  g.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = stride, .stride_w = stride};
  g.window.pad_top = g.window.pad_left = pad;
  return g;
}

Pair pointwise(std::int64_t h, std::int64_t w, std::int64_t inputs, std::int64_t channels, std::int64_t stride,
               std::int64_t pad) {
  Pair pair;
  pair.front.in_h = pair.front.out_h = h;
  pair.front.in_w = pair.front.out_w = w;
  pair.front.in_c = inputs;
  pair.front.out_c = channels;
  pair.depthwise = depthwise_of(h, w, channels, stride, pad);
  return pair;
}

// Stages whose clamps leave the zero point of the tensor between reachable.
OutputStage between_stage(Rounding rounding, std::int64_t channels, std::int64_t products, int kind, Rng& rng) {
  OutputStage stage = random_stage(rounding, channels, products, kind, rng);
  stage.min = std::min(stage.min, stage.zero_point);
  stage.max = std::max(stage.max, stage.zero_point);
  return stage;
}

void check(const Pair& pair, Rounding rounding, int pattern, int stage_kind, Rng& rng) {
  const ConvGeometry &f = pair.front, &d = pair.depthwise;
  const std::int64_t products = f.window.kernel_h * f.window.kernel_w * f.in_c, batch = 1 + (rng.below(4) == 0);
  Exact<std::int8_t> front_weights(f.out_c * products), weights(9 * d.out_c);
  fill_weights(front_weights.data(), front_weights.size(), pattern, rng);
  fill_weights(weights.data(), weights.size(), pattern, rng);
  Exact<std::int32_t> front_bias(rng.below(3) == 0 ? 0 : f.out_c), bias(rng.below(3) == 0 ? 0 : d.out_c);
  for (std::size_t c = 0; c < front_bias.size(); ++c)
    front_bias[c] = static_cast<std::int32_t>(rng.below(40001)) - 20000;
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(rng.below(40001)) - 20000;
  const auto zero_point = static_cast<std::int32_t>(pattern == 0 ? rng.below(256) : rng.below(2) * 255);
  const OutputStage between = between_stage(rounding, f.out_c, products, stage_kind, rng);
  const OutputStage stage = random_stage(rounding, d.out_c, 9, static_cast<int>(rng.below(4)), rng);
  REQUIRE(QuantizedConvDepthwise::fits(f, between, d));
  Exact<std::uint8_t> in(batch * f.in_size()), middle(batch * f.out_size()), expected(batch * d.out_size());
  fill_codes(in.data(), in.size(), pattern == 0 ? 0 : static_cast<int>(1 + rng.below(3)), rng);
  reference::conv2d(f, in.data(), middle.data(), batch, front_weights.data(),
                    front_bias.size() == 0 ? nullptr : front_bias.data(), zero_point, between);
  reference::depthwise_conv2d(d, middle.data(), expected.data(), batch, weights.data(),
                              bias.size() == 0 ? nullptr : bias.data(), between.zero_point, stage);
  const QuantizedConvDepthwise both({f, front_weights.span(), front_bias.span(), zero_point, &between, "front"},
                                    {d, weights.span(), bias.span(), between.zero_point, &stage, "depthwise"});
  at_each_level([&](Isa isa) {
    const int threads = 1 + static_cast<int>(rng.below(4));
    Scratch scratch(both.scratch_bytes(threads));
    Exact<std::uint8_t> out(batch * d.out_size());
    out.fill(77);
    both.run(in.data(), out.data(), batch, threads, scratch.span());
    ++cases;
    INFO(name_of(isa), " ", name_of(rounding), " in ", f.in_h, "x", f.in_w, "x", f.in_c, " kernel ", f.window.kernel_h,
         " between ", d.in_h, "x", d.in_w, "x", d.in_c, " out ", d.out_h, "x", d.out_w, " stride ", d.window.stride_h,
         " pad ", d.window.pad_top, ",", d.window.pad_left, " batch ", batch, " threads ", threads, " pattern ",
         pattern);
    REQUIRE(out == expected);
  });
}

int any_pattern(Rng& rng) { return rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0; }

}  // namespace

TEST_CASE("pointwise in front: inputs and channels around each tile, strides, paddings, heights") {
  Rng rng(1);
  for (const std::int64_t inputs : {4, 8, 12, 16, 20, 24, 28, 32, 36, 64, 96, 100})
    for (const std::int64_t channels : {16, 32, 48, 64, 80, 96, 112, 128, 144, 192})
      for (const std::int64_t stride : {1, 2})
        for (const std::int64_t pad : {0, 1}) {
          const auto h = 1 + static_cast<std::int64_t>(rng.below(9)), w = 3 + static_cast<std::int64_t>(rng.below(7));
          check(pointwise(h, w, inputs, channels, stride, pad),
                rng.below(3) != 0 ? Rounding::nearest_even_f32 : kAllRoundings[rng.below(3)], any_pattern(rng),
                static_cast<int>(rng.below(4)), rng);
        }
}

TEST_CASE("pointwise in front: images of several bands, and every height around a tile of two pairs") {
  Rng rng(2);
  for (std::int64_t h = 1; h <= 20; ++h)
    for (const std::int64_t inputs : {16, 64})
      for (const std::int64_t stride : {1, 2})
        check(pointwise(h, 40 + static_cast<std::int64_t>(rng.below(30)), inputs, 96, stride, stride == 1 ? 1 : 0),
              Rounding::nearest_even_f32, 0, 0, rng);
}

TEST_CASE("a window on three channels in front: strides, paddings, borders") {
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    Pair pair;
    ConvGeometry& f = pair.front;
    f.in_c = 3;
    f.in_h = 1 + static_cast<std::int64_t>(rng.below(24));
    f.in_w = 4 + static_cast<std::int64_t>(rng.below(rng.below(6) == 0 ? 120 : 24));
    f.window.kernel_h = f.window.kernel_w = 3;
    f.window.stride_h = 1 + static_cast<std::int64_t>(rng.below(2));
    f.window.stride_w = 1 + static_cast<std::int64_t>(rng.below(3));
    f.window.pad_top = static_cast<std::int64_t>(rng.below(3));
    f.window.pad_left = static_cast<std::int64_t>(rng.below(3));
    f.out_h = (f.in_h - 1 + f.window.pad_top) / f.window.stride_h + 1;
    f.out_w = (f.in_w - 1 + f.window.pad_left) / f.window.stride_w + 1;
    f.out_c = 16 * (1 + static_cast<std::int64_t>(rng.below(5)));
    const std::int64_t stride = 1 + static_cast<std::int64_t>(rng.below(2));
    pair.depthwise = depthwise_of(f.out_h, f.out_w, f.out_c, stride, static_cast<std::int64_t>(rng.below(2)));
    pair.depthwise.window.pad_left = static_cast<std::int64_t>(rng.below(2));
    pair.depthwise.out_w = (f.out_w - 1 + pair.depthwise.window.pad_left) / stride + 1;
    if (pair.depthwise.out_w < 2) continue;
    check(pair, rng.below(3) != 0 ? Rounding::nearest_even_f32 : kAllRoundings[rng.below(3)], any_pattern(rng),
          static_cast<int>(rng.below(4)), rng);
  }
}

TEST_CASE("what does not run as one") {
  OutputStage stage;
  stage.zero_point = 100;
  const Pair good = pointwise(8, 8, 16, 32, 1, 1);
  CHECK(QuantizedConvDepthwise::fits(good.front, stage, good.depthwise));
  const auto refused = [&](auto change) {
    Pair pair = good;
    OutputStage between = stage;
    change(pair, between);
    return !QuantizedConvDepthwise::fits(pair.front, between, pair.depthwise);
  };
  CHECK(refused([](Pair& p, OutputStage&) { p.front.in_c = 18; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.front.out_c = p.depthwise.in_c = p.depthwise.out_c = 40; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.front.window.kernel_h = 3; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.depthwise.out_c = 64; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.depthwise.window.kernel_w = 5; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.depthwise.window.stride_h = 2; }));
  CHECK(refused([](Pair& p, OutputStage&) { p.depthwise.window.pad_top = 2; }));
  CHECK(refused([](Pair&, OutputStage& s) { s.min = 101; }));
  CHECK(refused([](Pair&, OutputStage& s) { s.max = 99; }));
  stage.scale = {0.01F};
  const std::vector<std::int8_t> front_weights(16 * 32), weights(9 * 32);
  const std::vector<std::int32_t> bias;
  const auto message = [&](const Pair& pair) -> std::string {
    try {
      static_cast<void>(QuantizedConvDepthwise({pair.front, front_weights, bias, 0, &stage, "expand"},
                                               {pair.depthwise, weights, bias, 100, &stage, "depthwise"}));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(message(good) == "accepted");
  Pair wide = good;
  wide.depthwise.window.pad_left = 2;
  CHECK(message(wide) == "expand and depthwise: cannot run as one");
  std::printf("%d runs compared with the reference\n", cases);
}
