// 8-bit convolution and dense against the reference: weights of 8 and of 4 bits, each level, shapes around every tile,
// extremes, every mode.
#include <doctest/doctest.h>

#include "int8_support.hpp"
#include "octavo/kernels/conv2d.hpp"
#include "octavo/kernels/dense.hpp"
#include "octavo/kernels/reference/conv2d.hpp"

using namespace int8_test;

namespace {

int cases = 0;

// One convolution with random weights, at each level and thread count, against the reference.
void check(const ConvGeometry& g, std::int64_t batch, Rounding rounding, int pattern, int stage_kind, Rng& rng,
           WeightBits bits) {
  const std::int64_t taps = g.window.kernel_h * g.window.kernel_w * (g.in_c / g.groups);
  Exact<std::int8_t> weights(g.out_c * taps);
  fill_weights(weights.data(), weights.size(), pattern, rng, bits);
  Exact<std::int32_t> bias(rng.below(3) == 0 ? 0 : g.out_c);
  const std::int32_t largest = bits == WeightBits::four ? 1250 : 20000;
  for (std::size_t c = 0; c < bias.size(); ++c)
    bias[c] = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(2 * largest + 1))) - largest;
  const auto zero_point = static_cast<std::int32_t>(pattern == 0 ? rng.below(256) : rng.below(2) * 255);
  const OutputStage stage = random_stage(rounding, g.out_c, taps, stage_kind, rng, bits);
  Exact<std::uint8_t> in(batch * g.in_size());
  fill_codes(in.data(), in.size(), pattern == 0 ? 0 : static_cast<int>(1 + rng.below(3)), rng);

  Exact<std::uint8_t> expected(batch * g.out_size());
  reference::conv2d(g, in.data(), expected.data(), batch, weights.data(), bias.size() == 0 ? nullptr : bias.data(),
                    zero_point, stage);
  const QuantizedConv2d conv(g, weights.span(), bias.span(), zero_point, stage, "conv2d", bits);
  at_each_level([&](Isa isa) {
    const int threads = 1 + static_cast<int>(rng.below(2));
    Exact<std::uint8_t> out(batch * g.out_size());
    out.fill(77);
    Scratch scratch(conv.scratch_bytes(threads));
    conv.run(in.data(), out.data(), batch, threads, scratch.span());
    ++cases;
    INFO(conv.kernel_name(), " on ", name_of(isa), " ", name_of(rounding), " in ", g.in_h, "x", g.in_w, "x", g.in_c,
         " out ", g.out_h, "x", g.out_w, "x", g.out_c, " kernel ", g.window.kernel_h, "x", g.window.kernel_w,
         " stride ", g.window.stride_h, "x", g.window.stride_w, " dilation ", g.window.dilation_h, "x",
         g.window.dilation_w, " pad ", g.window.pad_top, ",", g.window.pad_left, " groups ", g.groups, " batch ", batch,
         " threads ", threads, " pattern ", pattern);
    REQUIRE(out == expected);
  });
}
void check(const ConvGeometry& g, std::int64_t batch, Rounding rounding, int pattern, int stage_kind, Rng& rng) {
  for (const WeightBits bits : {WeightBits::eight, WeightBits::four})
    check(g, batch, rounding, pattern, stage_kind, rng, bits);
}

Rounding any_rounding(Rng& rng) { return kAllRoundings[rng.below(3)]; }

}  // namespace

TEST_CASE("pointwise: rows, depths and channels around each tile") {
  Rng rng(1);
  const std::int64_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 28, 29, 49, 64};
  const std::int64_t depths[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 19, 24, 33, 64, 100};
  const std::int64_t channels[] = {1, 2, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 80, 96, 112, 144, 160};
  for (const std::int64_t m : rows)
    for (const std::int64_t n : channels) {
      const std::int64_t k = depths[rng.below(std::size(depths))];
      ConvGeometry g;
      g.in_w = g.out_w = m;
      g.in_c = k;
      g.out_c = n;
      const int pattern = rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0;
      check(g, 1, Rounding::nearest_even_f32, pattern, static_cast<int>(rng.below(4)), rng);
      check(g, 1 + static_cast<std::int64_t>(rng.below(3)), any_rounding(rng), 0, static_cast<int>(rng.below(4)), rng);
    }
  for (const std::int64_t k : depths) {
    ConvGeometry g;
    g.in_w = g.out_w = 9;
    g.in_c = k;
    g.out_c = 40;
    for (const Rounding rounding : kAllRoundings)
      for (int pattern = 0; pattern < 4; ++pattern) check(g, 1, rounding, pattern, static_cast<int>(rng.below(4)), rng);
  }
}

