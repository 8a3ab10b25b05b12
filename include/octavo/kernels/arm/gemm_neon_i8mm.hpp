// octavo/kernels/arm/gemm_neon_i8mm.hpp: the matrix product by USMMLA (ARMv8.6): 2 rows x 8 depths of codes times 8
// depths x 2 channels of weights, 32 products an instruction.
//
// A tile of 2 * Pairs rows x 16 channels, 8 depths a step: 8 loads of weights and 8 ZIPs that bring a channel's depths
// together, 2 * Pairs loads of codes, 8 * Pairs USMMLA for Pairs * 256 products.
#ifndef OCTAVO_KERNELS_ARM_GEMM_NEON_I8MM_HPP_
#define OCTAVO_KERNELS_ARM_GEMM_NEON_I8MM_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../gemm.hpp"
#include "finish_neon.hpp"
#include "load_weights_neon.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <WeightBits Bits>
struct Gemm<Isa::neon_i8mm, Bits> {
  static constexpr bool kNibbles = Bits == WeightBits::four;
  static constexpr std::string_view kPlainName = kNibbles ? "gemm_u8s4_neon_i8mm" : "gemm_u8s8_neon_i8mm";
  static constexpr std::string_view kSegmentsName =
      kNibbles ? "implicit_gemm_u8s4_neon_i8mm" : "implicit_gemm_u8s8_neon_i8mm";

