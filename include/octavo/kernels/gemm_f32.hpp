// octavo/kernels/gemm_f32.hpp: the float matrix product of training, C (+)= op(A) op(B).
#ifndef OCTAVO_KERNELS_GEMM_F32_HPP_
#define OCTAVO_KERNELS_GEMM_F32_HPP_

#include <algorithm>
#include <cstdint>

#include "../core/cpu.hpp"
#include "../core/parallel.hpp"
#include "reference/gemm_f32.hpp"
#include "workspace_f32.hpp"
#include "x86/gemm_f32_avx2.hpp"
#include "x86/gemm_f32_avx512.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

enum class Transpose : std::uint8_t { no, yes };

// Row-major C[m][n] = (accumulate ? C : bias) + op(A)[m][k] * op(B)[k][n]; op(A)[i][p] = a[i * lda + p], transposed:
// a[p * lda + i]; likewise B with ldb. bias[n] is added to each row; null: zeros. C must not overlap A or B.
// The same bytes for the same arguments, level and number of threads. Between levels and thread counts sums are ordered
// differently: they agree within about 2 * sqrt(k) * 2^-24 times the sum of |A||B|.
inline void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                     std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate,
                     GemmWorkspace& workspace, int threads, const float* bias = nullptr);

namespace detail {

struct GemmProblemF32 {
  Transpose ta, tb;
  std::int64_t m, n, k;
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  float* c;
  std::int64_t ldc;
  bool accumulate;
  const float* bias = nullptr;
};

constexpr std::int64_t blocks_in(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// How a product is cut. Depth blocks keep a panel of B near the L1 cache, row blocks keep what a thread works on in L2.
inline constexpr std::int64_t kGemmDepth = 384;
inline constexpr std::int64_t kGemmPackedFloats = 1 << 20;
inline constexpr std::int64_t kGemmBlockFloats = 1 << 16;
// A result of this size leaves the caches before it is read again.
inline constexpr std::int64_t kGemmStreamFloats = 1 << 22;

// Rows [i0, i1) and columns [j0, j1), j0 a multiple of kColumns, of a product whose B is packed: panel after panel,
// [k][kColumns] each. `whole` describes the whole product: rows and columns are not read, b is the first panel.
template <Isa Level>
struct PackedGemmF32 {
  using Tile = GemmF32<Level>;
  static constexpr std::int64_t kColumns = Tile::kColumns;

  static void run(const GemmBlockF32& whole, std::int64_t i0, std::int64_t i1, std::int64_t j0, std::int64_t j1) {
    const std::int64_t fit = kGemmBlockFloats / (whole.depth + j1 - j0) / Tile::kRows * Tile::kRows;
    const std::int64_t step = std::max(Tile::kRows, fit);
    for (std::int64_t i = i0; i < i1; i += step)
      for (std::int64_t p = 0; p < whole.depth; p += kGemmDepth) {
        GemmBlockF32 block = whole;
        block.rows = std::min(step, i1 - i);
        block.columns = j1 - j0;
        block.depth = std::min(kGemmDepth, whole.depth - p);
        block.a = whole.a + i * whole.a_row + p * whole.a_depth;
        block.b = whole.b + (j0 / kColumns * whole.depth + p) * kColumns;
        block.b_panel = kColumns * whole.depth;
        block.b_depth = kColumns;
        block.c = whole.c + i * whole.ldc + j0;
        if (whole.bias != nullptr) block.bias = whole.bias + j0;
        block.accumulate = whole.accumulate || p > 0;
        block.clamp = whole.clamp && p + kGemmDepth >= whole.depth;
        block.stream = whole.stream && whole.depth <= kGemmDepth;
        if (p == 0 && whole.a_row == whole.depth && i + step < i1)  // the next rows are one stretch of memory
          block.ahead[0] = {whole.a + (i + step) * whole.a_row, std::min(step, i1 - i - step) * whole.depth};
        Tile::block(block);
      }
  }

  // The same for all rows and columns, split over threads: by panels where B is the larger operand, else by rows.
  static void run(const GemmBlockF32& whole, int threads) {
    const std::int64_t panels = blocks_in(whole.columns, kColumns);
    const std::int64_t tiles = blocks_in(whole.rows, Tile::kRows);
    if (whole.columns > whole.rows && panels >= 2 * threads) {
      parallel_for(panels, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
        run(whole, 0, whole.rows, begin * kColumns, std::min(end * kColumns, whole.columns));
      });
      return;
    }
    parallel_for(tiles, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
      run(whole, begin * Tile::kRows, std::min(end * Tile::kRows, whole.rows), 0, whole.columns);
    });
  }
};

template <Isa Level>
struct GemmDriverF32 {
  using Tile = GemmF32<Level>;
  static constexpr std::int64_t kColumns = Tile::kColumns;

