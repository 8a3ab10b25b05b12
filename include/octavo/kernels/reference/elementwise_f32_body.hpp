// octavo/kernels/reference/elementwise_f32_body.hpp: element by element operations, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct ElementwiseF32<OCTAVO_DETAIL_LEVEL> {
  using V = VectorF32<OCTAVO_DETAIL_LEVEL>;
  using Register = typename V::Type;

  // y = clamp(a + b, low, high)
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void add(const float* a, const float* b, std::int64_t n, float low,
                                                              float high, float* y) {
    const Register least = V::set(low);
    const Register most = V::set(high);
    for (std::int64_t i = 0; i < n; i += V::kLanes) {
      const Register sum = V::add(get(a + i, n - i), get(b + i, n - i));
      put(y + i, V::min(most, V::max(least, sum)), n - i);
    }
  }

  // y += factor * x
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void axpy(float factor, const float* x, std::int64_t n, float* y) {
    const Register f = V::set(factor);
    for (std::int64_t i = 0; i < n; i += V::kLanes) put(y + i, V::fma(f, get(x + i, n - i), get(y + i, n - i)), n - i);
  }

  // y = factor * x
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void scale(float factor, const float* x, std::int64_t n,
                                                                float* y) {
    const Register f = V::set(factor);
    for (std::int64_t i = 0; i < n; i += V::kLanes) put(y + i, V::mul(f, get(x + i, n - i)), n - i);
  }

  // y = clamp(x, low, high)
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void clamp(const float* x, std::int64_t n, float low, float high,
                                                                float* y) {
    const Register least = V::set(low);
    const Register most = V::set(high);
    for (std::int64_t i = 0; i < n; i += V::kLanes) put(y + i, V::min(most, V::max(least, get(x + i, n - i))), n - i);
  }

  // dx = dy where low < x < high (Closed: low <= x <= high), else 0
  template <bool Closed>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void clamp_backward(const float* x, const float* dy,
                                                                         std::int64_t n, float low, float high,
                                                                         float* dx) {
    const Register least = V::set(low);
    const Register most = V::set(high);
    for (std::int64_t i = 0; i < n; i += V::kLanes) {
      const Register value = get(x + i, n - i);
      Register g = get(dy + i, n - i);
      if constexpr (Closed)
        g = V::where_less_equal(value, most, V::where_less_equal(least, value, g));
      else
        g = V::where_less(value, most, V::where_less(least, value, g));
      put(dx + i, g, n - i);
    }
  }

  template <Ties kTies>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void fake_quantize(const float* x, std::int64_t n,
                                                                        const Grid& grid, float* y) {
    FakeQuantizeF32<OCTAVO_DETAIL_LEVEL> quantizer;
    FakeQuantizeF32<OCTAVO_DETAIL_LEVEL>::prepare(grid, quantizer);
    for (std::int64_t i = 0; i < n; i += V::kLanes)
      put(y + i, quantizer.template apply<kTies>(get(x + i, n - i)), n - i);
  }

  // minimum = min(minimum, all x), maximum likewise; false, and both unspecified, if some x is NaN.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static bool min_max(const float* x, std::int64_t n, float& minimum,
                                                                  float& maximum) {
    Register least[4];
    Register most[4];
    Register strange[4];  // becomes NaN, and stays so, when a value is NaN or infinite
    for (int j = 0; j < 4; ++j) {
      least[j] = V::set(minimum);
      most[j] = V::set(maximum);
      strange[j] = V::zero();
    }
    std::int64_t i = 0;
    for (; i + 4 * V::kLanes <= n; i += 4 * V::kLanes) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Register value = V::load(x + i + j * V::kLanes);
        least[j] = V::min(least[j], value);
        most[j] = V::max(most[j], value);
        strange[j] = V::fma(value, V::zero(), strange[j]);
      }
    }
    float lanes[3][4 * V::kLanes];
    for (int j = 0; j < 4; ++j) {
      V::store(lanes[0] + j * V::kLanes, least[j]);
      V::store(lanes[1] + j * V::kLanes, most[j]);
      V::store(lanes[2] + j * V::kLanes, strange[j]);
    }
    bool finite = true;
    for (int j = 0; j < 4 * V::kLanes; ++j) {
      minimum = lanes[0][j] < minimum ? lanes[0][j] : minimum;
      maximum = lanes[1][j] > maximum ? lanes[1][j] : maximum;
      finite = finite && lanes[2][j] == 0.0F;
    }
    for (; i < n; ++i) {
      minimum = x[i] < minimum ? x[i] : minimum;
      maximum = x[i] > maximum ? x[i] : maximum;
      finite = finite && x[i] * 0.0F == 0.0F;
    }
    return finite;
  }

  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void adam(float* p, const float* dp, float* m, float* v,
                                                               std::int64_t n, const AdamFactors& f) {
    const Register rate = V::set(-f.learning_rate);
    const Register rest1 = V::set(1.0F - f.beta1);
    const Register rest2 = V::set(1.0F - f.beta2);
    const Register epsilon = V::set(f.epsilon);
    const Register decay = V::set(f.weight_decay);
    for (std::int64_t i = 0; i < n; i += V::kLanes) {
      const std::int64_t count = n - i;
      const Register value = get(p + i, count);
      const Register g = V::fma(decay, value, get(dp + i, count));
      Register first = get(m + i, count);
      Register second = get(v + i, count);
      first = V::fma(rest1, V::sub(g, first), first);
      second = V::fma(rest2, V::sub(V::mul(g, g), second), second);
      put(m + i, first, count);
      put(v + i, second, count);
      const Register direction = V::div(first, V::add(V::sqrt(second), epsilon));
      put(p + i, V::fma(rate, direction, value), count);
    }
  }

  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void momentum(float* p, const float* dp, float* velocity,
                                                                   std::int64_t n, const MomentumFactors& f) {
    const Register rate = V::set(-f.learning_rate);
    const Register keep = V::set(f.momentum);
    const Register decay = V::set(f.weight_decay);
    for (std::int64_t i = 0; i < n; i += V::kLanes) {
      const std::int64_t count = n - i;
      const Register value = get(p + i, count);
      const Register step = V::mul(rate, V::fma(decay, value, get(dp + i, count)));
      const Register speed = V::fma(keep, get(velocity + i, count), step);
      put(velocity + i, speed, count);
      put(p + i, V::add(value, f.nesterov ? V::fma(keep, speed, step) : speed), count);
    }
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
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
