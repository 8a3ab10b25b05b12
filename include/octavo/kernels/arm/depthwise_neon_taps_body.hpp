// octavo/kernels/arm/depthwise_neon_taps_body.hpp: depthwise convolution with any window of up to kMaxTapsNeon taps,
// included once a level.
//
// Four output pixels of a row x 16 channels. The addresses of the taps are looked up once a row for all pixels whose
// window leaves the image neither to the left nor to the right, and for each of the others.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct DepthwiseTapsNeon<OCTAVO_DETAIL_LEVEL> {
  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    const Window& w = g.window;
    const std::int64_t last = g.in_w - 1 - (w.kernel_w - 1) * w.dilation_w + w.pad_left;
    const std::int64_t begin = std::min(g.out_w, (w.pad_left + w.stride_w - 1) / w.stride_w);
    const std::int64_t end = last < 0 ? begin : std::clamp(last / w.stride_w + 1, begin, g.out_w);
    for (std::int64_t y = call.y_begin; y < call.y_end; ++y) {
      for (std::int64_t x = 0; x < begin; ++x) pixels(call, y, x, x + 1);
      if (end > begin) pixels(call, y, begin, end);
      for (std::int64_t x = end; x < g.out_w; ++x) pixels(call, y, x, x + 1);
    }
  }

 private:
  using Taps = TapsNeon<OCTAVO_DETAIL_LEVEL>;

  // Output pixels [x, x_end) of row y, all channels of the call.
  static void pixels(const DepthwiseCall& call, std::int64_t y, std::int64_t x, std::int64_t x_end) {
    const Window& w = call.geometry->window;
    const std::uint8_t* from[kMaxTapsNeon + Taps::kStep];
    std::int64_t t = 0;
    for (std::int64_t i = 0; i < w.kernel_h; ++i)
      for (std::int64_t j = 0; j < w.kernel_w; ++j, ++t) from[t] = call.pixel(y, x, i, j);
    for (; t % Taps::kStep != 0; ++t) from[t] = from[0];  // the weight is 0: any pixel will do
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    std::int64_t c = call.channel_begin;
    for (; c + kLanes <= call.channel_end; c += kLanes)
      fast ? channels<true, 16>(call, from, y, x, x_end, c) : channels<false, 16>(call, from, y, x, x_end, c);
    if (c == call.channel_end) return;
    fast&& call.channel_end - c == 8 ? channels<true, 8>(call, from, y, x, x_end, c)
                                     : channels<false, 0>(call, from, y, x, x_end, c);
  }

  // Fast: the sink is of kind fast_codes. Channels: 16, 8, or 0 for less than 16, read and written through copies.
  template <bool Fast, unsigned Channels>
  static void channels(const DepthwiseCall& call, const std::uint8_t* const* from, std::int64_t y, std::int64_t x,
                       std::int64_t x_end, std::int64_t c) {
    const std::int64_t first = x;
    for (; x + 4 <= x_end; x += 4) tile<Fast, Channels, 4>(call, from, y, x, x - first, c);
    if (x < x_end && x_end - first >= 4) return tile<Fast, Channels, 4>(call, from, y, x_end - 4, x_end - 4 - first, c);
    for (; x < x_end; ++x) tile<Fast, Channels, 1>(call, from, y, x, x - first, c);
  }

  // `Count` pixels from x on, which is `offset` pixels behind the one that `from` is of.
  template <bool Fast, unsigned Channels, unsigned Count>
  OCTAVO_DETAIL_TARGET static void tile(const DepthwiseCall& call, const std::uint8_t* const* from, std::int64_t y,
                                        std::int64_t x, std::int64_t offset, std::int64_t c) {
    const ConvGeometry& g = *call.geometry;
    const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
    const std::int64_t pixel_bytes = g.window.stride_w * g.in_c;
    const std::int64_t count = Channels == 16 ? kLanes : call.channel_end - c;
    const std::int8_t* weights = Taps::weights(*call.weights, g, c);
    const std::int64_t weights_step = Taps::weights_step(g);
    int32x4_t acc[Count][4];
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; ++v) {
      int32x4_t start = vld1q_s32(call.start + c + 4 * v);
      if constexpr (Taps::kSigned)
        start = vaddq_s32(start, vshlq_n_s32(vld1q_s32(call.weights->sums.data() + c + 4 * v), 7));
#pragma GCC unroll 4
      for (unsigned p = 0; p < Count; ++p) acc[p][v] = start;
    }
    const std::int64_t at = offset * pixel_bytes + c;
    for (std::int64_t t = 0; t < taps; t += Taps::kStep, from += Taps::kStep, weights += weights_step)
      Taps::add(
          acc, weights, [&](std::int64_t tap, unsigned p) __attribute__((always_inline)) {
            const std::uint8_t* codes = from[tap] + at + p * pixel_bytes;
            if constexpr (Channels == 16) return vld1q_u8(codes);
            if constexpr (Channels == 8) return load_low(codes);
            std::uint8_t copy[kLanes] = {};
            std::copy_n(codes, count, copy);
            return vld1q_u8(copy);
          });
    auto* out = static_cast<std::uint8_t*>(call.output(y, x, c));
    const std::int64_t out_bytes = g.out_c * (call.sink.kind == Sink::Kind::real ? 4 : 1);
    if constexpr (Fast) {
      const FastCodesNeon stage(call.sink);
#pragma GCC unroll 4
      for (unsigned p = 0; p < Count; ++p) {
        const uint8x16_t codes = stage.codes(acc[p], call.sink.scale + c);
        if constexpr (Channels == 16)
          vst1q_u8(out + p * out_bytes, codes);
        else
          vst1_u8(out + p * out_bytes, vget_low_u8(codes));
      }
    } else {
#pragma GCC unroll 4
      for (unsigned p = 0; p < Count; ++p) finish_row_neon(call.sink, acc[p], c, count, out + p * out_bytes);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
