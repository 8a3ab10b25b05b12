// octavo/quant/channels.hpp: where the channels of a tensor stand, and loops over them that compilers vectorize.
#ifndef OCTAVO_QUANT_CHANNELS_HPP_
#define OCTAVO_QUANT_CHANNELS_HPP_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../core/error.hpp"
#include "../core/shape.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

inline constexpr int kPerTensor = -1;  // an axis that is none: one grid for the whole tensor
inline constexpr int kLastAxis = -2;   // the innermost axis, whatever the rank: depthwise weights, 1HWC or HWC

// A row-major tensor seen as [outer][channels][inner]. OHWI weights, axis 0: {1, O, H*W*I}; 1HWC, last axis:
// {H*W, C, 1}; per tensor: {1, 1, size}.
struct ChannelLayout {
  std::size_t outer = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;

  [[nodiscard]] std::size_t size() const noexcept { return outer * channels * inner; }
  friend bool operator==(const ChannelLayout&, const ChannelLayout&) = default;
};

// The layout of `shape` for `axis`: kPerTensor, kLastAxis, or 0 .. rank - 1. Throws, naming the tensor, otherwise.
[[nodiscard]] inline ChannelLayout channel_layout(const Shape& shape, int axis, std::string_view tensor) {
  if (axis == kPerTensor) return {1, 1, static_cast<std::size_t>(shape.size())};
  const int rank = static_cast<int>(shape.rank());
  const int resolved = axis == kLastAxis ? rank - 1 : axis;
  require(resolved >= 0 && resolved < rank, "tensor '", tensor, "': no axis ", axis, " in shape ", shape.to_string());
  ChannelLayout layout;
  for (int i = 0; i < rank; ++i) {
    const auto extent = static_cast<std::size_t>(shape[static_cast<std::size_t>(i)]);
    (i < resolved ? layout.outer : i == resolved ? layout.channels : layout.inner) *= extent;
  }
  return layout;
}

namespace detail {

// body(i) for i = 0 .. n - 1, in blocks of constant length: the form that g++ -O2 vectorizes too. body must read and
// write at index i only, and should be marked always_inline.
template <class Body>
OCTAVO_INLINE void for_each_index(std::size_t n, const Body& body) {
  constexpr std::size_t block = 16;
  std::size_t i = 0;
  for (; i + block <= n; i += block) {
#if !defined(__clang__)
#pragma GCC ivdep
#endif
    for (std::size_t j = 0; j < block; ++j) body(i + j);
  }
  for (; i < n; ++i) body(i);
}

}  // namespace detail

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_CHANNELS_HPP_
