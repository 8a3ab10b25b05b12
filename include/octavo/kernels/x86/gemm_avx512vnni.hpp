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
// The same for the lower 8 lanes of 512-bit values (%t names the 256-bit register): half the work where a core splits
// 512-bit operations.
#define OCTAVO_DETAIL_DPBUSD_LOW(acc, u8, s8) __asm__("vpdpbusd %t2,%t1,%t0" : "+v"(acc) : "v"(u8), "v"(s8))

// Four vectors of accumulators to 64 codes, for sinks of kind fast_codes. VCVTPS2DQ rounds to nearest even; the packs
// saturate, which clamps; the packs interleave 128-bit lanes, which kInOrder undoes. What a layer does not need is
// skipped by a branch: an addition for zero point 0 (a ReLU's output), a clamp to the whole range.
struct FastCodesAvx512 {
  bool offset, clamp;
  __m512i zero_point, low, high;

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE explicit FastCodesAvx512(const Sink& sink)
      : offset(sink.zero_point != 0),
        clamp(sink.min > 0 || sink.max < 255),
        zero_point(_mm512_set1_epi16(static_cast<short>(sink.zero_point))),
        low(_mm512_set1_epi8(static_cast<char>(sink.min))),
        high(_mm512_set1_epi8(static_cast<char>(sink.max))) {}

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i scaled(__m512i acc, const float* scale) {
    return _mm512_maskz_cvtps_epi32(kAll16,
                                    _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc), _mm512_loadu_ps(scale)));
  }
  // Lane l of the result: lanes l of q0, q1, q2, q3, four codes each.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i pack(__m512i q0, __m512i q1, __m512i q2, __m512i q3) const {
    return clamped(_mm512_packus_epi16(words(q0, q1), words(q2, q3)));
  }
  // The same with the first two in place of the last two.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i pack(__m512i q0, __m512i q1) const {
    const __m512i both = words(q0, q1);
    return clamped(_mm512_packus_epi16(both, both));
  }

 private:
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i words(__m512i a, __m512i b) const {
    const __m512i packed = _mm512_packs_epi32(a, b);
    return offset ? _mm512_adds_epi16(packed, zero_point) : packed;
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE __m512i clamped(__m512i codes) const {
    return clamp ? _mm512_min_epu8(_mm512_max_epu8(codes, low), high) : codes;
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
      const std::int64_t rest = call.channel_end - c;
      const std::int64_t vectors = (rest + 15) / 16;
      if (rest <= 8) {
        c += panel<14, 0, true>(call, r, rows, c);
      } else if (vectors == 1) {
        c += panel<14, 1, false>(call, r, rows, c);
      } else if (rest <= 24) {
        c += panel<14, 1, true>(call, r, rows, c);
      } else if (vectors == 2) {
        c += panel<14, 2, false>(call, r, rows, c);
      } else if (vectors % 4 == 0 || (vectors > 5 && vectors % 3 != 0)) {
        c += panel<4, 4, false>(call, r, rows, c);
      } else {
        c += panel<7, 3, false>(call, r, rows, c);
      }
    }
  }

  // Channels from c on, 16 * Vectors and 8 more with Half, of rows [r, r + rows); returns how many. A rest of rows is
  // served by a tile that overlaps the one before (it writes the same bytes again), or row by row.
  template <unsigned Rows, unsigned Vectors, bool Half>
  static std::int64_t panel(const GemmCall& call, std::int64_t r, std::int64_t rows, std::int64_t c) {
    if (call.sink.kind == Sink::Kind::fast_codes)
      panel_rows<Rows, Vectors, Half, true>(call, r, rows, c);
    else
      panel_rows<Rows, Vectors, Half, false>(call, r, rows, c);
    return 16 * Vectors + (Half ? 8 : 0);
  }
  template <unsigned Rows, unsigned Vectors, bool Half, bool Fast>
  OCTAVO_TARGET_AVX512VNNI static void panel_rows(const GemmCall& call, std::int64_t r, std::int64_t rows,
                                                  std::int64_t c) {
    const std::int64_t end = r + rows;
    for (; r + Rows <= end; r += Rows) tile<Rows, Vectors, Half, Fast>(call, r, c);
    if (r == end) return;
    if (rows >= Rows) return tile<Rows, Vectors, Half, Fast>(call, end - Rows, c);
    for (; r < end; ++r) tile<1, Vectors, Half, Fast>(call, r, c);
  }

  template <unsigned Rows, unsigned Vectors, bool Half, bool Fast>
  OCTAVO_TARGET_AVX512VNNI static void tile(const GemmCall& call, std::int64_t r, std::int64_t c) {
    constexpr unsigned lanes = 16 * Vectors + (Half ? 8 : 0);
    constexpr unsigned padded = (lanes + 15) / 16 * 16;
    __m512i acc[Rows][Vectors == 0 ? 1 : Vectors];
    __m512i half[Rows];  // the last 8 channels
    if constexpr (Half) {
      const __m512i start = _mm512_loadu_si512(call.start + c + 16 * Vectors);
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i) half[i] = start;
    }
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
        __m512i weight[Vectors == 0 ? 1 : Vectors];
        __m512i half_weight;
        if constexpr (Half) half_weight = _mm512_loadu_si512(w + Vectors * panel_bytes);
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) weight[v] = _mm512_loadu_si512(w + v * panel_bytes);
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i) {
          std::int32_t four;
          std::memcpy(&four, a + i * stride, 4);
          const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[i][v], x, weight[v]);
          if constexpr (Half) OCTAVO_DETAIL_DPBUSD_LOW(half[i], x, half_weight);
        }
      }
    }
    const std::int64_t count = std::min<std::int64_t>(lanes, call.channel_end - c);
    if constexpr (Fast) {
      const FastCodesAvx512 codes(call.sink);
      const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
      auto* out = static_cast<std::uint8_t*>(call.out) + r * call.out_stride + c;
      const float* scale = call.sink.scale + c;
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i) {
        __m512i q[4];
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) q[v] = FastCodesAvx512::scaled(acc[i][v], scale + 16 * v);
        if constexpr (Half) q[Vectors] = FastCodesAvx512::scaled(half[i], scale + 16 * Vectors);
        constexpr unsigned used = Vectors + (Half ? 1 : 0);
        __m512i bytes;
        if constexpr (used > 2)
          bytes = codes.pack(q[0], q[1], q[2], q[used - 1]);
        else
          bytes = codes.pack(q[0], q[used - 1]);
        _mm512_mask_storeu_epi8(out + i * call.out_stride, mask64(count),
                                _mm512_maskz_permutexvar_epi32(kAll16, in_order, bytes));
      }
    } else {
      alignas(64) std::int32_t sums[Rows][padded];
#pragma GCC unroll 16
      for (unsigned i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) _mm512_store_si512(&sums[i][16 * v], acc[i][v]);
        if constexpr (Half) _mm512_store_si512(&sums[i][16 * Vectors], half[i]);
      }
      const std::int64_t at = r * call.out_stride + c;
      void* out = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                     : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
      Finish<Isa::avx512vnni>::run(call.sink, sums[0], padded, Rows, c, count, out, call.out_stride);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_AVX512VNNI_HPP_
