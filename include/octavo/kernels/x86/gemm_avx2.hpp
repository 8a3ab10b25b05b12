// octavo/kernels/x86/gemm_avx2.hpp: the matrix product on 256-bit registers: AVX2 (VPMADDWD, exact) and AVX-VNNI.
//
// A tile of Rows x 16 accumulators. Per four depths: 2 loads of weights, Rows broadcasts; AVX-VNNI: 2 * Rows VPDPBUSD;
// AVX2: 6 + 2 * Rows instructions to widen, 4 * Rows VPMADDWD and as many additions. Weights of 4 bits: one load; 5
// instructions unpack them (AVX-VNNI), or 7 widen them at once.
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

template <class Dot, WeightBits Bits = WeightBits::eight>
struct GemmYmm {
  static void run(const GemmCall& call) {
    const std::int64_t depth = call.segments * call.quads * 4;
    if (depth > kWidened) return Gemm<Isa::scalar, Bits>::run(call);
    // Rows whose inputs, widened, stay in L1 while all channels pass over them.
    const std::int64_t block =
        std::clamp<std::int64_t>(8192 / depth / 12 * 12, std::min<std::int64_t>(4, kWidened / depth), 240);
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    for (std::int64_t r = 0; r < call.rows; r += block) {
      const std::int64_t rows = std::min(block, call.rows - r);
      Inputs inputs;
      inputs.read(call, r, rows);
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) {
        if (rows >= static_cast<std::int64_t>(Dot::kTileRows))
          fast ? panel<Dot::kTileRows, true>(call, inputs, r, rows, c)
               : panel<Dot::kTileRows, false>(call, inputs, r, rows, c);
        else
          fast ? panel<1, true>(call, inputs, r, rows, c) : panel<1, false>(call, inputs, r, rows, c);
      }
    }
  }

 private:
  static constexpr std::int64_t kWidened = 32768;  // bytes of input that a block may have

  // A block's inputs, row after row, all segments one after the other: even and odd bytes widened once for all channels
  // (Dot::kWidens), or the bytes where they stand.
  struct Inputs {
    alignas(32) std::uint8_t even[Dot::kWidens ? kWidened + 32 : 32];  // room for whole stores at the end
    alignas(32) std::uint8_t odd[Dot::kWidens ? kWidened + 32 : 32];
    std::int64_t stride = 0;

    OCTAVO_TARGET_AVX2 void read(const GemmCall& call, std::int64_t r, std::int64_t rows) {
      const std::int64_t bytes = call.quads * 4;
      stride = Dot::kWidens ? call.segments * bytes : call.row_stride;
      if constexpr (Dot::kWidens) {
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t s = 0; s < call.segments; ++s)
            widen(call.segment[s] + (r + i) * call.row_stride, bytes, i * stride + s * bytes);
      }
    }

   private:
    OCTAVO_TARGET_AVX2 void widen(const std::uint8_t* from, std::int64_t bytes, std::int64_t at) {
      const __m256i low = _mm256_set1_epi16(255);
      std::int64_t k = 0;
      for (; k + 32 <= bytes; k += 32) {
        const __m256i v = load_ymm(from + k);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(even + at + k), _mm256_and_si256(v, low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(odd + at + k), _mm256_srli_epi16(v, 8));
      }
      const __m128i low_half = _mm256_castsi256_si128(low);
      for (; k < bytes; k += 8) {  // the last one may be half
        const std::size_t rest = bytes - k >= 8 ? 8 : 4;
        std::uint64_t eight = 0;
        if (rest == 8) std::memcpy(&eight, from + k, 8);
        if (rest == 4) std::memcpy(&eight, from + k, 4);
        const __m128i v = _mm_cvtsi64_si128(static_cast<std::int64_t>(eight));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(even + at + k), _mm_and_si128(v, low_half));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(odd + at + k), _mm_srli_epi16(v, 8));
      }
    }
  };

  // Weights of the first, and of the last, eight channels of a quad.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static typename Dot::Weights first_half(const std::int8_t* quad) {
    if constexpr (Bits == WeightBits::four)
      return Dot::low_nibbles(load_ymm(quad));
    else
      return Dot::weights(load_ymm(quad));
  }
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static typename Dot::Weights last_half(const std::int8_t* quad) {
    if constexpr (Bits == WeightBits::four)
      return Dot::high_nibbles(load_ymm(quad));
    else
      return Dot::weights(load_ymm(quad + 32));
  }

  // Channels [c, c + 16) of rows [first, first + rows), at least Rows of them, in tiles of Rows x 16; the last one may
  // overlap the one before. One text on purpose: see gemm_avx512vnni.hpp.
  template <unsigned Rows, bool Fast>
  OCTAVO_TARGET_AVX2 __attribute__((noinline)) static void panel(const GemmCall& call, const Inputs& inputs,
                                                                 std::int64_t first, std::int64_t rows,
                                                                 std::int64_t c) {
    const std::int64_t bytes = call.segments * call.quads * quad_bytes(Bits), quads = call.quads;
    const std::int64_t out_stride = call.out_stride;
    const std::int64_t stride = inputs.stride, count = std::min(kLanes, call.channel_end - c);
    const std::int8_t* const weights = call.weights + c / kLanes * bytes;
    const std::int32_t* const starts = call.start + c;
    const std::uint8_t* const* const segments = call.segment;
    const float* const scale = Fast ? call.sink.scale + c : nullptr;
    const FastCodesAvx2 stage(call.sink);
    std::int64_t r = 0;  // in the block
    for (std::int64_t n = (rows + Rows - 1) / Rows; n > 0; --n, r = std::min<std::int64_t>(r + Rows, rows - Rows)) {
      __m256i acc[Rows][2];
      const __m256i start0 = load_ymm(starts), start1 = load_ymm(starts + 8);
#pragma GCC unroll 6
      for (unsigned i = 0; i < Rows; ++i) acc[i][0] = start0, acc[i][1] = start1;
      const std::int8_t* w = weights;
      const std::uint8_t* const* segment = segments;
      const std::uint8_t* a = Dot::kWidens ? inputs.even + r * stride : *segment + (first + r) * stride;
      std::int64_t left = quads;
      for (const std::int8_t* const w_end = w + bytes; w != w_end; w += quad_bytes(Bits), a += 4) {
        if constexpr (!Dot::kWidens) {
          if (left == 0) {
            a = *++segment + (first + r) * stride;
            left = quads;
          }
          --left;
        }
        const typename Dot::Weights weight0 = first_half(w);
        const typename Dot::Weights weight1 = last_half(w);
#pragma GCC unroll 6
        for (unsigned i = 0; i < Rows; ++i) {
          const typename Dot::Codes codes = Dot::broadcast(a + i * stride, inputs.odd - inputs.even);
          Dot::add(acc[i][0], codes, weight0);
          Dot::add(acc[i][1], codes, weight1);
        }
      }
      const std::int64_t at = (first + r) * out_stride + c;
      if constexpr (Fast) {
        auto* out = static_cast<std::uint8_t*>(call.out) + at;
#pragma GCC unroll 6
        for (unsigned i = 0; i < Rows; ++i) {
          const __m256i q0 = FastCodesAvx2::scaled(acc[i][0], scale);
          const __m256i q1 = FastCodesAvx2::scaled(acc[i][1], scale + 8);
          // Lane 0: codes 0-3 and 8-11, lane 1: 4-7 and 12-15.
          const __m256i packed = stage.pack(q0, q1, q0, q1);
          const __m128i row = _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
          if (count == kLanes) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * out_stride), row);
          } else {
            alignas(16) std::uint8_t all[16];
            _mm_store_si128(reinterpret_cast<__m128i*>(all), row);
            std::memcpy(out + i * out_stride, all, static_cast<std::size_t>(count));
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
        Finish<Isa::avx2>::run(call.sink, sums[0], kLanes, Rows, c, count, out, out_stride);
      }
    }
  }
};

template <WeightBits Bits>
struct Gemm<Isa::avx2, Bits> : GemmYmm<DotMadd, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_avx2" : "gemm_u8s8_avx2";
  static constexpr std::string_view kSegmentsName = kNibbles ? "implicit_gemm_u8s4_avx2" : "implicit_gemm_u8s8_avx2";
};

template <WeightBits Bits>
struct Gemm<Isa::avxvnni, Bits> : GemmYmm<DotAvxVnni, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_avxvnni" : "gemm_u8s8_avxvnni";
  static constexpr std::string_view kSegmentsName =
      kNibbles ? "implicit_gemm_u8s4_avxvnni" : "implicit_gemm_u8s8_avxvnni";
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_AVX2_HPP_
