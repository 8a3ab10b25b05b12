// octavo/kernels/depthwise_levels.hpp: the depthwise kernel on every level, and how a layer call picks one.
#ifndef OCTAVO_KERNELS_DEPTHWISE_LEVELS_HPP_
#define OCTAVO_KERNELS_DEPTHWISE_LEVELS_HPP_

#include <string_view>

#include "../core/cpu.hpp"
#include "arm/depthwise_neon.hpp"
#include "depthwise.hpp"
#include "x86/depthwise_avx2.hpp"
#include "x86/depthwise_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

using DepthwiseFunction = void (*)(const DepthwiseCall&);

template <Isa Level>
struct SelectDepthwise {
  static DepthwiseFunction run() { return &Depthwise<Level>::run; }
};
template <class Lazy = void>
DepthwiseFunction depthwise_level() {
  return dispatch<SelectDepthwise>();
}

template <Isa Level>
struct DepthwiseName {
  static std::string_view run(const ConvGeometry& g) { return Depthwise<Level>::name(g); }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::DepthwiseFunction octavo::detail::depthwise_level<void>());

#endif  // OCTAVO_KERNELS_DEPTHWISE_LEVELS_HPP_
