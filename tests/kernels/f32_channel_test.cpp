// The passes of batch norm and the element by element operations, on every level against plain formulas in double.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "f32_support.hpp"
#include "octavo/kernels/batch_norm_f32.hpp"
#include "octavo/kernels/elementwise_f32.hpp"
#include "octavo/quant/fake_quant.hpp"

using namespace octavo;
using octavo_test::Buffer;
using octavo_test::for_each_level;
using octavo_test::largest_difference;
using octavo_test::random_buffer;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Moments {
  std::vector<double> mean, variance;
};

Moments moments_of(const Buffer& x, std::int64_t rows, std::int64_t channels) {
  Moments m{std::vector<double>(static_cast<std::size_t>(channels)),
            std::vector<double>(static_cast<std::size_t>(channels))};
  for (std::int64_t c = 0; c < channels; ++c) {
    double& mean = m.mean[static_cast<std::size_t>(c)];
    double& variance = m.variance[static_cast<std::size_t>(c)];
    for (std::int64_t r = 0; r < rows; ++r)
      mean += static_cast<double>(x[r * channels + c]) / static_cast<double>(rows);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double d = x[r * channels + c] - mean;
      variance += d * d / static_cast<double>(rows);
    }
  }
  return m;
}

bool same_bytes(const Buffer& a, const Buffer& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * 4) == 0;
}

}  // namespace

TEST_CASE("channel statistics: any size, any mean") {
  for_each_level([&] {
    for (const std::int64_t channels : {1, 2, 7, 8, 9, 16, 17, 24, 40})
      for (const std::int64_t rows : {1, 2, 7, 8, 9, 255, 256, 257, 1100})
        for (const float offset : {0.0F, 100.0F}) {
          Rng rng(static_cast<std::uint64_t>(channels * rows));
          Buffer x = random_buffer(rng, rows * channels);
          for (std::int64_t i = 0; i < x.size(); ++i) x[i] += offset * static_cast<float>(1 + i % channels);
          Buffer mean(channels), variance(channels), minimum(channels), maximum(channels);
          channel_statistics_f32(x.data(), rows, channels, mean.data(), variance.data(), minimum.data(), maximum.data(),
                                 2);
          const Moments expected = moments_of(x, rows, channels);
          bool close = true;
          bool limits = true;
          for (std::int64_t c = 0; c < channels; ++c) {
            const double m = expected.mean[static_cast<std::size_t>(c)];
            const double v = expected.variance[static_cast<std::size_t>(c)];
            close = close && std::fabs(mean[c] - m) <= 1e-6 * (1 + std::fabs(m)) &&
                    std::fabs(variance[c] - v) <= 1e-5 * (v + 1e-3);
            float low = kInfinity;
            float high = -kInfinity;
            for (std::int64_t r = 0; r < rows; ++r) {
              low = std::min(low, x[r * channels + c]);
              high = std::max(high, x[r * channels + c]);
            }
            limits = limits && low == minimum[c] && high == maximum[c];
          }
          CHECK_MESSAGE(close, rows, " rows, ", channels, " channels, offset ", offset);
          CHECK(limits);
        }
  });
}

TEST_CASE("channel statistics of many rows: a large mean, a first row far away, NaN") {
  constexpr std::int64_t rows = 60000;
  constexpr std::int64_t channels = 3;
  for_each_level([&] {
    Rng rng(1);
    Buffer x(rows * channels);
    for (std::int64_t r = 0; r < rows; ++r) {
      x[r * channels] = 1000.0F + rng.normal();
      x[r * channels + 1] = r == 0 ? 500.0F : rng.normal();
      x[r * channels + 2] = (r < rows / 2 ? -1.0F : 30.0F) + 0.01F * rng.normal();
    }
    const Moments expected = moments_of(x, rows, channels);
    for (const int threads : {1, 2, 3}) {
      Buffer mean(channels), variance(channels), minimum(channels), maximum(channels);
      channel_statistics_f32(x.data(), rows, channels, mean.data(), variance.data(), minimum.data(), maximum.data(),
                             threads);
      for (std::int64_t c = 0; c < channels; ++c) {
        CHECK(mean[c] == doctest::Approx(expected.mean[static_cast<std::size_t>(c)]).epsilon(1e-5));
        CHECK(variance[c] == doctest::Approx(expected.variance[static_cast<std::size_t>(c)]).epsilon(1e-4));
      }
    }
    x[rows] = NAN;
    Buffer mean(channels), variance(channels), minimum(channels), maximum(channels);
    channel_statistics_f32(x.data(), rows, channels, mean.data(), variance.data(), minimum.data(), maximum.data(), 2);
    int strange = 0;
    for (std::int64_t c = 0; c < channels; ++c) strange += std::isnan(mean[c]) && std::isnan(variance[c]) ? 1 : 0;
    CHECK(strange == 1);
  });
}

