// octavo/kernels/x86/gemm_avx512vnni.hpp: the matrix product with VPDPBUSD on 512-bit registers.
//
// A tile of Rows x (16 * Vectors) accumulators stays in registers. Per four depths it costs Vectors loads, Rows
// broadcasts and Rows * Vectors VPDPBUSD; then, per 64 outputs, 4 x (convert, multiply, convert) + 3 packs + 2
// additions
// + 2 for the clamp + 1 permute + 1 store. Tiles: 4x64, 7x48, 14x32, 14x16 (at most 28 accumulators of 32 registers).
// With 16 to 32 inputs the output stage takes as long as a short tile's loop, and is too long to run beside the next
// one: there the weights stay in registers and two or four rows make a tile: 2x48, 4x16, 2x32.
// Weights of 4 bits: load_quad() unpacks them, with three instructions that tiles of 7 and 14 rows hide; rows too few
// for a tile have a kernel of their own, gemm_rows4_avx512vnni.hpp.
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
#include "gemm_rows4_avx512vnni.hpp"
#include "load_quad_avx512.hpp"

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

  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i scaled(__m512i acc, __m512 scale) {
    return _mm512_maskz_cvtps_epi32(kAll16, _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc), scale));
  }
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i scaled(__m512i acc, const float* scale) {
    return scaled(acc, _mm512_loadu_ps(scale));
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

template <WeightBits Bits>
struct Gemm<Isa::avx512vnni, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_avx512vnni" : "gemm_u8s8_avx512vnni";
  static constexpr std::string_view kSegmentsName =
      kNibbles ? "implicit_gemm_u8s4_avx512vnni" : "implicit_gemm_u8s8_avx512vnni";

  static void run(const GemmCall& call) {
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    if (kNibbles && depth > GemmRows4Avx512::kMaxDepth) return Gemm<Isa::scalar, Bits>::run(call);
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
  static constexpr std::int64_t kQuad = quad_bytes(Bits);

  static void run_block(const GemmCall& call, std::int64_t r, std::int64_t rows) {
    const bool sevens = rows % 7 == 0 && rows % 4 != 0 && rows < 112;  // tiles of 4 rows would serve some rows twice
    for (std::int64_t c = call.channel_begin; c < call.channel_end;) {
      const std::int64_t rest = call.channel_end - c;
      const std::int64_t vectors = (rest + 15) / 16;
      if (const std::int64_t held = held_panel(call, r, rows, c); held != 0) {
        c += held;
      } else if (rest <= 8) {
        c += panel<14, 0, true>(call, r, rows, c);
      } else if (vectors == 1) {
        c += panel<14, 1, false>(call, r, rows, c);
      } else if (rest <= 24) {
        c += panel<14, 1, true>(call, r, rows, c);
      } else if (vectors == 2) {
        c += panel<14, 2, false>(call, r, rows, c);
      } else if (kNibbles && rows >= 14 && vectors == 4 && !sevens) {  // rows share what unpacking costs
        c += panel<14, 2, false>(call, r, rows, c);
      } else if (kNibbles && rows >= 7) {
        c += panel<7, 3, false>(call, r, rows, c);
      } else if ((vectors % 4 == 0 && (!sevens || vectors % 3 != 0)) || (vectors > 5 && vectors % 3 != 0)) {
        c += panel<4, 4, false>(call, r, rows, c);
      } else {
        c += panel<7, 3, false>(call, r, rows, c);
      }
    }
  }

  // What a tile with its weights in registers reads: the rows of one matrix, or those of a 3x3 window on 3 channels,
  // whose three segments of 9 bytes are 2 quads each and one of their last bytes.
  enum class Source : std::uint8_t { matrix, window_of_27 };

  // Few inputs: channels from c on, as many as such a tile has, of rows [r, r + rows); returns how many, or 0 where
  // there is no such tile.
  static std::int64_t held_panel(const GemmCall& call, std::int64_t r, std::int64_t rows, std::int64_t c) {
    const std::int64_t rest = call.channel_end - c;
    if (rows < 4 || call.sink.kind != Sink::Kind::fast_codes) return 0;
    if (call.segments == 3 && call.length == 9 && rest == 32 && call.out_stride == 32)
      return held_rows<Source::window_of_27, 7, 2, 2>(call, r, r + rows, c);
    if (call.segments != 1) return 0;
    if (call.quads == 4 && rest >= 48) return held_rows<Source::matrix, 4, 3, 2>(call, r, r + rows, c);
    if (call.quads == 6 && rest >= 48) return held_rows<Source::matrix, 6, 3, 2>(call, r, r + rows, c);
    if (call.quads == 8 && rest >= 48) return held_rows<Source::matrix, 8, 3, 2>(call, r, r + rows, c);
    if (call.quads == 8 && rest == 16 && call.out_stride == 16)
      return held_rows<Source::matrix, 8, 1, 4>(call, r, r + rows, c);
    return 0;
  }

  // Rows [r, end) of 16 * Vectors channels, Rows at a time, Quads * 4 inputs. Where the rows of a tile fill a vector of
  // codes, they follow one another in memory (out_stride is 16 * Vectors), and are stored together.
  template <Source From, unsigned Quads, unsigned Vectors, unsigned Rows>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static std::int64_t held_rows(const GemmCall& call, std::int64_t r,
                                                                                   std::int64_t end, std::int64_t c) {
    constexpr bool together = Rows * Vectors == 4;
    constexpr __mmask64 mask = (__mmask64{1} << (16 * Vectors)) - 1;  // of a row stored alone
    const std::int64_t stride = call.row_stride, out_stride = call.out_stride;
    const std::int8_t* const weights = call.weights + c / 16 * call.segments * call.quads * kQuad;
    const std::int32_t* const starts = call.start + c;
    const float* const scale = call.sink.scale + c;
    const std::uint8_t* const first = call.segment[0];
    const std::uint8_t* const second = From == Source::matrix ? nullptr : call.segment[1];
    const std::uint8_t* const third = From == Source::matrix ? nullptr : call.segment[2];
    auto* const out = static_cast<std::uint8_t*>(call.out) + c;
    const FastCodesAvx512 codes(call.sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    __m512i weight[Quads][Vectors];
#pragma GCC unroll 8
    for (unsigned k = 0; k < Quads; ++k)
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v) {
        if constexpr (From == Source::matrix) {
          weight[k][v] = load_quad<Bits>(weights + (v * Quads + k) * kQuad);
        } else {
          const std::int8_t* const packed = weights + v * 9 * kQuad;  // 3 segments of 3 quads, the last with one weight
          if (k < 6) {
            weight[k][v] = load_quad<Bits>(packed + (k / 2 * 3 + k % 2) * kQuad);
          } else {
            weight[k][v] = _mm512_or_si512(
                _mm512_or_si512(load_quad<Bits>(packed + 2 * kQuad),
                                _mm512_maskz_slli_epi32(kAll16, load_quad<Bits>(packed + 5 * kQuad), 8)),
                _mm512_maskz_slli_epi32(kAll16, load_quad<Bits>(packed + 8 * kQuad), 16));
          }
        }
        __asm__("" : "+v"(weight[k][v]));  // in a register, not read from memory again
      }
    for (std::int64_t n = (end - r + Rows - 1) / Rows; n > 0; --n, r = std::min<std::int64_t>(r + Rows, end - Rows)) {
      __m512i acc[Rows][Vectors];
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v)
#pragma GCC unroll 4
        for (unsigned i = 0; i < Rows; ++i) acc[i][v] = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 8
      for (unsigned k = 0; k < Quads; ++k)
#pragma GCC unroll 4
        for (unsigned i = 0; i < Rows; ++i) {
          const std::int64_t at = (r + i) * stride;
          std::int32_t four;
          if constexpr (From == Source::matrix)
            std::memcpy(&four, first + at + 4 * k, 4);
          else if (k < 6)
            std::memcpy(&four, (k < 2 ? first : k < 4 ? second : third) + at + k % 2 * 4, 4);
          else
            four = first[at + 8] | second[at + 8] << 8 | third[at + 8] << 16;
          const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[i][v], x, weight[k][v]);
        }
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) acc[i][v] = FastCodesAvx512::scaled(acc[i][v], scale + 16 * v);
      std::uint8_t* const to = out + r * out_stride;
      if constexpr (together) {
        const __m512i packed = Vectors == 1
                                   ? codes.pack(acc[0][0], acc[1][0], acc[Rows - 2][0], acc[Rows - 1][0])
                                   : codes.pack(acc[0][0], acc[0][Vectors - 1], acc[1][0], acc[1][Vectors - 1]);
        _mm512_storeu_si512(to, _mm512_maskz_permutexvar_epi32(kAll16, in_order, packed));
      } else {
#pragma GCC unroll 4
        for (unsigned i = 0; i < Rows; ++i) {
          const __m512i packed = codes.pack(acc[i][0], acc[i][1], acc[i][2], acc[i][Vectors - 1]);
          _mm512_mask_storeu_epi8(to + i * out_stride, mask, _mm512_maskz_permutexvar_epi32(kAll16, in_order, packed));
        }
      }
    }
    return 16 * Vectors;
  }

  // Channels from c on, 16 * Vectors and 8 more with Half, of rows [r, r + rows); returns how many.
  template <unsigned Rows, unsigned Vectors, bool Half>
  static std::int64_t panel(const GemmCall& call, std::int64_t r, std::int64_t rows, std::int64_t c) {
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    if (rows < static_cast<std::int64_t>(Rows)) {
      if constexpr (kNibbles)
        GemmRows4Avx512::run<Vectors + (Half ? 1 : 0)>(call, r, r + rows, c);
      else
        fast ? panel_rows<1, Vectors, Half, true>(call, r, r + rows, c)
             : panel_rows<1, Vectors, Half, false>(call, r, r + rows, c);
    } else
      fast ? panel_rows<Rows, Vectors, Half, true>(call, r, r + rows, c)
           : panel_rows<Rows, Vectors, Half, false>(call, r, r + rows, c);
    return 16 * Vectors + (Half ? 8 : 0);
  }

  // Rows [r, end), at least Rows of them; tiles of Rows x (16 * Vectors, and 8 more with Half). A rest of rows is
  // served by a tile that overlaps the one before (it writes the same bytes again). The tile stands in the loop over
  // tiles, so that the output stage of one runs while the next multiplies, and is one text: handed from function to
  // function, g++ 12 keeps the accumulators in memory. What it reads of the call stands in locals, since a store of
  // codes may change anything that is read through a pointer.
  template <unsigned Rows, unsigned Vectors, bool Half, bool Fast>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void panel_rows(const GemmCall& call, std::int64_t r,
                                                                            std::int64_t end, std::int64_t c) {
    constexpr unsigned used = Vectors + (Half ? 1 : 0);  // with Half, the last vector has 8 channels in its low half
    const std::int64_t count = std::min<std::int64_t>(16 * Vectors + (Half ? 8 : 0), call.channel_end - c);
    const std::int64_t bytes = call.segments * call.quads * kQuad;
    const std::int64_t quads = call.quads, stride = call.row_stride, out_stride = call.out_stride;
    const std::int8_t* const weights = call.weights + c / 16 * bytes;
    const std::int32_t* const starts = call.start + c;
    const std::uint8_t* const* const segments = call.segment;
    const float* const scale = Fast ? call.sink.scale + c : nullptr;
    auto* const out = static_cast<std::uint8_t*>(call.out) + c;
    const __mmask64 mask = mask64(count);
    const FastCodesAvx512 codes(call.sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    for (std::int64_t n = (end - r + Rows - 1) / Rows; n > 0; --n, r = std::min<std::int64_t>(r + Rows, end - Rows)) {
      __m512i acc[Rows][used];
#pragma GCC unroll 4
      for (unsigned v = 0; v < used; ++v) {
        const __m512i start = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i) acc[i][v] = start;
      }
      const std::int8_t* w = weights;
      const std::uint8_t* const* segment = segments;
      const std::uint8_t* a = *segment + r * stride;
      std::int64_t left = quads;
      for (const std::int8_t* const w_end = w + bytes; w != w_end; w += kQuad, a += 4) {
        if (left == 0) {
          a = *++segment + r * stride;
          left = quads;
        }
        --left;
        __m512i weight[used];
#pragma GCC unroll 4
        for (unsigned v = 0; v < used; ++v) weight[v] = load_quad<Bits>(w + v * bytes);
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i) {
          std::int32_t four;
          std::memcpy(&four, a + i * stride, 4);
          const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[i][v], x, weight[v]);
          if constexpr (Half) OCTAVO_DETAIL_DPBUSD_LOW(acc[i][Vectors], x, weight[Vectors]);
        }
      }
      if constexpr (Fast) {
        std::uint8_t* const to = out + r * out_stride;
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i) {
          __m512i q[used];
#pragma GCC unroll 4
          for (unsigned v = 0; v < used; ++v) q[v] = FastCodesAvx512::scaled(acc[i][v], scale + 16 * v);
          __m512i packed;
          if constexpr (used > 2)
            packed = codes.pack(q[0], q[1], q[2], q[used - 1]);
          else
            packed = codes.pack(q[0], q[used - 1]);
          _mm512_mask_storeu_epi8(to + i * out_stride, mask, _mm512_maskz_permutexvar_epi32(kAll16, in_order, packed));
        }
      } else {
        alignas(64) std::int32_t sums[Rows][16 * used];
#pragma GCC unroll 16
        for (unsigned i = 0; i < Rows; ++i)
#pragma GCC unroll 4
          for (unsigned v = 0; v < used; ++v) _mm512_store_si512(&sums[i][16 * v], acc[i][v]);
        const std::int64_t at = r * out_stride + c;
        void* to = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                      : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
        Finish<Isa::avx512vnni>::run(call.sink, sums[0], 16 * used, Rows, c, count, to, out_stride);
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_GEMM_AVX512VNNI_HPP_
