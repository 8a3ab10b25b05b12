// Add, mul, softmax, pooling, conversions, copies: against the reference on each level.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "int8_support.hpp"
#include "octavo/kernels/add.hpp"
#include "octavo/kernels/code_map.hpp"
#include "octavo/kernels/pad.hpp"
#include "octavo/kernels/pool.hpp"
#include "octavo/kernels/quantize.hpp"
#include "octavo/kernels/reference/elementwise.hpp"
#include "octavo/kernels/reference/pool.hpp"
#include "octavo/kernels/softmax.hpp"

using namespace int8_test;

namespace {

int cases = 0;

Grid random_grid(Rng& rng) {
  const std::uint64_t end = rng.below(4);
  const auto inner = static_cast<std::int32_t>(rng.below(256));
  return {.scale = 0.001F + 0.1F * rng.uniform(),
          .zero_point = end == 0   ? 0
                        : end == 1 ? 255
                                   : inner,
          .qmin = 0,
          .qmax = 255};
}

CodeLimits random_limits(Rng& rng) {
  if (rng.below(2) == 0) return {0, 255};
  const auto min = static_cast<std::int32_t>(rng.below(200));
  return {min, min + static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(256 - min)))};
}

constexpr std::int64_t kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 200, 1000, 9001};

}  // namespace

TEST_CASE("add: all pairs of codes, each mode, random grids") {
  Rng rng(1);
  Exact<std::uint8_t> a(65536), b(65536), expected(65536);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<std::uint8_t>(i & 255U);
    b[i] = static_cast<std::uint8_t>(i >> 8U);
  }
  for (int round = 0; round < 12; ++round)
    for (const Rounding rounding : kAllRoundings) {
      const AddStage stage =
          make_add_stage(rounding, random_grid(rng), random_grid(rng), random_grid(rng), random_limits(rng));
      reference::add(a.data(), b.data(), expected.data(), 65536, stage);
      const QuantizedAdd add(stage);
      at_each_level([&](Isa isa) {
        Exact<std::uint8_t> out(65536);
        add.run(a.data(), b.data(), out.data(), 65536, 2);
        ++cases;
        INFO(name_of(isa), " ", name_of(rounding));
        REQUIRE(out == expected);
      });
    }
}

TEST_CASE("add and mul: lengths around each vector, in place") {
  Rng rng(2);
  for (const std::int64_t n : kLengths)
    for (const Rounding rounding : kAllRoundings) {
      const AddStage stage =
          make_add_stage(rounding, random_grid(rng), random_grid(rng), random_grid(rng), random_limits(rng));
      const QuantizedAdd add(stage);
      OutputStage product = random_stage(rounding, 1, 1, static_cast<int>(rng.below(3)), rng);
      const QuantizedMul mul(stage.zero_point_a, stage.zero_point_b, product);
      Exact<std::uint8_t> a(n), b(n), sum(n), multiplied(n);
      fill_codes(a.data(), a.size(), static_cast<int>(rng.below(2)), rng);
      fill_codes(b.data(), b.size(), static_cast<int>(rng.below(2)), rng);
      reference::add(a.data(), b.data(), sum.data(), n, stage);
      reference::mul(a.data(), b.data(), multiplied.data(), n, stage.zero_point_a, stage.zero_point_b, product);
      at_each_level([&](Isa isa) {
        INFO(name_of(isa), " ", n);
        Exact<std::uint8_t> in_place(n);
        std::copy_n(a.data(), n, in_place.data());
        add.run(in_place.data(), b.data(), in_place.data(), n, 1);
        REQUIRE(in_place == sum);
        Exact<std::uint8_t> out(n);
        mul.run(a.data(), b.data(), out.data(), n, 2);
        REQUIRE(out == multiplied);
        cases += 2;
      });
    }
}

TEST_CASE("add: a sum computed by hand, and a tie that each mode rounds its own way") {
  // (10 - 0) * 1 + (5 - 0) * 0.5 = 12.5 on a grid of step 1.
  const auto grid = [](float scale) { return Grid{.scale = scale, .zero_point = 0, .qmin = 0, .qmax = 255}; };
  const std::uint8_t a[] = {10}, b[] = {5};
  std::uint8_t out[1];
  QuantizedAdd(make_add_stage(Rounding::nearest_even_f32, grid(1), grid(0.5F), grid(1), {0, 255})).run(a, b, out, 1, 1);
  CHECK(int{out[0]} == 12);
  QuantizedAdd(make_add_stage(Rounding::tflite_double, grid(1), grid(0.5F), grid(1), {0, 255})).run(a, b, out, 1, 1);
  CHECK(int{out[0]} == 13);
  QuantizedAdd(make_add_stage(Rounding::tflite_single, grid(1), grid(0.5F), grid(1), {0, 255})).run(a, b, out, 1, 1);
  CHECK(int{out[0]} == 13);
}

