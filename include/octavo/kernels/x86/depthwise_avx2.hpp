// octavo/kernels/x86/depthwise_avx2.hpp: depthwise convolution on 256-bit registers, AVX2 and AVX-VNNI.
//
// 32 channels at a time, four taps of a channel in a 32-bit lane, one output row. 3x3: three image rows are interleaved
// once a column (8 unpacks) and the columns shared by neighbouring pixels; other windows: taps in groups of four.
#ifndef OCTAVO_KERNELS_X86_DEPTHWISE_AVX2_HPP_
#define OCTAVO_KERNELS_X86_DEPTHWISE_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../depthwise.hpp"
#include "ymm_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <class Dot>
struct DepthwiseYmm {
  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    if (g.in_c != g.out_c) return Depthwise<Isa::scalar>::run(call);
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    for (std::int64_t y = call.y_begin; y < call.y_end; ++y)
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kCodes) {
        if (!three_by_three(g)) {
          fast ? taps<true>(call, y, c) : taps<false>(call, y, c);
        } else if (g.window.stride_w == 1) {
          fast ? columns<true, 1>(call, y, c) : columns<false, 1>(call, y, c);
        } else if (g.window.stride_w == 2) {
          fast ? columns<true, 2>(call, y, c) : columns<false, 2>(call, y, c);
        } else {
          fast ? columns<true, 0>(call, y, c) : columns<false, 0>(call, y, c);
        }
      }
  }

 protected:
  static bool three_by_three(const ConvGeometry& g) {
    const Window& w = g.window;
    return w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 && w.dilation_w == 1;
  }

 private:
  static constexpr std::int64_t kCodes = 32;

  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void interleave(__m256i r0, __m256i r1, __m256i r2, __m256i r3,
                                                          __m256i* quad) {
    const __m256i a = _mm256_unpacklo_epi8(r0, r1), b = _mm256_unpackhi_epi8(r0, r1);
    const __m256i c = _mm256_unpacklo_epi8(r2, r3), d = _mm256_unpackhi_epi8(r2, r3);
    quad[0] = _mm256_unpacklo_epi16(a, c);
    quad[1] = _mm256_unpackhi_epi16(a, c);
    quad[2] = _mm256_unpacklo_epi16(b, d);
    quad[3] = _mm256_unpackhi_epi16(b, d);
  }

  // Codes [p, p + count); AVX2 has no byte masks, so a short block passes through the stack.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i load(const std::uint8_t* p, std::int64_t count) {
    if (count == kCodes) return load_ymm(p);
    if (count == 16) return _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    alignas(32) std::uint8_t bytes[kCodes] = {};
    std::memcpy(bytes, p, static_cast<std::size_t>(count));
    return load_ymm(bytes);
  }

  // Quad q of channels [c, c + 32): lanes of the packed block of 64 that c lies in.
  static std::int64_t lane_of(std::int64_t c, int quad) {
    return c / kChannelBlock * kChannelBlock + quad * 16 + c % kChannelBlock / 4;
  }

  template <bool Fast>
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i start(const DepthwiseCall& call, std::int64_t c, int quad) {
    if constexpr (Fast) return load_ymm(call.start_quads + lane_of(c, quad));
    return _mm256_setzero_si256();
  }

  // Writes one output pixel's channels [c, c + count) from its four quads of accumulators.
  template <bool Fast>
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void write(const DepthwiseCall& call, const __m256i* acc, std::int64_t c,
                                                     std::int64_t count, void* out) {
    if constexpr (Fast) {
      const FastCodesAvx2 codes(call.sink);
      __m256i q[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) q[i] = FastCodesAvx2::scaled(acc[i], call.scale_quads + lane_of(c, i));
      const __m256i bytes = codes.pack(q[0], q[1], q[2], q[3]);
      if (count == kCodes) {
        _mm256_storeu_si256(static_cast<__m256i*>(out), bytes);
      } else if (count == 16) {
        _mm_storeu_si128(static_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
      } else {
        alignas(32) std::uint8_t all[kCodes];
        _mm256_store_si256(reinterpret_cast<__m256i*>(all), bytes);
        std::memcpy(out, all, static_cast<std::size_t>(count));
      }
    } else {
      alignas(32) std::int32_t quads[4][8];
      for (int i = 0; i < 4; ++i) _mm256_store_si256(reinterpret_cast<__m256i*>(quads[i]), acc[i]);
      // Channels 16 * l + 4 * q .. + 3 are lanes 4 * l .. + 3 of quad q.
      alignas(32) std::int32_t sums[kCodes];
      for (int l = 0; l < 2; ++l)
        for (int q = 0; q < 4; ++q) {
          const __m128i four = _mm_load_si128(reinterpret_cast<const __m128i*>(&quads[q][4 * l]));
          const __m128i start = _mm_loadu_si128(reinterpret_cast<const __m128i*>(call.start + c + 16 * l + 4 * q));
          _mm_store_si128(reinterpret_cast<__m128i*>(sums + 16 * l + 4 * q), _mm_add_epi32(four, start));
        }
      Finish<Isa::avx2>::run(call.sink, sums, kCodes, 1, c, count, out, 0);
    }
  }

  // 3x3, horizontal stride Step (0: any).
  template <bool Fast, int Step>
  OCTAVO_TARGET_AVX2 static void columns(const DepthwiseCall& call, std::int64_t y, std::int64_t c) {
    const ConvGeometry& g = *call.geometry;
    const std::int64_t count = std::min(kCodes, g.out_c - c);
    const std::int64_t top = y * g.window.stride_h - g.window.pad_top;
    const std::uint8_t* row[3];
    for (int i = 0; i < 3; ++i) row[i] = call.row(top + i) + c;
    const __m256i outside = _mm256_set1_epi8(static_cast<char>(*call.zero_row));
    const auto column = [&](std::int64_t x, __m256i* quad) OCTAVO_TARGET_AVX2 {
      if (x < 0 || x >= g.in_w) {
        quad[0] = quad[1] = quad[2] = quad[3] = outside;
        return;
      }
      const std::int64_t at = x * g.in_c;
      const __m256i r2 = load(row[2] + at, count);
      interleave(load(row[0] + at, count), load(row[1] + at, count), r2, r2, quad);
    };
    const std::int8_t* weights = call.weights->columns.data() + c / kChannelBlock * 6 * 256 + c % kChannelBlock;
    const std::int64_t stride = Step != 0 ? Step : g.window.stride_w;
    std::int64_t in_x = -g.window.pad_left;
    __m256i left[4], middle[4], right[4];
    column(in_x, left);
    column(in_x + 1, middle);
    for (std::int64_t x = 0; x < g.out_w; ++x, in_x += stride) {
      column(in_x + 2, right);
      __m256i acc[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const std::int8_t* w = weights + 64 * i;
        acc[i] = start<Fast>(call, c, i);
        Dot::add(acc[i], Dot::codes(left[i]), Dot::weights(load_ymm(w)));
        Dot::add(acc[i], Dot::codes(middle[i]), Dot::weights(load_ymm(w + 512)));
        Dot::add(acc[i], Dot::codes(right[i]), Dot::weights(load_ymm(w + 1024)));
      }
      write<Fast>(call, acc, c, count, call.output(y, x, c));
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if constexpr (Step == 1) left[i] = middle[i], middle[i] = right[i];
        if constexpr (Step == 2) left[i] = right[i];
      }
      if constexpr (Step == 0) column(in_x + stride, left);
      if constexpr (Step != 1) column(in_x + stride + 1, middle);
    }
  }

  // Any window: taps in groups of four, by pointer.
  template <bool Fast>
  OCTAVO_TARGET_AVX2 static void taps(const DepthwiseCall& call, std::int64_t y, std::int64_t c) {
    const ConvGeometry& g = *call.geometry;
    const std::int64_t count = std::min(kCodes, g.out_c - c);
    const std::int64_t window = g.window.kernel_h * g.window.kernel_w;
    const std::int8_t* weights =
        call.weights->taps.data() + c / kChannelBlock * ((window + 3) / 4) * 256 + c % kChannelBlock;
    for (std::int64_t x = 0; x < g.out_w; ++x) {
      __m256i acc[4];
      for (int i = 0; i < 4; ++i) acc[i] = start<Fast>(call, c, i);
      for (std::int64_t t = 0; t < window; t += 4) {
        __m256i tap[4];
        for (std::int64_t i = 0; i < 4; ++i) {
          // Beyond the last tap the weights are 0: any pixel will do.
          const std::int64_t n = std::min(t + i, window - 1);
          tap[i] = load(call.pixel(y, x, n / g.window.kernel_w, n % g.window.kernel_w) + c, count);
        }
        __m256i quad[4];
        interleave(tap[0], tap[1], tap[2], tap[3], quad);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          Dot::add(acc[i], Dot::codes(quad[i]), Dot::weights(load_ymm(weights + t * 64 + 64 * i)));
      }
      write<Fast>(call, acc, c, count, call.output(y, x, c));
    }
  }
};

template <>
struct Depthwise<Isa::avx2> : DepthwiseYmm<DotMadd> {
  static std::string_view name(const ConvGeometry& g) {
    if (g.in_c != g.out_c) return Depthwise<Isa::scalar>::name(g);
    return three_by_three(g) ? "depthwise_3x3_avx2" : "depthwise_taps_avx2";
  }
};

template <>
struct Depthwise<Isa::avxvnni> : DepthwiseYmm<DotAvxVnni> {
  static std::string_view name(const ConvGeometry& g) {
    if (g.in_c != g.out_c) return Depthwise<Isa::scalar>::name(g);
    return three_by_three(g) ? "depthwise_3x3_avxvnni" : "depthwise_taps_avxvnni";
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_DEPTHWISE_AVX2_HPP_
