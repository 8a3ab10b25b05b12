// octavo/kernels/reference/fake_quantize_f32_body.hpp: fake-quantization of a register, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// y = round(clamp(u / scale, qmin - zero_point, qmax - zero_point)) * scale, as quant/fake_quant.hpp, the same bytes:
// adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even; the rest, exact, tells a tie.
template <>
struct FakeQuantizeF32<OCTAVO_DETAIL_LEVEL> {
  using V = VectorF32<OCTAVO_DETAIL_LEVEL>;
  using Register = typename V::Type;

  Register scale, low, high, magic;

  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE static void prepare(const Grid& grid,
                                                                                FakeQuantizeF32& out) {
    out.scale = V::set(grid.scale);
    out.low = V::set(static_cast<float>(grid.qmin - grid.zero_point));
    out.high = V::set(static_cast<float>(grid.qmax - grid.zero_point));
    out.magic = V::set(12582912.0F);
  }

  template <Ties kTies>
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED OCTAVO_INLINE Register apply(Register u) const {
    const Register v = V::min(high, V::max(low, V::div(u, scale)));
    Register steps = V::sub(V::add(v, magic), magic);
    if constexpr (kTies != Ties::even) {
      const Register rest = V::sub(v, steps);
      const Register one = V::set(1.0F);
      const Register up = V::where_less_equal(V::set(0.5F), rest, one);
      if constexpr (kTies == Ties::up) {
        steps = V::add(steps, up);
      } else {
        const Register above = V::where_less(V::zero(), v, up);
        const Register down = V::where_less_equal(rest, V::set(-0.5F), one);
        steps = V::add(steps, V::sub(above, V::where_less(v, V::zero(), down)));
      }
    }
    return V::mul(steps, scale);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