TEST_CASE("softmax: depths, grids, modes, and rows of equal codes") {
  Rng rng(3);
  for (const std::int64_t depth : {1, 2, 5, 9, 255, 256, 257, 600, 1000, 4000})
    for (const Rounding rounding : kAllRoundings)
      for (const float scale : {0.002F, 0.05F, 0.3F}) {
        const SoftmaxStage stage = make_softmax_stage(rounding, scale, 1.0F);
        const QuantizedSoftmax softmax(depth, stage);
        for (int pattern = 0; pattern < 4; ++pattern) {
          Exact<std::uint8_t> in(3 * depth), out(3 * depth), expected(3 * depth);
          fill_codes(in.data(), in.size(), pattern, rng);
          reference::softmax(in.data(), expected.data(), 3, depth, stage);
          softmax.run(in.data(), out.data(), 3, 2);
          INFO(name_of(rounding), " depth ", depth, " scale ", scale, " pattern ", pattern);
          REQUIRE(out == expected);
          ++cases;
          // Within one step and a half of the real softmax (512 and more equal codes leave nothing to show).
          double sum = 0;
          for (std::int64_t i = 0; i < depth; ++i)
            sum += std::exp(static_cast<double>(scale) * in[static_cast<std::size_t>(i)]);
          for (std::int64_t i = 0; i < depth; ++i) {
            const double p = std::exp(static_cast<double>(scale) * in[static_cast<std::size_t>(i)]) / sum;
            REQUIRE(std::abs(std::min(p * 256, 255.0) - out[static_cast<std::size_t>(i)]) < 1.0);
          }
        }
      }
}

TEST_CASE("average and max pooling: random windows, borders, modes") {
  Rng rng(4);
  int made = 0;
  while (made < 150) {
    ConvGeometry g;
    g.in_c = g.out_c = 1 + static_cast<std::int64_t>(rng.below(rng.below(3) == 0 ? 150 : 20));
    g.in_h = 1 + static_cast<std::int64_t>(rng.below(9));
    g.in_w = 1 + static_cast<std::int64_t>(rng.below(9));
    Window& w = g.window;
    w.kernel_h = 1 + static_cast<std::int64_t>(rng.below(5));
    w.kernel_w = 1 + static_cast<std::int64_t>(rng.below(5));
    w.stride_h = 1 + static_cast<std::int64_t>(rng.below(3));
    w.stride_w = 1 + static_cast<std::int64_t>(rng.below(3));
    w.pad_top = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_h)));
    w.pad_left = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(w.kernel_w)));
    g.out_h = (g.in_h + w.pad_top - 1) / w.stride_h + 1;
    g.out_w = (g.in_w + w.pad_left - 1) / w.stride_w + 1;
    ++made;
    const Rounding rounding = kAllRoundings[rng.below(3)];
    const Grid grid = random_grid(rng);
    const Grid out_grid = rounding == Rounding::nearest_even_f32 && rng.below(2) == 0 ? random_grid(rng) : grid;
    const CodeLimits limits = random_limits(rng);
    const AverageStage stage = make_average_stage(rounding, grid, out_grid, limits, w.kernel_h * w.kernel_w);
    Exact<std::uint8_t> in(2 * g.in_size()), average(2 * g.out_size()), maximum(2 * g.out_size());
    fill_codes(in.data(), in.size(), static_cast<int>(rng.below(4)), rng);
    reference::average_pool2d(g, in.data(), average.data(), 2, stage);
    reference::max_pool2d(g, in.data(), maximum.data(), 2, limits);
    const QuantizedAveragePool2d average_pool(g, stage);
    const QuantizedMaxPool2d max_pool(g, limits);
    at_each_level([&](Isa isa) {
      Exact<std::uint8_t> out(2 * g.out_size());
      INFO(name_of(isa), " ", name_of(rounding), " channels ", g.in_c);
      average_pool.run(in.data(), out.data(), 2, 2);
      REQUIRE(out == average);
      max_pool.run(in.data(), out.data(), 2, 1);
      REQUIRE(out == maximum);
      cases += 2;
    });
  }
}