  static void run(const GemmProblemF32& g, GemmWorkspace& workspace, int threads) {
    if (g.m == 0 || g.n == 0) return;
    if (g.k == 0) {
      for (std::int64_t i = 0; i < g.m && !g.accumulate; ++i)
        for (std::int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] = g.bias != nullptr ? g.bias[j] : 0.0F;
      return;
    }
    threads = std::max(threads, 1);
    workspace.reserve_parts(threads);
    // A weight gradient: a small result, a long sum. Both operands are read where they lie.
    const bool long_sum = g.tb == Transpose::no && g.ta == Transpose::yes && g.k >= 2 * std::max(g.m, g.n);
    if (long_sum)
      reduce(g, workspace, threads);
    else
      product(g, workspace, threads);
  }

 private:
  // Rows, or where there are few of them panels, are split over the threads; B is packed by all threads first.
  static void product(const GemmProblemF32& g, GemmWorkspace& workspace, int threads) {
    const std::int64_t panels_at_once = std::max<std::int64_t>(1, kGemmPackedFloats / (g.k * kColumns));
    for (std::int64_t j0 = 0; j0 < g.n; j0 += panels_at_once * kColumns) {
      GemmProblemF32 part = g;
      part.n = std::min(panels_at_once * kColumns, g.n - j0);
      part.b += g.tb == Transpose::no ? j0 : j0 * g.ldb;
      part.c += j0;
      if (g.bias != nullptr) part.bias += j0;
      const std::int64_t panels = blocks_in(part.n, kColumns);
      float* packed = workspace.floats(Workspace::Slot::packed, 0, panels * kColumns * g.k);
      parallel_for(panels, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
        for (std::int64_t p = begin; p < end; ++p) pack(part, p, packed + p * kColumns * g.k);
      });
      GemmBlockF32 whole{};
      whole.rows = g.m;
      whole.columns = part.n;
      whole.depth = g.k;
      whole.a = g.a;
      whole.a_row = g.ta == Transpose::yes ? 1 : g.lda;
      whole.a_depth = g.ta == Transpose::yes ? g.lda : 1;
      whole.b = packed;
      whole.c = part.c;
      whole.ldc = g.ldc;
      whole.accumulate = g.accumulate;
      whole.bias = part.bias;
      whole.stream = !g.accumulate && g.m * g.n >= kGemmStreamFloats;
      PackedGemmF32<Level>::run(whole, threads);
    }
  }

  // Panel p of B: [k][kColumns].
  static void pack(const GemmProblemF32& g, std::int64_t p, float* panel) {
    const std::int64_t j = p * kColumns;
    const std::int64_t columns = std::min(kColumns, g.n - j);
    if (g.tb == Transpose::yes) {
      Tile::pack_transposed(g.b + j * g.ldb, g.ldb, g.k, columns, panel);
      return;
    }
    for (std::int64_t d = 0; d < g.k; ++d) {
      const float* from = g.b + d * g.ldb + j;
      std::copy(from, from + columns, panel + d * kColumns);
      std::fill(panel + d * kColumns + columns, panel + (d + 1) * kColumns, 0.0F);
    }
  }

  // The sum is split over the threads; their results are added in the order of the threads.
  static void reduce(const GemmProblemF32& g, GemmWorkspace& workspace, int threads) {
    const std::int64_t fit = kGemmBlockFloats / 2 / (g.m + g.n) / 8 * 8;
    const std::int64_t step = std::clamp<std::int64_t>(fit, 32, 512);
    const std::int64_t blocks = blocks_in(g.k, step);
    const auto parts = static_cast<int>(std::min<std::int64_t>(threads, blocks));
    parallel_for(blocks, parts, [&](std::int64_t begin, std::int64_t end, int part) {
      float* c = part == 0 ? g.c : workspace.floats(Workspace::Slot::partial, part, g.m * g.n);
      for (std::int64_t p = begin * step; p < std::min(end * step, g.k); p += step) {
        GemmBlockF32 block{};
        block.rows = g.m;
        block.columns = g.n;
        block.depth = std::min(step, g.k - p);
        block.a = g.a + p * g.lda;
        block.a_row = 1;
        block.a_depth = g.lda;
        block.b = g.b + p * g.ldb;
        block.b_panel = kColumns;
        block.b_depth = g.ldb;
        block.c = c;
        block.ldc = part == 0 ? g.ldc : g.n;
        block.accumulate = p > begin * step || (part == 0 && g.accumulate);
        const std::int64_t next = std::min(end * step, g.k) - p - block.depth;  // rows left for this thread
        if (next > 0 && g.lda == g.m) block.ahead[0] = {block.a + block.depth * g.lda, std::min(step, next) * g.m};
        if (next > 0 && g.ldb == g.n) block.ahead[1] = {block.b + block.depth * g.ldb, std::min(step, next) * g.n};
        if (part == 0) block.bias = g.bias;
        Tile::block(block);
      }
    });
    for (int part = 1; part < parts; ++part) {
      const float* from = workspace.floats(Workspace::Slot::partial, part, g.m * g.n);
      for (std::int64_t i = 0; i < g.m; ++i)
        for (std::int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] += from[i * g.n + j];
    }
  }
};

}  // namespace detail

inline void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                     std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate,
                     GemmWorkspace& workspace, int threads, const float* bias) {
  const detail::GemmProblemF32 problem{ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate, bias};
  dispatch<detail::GemmDriverF32>(problem, workspace, threads);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_GEMM_F32_HPP_
