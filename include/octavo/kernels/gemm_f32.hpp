// octavo/kernels/gemm_f32.hpp: the float matrix product of training, C (+)= op(A) op(B).
#ifndef OCTAVO_KERNELS_GEMM_F32_HPP_
#define OCTAVO_KERNELS_GEMM_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

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
// Panels of more than this do not wait in L2 from one run of a network to the next.
inline constexpr std::int64_t kGemmFarFloats = 1 << 15;
// A result of this size leaves the caches before it is read again.
inline constexpr std::int64_t kGemmStreamFloats = 1 << 22;

// The tile of one level. The drivers below are compiled once; only tiles are compiled for each level.
struct GemmLevelF32 {
  std::string_view name;
  std::int64_t rows, columns;  // of a register tile; a packed panel has `columns` columns
  void (*block)(const GemmBlockF32&);
  void (*pack_transposed)(const float* b, std::int64_t ldb, std::int64_t depth, std::int64_t columns, float* panel);
};

template <Isa Level>
struct SelectGemmF32 {
  using Tile = GemmF32<Level>;
  static GemmLevelF32 run() { return {Tile::kName, Tile::kRows, Tile::kColumns, &Tile::block, &Tile::pack_transposed}; }
};
template <class Lazy = void>
GemmLevelF32 gemm_level_f32() {
  return dispatch<SelectGemmF32>();
}
// The same for A stored transposed. Apart, so that a program that only runs models does not contain it.
template <Isa Level>
struct SelectGemmTransposedF32 {
  using Tile = GemmF32<Level>;
  static GemmLevelF32 run() {
    return {Tile::kName, Tile::kRows, Tile::kColumns, &Tile::block_transposed, &Tile::pack_transposed};
  }
};
template <class Lazy = void>
GemmLevelF32 gemm_transposed_level_f32() {
  return dispatch<SelectGemmTransposedF32>();
}

// Rows [i0, i1) and columns [j0, j1), j0 at a panel's begin, of a product whose B is packed: panel after panel,
// [k][level.columns] each. `whole` describes the whole product, its b is the first panel.
inline void packed_gemm_f32(const GemmLevelF32& level, const GemmBlockF32& whole, std::int64_t i0, std::int64_t i1,
                            std::int64_t j0, std::int64_t j1) {
  const std::int64_t fit = kGemmBlockFloats / (whole.depth + j1 - j0) / level.rows * level.rows;
  const std::int64_t step = std::max(level.rows, fit);
  const std::int64_t depth = whole.segment < whole.depth || i1 - i0 == 1 ? whole.depth : kGemmDepth;
  for (std::int64_t i = i0; i < i1; i += step)
    for (std::int64_t p = 0; p < whole.depth; p += depth) {
      GemmBlockF32 block = whole;
      block.rows = std::min(step, i1 - i);
      block.columns = j1 - j0;
      block.depth = std::min(depth, whole.depth - p);
      block.a = whole.a + i * whole.a_row + p * whole.a_depth;
      block.b = whole.b + j0 * whole.depth + p * level.columns;
      block.b_panel = level.columns * whole.depth;
      block.b_depth = level.columns;
      block.c = whole.c + i * whole.ldc + j0;
      if (whole.bias != nullptr) block.bias = whole.bias + j0;
      block.accumulate = whole.accumulate || p > 0;
      const bool last = p + depth >= whole.depth;
      block.clamp = whole.clamp && last;
      block.addend = whole.addend != nullptr && last ? whole.addend + i * whole.ldc + j0 : nullptr;
      block.stream = whole.stream && whole.depth <= depth;
      block.far = i1 - i0 <= 4 * level.rows && whole.depth * (j1 - j0) >= kGemmFarFloats;
      if (p == 0 && whole.a_row == whole.depth && i + step < i1)  // the next rows are one stretch of memory
        block.ahead[0] = {whole.a + (i + step) * whole.a_row, std::min(step, i1 - i - step) * whole.depth};
      level.block(block);
    }
}

// The whole of it, split over threads: where B is the larger operand by panels, one of which two threads may share,
// else by rows.
inline void packed_gemm_f32(const GemmLevelF32& level, const GemmBlockF32& whole, int threads) {
  const std::int64_t panels = blocks_in(whole.columns, level.columns);
  const std::int64_t tiles = blocks_in(whole.rows, level.rows);  // of a panel
  if (whole.columns > whole.rows && panels >= 2 * threads) {
    parallel_for(panels * tiles, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
      while (begin < end) {
        const std::int64_t j = begin / tiles, i = begin % tiles;
        const bool shared = i > 0 || end - begin < tiles;
        const std::int64_t next = shared ? std::min(end, (j + 1) * tiles) : end - end % tiles;
        packed_gemm_f32(level, whole, i * level.rows,
                        shared ? std::min((i + next - begin) * level.rows, whole.rows) : whole.rows, j * level.columns,
                        std::min(blocks_in(next, tiles) * level.columns, whole.columns));
        begin = next;
      }
    });
    return;
  }
  parallel_for(tiles, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
    packed_gemm_f32(level, whole, begin * level.rows, std::min(end * level.rows, whole.rows), 0, whole.columns);
  });
}

