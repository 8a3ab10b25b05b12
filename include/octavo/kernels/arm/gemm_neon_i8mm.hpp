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
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    const std::int64_t block = std::clamp<std::int64_t>(16384 / depth / 6 * 6, 24, 240);
    for (std::int64_t begin = 0; begin < call.rows; begin += block) {
      const std::int64_t end = std::min(call.rows, begin + block);
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) {
        std::int64_t r = begin;
        for (; r + 6 <= end; r += 6) tile<3>(call, r, c, 6);
        for (; r < end; r += 2) tile<1>(call, r, c, std::min<std::int64_t>(end - r, 2));
      }
    }
  }

 private:
  static constexpr std::int64_t kQuad = quad_bytes(Bits);

  // Accumulators of two rows and two channels: [r0 c0, r0 c1, r1 c0, r1 c1]. A second row that is not there reads the
  // first one again.
  template <unsigned Pairs>
  OCTAVO_TARGET_NEON_I8MM static void tile(const GemmCall& call, std::int64_t r, std::int64_t c, std::int64_t rows) {
    int32x4_t acc[Pairs][8];
#pragma GCC unroll 8
    for (unsigned v = 0; v < 8; ++v) {
      const int32x2_t start = vld1_s32(call.start + c + 2 * v);
#pragma GCC unroll 3
      for (unsigned i = 0; i < Pairs; ++i) acc[i][v] = vcombine_s32(start, start);
    }
    const std::int64_t stride = call.row_stride;
    const std::int64_t second = rows > 1 ? stride : 0;
    const std::int8_t* w = call.weights + c * call.segments * call.quads * (kQuad / kLanes);
    const std::int64_t segments = call.segments;  // locals: what multiply() says of memory would have them read again
    const std::int64_t quads = call.quads;
    for (std::int64_t s = 0; s < segments; ++s) {
      const std::uint8_t* a = call.segment[s] + r * stride;
      std::int64_t q = 0;
      for (; q + 2 <= quads; q += 2, a += 8, w += 2 * kQuad) {
        uint8x16_t codes[Pairs];
#pragma GCC unroll 3
        for (unsigned i = 0; i < Pairs; ++i)
          codes[i] = vcombine_u8(vld1_u8(a + 2 * i * stride), vld1_u8(a + 2 * i * stride + second));
#pragma GCC unroll 4
        for (unsigned v = 0; v < 4; ++v) {
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
        for (unsigned v = 0; v < 4; ++v)
          multiply(acc, v, codes, vreinterpretq_s32_s8(load_weights<Bits>(w, v)), vdupq_n_s32(0));
        w += kQuad;
      }
    }
    const std::int64_t size = call.sink.kind == Sink::Kind::real ? sizeof(float) : 1;
    std::byte* out = static_cast<std::byte*>(call.out) + (r * call.out_stride + c) * size;
#pragma GCC unroll 3
    for (unsigned i = 0; i < Pairs; ++i, out += 2 * call.out_stride * size) {
      int32x4_t upper[4], lower[4];
#pragma GCC unroll 4
      for (unsigned v = 0; v < 4; ++v) {
        const int64x2_t left = vreinterpretq_s64_s32(acc[i][2 * v]);
        const int64x2_t right = vreinterpretq_s64_s32(acc[i][2 * v + 1]);
        upper[v] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
        lower[v] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
      }
      finish_row_neon(call.sink, upper, c, call.channel_end - c, out);
      if (rows > 1) finish_row_neon(call.sink, lower, c, call.channel_end - c, out + call.out_stride * size);
    }
  }

  // Channels 4 * v to 4 * v + 3: `near` holds their first four depths, `far` their next four.
  template <unsigned Pairs>
  OCTAVO_TARGET_NEON_I8MM static OCTAVO_INLINE void multiply(int32x4_t (&acc)[Pairs][8], unsigned v,
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
