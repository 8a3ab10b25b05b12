// octavo/kernels/reference/gemm_f32.hpp: one block of a float matrix product, in portable C++.
#ifndef OCTAVO_KERNELS_REFERENCE_GEMM_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_GEMM_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// C[i][j] = clamp(start + sum over p of A[i][p] * B[p][j] + addend), i < rows, j < columns, p < depth, with
//   A[i][p] = a[i * a_row + p / segment * jump + p % segment], or transposed: a[i + p * a_depth];
//   B[p][j] = b[(j / W) * b_panel + p * b_depth + j % W], W the level's kColumns: packed panels, or a plain row-major
//   matrix when b_panel is W. Packed panels hold zeros up to W columns; of a plain matrix nothing beyond is read;
//   start = C[i][j] when accumulate, else bias[j], else 0 (bias null);
//   addend = addend[i * ldc + j], not of transposed products; null: none.
//
// Hints, without effect on the result: `stream` writes C around the caches where lines are written whole; `ahead` are
// stretches of memory that the next block will read; `far` says that B is packed, large and read for few rows: each
// panel comes from far away.
struct GemmBlockF32 {
  static constexpr std::int64_t kWholeDepth = std::numeric_limits<std::int64_t>::max();
  struct Stretch {
    const float* begin = nullptr;
    std::int64_t floats = 0;
  };
  std::int64_t rows, columns, depth;
  const float* a;
  std::int64_t a_row;
  std::int64_t a_depth = 1;            // transposed only
  std::int64_t segment = kWholeDepth;  // depths that are neighbours in memory; a block begins with a whole one
  std::int64_t jump = 0;               // from the begin of one segment to the next
  const float* b;
  std::int64_t b_panel, b_depth;
  float* c;
  std::int64_t ldc;
  bool accumulate = false;
  const float* bias = nullptr;
  const float* addend = nullptr;
  bool clamp = false;
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool stream = false;
  bool far = false;
  Stretch ahead[2];
};

// Where a tile's sums start: C, bias, or zeros, with the stride from row to row.
struct GemmStartF32 {
  const float* from;
  std::int64_t stride;
};
inline GemmStartF32 start_of(const GemmBlockF32& g, std::int64_t i, std::int64_t j) {
  if (g.accumulate) return {g.c + i * g.ldc + j, g.ldc};
  return {g.bias != nullptr ? g.bias + j : zeros_f32, 0};
}

// How a tile reads A: along rows, along rows in segments, or transposed.
enum class GemmFormF32 : std::uint8_t { plain, segments, transposed };

// block: any plain product, and in segments those whose columns are a multiple of kColumns.
template <Isa Level>
struct GemmF32 : GemmF32<fallback_of(Level)> {};

template <>
struct GemmF32<Isa::scalar> {
  static constexpr std::string_view kName = "f32_gemm_scalar";
  static constexpr std::int64_t kRows = 4;      // height of a register tile: the grain of the split over threads
  static constexpr std::int64_t kColumns = 16;  // width of a packed panel

  static void block(const GemmBlockF32& g) { rows<false>(g); }
  static void block_transposed(const GemmBlockF32& g) { rows<true>(g); }

  // panel[p][j] = b[j * ldb + p], p < depth, j < columns, zeros up to kColumns: packs B stored transposed.
  static void pack_transposed(const float* b, std::int64_t ldb, std::int64_t depth, std::int64_t columns,
                              float* panel) {
    for (std::int64_t p = 0; p < depth; ++p)
      for (std::int64_t j = 0; j < kColumns; ++j) panel[p * kColumns + j] = j < columns ? b[j * ldb + p] : 0.0F;
  }

 private:
  template <bool Transposed>
  static void rows(const GemmBlockF32& g) {
    for (std::int64_t j = 0; j < g.columns; j += kColumns)
      for (std::int64_t i = 0; i < g.rows; ++i) row<Transposed>(g, i, j, std::min(kColumns, g.columns - j));
  }

  template <bool Transposed>
  static void row(const GemmBlockF32& g, std::int64_t i, std::int64_t j, std::int64_t columns) {
    float* c = g.c + i * g.ldc + j;
    float sum[kColumns];
    const float* start = start_of(g, i, j).from;
    for (std::int64_t v = 0; v < columns; ++v) sum[v] = start[v];
    const float* a = g.a + (Transposed ? i : i * g.a_row);
    const float* b = g.b + j / kColumns * g.b_panel;
    std::int64_t left = g.segment;
    for (std::int64_t p = 0; p < g.depth; ++p, b += g.b_depth) {
      for (std::int64_t v = 0; v < columns; ++v) sum[v] += *a * b[v];
      a += Transposed ? g.a_depth : 1;
      if (!Transposed && --left == 0) {
        a += g.jump - g.segment;
        left = g.segment;
      }
    }
    for (std::int64_t v = 0; v < columns; ++v) {
      float value = sum[v];
      if (!Transposed && g.addend != nullptr) value += g.addend[i * g.ldc + j + v];
      if (g.clamp) {
        value = value < g.low ? g.low : value;
        value = value > g.high ? g.high : value;
      }
      c[v] = value;
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_GEMM_F32_HPP_