TEST_CASE("channel sums") {
  for_each_level([&] {
    for (const std::int64_t channels : {1, 9, 16, 31})
      for (const std::int64_t rows : {0, 1, 5, 300, 4001}) {
        Rng rng(7);
        const Buffer x = random_buffer(rng, rows * channels);
        Buffer sums(channels, 99.0F);
        channel_sums_f32(x.data(), rows, channels, sums.data(), 3);
        for (std::int64_t c = 0; c < channels; ++c) {
          double expected = 0;
          for (std::int64_t r = 0; r < rows; ++r) expected += x[r * channels + c];
          CHECK(sums[c] == doctest::Approx(expected).epsilon(1e-4));
        }
      }
  });
}

TEST_CASE("affine, clamp and fake-quant: forward, and gradients that pass where they should") {
  const Grid grid{6.0F / 255.0F, -128, -128, 127};
  const Grid coarse{0.5F, 1, -4, 3};  // x = 0.25 + 0.5 n is a tie
  for_each_level([&] {
    for (const std::int64_t channels : {1, 3, 8, 16, 19, 24})
      for (const std::int64_t rows : {1, 4, 9, 700})
        for (const Grid* g : {static_cast<const Grid*>(nullptr), &grid, &coarse})
          for (const Ties ties : {Ties::even, Ties::up, Ties::away})
            for (const bool bounded : {false, true}) {
              if (g == nullptr && ties != Ties::even) continue;
              Rng rng(static_cast<std::uint64_t>(channels + rows));
              const Buffer multiplier = random_buffer(rng, channels, -2.0F, 2.0F);
              const Buffer offset = random_buffer(rng, channels);
              const Buffer x = random_buffer(rng, rows * channels, -4.0F, 4.0F);
              const Buffer dy = random_buffer(rng, rows * channels);
              AffineClamp f{multiplier.data(), offset.data()};
              if (bounded) f.low = 0.0F, f.high = 2.5F;
              f.grid = g;
              f.ties = ties;
              Buffer y(rows * channels);
              affine_clamp_forward_f32(x.data(), rows, channels, f, y.data(), 2);
              const Buffer p = random_buffer(rng, channels);
              const Buffer q = random_buffer(rng, channels);
              const Buffer r = random_buffer(rng, channels);
              Buffer dx(rows * channels);
              Buffer frozen = dy;  // in place
              affine_clamp_backward_input_f32(x.data(), dy.data(), rows, channels, f, p.data(), q.data(), r.data(),
                                              dx.data(), 2);
              affine_clamp_backward_input_f32(x.data(), frozen.data(), rows, channels, f, p.data(), nullptr, nullptr,
                                              frozen.data(), 2);
              std::vector<double> sum_g(static_cast<std::size_t>(channels), 99.0);
              std::vector<double> sum_gx(static_cast<std::size_t>(channels), 99.0);
              affine_clamp_backward_sums_f32(x.data(), dy.data(), rows, channels, f, sum_g.data(), sum_gx.data(), 2);

              double worst = 0;
              std::vector<double> expected_g(static_cast<std::size_t>(channels)), expected_gx(expected_g);
              for (std::int64_t i = 0; i < x.size(); ++i) {
                const std::int64_t c = i % channels;
                // Both roundings of z are allowed; the values are chosen so that a boundary is never in between.
                const double z = static_cast<double>(multiplier[c]) * x[i] + offset[c];
                const double u = std::min<double>(f.high, std::max<double>(f.low, z));
                bool pass = z > f.low && z < f.high;
                double expected = u;
                if (g != nullptr) {
                  expected = fake_quantize(static_cast<float>(u), *g, ties);
                  pass = pass && u >= g->low() && u <= g->high();
                  const double steps = u / g->scale;  // a rounding of z may move a value over a tie
                  if (std::fabs(steps - std::floor(steps) - 0.5) < 1e-4 &&
                      std::fabs(y[i] - expected) <= g->scale * 1.001)
                    expected = y[i];
                }
                const double gradient = pass ? dy[i] : 0.0;
                worst = std::max(worst, std::fabs(expected - y[i]));
                worst = std::max(worst, std::fabs(p[c] * gradient + q[c] * x[i] + r[c] - dx[i]));
                worst = std::max(worst, std::fabs(p[c] * gradient - frozen[i]));
                expected_g[static_cast<std::size_t>(c)] += gradient;
                expected_gx[static_cast<std::size_t>(c)] += gradient * x[i];
              }
              for (std::size_t c = 0; c < sum_g.size(); ++c)
                worst = std::max(
                    {worst, 0.1 * std::fabs(sum_g[c] - expected_g[c]), 0.1 * std::fabs(sum_gx[c] - expected_gx[c])});
              CHECK_MESSAGE(worst < 1e-5, rows, " rows, ", channels, " channels, grid ", g != nullptr, " ties ",
                            static_cast<int>(ties), " level ", name_of(active_isa()));
            }
  });
}