  static void run(const GemmCall& call) {
    if (call.rows == 1) return Gemm<Isa::neon_dotprod, Bits>::run(call);  // half of each product would be for nothing
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    const std::int64_t block = std::clamp<std::int64_t>(16384 / depth / 6 * 6, 24, 240);
    for (std::int64_t r = 0; r < call.rows; r += block) {
      const std::int64_t end = std::min(call.rows, r + block);
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) panel(call, r, end, c);
    }
  }

 private:
  static constexpr std::int64_t kQuad = quad_bytes(Bits);

  // Rows [r, end) of the channels from c on, 16 or what is left of them.
  static void panel(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    const std::int64_t count = call.channel_end - c;
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    if (fast && count >= kLanes)
      all_tiles<true, 4>(call, r, end, c);
    else if (fast && count == kLanes / 2)
      all_tiles<true, 2>(call, r, end, c);
    else
      all_tiles<false, 4>(call, r, end, c);
  }

  template <bool Fast, unsigned Vectors>
  static void all_tiles(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    const std::int64_t whole = (end - r) / 6 * 6;
    tiles<Fast, 3, Vectors>(call, r, r + whole, c);
    tiles<Fast, 1, Vectors>(call, r + whole, end, c);
  }

  // Tiles of 2 * Pairs rows x 4 * Vectors channels. Fast: writes all these channels to a sink of kind fast_codes.
  // Accumulators hold two rows of two channels: [r0 c0, r0 c1, r1 c0, r1 c1]. A second row that is not there reads the
  // first one again.
  template <bool Fast, unsigned Pairs, unsigned Vectors>
  OCTAVO_TARGET_NEON_I8MM static void tiles(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    int32x4_t start[2 * Vectors];
    float32x4_t scale[2 * Vectors];
#pragma GCC unroll 8
    for (unsigned v = 0; v < 2 * Vectors; ++v) {
      start[v] = twice(call.start + c + 2 * v);
      if constexpr (Fast) scale[v] = vreinterpretq_f32_s32(twice(call.sink.scale + c + 2 * v));
    }
    const FastCodesNeon stage(call.sink);
    const std::int8_t* const panel_weights = call.weights + c * call.segments * call.quads * (kQuad / kLanes);
    const std::int64_t stride = call.row_stride;
    const std::int64_t segments = call.segments;  // locals: what multiply() says of memory would have them read again
    const std::int64_t quads = call.quads;
    const std::int64_t size = call.sink.kind == Sink::Kind::real ? 4 : 1;
    const std::int64_t out_bytes = call.out_stride * size;
    auto* out = static_cast<std::uint8_t*>(call.out) + r * out_bytes + c * size;
    for (; r < end; r += 2 * Pairs) {
      const bool two = Pairs > 1 || r + 1 < end;
      const std::int64_t second = two ? stride : 0;
      const std::int8_t* w = panel_weights;
      int32x4_t acc[Pairs][2 * Vectors];
#pragma GCC unroll 3
      for (unsigned i = 0; i < Pairs; ++i)
#pragma GCC unroll 8
        for (unsigned v = 0; v < 2 * Vectors; ++v) acc[i][v] = start[v];
      for (std::int64_t s = 0; s < segments; ++s) {
        const std::uint8_t* a = call.segment[s] + r * stride;
        std::int64_t q = 0;
        for (; q + 2 <= quads; q += 2, a += 8, w += 2 * kQuad) {
          uint8x16_t codes[Pairs];
#pragma GCC unroll 3
          for (unsigned i = 0; i < Pairs; ++i)
            codes[i] = vcombine_u8(vld1_u8(a + 2 * i * stride), vld1_u8(a + 2 * i * stride + second));
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v) {
            const int32x4_t near = vreinterpretq_s32_s8(load_weights<Bits>(w, v));
            const int32x4_t far = vreinterpretq_s32_s8(load_weights<Bits>(w + kQuad, v));
            multiply(acc, v, codes, near, far);
          }
        }
        if (q < quads) {  // four depths are left, the other four count as 0
          uint8x16_t codes[Pairs];
#pragma GCC unroll 3
          for (unsigned i = 0; i < Pairs; ++i)
            codes[i] = vcombine_u8(four(a + 2 * i * stride), four(a + 2 * i * stride + second));
#pragma GCC unroll 4
          for (unsigned v = 0; v < Vectors; ++v)
            multiply(acc, v, codes, vreinterpretq_s32_s8(load_weights<Bits>(w, v)), vdupq_n_s32(0));
          w += kQuad;
        }
      }
      if constexpr (Fast) {
        int16x8_t words[Vectors][Pairs];
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v)
#pragma GCC unroll 3
          for (unsigned i = 0; i < Pairs; ++i)
            words[v][i] = stage.words(acc[i][2 * v], acc[i][2 * v + 1], scale[2 * v], scale[2 * v + 1]);
#pragma GCC unroll 3
        for (unsigned i = 0; i < Pairs; ++i, out += 2 * out_bytes) {
          const uint8x16_t first = stage.codes(words[0][i], words[1][i]);
          if constexpr (Vectors == 4)
            write(first, stage.codes(words[2][i], words[3][i]), out, two ? out + out_bytes : nullptr);
          else
            write(first, out, two ? out + out_bytes : nullptr);
        }
      } else {
#pragma GCC unroll 3
        for (unsigned i = 0; i < Pairs; ++i, out += 2 * out_bytes)
          finish(call, acc[i], c, out, two ? out + out_bytes : nullptr);
      }
    }
  }

  // Two rows of codes, which part as words, two channels each.
  static OCTAVO_INLINE void write(uint8x16_t first, uint8x16_t last, std::uint8_t* upper, std::uint8_t* lower) {
    const uint16x8_t a = vreinterpretq_u16_u8(first), b = vreinterpretq_u16_u8(last);
    vst1q_u8(upper, vreinterpretq_u8_u16(vuzp1q_u16(a, b)));
    if (lower != nullptr) vst1q_u8(lower, vreinterpretq_u8_u16(vuzp2q_u16(a, b)));
  }
  static OCTAVO_INLINE void write(uint8x16_t codes, std::uint8_t* upper, std::uint8_t* lower) {
    const uint16x8_t a = vreinterpretq_u16_u8(codes);
    vst1_u8(upper, vget_low_u8(vreinterpretq_u8_u16(vuzp1q_u16(a, a))));
    if (lower != nullptr) vst1_u8(lower, vget_low_u8(vreinterpretq_u8_u16(vuzp2q_u16(a, a))));
  }

  // Any sink.
  static void finish(const GemmCall& call, const int32x4_t (&acc)[8], std::int64_t c, std::uint8_t* upper,
                     std::uint8_t* lower) {
    int32x4_t rows[2][4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; ++v) {
      const int64x2_t left = vreinterpretq_s64_s32(acc[2 * v]), right = vreinterpretq_s64_s32(acc[2 * v + 1]);
      rows[0][v] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
      rows[1][v] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
    }
    finish_row_neon(call.sink, rows[0], c, call.channel_end - c, upper);
    if (lower != nullptr) finish_row_neon(call.sink, rows[1], c, call.channel_end - c, lower);
  }

  // Channels 4 * v to 4 * v + 3: `near` holds their first four depths, `far` their next four.
  template <unsigned Pairs, unsigned Count>
  OCTAVO_TARGET_NEON_I8MM static OCTAVO_INLINE void multiply(int32x4_t (&acc)[Pairs][Count], unsigned v,
                                                             const uint8x16_t (&codes)[Pairs], int32x4_t near,
                                                             int32x4_t far) {
    __asm__ volatile("" ::: "memory");  // keeps loads of later weights behind, for want of registers
    const int8x16_t first = vreinterpretq_s8_s32(vzip1q_s32(near, far));
    const int8x16_t last = vreinterpretq_s8_s32(vzip2q_s32(near, far));
#pragma GCC unroll 3
    for (unsigned i = 0; i < Pairs; ++i) {
      usmmla(acc[i][2 * v], codes[i], first);
      usmmla(acc[i][2 * v + 1], codes[i], last);
    }
  }

  // Eight bytes, twice.
  static OCTAVO_INLINE int32x4_t twice(const void* from) {
    std::int64_t bytes;
    std::memcpy(&bytes, from, 8);
    return vreinterpretq_s32_s64(vdupq_n_s64(bytes));
  }

  // Assembly, as arm_neon.h of clang 14 hides the intrinsic from files without the flag.
  OCTAVO_TARGET_NEON_I8MM static OCTAVO_INLINE void usmmla(int32x4_t& acc, uint8x16_t codes, int8x16_t weights) {
    __asm__("usmmla %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(codes), "w"(weights));
  }

  static OCTAVO_INLINE uint8x8_t four(const std::uint8_t* from) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, from, 4);
    return vcreate_u8(bytes);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_GEMM_NEON_I8MM_HPP_
