// The float matrix product on every level against a plain triple loop.
#include <doctest/doctest.h>
#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "f32_support.hpp"
#include "octavo/kernels/gemm_f32.hpp"

using namespace octavo;
using octavo_test::Buffer;
using octavo_test::for_each_level;

namespace {

struct Case {
  std::int64_t m, n, k;
  std::int64_t extra = 0;  // added to each leading dimension
};

void check_product(Transpose ta, Transpose tb, const Case& s, bool accumulate, int threads) {
  const bool at = ta == Transpose::yes;
  const bool bt = tb == Transpose::yes;
  const std::int64_t lda = (at ? s.m : s.k) + s.extra;
  const std::int64_t ldb = (bt ? s.k : s.n) + s.extra;
  const std::int64_t ldc = s.n + s.extra;
  Rng rng(static_cast<std::uint64_t>(s.m * 10007 + s.n * 101 + s.k));
  const auto extent = [](std::int64_t rows, std::int64_t columns, std::int64_t stride) {
    return rows == 0 || columns == 0 ? 0 : (rows - 1) * stride + columns;
  };
  const Buffer a = octavo_test::random_buffer(rng, at ? extent(s.k, s.m, lda) : extent(s.m, s.k, lda));
  const Buffer b = octavo_test::random_buffer(rng, bt ? extent(s.n, s.k, ldb) : extent(s.k, s.n, ldb));
  Buffer c = octavo_test::random_buffer(rng, extent(s.m, s.n, ldc));
  const Buffer before = c;
  Workspace workspace;
  gemm_f32(ta, tb, s.m, s.n, s.k, a.data(), lda, b.data(), ldb, c.data(), ldc, accumulate, workspace, threads);
  double worst = 0;
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < ldc && i * ldc + j < c.size(); ++j) {
      if (j >= s.n) {
        if (c[i * ldc + j] != before[i * ldc + j]) worst = 1e9;  // the gap between two rows stays as it was
        continue;
      }
      double sum = accumulate ? before[i * ldc + j] : 0.0;
      for (std::int64_t p = 0; p < s.k; ++p)
        sum += static_cast<double>(at ? a[p * lda + i] : a[i * lda + p]) * (bt ? b[j * ldb + p] : b[p * ldb + j]);
      worst = std::max(worst, std::fabs(sum - c[i * ldc + j]));
    }
  CHECK_MESSAGE(worst < 1e-6 * (4 + static_cast<double>(s.k)), "m ", s.m, " n ", s.n, " k ", s.k, " ta ", at, " tb ",
                bt, " accumulate ", accumulate, " threads ", threads, " level ", name_of(active_isa()));
}

}  // namespace

TEST_CASE("gemm_f32 equals a triple loop around every tile width") {
  const std::int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 48, 65};
  for_each_level([&] {
    for (const Transpose ta : {Transpose::no, Transpose::yes})
      for (const Transpose tb : {Transpose::no, Transpose::yes})
        for (const std::int64_t m : sizes)
          for (const std::int64_t n : sizes) {
            const std::int64_t k = sizes[static_cast<std::size_t>(m * 7 + n * 3) % std::size(sizes)];
            check_product(ta, tb, {m, n, k}, (m + n) % 2 == 0, 1);
          }
  });
}

TEST_CASE("gemm_f32: blocks in depth, leading dimensions, empty extents") {
  const Case cases[] = {{30, 40, 900, 3}, {3, 200, 800},  {1, 100, 1280}, {1, 9, 128},   {200, 3, 385, 5},
                        {16, 24, 2000},   {24, 16, 1999}, {33, 17, 5000}, {0, 5, 3},     {5, 0, 3},
                        {5, 4, 0},        {64, 1, 64, 1}, {2, 2100, 600}, {150, 64, 64}, {7, 31, 70, 1},
                        {100, 1, 1000},   {1, 1, 3000}};
  for_each_level([&] {
    for (const Transpose ta : {Transpose::no, Transpose::yes})
      for (const Transpose tb : {Transpose::no, Transpose::yes})
        for (const Case& s : cases)
          for (const int threads : {1, 2, 3}) check_product(ta, tb, s, threads == 2, threads);
  });
}

TEST_CASE("gemm_f32 gives the same bytes each time") {
  Rng rng(5);
  const Buffer x = octavo_test::random_buffer(rng, 3000 * 40);
  const Buffer dy = octavo_test::random_buffer(rng, 3000 * 24);
  Workspace workspace;
  Buffer first(24 * 40);
  Buffer second(24 * 40);
  for (Buffer* c : {&first, &second})
    gemm_f32(Transpose::yes, Transpose::no, 24, 40, 3000, dy.data(), 24, x.data(), 40, c->data(), 40, false, workspace,
             2);
  CHECK(std::equal(first.data(), first.data() + first.size(), second.data()));
}

TEST_CASE("gemm_f32 agrees with Eigen in double on MobileNetV2's layers: forward, input and weight gradient") {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Map = Eigen::Map<const RowMajor>;
  struct Layer {
    std::int64_t pixels, in, out;
  };
  const Layer layers[] = {{196, 16, 96}, {49, 144, 24}, {98, 192, 64}, {49, 576, 96}, {49, 960, 320}, {3, 1280, 9}};
  for_each_level([&] {
    for (const Layer& layer : layers) {
      Rng rng(static_cast<std::uint64_t>(layer.in));
      const Buffer x = octavo_test::random_buffer(rng, layer.pixels * layer.in);
      const Buffer w = octavo_test::random_buffer(rng, layer.out * layer.in);
      const Buffer dy = octavo_test::random_buffer(rng, layer.pixels * layer.out);
      const Eigen::MatrixXd xs = Map(x.data(), layer.pixels, layer.in).cast<double>();
      const Eigen::MatrixXd ws = Map(w.data(), layer.out, layer.in).cast<double>();
      const Eigen::MatrixXd dys = Map(dy.data(), layer.pixels, layer.out).cast<double>();
      Workspace workspace;
      const auto close = [&](const Buffer& found, const Eigen::MatrixXd& expected, std::int64_t depth) {
        const Map map(found.data(), expected.rows(), expected.cols());
        CHECK((map.cast<double>() - expected).cwiseAbs().maxCoeff() < 1e-6 * (4 + static_cast<double>(depth)));
      };
      Buffer y(layer.pixels * layer.out), dx(layer.pixels * layer.in), dw(layer.out * layer.in);
      gemm_f32(Transpose::no, Transpose::yes, layer.pixels, layer.out, layer.in, x.data(), layer.in, w.data(), layer.in,
               y.data(), layer.out, false, workspace, 1);
      close(y, xs * ws.transpose(), layer.in);
      gemm_f32(Transpose::no, Transpose::no, layer.pixels, layer.in, layer.out, dy.data(), layer.out, w.data(),
               layer.in, dx.data(), layer.in, false, workspace, 1);
      close(dx, dys * ws, layer.out);
      gemm_f32(Transpose::yes, Transpose::no, layer.out, layer.in, layer.pixels, dy.data(), layer.out, x.data(),
               layer.in, dw.data(), layer.in, false, workspace, 1);
      close(dw, dys.transpose() * xs, layer.pixels);
    }
  });
}
