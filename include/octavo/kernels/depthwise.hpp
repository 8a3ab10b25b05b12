// octavo/kernels/depthwise.hpp: the depthwise kernel's packed weights, its call, and its portable version.
#ifndef OCTAVO_KERNELS_DEPTHWISE_HPP_
#define OCTAVO_KERNELS_DEPTHWISE_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "../core/pool.hpp"
#include "geometry.hpp"
#include "portable_vector.hpp"
#include "sink.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// What the vector kernels multiply with. Four rows of codes (image rows, or taps) interleaved byte by byte with
// vpunpck{l,h} give 32-bit lanes that hold four taps of one channel, but in the order of the in-lane unpacks: of a
// block of 64 channels, quad q (0..3) holds channels 16 * l + 4 * q + e at lane 4 * l + e (l, e = 0..3). Weights are
// stored in that order (64 bytes a quad, four taps a channel); the saturating packs that end the kernel undo it. In
// `columns`, a last block of 16 or 32 channels is repeated up to 64, for registers that hold several rows of them.
//
// `taps`: any window, tap t = i * kernel_w + j: [out_c / 64][ceil(taps / 4)][4 quads][16 lanes][4 taps].
// `columns`: 3x3 only: [out_c / 64][3 columns][2 rows][4 quads][16][4]: taps [w0 w1 w2 0] for an output row and
// [0 w0 w1 w2] for the one below it, from the same interleave of four image rows (stride 1).
struct DepthwiseWeights {
  PooledVector<std::int8_t> plain;    // [kernel_h * kernel_w][out_c], and 15 bytes to read whole vectors
  PooledVector<std::int8_t> taps;     // out_c == in_c
  PooledVector<std::int8_t> columns;  // out_c == in_c, 3x3
  PooledVector<std::int32_t> sums;    // out_c == in_c: per channel, padded to 64; on ARM, for SDOT
  [[nodiscard]] std::size_t bytes() const noexcept {
    return plain.size() + taps.size() + columns.size() + 4 * sums.size();
  }
};

// Where channel c's 32-bit lane stands when the blocks' quads follow one another: 64 * block + 16 * quad + lane.
[[nodiscard]] constexpr std::int64_t quad_lane(std::int64_t c) {
  return c / kChannelBlock * kChannelBlock + c % 16 / 4 * 16 + c % kChannelBlock / 16 * 4 + c % 4;
}

// The channel whose values stand at the place of channel c, which may lie behind the last one: -1 for none.
[[nodiscard]] constexpr std::int64_t repeated_channel(std::int64_t c, std::int64_t channels) {
  if (c < channels) return c;
  const std::int64_t rest = channels % kChannelBlock;
  return rest == 16 || rest == 32 ? channels - rest + c % rest : -1;
}

// The first byte of its four taps inside its packed block.
[[nodiscard]] constexpr std::int64_t quad_position(std::int64_t c) { return quad_lane(c) % kChannelBlock * 4; }

[[nodiscard]] inline DepthwiseWeights pack_depthwise(const ConvGeometry& g, const std::int8_t* weights) {
  DepthwiseWeights packed;
  const std::int64_t count = g.window.kernel_h * g.window.kernel_w;
  packed.plain.assign(static_cast<std::size_t>(count * g.out_c + 15), 0);
  std::copy_n(weights, count * g.out_c, packed.plain.data());
  if (g.in_c != g.out_c) return packed;
  if constexpr (OCTAVO_ARM) {
    packed.sums.assign(static_cast<std::size_t>(round_up(g.out_c, kChannelBlock)), 0);
    for (std::int64_t t = 0; t < count; ++t)
      for (std::int64_t c = 0; c < g.out_c; ++c) packed.sums[static_cast<std::size_t>(c)] += weights[t * g.out_c + c];
  }
  constexpr std::int64_t block_bytes = 256;  // 64 channels, four taps
  const std::int64_t blocks = round_up(g.out_c, kChannelBlock) / kChannelBlock;
  const std::int64_t groups = (count + 3) / 4;
  assign_all(packed.taps, static_cast<std::size_t>(blocks * groups * block_bytes), 0);
  const auto weight = [&](std::int64_t tap, std::int64_t c) {
    return static_cast<std::uint32_t>(static_cast<std::uint8_t>(weights[tap * g.out_c + c]));
  };
  for (std::int64_t c = 0; c < g.out_c; ++c)
    for (std::int64_t group = 0; group < groups; ++group) {
      std::uint32_t four = 0;
      for (std::int64_t t = std::min<std::int64_t>(group * 4 + 4, count) - 1; t >= group * 4; --t)
        four = four << 8 | weight(t, c);
      store_vector(packed.taps.data() + (c / kChannelBlock * groups + group) * block_bytes + quad_position(c), four);
    }
  if (g.window.kernel_h != 3 || g.window.kernel_w != 3) return packed;
  assign_all(packed.columns, static_cast<std::size_t>(blocks * 6 * block_bytes), 0);
  for (std::int64_t c = 0; c < blocks * kChannelBlock; ++c) {
    const std::int64_t from = repeated_channel(c, g.out_c);
    if (from < 0) continue;
    std::int8_t* to = packed.columns.data() + c / kChannelBlock * 6 * block_bytes + quad_position(c);
    for (std::int64_t j = 0; j < 3; ++j, to += 2 * block_bytes) {
      const std::uint32_t three = weight(j, from) | weight(3 + j, from) << 8 | weight(6 + j, from) << 16;
      store_vector(to, three);
      store_vector(to + block_bytes, three << 8);
    }
  }
  return packed;
}

