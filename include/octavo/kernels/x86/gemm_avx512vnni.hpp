// octavo/kernels/x86/gemm_avx512vnni.hpp: the matrix product with VPDPBUSD on 512-bit registers.
//
// A tile of Rows x (16 * Vectors) accumulators stays in registers. Per four depths it costs Vectors loads, Rows
// broadcasts and Rows * Vectors VPDPBUSD; then, per 64 outputs, 4 x (convert, multiply, convert) + 3 packs + 2
// additions
// + 2 for the clamp + 1 permute + 1 store. Tiles: 4x64, 7x48, 14x32, 14x16 (at most 28 accumulators of 32 registers).
#ifndef OCTAVO_KERNELS_X86_GEMM_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_GEMM_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../gemm.hpp"
#include "finish_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// acc += four u8 * s8 products in each 32-bit lane, no saturation. Assembly on purpose: with the intrinsic, g++ 12
// copies and spills a tile of accumulators.
#define OCTAVO_DETAIL_DPBUSD(acc, u8, s8) __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(u8), "v"(s8))

// Four vectors of accumulators to 64 codes, for sinks of kind fast_codes. VCVTPS2DQ rounds to nearest even; the packs
// saturate, which clamps; the packs interleave 128-bit lanes, which `order` undoes (or the caller's layout wants).
struct FastCodesAvx512 {
  __m512i zero_point, low, high;

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE explicit FastCodesAvx512(const Sink& sink)
      : zero_point(_mm512_set1_epi16(static_cast<short>(sink.zero_point))),
        low(_mm512_set1_epi8(static_cast<char>(sink.min))),
        high(_mm512_set1_epi8(static_cast<char>(sink.max))) {}

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i scaled(__m512i acc, const float* scale) {
    return _mm512_maskz_cvtps_epi32(kAll16,
                                    _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc), _mm512_loadu_ps(scale)));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i pack(__m512i q0, __m512i q1, __m512i q2, __m512i q3) const {
    const __m512i first = _mm512_adds_epi16(_mm512_packs_epi32(q0, q1), zero_point);
    const __m512i second = _mm512_adds_epi16(_mm512_packs_epi32(q2, q3), zero_point);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(first, second), low), high);
  }
};

template <>
struct Gemm<Isa::avx512vnni> {
  static constexpr std::string_view kPlainName = "gemm_u8s8_avx512vnni";
  static constexpr std::string_view kSegmentsName = "implicit_gemm_u8s8_avx512vnni";

  static void run(const GemmCall& call) {
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    const std::int64_t block = std::clamp<std::int64_t>(16384 / depth / 28 * 28, 28, 448);
    for (std::int64_t r = 0; r < call.rows; r += block) {
      // The last block takes what would be a short rest.
      const std::int64_t rest = call.rows - r;
      const std::int64_t rows = rest < block + 28 ? rest : block;
      run_block(call, r, rows);
      if (rows == rest) break;
    }
  }

 private:
  static void run_block(const GemmCall& call, std::int64_t r, std::int64_t rows) {
    for (std::int64_t c = call.channel_begin; c < call.channel_end;) {
      const std::int64_t vectors = (call.channel_end - c + 15) / 16;
      if (vectors % 4 == 0 || (vectors > 4 && vectors % 3 != 0)) {
        panel<4, 4>(call, r, rows, c);
        c += 64;
      } else if (vectors >= 3) {
        panel<7, 3>(call, r, rows, c);
        c += 48;
      } else if (vectors == 2) {
        panel<14, 2>(call, r, rows, c);
        c += 32;
      } else {
        panel<14, 1>(call, r, rows, c);
        c += 16;
      }
    }
  }

  // Channels [c, c + 16 * Vectors) of rows [r, r + rows). A rest of rows is served by a tile that overlaps the one
  // before (it writes the same bytes again), or row by row.
  template <unsigned Rows, unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI static void panel(const GemmCall& call, std::int64_t r, std::int64_t rows, std::int64_t c) {
    const std::int64_t end = r + rows;
    if (call.sink.kind == Sink::Kind::fast_codes) {
      for (; r + Rows <= end; r += Rows) tile<Rows, Vectors, true>(call, r, c);
      if (r < end && rows >= Rows) tile<Rows, Vectors, true>(call, end - Rows, c), r = end;
      for (; r < end; ++r) tile<1, Vectors, true>(call, r, c);
    } else {
      for (; r + Rows <= end; r += Rows) tile<Rows, Vectors, false>(call, r, c);
      if (r < end && rows >= Rows) tile<Rows, Vectors, false>(call, end - Rows, c), r = end;
      for (; r < end; ++r) tile<1, Vectors, false>(call, r, c);
    }
  }

  template <unsigned Rows, unsigned Vectors, bool Fast>
  OCTAVO_TARGET_AVX512VNNI static void tile(const GemmCall& call, std::int64_t r, std::int64_t c) {
    __m512i acc[Rows][Vectors];
#pragma GCC unroll 4
    for (unsigned v = 0; v < Vectors; ++v) {
      const __m512i start = _mm512_loadu_si512(call.start + c + 16 * v);
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i) acc[i][v] = start;
    }
    const std::int64_t stride = call.row_stride;
    const std::int64_t panel_bytes = call.segments * call.quads * 64;
    const std::int8_t* w = call.weights + c / 16 * panel_bytes;
    for (std::int64_t s = 0; s < call.segments; ++s) {
      const std::uint8_t* a = call.segment[s] + r * stride;
      for (std::int64_t q = 0; q < call.quads; ++q, a += 4, w += 64) {
        __m512i weight[Vectors];
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) weight[v] = _mm512_loadu_si512(w + v * panel_bytes);
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i) {
          std::int32_t four;
          std::memcpy(&four, a + i * stride, 4);
          const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[i][v], x, weight[v]);
        }
      }
    }
    const std::int64_t count = std::min<std::int64_t>(16 * Vectors, call.channel_end - c);
    if constexpr (Fast) {
      const FastCodesAvx512 codes(call.sink);
      const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
      auto* out = static_cast<std::uint8_t*>(call.out) + r * call.out_stride + c;
      const float* scale = call.sink.scale + c;
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i) {
        __m512i q[4];
#pragma GCC unroll 4
        for (unsigned v = 0; v < 4; ++v) q[v] = v < Vectors ? FastCodesAvx512::scaled(acc[i][v], scale + 16 * v) : q[v - 1];
        const __m512i bytes = _mm512_maskz_permutexvar_epi32(kAll16, order, codes.pack(q[0], q[1], q[2], q[3]));
        _mm512_mask_storeu_epi8(out + i * call.out_stride, mask64(count), bytes);
      }
    } else {
      alignas(64) std::int32_t sums[Rows][16 * Vectors];
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) _mm512_store_si512(&sums[i][16 * v], acc[i][v]);
      const std::int64_t at = r * call.out_stride + c;
      void* out = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                     : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
      Finish<Isa::avx512vnni>::run(call.sink, sums[0], 16 * Vectors, Rows, c, count, out, call.out_stride);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_AVX512VNNI_HPP_
