// octavo/kernels/packed_weights.hpp: weights of a matrix product as the kernels read them: 16 channels side by side, a
// byte or half a byte each. All levels read these two layouts.
//
//   eight: [channels / 16][segments][length / 4][16][4], a byte a weight: the 64 bytes of a quad of depths are one
//          512-bit operand of VPDPBUSD, four products for each of 16 channels.
//   four:  [channels / 16][segments][length / 4][8][4], two weights of [-8, 7] a byte, in two's complement: byte [j][k]
//          of a quad's 32 has depth k of channel j in its low half, of channel j + 8 in its high half. Masks and shifts
//          give the two 256-bit halves of the same operand; nothing crosses a quad.
// Channels are padded to 16, depths to 4, with zeros.
#ifndef OCTAVO_KERNELS_PACKED_WEIGHTS_HPP_
#define OCTAVO_KERNELS_PACKED_WEIGHTS_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../core/pool.hpp"
#include "accumulator.hpp"
#include "portable_vector.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Bits that a weight takes in memory. With four, codes are in [-8, 7].
enum class WeightBits : std::uint8_t { eight, four };

namespace detail {

// Of four depths of 16 channels.
constexpr std::int64_t quad_bytes(WeightBits bits) noexcept { return bits == WeightBits::four ? 32 : 64; }

// The low halves of eight bytes.
inline constexpr std::uint64_t kLowNibbles = 0x0F0F0F0F0F0F0F0F;

// Eight codes of [-8, 7], in two's complement, as a byte each: code i stands in the bits from 4 * i on.
[[nodiscard]] constexpr std::uint64_t widened_nibbles(std::uint32_t eight) noexcept {
  std::uint64_t bytes = eight;
  bytes = (bytes | bytes << 16) & 0x0000FFFF0000FFFF;
  bytes = (bytes | bytes << 8) & 0x00FF00FF00FF00FF;
  bytes = (bytes | bytes << 4) & kLowNibbles;
  return bytes | (bytes & 0x0808080808080808) * 30;  // 8 * 30 = 0xF0: the sign
}

class PackedWeights {
 public:
  PackedWeights() = default;
  // `weights`: [channels][segments][length], dense, a byte each.
  PackedWeights(const std::int8_t* weights, std::int64_t channels, std::int64_t segments, std::int64_t length,
                WeightBits bits = WeightBits::eight)
      : segments_(segments), quads_(round_up(length, 4) / 4) {
    if constexpr (OCTAVO_ARM) {
      assign_all(sums_, static_cast<std::size_t>(round_up(channels, kLanes)), 0);
      const auto all = static_cast<std::size_t>(channels * segments * length);
      const std::vector<WeightSums> of_channels = sums_of_rows({weights, all}, channels);
      for (std::size_t c = 0; c < of_channels.size(); ++c) sums_[c] = static_cast<std::int32_t>(of_channels[c].total());
    }
    data_.resize(static_cast<std::size_t>(round_up(channels, kLanes) / kLanes * segments * quads_ * quad_bytes(bits)));
    std::int8_t* to = data_.data();  // filled in its order, a line after the other
    std::vector<std::int8_t> wide(bits == WeightBits::four ? static_cast<std::size_t>(quads_ * 4 * kLanes) : 0);
    for (std::int64_t block = 0; block < channels; block += kLanes) {
      const std::int64_t lanes = std::min(kLanes, channels - block), stride = segments * length;
      for (std::int64_t s = 0; s < segments; ++s, to += quads_ * quad_bytes(bits)) {
        const std::int8_t* const from = weights + block * stride + s * length;
        if (bits == WeightBits::eight) {
          pack(from, stride, lanes, length, to);
        } else {
          pack(from, stride, lanes, length, wide.data());
          for (std::int64_t q = 0; q < quads_; ++q) narrow(wide.data() + q * 4 * kLanes, to + q * 2 * kLanes);
        }
      }
    }
  }
  [[nodiscard]] const std::int8_t* data() const noexcept { return data_.data(); }
  [[nodiscard]] std::int64_t quads() const noexcept { return quads_; }
  [[nodiscard]] std::int64_t segments() const noexcept { return segments_; }
  // Of each channel, padded to 16; only on ARM, where kernels multiply with codes minus 128.
  [[nodiscard]] const std::int32_t* sums() const noexcept { return sums_.data(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return data_.size() + 4 * sums_.size(); }

 private:
  // `lanes` rows of `length` bytes, `stride` apart, as quads of 16 lanes.
  static void pack(const std::int8_t* from, std::int64_t stride, std::int64_t lanes, std::int64_t length,
                   std::int8_t* to) {
    std::int64_t k = 0;
    if (lanes == kLanes)
      for (; k + 16 <= length; k += 16, to += 16 * kLanes)
        for (std::int64_t lane = 0; lane < kLanes; lane += 4) {
          const std::int8_t* row = from + lane * stride + k;
          Lanes quads[4];
          for (std::int64_t i = 0; i < 4; ++i) quads[i] = load_vector<Lanes>(row + i * stride);
          transpose_lanes(quads);
          for (std::int64_t i = 0; i < 4; ++i) store_vector(to + (i * kLanes + lane) * 4, quads[i]);
        }
    for (; k < length; k += 4, to += 4 * kLanes) {
      const std::int64_t taken = std::min<std::int64_t>(4, length - k);
      if (lanes < kLanes || taken < 4) std::memset(to, 0, 4 * kLanes);
      for (std::int64_t lane = 0; lane < lanes; ++lane) std::copy_n(from + lane * stride + k, taken, to + 4 * lane);
    }
  }

  // A quad of 16 channels, to half a byte a weight.
  static void narrow(const std::int8_t* wide, std::int8_t* to) {
    for (std::int64_t i = 0; i < 2 * kLanes; i += 8) {
      std::uint64_t low, high;
      std::memcpy(&low, wide + i, 8);
      std::memcpy(&high, wide + 2 * kLanes + i, 8);
      low = (low & kLowNibbles) | (high & kLowNibbles) << 4;
      std::memcpy(to + i, &low, 8);
    }
  }

  std::int64_t segments_ = 0, quads_ = 0;
  PooledVector<std::int8_t> data_;
  PooledVector<std::int32_t> sums_;
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_PACKED_WEIGHTS_HPP_
