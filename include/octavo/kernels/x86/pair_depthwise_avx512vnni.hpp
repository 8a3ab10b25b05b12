// octavo/kernels/x86/pair_depthwise_avx512vnni.hpp: the depthwise 3x3 products on pairs of rows.
//
// Unpacking the words of two pairs gives 32-bit lanes that hold four rows of a channel, of 16 channels in their order:
// one unpack for what two output rows need of a column (stride 1), with no border to look at and weights in registers.
// Per 64 outputs: 12 VPDPBUSD, 4 multiplications, 8 conversions, 3 packs, a permutation, and 2 unpacks (stride 2: 8).
#ifndef OCTAVO_KERNELS_X86_PAIR_DEPTHWISE_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_PAIR_DEPTHWISE_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <cstdint>

#include "gemm_avx512vnni.hpp"
#include "pair_rows_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct PairDepthwise {
  // Units [begin, end) of channels [c, c + width), width 32 or 16, from the pairs of `vector`.
  static void run(const PairRows& p, std::int64_t c, std::int64_t width, std::int64_t vector, std::int64_t begin,
                  std::int64_t end) {
    if (p.call.depthwise->window.stride_h == 1)
      width == 32 ? stride_1<2>(p, c, vector, begin, end) : stride_1<1>(p, c, vector, begin, end);
    else
      width == 32 ? stride_2<2>(p, c, vector, begin, end) : stride_2<1>(p, c, vector, begin, end);
  }

 private:
  // 16 * Vectors codes from the front of the lower or the upper half. (Assembly: g++ 12 warns of uninitialized values
  // inside the intrinsics; masked stores would take half as long again.)
  template <unsigned Vectors, unsigned Half>
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void store_half(std::uint8_t* to, __m512i codes) {
    if constexpr (Vectors == 2 && Half == 0)
      __asm__("vmovdqu64 %t1,%0" : "=m"(*reinterpret_cast<__m256i_u*>(to)) : "v"(codes));
    else if constexpr (Vectors == 2)
      __asm__("vextracti64x4 $1,%1,%0" : "=m"(*reinterpret_cast<__m256i_u*>(to)) : "v"(codes));
    else if constexpr (Half == 0)
      __asm__("vmovdqu64 %x1,%0" : "=m"(*reinterpret_cast<__m128i_u*>(to)) : "v"(codes));
    else
      __asm__("vextracti32x4 $2,%1,%0" : "=m"(*reinterpret_cast<__m128i_u*>(to)) : "v"(codes));
  }

  // Stride 1: two output rows a unit. What the loop multiplies at one pixel it scales, packs and stores at the next:
  // the output stage then never waits in the scheduler for its products.
  template <unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void stride_1(const PairRows& p, std::int64_t c,
                                                                          std::int64_t vector, std::int64_t begin,
                                                                          std::int64_t end) {
    const ConvGeometry& g = *p.call.depthwise;
    const std::int8_t* const weights = p.call.depthwise_pairs + c * 24;
    const std::int32_t* const starts = p.call.depthwise_start + c;
    const float* const scale = p.call.depthwise_sink.scale + c;
    const FastCodesAvx512 codes(p.call.depthwise_sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const std::int64_t out_w = g.out_w, out_c = g.out_c, out_h = g.out_h;
    std::uint8_t* const out = p.call.out + c;
    const std::uint8_t* const ring_begin = p.slot(vector, 0);
    const std::uint8_t* const ring_end = ring_begin + p.slots * p.slot_bytes;
    const std::int64_t slot_bytes = p.slot_bytes;
    const std::uint8_t* next = p.slot(vector, begin);
    __m512i weight[Vectors][3][2];
#pragma GCC unroll 2
    for (unsigned v = 0; v < Vectors; ++v)
#pragma GCC unroll 3
      for (unsigned j = 0; j < 3; ++j)
#pragma GCC unroll 2
        for (unsigned r = 0; r < 2; ++r) {
          weight[v][j][r] = _mm512_loadu_si512(weights + ((v * 3 + j) * 2 + r) * 64);
          __asm__("" : "+v"(weight[v][j][r]));
        }
    __m512i late[2][2] = {};
    std::uint8_t* late_upper = out + 2 * begin * out_w * out_c;  // the first stores are overwritten
    std::uint8_t* late_lower = late_upper;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::uint8_t* a = next;
      next = next + slot_bytes == ring_end ? ring_begin : next + slot_bytes;
      const std::uint8_t* b = next;
      std::uint8_t* upper = out + 2 * unit * out_w * out_c;
      std::uint8_t* lower = 2 * unit + 1 < out_h ? upper + out_w * out_c : upper;  // written first
      __m512i column[3][2];
#pragma GCC unroll 2
      for (unsigned j = 0; j < 2; ++j, a += 64, b += 64) {
        const __m512i front = _mm512_load_si512(a), back = _mm512_load_si512(b);
        column[j][0] = _mm512_unpacklo_epi16(front, back);
        column[j][1] = _mm512_unpackhi_epi16(front, back);
      }
      // One more at the end of all.
      for (std::int64_t left = out_w + (unit + 1 == end ? 1 : 0); left > 0; --left, a += 64, b += 64) {
        const __m512i front = _mm512_load_si512(a);
        __m512i back = _mm512_load_si512(b);
        __asm__("" : "+v"(back));  // read once
        column[2][0] = _mm512_unpacklo_epi16(front, back);
        column[2][1] = _mm512_unpackhi_epi16(front, back);
        __m512i acc[2][2];
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) {
          __m512i start = _mm512_loadu_si512(starts + 16 * v);
          __asm__("" : "+v"(start));
          acc[0][v] = acc[1][v] = start;
        }
#pragma GCC unroll 3
        for (unsigned j = 0; j < 3; ++j)
#pragma GCC unroll 2
          for (unsigned r = 0; r < 2; ++r)
#pragma GCC unroll 2
            for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[r][v], column[j][v], weight[v][j][r]);
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v)
#pragma GCC unroll 2
          for (unsigned r = 0; r < 2; ++r) late[r][v] = FastCodesAvx512::scaled(late[r][v], scale + 16 * v);
        const __m512i packed = _mm512_maskz_permutexvar_epi32(
            kAll16, in_order, codes.pack(late[0][0], late[0][Vectors - 1], late[1][0], late[1][Vectors - 1]));
        store_half<Vectors, 1>(late_lower, packed);
        store_half<Vectors, 0>(late_upper, packed);
        late_upper = upper;
        late_lower = lower;
        upper += out_c;
        lower += out_c;
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) {
          late[0][v] = acc[0][v];
          late[1][v] = acc[1][v];
          column[0][v] = column[1][v];
          column[1][v] = column[2][v];
        }
      }
    }
  }

  // Stride 2: one output row a unit, two pixels at a time; the second of the last two may be none.
  template <unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void stride_2(const PairRows& p, std::int64_t c,
                                                                          std::int64_t vector, std::int64_t begin,
                                                                          std::int64_t end) {
    const ConvGeometry& g = *p.call.depthwise;
    const std::int8_t* const weights = p.call.depthwise_pairs + c * 24;
    const std::int32_t* const starts = p.call.depthwise_start + c;
    const float* const scale = p.call.depthwise_sink.scale + c;
    const FastCodesAvx512 codes(p.call.depthwise_sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const std::int64_t out_w = g.out_w, out_c = g.out_c, slot_bytes = p.slot_bytes;
    const std::uint8_t* const ring_begin = p.slot(vector, 0);
    const std::uint8_t* const ring_end = ring_begin + p.slots * slot_bytes;
    const std::uint8_t* next = p.slot(vector, begin);
    __m512i weight[Vectors][3], start[Vectors];
    __m512 scales[Vectors];
#pragma GCC unroll 2
    for (unsigned v = 0; v < Vectors; ++v) {
      start[v] = _mm512_loadu_si512(starts + 16 * v);
      scales[v] = _mm512_loadu_ps(scale + 16 * v);
      __asm__("" : "+v"(start[v]), "+v"(scales[v]));
#pragma GCC unroll 3
      for (unsigned j = 0; j < 3; ++j) {
        weight[v][j] = _mm512_loadu_si512(weights + (v * 3 + j) * 128);
        __asm__("" : "+v"(weight[v][j]));
      }
    }
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::uint8_t* a = next;
      next = next + slot_bytes == ring_end ? ring_begin : next + slot_bytes;
      const std::uint8_t* b = next;
      std::uint8_t* to = p.call.out + unit * out_w * out_c + c;
      // A pixel's first column is the last one of the pixel before it, whose iteration multiplies it.
      __m512i first[Vectors];
      {
        const __m512i above = _mm512_load_si512(a), below = _mm512_load_si512(b);
        first[0] = start[0];
        OCTAVO_DETAIL_DPBUSD(first[0], _mm512_unpacklo_epi16(above, below), weight[0][0]);
        if constexpr (Vectors == 2) {
          first[1] = start[1];
          OCTAVO_DETAIL_DPBUSD(first[1], _mm512_unpackhi_epi16(above, below), weight[1][0]);
        }
      }
      for (std::int64_t x = 0; x < out_w; x += 2, a += 256, b += 256, to += 2 * out_c) {
        __m512i second[Vectors], next_first[Vectors];
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) second[v] = next_first[v] = start[v];
#pragma GCC unroll 4
        for (unsigned j = 1; j < 5; ++j) {
          const __m512i above = _mm512_load_si512(a + j * 64);
          __m512i below = _mm512_load_si512(b + j * 64);
          __asm__("" : "+v"(below));  // read once
          const __m512i low = _mm512_unpacklo_epi16(above, below);
          if (j < 3) OCTAVO_DETAIL_DPBUSD(first[0], low, weight[0][j % 3]);
          if (j >= 2) OCTAVO_DETAIL_DPBUSD(second[0], low, weight[0][(j + 1) % 3]);
          if (j == 4) OCTAVO_DETAIL_DPBUSD(next_first[0], low, weight[0][0]);
          if constexpr (Vectors == 2) {
            const __m512i high = _mm512_unpackhi_epi16(above, below);
            if (j < 3) OCTAVO_DETAIL_DPBUSD(first[1], high, weight[1][j % 3]);
            if (j >= 2) OCTAVO_DETAIL_DPBUSD(second[1], high, weight[1][(j + 1) % 3]);
            if (j == 4) OCTAVO_DETAIL_DPBUSD(next_first[1], high, weight[1][0]);
          }
        }
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) {
          first[v] = FastCodesAvx512::scaled(first[v], scales[v]);
          second[v] = FastCodesAvx512::scaled(second[v], scales[v]);
        }
        const __m512i packed = _mm512_maskz_permutexvar_epi32(
            kAll16, in_order, codes.pack(first[0], first[Vectors - 1], second[0], second[Vectors - 1]));
        store_half<Vectors, 0>(to, packed);
        if (x + 1 < out_w) store_half<Vectors, 1>(to + out_c, packed);
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) first[v] = next_first[v];
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_PAIR_DEPTHWISE_AVX512VNNI_HPP_