// Panel p of B: [k][columns], zeros beyond n.
inline void pack_panel_f32(const GemmLevelF32& level, const GemmProblemF32& g, std::int64_t p, float* panel) {
  const std::int64_t j = p * level.columns;
  const std::int64_t columns = std::min(level.columns, g.n - j);
  if (g.tb == Transpose::yes) {
    level.pack_transposed(g.b + j * g.ldb, g.ldb, g.k, columns, panel);
    return;
  }
  for (std::int64_t d = 0; d < g.k; ++d, panel += level.columns) {
    const float* from = g.b + d * g.ldb + j;
    std::copy(from, from + columns, panel);
    std::fill(panel + columns, panel + level.columns, 0.0F);
  }
}

// B is packed by all threads, some panels at a time.
inline void gemm_packing_f32(const GemmLevelF32& level, const GemmProblemF32& g, GemmWorkspace& workspace,
                             int threads) {
  const std::int64_t panel_floats = g.k * level.columns;
  const std::int64_t columns_at_once = std::max<std::int64_t>(1, kGemmPackedFloats / panel_floats) * level.columns;
  for (std::int64_t j = 0; j < g.n; j += columns_at_once) {
    GemmProblemF32 part = g;
    part.n = std::min(columns_at_once, g.n - j);
    part.b += g.tb == Transpose::no ? j : j * g.ldb;
    const std::int64_t panels = blocks_in(part.n, level.columns);
    float* packed = workspace.floats(Workspace::Slot::packed, 0, panels * panel_floats);
    parallel_for(panels, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
      for (std::int64_t p = begin; p < end; ++p) pack_panel_f32(level, part, p, packed + p * panel_floats);
    });
    GemmBlockF32 whole{};
    whole.rows = g.m;
    whole.columns = part.n;
    whole.depth = g.k;
    whole.a = g.a;
    whole.a_row = g.ta == Transpose::yes ? 1 : g.lda;
    whole.a_depth = g.ta == Transpose::yes ? g.lda : 1;
    whole.b = packed;
    whole.c = g.c + j;
    whole.ldc = g.ldc;
    whole.accumulate = g.accumulate;
    if (g.bias != nullptr) whole.bias = g.bias + j;
    whole.stream = !g.accumulate && g.m * g.n >= kGemmStreamFloats;
    packed_gemm_f32(level, whole, threads);
  }
}

// A weight gradient: a small result and a long sum, which is split over the threads; their results are added in order.
// Both operands are read where they lie.
inline void gemm_long_sum_f32(const GemmLevelF32& level, const GemmProblemF32& g, GemmWorkspace& workspace,
                              int threads) {
  const std::int64_t fit = kGemmBlockFloats / 2 / (g.m + g.n) / 8 * 8;
  const std::int64_t step = std::clamp<std::int64_t>(fit, 32, 512);
  const std::int64_t blocks = blocks_in(g.k, step);
  const auto parts = static_cast<int>(std::min<std::int64_t>(threads, blocks));
  parallel_for(blocks, parts, [&](std::int64_t begin, std::int64_t end, int part) {
    const std::int64_t last = std::min(end * step, g.k);
    GemmBlockF32 block{};
    block.rows = g.m;
    block.columns = g.n;
    block.a_row = 1;
    block.a_depth = g.lda;
    block.b_panel = level.columns;
    block.b_depth = g.ldb;
    block.c = part == 0 ? g.c : workspace.floats(Workspace::Slot::partial, part, g.m * g.n);
    block.ldc = part == 0 ? g.ldc : g.n;
    block.accumulate = part == 0 && g.accumulate;
    if (part == 0) block.bias = g.bias;
    for (std::int64_t p = begin * step; p < last; p += step) {
      block.depth = std::min(step, last - p);
      block.a = g.a + p * g.lda;
      block.b = g.b + p * g.ldb;
      const std::int64_t next = std::min(step, last - p - block.depth);  // rows of the next block
      block.ahead[0] = {block.a + block.depth * g.lda, g.lda == g.m ? next * g.m : 0};
      block.ahead[1] = {block.b + block.depth * g.ldb, g.ldb == g.n ? next * g.n : 0};
      level.block(block);
      block.accumulate = true;
    }
  });
  for (int part = 1; part < parts; ++part) {
    const float* from = workspace.floats(Workspace::Slot::partial, part, g.m * g.n);
    for (std::int64_t i = 0; i < g.m; ++i)
      for (std::int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] += from[i * g.n + j];
  }
}

inline void run_gemm_f32(const GemmProblemF32& g, GemmWorkspace& workspace, int threads) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) {
    for (std::int64_t i = 0; i < g.m && !g.accumulate; ++i)
      for (std::int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] = g.bias != nullptr ? g.bias[j] : 0.0F;
    return;
  }
  threads = std::max(threads, 1);
  workspace.reserve_parts(threads);
  if (g.tb == Transpose::no && g.ta == Transpose::yes && g.k >= 2 * std::max(g.m, g.n))
    gemm_long_sum_f32(gemm_transposed_level_f32(), g, workspace, threads);
  else
    gemm_packing_f32(g.ta == Transpose::yes ? gemm_transposed_level_f32() : gemm_level_f32(), g, workspace, threads);
}

}  // namespace detail

inline void gemm_f32(Transpose ta, Transpose tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                     std::int64_t lda, const float* b, std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate,
                     GemmWorkspace& workspace, int threads, const float* bias) {
  detail::run_gemm_f32({ta, tb, m, n, k, a, lda, b, ldb, c, ldc, accumulate, bias}, workspace, threads);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::GemmLevelF32 octavo::detail::gemm_level_f32<void>());
OCTAVO_ENTRY(octavo::detail::GemmLevelF32 octavo::detail::gemm_transposed_level_f32<void>());

#endif  // OCTAVO_KERNELS_GEMM_F32_HPP_
