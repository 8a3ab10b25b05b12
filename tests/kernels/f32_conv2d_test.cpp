// Float convolutions of training, plain and depthwise, on every level against plain loops and central differences.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "f32_support.hpp"
#include "octavo/kernels/conv2d_f32.hpp"
#include "octavo/kernels/depthwise_conv2d_f32.hpp"

using namespace octavo;
using octavo_test::Buffer;
using octavo_test::for_each_level;
using octavo_test::largest_difference;
using octavo_test::random_buffer;

namespace {

// The output of a convolution in doubles, and the gradients of sum(dy * y): the definition, tap by tap.
struct Reference {
  std::vector<double> y, dx, dw, db;
};

struct Problem {
  ConvGeometry geometry;
  std::int64_t batch;
  bool depthwise;

  [[nodiscard]] std::int64_t in_channels() const { return depthwise ? 1 : geometry.in_c / geometry.groups; }
  [[nodiscard]] std::int64_t weights() const {
    return geometry.out_c * geometry.window.kernel_h * geometry.window.kernel_w * in_channels();
  }
  // visit(place in x, place in w, place in y) for each product of the convolution.
  template <class Visit>
  void for_each_product(const Visit& visit) const {
    const ConvGeometry& g = geometry;
    const Window& w = g.window;
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t oy = 0; oy < g.out_h; ++oy)
        for (std::int64_t ox = 0; ox < g.out_w; ++ox)
          for (std::int64_t o = 0; o < g.out_c; ++o)
            for (std::int64_t i = 0; i < w.kernel_h; ++i)
              for (std::int64_t j = 0; j < w.kernel_w; ++j)
                for (std::int64_t c = 0; c < in_channels(); ++c) {
                  const std::int64_t iy = oy * w.stride_h - w.pad_top + i * w.dilation_h;
                  const std::int64_t ix = ox * w.stride_w - w.pad_left + j * w.dilation_w;
                  if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
                  const std::int64_t from =
                      depthwise ? o / (g.out_c / g.in_c) : o / (g.out_c / g.groups) * in_channels() + c;
                  const std::int64_t weight = depthwise ? (i * w.kernel_w + j) * g.out_c + o
                                                        : ((o * w.kernel_h + i) * w.kernel_w + j) * in_channels() + c;
                  visit(((b * g.in_h + iy) * g.in_w + ix) * g.in_c + from, weight,
                        ((b * g.out_h + oy) * g.out_w + ox) * g.out_c + o);
                }
  }
};

double difference(const Buffer& found, const std::vector<double>& expected) {
  double worst = 0;
  for (std::int64_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, std::fabs(found[i] - expected[static_cast<std::size_t>(i)]));
  return worst;
}

void check(const Problem& problem, int threads) {
  const ConvGeometry& g = problem.geometry;
  Rng rng(static_cast<std::uint64_t>(g.in_c * 31 + g.out_c * 7 + g.in_w));
  const Buffer x = random_buffer(rng, problem.batch * g.in_size());
  const Buffer w = random_buffer(rng, problem.weights());
  const Buffer bias = random_buffer(rng, g.out_c);
  const Buffer dy = random_buffer(rng, problem.batch * g.out_size());
  const auto zeros = [](std::int64_t n) { return std::vector<double>(static_cast<std::size_t>(n)); };
  Reference r{zeros(dy.size()), zeros(x.size()), zeros(w.size()), zeros(g.out_c)};
  for (std::int64_t i = 0; i < dy.size(); ++i) {
    r.y[static_cast<std::size_t>(i)] = bias[i % g.out_c];
    r.db[static_cast<std::size_t>(i % g.out_c)] += dy[i];
  }
  problem.for_each_product([&](std::int64_t in, std::int64_t weight, std::int64_t out) {
    r.y[static_cast<std::size_t>(out)] += static_cast<double>(x[in]) * w[weight];
    r.dx[static_cast<std::size_t>(in)] += static_cast<double>(dy[out]) * w[weight];
    r.dw[static_cast<std::size_t>(weight)] += static_cast<double>(dy[out]) * x[in];
  });

  Workspace workspace;
  Buffer y(dy.size(), 99.0F);
  Buffer dx(x.size(), 99.0F);
  Buffer dw(w.size(), 99.0F);
  Buffer db(g.out_c, 99.0F);
  if (problem.depthwise) {
    depthwise_conv2d_f32(g, problem.batch, x.data(), w.data(), bias.data(), y.data(), workspace, threads);
    depthwise_conv2d_f32_input_gradient(g, problem.batch, dy.data(), w.data(), dx.data(), workspace, threads);
    depthwise_conv2d_f32_weight_gradient(g, problem.batch, x.data(), dy.data(), dw.data(), db.data(), workspace,
                                         threads);
  } else {
    conv2d_f32(g, problem.batch, x.data(), w.data(), bias.data(), y.data(), workspace, threads);
    conv2d_f32_input_gradient(g, problem.batch, dy.data(), w.data(), dx.data(), workspace, threads);
    conv2d_f32_weight_gradient(g, problem.batch, x.data(), dy.data(), dw.data(), db.data(), workspace, threads);
  }
  INFO("level ", name_of(active_isa()), " in ", g.in_h, "x", g.in_w, "x", g.in_c, " out ", g.out_h, "x", g.out_w, "x",
       g.out_c, " groups ", g.groups, " kernel ", g.window.kernel_h, "x", g.window.kernel_w, " stride ",
       g.window.stride_h, "x", g.window.stride_w, " dilation ", g.window.dilation_h, "x", g.window.dilation_w, " pad ",
       g.window.pad_top, ",", g.window.pad_left, " batch ", problem.batch, " threads ", threads);
  CHECK(difference(y, r.y) < 2e-5);
  CHECK(difference(dx, r.dx) < 2e-5);
  CHECK(difference(dw, r.dw) < 1e-4);
  CHECK(difference(db, r.db) < 1e-4);
}