TEST_CASE("a pooling window outside the image is refused") {
  ConvGeometry g{.in_h = 4, .in_w = 4, .out_h = 6, .out_w = 4, .window = {.kernel_h = 2, .kernel_w = 2}};
  CHECK_THROWS_AS(QuantizedMaxPool2d(g, {0, 255}), Error);
  g.out_h = 4;
  CHECK_NOTHROW(QuantizedMaxPool2d(g, {0, 255}));
}

TEST_CASE("global average pooling: pixels, channels, modes") {
  Rng rng(5);
  for (const std::int64_t pixels : {1, 2, 9, 49, 64, 257, 300, 1000})
    for (const std::int64_t channels : {1, 15, 16, 33, 64, 65, 130})
      for (const Rounding rounding : kAllRoundings) {
        const Grid grid = random_grid(rng), out_grid = random_grid(rng);
        const OutputStage stage = make_mean_stage(rounding, grid, out_grid, random_limits(rng), pixels);
        Exact<std::uint8_t> in(2 * pixels * channels), expected(2 * channels);
        fill_codes(in.data(), in.size(), static_cast<int>(rng.below(4)), rng);
        reference::mean(pixels, channels, in.data(), expected.data(), 2, grid.zero_point, stage);
        const QuantizedGlobalAveragePool pool(pixels, channels, grid.zero_point, stage);
        at_each_level([&](Isa isa) {
          Exact<std::uint8_t> out(2 * channels);
          pool.run(in.data(), out.data(), 2, 2);
          INFO(name_of(isa), " ", pixels, " pixels, ", channels, " channels");
          REQUIRE(out == expected);
          ++cases;
        });
      }
}

TEST_CASE("quantize and dequantize: ties, infinities, NaN, lengths") {
  Rng rng(6);
  for (const std::int64_t n : kLengths)
    for (const Ties ties : {Ties::even, Ties::up, Ties::away}) {
      Grid grid = random_grid(rng);
      if (rng.below(2) == 0) grid.scale = 0.25F;  // exact ties
      Exact<float> in(n), real(n), expected_real(n);
      for (std::size_t i = 0; i < in.size(); ++i) {
        const std::uint64_t kind = rng.below(12);
        in[i] = kind == 0   ? std::numeric_limits<float>::infinity()
                : kind == 1 ? -std::numeric_limits<float>::infinity()
                : kind == 2 ? std::numeric_limits<float>::quiet_NaN()
                : kind == 3 ? 1e30F * rng.uniform(-1.0F, 1.0F)
                : kind < 8  ? (static_cast<float>(rng.below(300)) - 150.5F) * grid.scale
                            : 200.0F * grid.scale * rng.uniform(-1.0F, 1.0F);
      }
      Exact<std::uint8_t> expected(n);
      reference::quantize(in.data(), expected.data(), n, grid, ties);
      reference::dequantize(expected.data(), expected_real.data(), n, grid);
      at_each_level([&](Isa isa) {
        Exact<std::uint8_t> out(n);
        INFO(name_of(isa), " ", name_of(ties), " n ", n);
        quantize_codes(in.data(), out.data(), n, grid, ties, 2);
        REQUIRE(out == expected);
        dequantize_codes(out.data(), real.data(), n, grid, 2);
        REQUIRE(real == expected_real);
        cases += 2;
      });
    }
}

TEST_CASE("quantize: neighbours of ties among other values, and scales at the ends of the range") {
  Rng rng(9);
  for (int round = 0; round < 60; ++round) {
    Grid grid = random_grid(rng);
    if (round % 6 == 0) grid.scale = round % 12 == 0 ? 1e-41F : 3e38F;
    constexpr std::int64_t n = 1000;
    Exact<float> in(n);
    for (std::size_t i = 0; i < in.size(); ++i) {
      in[i] = 140.0F * grid.scale * rng.uniform(-1.0F, 1.0F);
      if (rng.below(50) != 0) continue;
      float tie = (static_cast<float>(rng.below(256)) - 128.5F) * grid.scale;
      for (std::uint64_t step = rng.below(4); step > 0; --step)
        tie = std::nextafter(tie, rng.below(2) == 0 ? -1e9F : 1e9F);
      in[i] = tie;
    }
    Exact<std::uint8_t> expected(n);
    for (const Ties ties : {Ties::even, Ties::up, Ties::away}) {
      reference::quantize(in.data(), expected.data(), n, grid, ties);
      at_each_level([&](Isa isa) {
        Exact<std::uint8_t> out(n);
        INFO(name_of(isa), " ", name_of(ties), " scale ", grid.scale);
        quantize_codes(in.data(), out.data(), n, grid, ties, 1);
        REQUIRE(out == expected);
        ++cases;
      });
    }
  }
}

