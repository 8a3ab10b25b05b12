// octavo/kernels/reference/depthwise_conv2d_f32_body.hpp: runs of pixels of a depthwise convolution, included once a
// level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct DepthwiseRunF32<OCTAVO_DETAIL_LEVEL> {
  using V = VectorF32<OCTAVO_DETAIL_LEVEL>;
  using Register = typename V::Type;
  static constexpr std::string_view kName = V::kLanes == 1   ? "f32_depthwise_scalar"
                                            : V::kLanes == 8 ? "f32_depthwise_avx2"
                                                             : "f32_depthwise_avx512";

  // For a run of `pixels`, all of whose taps are inside the image:
  //   out[x * out_step + c] = clamp(bias[c] + sum over t of taps[t].in[x * in_step + c] * taps[t].weights[c])
  // Eight pixels at a time share the weights; they are next to each other in memory. `ahead` is prefetched on the way;
  // `stream` writes around the caches.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void run(const TapF32* taps, int tap_count, std::int64_t pixels,
                                                              std::int64_t channels, std::int64_t in_step,
                                                              std::int64_t out_step, const float* bias, float low,
                                                              float high, float* out, bool stream, AheadF32& ahead) {
    std::int64_t x = 0;
    for (; x + 8 <= pixels; x += 8)
      pixels_of<8>(taps, tap_count, x, channels, in_step, out_step, bias, low, high, out + x * out_step, stream, ahead);
    for (; x + 4 <= pixels; x += 4)
      pixels_of<4>(taps, tap_count, x, channels, in_step, out_step, bias, low, high, out + x * out_step, stream, ahead);
    for (; x < pixels; ++x)
      pixels_of<1>(taps, tap_count, x, channels, in_step, out_step, bias, low, high, out + x * out_step, stream, ahead);
    if (stream) V::fence();
  }

  // out[x * channels + c] for a row of a 3 x 3 window. Each input column is loaded once and added to all the outputs
  // that it belongs to (three, or one and two in turn), whose sums and the nine weights stay in registers.
  template <int Stride>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void row3(const DepthwiseRow3F32& r, AheadF32& ahead) {
    const Register least = V::set(r.low);
    const Register most = V::set(r.high);
    for (std::int64_t c = 0; c < r.channels; c += V::kLanes) {
      const std::int64_t count = r.channels - c;
      Register w[9];
      Register k[3];
      const float* in[3];
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) in[i] = r.steps[i] > 0 ? r.rows[i] + c : r.rows[i];
#pragma GCC unroll 9
      for (int t = 0; t < 9; ++t) w[t] = get(r.weights + t * r.channels + c, count);
      const Register start = r.bias != nullptr ? get(r.bias + c, count) : V::zero();
      Register done = start;    // the output that lacks its last column (stride 2: its last two)
      Register second = start;  // stride 1: the next one, which lacks two
      if (column(r, in, -r.pad_left, count, k)) done = add_column(k, w, done);
      if (Stride == 1 && column(r, in, 1 - r.pad_left, count, k)) {
        done = add_column(k, w + 1, done);
        second = add_column(k, w, second);
      }
      for (std::int64_t x = 0; x < r.out_w; ++x) {
        ahead.step();
        if (r.far) V::prefetch_to_write(r.out + (x + 8) * r.channels + c);
        const std::int64_t last = x * Stride + 2 - r.pad_left;
        Register next = start;
        if (Stride == 2 && column(r, in, last - 1, count, k)) done = add_column(k, w + 1, done);
        if (column(r, in, last, count, k)) {
          done = add_column(k, w + 2, done);
          if (Stride == 1) second = add_column(k, w + 1, second);
          next = add_column(k, w, next);
        }
        const Register result = V::min(most, V::max(least, done));
        if (r.stream)
          V::stream(r.out + x * r.channels + c, result);
        else
          put(r.out + x * r.channels + c, result, count);
        done = Stride == 1 ? second : next;
        second = next;
      }
    }
    if (r.stream) V::fence();
  }

  // dw[t * channels + c] += sum over x of taps[t].in[x * in_step + c] * dy[x * channels + c]. The taps' weights are not
  // read; ahead[0] and ahead[1] are prefetched on the way.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void weight_gradient(const TapF32* taps, int tap_count,
                                                                          std::int64_t pixels, std::int64_t channels,
                                                                          std::int64_t in_step, const float* dy,
                                                                          float* dw, AheadF32* ahead) {
    int t = 0;
    for (; t + 9 <= tap_count; t += 9)
      gradient_of<9>(taps + t, pixels, channels, in_step, dy, dw + t * channels, ahead);
    for (; t + 3 <= tap_count; t += 3)
      gradient_of<3>(taps + t, pixels, channels, in_step, dy, dw + t * channels, ahead);
    for (; t < tap_count; ++t) gradient_of<1>(taps + t, pixels, channels, in_step, dy, dw + t * channels, ahead);
  }

 private:
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static Register get(const float* p, std::int64_t count) {
    return count >= V::kLanes ? V::load(p) : V::load(p, count);
  }
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void put(float* p, Register x, std::int64_t count) {
    if (count >= V::kLanes)
      V::store(p, x);
    else
      V::store(p, x, count);
  }

  // The three values of input column x; false where it is outside the image.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static bool column(const DepthwiseRow3F32& r,
                                                                               const float* const* in, std::int64_t x,
                                                                               std::int64_t count, Register* k) {
    if (x < 0 || x >= r.in_w) return false;
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) k[i] = get(in[i] + x * r.steps[i], count);
    return true;
  }
  // sum + one column of the window.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static Register add_column(const Register* k,
                                                                                       const Register* w,
                                                                                       Register sum) {
    return V::fma(k[2], w[6], V::fma(k[1], w[3], V::fma(k[0], w[0], sum)));
  }

  template <int Pixels>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void pixels_of(
      const TapF32* taps, int tap_count, std::int64_t x, std::int64_t channels, std::int64_t in_step,
      std::int64_t out_step, const float* bias, float low, float high, float* out, bool stream, AheadF32& ahead) {
    const Register least = V::set(low);
    const Register most = V::set(high);
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const std::int64_t count = channels - c;
      if (Pixels == 8) ahead.step();
      Register sum[static_cast<std::size_t>(Pixels)];
      const Register start = bias != nullptr ? get(bias + c, count) : V::zero();
#pragma GCC unroll 8
      for (int i = 0; i < Pixels; ++i) sum[i] = start;
      for (int t = 0; t < tap_count; ++t) {
        const Register w = get(taps[t].weights + c, count);
        const float* in = taps[t].in + x * in_step + c;
#pragma GCC unroll 8
        for (int i = 0; i < Pixels; ++i) sum[i] = V::fma(get(in + i * in_step, count), w, sum[i]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < Pixels; ++i) {
        const Register result = V::min(most, V::max(least, sum[i]));
        if (stream)
          V::stream(out + i * out_step + c, result);
        else
          put(out + i * out_step + c, result, count);
      }
    }
  }

  template <int Taps>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void gradient_of(
      const TapF32* taps, std::int64_t pixels, std::int64_t channels, std::int64_t in_step, const float* dy, float* dw,
      AheadF32* ahead) {
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const std::int64_t count = channels - c;
      Register sum[static_cast<std::size_t>(Taps)];
      const float* in[static_cast<std::size_t>(Taps)];
#pragma GCC unroll 9
      for (int t = 0; t < Taps; ++t) {
        sum[t] = get(dw + t * channels + c, count);
        in[t] = taps[t].in + c;
      }
      for (std::int64_t x = 0; x < pixels; ++x) {
        if (Taps == 9) {
          ahead[0].step();
          ahead[1].step();
        }
        const Register g = get(dy + x * channels + c, count);
#pragma GCC unroll 9
        for (int t = 0; t < Taps; ++t) sum[t] = V::fma(get(in[t] + x * in_step, count), g, sum[t]);
      }
#pragma GCC unroll 9
      for (int t = 0; t < Taps; ++t) put(dw + t * channels + c, sum[t], count);
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
