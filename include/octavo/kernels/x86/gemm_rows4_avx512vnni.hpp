// octavo/kernels/x86/gemm_rows4_avx512vnni.hpp: rows one by one times weights of 4 bits, on 512-bit registers.
//
// A single row shares its unpacking with no other, so little of it is left: one load has two quads of 16 channels; a
// mask makes of the high halves, a shift and a mask make of the low ones, 16 times the weights, and the sums are
// divided by 16 at the end, exactly. Per 128 weights: 1 load, 3 instructions, 2 VPDPBUSD.
#ifndef OCTAVO_KERNELS_X86_GEMM_ROWS4_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_GEMM_ROWS4_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../gemm.hpp"
#include "finish_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct GemmRows4Avx512 {
  // 16 * 8 * 255 * 65536 < 2^31: no sum of so many depths overflows.
  static constexpr std::int64_t kMaxDepth = 65536;

  // Rows [r, end) of channels [c, c + 16 * Vectors), or to the last.
  template <unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void run(const GemmCall& call, std::int64_t r,
                                                                     std::int64_t end, std::int64_t c) {
    const std::int64_t quads = call.quads, bytes = call.segments * quads * 32;
    const std::int64_t count = std::min<std::int64_t>(16 * Vectors, call.channel_end - c);
    for (; r < end; ++r) {
      __m512i low[Vectors], high[Vectors];  // of channels 0 to 7, and 8 to 15: quads 0, 2, ... and 1, 3, ...
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v) low[v] = high[v] = _mm512_setzero_si512();
      const std::int8_t* w = call.weights + c / 16 * bytes;
      for (std::int64_t s = 0; s < call.segments; ++s) {
        const std::uint8_t* a = call.segment[s] + r * call.row_stride;
        std::int64_t left = quads;
        for (; left >= 2; left -= 2, a += 8, w += 64) {
          const __m512i codes = _mm512_mask_set1_epi32(_mm512_set1_epi32(four(a)), 0xFF00, four(a + 4));
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) add(low[v], high[v], codes, _mm512_loadu_si512(w + v * bytes));
        }
        if (left == 0) continue;
        const __m512i codes = _mm512_set1_epi32(four(a));
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v)
          add(low[v], high[v], codes, _mm512_maskz_loadu_epi64(0x0F, w + v * bytes));
        w += 32;
      }
      alignas(64) std::int32_t sums[16 * Vectors];
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v) {
        const __m512i even = _mm512_maskz_shuffle_i64x2(0xFF, low[v], high[v], 0x44);
        const __m512i odd = _mm512_maskz_shuffle_i64x2(0xFF, low[v], high[v], 0xEE);
        const __m512i sum = _mm512_maskz_srai_epi32(kAll16, _mm512_add_epi32(even, odd), 4);
        _mm512_store_si512(sums + 16 * v, _mm512_add_epi32(sum, _mm512_loadu_si512(call.start + c + 16 * v)));
      }
      const std::int64_t at = r * call.out_stride + c;
      void* to = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                    : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
      Finish<Isa::avx512vnni>::run(call.sink, sums, 16 * Vectors, 1, c, count, to, call.out_stride);
    }
  }

 private:
  static OCTAVO_INLINE std::int32_t four(const std::uint8_t* p) {
    std::int32_t bytes;
    std::memcpy(&bytes, p, 4);
    return bytes;
  }
  OCTAVO_TARGET_AVX512VNNI static OCTAVO_INLINE void add(__m512i& low, __m512i& high, __m512i codes, __m512i weights) {
    const __m512i upper = _mm512_set1_epi8(static_cast<char>(0xF0));
    dot(high, codes, _mm512_and_si512(weights, upper));
    dot(low, codes, _mm512_and_si512(_mm512_maskz_slli_epi32(kAll16, weights, 4), upper));
  }
  OCTAVO_TARGET_AVX512VNNI static OCTAVO_INLINE void dot(__m512i& acc, __m512i codes, __m512i weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(codes), "v"(weights));
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_ROWS4_AVX512VNNI_HPP_