// Output extents that use the whole input: the padding after it is whatever that needs.
ConvGeometry geometry_of(std::int64_t h, std::int64_t w, std::int64_t in_c, std::int64_t out_c, const Window& window,
                         std::int64_t pad_bottom, std::int64_t pad_right, std::int64_t groups = 1) {
  ConvGeometry g{h, w, in_c, 1, 1, out_c, groups, window};
  const std::int64_t tall = (window.kernel_h - 1) * window.dilation_h + 1;
  const std::int64_t wide = (window.kernel_w - 1) * window.dilation_w + 1;
  g.out_h = (h + window.pad_top + pad_bottom - tall) / window.stride_h + 1;
  g.out_w = (w + window.pad_left + pad_right - wide) / window.stride_w + 1;
  return g;
}

}  // namespace

TEST_CASE("conv2d_f32 and its gradients equal plain loops") {
  const Problem problems[] = {
      {geometry_of(9, 10, 3, 32, {3, 3, 2, 2, 1, 1, 0, 0}, 1, 1), 2, false},
      {geometry_of(9, 9, 3, 17, {3, 3, 2, 2, 1, 1, 1, 1}, 1, 1), 3, false},
      {geometry_of(6, 7, 5, 9, {1, 1, 1, 1, 1, 1, 0, 0}, 0, 0), 2, false},
      {geometry_of(6, 7, 5, 9, {1, 1, 2, 3, 1, 1, 0, 0}, 0, 0), 2, false},
      {geometry_of(8, 5, 6, 10, {3, 2, 1, 1, 1, 1, 1, 0}, 2, 1), 1, false},
      {geometry_of(8, 9, 8, 12, {3, 3, 1, 1, 2, 3, 2, 3}, 2, 3), 2, false},
      {geometry_of(7, 7, 12, 18, {3, 3, 1, 2, 1, 1, 1, 1}, 1, 1, 3), 2, false},
      {geometry_of(5, 5, 8, 8, {3, 3, 1, 1, 1, 1, 1, 1}, 1, 1, 8), 1, false},
      {geometry_of(4, 4, 8, 6, {1, 1, 1, 1, 1, 1, 0, 0}, 0, 0, 2), 1, false},
      {geometry_of(2, 2, 3, 4, {5, 5, 1, 1, 1, 1, 2, 2}, 2, 2), 2, false},
      {geometry_of(12, 11, 20, 40, {3, 3, 1, 1, 1, 1, 1, 1}, 1, 1), 1, false},
      {geometry_of(1, 1, 70, 33, {1, 1, 1, 1, 1, 1, 0, 0}, 0, 0), 5, false},
      {geometry_of(9, 3, 2, 5, {3, 5, 1, 3, 1, 1, 0, 0}, 0, 2), 2, false},  // the window is wider than the image
      {{9, 12, 3, 4, 4, 8, 1, {3, 3, 2, 2, 1, 1, 0, 0}}, 2, false},         // the last columns are not used
  };
  for_each_level([&] {
    for (const Problem& problem : problems)
      for (const int threads : {1, 2, 3}) check(problem, threads);
  });
}

