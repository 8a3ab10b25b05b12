// octavo/kernels/gemm.hpp: u8 x s8 -> int32 matrix product with the output stage fused, the core of convolution and
// dense. Packing of the weights, the call, and its portable version.
//
//   acc[r][c] = start[c] + sum_s sum_k A_s[r][k] * W[c][s][k],   s < segments, k < 4 * quads
// Row r of segment s starts at segment[s] + r * row_stride. One segment is a plain matrix; a convolution has one for
// each kernel row (or tap), all inside the image, so that no patch is copied.
#ifndef OCTAVO_KERNELS_GEMM_HPP_
#define OCTAVO_KERNELS_GEMM_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../core/cpu.hpp"
#include "../core/pool.hpp"
#include "portable_vector.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Weights of one matrix, packed [channels / 16][segments][length / 4][16][4] and padded with zeros: 64 bytes are one
// 512-bit operand of VPDPBUSD, four products for each of 16 channels. All levels read this one layout.
class PackedWeights {
 public:
  PackedWeights() = default;
  // `weights`: [channels][segments][length], dense.
  PackedWeights(const std::int8_t* weights, std::int64_t channels, std::int64_t segments, std::int64_t length)
      : segments_(segments), quads_(round_up(length, 4) / 4) {
    data_.resize(static_cast<std::size_t>(round_up(channels, kLanes) * segments * quads_ * 4));
    std::int8_t* to = data_.data();  // filled in its order, a line after the other
    for (std::int64_t block = 0; block < channels; block += kLanes)
      for (std::int64_t s = 0; s < segments; ++s, to += 4 * kLanes * quads_)
        pack(weights + (block * segments + s) * length, segments * length, std::min(kLanes, channels - block), length,
             to);
  }
  [[nodiscard]] const std::int8_t* data() const noexcept { return data_.data(); }
  [[nodiscard]] std::int64_t quads() const noexcept { return quads_; }
  [[nodiscard]] std::int64_t segments() const noexcept { return segments_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return data_.size(); }

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

  std::int64_t segments_ = 0, quads_ = 0;
  PooledVector<std::int8_t> data_;
};

// Reads 4 * quads bytes from each row of each segment; writes rows x (channel_end - channel_begin) outputs.
struct GemmCall {
  const std::uint8_t* const* segment = nullptr;
  std::int64_t segments = 1;
  std::int64_t quads = 0;
  std::int64_t length = 0;      // of a segment, without the padding: at most 4 * quads
  std::int64_t row_stride = 0;  // bytes
  std::int64_t rows = 0;
  const std::int8_t* weights = nullptr;  // of channel 0
  std::int64_t channel_begin = 0;        // multiple of 16
  std::int64_t channel_end = 0;
  const std::int32_t* start = nullptr;  // per channel, padded to 16
  Sink sink;
  void* out = nullptr;          // row 0, channel 0
  std::int64_t out_stride = 0;  // elements between rows
};

template <Isa Level>
struct Gemm : Gemm<fallback_of(Level)> {};

template <>
struct Gemm<Isa::scalar> {
  static constexpr std::string_view kPlainName = "gemm_u8s8_scalar";
  static constexpr std::string_view kSegmentsName = "implicit_gemm_u8s8_scalar";

  static void run(const GemmCall& call) {
    for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) {
      std::int64_t r = 0;
      for (; r + 2 <= call.rows; r += 2) tile<2>(call, r, c);
      if (r < call.rows) tile<1>(call, r, c);
    }
  }

 private:
  // Rows x 16 channels. A code times a weight fits in 16 bits; words hold the products of depths 0 and 2, and of 1 and
  // 3, of four channels, and are widened before they are added.
  template <unsigned Rows>
  static void tile(const GemmCall& call, std::int64_t r, std::int64_t c) {
    Lanes acc[Rows][4];
    for (unsigned i = 0; i < Rows; ++i)
      for (unsigned v = 0; v < 4; ++v) acc[i][v] = load_vector<Lanes>(call.start + c + 4 * v);
    const std::int8_t* w = call.weights + c * call.segments * call.quads * 4;
    for (std::int64_t s = 0; s < call.segments; ++s) {
      const std::uint8_t* a = call.segment[s] + r * call.row_stride;
      for (std::int64_t q = 0; q < call.quads; ++q, a += 4) {
        SplitBytes codes[Rows];
        for (unsigned i = 0; i < Rows; ++i) {
          std::uint32_t four;
          std::memcpy(&four, a + i * call.row_stride, 4);
          const auto even = static_cast<std::int32_t>(four & 0x00FF00FF);
          const auto odd = static_cast<std::int32_t>(four >> 8 & 0x00FF00FF);
          codes[i] = {Words(Lanes{even, even, even, even}), Words(Lanes{odd, odd, odd, odd})};
        }
#pragma GCC unroll 4
        for (unsigned v = 0; v < 4; ++v, w += 16) {
          const SplitBytes weights = split_weights(w);
#pragma GCC unroll 2
          for (unsigned i = 0; i < Rows; ++i) {
            const Words even = weights.even * codes[i].even;
            const Words odd = weights.odd * codes[i].odd;
            acc[i][v] += (even_words(even) + odd_words(even)) + (even_words(odd) + odd_words(odd));
          }
        }
      }
    }
    const std::int64_t at = r * call.out_stride + c;
    void* out = call.sink.kind == Sink::Kind::real ? static_cast<void*>(static_cast<float*>(call.out) + at)
                                                   : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + at);
    std::int32_t sums[Rows][kLanes];
    std::memcpy(sums, acc, sizeof sums);
    Finish<Isa::scalar>::run(call.sink, sums[0], kLanes, Rows, c, std::min(kLanes, call.channel_end - c), out,
                             call.out_stride);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_GEMM_HPP_