TEST_CASE("fake_quantize_f32 gives the bytes of quant/fake_quant.hpp, ties, limits and NaN included") {
  const Grid grids[] = {{0.5F, 0, -128, 127},
                        {0.5F, 127, -128, 127},
                        {0.0235294F, -128, -128, 127},
                        {1.0F, -3, -8, 7},
                        {3e-5F, 5, -127, 127}};
  for_each_level([&] {
    for (const Grid& grid : grids)
      for (const Ties ties : {Ties::even, Ties::up, Ties::away}) {
        Rng rng(2);
        Buffer x = random_buffer(rng, 1003, -70.0F, 70.0F);
        for (std::int64_t i = 0; i < 400; ++i) x[i] = 0.25F * grid.scale * static_cast<float>(i - 200);
        x[500] = kInfinity, x[501] = -kInfinity, x[502] = NAN, x[503] = -0.0F, x[504] = 1e30F;
        Buffer y(x.size());
        Buffer expected(x.size());
        fake_quantize_f32(x.data(), x.size(), grid, ties, y.data(), 2);
        for (std::int64_t i = 0; i < x.size(); ++i) expected[i] = fake_quantize(x[i], grid, ties);
        CHECK(std::isnan(y[502]));
        y[502] = expected[502] = 0.0F;
        CHECK(same_bytes(y, expected));

        const Buffer dy = random_buffer(rng, x.size());
        Buffer dx(x.size());
        fake_quantize_backward_f32(x.data(), dy.data(), x.size(), grid, dx.data(), 2);
        bool right = true;
        for (std::int64_t i = 0; i < x.size(); ++i)
          right = right && dx[i] == (x[i] >= grid.low() && x[i] <= grid.high() ? dy[i] : 0.0F);
        CHECK(right);
      }
  });
}

TEST_CASE("element by element operations") {
  for_each_level([&] {
    for (const std::int64_t n : {0, 1, 7, 8, 15, 16, 17, 100, 40000}) {
      Rng rng(static_cast<std::uint64_t>(n));
      const Buffer a = random_buffer(rng, n, -3.0F, 8.0F);
      const Buffer b = random_buffer(rng, n, -3.0F, 8.0F);
      Buffer sum(n), bounded(n), scaled(n), clamped(n), gradient(n);
      Buffer accumulated = b;
      add_f32(a.data(), b.data(), n, sum.data(), 2);
      add_f32(a.data(), b.data(), n, bounded.data(), 2, 0.0F, 6.0F);
      axpy_f32(0.5F, a.data(), n, accumulated.data(), 2);
      scale_f32(-2.0F, a.data(), n, scaled.data(), 2);
      clamp_f32(a.data(), n, 0.0F, 6.0F, clamped.data(), 2);
      clamp_backward_f32(clamped.data(), b.data(), n, 0.0F, 6.0F, gradient.data(), 2);
      bool right = true;
      for (std::int64_t i = 0; i < n; ++i) {
        right = right && sum[i] == a[i] + b[i] && bounded[i] == std::min(6.0F, std::max(0.0F, a[i] + b[i]));
        right = right && std::fabs(accumulated[i] - (b[i] + 0.5F * a[i])) < 1e-6F && scaled[i] == -2.0F * a[i];
        right = right && clamped[i] == std::min(6.0F, std::max(0.0F, a[i]));
        right = right && gradient[i] == (a[i] > 0.0F && a[i] < 6.0F ? b[i] : 0.0F);
      }
      CHECK_MESSAGE(right, n, " elements, level ", name_of(active_isa()));
    }
    Buffer strange(3);
    strange[1] = NAN;
    clamp_f32(strange.data(), 3, 0.0F, 6.0F, strange.data(), 1);
    CHECK(std::isnan(strange[1]));
  });
}

