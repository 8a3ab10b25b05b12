// octavo/kernels/arm/depthwise_neon.hpp: depthwise convolution on NEON. Windows of 3x3 have a kernel of their own;
// windows of more than kMaxTapsNeon, and channel multipliers, use the portable one.
#ifndef OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_
#define OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_

#include "../../config.hpp"
#if OCTAVO_ARM
#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../depthwise.hpp"
#include "columns_neon.hpp"
#include "finish_neon.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The table of a window's taps stands on the stack.
inline constexpr std::int64_t kMaxTapsNeon = 49;

// Defined by depthwise_neon_3x3_body.hpp and depthwise_neon_taps_body.hpp for each level.
template <Isa Level>
struct Depthwise3x3Neon;
template <Isa Level>
struct DepthwiseTapsNeon;

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::neon
#define OCTAVO_DETAIL_TARGET
#include "depthwise_neon_3x3_body.hpp"
#include "depthwise_neon_taps_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#define OCTAVO_DETAIL_LEVEL Isa::neon_dotprod
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_NEON_DOTPROD
#include "depthwise_neon_3x3_body.hpp"
#include "depthwise_neon_taps_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#define OCTAVO_DETAIL_LEVEL Isa::neon_i8mm
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_NEON_I8MM
#include "depthwise_neon_3x3_body.hpp"
#include "depthwise_neon_taps_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <Isa Level>
struct DepthwiseNeon {
  static std::string_view name(const ConvGeometry& g) {
    if (!fits(g)) return Depthwise<Isa::scalar>::name(g);
    const bool columns = three_by_three(g);
    if (Level == Isa::neon) return columns ? "depthwise_3x3_neon" : "depthwise_taps_neon";
    if (Level == Isa::neon_dotprod) return columns ? "depthwise_3x3_neon_dotprod" : "depthwise_taps_neon_dotprod";
    return columns ? "depthwise_3x3_neon_i8mm" : "depthwise_taps_neon_i8mm";
  }

  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    if (!fits(g)) return Depthwise<Isa::scalar>::run(call);
    three_by_three(g) ? Depthwise3x3Neon<Level>::run(call) : DepthwiseTapsNeon<Level>::run(call);
  }

 private:
  static bool fits(const ConvGeometry& g) {
    return g.in_c == g.out_c && g.window.kernel_h * g.window.kernel_w <= kMaxTapsNeon;
  }
  static bool three_by_three(const ConvGeometry& g) {
    const Window& w = g.window;
    return w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 && w.dilation_w == 1;
  }
};

template <>
struct Depthwise<Isa::neon> : DepthwiseNeon<Isa::neon> {};
template <>
struct Depthwise<Isa::neon_dotprod> : DepthwiseNeon<Isa::neon_dotprod> {};
template <>
struct Depthwise<Isa::neon_i8mm> : DepthwiseNeon<Isa::neon_i8mm> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_ARM
#endif  // OCTAVO_KERNELS_ARM_DEPTHWISE_NEON_HPP_
