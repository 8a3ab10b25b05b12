// octavo/kernels/x86/conv_depthwise_avx512vnni.hpp: expansion and depthwise 3x3 in one, with VPDPBUSD.
#ifndef OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../conv_depthwise_call.hpp"
#include "gemm_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

class ConvDepthwiseAvx512 {
 public:
  static void run(const ConvDepthwiseCall& call) { ConvDepthwiseAvx512(call).run_bands(); }

 private:
  explicit ConvDepthwiseAvx512(const ConvDepthwiseCall& call)
      : call_(call),
        front_(call.front->geometry()),
        ring_(plan_ring(*call.depthwise)),
        slots_(ring_.slots()),
        slot_bytes_(ring_.slot_bytes()) {}

  // The pair of rows j of the 32 channels from vector * 32 on.
  [[nodiscard]] std::uint8_t* slot(std::int64_t vector, std::int64_t pair) const {
    return reinterpret_cast<std::uint8_t*>(call_.scratch) + (vector * slots_ + pair % slots_) * slot_bytes_;
  }

  void run_bands() {
    const bool one_band = ring_.units >= units_of(*call_.depthwise);
    std::int64_t ready = call_.unit_begin;  // pairs before this one stand in the ring
    for (std::int64_t unit = call_.unit_begin; unit < call_.unit_end; unit += ring_.units) {
      const std::int64_t end = std::min(call_.unit_end, unit + ring_.units);
      for (std::int64_t c = call_.channel_begin; c < call_.channel_end;) {
        const std::int64_t width = panel_width(call_.channel_end - c);
        const std::int64_t vector = one_band ? 0 : (c - call_.channel_begin) / 32;
        if (unit == call_.unit_begin) fill_borders(vector, (width + 31) / 32);
        expand(c, width, vector, ready, end + 1);
        for (std::int64_t v = 0; v < width; v += 32)
          depthwise(c + v, std::min<std::int64_t>(width - v, 32), vector + v / 32, unit, end);
        c += width;
      }
      ready = end + 1;
    }
  }

  [[nodiscard]] std::int64_t panel_width(std::int64_t rest) const {
    const std::int64_t quads = front_.in_c / 4;
    if (front_.in_c == 3 || quads == 4 || quads == 6 || quads == 8) return std::min<std::int64_t>(rest, 32);
    return rest >= 64 ? 64 : std::min<std::int64_t>(rest, 32);
  }

  // Columns left and right of the image, in all slots.
  void fill_borders(std::int64_t vector, std::int64_t vectors) const {
    const std::int64_t left = call_.depthwise->window.pad_left;
    const std::int64_t right = std::max<std::int64_t>(ring_.columns - left - front_.out_w, 0);
    for (std::int64_t v = 0; v < vectors; ++v)
      for (std::int64_t s = 0; s < slots_; ++s) {
        std::uint8_t* at = slot(vector + v, s);
        std::memset(at, call_.front_sink.zero_point, static_cast<std::size_t>(left * 64));
        std::memset(at + (ring_.columns - right) * 64, call_.front_sink.zero_point,
                    static_cast<std::size_t>(right * 64));
      }
  }

  void expand(std::int64_t c, std::int64_t width, std::int64_t vector, std::int64_t begin, std::int64_t end) const {
    const std::int64_t top = call_.depthwise->window.pad_top, height = front_.out_h;
    // Pairs wholly outside the image.
    for (; end > begin && 2 * (end - 1) - top >= height; --end)
      for (std::int64_t v = 0; v < (width + 31) / 32; ++v)
        std::memset(slot(vector + v, end - 1), call_.front_sink.zero_point, static_cast<std::size_t>(slot_bytes_));
    if (begin >= end) return;
    const std::int64_t quads = front_.in_c / 4;
    const bool narrow = width < 32;
    if (front_.in_c == 3) return narrow ? window<1>(c, vector, begin, end) : window<2>(c, vector, begin, end);
    if (quads == 4) return narrow ? held<4, 1>(c, vector, begin, end) : held<4, 2>(c, vector, begin, end);
    if (quads == 6) return narrow ? held<6, 1>(c, vector, begin, end) : held<6, 2>(c, vector, begin, end);
    if (quads == 8) return narrow ? held<8, 1>(c, vector, begin, end) : held<8, 2>(c, vector, begin, end);
    for (std::int64_t pair = begin; pair < end; pair += 2) {
      const bool first = 2 * pair - top >= 0, two = pair + 1 < end;
      const bool last = 2 * (two ? pair + 1 : pair) - top + 1 < height;
      if (width == 64)
        !two             ? tile<4, 0x3>(c, vector, pair)
        : first && !last ? tile<4, 0x7>(c, vector, pair)
        : !first && last ? tile<4, 0xE>(c, vector, pair)
                         : tile<4, 0xF>(c, vector, pair);
      else if (width == 32)
        two ? tile<2, 0xF>(c, vector, pair) : tile<2, 0x3>(c, vector, pair);
      else
        two ? tile<1, 0xF>(c, vector, pair) : tile<1, 0x3>(c, vector, pair);
    }
  }