TEST_CASE("min_max_f32") {
  for_each_level([&] {
    for (const std::int64_t n : {1, 5, 64, 65, 127, 70000}) {
      Rng rng(static_cast<std::uint64_t>(n));
      Buffer x = random_buffer(rng, n, -5.0F, 3.0F);
      x[n / 2] = 100.0F;
      x[n - 1] = n > 1 ? -100.0F : 100.0F;
      const MinMaxF32 range = min_max_f32(x.data(), n, "activations", 2);
      CHECK(range.minimum == x[n - 1]);
      CHECK(range.maximum == 100.0F);
      for (const float bad : {NAN, kInfinity, -kInfinity})
        for (const std::int64_t place : {std::int64_t{0}, n / 3, n - 1}) {
          Buffer broken = x;
          broken[place] = bad;
          std::string text;
          try {
            min_max_f32(broken.data(), n, "activations", 2);
          } catch (const Error& error) {
            text = error.what();
          }
          CHECK(text.find("'activations'") != std::string::npos);
          CHECK(text.find("index " + std::to_string(place)) != std::string::npos);
        }
    }
    CHECK_THROWS_AS(min_max_f32(nullptr, 0, "empty", 1), Error);
  });
}

TEST_CASE("optimizer steps equal their formulas") {
  for_each_level([&] {
    for (const std::int64_t n : {1, 8, 33, 20000}) {
      Rng rng(static_cast<std::uint64_t>(n));
      const Buffer p0 = random_buffer(rng, n);
      const Buffer g = random_buffer(rng, n);
      const Buffer m0 = random_buffer(rng, n);
      const Buffer v0 = random_buffer(rng, n, 0.0F, 1.0F);
      Buffer p = p0;
      Buffer m = m0;
      Buffer v = v0;
      adam_update_f32(p.data(), g.data(), m.data(), v.data(), n, 0.01F, 0.9F, 0.999F, 1e-7F, 0.1F, 2);
      Buffer plain = p0;
      Buffer nesterov = p0;
      Buffer speed = m0;
      Buffer speed2 = m0;
      sgd_momentum_update_f32(plain.data(), g.data(), speed.data(), n, 0.01F, 0.9F, 0.1F, false, 2);
      sgd_momentum_update_f32(nesterov.data(), g.data(), speed2.data(), n, 0.01F, 0.9F, 0.1F, true, 2);
      double worst = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double gradient = g[i] + 0.1 * p0[i];
        const double first = 0.9 * m0[i] + 0.1 * gradient;
        const double second = 0.999 * v0[i] + 0.001 * gradient * gradient;
        const double velocity = 0.9 * m0[i] - 0.01 * gradient;
        worst = std::max({worst, std::fabs(m[i] - first), std::fabs(v[i] - second), std::fabs(speed[i] - velocity),
                          std::fabs(p[i] - (p0[i] - 0.01 * first / (std::sqrt(second) + 1e-7))),
                          std::fabs(plain[i] - (p0[i] + velocity)),
                          std::fabs(nesterov[i] - (p0[i] + 0.9 * velocity - 0.01 * gradient))});
      }
      CHECK_MESSAGE(worst < 1e-4, n, " elements, level ", name_of(active_isa()));
    }
  });
}