TEST_CASE("convolution: random windows, strides, dilations, paddings, groups") {
  Rng rng(2);
  for (int i = 0; i < 500; ++i) {
    ConvGeometry g;
    g.groups = rng.below(4) == 0 ? 1 + static_cast<std::int64_t>(rng.below(4)) : 1;
    g.in_c = g.groups * (1 + static_cast<std::int64_t>(rng.below(9)));
    g.out_c = g.groups * (1 + static_cast<std::int64_t>(rng.below(rng.below(4) == 0 ? 70 : 20)));
    g.in_h = 1 + static_cast<std::int64_t>(rng.below(9));
    g.in_w = 1 + static_cast<std::int64_t>(rng.below(20));
    Window& w = g.window;
    w.kernel_h = 1 + static_cast<std::int64_t>(rng.below(5));
    w.kernel_w = 1 + static_cast<std::int64_t>(rng.below(5));
    w.stride_h = 1 + static_cast<std::int64_t>(rng.below(3));
    w.stride_w = 1 + static_cast<std::int64_t>(rng.below(3));
    w.dilation_h = 1 + static_cast<std::int64_t>(rng.below(2));
    w.dilation_w = 1 + static_cast<std::int64_t>(rng.below(2));
    w.pad_top = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_h + 1)));
    w.pad_left = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_w + 1)));
    // Any output size is allowed: padding below and to the right follows from it.
    g.out_h = 1 + static_cast<std::int64_t>(rng.below(6));
    g.out_w = 1 + static_cast<std::int64_t>(rng.below(24));
    check(g, 1 + static_cast<std::int64_t>(rng.below(2)), any_rounding(rng),
          rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0, static_cast<int>(rng.below(4)), rng);
  }
}

TEST_CASE("convolution: the first layer of MobileNetV2, smaller") {
  Rng rng(3);
  for (const std::int64_t size : {2, 7, 16, 33})
    for (const std::int64_t pad : {0, 1}) {
      ConvGeometry g{.in_h = size,
                     .in_w = size,
                     .in_c = 3,
                     .out_h = (size + 1) / 2,
                     .out_w = (size + 1) / 2,
                     .out_c = 32,
                     .groups = 1,
                     .window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2}};
      g.window.pad_top = g.window.pad_left = pad;
      for (const Rounding rounding : kAllRoundings) check(g, 2, rounding, 0, 1, rng);
    }
}

TEST_CASE("convolution: few inputs, whose weights stay in registers") {
  Rng rng(5);
  const auto product = [&](std::int64_t m, std::int64_t k, std::int64_t n) {
    ConvGeometry g;
    g.in_w = g.out_w = m;
    g.in_c = k;
    g.out_c = n;
    check(g, 1, Rounding::nearest_even_f32, rng.below(4) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0,
          static_cast<int>(rng.below(4)), rng);
  };
  for (const std::int64_t k : {13, 16, 23, 24, 29, 32})
    for (const std::int64_t n : {16, 17, 48, 50, 96, 112, 144})
      for (const std::int64_t m : {3, 4, 5, 6, 7, 9, 37}) product(m, k, n);
  product(460, 16, 96);  // more than one block of rows
  // Three segments of nine bytes: 3x3 on three channels, and what looks like it.
  for (const auto& [kernel_w, in_c] : {std::pair{3, 3}, std::pair{9, 1}, std::pair{1, 9}})
    for (const std::int64_t out_c : {31, 32, 33, 64})
      for (const std::int64_t out_w : {1, 3, 4, 5, 6, 13}) {
        ConvGeometry g{.in_h = 5, .in_c = in_c, .out_h = 3, .out_w = out_w, .out_c = out_c, .groups = 1, .window = {}};
        g.window = {.kernel_h = 3, .kernel_w = kernel_w, .stride_h = 2, .stride_w = 1 + out_w % 2};
        g.window.pad_top = 1;
        g.window.pad_left = kernel_w > 1 ? static_cast<std::int64_t>(rng.below(2)) : 0;
        g.in_w = (out_w - 1) * g.window.stride_w + kernel_w - g.window.pad_left;
        for (int kind = 0; kind < 4; ++kind) check(g, 2, Rounding::nearest_even_f32, 0, kind, rng);
      }
}

