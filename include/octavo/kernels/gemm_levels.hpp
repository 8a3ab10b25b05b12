// octavo/kernels/gemm_levels.hpp: the matrix product on every level, and how a layer call picks one.
#ifndef OCTAVO_KERNELS_GEMM_LEVELS_HPP_
#define OCTAVO_KERNELS_GEMM_LEVELS_HPP_

#include <string_view>

#include "../core/cpu.hpp"
#include "arm/gemm_neon.hpp"
#include "arm/gemm_neon_i8mm.hpp"
#include "gemm.hpp"
#include "x86/gemm_avx2.hpp"
#include "x86/gemm_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

using GemmFunction = void (*)(const GemmCall&);

template <Isa Level>
struct SelectGemm {
  static GemmFunction run() { return &Gemm<Level>::run; }
};
// That of the level in use: once a layer call; the function then serves all its rows.
template <class Lazy = void>
GemmFunction gemm_level() {
  return dispatch<SelectGemm>();
}

// dispatch<GemmName>(plain): for reports.
template <Isa Level>
struct GemmName {
  static std::string_view run(bool plain) { return plain ? Gemm<Level>::kPlainName : Gemm<Level>::kSegmentsName; }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::GemmFunction octavo::detail::gemm_level<void>());

#endif  // OCTAVO_KERNELS_GEMM_LEVELS_HPP_
