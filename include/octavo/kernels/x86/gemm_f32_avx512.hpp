// octavo/kernels/x86/gemm_f32_avx512.hpp: blocks of a float matrix product with AVX-512.
//
// A register tile of 14 x 32 (A read along its rows) or 12 x 32 (A stored transposed) holds 28 or 24 accumulators; a
// step in depth costs 2 loads of B, 14 or 12 broadcasts and 28 or 24 multiply-adds, so B may come from the L2 cache.
#ifndef OCTAVO_KERNELS_X86_GEMM_F32_AVX512_HPP_
#define OCTAVO_KERNELS_X86_GEMM_F32_AVX512_HPP_

#include "../reference/gemm_f32.hpp"
#include "prefetch_stream.hpp"
#include "transpose_f32_avx2.hpp"
#if OCTAVO_X86
#include <immintrin.h>

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct GemmF32<Isa::avx512vnni> {
  static constexpr std::string_view kName = "f32_gemm_14x32_avx512";
  static constexpr std::int64_t kRows = 14;
  static constexpr std::int64_t kColumns = 32;

  static void block(const GemmBlockF32& g) {
    g.segment < g.depth ? panels<GemmFormF32::segments>(g) : panels<GemmFormF32::plain>(g);
  }
  static void block_transposed(const GemmBlockF32& g) { panels<GemmFormF32::transposed>(g); }

  static void pack_transposed(const float* b, std::int64_t ldb, std::int64_t depth, std::int64_t columns,
                              float* panel) {
    transpose_f32_avx2(b, ldb, columns, depth, panel, kColumns, kColumns);
  }

 private:
  static constexpr std::int64_t kAhead = 1024;  // floats

  // What follows the whole vectors of a tile: nothing, up to 8 columns in a ymm, or up to 16 in a zmm, masked.
  enum class Tail : std::uint8_t { none, half, whole };

  template <GemmFormF32 Form>
  OCTAVO_TARGET_AVX512VNNI static void panels(const GemmBlockF32& g) {
    PrefetchStream ahead(g);
    std::int64_t j = 0;
    if (Form == GemmFormF32::plain && g.rows == 1 && g.b_panel > kColumns)
      for (; j + 4 * kColumns <= g.columns; j += 4 * kColumns) four_panels(g, j);
    while (j < g.columns) {
      const std::int64_t left = g.columns - j;
      if (left >= 32) {
        if constexpr (Form == GemmFormF32::plain) ahead.aim_behind(g, j, kColumns);
        panel<2, Tail::none, Form>(g, j, ahead);
        j += 32;
      } else if constexpr (Form == GemmFormF32::segments) {
        return;
      } else if (left > 24) {
        panel<1, Tail::none, Form>(g, j, ahead);
        j += 16;
      } else if (left > 16) {
        panel<1, Tail::half, Form>(g, j, ahead);
        j += 24;
      } else {
        panel<0, Tail::whole, Form>(g, j, ahead);
        j += 16;
      }
    }
    if (g.stream) _mm_sfence();
  }

  // One row times four packed panels. B is read once, from far away: four streams, prefetched.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_DETAIL_UNROLLED static void four_panels(const GemmBlockF32& g, std::int64_t j) {
    __m512 sum[4][2];
    const float* b[4];
    const float* const from = start_of(g, 0, j).from;
    const bool shared = !g.accumulate && g.bias == nullptr;  // zeros, of one panel's width
#pragma GCC unroll 4
    for (int n = 0; n < 4; ++n) {
      b[n] = g.b + (j / kColumns + n) * g.b_panel;
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sum[n][v] = _mm512_loadu_ps(from + (shared ? 0 : kColumns * n) + 16 * v);
    }
    const float* const a = g.a;
    for (std::int64_t p = 0; p < g.depth; ++p) {
      const __m512 scalar = _mm512_set1_ps(a[p]);
#pragma GCC unroll 4
      for (int n = 0; n < 4; ++n) {
        prefetch_f32(b[n], kAhead);
        prefetch_f32(b[n], kAhead + 16);
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) sum[n][v] = _mm512_fmadd_ps(scalar, _mm512_loadu_ps(b[n] + 16 * v), sum[n][v]);
        b[n] += g.b_depth;
      }
    }