TEST_CASE("dense: rows and sizes") {
  Rng rng(4);
  for (const std::int64_t rows : {1, 2, 5, 17})
    for (const std::int64_t in_c : {1, 10, 128, 129})
      for (const std::int64_t out_c : {1, 9, 64, 100, 257})
        for (const WeightBits bits : {WeightBits::eight, WeightBits::four}) {
          const Rounding rounding = any_rounding(rng);
          Exact<std::int8_t> weights(in_c * out_c);
          fill_weights(weights.data(), weights.size(), 0, rng, bits);
          Exact<std::int32_t> bias(out_c);
          for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(rng.below(2001)) - 1000;
          const OutputStage stage = random_stage(rounding, out_c, in_c, static_cast<int>(rng.below(3)), rng, bits);
          Exact<std::uint8_t> in(rows * in_c), expected(rows * out_c);
          fill_codes(in.data(), in.size(), 0, rng);
          reference::dense(in_c, out_c, in.data(), expected.data(), rows, weights.data(), bias.data(), 128, stage);
          const QuantizedDense dense(in_c, out_c, weights.span(), bias.span(), 128, stage, "dense", bits);
          at_each_level([&](Isa isa) {
            for (const int threads : {1, 3}) {
              Exact<std::uint8_t> out(rows * out_c);
              Scratch scratch(dense.scratch_bytes(threads));
              dense.run(in.data(), out.data(), rows, threads, scratch.span());
              ++cases;
              INFO(dense.kernel_name(), " on ", name_of(isa), " ", rows, "x", in_c, "x", out_c, " threads ", threads);
              REQUIRE(out == expected);
            }
          });
        }
}

TEST_CASE("weights of 4 bits take half the memory and have kernels of their own") {
  const OutputStage stage{.scale = {0.1F}, .multiplier = {}, .shift = {}};
  std::vector<std::int8_t> weights(static_cast<std::size_t>(20 * 9 * 7), 7);
  weights[5] = -8;
  ConvGeometry g{.in_h = 4, .in_w = 4, .in_c = 7, .out_h = 4, .out_w = 4, .out_c = 20, .groups = 1, .window = {}};
  g.window.kernel_h = g.window.kernel_w = 3;
  g.window.pad_top = g.window.pad_left = 1;
  const QuantizedConv2d eight(g, weights, {}, 3, stage);
  const QuantizedConv2d four(g, weights, {}, 3, stage, "conv2d", WeightBits::four);
  const auto sums = [](std::size_t channels) { return OCTAVO_ARM ? 4 * channels : 0; };  // padded to 16
  CHECK(eight.packed_bytes() - sums(32) == 2 * (four.packed_bytes() - sums(32)));
  at_each_level([&](Isa isa) {
    CHECK(eight.kernel_name() == "implicit_gemm_u8s8_" + std::string(name_of(isa)));
    CHECK(four.kernel_name() == "implicit_gemm_u8s4_" + std::string(name_of(isa)));
    const QuantizedDense dense(8, 16, std::span(weights).first(8 * 16), {}, 3, stage, "dense", WeightBits::four);
    CHECK(dense.kernel_name() == "gemm_u8s4_" + std::string(name_of(isa)));
    CHECK(dense.packed_bytes() == 8 * 16 / 2 + sums(16));
  });
  for (const int beyond : {8, -9}) {
    weights[63 * 2 + 1] = static_cast<std::int8_t>(beyond);
    const auto make = [&] { return QuantizedConv2d(g, weights, {}, 3, stage, "'block'", WeightBits::four); };
    CHECK_THROWS_WITH_AS(make(),
                         doctest::Contains(("'block': expected weights of 4 bits, in [-8, 7], found " +
                                            std::to_string(beyond) + " in output channel 2")
                                               .c_str()),
                         Error);
    CHECK_NOTHROW(QuantizedConv2d(g, weights, {}, 3, stage));
  }
}

TEST_CASE("an accumulator that could leave int32 is refused, one that just fits is not") {
  const OutputStage stage{.scale = {1e-7F}, .multiplier = {}, .shift = {}};
  const std::int64_t k = 66051;  // 127 * 255 * 66051 < 2^31 - 1 - 6.8e6
  const std::vector<std::int8_t> weights(static_cast<std::size_t>(k), 127);
  const std::int32_t headroom = INT32_MAX - 127 * 255 * static_cast<std::int32_t>(k);
  const auto make = [&](std::int32_t bias) {
    const std::int32_t biases[] = {bias};
    return QuantizedConv2d(ConvGeometry{.in_c = k, .out_c = 1, .window = {}}, weights, biases, 0, stage);
  };
  const QuantizedConv2d conv = make(headroom);
  Exact<std::uint8_t> in(k), out(1), expected(1);
  in.fill(255);
  const std::int32_t biases[] = {headroom};
  reference::conv2d(conv.geometry(), in.data(), expected.data(), 1, weights.data(), biases, 0, stage);
  at_each_level([&](Isa) {
    Scratch scratch(conv.scratch_bytes(1));
    conv.run(in.data(), out.data(), 1, 1, scratch.span());
    CHECK(int{out[0]} == int{expected[0]});
  });
  CHECK_THROWS_AS(make(headroom + 1), Error);
  CHECK_THROWS_WITH_AS(make(INT32_MAX), doctest::Contains("output channel 0"), Error);
  // A left shift that would leave int32.
  const OutputStage shifted{.rounding = Rounding::tflite_double, .scale = {}, .multiplier = {1 << 30}, .shift = {1}};
  CHECK_THROWS_AS(QuantizedConv2d(ConvGeometry{.in_c = k, .out_c = 1, .window = {}}, weights, biases, 0, shifted),
                  Error);
}

