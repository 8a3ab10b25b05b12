// octavo/kernels/elementwise_levels.hpp: the element-wise kernels of every level, and how a layer call picks them.
#ifndef OCTAVO_KERNELS_ELEMENTWISE_LEVELS_HPP_
#define OCTAVO_KERNELS_ELEMENTWISE_LEVELS_HPP_

#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "elementwise.hpp"
#include "x86/elementwise_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct ElementwiseKernels {
  std::string_view name;
  void (*add)(const PreparedAdd&, const std::uint8_t*, const std::uint8_t*, std::uint8_t*, std::int64_t);
  void (*quantize)(const float*, std::uint8_t*, std::int64_t, const Grid&, Ties);
  void (*dequantize)(const std::uint8_t*, float*, std::int64_t, const Grid&);
  void (*range)(const float*, std::int64_t, float&, float&);
};

template <Isa Level>
struct SelectElementwise {
  static ElementwiseKernels run() {
    using Kernels = Elementwise<Level>;
    return {Kernels::kName, &Kernels::add, &Kernels::quantize, &Kernels::dequantize, &Kernels::range};
  }
};

template <class Lazy = void>
ElementwiseKernels elementwise_level() {
  return dispatch<SelectElementwise>();
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::ElementwiseKernels octavo::detail::elementwise_level<void>());

#endif  // OCTAVO_KERNELS_ELEMENTWISE_LEVELS_HPP_
