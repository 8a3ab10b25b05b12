// octavo/kernels/resize_levels.hpp: the resize kernels of every level, and how a layer call picks them.
#ifndef OCTAVO_KERNELS_RESIZE_LEVELS_HPP_
#define OCTAVO_KERNELS_RESIZE_LEVELS_HPP_

#include <string_view>

#include "../core/cpu.hpp"
#include "resize_rows.hpp"
#include "x86/resize_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct ResizeKernels {
  std::string_view name;
  void (*bilinear)(const ResizeRow&);
};

template <Isa Level>
struct SelectResize {
  static ResizeKernels run() {
    using Kernels = Resize<Level>;
    return {Kernels::kName, &Kernels::bilinear};
  }
};

template <class Lazy = void>
ResizeKernels resize_level() {
  return dispatch<SelectResize>();
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::ResizeKernels octavo::detail::resize_level<void>());

#endif  // OCTAVO_KERNELS_RESIZE_LEVELS_HPP_
