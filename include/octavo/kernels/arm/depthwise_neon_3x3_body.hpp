// octavo/kernels/arm/depthwise_neon_3x3_body.hpp: depthwise convolution with a 3x3 window, included once a level.
//
// Weights, starts and scales of a tile's channels stay in registers for all its rows, a column of the image for all
// pixels of a row that it serves. With stride 1, two output rows are computed together.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Depthwise3x3Neon<OCTAVO_DETAIL_LEVEL> {
  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    // Rows of which a block of channels stays in L1 while its tiles pass over them.
    const std::int64_t rows = std::max<std::int64_t>(16384 / (g.in_w * g.window.stride_h * kChannelBlock) / 2 * 2, 2);
    for (std::int64_t y = call.y_begin; y < call.y_end; y += rows)
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kChannelBlock)
        block(call, y, std::min(y + rows, call.y_end), c, std::min(c + kChannelBlock, call.channel_end));
  }

 private:
  static void block(const DepthwiseCall& call, std::int64_t y, std::int64_t y_end, std::int64_t c, std::int64_t c_end) {
    const Window& w = call.geometry->window;
    if (call.sink.kind != Sink::Kind::fast_codes) return channels<false, 1, 0>(call, y, y_end, c, c_end);
    if (w.stride_w == 2) return channels<true, 1, 2>(call, y, y_end, c, c_end);
    if (w.stride_w != 1) return channels<true, 1, 0>(call, y, y_end, c, c_end);
    const std::int64_t pairs_end = w.stride_h == 1 ? y + (y_end - y) / 2 * 2 : y;
    channels<true, 2, 1>(call, y, pairs_end, c, c_end);
    channels<true, 1, 1>(call, pairs_end, y_end, c, c_end);
  }

  // A last tile overlaps the one before it, unless the call has fewer channels than a tile.
  template <bool Fast, unsigned Rows, unsigned Step>
  static void channels(const DepthwiseCall& call, std::int64_t y, std::int64_t y_end, std::int64_t c,
                       std::int64_t c_end) {
    constexpr std::int64_t wide = 4 * ColumnsNeon<OCTAVO_DETAIL_LEVEL, Rows>::kVectors;
    if (y == y_end) return;
    for (; c + wide <= c_end; c += wide) tile<Fast, Rows, Step, true>(call, y, y_end, c, wide);
    if (c == c_end) return;
    if (c_end - call.channel_begin >= wide)
      tile<Fast, Rows, Step, true>(call, y, y_end, c_end - wide, wide);
    else
      tile<Fast, 1, 0, false>(call, y, y_end, c, c_end - c);
  }

  // Output rows [y, y_end) of `count` channels from c on, Rows at a time; horizontal stride Step, 0: any. Whole: as
  // many channels as Columns has; else they are read and written through copies.
  template <bool Fast, unsigned Rows, unsigned Step, bool Whole>
  OCTAVO_DETAIL_TARGET __attribute__((noinline)) static void tile(const DepthwiseCall& call, std::int64_t y,
                                                                  std::int64_t y_end, std::int64_t c,
                                                                  std::int64_t count) {
    using Columns = ColumnsNeon<OCTAVO_DETAIL_LEVEL, Rows>;
    using Column = typename Columns::Column;
    constexpr unsigned vectors = Columns::kVectors;
    const ConvGeometry& g = *call.geometry;
    const auto weights_of = [&](std::int64_t j) __attribute__((always_inline)) {
      const std::int8_t* const first = call.weights->plain.data() + j * g.out_c + c;
      const std::int8_t* const taps[3] = {first, first + 3 * g.out_c, first + 6 * g.out_c};
      return Columns::weights(taps, j != 1);
    };
    // Vectors are named one by one: g++ 12 keeps an array in neighbouring registers when a loop runs over it, and moves
    // each of them to another one and back for every instruction in assembly.
    const typename Columns::Weights weights[3] = {weights_of(0), weights_of(1), weights_of(2)};
    int32x4_t start[vectors] = {vld1q_s32(call.start + c), vld1q_s32(call.start + c + 4)};
    float32x4_t scale[vectors] = {};
    if constexpr (vectors == 4) {
      start[2] = vld1q_s32(call.start + c + 8);
      start[3] = vld1q_s32(call.start + c + 12);
    }
    if constexpr (Fast) {
      scale[0] = vld1q_f32(call.sink.scale + c);
      scale[1] = vld1q_f32(call.sink.scale + c + 4);
      if constexpr (vectors == 4) {
        scale[2] = vld1q_f32(call.sink.scale + c + 8);
        scale[3] = vld1q_f32(call.sink.scale + c + 12);
      }
    }
    if constexpr (Columns::kSigned) {
      const std::int32_t* sums = call.weights->sums.data() + c;
      start[0] = vaddq_s32(start[0], vshlq_n_s32(vld1q_s32(sums), 7));
      start[1] = vaddq_s32(start[1], vshlq_n_s32(vld1q_s32(sums + 4), 7));
      if constexpr (vectors == 4) {
        start[2] = vaddq_s32(start[2], vshlq_n_s32(vld1q_s32(sums + 8), 7));
        start[3] = vaddq_s32(start[3], vshlq_n_s32(vld1q_s32(sums + 12), 7));
      }
    }
    const FastCodesNeon stage(call.sink);
    std::uint8_t outside[16];
    vst1q_u8(outside, vdupq_n_u8(*call.zero_row));

    const std::int64_t width = g.in_w, pixel_bytes = g.in_c, out_w = g.out_w, pad = g.window.pad_left;
    const std::int64_t stride = Step != 0 ? Step : g.window.stride_w;
    const std::int64_t out_bytes = g.out_c * (call.sink.kind == Sink::Kind::real ? 4 : 1);
    // Columns take turns in registers: a round of pixels, after which each is back in its place, reads no column
    // outside the image. The pixels behind the last round ask for each column.
    constexpr std::int64_t round = Step == 1 ? 3 : 2;
    const std::int64_t rounds =
        Step != 0 && pad <= 3 - stride ? std::min(out_w, (width - 3 + pad + stride) / stride) / round : 0;
    const std::uint8_t* const image = call.in + c;
    const std::uint8_t* const zeros = call.zero_row + c;
    const std::int64_t stride_h = g.window.stride_h, pad_top = g.window.pad_top;
    const std::int64_t height = g.in_h, row_bytes = width * pixel_bytes;
    const std::uint8_t* row[Rows + 2];
    std::uint8_t* out[Rows];
#pragma GCC unroll 2
    for (unsigned r = 0; r < Rows; ++r) out[r] = static_cast<std::uint8_t*>(call.output(y + r, 0, c));

    const auto column = [&](std::int64_t x) __attribute__((always_inline)) {
      const bool inside = x >= 0 && x < width;
      const std::uint8_t* from[Rows + 2];
      std::uint8_t copy[Rows + 2][16] = {};
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows + 2; ++i) {
        from[i] = inside ? row[i] + x * pixel_bytes : outside;
        if constexpr (!Whole) from[i] = std::copy_n(from[i], count, copy[i]) - count;
      }
      return Columns::load(from, 0);
    };
    const auto pixel = [&](const Column& left, const Column& middle, const Column& right) OCTAVO_DETAIL_TARGET
        __attribute__((always_inline)) {
      int32x4_t sums[Rows * vectors] = {start[0], start[1]};
      if constexpr (Rows * vectors == 4) {
        sums[2] = start[2 % vectors];
        sums[3] = start[3 % vectors];
      }
      Columns::add(sums, left, weights[0]);
      Columns::add(sums, middle, weights[1]);
      Columns::add(sums, right, weights[2]);
      if constexpr (!Fast) {
        std::int32_t all[4 * Rows * vectors];
        vst1q_s32(all, sums[0]);
        vst1q_s32(all + 4, sums[1]);
        if constexpr (vectors == 4) {
          vst1q_s32(all + 8, sums[2]);
          vst1q_s32(all + 12, sums[3]);
        }
        finish_any_neon(call.sink, all, c, count, out[0]);
      } else if constexpr (Rows * vectors == 2) {
        write_eight<Whole>(stage.codes(stage.words(sums[0], sums[1], scale[0], scale[1])), count, out[0]);
      } else {
        const uint8x16_t codes = stage.codes(stage.words(sums[0], sums[1], scale[0], scale[1]),
                                             stage.words(sums[2], sums[3], scale[2 % vectors], scale[3 % vectors]));
        if constexpr (Rows == 1) {
          write<Whole>(codes, count, out[0]);
        } else {
          vst1_u8(out[0], vget_low_u8(codes));
          vst1_u8(out[1], vget_high_u8(codes));
        }
      }
#pragma GCC unroll 2
      for (unsigned r = 0; r < Rows; ++r) out[r] += out_bytes;
    };
    for (; y < y_end; y += Rows) {
      const std::int64_t top = y * stride_h - pad_top;
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows + 2; ++i) {
        const std::int64_t in_y = top + i;
        row[i] = in_y >= 0 && in_y < height ? image + in_y * row_bytes : zeros;
      }
      std::int64_t in_x = -pad;
      Column left = column(in_x), middle = column(in_x + 1);
      std::int64_t at = (in_x + 3 - stride) * pixel_bytes;  // of the first column of a round that is not there yet
      for (std::int64_t n = 0; n < rounds; ++n) {
        if constexpr (Step == 1) {
          const Column right = Columns::load(row, at);
          pixel(left, middle, right);
          left = Columns::load(row, at + pixel_bytes);
          pixel(middle, right, left);
          middle = Columns::load(row, at + 2 * pixel_bytes);
          pixel(right, left, middle);
          at += 3 * pixel_bytes;
        } else {
          Column right;
          Columns::load_two(row, at, pixel_bytes, middle, right);
          pixel(left, middle, right);
          Columns::load_two(row, at + 2 * pixel_bytes, pixel_bytes, middle, left);
          pixel(right, middle, left);
          at += 4 * pixel_bytes;
        }
      }
      in_x += rounds * round * stride;
      for (std::int64_t x = rounds * round; x < out_w; ++x, in_x += stride) {
        if (Step != 1 && x > 0) middle = column(in_x + 1);
        const Column right = column(in_x + 2);
        pixel(left, middle, right);
        left = Step == 1 ? middle : Step == 2 ? right : column(in_x + stride);
        if constexpr (Step == 1) middle = right;
      }
#pragma GCC unroll 2
      for (unsigned r = 0; r < Rows; ++r) out[r] += (Rows - 1) * out_w * out_bytes;
    }
  }

  template <bool Whole>
  static OCTAVO_INLINE void write(uint8x16_t codes, std::int64_t count, std::uint8_t* out) {
    if constexpr (Whole) return vst1q_u8(out, codes);
    std::uint8_t all[16];
    vst1q_u8(all, codes);
    std::copy_n(all, count, out);
  }
  template <bool Whole>
  static OCTAVO_INLINE void write_eight(uint8x8_t codes, std::int64_t count, std::uint8_t* out) {
    if constexpr (Whole) return vst1_u8(out, codes);
    write<false>(vcombine_u8(codes, codes), count, out);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
