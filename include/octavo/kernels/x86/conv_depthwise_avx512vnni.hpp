// octavo/kernels/x86/conv_depthwise_avx512vnni.hpp: a convolution and the depthwise one behind it, with VPDPBUSD.
//
// Band after band of output rows, and within it panel after panel of 32 or 64 channels: the front writes the pairs of
// rows that are new, then the depthwise products read them, from L1.
#ifndef OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <algorithm>
#include <cstdint>

#include "pair_depthwise_avx512vnni.hpp"
#include "pair_front_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct ConvDepthwiseAvx512 {
  static void run(const ConvDepthwiseCall& call) {
    const PairRows p(call);
    const bool one_band = p.ring.units >= units_of(*call.depthwise);
    std::int64_t ready = call.unit_begin;  // pairs before this one stand in the ring
    for (std::int64_t unit = call.unit_begin; unit < call.unit_end; unit += p.ring.units) {
      const std::int64_t end = std::min(call.unit_end, unit + p.ring.units);
      for (std::int64_t c = call.channel_begin; c < call.channel_end;) {
        const std::int64_t width = panel_width(p.front.in_c, call.channel_end - c);
        const std::int64_t vector = one_band ? 0 : (c - call.channel_begin) / 32;
        if (unit == call.unit_begin) p.fill_borders(vector, (width + 31) / 32);
        PairFront::run(p, c, width, vector, ready, end + 1);
        for (std::int64_t v = 0; v < width; v += 32)
          PairDepthwise::run(p, c + v, std::min<std::int64_t>(width - v, 32), vector + v / 32, unit, end);
        c += width;
      }
      ready = end + 1;
    }
  }

 private:
  // With few inputs the weights of 32 channels stay in registers.
  [[nodiscard]] static std::int64_t panel_width(std::int64_t inputs, std::int64_t rest) {
    const std::int64_t quads = inputs / 4;
    if (inputs == 3 || quads == 4 || quads == 6 || quads == 8) return std::min<std::int64_t>(rest, 32);
    return rest >= 64 ? 64 : std::min<std::int64_t>(rest, 32);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_CONV_DEPTHWISE_AVX512VNNI_HPP_
