// The prepared float kernels of inference: the values of the training kernels with bias and limits applied, on every
// level, with scratch of exactly the size asked for.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "f32_support.hpp"
#include "octavo/kernels/conv2d_prepared_f32.hpp"

using namespace octavo;
using octavo_test::Buffer;
using octavo_test::for_each_level;
using octavo_test::random_buffer;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::span<const float> values_of(const Buffer& buffer) {
  return {buffer.data(), static_cast<std::size_t>(buffer.size())};
}

template <class Kernel>
Buffer run(const Kernel& kernel, const Buffer& in, std::int64_t outputs, std::int64_t batch, int threads) {
  const std::size_t bytes = kernel.scratch_bytes(threads);
  const auto scratch = std::make_unique<std::byte[]>(bytes);
  Buffer out(outputs, 99.0F);
  kernel.run(in.data(), out.data(), batch, threads, {scratch.get(), bytes});
  return out;
}

double difference(const Buffer& found, const Buffer& unbounded, float low, float high) {
  double worst = 0;
  for (std::int64_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(found[i]) - std::clamp(unbounded[i], low, high)));
  return worst;
}

}  // namespace

TEST_CASE("prepared convolutions give the clamped values of the training kernels") {
  const ConvGeometry geometries[] = {{7, 7, 24, 7, 7, 40, 1, {}},
                                     {14, 14, 16, 14, 14, 96, 1, {}},
                                     {1, 1, 900, 1, 1, 33, 1, {}},
                                     {9, 9, 3, 5, 5, 32, 1, {3, 3, 2, 2, 1, 1, 1, 1}},
                                     {8, 7, 12, 8, 7, 18, 3, {3, 3, 1, 1, 1, 1, 1, 1}},
                                     {3, 3, 500, 3, 3, 70, 1, {1, 1, 1, 1, 1, 1, 0, 0}},
                                     {5, 5, 100, 5, 5, 8, 1, {3, 3, 1, 1, 1, 1, 1, 1}},
                                     {1, 1, 600, 1, 1, 300, 1, {}},
                                     // wide rows, few channels: read in place
                                     {7, 64, 3, 4, 32, 32, 1, {3, 3, 2, 2, 1, 1, 0, 0}},
                                     {5, 37, 5, 5, 37, 64, 1, {3, 3, 1, 1, 1, 1, 1, 1}},
                                     {8, 30, 2, 4, 30, 32, 1, {3, 5, 1, 1, 2, 1, 0, 2}},
                                     {2, 28, 4, 3, 30, 32, 1, {2, 3, 1, 1, 1, 1, 1, 2}}};
  for_each_level([&] {
    for (const ConvGeometry& g : geometries)
      for (const bool bounded : {false, true})
        for (const int threads : {1, 2, 3})
          for (const std::int64_t batch : {1, 2}) {
            Rng rng(11);
            const Buffer x = random_buffer(rng, batch * g.in_size());
            const Buffer w = random_buffer(rng, g.out_c * g.window.kernel_h * g.window.kernel_w * g.in_c / g.groups);
            const Buffer bias = random_buffer(rng, g.out_c);
            const float low = bounded ? 0.0F : -kInfinity;
            const float high = bounded ? 1.5F : kInfinity;
            Workspace workspace;
            Buffer expected(batch * g.out_size());
            conv2d_f32(g, batch, x.data(), w.data(), bias.data(), expected.data(), workspace, 1);
            const Conv2dF32 conv(g, values_of(w), values_of(bias), low, high);
            CHECK(difference(run(conv, x, expected.size(), batch, threads), expected, low, high) < 1e-4);
            conv2d_f32(g, batch, x.data(), w.data(), nullptr, expected.data(), workspace, 1);
            const Conv2dF32 plain(g, values_of(w), {}, low, high);
            CHECK(difference(run(plain, x, expected.size(), batch, threads), expected, low, high) < 1e-4);
          }
  });
}

TEST_CASE("a pointwise convolution that ends in a sum gives its bytes") {
  const ConvGeometry geometries[] = {{7, 7, 24, 7, 7, 40, 1, {}},
                                     {3, 9, 400, 3, 9, 20, 1, {}},
                                     {1, 1, 70, 1, 1, 300, 1, {}},
                                     {5, 5, 8, 5, 5, 7, 1, {}}};
  for_each_level([&] {
    for (const ConvGeometry& g : geometries)
      for (const float high : {0.5F, kInfinity})
        for (const int threads : {1, 2}) {
          Rng rng(13);
          const Buffer x = random_buffer(rng, 2 * g.in_size());
          const Buffer w = random_buffer(rng, g.out_c * g.in_c);
          const Buffer bias = random_buffer(rng, g.out_c);
          const Buffer addend = random_buffer(rng, 2 * g.out_size());
          const Conv2dF32 plain(g, values_of(w), values_of(bias), -kInfinity, kInfinity);
          const Conv2dF32 ended(g, values_of(w), values_of(bias), -0.25F, high);
          const Buffer sums = run(plain, x, 2 * g.out_size(), 2, threads);
          Buffer found(2 * g.out_size());
          ended.run_and_add(x.data(), addend.data(), found.data(), 2, threads);
          bool same = true;
          for (std::int64_t i = 0; i < found.size(); ++i)
            same = same && found[i] == std::clamp(sums[i] + addend[i], -0.25F, high);
          CHECK(same);
        }
  });
}

