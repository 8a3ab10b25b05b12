// octavo/kernels/arm/columns_neon_body.hpp: columns of a 3x3 window by SDOT or USDOT, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Two output rows of 8 channels: lanes of four image rows serve both. Weights: [w0 w1 w2 0] and [0 w0 w1 w2].
template <>
struct ColumnsNeon<OCTAVO_DETAIL_LEVEL, 2> {
  using Dot = LanesNeon<OCTAVO_DETAIL_LEVEL>;
  static constexpr bool kSigned = Dot::kSigned;
  static constexpr unsigned kVectors = 2;
  struct Column {
    uint8x16_t lanes[2];
  };
  struct Weights {
    int8x16_t upper[2], lower[2];
  };

  static OCTAVO_INLINE Column load(const std::uint8_t* const (&row)[4], std::int64_t at) {
    uint8x16_t a = vzip1q_u8(load_low(row[0] + at), load_low(row[1] + at));
    uint8x16_t b = vzip1q_u8(load_low(row[2] + at), load_low(row[3] + at));
    a = Dot::prepared(a);
    b = Dot::prepared(b);
    return {{first_words(a, b), last_words(a, b)}};
  }
  static OCTAVO_INLINE Weights weights(const std::int8_t* const (&row)[3], bool /*side*/) {
    const uint8x16_t a = vzip1q_u8(load_low(row[0]), load_low(row[1]));
    const uint8x16_t b = vzip1q_u8(load_low(row[2]), vdupq_n_u8(0));
    const int32x4_t first = vreinterpretq_s32_u8(first_words(a, b)), last = vreinterpretq_s32_u8(last_words(a, b));
    return {{vreinterpretq_s8_s32(first), vreinterpretq_s8_s32(last)},
            {vreinterpretq_s8_s32(vshlq_n_s32(first, 8)), vreinterpretq_s8_s32(vshlq_n_s32(last, 8))}};
  }
  OCTAVO_DETAIL_TARGET static OCTAVO_INLINE void add(int32x4_t (&sums)[4], const Column& column,
                                                     const Weights& weights) {
    Dot::add(sums[0], column.lanes[0], weights.upper[0]);
    Dot::add(sums[1], column.lanes[1], weights.upper[1]);
    Dot::add(sums[2], column.lanes[0], weights.lower[0]);
    Dot::add(sums[3], column.lanes[1], weights.lower[1]);
  }
};

// One output row of 16 channels. The last two bytes of a lane are the third image row of a middle column and of the
// side column next to it; the weights of a middle column are [w0 w1 w2 0], those of a side column [w0 w1 0 w2].
template <>
struct ColumnsNeon<OCTAVO_DETAIL_LEVEL, 1> {
  using Dot = LanesNeon<OCTAVO_DETAIL_LEVEL>;
  static constexpr bool kSigned = Dot::kSigned;
  static constexpr unsigned kVectors = 4;
  struct Column {
    uint8x16_t lanes[4];
  };
  struct Weights {
    int8x16_t lanes[4];
  };

  static OCTAVO_INLINE Column load(const std::uint8_t* const (&row)[3], std::int64_t at) {
    const uint8x16_t third = codes(row[2] + at);
    return lanes(codes(row[0] + at), codes(row[1] + at), vzip1q_u8(third, third), vzip2q_u8(third, third));
  }
  static OCTAVO_INLINE void load_two(const std::uint8_t* const (&row)[3], std::int64_t at, std::int64_t step,
                                     Column& middle, Column& side) {
    const uint8x16_t third = codes(row[2] + at), side_third = codes(row[2] + at + step);
    const uint8x16_t low = vzip1q_u8(third, side_third), high = vzip2q_u8(third, side_third);
    middle = lanes(codes(row[0] + at), codes(row[1] + at), low, high);
    side = lanes(codes(row[0] + at + step), codes(row[1] + at + step), low, high);
  }
  static OCTAVO_INLINE Weights weights(const std::int8_t* const (&row)[3], bool side) {
    const uint8x16_t none = vdupq_n_u8(0), third = vreinterpretq_u8_s8(vld1q_s8(row[2]));
    const Column c = lanes(vreinterpretq_u8_s8(vld1q_s8(row[0])), vreinterpretq_u8_s8(vld1q_s8(row[1])),
                           side ? vzip1q_u8(none, third) : vzip1q_u8(third, none),
                           side ? vzip2q_u8(none, third) : vzip2q_u8(third, none));
    return {{vreinterpretq_s8_u8(c.lanes[0]), vreinterpretq_s8_u8(c.lanes[1]), vreinterpretq_s8_u8(c.lanes[2]),
             vreinterpretq_s8_u8(c.lanes[3])}};
  }
  OCTAVO_DETAIL_TARGET static OCTAVO_INLINE void add(int32x4_t (&sums)[4], const Column& column,
                                                     const Weights& weights) {
    Dot::add(sums[0], column.lanes[0], weights.lanes[0]);
    Dot::add(sums[1], column.lanes[1], weights.lanes[1]);
    Dot::add(sums[2], column.lanes[2], weights.lanes[2]);
    Dot::add(sums[3], column.lanes[3], weights.lanes[3]);
  }

 private:
  static OCTAVO_INLINE uint8x16_t codes(const std::uint8_t* from) { return Dot::prepared(vld1q_u8(from)); }
  static OCTAVO_INLINE Column lanes(uint8x16_t first, uint8x16_t second, uint8x16_t low, uint8x16_t high) {
    const uint8x16_t a = vzip1q_u8(first, second), b = vzip2q_u8(first, second);
    return {{first_words(a, low), last_words(a, low), first_words(b, high), last_words(b, high)}};
  }
};

// Four taps a lane, any window. Weights: DepthwiseWeights::taps.
template <>
struct TapsNeon<OCTAVO_DETAIL_LEVEL> {
  using Dot = LanesNeon<OCTAVO_DETAIL_LEVEL>;
  static constexpr bool kSigned = Dot::kSigned;
  static constexpr std::int64_t kStep = 4;

  static const std::int8_t* weights(const DepthwiseWeights& weights, const ConvGeometry& g, std::int64_t c) {
    const std::int64_t groups = (g.window.kernel_h * g.window.kernel_w + 3) / 4;
    return weights.taps.data() + c / kChannelBlock * groups * 256 + quad_position(c);
  }
  static std::int64_t weights_step(const ConvGeometry&) { return 256; }
  template <unsigned Count, class Load>
  OCTAVO_DETAIL_TARGET static OCTAVO_INLINE void add(int32x4_t (&acc)[Count][4], const std::int8_t* weights,
                                                     Load load) {
    const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + 64);
    const int8x16_t w2 = vld1q_s8(weights + 128), w3 = vld1q_s8(weights + 192);
#pragma GCC unroll 4
    for (unsigned p = 0; p < Count; ++p) {
      __asm__ volatile("" ::: "memory");  // keeps loads of later pixels behind, for want of registers
      const uint8x16_t t0 = Dot::prepared(load(0, p)), t1 = Dot::prepared(load(1, p));
      const uint8x16_t t2 = Dot::prepared(load(2, p)), t3 = Dot::prepared(load(3, p));
      const uint8x16_t a = vzip1q_u8(t0, t1), b = vzip2q_u8(t0, t1), c = vzip1q_u8(t2, t3), d = vzip2q_u8(t2, t3);
      Dot::add(acc[p][0], first_words(a, c), w0);
      Dot::add(acc[p][1], last_words(a, c), w1);
      Dot::add(acc[p][2], first_words(b, d), w2);
      Dot::add(acc[p][3], last_words(b, d), w3);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
