// octavo/kernels/x86/pair_front_avx512vnni.hpp: the convolution in front of a depthwise one, written as pairs of rows.
//
// A tile is two rows of the image, one above the other, by 32 channels (with many inputs two such pairs by 64): its
// output stage packs both rows together, and one shuffle puts the bytes of a channel side by side. Per 64 codes it
// costs what a tile of the matrix product costs (gemm_avx512vnni.hpp). Few inputs: weights in registers.
#ifndef OCTAVO_KERNELS_X86_PAIR_FRONT_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_PAIR_FRONT_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "gemm_avx512vnni.hpp"
#include "pair_rows_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct PairFront {
  // Pairs [begin, end) of channels [c, c + width), to the vectors from `vector` on.
  static void run(const PairRows& p, std::int64_t c, std::int64_t width, std::int64_t vector, std::int64_t begin,
                  std::int64_t end) {
    const std::int64_t top = p.call.depthwise->window.pad_top, height = p.front.out_h;
    // Pairs wholly outside the image.
    for (; end > begin && 2 * (end - 1) - top >= height; --end)
      for (std::int64_t v = 0; v < (width + 31) / 32; ++v)
        std::memset(p.slot(vector + v, end - 1), p.call.front_sink.zero_point, static_cast<std::size_t>(p.slot_bytes));
    if (begin >= end) return;
    const std::int64_t quads = p.front.in_c / 4;
    const bool narrow = width < 32;
    if (p.front.in_c == 3) return narrow ? window<1>(p, c, vector, begin, end) : window<2>(p, c, vector, begin, end);
    if (quads == 4) return narrow ? held<4, 1>(p, c, vector, begin, end) : held<4, 2>(p, c, vector, begin, end);
    if (quads == 6) return narrow ? held<6, 1>(p, c, vector, begin, end) : held<6, 2>(p, c, vector, begin, end);
    if (quads == 8) return narrow ? held<8, 1>(p, c, vector, begin, end) : held<8, 2>(p, c, vector, begin, end);
    for (std::int64_t pair = begin; pair < end; pair += 2) {
      const bool first = 2 * pair - top >= 0, two = pair + 1 < end;
      const bool last = 2 * (two ? pair + 1 : pair) - top + 1 < height;
      if (width == 64)
        !two             ? tile<4, 0x3>(p, c, vector, pair)
        : first && !last ? tile<4, 0x7>(p, c, vector, pair)
        : !first && last ? tile<4, 0xE>(p, c, vector, pair)
                         : tile<4, 0xF>(p, c, vector, pair);
      else if (width == 32)
        two ? tile<2, 0xF>(p, c, vector, pair) : tile<2, 0x3>(p, c, vector, pair);
      else
        two ? tile<1, 0xF>(p, c, vector, pair) : tile<1, 0x3>(p, c, vector, pair);
    }
  }

 private:
  // Lane by lane (4 channels of vectors 0 and 1): bytes of two rows side by side.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i side_by_side() {
    return _mm512_maskz_broadcast_i32x4(kAll16, _mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0));
  }

  // Few inputs: pairs [begin, end), weights in registers.
  template <unsigned Quads, unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void held(const PairRows& p, std::int64_t c,
                                                                      std::int64_t vector, std::int64_t begin,
                                                                      std::int64_t end) {
    const std::int64_t top = p.call.depthwise->window.pad_top, left_bytes = p.call.depthwise->window.pad_left * 64;
    const std::int64_t width = p.front.in_w;
    const std::int8_t* const weights = p.call.front->packed_weights().data() + c / 16 * Quads * 64;
    const std::int32_t* const starts = p.call.front_start + c;
    const float* const scale = p.call.front_sink.scale + c;
    const FastCodesAvx512 codes(p.call.front_sink);
    const __m512i order = side_by_side();
    __m512i weight[Quads][Vectors];
#pragma GCC unroll 8
    for (unsigned k = 0; k < Quads; ++k)
#pragma GCC unroll 2
      for (unsigned v = 0; v < Vectors; ++v) {
        weight[k][v] = _mm512_loadu_si512(weights + (v * Quads + k) * 64);
        __asm__("" : "+v"(weight[k][v]));
      }
    for (std::int64_t pair = begin; pair < end; ++pair) {
      const std::int64_t y = 2 * pair - top;
      const std::uint8_t* upper = p.row(y);
      const std::uint8_t* lower = p.row(y + 1);
      const __mmask16 upper_exists = p.exists(y), lower_exists = p.exists(y + 1);
      std::uint8_t* to = p.slot(vector, pair) + left_bytes;
      std::uint8_t* const to_end = to + 64 * width;
      if (upper_exists != lower_exists) {  // the other row is the zero point
        if (upper_exists == 0) upper = lower;
        for (; to != to_end; to += 64, upper += 4 * Quads) {
          __m512i acc[Vectors];
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) acc[v] = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 8
          for (unsigned k = 0; k < Quads; ++k) {
            std::int32_t four;
            std::memcpy(&four, upper + 4 * k, 4);
            const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 2
            for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[v], a, weight[k][v]);
          }
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) acc[v] = FastCodesAvx512::scaled(acc[v], scale + 16 * v);
          const __m512i packed = codes.pack(
              _mm512_maskz_mov_epi32(upper_exists, acc[0]), _mm512_maskz_mov_epi32(upper_exists, acc[Vectors - 1]),
              _mm512_maskz_mov_epi32(lower_exists, acc[0]), _mm512_maskz_mov_epi32(lower_exists, acc[Vectors - 1]));
          _mm512_store_si512(to, _mm512_shuffle_epi8(packed, order));
        }
        continue;
      }
      for (; to != to_end; to += 64, upper += 4 * Quads, lower += 4 * Quads) {
        __m512i acc_upper[Vectors], acc_lower[Vectors];
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) acc_upper[v] = acc_lower[v] = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 8
        for (unsigned k = 0; k < Quads; ++k) {
          std::int32_t four;
          std::memcpy(&four, upper + 4 * k, 4);
          const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc_upper[v], a, weight[k][v]);
          std::memcpy(&four, lower + 4 * k, 4);
          const __m512i b = _mm512_set1_epi32(four);
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc_lower[v], b, weight[k][v]);
        }