// Output rows [y_begin, y_end) and channels [channel_begin, channel_end) of one image. Rows outside the image read
// zero_row (in_w * in_c zero points).
struct DepthwiseCall {
  const ConvGeometry* geometry = nullptr;
  const DepthwiseWeights* weights = nullptr;
  const std::uint8_t* in = nullptr;
  const std::uint8_t* zero_row = nullptr;
  const std::int32_t* start = nullptr;  // per channel, padded to 64
  Sink sink;
  // sink.kind fast_codes only: `start` and the sink's scale in the order of the quads (quad_lane).
  const std::int32_t* start_quads = nullptr;
  const float* scale_quads = nullptr;
  void* out = nullptr;  // row y_begin
  std::int64_t y_begin = 0, y_end = 0;
  std::int64_t channel_begin = 0, channel_end = 0;  // of out_c; the first a multiple of 64, the last too or out_c

  [[nodiscard]] const std::uint8_t* row(std::int64_t in_y) const noexcept {
    if (in_y < 0 || in_y >= geometry->in_h) return zero_row;
    return in + in_y * geometry->in_w * geometry->in_c;
  }
  // The input pixel under tap (i, j) of output pixel (y, x); a zero-point pixel outside the image.
  [[nodiscard]] const std::uint8_t* pixel(std::int64_t y, std::int64_t x, std::int64_t i,
                                          std::int64_t j) const noexcept {
    const Window& w = geometry->window;
    const std::int64_t in_x = x * w.stride_w - w.pad_left + j * w.dilation_w;
    if (in_x < 0 || in_x >= geometry->in_w) return zero_row;
    return row(y * w.stride_h - w.pad_top + i * w.dilation_h) + in_x * geometry->in_c;
  }
  [[nodiscard]] void* output(std::int64_t y, std::int64_t x, std::int64_t channel) const noexcept {
    const std::int64_t at = ((y - y_begin) * geometry->out_w + x) * geometry->out_c + channel;
    if (sink.kind == Sink::Kind::real) return static_cast<float*>(out) + at;
    return static_cast<std::uint8_t*>(out) + at;
  }
};

template <Isa Level>
struct Depthwise : Depthwise<fallback_of(Level)> {};

template <>
struct Depthwise<Isa::scalar> {
  // What a call for this window uses; for reports.
  static std::string_view name(const ConvGeometry&) { return "depthwise_scalar"; }

  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    for (std::int64_t y = call.y_begin; y < call.y_end; ++y)
      for (std::int64_t x = 0; x < g.out_w; ++x)
        for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kChannelBlock) {
          const std::int64_t count = std::min(kChannelBlock, call.channel_end - c);
          std::int32_t acc[kChannelBlock];
          std::copy_n(call.start + c, kChannelBlock, acc);
          std::int64_t k = 0;
          if (g.in_c == g.out_c)
            for (; k + 16 <= count; k += 16) add_16(call, y, x, c + k, acc + k);
          add_rest(call, y, x, c, k, count, acc);
          Finish<Isa::scalar>::run(call.sink, acc, kChannelBlock, 1, c, count, call.output(y, x, c), 0);
        }
  }

 private:
  // 16 channels from c on; word i of `even` and `odd` holds the product of channels 2 * i and 2 * i + 1.
  static void add_16(const DepthwiseCall& call, std::int64_t y, std::int64_t x, std::int64_t c, std::int32_t* acc) {
    const ConvGeometry& g = *call.geometry;
    Lanes sum[4] = {};  // lane l: channels 4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3
    for (std::int64_t i = 0; i < g.window.kernel_h; ++i)
      for (std::int64_t j = 0; j < g.window.kernel_w; ++j) {
        const SplitBytes codes = split_codes(call.pixel(y, x, i, j) + c);
        const SplitBytes weights =
            split_weights(call.weights->plain.data() + (i * g.window.kernel_w + j) * g.out_c + c);
        const Words even = codes.even * weights.even, odd = codes.odd * weights.odd;
        sum[0] += even_words(even);
        sum[1] += even_words(odd);
        sum[2] += odd_words(even);
        sum[3] += odd_words(odd);
      }
    for (unsigned l = 0; l < 4; ++l)
      for (unsigned k = 0; k < 4; ++k) acc[4 * l + k] += sum[k][l];
  }

  // Channels [c + k, c + count), one by one; any channel multiplier.
  static void add_rest(const DepthwiseCall& call, std::int64_t y, std::int64_t x, std::int64_t c, std::int64_t k,
                       std::int64_t count, std::int32_t* acc) {
    const ConvGeometry& g = *call.geometry;
    if (k == count) return;
    const std::int64_t multiplier = g.out_c / g.in_c;
    for (std::int64_t i = 0; i < g.window.kernel_h; ++i)
      for (std::int64_t j = 0; j < g.window.kernel_w; ++j) {
        const std::uint8_t* pixel = call.pixel(y, x, i, j);
        const std::int8_t* w = call.weights->plain.data() + (i * g.window.kernel_w + j) * g.out_c + c;
        for (std::int64_t n = k; n < count; ++n) acc[n] += w[n] * pixel[(c + n) / multiplier];
      }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_DEPTHWISE_HPP_
