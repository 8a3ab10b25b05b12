// octavo/kernels/x86/pair_rows_avx512vnni.hpp: the ring of pairs of rows between a convolution and the depthwise one
// behind it (kernels/conv_depthwise_call.hpp), as the 512-bit kernels see it.
#ifndef OCTAVO_KERNELS_X86_PAIR_ROWS_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_PAIR_ROWS_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../conv_depthwise_call.hpp"
#include "finish_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct PairRows {
  const ConvDepthwiseCall& call;
  const ConvGeometry& front;
  PairRing ring;
  std::int64_t slots, slot_bytes;

  explicit PairRows(const ConvDepthwiseCall& c)
      : call(c),
        front(c.front->geometry()),
        ring(plan_ring(*c.depthwise)),
        slots(ring.slots()),
        slot_bytes(ring.slot_bytes()) {}

  // Row of the input image, and whether it exists (else some other one).
  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const {
    return call.in + std::clamp<std::int64_t>(y, 0, front.in_h - 1) * front.in_w * front.in_c;
  }
  [[nodiscard]] __mmask16 exists(std::int64_t y) const { return y >= 0 && y < front.out_h ? kAll16 : 0; }

  // The pair of rows j of the 32 channels from vector * 32 on.
  [[nodiscard]] std::uint8_t* slot(std::int64_t vector, std::int64_t pair) const {
    return reinterpret_cast<std::uint8_t*>(call.scratch) + (vector * slots + pair % slots) * slot_bytes;
  }

  // Columns left and right of the image, in all slots.
  void fill_borders(std::int64_t vector, std::int64_t vectors) const {
    const std::int64_t left = call.depthwise->window.pad_left;
    const std::int64_t right = std::max<std::int64_t>(ring.columns - left - front.out_w, 0);
    for (std::int64_t v = 0; v < vectors; ++v)
      for (std::int64_t s = 0; s < slots; ++s) {
        std::uint8_t* at = slot(vector + v, s);
        std::memset(at, call.front_sink.zero_point, static_cast<std::size_t>(left * 64));
        std::memset(at + (ring.columns - right) * 64, call.front_sink.zero_point, static_cast<std::size_t>(right * 64));
      }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_PAIR_ROWS_AVX512VNNI_HPP_