#pragma GCC unroll 2
        for (unsigned v = 0; v < Vectors; ++v) {
          const __m512 s = _mm512_loadu_ps(scale + 16 * v);
          acc_upper[v] = FastCodesAvx512::scaled(acc_upper[v], s);
          acc_lower[v] = FastCodesAvx512::scaled(acc_lower[v], s);
        }
        const __m512i packed = codes.pack(acc_upper[0], acc_upper[Vectors - 1], acc_lower[0], acc_lower[Vectors - 1]);
        _mm512_store_si512(to, _mm512_shuffle_epi8(packed, order));
      }
    }
  }

  // A 3x3 window on 3 channels: pairs [begin, end). A row of the window is 9 bytes: two quads, and the last bytes of
  // the three rows make a seventh. Pixels whose window leaves the image to the left or right read a copy.
  template <unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void window(const PairRows& p, std::int64_t c,
                                                                        std::int64_t vector, std::int64_t begin,
                                                                        std::int64_t end) {
    const Window& w = p.front.window;
    const std::int64_t top = p.call.depthwise->window.pad_top, left_bytes = p.call.depthwise->window.pad_left * 64;
    const std::int64_t width = p.front.out_w, step = w.stride_w * 3, line = p.front.in_w * 3;
    const std::int64_t inside_begin = std::min(width, (w.pad_left + w.stride_w - 1) / w.stride_w);
    const std::int64_t room = p.front.in_w - 3 + w.pad_left;
    const std::int64_t inside_end = room < 0 ? inside_begin : std::clamp(room / w.stride_w + 1, inside_begin, width);
    const std::int8_t* const weights = p.call.front->packed_weights().data() + c / 16 * 9 * 64;
    const std::int32_t* const starts = p.call.front_start + c;
    const float* const scale = p.call.front_sink.scale + c;
    const FastCodesAvx512 codes(p.call.front_sink);
    const __m512i order = side_by_side();
    __m512i weight[7][Vectors];
#pragma GCC unroll 2
    for (unsigned v = 0; v < Vectors; ++v) {
      const std::int8_t* const packed = weights + v * 9 * 64;  // 3 segments of 3 quads, the last with one weight
#pragma GCC unroll 6
      for (unsigned k = 0; k < 6; ++k) weight[k][v] = _mm512_loadu_si512(packed + (k / 2 * 3 + k % 2) * 64);
      weight[6][v] =
          _mm512_or_si512(_mm512_or_si512(_mm512_loadu_si512(packed + 2 * 64),
                                          _mm512_maskz_slli_epi32(kAll16, _mm512_loadu_si512(packed + 5 * 64), 8)),
                          _mm512_maskz_slli_epi32(kAll16, _mm512_loadu_si512(packed + 8 * 64), 16));
#pragma GCC unroll 7
      for (unsigned k = 0; k < 7; ++k) __asm__("" : "+v"(weight[k][v]));
    }
    std::uint8_t patch[2][36];  // 3 segments of 3 quads
    for (std::int64_t pair = begin; pair < end; ++pair) {
      const std::int64_t y = 2 * pair - top;
      const __mmask16 exist[2] = {p.exists(y), p.exists(y + 1)};
      const std::uint8_t* rows[2][3];
      std::int64_t image_top[2];
      for (unsigned i = 0; i < 2; ++i) {
        image_top[i] = std::clamp<std::int64_t>(y + i, 0, p.front.out_h - 1) * w.stride_h - w.pad_top;
        for (unsigned k = 0; k < 3; ++k) {
          const std::int64_t r = image_top[i] + k;
          rows[i][k] = r < 0 || r >= p.front.in_h ? p.call.front_zero_row : p.call.in + r * line;
        }
      }
      std::uint8_t* to = p.slot(vector, pair) + left_bytes;
      for (std::int64_t x = 0; x < width;) {
        const bool inside = x >= inside_begin && x < inside_end;
        const std::int64_t count = inside ? inside_end - x : 1;
        const std::uint8_t* at[2][3];
        for (unsigned i = 0; i < 2; ++i) {
          if (!inside) p.call.front->copy_patch(p.call.in, image_top[i], x, 0, *p.call.front_zero_row, patch[i]);
          for (unsigned k = 0; k < 3; ++k)
            at[i][k] = inside ? rows[i][k] + x * step - w.pad_left * 3 : patch[i] + 12 * k;
        }
        const std::uint8_t *a0 = at[0][0], *a1 = at[0][1], *a2 = at[0][2];
        const std::uint8_t *b0 = at[1][0], *b1 = at[1][1], *b2 = at[1][2];
        x += count;
        for (std::int64_t n = 0; n < count * step; n += step, to += 64) {
          __m512i acc_upper[Vectors], acc_lower[Vectors];
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) acc_upper[v] = acc_lower[v] = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 7
          for (unsigned k = 0; k < 7; ++k) {
            std::int32_t four;
            if (k < 6)
              std::memcpy(&four, (k < 2 ? a0 : k < 4 ? a1 : a2) + n + k % 2 * 4, 4);
            else
              four = a0[n + 8] | a1[n + 8] << 8 | a2[n + 8] << 16;
            const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 2
            for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc_upper[v], a, weight[k][v]);
            if (k < 6)
              std::memcpy(&four, (k < 2 ? b0 : k < 4 ? b1 : b2) + n + k % 2 * 4, 4);
            else
              four = b0[n + 8] | b1[n + 8] << 8 | b2[n + 8] << 16;
            const __m512i b = _mm512_set1_epi32(four);
#pragma GCC unroll 2
            for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc_lower[v], b, weight[k][v]);
          }
#pragma GCC unroll 2
          for (unsigned v = 0; v < Vectors; ++v) {
            const __m512 s = _mm512_loadu_ps(scale + 16 * v);
            acc_upper[v] =
                _mm512_maskz_cvtps_epi32(exist[0], _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc_upper[v]), s));
            acc_lower[v] =
                _mm512_maskz_cvtps_epi32(exist[1], _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc_lower[v]), s));
          }
          const __m512i packed = codes.pack(acc_upper[0], acc_upper[Vectors - 1], acc_lower[0], acc_lower[Vectors - 1]);
          _mm512_store_si512(to, _mm512_shuffle_epi8(packed, order));
        }
      }
    }
  }

  // Two pairs of rows, or one (Present <= 3), of 16 * Vectors channels. Present: the rows that are multiplied, bit by
  // bit; one that is, though outside the image, becomes the zero point by its mask.
  template <unsigned Vectors, unsigned Present>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void tile(const PairRows& p, std::int64_t c,
                                                                      std::int64_t vector, std::int64_t first) {
    constexpr bool two = Present > 3;
    const std::int64_t second = two ? first + 1 : first;
    const std::int64_t top = p.call.depthwise->window.pad_top;
    const std::int64_t y[4] = {2 * first - top, 2 * first - top + 1, 2 * second - top, 2 * second - top + 1};
    const std::int64_t width = p.front.in_w, depth = p.front.in_c;
    const std::int64_t bytes = depth * 16;
    const std::int8_t* const weights = p.call.front->packed_weights().data() + c / 16 * bytes;
    const std::int32_t* const starts = p.call.front_start + c;
    const float* const scale = p.call.front_sink.scale + c;
    const FastCodesAvx512 codes(p.call.front_sink);
    const __m512i order = side_by_side();
    const std::int64_t left = p.call.depthwise->window.pad_left * 64;
    std::uint8_t* const to0 = p.slot(vector, first) + left;
    std::uint8_t* const to1 = p.slot(vector, second) + left;
    const std::int64_t next_vector = p.slots * p.slot_bytes;
    const std::uint8_t* const r0 = p.row(y[0]);
    const std::uint8_t* const r1 = p.row(y[1]);
    const std::uint8_t* const r2 = p.row(y[2]);
    const std::uint8_t* const r3 = p.row(y[3]);
    const __mmask16 mask[4] = {p.exists(y[0]), p.exists(y[1]), p.exists(y[2]), p.exists(y[3])};
    for (std::int64_t x = 0; x < width; ++x) {
      __m512i acc[4][Vectors];
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v) {
        const __m512i start = _mm512_loadu_si512(starts + 16 * v);
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) acc[i][v] = start;
      }
      const std::int8_t* w = weights;
      const std::int64_t at = x * depth;
      for (std::int64_t k = 0; k < depth; k += 4, w += 64) {
        __m512i weight[Vectors];
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) {
          weight[v] = _mm512_loadu_si512(w + v * bytes);
          __asm__("" : "+v"(weight[v]));  // loaded once a step, not once a row
        }
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i)
          if ((Present >> i & 1U) != 0) {
            std::int32_t four;
            std::memcpy(&four, (i == 0 ? r0 : i == 1 ? r1 : i == 2 ? r2 : r3) + at + k, 4);
            const __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (unsigned v = 0; v < Vectors; ++v) OCTAVO_DETAIL_DPBUSD(acc[i][v], a, weight[v]);
          }
      }
#pragma GCC unroll 4
      for (unsigned v = 0; v < Vectors; ++v) {
        __m512 s = _mm512_loadu_ps(scale + 16 * v);
        __asm__("" : "+v"(s));
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i)
          acc[i][v] =
              (Present >> i & 1U) == 0
                  ? _mm512_setzero_si512()
                  : _mm512_maskz_cvtps_epi32(mask[i], _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll16, acc[i][v]), s));
      }
#pragma GCC unroll 2
      for (unsigned v = 0; v < Vectors; v += 2) {
        const unsigned u = v + 1 < Vectors ? v + 1 : v;
        const std::int64_t place = x * 64 + v / 2 * next_vector;
        _mm512_store_si512(to0 + place,
                           _mm512_shuffle_epi8(codes.pack(acc[0][v], acc[0][u], acc[1][v], acc[1][u]), order));
        if constexpr (two)
          _mm512_store_si512(to1 + place,
                             _mm512_shuffle_epi8(codes.pack(acc[2][v], acc[2][u], acc[3][v], acc[3][u]), order));
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_PAIR_FRONT_AVX512VNNI_HPP_
