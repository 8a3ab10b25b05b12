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
  static GemmFunction run(WeightBits bits) {
    return bits == WeightBits::four ? &Gemm<Level, WeightBits::four>::run : &Gemm<Level>::run;
  }
};
// That of the level in use: once a layer call; the function then serves all its rows.
template <class Lazy = void>
GemmFunction gemm_level(WeightBits bits) {
  return dispatch<SelectGemm>(bits);
}

// dispatch<GemmName>(bits, plain): for reports.
template <Isa Level>
struct GemmName {
  static std::string_view run(WeightBits bits, bool plain) {
    return bits == WeightBits::four ? name<Gemm<Level, WeightBits::four>>(plain) : name<Gemm<Level>>(plain);
  }

 private:
  template <class Kernel>
  static std::string_view name(bool plain) {
    return plain ? Kernel::kPlainName : Kernel::kSegmentsName;
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::GemmFunction octavo::detail::gemm_level<void>(octavo::WeightBits));

#endif  // OCTAVO_KERNELS_GEMM_LEVELS_HPP_
