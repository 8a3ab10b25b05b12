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

// C[i][j] = clamp(start + sum over p of A[i][p] * B[p][j]), i < rows, j < columns, p < depth, with
//   A[i][p] = a[i * a_row + p * a_depth], one of the two strides is 1;
//   B[p][j] = b[(j / W) * b_panel + p * b_depth + j % W], W the level's kColumns: packed panels, or a plain row-major
//   matrix when b_panel is W. Packed panels hold zeros up to W columns; of a plain matrix nothing beyond is read;
//   start = C[i][j] when accumulate, else bias[j], else 0 (bias null).
//
// Hints, without effect on the result: `stream` writes C around the caches where lines are written whole; `ahead` are
// stretches of memory that the next block will read.
struct GemmBlockF32 {
  struct Stretch {
    const float* begin = nullptr;
    std::int64_t floats = 0;
  };
  std::int64_t rows, columns, depth;
  const float* a;
  std::int64_t a_row, a_depth;
  const float* b;
  std::int64_t b_panel, b_depth;
  float* c;
  std::int64_t ldc;
  bool accumulate = false;
  const float* bias = nullptr;
  bool clamp = false;
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool stream = false;
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

template <Isa Level>
struct GemmF32 : GemmF32<fallback_of(Level)> {};

template <>
struct GemmF32<Isa::scalar> {
  static constexpr std::string_view kName = "f32_gemm_scalar";
  static constexpr std::int64_t kRows = 4;      // height of a register tile: the grain of the split over threads
  static constexpr std::int64_t kColumns = 16;  // width of a packed panel

  static void block(const GemmBlockF32& g) {
    for (std::int64_t j = 0; j < g.columns; j += kColumns)
      for (std::int64_t i = 0; i < g.rows; ++i) row(g, i, j, std::min(kColumns, g.columns - j));
  }

  // panel[p][j] = b[j * ldb + p], p < depth, j < columns, zeros up to kColumns: packs B stored transposed.
  static void pack_transposed(const float* b, std::int64_t ldb, std::int64_t depth, std::int64_t columns,
                              float* panel) {
    for (std::int64_t p = 0; p < depth; ++p)
      for (std::int64_t j = 0; j < kColumns; ++j) panel[p * kColumns + j] = j < columns ? b[j * ldb + p] : 0.0F;
  }

 private:
  static void row(const GemmBlockF32& g, std::int64_t i, std::int64_t j, std::int64_t columns) {
    float* c = g.c + i * g.ldc + j;
    float sum[kColumns];
    const float* start = start_of(g, i, j).from;
    for (std::int64_t v = 0; v < columns; ++v) sum[v] = start[v];
    const float* a = g.a + i * g.a_row;
    const float* b = g.b + j / kColumns * g.b_panel;
    for (std::int64_t p = 0; p < g.depth; ++p, a += g.a_depth, b += g.b_depth)
      for (std::int64_t v = 0; v < columns; ++v) sum[v] += *a * b[v];
    for (std::int64_t v = 0; v < columns; ++v) {
      float value = sum[v];
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
