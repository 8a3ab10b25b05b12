// Resize, nearest and bilinear, codes and floats: against the reference on each level; positions; refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "int8_support.hpp"
#include "octavo/kernels/reference/resize.hpp"
#include "octavo/kernels/resize.hpp"
#include "octavo/kernels/resize_uint8.hpp"

using namespace int8_test;

namespace {

// Default, align_corners, half_pixel_centers.
ResizeGeometry with_centers(ResizeGeometry g, int centers) {
  g.align_corners = centers == 1;
  g.half_pixel_centers = centers == 2;
  return g;
}
std::int64_t in_size(const ResizeGeometry& g) { return g.in_h * g.in_w * g.channels; }
std::int64_t out_size(const ResizeGeometry& g) { return g.out_h * g.out_w * g.channels; }

// A row of `out` pixels made of `in` codes.
std::vector<int> bilinear_row(std::vector<int> codes, std::int64_t out, int centers, Rounding rounding) {
  ResizeGeometry g;
  g.in_w = static_cast<std::int64_t>(codes.size()), g.out_w = out;
  const std::vector<std::uint8_t> in(codes.begin(), codes.end());
  std::vector<std::uint8_t> result(static_cast<std::size_t>(out));
  QuantizedResizeBilinear(with_centers(g, centers), rounding).run(in.data(), result.data(), 1, 1);
  return {result.begin(), result.end()};
}
std::vector<int> nearest_row(std::int64_t in, std::int64_t out, int centers) {
  ResizeGeometry g;
  g.in_w = in, g.out_w = out;
  std::vector<int> from(static_cast<std::size_t>(in)), result(static_cast<std::size_t>(out));
  std::iota(from.begin(), from.end(), 0);
  ResizeNearest(with_centers(g, centers)).run(from.data(), result.data(), 1, 1);
  return result;
}

}  // namespace

TEST_CASE("resize: codes of each level, around the vectors' widths") {
  Rng rng(1);
  int cases = 0;
  const auto extent = [&](std::uint64_t most) { return 1 + static_cast<std::int64_t>(rng.below(most)); };
  for (const std::int64_t channels : {1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 100})
    for (int round = 0; round < 4; ++round)
      for (int centers = 0; centers < 3; ++centers) {
        const ResizeGeometry g =
            with_centers({extent(9), extent(9), extent(20), extent(20), channels, false, false}, centers);
        const std::int64_t batch = extent(2);
        Exact<std::uint8_t> in(batch * in_size(g)), expected(batch * out_size(g));
        fill_codes(in.data(), in.size(), round, rng);
        for (const Rounding rounding : kAllRoundings) {
          reference::resize_bilinear(g, in.data(), expected.data(), batch, rounding);
          const QuantizedResizeBilinear resize(g, rounding);
          at_each_level([&](Isa isa) {
            CAPTURE(name_of(isa));
            for (const int threads : {1, 3}) {
              Exact<std::uint8_t> out(batch * out_size(g));
              resize.run(in.data(), out.data(), batch, threads);
              CHECK(out == expected);
              ++cases;
            }
          });
        }
        reference::resize_nearest(g, in.data(), expected.data(), batch);
        const ResizeNearest nearest(g);
        for (const int threads : {1, 3}) {
          Exact<std::uint8_t> out(batch * out_size(g));
          nearest.run(in.data(), out.data(), batch, threads);
          CHECK(out == expected);
        }
      }
  MESSAGE(cases, " calls");
}

TEST_CASE("resize: int8 and u8 terms give the same codes") {
  Rng rng(2);
  for (int centers = 0; centers < 3; ++centers)
    for (const Rounding rounding : kAllRoundings) {
      const ResizeGeometry g = with_centers({5, 4, 11, 13, 3, false, false}, centers);
      Exact<std::uint8_t> in(in_size(g)), out(out_size(g));
      fill_codes(in.data(), in.size(), 0, rng);
      Exact<std::int8_t> signed_in(in_size(g)), signed_out(out_size(g));
      for (std::size_t i = 0; i < in.size(); ++i) signed_in[i] = static_cast<std::int8_t>(in[i] - 128);
      reference::resize_bilinear(g, in.data(), out.data(), 1, rounding);
      reference::resize_bilinear(g, signed_in.data(), signed_out.data(), 1, rounding);
      bool same = true;
      for (std::size_t i = 0; i < out.size(); ++i) same = same && signed_out[i] == out[i] - 128;
      CHECK(same);
    }
}

TEST_CASE("resize: halves go away from int8's 0 in the tflite modes, up in nearest_even_f32") {
  const std::vector<int> below{100, 101}, above{200, 201};  // int8 -28, -27 and 72, 73
  for (const Rounding rounding : {Rounding::tflite_double, Rounding::tflite_single}) {
    CHECK(bilinear_row(below, 4, 0, rounding) == std::vector<int>{100, 100, 101, 101});
    CHECK(bilinear_row(above, 4, 0, rounding) == std::vector<int>{200, 201, 201, 201});
  }
  CHECK(bilinear_row(below, 4, 0, Rounding::nearest_even_f32) == std::vector<int>{100, 101, 101, 101});
  CHECK(bilinear_row(above, 4, 0, Rounding::nearest_even_f32) == std::vector<int>{200, 201, 201, 201});
}

