// octavo/kernels/pool_levels.hpp: the pooling kernels of every level, and how a layer call picks them.
#ifndef OCTAVO_KERNELS_POOL_LEVELS_HPP_
#define OCTAVO_KERNELS_POOL_LEVELS_HPP_

#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "pool_rows.hpp"
#include "x86/finish_avx512vnni.hpp"
#include "x86/pool_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

struct PoolKernels {
  std::string_view name;
  void (*average)(const PoolRow&, const AverageStage&);
  void (*maximum)(const PoolRow&, CodeLimits);
  void (*sum)(const std::uint8_t*, std::int64_t, std::int64_t, std::int64_t, std::int32_t*);
  void (*finish)(const Sink&, const std::int32_t*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, void*,
                 std::int64_t);
};

template <Isa Level>
struct SelectPool {
  static PoolKernels run() {
    using Kernels = Pool<Level>;
    return {Kernels::kName, &Kernels::average, &Kernels::maximum, &Kernels::sum, &Finish<Level>::run};
  }
};

template <class Lazy = void>
PoolKernels pool_level() {
  return dispatch<SelectPool>();
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::PoolKernels octavo::detail::pool_level<void>());

#endif  // OCTAVO_KERNELS_POOL_LEVELS_HPP_