TEST_CASE("depthwise_conv2d_f32 and its gradients equal plain loops") {
  for_each_level([&] {
    for (const std::int64_t channels : {1, 3, 8, 15, 16, 24, 33})
      for (const std::int64_t kernel : {1, 2, 3, 5})
        for (const std::int64_t stride : {1, 2, 3})
          for (const std::int64_t width : {1, 2, 5, 12, 21}) {
            const std::int64_t pad = width % 2 == 0 ? 0 : (kernel - 1) / 2;
            if (width + pad + 1 < kernel) continue;
            const Window window{kernel, kernel, stride, stride, 1, 1, pad, pad};
            check({geometry_of(width + 1, width, channels, channels, window, 1, 1), 2, true}, 2);
          }
  });
}

TEST_CASE("depthwise_conv2d_f32: multipliers, dilation, rectangles, borders wider than the image") {
  const Problem problems[] = {
      {geometry_of(7, 9, 5, 10, {3, 3, 1, 1, 1, 1, 1, 1}, 1, 1), 2, true},
      {geometry_of(7, 9, 6, 18, {3, 5, 2, 1, 1, 1, 1, 2}, 1, 2), 2, true},
      {geometry_of(11, 10, 16, 16, {3, 3, 1, 1, 2, 3, 2, 3}, 2, 3), 1, true},
      {geometry_of(11, 10, 7, 7, {3, 3, 2, 3, 2, 2, 2, 2}, 2, 2), 2, true},
      {geometry_of(3, 3, 20, 20, {7, 7, 1, 1, 1, 1, 3, 3}, 3, 3), 1, true},
      {geometry_of(2, 30, 32, 32, {1, 4, 1, 4, 1, 1, 0, 1}, 0, 2), 2, true},
      {geometry_of(4, 4, 4, 4, {3, 3, 5, 5, 1, 1, 0, 0}, 4, 4), 3, true},
      {geometry_of(2, 2, 4, 8, {2, 2, 3, 3, 1, 1, 0, 0}, 3, 3), 1, true},
  };
  for_each_level([&] {
    for (const Problem& problem : problems)
      for (const int threads : {1, 3}) check(problem, threads);
  });
}

TEST_CASE("the gradients are the slopes of the forward pass") {
  const ConvGeometry g = geometry_of(5, 4, 4, 4, {3, 3, 2, 1, 1, 1, 1, 1}, 1, 1);
  for (const bool depthwise : {false, true}) {
    const Problem problem{g, 1, depthwise};
    Rng rng(3);
    Buffer x = random_buffer(rng, g.in_size());
    Buffer w = random_buffer(rng, problem.weights());
    const Buffer dy = random_buffer(rng, g.out_size());
    Workspace workspace;
    const auto loss = [&] {
      Buffer y(g.out_size());
      if (depthwise)
        depthwise_conv2d_f32(g, 1, x.data(), w.data(), nullptr, y.data(), workspace, 1);
      else
        conv2d_f32(g, 1, x.data(), w.data(), nullptr, y.data(), workspace, 1);
      double sum = 0;
      for (std::int64_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * dy[i];
      return sum;
    };
    Buffer dx(x.size());
    Buffer dw(w.size());
    if (depthwise) {
      depthwise_conv2d_f32_input_gradient(g, 1, dy.data(), w.data(), dx.data(), workspace, 1);
      depthwise_conv2d_f32_weight_gradient(g, 1, x.data(), dy.data(), dw.data(), nullptr, workspace, 1);
    } else {
      conv2d_f32_input_gradient(g, 1, dy.data(), w.data(), dx.data(), workspace, 1);
      conv2d_f32_weight_gradient(g, 1, x.data(), dy.data(), dw.data(), nullptr, workspace, 1);
    }
    const auto slope = [&](float& value) {
      const float before = value;
      constexpr float step = 0.25F;  // the loss is linear in each value
      value = before + step;
      const double above = loss();
      value = before - step;
      const double below = loss();
      value = before;
      return (above - below) / (2 * step);
    };
    for (std::int64_t i = 0; i < x.size(); i += 3) CHECK(slope(x[i]) == doctest::Approx(dx[i]).epsilon(1e-3));
    for (std::int64_t i = 0; i < w.size(); i += 3) CHECK(slope(w[i]) == doctest::Approx(dw[i]).epsilon(1e-3));
  }
}

TEST_CASE("channels that do not fit are refused") {
  Workspace workspace;
  float value = 0;
  ConvGeometry g;
  g.in_c = 3;
  g.groups = 2;
  CHECK_THROWS_AS(conv2d_f32(g, 1, &value, &value, nullptr, &value, workspace, 1), Error);
  g.out_c = 4;
  CHECK_THROWS_AS(depthwise_conv2d_f32(g, 1, &value, &value, nullptr, &value, workspace, 1), Error);
}