TEST_CASE("dense: sums of 4-bit weights at their largest, over many depths") {
  Rng rng(6);
  for (const std::int64_t in_c : {65535, 65536, 65537, 65540})
    for (const int weight : {-8, 7}) {
      const OutputStage stage{.zero_point = weight < 0 ? 250 : 3, .scale = {1.5e-6F}, .multiplier = {}, .shift = {}};
      const std::vector<std::int8_t> weights(static_cast<std::size_t>(17 * in_c), static_cast<std::int8_t>(weight));
      const QuantizedDense dense(in_c, 17, weights, {}, 0, stage, "dense", WeightBits::four);
      Exact<std::uint8_t> in(in_c), expected(17), out(17);
      for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint8_t>(253 + rng.below(3));
      reference::dense(in_c, 17, in.data(), expected.data(), 1, weights.data(), nullptr, 0, stage);
      CHECK(expected[0] > 0);
      CHECK(expected[0] < 255);
      at_each_level([&](Isa isa) {
        Scratch scratch(dense.scratch_bytes(1));
        dense.run(in.data(), out.data(), 1, 1, scratch.span());
        INFO(name_of(isa), " ", in_c, " ", weight);
        REQUIRE(out == expected);
      });
    }
}

TEST_CASE("sizes and parameters that do not fit are refused") {
  const OutputStage stage{.scale = {0.1F}, .multiplier = {}, .shift = {}};
  const std::vector<std::int8_t> weights(12);
  const std::vector<std::int32_t> bias(3);
  const ConvGeometry g{.in_c = 4, .out_c = 3, .window = {}};
  CHECK_NOTHROW(QuantizedConv2d(g, weights, bias, 3, stage));
  CHECK_THROWS_AS(QuantizedConv2d(g, std::span(weights).first(11), bias, 3, stage), Error);
  CHECK_THROWS_AS(QuantizedConv2d(g, weights, std::span(bias).first(2), 3, stage), Error);
  CHECK_THROWS_AS(QuantizedConv2d(g, weights, bias, 256, stage), Error);
  OutputStage two = stage;
  two.scale.push_back(0.1F);
  CHECK_THROWS_AS(QuantizedConv2d(g, weights, bias, 3, two), Error);
  OutputStage empty_range = stage;
  empty_range.min = 200, empty_range.max = 100;
  CHECK_THROWS_AS(QuantizedConv2d(g, weights, bias, 3, empty_range), Error);
  ConvGeometry grouped = g;
  grouped.groups = 2;
  CHECK_THROWS_AS(QuantizedConv2d(grouped, weights, bias, 3, stage), Error);
}

TEST_CASE("sums of weights: rows and columns of any length, as one by one") {
  Rng rng(77);
  for (const std::int64_t channels : {1, 15, 16, 17, 40})
    for (const std::int64_t length : {1, 9, 16, 33, 255, 256, 257, 600})
      for (const int kind : {0, 1, 2}) {
        std::vector<std::int8_t> weights(static_cast<std::size_t>(channels * length));
        for (std::int8_t& w : weights)
          w = static_cast<std::int8_t>(kind == 0 ? static_cast<int>(rng.below(256)) - 128 : kind == 1 ? -128 : 127);
        const std::vector<WeightSums> rows = detail::sums_of_rows(weights, channels);
        const std::vector<WeightSums> columns = detail::sums_of_columns(weights, channels);
        for (std::int64_t c = 0; c < channels; ++c) {
          WeightSums row, column;
          for (std::int64_t i = 0; i < length; ++i) {
            row.add(weights[static_cast<std::size_t>(c * length + i)]);
            column.add(weights[static_cast<std::size_t>(i * channels + c)]);
          }
          const auto at = static_cast<std::size_t>(c);
          REQUIRE((rows[at].positive == row.positive && rows[at].negative == row.negative));
          REQUIRE((columns[at].positive == column.positive && columns[at].negative == column.negative));
        }
      }
}

TEST_CASE("enough cases ran") {
  std::printf("convolution and dense: %d cases\n", cases);
  CHECK(cases > 1000 * static_cast<int>(levels().size()));
}
