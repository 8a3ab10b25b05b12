// octavo/kernels/reference/channel_pass_f32_body.hpp: passes over a [rows][channels] matrix, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
// Reductions take eight rows at a time: a running sum is loaded and stored once for eight additions, and the values of
// rows that follow are prefetched in the order in which they will be read.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct ChannelPassF32<OCTAVO_DETAIL_LEVEL> {
  using V = VectorF32<OCTAVO_DETAIL_LEVEL>;
  using Quantizer = FakeQuantizeF32<OCTAVO_DETAIL_LEVEL>;
  using Register = typename V::Type;

  // sum[c] += sum of x - shift[c]; sum2[c] += sum of (x - shift[c])^2; minimum and maximum are lowered and raised.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void statistics(const float* x, std::int64_t rows,
                                                                     std::int64_t channels, const float* shift,
                                                                     float* sum, float* sum2, float* minimum,
                                                                     float* maximum) {
    std::int64_t r = 0;
    for (; r + 8 <= rows; r += 8) statistics_rows<8>(x + r * channels, channels, shift, sum, sum2, minimum, maximum);
    for (; r < rows; ++r) statistics_rows<1>(x + r * channels, channels, shift, sum, sum2, minimum, maximum);
  }

  // sum[c] += sum of x.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void sums(const float* x, std::int64_t rows, std::int64_t channels,
                                                               float* sum) {
    std::int64_t r = 0;
    for (; r + 8 <= rows; r += 8) sum_rows<8>(x + r * channels, channels, sum);
    for (; r < rows; ++r) sum_rows<1>(x + r * channels, channels, sum);
  }

  // sum_g[c] += sum of g; sum_gx[c] += sum of g * x; g is dy where the gradient passes, else 0.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void backward_sums(const float* x, const float* dy,
                                                                        std::int64_t rows, std::int64_t channels,
                                                                        const AffineClamp& f, float* sum_g,
                                                                        float* sum_gx) {
    Gate gate;
    Gate::prepare(f, gate);
    std::int64_t r = 0;
    for (; r + 8 <= rows; r += 8)
      backward_sum_rows<8>(x + r * channels, dy + r * channels, channels, f, gate, sum_g, sum_gx);
    for (; r < rows; ++r) backward_sum_rows<1>(x + r * channels, dy + r * channels, channels, f, gate, sum_g, sum_gx);
  }

  // dx = p[c] * g + q[c] * x + r[c]; q and r null: dx = p[c] * g.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void backward_input(const float* x, const float* dy,
                                                                         std::int64_t rows, std::int64_t channels,
                                                                         const AffineClamp& f, const float* p,
                                                                         const float* q, const float* r, float* dx,
                                                                         bool stream) {
    Gate gate;
    Gate::prepare(f, gate);
    for (std::int64_t row = 0; row < rows; ++row, x += channels, dy += channels, dx += channels)
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        const std::int64_t count = channels - c;
        const Register value = get(x + c, count);
        const Register g = gate.pass(z_of(value, f, c, count), get(dy + c, count));
        Register result = V::zero();
        if (q != nullptr) result = V::fma(get(q + c, count), value, get(r + c, count));
        put(dx + c, V::fma(get(p + c, count), g, result), count, stream);
      }
    V::fence();
  }

  // y = u, the clamped affine value.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void forward(const float* x, std::int64_t rows,
                                                                  std::int64_t channels, const AffineClamp& f, float* y,
                                                                  bool stream) {
    const Register low = V::set(f.low);
    const Register high = V::set(f.high);
    for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels)
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        const std::int64_t count = channels - c;
        const Register z = z_of(get(x + c, count), f, c, count);
        put(y + c, V::min(high, V::max(low, z)), count, stream);
      }
    V::fence();
  }

  // y = fake_quantize(u).
  template <Ties kTies>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void forward_quantized(const float* x, std::int64_t rows,
                                                                            std::int64_t channels, const AffineClamp& f,
                                                                            float* y, bool stream) {
    const Register low = V::set(f.low);
    const Register high = V::set(f.high);
    Quantizer quantizer;
    Quantizer::prepare(*f.grid, quantizer);
    for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels)
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        const std::int64_t count = channels - c;
        const Register z = z_of(get(x + c, count), f, c, count);
        put(y + c, quantizer.template apply<kTies>(V::min(high, V::max(low, z))), count, stream);
      }
    V::fence();
  }

 private:
  // Where the gradient passes. Without a grid its limits are infinite.
  struct Gate {
    Register low, high, grid_low, grid_high;
    OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void prepare(const AffineClamp& f, Gate& out) {
      constexpr float infinity = std::numeric_limits<float>::infinity();
      out.low = V::set(f.low);
      out.high = V::set(f.high);
      out.grid_low = V::set(f.grid != nullptr ? f.grid->low() : -infinity);
      out.grid_high = V::set(f.grid != nullptr ? f.grid->high() : infinity);
    }
    // Where low < z < high the clamped value is z itself.
    OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE Register pass(Register z, Register dy) const {
      const Register inside = V::where_less(z, high, V::where_less(low, z, dy));
      return V::where_less_equal(z, grid_high, V::where_less_equal(grid_low, z, inside));
    }
  };

  // The next V::kLanes values, or the last `count` of a row and zeros.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static Register get(const float* p, std::int64_t count) {
    return count >= V::kLanes ? V::load(p) : V::load(p, count);
  }
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void put(float* p, Register x, std::int64_t count) {
    if (count >= V::kLanes)
      V::store(p, x);
    else
      V::store(p, x, count);
  }
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void put(float* p, Register x, std::int64_t count,
                                                                            bool stream) {
    if (stream)
      V::stream(p, x);
    else
      put(p, x, count);
  }
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static Register z_of(Register x, const AffineClamp& f,
                                                                                 std::int64_t c, std::int64_t count) {
    return V::fma(get(f.multiplier + c, count), x, get(f.offset + c, count));
  }

  // Floats from a value to its like some groups of eight rows later, at least 4 KiB.
  static std::int64_t distance(std::int64_t channels) { return 8 * channels * (1 + 1024 / (8 * channels)); }

  template <int Rows>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void statistics_rows(const float* x,
                                                                                        std::int64_t channels,
                                                                                        const float* shift, float* sum,
                                                                                        float* sum2, float* minimum,
                                                                                        float* maximum) {
    const std::int64_t ahead = distance(channels);
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const std::int64_t count = channels - c;
      const Register origin = get(shift + c, count);
      Register s = get(sum + c, count);
      Register s2 = get(sum2 + c, count);
      Register least = get(minimum + c, count);
      Register most = get(maximum + c, count);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        if (Rows > 1) prefetch_f32(x + r * channels + c, ahead);
        const Register value = get(x + r * channels + c, count);
        const Register d = V::sub(value, origin);
        s = V::add(s, d);
        s2 = V::fma(d, d, s2);
        least = V::min(least, value);
        most = V::max(most, value);
      }
      put(sum + c, s, count);
      put(sum2 + c, s2, count);
      put(minimum + c, least, count);
      put(maximum + c, most, count);
    }
  }

  template <int Rows>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void sum_rows(const float* x, std::int64_t channels,
                                                                                 float* sum) {
    const std::int64_t ahead = distance(channels);
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const std::int64_t count = channels - c;
      Register s = get(sum + c, count);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        if (Rows > 1) prefetch_f32(x + r * channels + c, ahead);
        s = V::add(s, get(x + r * channels + c, count));
      }
      put(sum + c, s, count);
    }
  }

  template <int Rows>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void backward_sum_rows(
      const float* x, const float* dy, std::int64_t channels, const AffineClamp& f, const Gate& gate, float* sum_g,
      float* sum_gx) {
    const std::int64_t ahead = distance(channels);
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const std::int64_t count = channels - c;
      Register s = get(sum_g + c, count);
      Register sx = get(sum_gx + c, count);
      const Register multiplier = get(f.multiplier + c, count);
      const Register offset = get(f.offset + c, count);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        if (Rows > 1) prefetch_f32(x + r * channels + c, ahead);
        if (Rows > 1) prefetch_f32(dy + r * channels + c, ahead);
        const Register value = get(x + r * channels + c, count);
        const Register g = gate.pass(V::fma(multiplier, value, offset), get(dy + r * channels + c, count));
        s = V::add(s, g);
        sx = V::fma(g, value, sx);
      }
      put(sum_g + c, s, count);
      put(sum_gx + c, sx, count);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
