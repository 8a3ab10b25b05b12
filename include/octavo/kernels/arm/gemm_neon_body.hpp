// octavo/kernels/arm/gemm_neon_body.hpp: tiles of the NEON matrix product, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <WeightBits Bits>
struct GemmNeon<OCTAVO_DETAIL_LEVEL, Bits> {
  using Dot = DotNeon<OCTAVO_DETAIL_LEVEL>;

  OCTAVO_DETAIL_TARGET static void run(const GemmCall& call) {
    // Rows whose inputs stay in L1 while all channels pass over them.
    const std::int64_t depth = call.segments * call.quads * 4;
    const std::int64_t block = std::clamp<std::int64_t>(16384 / depth / 4 * 4, 24, 240);
    for (std::int64_t r = 0; r < call.rows; r += block) {
      const std::int64_t end = std::min(call.rows, r + block);
      for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kLanes) panel(call, r, end, c);
    }
  }

 private:
  // Rows [r, end) of the channels from c on, 16 or what is left of them.
  static void panel(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    const std::int64_t count = call.channel_end - c;
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    if (fast && count >= kLanes)
      tiles<true, 1, 4>(call, tiles<true, Dot::kTileRows, 4>(call, r, end, c), end, c);
    else if (fast && count == kLanes / 2)
      tiles<true, 1, 2>(call, tiles<true, Dot::kTileRows, 2>(call, r, end, c), end, c);
    else
      tiles<false, 1, 4>(call, tiles<false, Dot::kTileRows, 4>(call, r, end, c), end, c);
  }

  // Tiles of Rows x 4 * Vectors channels from row r on, as many as there are whole ones; returns the row behind them.
  // Fast: writes all these channels to a sink of kind fast_codes.
  template <bool Fast, unsigned Rows, unsigned Vectors>
  OCTAVO_DETAIL_TARGET static std::int64_t tiles(const GemmCall& call, std::int64_t r, std::int64_t end,
                                                 std::int64_t c) {
    Dot::Sums start[Vectors];
    float32x4_t scale[Vectors];
#pragma GCC unroll 4
    for (unsigned v = 0; v < Vectors; ++v) {
      const int32x4_t weights = vshlq_n_s32(vld1q_s32(call.weight_sums + c + 4 * v), 7);
      start[v] = Dot::from(vaddq_s32(vld1q_s32(call.start + c + 4 * v), weights));
      if constexpr (Fast) scale[v] = vld1q_f32(call.sink.scale + c + 4 * v);
    }
    const FastCodesNeon stage(call.sink);
    const std::int8_t* const panel_weights =
        call.weights + c * call.segments * call.quads * (quad_bytes(Bits) / kLanes);
    const std::int64_t stride = call.row_stride;
    const std::int64_t segments = call.segments;  // locals: what quad() says of memory would have them read again
    const std::int64_t quads = call.quads;
    const std::int64_t out_bytes = call.out_stride * (call.sink.kind == Sink::Kind::real ? 4 : 1);
    auto* out = static_cast<std::uint8_t*>(call.out) + r * out_bytes + c * (call.sink.kind == Sink::Kind::real ? 4 : 1);
    for (; r + Rows <= end; r += Rows) {
      const std::int8_t* w = panel_weights;
      Dot::Sums sums[Rows][Vectors];
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) sums[i][v] = start[v];
      for (std::int64_t s = 0; s < segments; ++s) {
        const std::uint8_t* a = call.segment[s] + r * stride;
        std::int64_t q = 0;
        for (; q + 4 <= quads; q += 4, a += 16) {
          uint8x16_t codes[Rows];
#pragma GCC unroll 4
          for (unsigned i = 0; i < Rows; ++i) codes[i] = veorq_u8(vld1q_u8(a + i * stride), vdupq_n_u8(kSignFlip));
          quad<0>(sums, codes, w);
          quad<1>(sums, codes, w);
          quad<2>(sums, codes, w);
          quad<3>(sums, codes, w);
        }
        for (; q < quads; ++q, a += 4) {
          uint8x16_t codes[Rows];
#pragma GCC unroll 4
          for (unsigned i = 0; i < Rows; ++i) {
            std::uint32_t four;
            std::memcpy(&four, a + i * stride, 4);
            codes[i] = veorq_u8(vreinterpretq_u8_u32(vdupq_n_u32(four)), vdupq_n_u8(kSignFlip));
          }
          quad<0>(sums, codes, w);
        }
      }
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows; ++i, out += out_bytes) {
        int32x4_t acc[Vectors];
#pragma GCC unroll 4
        for (unsigned v = 0; v < Vectors; ++v) acc[v] = Dot::total(sums[i][v]);
        if constexpr (!Fast)
          finish_row_neon(call.sink, acc, c, call.channel_end - c, out);
        else if constexpr (Vectors == 2)
          vst1_u8(out, stage.codes(stage.words(acc[0], acc[1], scale[0], scale[1])));
        else
          vst1q_u8(out, stage.codes(stage.words(acc[0], acc[1], scale[0], scale[1]),
                                    stage.words(acc[2], acc[3], scale[2], scale[3])));
      }
    }
    return r;
  }

  // Four depths of all rows and channels; moves on to the next weights.
  template <int Quad, unsigned Rows, unsigned Vectors>
  OCTAVO_DETAIL_TARGET static OCTAVO_INLINE void quad(Dot::Sums (&sums)[Rows][Vectors], const uint8x16_t (&codes)[Rows],
                                                      const std::int8_t*& w) {
    __asm__ volatile("" ::: "memory");  // else g++ loads the weights of all quads first, and runs out of registers
#pragma GCC unroll 4
    for (unsigned v = 0; v < Vectors; ++v) {
      const int8x16_t weights = load_weights<Bits>(w, v);
#pragma GCC unroll 4
      for (unsigned i = 0; i < Rows; ++i) Dot::template add<Quad>(sums[i][v], weights, codes[i]);
    }
    w += quad_bytes(Bits);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