#pragma GCC unroll 4
    for (int n = 0; n < 4; ++n)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const std::int64_t at = j + kColumns * n + 16 * v;
        __m512 value = sum[n][v];
        if (g.addend != nullptr) value = _mm512_add_ps(value, _mm512_loadu_ps(g.addend + at));
        if (g.clamp)
          value = _mm512_maskz_min_ps(0xFFFF, _mm512_set1_ps(g.high),
                                      _mm512_maskz_max_ps(0xFFFF, _mm512_set1_ps(g.low), value));
        _mm512_storeu_ps(g.c + at, value);
      }
  }

  template <int Whole, Tail Last, GemmFormF32 Form>
  OCTAVO_TARGET_AVX512VNNI static void panel(const GemmBlockF32& g, std::int64_t j, PrefetchStream& ahead) {
    std::int64_t i = 0;
    if constexpr (Form != GemmFormF32::transposed) {
      for (; i + 14 <= g.rows; i += 14) tile<14, Whole, Last, Form>(g, i, j, ahead);
      const std::int64_t rest = g.rows - i;
      if (!g.accumulate && rest > 10 && i > 0) return tile<14, Whole, Last, Form>(g, g.rows - 14, j, ahead);
      for (; i + 7 <= g.rows; i += 7) tile<7, Whole, Last, Form>(g, i, j, ahead);
      for (; i < g.rows; ++i) tile<1, Whole, Last, Form>(g, i, j, ahead);
    } else {
      for (; i + 12 <= g.rows; i += 12) tile<12, Whole, Last, Form>(g, i, j, ahead);
      for (; i + 4 <= g.rows; i += 4) tile<4, Whole, Last, Form>(g, i, j, ahead);
      for (; i < g.rows; ++i) tile<1, Whole, Last, Form>(g, i, j, ahead);
    }
  }

  template <int Rows, int Whole, Tail Last, GemmFormF32 Form>
  OCTAVO_TARGET_AVX512VNNI OCTAVO_DETAIL_UNROLLED static void tile(const GemmBlockF32& g, std::int64_t i,
                                                                   std::int64_t j, PrefetchStream& stream) {
    constexpr bool Transposed = Form == GemmFormF32::transposed;
    constexpr bool half = Last == Tail::half;
    constexpr bool whole = Last == Tail::whole;
    constexpr int vectors = Whole + (whole ? 1 : 0);
    constexpr auto height = static_cast<std::size_t>(Rows);  // g++ 12 warns of a dependent signed array bound
    constexpr auto width = static_cast<std::size_t>(vectors);
    const std::int64_t tail = g.columns - j - 16 * Whole;
    const auto mask = static_cast<__mmask16>(whole ? (1U << (tail < 16 ? tail : 16)) - 1U : 0xFFFFU);
    const auto half_mask = static_cast<__mmask8>(half ? (1U << tail) - 1U : 0xFFU);
    float* c = g.c + i * g.ldc + j;

    __m512 sum[height][width];
    __m256 half_sum[height];
    const GemmStartF32 start = start_of(g, i, j);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const float* from = start.from + r * start.stride;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v)
        sum[r][v] = v < Whole ? _mm512_loadu_ps(from + 16 * v) : _mm512_maskz_loadu_ps(mask, from + 16 * v);
      if constexpr (half) half_sum[r] = _mm256_maskz_loadu_ps(half_mask, from + 16 * Whole);
    }

    // Rows of A in groups of three: [base], [base + stride], [base + 2 * stride] need no register of their own.
    constexpr std::size_t groups = Transposed ? 1 : (height + 2) / 3;
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
      __m512 w[width];
      __m256 half_w = _mm256_setzero_ps();
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v)
        w[v] = v < Whole ? _mm512_loadu_ps(b + 16 * v) : _mm512_maskz_loadu_ps(mask, b + 16 * v);
      if constexpr (half) half_w = _mm256_maskz_loadu_ps(half_mask, b + 16 * Whole);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const float* x = Transposed ? a[0] + r : a[Transposed ? 0 : r / 3] + r % 3 * a_row;
        const __m512 scalar = _mm512_set1_ps(*x);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) sum[r][v] = _mm512_fmadd_ps(scalar, w[v], sum[r][v]);
        if constexpr (half) half_sum[r] = _mm256_fmadd_ps(_mm256_set1_ps(*x), half_w, half_sum[r]);
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
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
          sum[r][v] = _mm512_add_ps(sum[r][v], v < Whole ? _mm512_loadu_ps(addend + r * g.ldc + 16 * v)
                                                         : _mm512_maskz_loadu_ps(mask, addend + r * g.ldc + 16 * v));
        if constexpr (half)
          half_sum[r] = _mm256_add_ps(half_sum[r], _mm256_maskz_loadu_ps(half_mask, addend + r * g.ldc + 16 * Whole));
      }
    }
    if (g.clamp) {
      const __m512 low = _mm512_set1_ps(g.low);
      const __m512 high = _mm512_set1_ps(g.high);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
          sum[r][v] = _mm512_maskz_min_ps(0xFFFF, high, _mm512_maskz_max_ps(0xFFFF, low, sum[r][v]));
        if constexpr (half)
          half_sum[r] = _mm256_min_ps(_mm256_set1_ps(g.high), _mm256_max_ps(_mm256_set1_ps(g.low), half_sum[r]));
      }
    }
    // Whole lines of a result too large for the caches are written around them: a cached store would read them first.
    if (g.stream && !half && mask == 0xFFFFU &&
        (reinterpret_cast<std::uintptr_t>(c) | static_cast<std::uintptr_t>(g.ldc) * 4) % 64 == 0) {
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) _mm512_stream_ps(c + r * g.ldc + 16 * v, sum[r][v]);
      return;
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        if (v < Whole)
          _mm512_storeu_ps(c + r * g.ldc + 16 * v, sum[r][v]);
        else
          _mm512_mask_storeu_ps(c + r * g.ldc + 16 * v, mask, sum[r][v]);
      }
      if constexpr (half) _mm256_mask_storeu_ps(c + r * g.ldc + 16 * Whole, half_mask, half_sum[r]);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_F32_AVX512_HPP_
