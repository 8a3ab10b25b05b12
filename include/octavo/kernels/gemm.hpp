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
#include <string_view>

#include "../core/aligned.hpp"
#include "../core/cpu.hpp"
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
    data_.assign(static_cast<std::size_t>(round_up(channels, kLanes) * segments * quads_ * 4), 0);
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t s = 0; s < segments; ++s)
        for (std::int64_t k = 0; k < length; ++k) {
          const std::int64_t quad = (c / kLanes * segments + s) * quads_ + k / 4;
          data_[static_cast<std::size_t>(quad * kLanes * 4 + c % kLanes * 4 + k % 4)] =
              weights[(c * segments + s) * length + k];
        }
  }
  [[nodiscard]] const std::int8_t* data() const noexcept { return data_.data(); }
  [[nodiscard]] std::int64_t quads() const noexcept { return quads_; }
  [[nodiscard]] std::int64_t segments() const noexcept { return segments_; }

 private:
  std::int64_t segments_ = 0, quads_ = 0;
  AlignedVector<std::int8_t> data_;
};

// Reads 4 * quads bytes from each row of each segment; writes rows x (channel_end - channel_begin) outputs.
struct GemmCall {
  const std::uint8_t* const* segment = nullptr;
  std::int64_t segments = 1;
  std::int64_t quads = 0;
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
      const std::int64_t count = std::min(kLanes, call.channel_end - c);
      const std::int8_t* panel = call.weights + c * call.segments * call.quads * 4;
      for (std::int64_t r = 0; r < call.rows; ++r) {
        std::int32_t acc[kLanes];
        std::copy_n(call.start + c, kLanes, acc);
        const std::int8_t* w = panel;
        for (std::int64_t s = 0; s < call.segments; ++s) {
          const std::uint8_t* a = call.segment[s] + r * call.row_stride;
          for (std::int64_t q = 0; q < call.quads; ++q, a += 4, w += 4 * kLanes)
            for (std::int64_t i = 0; i < kLanes; ++i)
              acc[i] += (a[0] * w[4 * i] + a[1] * w[4 * i + 1]) + (a[2] * w[4 * i + 2] + a[3] * w[4 * i + 3]);
        }
        void* out = call.sink.kind == Sink::Kind::real
                        ? static_cast<void*>(static_cast<float*>(call.out) + r * call.out_stride + c)
                        : static_cast<void*>(static_cast<std::uint8_t*>(call.out) + r * call.out_stride + c);
        Finish<Isa::scalar>::run(call.sink, acc, kLanes, 1, c, count, out, call.out_stride);
      }
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_GEMM_HPP_