  // Row of the input image, and whether it exists (else some other one).
  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const {
    return call_.in + std::clamp<std::int64_t>(y, 0, front_.in_h - 1) * front_.in_w * front_.in_c;
  }
  [[nodiscard]] __mmask16 exists(std::int64_t y) const { return y >= 0 && y < front_.out_h ? kAll16 : 0; }

  // Lane by lane (4 channels of vectors 0 and 1): bytes of two rows side by side.
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static __m512i side_by_side() {
    return _mm512_maskz_broadcast_i32x4(kAll16, _mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0));
  }

  // Few inputs: pairs [begin, end), weights in registers.
  template <unsigned Quads, unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) void held(std::int64_t c, std::int64_t vector, std::int64_t begin,
                                                               std::int64_t end) const {
    const std::int64_t top = call_.depthwise->window.pad_top, left_bytes = call_.depthwise->window.pad_left * 64;
    const std::int64_t width = front_.in_w;
    const std::int8_t* const weights = call_.front->packed_weights().data() + c / 16 * Quads * 64;
    const std::int32_t* const starts = call_.front_start + c;
    const float* const scale = call_.front_sink.scale + c;
    const FastCodesAvx512 codes(call_.front_sink);
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
      const std::uint8_t* upper = row(y);
      const std::uint8_t* lower = row(y + 1);
      const __mmask16 upper_exists = exists(y), lower_exists = exists(y + 1);
      std::uint8_t* to = slot(vector, pair) + left_bytes;
      std::uint8_t* const to_end = to + 64 * width;
      if (upper_exists != lower_exists) {
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
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) void window(std::int64_t c, std::int64_t vector,
                                                                 std::int64_t begin, std::int64_t end) const {
    const Window& w = front_.window;
    const std::int64_t top = call_.depthwise->window.pad_top, left_bytes = call_.depthwise->window.pad_left * 64;
    const std::int64_t width = front_.out_w, step = w.stride_w * 3, line = front_.in_w * 3;
    const std::int64_t inside_begin = std::min(width, (w.pad_left + w.stride_w - 1) / w.stride_w);
    const std::int64_t room = front_.in_w - 3 + w.pad_left;
    const std::int64_t inside_end = room < 0 ? inside_begin : std::clamp(room / w.stride_w + 1, inside_begin, width);
    const std::int8_t* const weights = call_.front->packed_weights().data() + c / 16 * 9 * 64;
    const std::int32_t* const starts = call_.front_start + c;
    const float* const scale = call_.front_sink.scale + c;
    const FastCodesAvx512 codes(call_.front_sink);
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
      const __mmask16 exist[2] = {exists(y), exists(y + 1)};
      const std::uint8_t* rows[2][3];
      std::int64_t image_top[2];
      for (unsigned i = 0; i < 2; ++i) {
        image_top[i] = std::clamp<std::int64_t>(y + i, 0, front_.out_h - 1) * w.stride_h - w.pad_top;
        for (unsigned k = 0; k < 3; ++k) {
          const std::int64_t r = image_top[i] + k;
          rows[i][k] = (r < 0 || r >= front_.in_h ? call_.front_zero_row : call_.in + r * line) - w.pad_left * 3;
        }
      }
      std::uint8_t* to = slot(vector, pair) + left_bytes;
      for (std::int64_t x = 0; x < width;) {
        const bool inside = x >= inside_begin && x < inside_end;
        const std::int64_t count = inside ? inside_end - x : 1;
        const std::uint8_t* at[2][3];
        for (unsigned i = 0; i < 2; ++i) {
          if (!inside) call_.front->copy_patch(call_.in, image_top[i], x, 0, *call_.front_zero_row, patch[i]);
          for (unsigned k = 0; k < 3; ++k) at[i][k] = inside ? rows[i][k] + x * step : patch[i] + 12 * k;
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

  // Two pairs of rows; Present: which of the four are not outside the image (0xF: see the masks).
  template <unsigned Vectors, unsigned Present>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) void tile(std::int64_t c, std::int64_t vector,
                                                               std::int64_t first) const {
    constexpr bool two = Present > 3;
    const std::int64_t second = two ? first + 1 : first;
    const std::int64_t top = call_.depthwise->window.pad_top;
    const std::int64_t y[4] = {2 * first - top, 2 * first - top + 1, 2 * second - top, 2 * second - top + 1};
    const std::int64_t width = front_.in_w, depth = front_.in_c;
    const std::int64_t bytes = depth * 16;
    const std::int8_t* const weights = call_.front->packed_weights().data() + c / 16 * bytes;
    const std::int32_t* const starts = call_.front_start + c;
    const float* const scale = call_.front_sink.scale + c;
    const FastCodesAvx512 codes(call_.front_sink);
    const __m512i order = side_by_side();
    const std::int64_t left = call_.depthwise->window.pad_left * 64;
    std::uint8_t* const to0 = slot(vector, first) + left;
    std::uint8_t* const to1 = slot(vector, second) + left;
    const std::int64_t next_vector = slots_ * slot_bytes_;
    const std::uint8_t* const r0 = row(y[0]);
    const std::uint8_t* const r1 = row(y[1]);
    const std::uint8_t* const r2 = row(y[2]);
    const std::uint8_t* const r3 = row(y[3]);
    const __mmask16 mask[4] = {exists(y[0]), exists(y[1]), exists(y[2]), exists(y[3])};
    const std::int8_t* ahead = weights + Vectors * bytes;
    const std::int64_t step = (Vectors * bytes / width + 63) / 64 * 64;
    for (std::int64_t x = 0; x < width; ++x) {
      for (const std::int8_t* const stop = ahead + step; ahead != stop; ahead += 64)
        __asm__ volatile("prefetcht0 %0" : : "m"(*ahead));
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

  void depthwise(std::int64_t c, std::int64_t width, std::int64_t vector, std::int64_t begin, std::int64_t end) const {
    if (call_.depthwise->window.stride_h == 1)
      width == 32 ? stride_1<2>(c, vector, begin, end) : stride_1<1>(c, vector, begin, end);
    else
      width == 32 ? stride_2<2>(c, vector, begin, end) : stride_2<1>(c, vector, begin, end);
  }

  // Stride 1: two output rows a unit. What the loop multiplies at one pixel it scales, packs and stores at the next:
  // the output stage then never waits in the scheduler for its products.
  template <unsigned Vectors>
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) void stride_1(std::int64_t c, std::int64_t vector,
                                                                   std::int64_t begin, std::int64_t end) const {
    const ConvGeometry& g = *call_.depthwise;
    const std::int8_t* const weights = call_.depthwise_pairs + c * 24;
    const std::int32_t* const starts = call_.depthwise_start + c;
    const float* const scale = call_.depthwise_sink.scale + c;
    const FastCodesAvx512 codes(call_.depthwise_sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const std::int64_t out_w = g.out_w, out_c = g.out_c, out_h = g.out_h;
    std::uint8_t* const out = call_.out + c;
    const std::uint8_t* const ring_begin = slot(vector, 0);
    const std::uint8_t* const ring_end = ring_begin + slots_ * slot_bytes_;
    const std::int64_t slot_bytes = slot_bytes_;
    const std::uint8_t* next = slot(vector, begin);
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
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) void stride_2(std::int64_t c, std::int64_t vector,
                                                                   std::int64_t begin, std::int64_t end) const {
    const ConvGeometry& g = *call_.depthwise;
    const std::int8_t* const weights = call_.depthwise_pairs + c * 24;
    const std::int32_t* const starts = call_.depthwise_start + c;
    const float* const scale = call_.depthwise_sink.scale + c;
    const FastCodesAvx512 codes(call_.depthwise_sink);
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const std::int64_t out_w = g.out_w, out_c = g.out_c, slot_bytes = slot_bytes_;
    const std::uint8_t* const ring_begin = slot(vector, 0);
    const std::uint8_t* const ring_end = ring_begin + slots_ * slot_bytes;
    const std::uint8_t* next = slot(vector, begin);
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
      std::uint8_t* to = call_.out + unit * out_w * out_c + c;
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

  const ConvDepthwiseCall& call_;
  const ConvGeometry& front_;
  PairRing ring_;
  std::int64_t slots_, slot_bytes_;
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_
