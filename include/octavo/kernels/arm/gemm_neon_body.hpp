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
  OCTAVO_DETAIL_TARGET static void panel(const GemmCall& call, std::int64_t r, std::int64_t end, std::int64_t c) {
    int32x4_t start[4];
    const std::int8_t* w = call.weights + c * call.segments * call.quads * (quad_bytes(Bits) / kLanes);
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; ++v) {
      int32x4_t sum = vdupq_n_s32(0);
      for (std::int64_t q = 0; q < call.segments * call.quads; ++q)
        sum = vpadalq_s16(sum, vpaddlq_s8(load_weights<Bits>(w + q * quad_bytes(Bits), v)));
      start[v] = vaddq_s32(vld1q_s32(call.start + c + 4 * v), vshlq_n_s32(sum, 7));
    }
    for (; r + Dot::kTileRows <= end; r += Dot::kTileRows) tile<Dot::kTileRows>(call, r, c, w, start);
    for (; r < end; ++r) tile<1>(call, r, c, w, start);
  }

  template <unsigned Rows>
  OCTAVO_DETAIL_TARGET static void tile(const GemmCall& call, std::int64_t r, std::int64_t c, const std::int8_t* w,
                                        const int32x4_t* start) {
    Dot::Sums sums[Rows][4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (unsigned v = 0; v < 4; ++v) sums[i][v] = Dot::zero();
    const std::int64_t stride = call.row_stride;
    const std::int64_t segments = call.segments;  // locals: what quad() says of memory would have them read again
    const std::int64_t quads = call.quads;
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
    const std::int64_t size = call.sink.kind == Sink::Kind::real ? sizeof(float) : 1;
#pragma GCC unroll 4
    for (unsigned i = 0; i < Rows; ++i) {
      int32x4_t acc[4];
#pragma GCC unroll 4
      for (unsigned v = 0; v < 4; ++v) acc[v] = vaddq_s32(Dot::total(sums[i][v]), start[v]);
      finish_row_neon(call.sink, acc, c, call.channel_end - c,
                      static_cast<std::byte*>(call.out) + ((r + i) * call.out_stride + c) * size);
    }
  }

  // Four depths of all rows and channels; moves on to the next weights.
  template <int Quad, unsigned Rows>
  OCTAVO_DETAIL_TARGET static OCTAVO_INLINE void quad(Dot::Sums (&sums)[Rows][4], const uint8x16_t (&codes)[Rows],
                                                      const std::int8_t*& w) {
    __asm__ volatile("" ::: "memory");  // else g++ loads the weights of all quads first, and runs out of registers
#pragma GCC unroll 4
    for (unsigned v = 0; v < 4; ++v) {
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
