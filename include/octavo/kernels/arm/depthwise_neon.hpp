// octavo/kernels/arm/depthwise_neon.hpp: depthwise convolution on NEON: codes and weights widened to 16 bits, SMLAL.
//
// Four output pixels of a row x 16 channels: for each tap 1 load and 2 instructions to widen the weights, and for each
// pixel 1 load, 2 to widen and 4 SMLAL: 31 instructions for 64 products. Windows of more than kMaxTaps, and channel
// multipliers, use the portable kernel.
#ifndef OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_
#define OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "../depthwise.hpp"
#include "finish_neon.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Depthwise<Isa::neon> : Depthwise<Isa::scalar> {
  static constexpr std::int64_t kMaxTaps = 49;

  static std::string_view name(const ConvGeometry& g) { return fits(g) ? "depthwise_neon" : "depthwise_scalar"; }

  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    if (!fits(g)) return Depthwise<Isa::scalar>::run(call);
    for (std::int64_t y = call.y_begin; y < call.y_end; ++y) {
      std::int64_t x = 0;
      for (; x + 4 <= g.out_w; x += 4) pixels<4>(call, y, x);
      for (; x < g.out_w; ++x) pixels<1>(call, y, x);
    }
  }

 private:
  static bool fits(const ConvGeometry& g) {
    return g.in_c == g.out_c && g.window.kernel_h * g.window.kernel_w <= kMaxTaps;
  }

  // Output pixels [x, x + Count) of row y, all channels of the call. The last channels, fewer than 16, are read and
  // written through copies.
  template <unsigned Count>
  static void pixels(const DepthwiseCall& call, std::int64_t y, std::int64_t x) {
    const ConvGeometry& g = *call.geometry;
    const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
    const std::uint8_t* from[Count][kMaxTaps];
    for (unsigned p = 0; p < Count; ++p)
      for (std::int64_t i = 0, t = 0; i < g.window.kernel_h; ++i)
        for (std::int64_t j = 0; j < g.window.kernel_w; ++j, ++t) from[p][t] = call.pixel(y, x + p, i, j);
    std::int64_t c = call.channel_begin;
    for (; c + kLanes <= call.channel_end; c += kLanes)
      channels<Count>(
          call, y, x, c, taps, [&](unsigned p, std::int64_t t) { return vld1q_u8(from[p][t] + c); },
          [&](std::int64_t t) { return vld1q_s8(call.weights->plain.data() + t * g.out_c + c); });
    if (c == call.channel_end) return;
    const auto rest = static_cast<std::size_t>(call.channel_end - c);
    channels<Count>(
        call, y, x, c, taps,
        [&](unsigned p, std::int64_t t) { return vld1q_u8(Rest<std::uint8_t>(from[p][t] + c, rest).values); },
        [&](std::int64_t t) {
          return vld1q_s8(Rest<std::int8_t>(call.weights->plain.data() + t * g.out_c + c, rest).values);
        });
  }

  template <class Value>
  struct Rest {
    Rest(const Value* from, std::size_t count) { std::memcpy(values, from, count); }
    Value values[kLanes] = {};
  };

  template <unsigned Count, class Codes, class Weights>
  static OCTAVO_INLINE void channels(const DepthwiseCall& call, std::int64_t y, std::int64_t x, std::int64_t c,
                                     std::int64_t taps, Codes codes_of, Weights weights_of) {
    int32x4_t acc[Count][4];
#pragma GCC unroll 4
    for (unsigned p = 0; p < Count; ++p)
#pragma GCC unroll 4
      for (unsigned v = 0; v < 4; ++v) acc[p][v] = vld1q_s32(call.start + c + 4 * v);
    for (std::int64_t t = 0; t < taps; ++t) {
      const int8x16_t weights = weights_of(t);
      const int16x8_t w0 = vmovl_s8(vget_low_s8(weights)), w1 = vmovl_high_s8(weights);
#pragma GCC unroll 4
      for (unsigned p = 0; p < Count; ++p) {
        const uint8x16_t codes = codes_of(p, t);
        const int16x8_t a0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
        const int16x8_t a1 = vreinterpretq_s16_u16(vmovl_high_u8(codes));
        acc[p][0] = vmlal_s16(acc[p][0], vget_low_s16(a0), vget_low_s16(w0));
        acc[p][1] = vmlal_high_s16(acc[p][1], a0, w0);
        acc[p][2] = vmlal_s16(acc[p][2], vget_low_s16(a1), vget_low_s16(w1));
        acc[p][3] = vmlal_high_s16(acc[p][3], a1, w1);
      }
    }
#pragma GCC unroll 4
    for (unsigned p = 0; p < Count; ++p)
      finish_row_neon(call.sink, acc[p], c, call.channel_end - c, call.output(y, x + p, c));
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_