TEST_CASE("resize: where pixels lie") {
  for (const Rounding rounding : kAllRoundings) {
    CHECK(bilinear_row({0, 40}, 4, 0, rounding) == std::vector<int>{0, 20, 40, 40});
    CHECK(bilinear_row({0, 30}, 4, 1, rounding) == std::vector<int>{0, 10, 20, 30});
    CHECK(bilinear_row({0, 40}, 4, 2, rounding) == std::vector<int>{0, 10, 30, 40});
    CHECK(bilinear_row({7, 9, 11}, 1, 1, rounding) == std::vector<int>{7});
    for (int centers = 0; centers < 3; ++centers) {
      CHECK(bilinear_row({3, 250, 17, 99}, 4, centers, rounding) == std::vector<int>{3, 250, 17, 99});
      CHECK(bilinear_row({77}, 3, centers, rounding) == std::vector<int>{77, 77, 77});
      // 10 bits: a step of 100 / 4000 becomes 26 / 1024, and the last pixels lie behind the image.
      const std::vector<int> row = bilinear_row(std::vector<int>(100, 50), 4000, centers, rounding);
      CHECK(row == std::vector<int>(4000, 50));
    }
  }
  CHECK(nearest_row(2, 4, 0) == std::vector<int>{0, 0, 1, 1});
  CHECK(nearest_row(3, 5, 0) == std::vector<int>{0, 0, 1, 1, 2});
  CHECK(nearest_row(3, 5, 1) == std::vector<int>{0, 1, 1, 2, 2});  // halves up
  CHECK(nearest_row(3, 5, 2) == std::vector<int>{0, 0, 1, 2, 2});
  CHECK(nearest_row(6, 4, 0) == std::vector<int>{0, 1, 3, 4});
  CHECK(nearest_row(6, 4, 2) == std::vector<int>{0, 2, 3, 5});
  CHECK(nearest_row(4, 1, 1) == std::vector<int>{0});
}

TEST_CASE("resize: floats agree with the reference, copies exactly") {
  Rng rng(3);
  const auto extent = [&](std::uint64_t most) { return 1 + static_cast<std::int64_t>(rng.below(most)); };
  for (int round = 0; round < 60; ++round) {
    const ResizeGeometry g =
        with_centers({extent(9), extent(9), extent(20), extent(20), extent(40), false, false}, round % 3);
    Exact<float> in(2 * in_size(g)), expected(2 * out_size(g)), out(2 * out_size(g));
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = rng.uniform(-1.0F, 1.0F);
    reference::resize_nearest(g, in.data(), expected.data(), 2);
    ResizeNearest(g).run(in.data(), out.data(), 2, 2);
    CHECK(out == expected);
    reference::resize_bilinear(g, in.data(), expected.data(), 2);
    ResizeBilinearF32(g).run(in.data(), out.data(), 2, 2);
    float worst = 0.0F;
    for (std::size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::abs(out[i] - expected[i]));
    CHECK(worst <= 1e-6F);
  }
}

TEST_CASE("resize: legacy uint8 is interpolated in float, halves up") {
  ResizeGeometry g;
  g.in_w = 2, g.out_w = 4;
  const std::vector<std::uint8_t> in{100, 101};
  std::vector<std::uint8_t> out(4);
  ResizeBilinearUint8(g).run(in.data(), out.data(), 1, 1);
  CHECK(out == std::vector<std::uint8_t>{100, 101, 101, 101});
  Rng rng(4);
  for (int centers = 0; centers < 3; ++centers) {  // within a step of the exact value
    const ResizeGeometry wide = with_centers({5, 7, 12, 9, 6, false, false}, centers);
    Exact<std::uint8_t> codes(in_size(wide)), found(out_size(wide));
    fill_codes(codes.data(), codes.size(), 0, rng);
    ResizeBilinearUint8(wide).run(codes.data(), found.data(), 1, 2);
    Exact<float> real(in_size(wide)), expected(out_size(wide));
    for (std::size_t i = 0; i < codes.size(); ++i) real[i] = codes[i];
    reference::resize_bilinear(wide, real.data(), expected.data(), 1);
    float worst = 0.0F;
    for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i]));
    CHECK(worst <= 0.501F);
  }
}

TEST_CASE("resize: refusals") {
  ResizeGeometry both;
  both.align_corners = both.half_pixel_centers = true;
  CHECK_THROWS_WITH_AS(ResizeNearest{both}, doctest::Contains("resize_nearest: align_corners and half_pixel_centers"),
                       Error);
  ResizeGeometry empty;
  empty.out_w = 0;
  CHECK_THROWS_WITH_AS(QuantizedResizeBilinear(empty, Rounding::tflite_double), doctest::Contains("extent 0"), Error);
  CHECK_THROWS_AS(ResizeBilinearF32{empty}, Error);
  CHECK_THROWS_AS(ResizeBilinearUint8{empty}, Error);
}