TEST_CASE("dynamic quantization: the range contains 0, every level finds the same grid") {
  Rng rng(7);
  for (const std::int64_t n : kLengths)
    for (const float offset : {-3.0F, 0.0F, 0.5F, 3.0F}) {
      Exact<float> in(n);
      for (std::size_t i = 0; i < in.size(); ++i) in[i] = offset + rng.uniform(-1.0F, 1.0F);
      if (n > 20) in[3] = std::numeric_limits<float>::quiet_NaN();
      float low = 0, high = 0;
      for (std::size_t i = 0; i < in.size(); ++i) low = in[i] < low ? in[i] : low, high = in[i] > high ? in[i] : high;
      const Grid expected_grid = dynamic_grid(low, high);
      Exact<std::uint8_t> expected(n);
      reference::quantize(in.data(), expected.data(), n, expected_grid, Ties::even);
      at_each_level([&](Isa isa) {
        Exact<std::uint8_t> out(n);
        INFO(name_of(isa), " n ", n, " offset ", offset);
        const Grid grid = quantize_dynamic(in.data(), out.data(), n, 1 + static_cast<int>(rng.below(3)));
        REQUIRE(grid == expected_grid);
        REQUIRE(out == expected);
        ++cases;
      });
    }
  const float zeros[] = {0, 0, 0};
  std::uint8_t codes[3];
  CHECK(quantize_dynamic(zeros, codes, 3).scale == 1.0F);
  const float infinite[] = {1.0F, std::numeric_limits<float>::infinity()};
  CHECK_THROWS_AS(quantize_dynamic(infinite, codes, 2), Error);
}

TEST_CASE("code maps: requantize, clamp, logistic") {
  Rng rng(8);
  Exact<std::uint8_t> all(256), expected(256), out(256);
  for (std::size_t q = 0; q < 256; ++q) all[q] = static_cast<std::uint8_t>(q);
  for (int round = 0; round < 60; ++round) {
    const Rounding rounding = kAllRoundings[rng.below(3)];
    const Grid from = random_grid(rng), to = random_grid(rng);
    const CodeLimits limits = random_limits(rng);
    constexpr float one[] = {1.0F};
    reference::requantize_codes(all.data(), expected.data(), 256, from.zero_point,
                                make_output_stage(rounding, from.scale, one, to, limits));
    const CodeMap map = make_requantize_map(rounding, from, to, limits);
    map.run(all.data(), out.data(), 256, 1);
    REQUIRE(out == expected);
    ++cases;
    // The same grid: nothing moves, in each mode.
    CHECK(make_requantize_map(rounding, from, from, {0, 255}).identity());
  }
  make_clamp_map({10, 20}).run(all.data(), out.data(), 256, 1);
  for (std::size_t q = 0; q < 256; ++q) REQUIRE(int{out[q]} == std::clamp(static_cast<int>(q), 10, 20));
  const Grid grid{.scale = 0.05F, .zero_point = 128, .qmin = 0, .qmax = 255};
  make_logistic_map(grid).run(all.data(), out.data(), 256, 1);
  CHECK(int{out[128]} == 128);
  for (std::size_t q = 0; q < 256; ++q) {
    const double p = std::min(255.0, 256.0 / (1.0 + std::exp(-0.05 * (static_cast<double>(q) - 128))));
    REQUIRE(std::abs(p - out[q]) <= 0.501);
  }
}

TEST_CASE("pad and concatenation") {
  const std::uint8_t in[] = {1, 2, 3, 4};  // 1x2x2x1
  std::uint8_t padded[20];
  pad2d(in, padded, 1, 2, 2, 1, Padding{.top = 1, .bottom = 2, .left = 0, .right = 2}, std::uint8_t{9}, 2);
  const std::uint8_t expected[] = {9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
  CHECK(std::equal(std::begin(padded), std::end(padded), std::begin(expected)));

  const CodeMap clamp = make_clamp_map({0, 3});
  const ConcatInput inputs[] = {{in, 1, nullptr}, {in, 2, &clamp}};
  std::uint8_t joined[6];
  concat_codes(inputs, joined, 2, 1);
  const std::uint8_t expected_joined[] = {1, 1, 2, 2, 3, 3};
  CHECK(std::equal(std::begin(joined), std::end(joined), std::begin(expected_joined)));
}

TEST_CASE("enough cases ran") {
  std::printf("element-wise and pooling: %d cases\n", cases);
  CHECK(cases > 500 * static_cast<int>(levels().size()));
}