TEST_CASE("prepared depthwise convolutions give the clamped values of the training kernels") {
  const ConvGeometry geometries[] = {{7, 7, 40, 7, 7, 40, 1, {3, 3, 1, 1, 1, 1, 1, 1}},
                                     {15, 14, 17, 8, 7, 17, 1, {3, 3, 2, 2, 1, 1, 1, 1}},
                                     {6, 6, 5, 6, 6, 15, 1, {5, 5, 1, 1, 1, 1, 2, 2}},
                                     {9, 9, 16, 9, 9, 16, 1, {3, 3, 1, 1, 2, 2, 2, 2}}};
  for_each_level([&] {
    for (const ConvGeometry& g : geometries)
      for (const int threads : {1, 2, 3}) {
        Rng rng(12);
        const Buffer x = random_buffer(rng, 2 * g.in_size());
        const Buffer w = random_buffer(rng, g.out_c * g.window.kernel_h * g.window.kernel_w);
        const Buffer bias = random_buffer(rng, g.out_c);
        Workspace workspace;
        Buffer expected(2 * g.out_size());
        depthwise_conv2d_f32(g, 2, x.data(), w.data(), bias.data(), expected.data(), workspace, 1);
        const DepthwiseConv2dF32 conv(g, values_of(w), values_of(bias), 0.0F, 1.0F);
        CHECK(difference(run(conv, x, expected.size(), 2, threads), expected, 0.0F, 1.0F) < 1e-4);
      }
  });
}

TEST_CASE("prepared dense layers") {
  for_each_level([&] {
    for (const std::int64_t in : {1, 16, 777})
      for (const std::int64_t out : {1, 9, 32, 100})
        for (const std::int64_t rows : {1, 3, 20}) {
          Rng rng(static_cast<std::uint64_t>(in + out));
          const Buffer x = random_buffer(rng, rows * in);
          const Buffer w = random_buffer(rng, out * in);
          const Buffer bias = random_buffer(rng, out);
          const DenseF32 dense(in, out, values_of(w), values_of(bias), -0.5F, kInfinity);
          const Buffer found = run(dense, x, rows * out, rows, 2);
          Buffer expected(rows * out);
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t o = 0; o < out; ++o) {
              double sum = bias[o];
              for (std::int64_t i = 0; i < in; ++i) sum += static_cast<double>(x[r * in + i]) * w[o * in + i];
              expected[r * out + o] = static_cast<float>(sum);
            }
          CHECK(difference(found, expected, -0.5F, kInfinity) < 1e-4);
        }
  });
}

TEST_CASE("prepared kernels refuse what does not fit") {
  const Buffer w(12);
  const Buffer bias(4);
  const ConvGeometry g{2, 2, 3, 2, 2, 4, 1, {}};
  CHECK_NOTHROW(Conv2dF32(g, values_of(w), values_of(bias), 0.0F, 1.0F));
  CHECK_THROWS_AS(Conv2dF32(g, values_of(bias), values_of(bias), 0.0F, 1.0F), Error);
  CHECK_THROWS_AS(Conv2dF32(g, values_of(w), values_of(w), 0.0F, 1.0F), Error);
  CHECK_THROWS_AS(Conv2dF32(g, values_of(w), values_of(bias), 2.0F, 1.0F), Error);
  CHECK_THROWS_AS(DenseF32(3, 5, values_of(w), {}, 0.0F, 1.0F), Error);
  CHECK_THROWS_AS(DepthwiseConv2dF32(g, values_of(w), {}, 0.0F, 1.0F), Error);
  ConvGeometry windowed = g;
  windowed.window.kernel_h = 3;
  windowed.window.pad_top = 1;
  const Buffer more(36);
  const Conv2dF32 conv(windowed, values_of(more), {}, 0.0F, 1.0F);
  Buffer x(12);
  Buffer y(16);
  CHECK_THROWS_AS(conv.run(x.data(), y.data(), 1, 1, {}), Error);
}

TEST_CASE("the kernel names its level") {
  const Buffer w(1);
  for_each_level([&] {
    const DenseF32 dense(1, 1, values_of(w), {}, -kInfinity, kInfinity);
    const std::string_view level = active_isa() == Isa::avx512vnni ? "avx512" : name_of(active_isa());
    CHECK(dense.kernel_name().find(level) != std::string_view::npos);
  });
}
