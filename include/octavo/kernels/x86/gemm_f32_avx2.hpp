// octavo/kernels/x86/gemm_f32_avx2.hpp: blocks of a float matrix product with AVX2 and FMA.
//
// A register tile of 6 x 16 holds 12 accumulators; a step in depth costs 2 loads of B, 6 broadcasts, 12 multiply-adds.
#ifndef OCTAVO_KERNELS_X86_GEMM_F32_AVX2_HPP_
#define OCTAVO_KERNELS_X86_GEMM_F32_AVX2_HPP_

#include "../reference/gemm_f32.hpp"
#include "prefetch_stream.hpp"
#include "transpose_f32_avx2.hpp"
#if OCTAVO_X86
#include <immintrin.h>

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct GemmF32<Isa::avx2> {
  static constexpr std::string_view kName = "f32_gemm_6x16_avx2";
  static constexpr std::int64_t kRows = 6;
  static constexpr std::int64_t kColumns = 16;

  static void block(const GemmBlockF32& g) {
    g.segment < g.depth ? panels<GemmFormF32::segments>(g) : panels<GemmFormF32::plain>(g);
  }
  static void block_transposed(const GemmBlockF32& g) { panels<GemmFormF32::transposed>(g); }

  static void pack_transposed(const float* b, std::int64_t ldb, std::int64_t depth, std::int64_t columns,
                              float* panel) {
    transpose_f32_avx2(b, ldb, columns, depth, panel, kColumns, kColumns);
  }

 private:
  template <GemmFormF32 Form>
  OCTAVO_TARGET_AVX2 static void panels(const GemmBlockF32& g) {
    PrefetchStream ahead(g);
    std::int64_t j = 0;
    for (; j + 16 <= g.columns; j += 16) panel<2, false, Form>(g, j, ahead);
    if constexpr (Form == GemmFormF32::segments) return;
    if (j + 8 <= g.columns) panel<1, false, Form>(g, j, ahead), j += 8;
    if (j < g.columns) panel<1, true, Form>(g, j, ahead);
    if (g.stream) _mm_sfence();
  }

  template <int Vectors, bool Masked, GemmFormF32 Form>
  OCTAVO_TARGET_AVX2 static void panel(const GemmBlockF32& g, std::int64_t j, PrefetchStream& ahead) {
    std::int64_t i = 0;
    if constexpr (Form != GemmFormF32::transposed) {
      for (; i + 6 <= g.rows; i += 6) tile<6, Vectors, Masked, Form>(g, i, j, ahead);
      for (; i + 2 <= g.rows; i += 2) tile<2, Vectors, Masked, Form>(g, i, j, ahead);
      for (; i < g.rows; ++i) tile<1, Vectors, Masked, Form>(g, i, j, ahead);
    } else {
      for (; i + 6 <= g.rows; i += 6) tile<6, Vectors, Masked, Form>(g, i, j, ahead);
      for (; i + 4 <= g.rows; i += 4) tile<4, Vectors, Masked, Form>(g, i, j, ahead);
      for (; i < g.rows; ++i) tile<1, Vectors, Masked, Form>(g, i, j, ahead);
    }
  }

  template <int Rows, int Vectors, bool Masked, GemmFormF32 Form>
  OCTAVO_TARGET_AVX2 OCTAVO_DETAIL_UNROLLED static void tile(const GemmBlockF32& g, std::int64_t i, std::int64_t j,
                                                             PrefetchStream& stream) {
    using V = VectorF32<Isa::avx2>;
    constexpr bool Transposed = Form == GemmFormF32::transposed;
    const std::int64_t tail = Masked ? g.columns - j : 8;  // lanes of a masked vector, of which there is one
    float* c = g.c + i * g.ldc + j;

    constexpr auto height = static_cast<std::size_t>(Rows);  // g++ 12 warns of a dependent signed array bound
    constexpr auto width = static_cast<std::size_t>(Vectors);
    __m256 sum[height][width];
    const GemmStartF32 start = start_of(g, i, j);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      const float* from = start.from + r * start.stride;
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[r][v] = Masked ? V::load(from, tail) : V::load(from + 8 * v);
    }

    constexpr std::size_t groups =
        Transposed ? 1 : (height + 2) / 3;  // as in the AVX-512 tile: three rows share a base
    const float* a[groups];
#pragma GCC unroll 8
    for (std::size_t s = 0; s < groups; ++s)
      a[s] = g.a + (Transposed ? i : (i + 3 * static_cast<std::int64_t>(s)) * g.a_row);
    const float* b = g.b + j / kColumns * g.b_panel + j % kColumns;
    const std::int64_t a_row = g.a_row;
    const PrefetchStream::Lines lines = stream.take(g.depth);
    const char* ahead = lines.first;
    std::int64_t left = g.segment;
    for (std::int64_t p = 0; p < g.depth; ++p) {
      _mm_prefetch(ahead, _MM_HINT_T1);
      ahead += lines.step;
      __m256 w[width];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) w[v] = Masked ? V::load(b, tail) : V::load(b + 8 * v);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const float* x = Transposed ? a[0] + r : a[Transposed ? 0 : r / 3] + r % 3 * a_row;
        const __m256 scalar = V::set(*x);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = V::fma(scalar, w[v], sum[r][v]);
      }
#pragma GCC unroll 8
      for (std::size_t s = 0; s < groups; ++s) a[s] += Transposed ? g.a_depth : 1;
      if (Form == GemmFormF32::segments && --left == 0) {
        left = g.segment;
#pragma GCC unroll 8
        for (std::size_t s = 0; s < groups; ++s) a[s] += g.jump - left;
      }
      b += g.b_depth;
    }

    if (Form != GemmFormF32::transposed && g.addend != nullptr) {
      const float* addend = g.addend + i * g.ldc + j;
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v)
          sum[r][v] =
              V::add(sum[r][v], Masked ? V::load(addend + r * g.ldc, tail) : V::load(addend + r * g.ldc + 8 * v));
    }
    if (g.clamp) {
      const __m256 low = V::set(g.low);
      const __m256 high = V::set(g.high);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[r][v] = V::min(high, V::max(low, sum[r][v]));
    }
    // Both halves of a line at once, around the caches: see the AVX-512 tile.
    if (g.stream && Vectors == 2 &&
        (reinterpret_cast<std::uintptr_t>(c) | static_cast<std::uintptr_t>(g.ldc) * 4) % 64 == 0) {
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) _mm256_stream_ps(c + r * g.ldc + 8 * v, sum[r][v]);
      return;
    }
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) {
        if (Masked)
          V::store(c + r * g.ldc, sum[r][v], tail);
        else
          V::store(c + r * g.ldc + 8 * v, sum[r][v]);
      }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_F32_AVX2_HPP_
