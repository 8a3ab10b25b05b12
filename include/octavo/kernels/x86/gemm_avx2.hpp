// octavo/kernels/x86/gemm_avx2.hpp: the matrix product on 256-bit registers: AVX2 (VPMADDWD, exact) and AVX-VNNI.
//
// A tile of Rows x 16 accumulators. Per four depths: 2 loads of weights, Rows broadcasts; AVX-VNNI: 2 * Rows VPDPBUSD;
// AVX2: 6 + 2 * Rows instructions to widen, 4 * Rows VPMADDWD and as many additions.
#ifndef OCTAVO_KERNELS_X86_GEMM_AVX2_HPP_
#define OCTAVO_KERNELS_X86_GEMM_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../gemm.hpp"
#include "ymm_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <class Dot>
struct GemmYmm {
  static void run(const GemmCall& call) {
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    const std::int64_t block = std::clamp<std::int64_t>(16384 / depth / 12 * 12, 24, 240);
    for (std::int64_t r = 0; r < call.rows; r += block) {
      const std::int64_t end = std::min(call.rows, r + block);
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) {
        if (call.sink.kind == Sink::Kind::fast_codes)
          panel<true>(call, r, end, c);
        else
          panel<false>(call, r, end, c);
      }
    }
  }

 private:
  template <bool Fast>
  static void panel(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    for (; r + Dot::kTileRows <= end; r += Dot::kTileRows) tile<Dot::kTileRows, Fast>(call, r, c);
    for (; r < end; ++r) tile<1, Fast>(call, r, c);
  }

  template <unsigned Rows, bool Fast>
  OCTAVO_TARGET_AVX2 static void tile(const GemmCall& call, std::int64_t r, std::int64_t c) {
    __m256i acc[Rows][2];
#pragma GCC unroll 6
    for (unsigned i = 0; i < Rows; ++i) {
      acc[i][0] = load_ymm(call.start + c);
      acc[i][1] = load_ymm(call.start + c + 8);
    }
    const std::int64_t stride = call.row_stride;
    const std::int8_t* w = call.weights + c / kLanes * call.segments * call.quads * 64;
    for (std::int64_t s = 0; s < call.segments; ++s) {
      const std::uint8_t* a = call.segment[s] + r * stride;
      for (std::int64_t q = 0; q < call.quads; ++q, a += 4, w += 64) {
        const typename Dot::Weights first = Dot::weights(load_ymm(w));
        const typename Dot::Weights second = Dot::weights(load_ymm(w + 32));
#pragma GCC unroll 6
        for (unsigned i = 0; i < Rows; ++i) {
          std::int32_t four;
          std::memcpy(&four, a + i * stride, 4);
          const typename Dot::Codes codes = Dot::codes(_mm256_set1_epi32(four));
          Dot::add(acc[i][0], codes, first);
          Dot::add(acc[i][1], codes, second);
        }
      }
    }
    const std::int64_t count = std::min(kLanes, call.channel_end - c);
    const std::int64_t at = r * call.out_stride + c;
    if constexpr (Fast) {
      const FastCodesAvx2 codes(call.sink);
      auto* out = static_cast<std::uint8_t*>(call.out) + at;
#pragma GCC unroll 6
      for (unsigned i = 0; i < Rows; ++i) {
        const __m256i q0 = FastCodesAvx2::scaled(acc[i][0], call.sink.scale + c);
        const __m256i q1 = FastCodesAvx2::scaled(acc[i][1], call.sink.scale + c + 8);
        // Lane 0: codes 0-3 and 8-11, lane 1: 4-7 and 12-15.
        const __m256i bytes = codes.pack(q0, q1, q0, q1);
        const __m128i row = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
        if (count == kLanes) {
          _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * call.out_stride), row);
        } else {
          alignas(16) std::uint8_t all[16];
          _mm_store_si128(reinterpret_cast<__m128i*>(all), row);
          std::memcpy(out + i * call.out_stride, all, static_cast<std::size_t>(count));
        }
      }
    } else {
      alignas(32) std::int32_t sums[Rows][kLanes];
#pragma GCC unroll 6
      for (unsigned i = 0; i < Rows; ++i) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(&sums[i][0]), acc[i][0]);
        _mm256_store_si256(reinterpret_cast<__m256i*>(&sums[i][8]), acc[i][1]);
      }
      void* out = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                     : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
      Finish<Isa::avx2>::run(call.sink, sums[0], kLanes, Rows, c, count, out, call.out_stride);
    }
  }
};

template <>
struct Gemm<Isa::avx2> : GemmYmm<DotMadd> {
  static constexpr std::string_view kPlainName = "gemm_u8s8_avx2";
  static constexpr std::string_view kSegmentsName = "implicit_gemm_u8s8_avx2";
};

template <>
struct Gemm<Isa::avxvnni> : GemmYmm<DotAvxVnni> {
  static constexpr std::string_view kPlainName = "gemm_u8s8_avxvnni";
  static constexpr std::string_view kSegmentsName = "implicit_gemm_u8s8_avxvnni";
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_AVX2_HPP_
