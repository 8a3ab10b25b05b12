// octavo/core/cpu.hpp: instruction-set levels, their detection, and the override (OCTAVO_ISA, force_isa).
//
// A kernel is a template on Isa with one specialisation a level, so code for different levels has different symbols
// and one translation unit may hold them all (the idea of ruy::Path). Dispatch happens once a layer call.
#ifndef OCTAVO_CORE_CPU_HPP_
#define OCTAVO_CORE_CPU_HPP_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "error.hpp"
#if OCTAVO_X86
#include <cpuid.h>
#elif OCTAVO_ARM && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Weakest first in each family. x86: avxvnni (client CPUs) and avx512vnni (servers) are siblings over avx2. ARM, 64
// bits: neon is what every CPU has, then the dot product of ARMv8.2 and the matrix product of ARMv8.6.
enum class Isa : std::uint8_t { scalar, avx2, avxvnni, avx512vnni, neon, neon_dotprod, neon_i8mm };
inline constexpr Isa kAllIsas[] = {Isa::scalar, Isa::avx2,         Isa::avxvnni,  Isa::avx512vnni,
                                   Isa::neon,   Isa::neon_dotprod, Isa::neon_i8mm};

// The next weaker level: what a kernel without a version for `isa` inherits. scalar is its own fallback.
constexpr Isa fallback_of(Isa isa) {
  constexpr Isa weaker[] = {Isa::scalar, Isa::scalar, Isa::avx2, Isa::avx2, Isa::scalar, Isa::neon, Isa::neon_dotprod};
  return weaker[static_cast<std::size_t>(isa)];
}

constexpr std::string_view name_of(Isa isa) {
  constexpr std::string_view names[] = {"scalar", "avx2", "avxvnni", "avx512vnni", "neon", "neon_dotprod", "neon_i8mm"};
  return names[static_cast<std::size_t>(isa)];
}

bool cpu_has(Isa isa) noexcept;

// The level in use. First call: the best that this CPU has, or the one that OCTAVO_ISA names. An unknown name, or a
// level that this CPU lacks, is an Error.
Isa active_isa();

// For tests and benchmarks: sets the level of the whole process (the library's only global state). Returns false, and
// changes nothing, where this CPU lacks `isa`.
bool force_isa(Isa isa) noexcept;

namespace detail {

#if OCTAVO_X86
// Which register files the system saves (__builtin_cpu_supports of clang 14 does not know avxvnni).
inline std::uint64_t saved_registers() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | (static_cast<std::uint64_t>(high) << 32);
}
#endif

inline constexpr int kIsaUnset = -1;
inline std::atomic<int> isa_level{kIsaUnset};

inline Isa detect_isa() {
  Isa best = Isa::scalar;
  for (const Isa isa : kAllIsas)
    if (cpu_has(isa)) best = isa;
  const char* wanted = std::getenv("OCTAVO_ISA");
  if (wanted == nullptr || *wanted == '\0') return best;
  for (const Isa isa : kAllIsas) {
    if (name_of(isa) != wanted) continue;
    require(cpu_has(isa), "OCTAVO_ISA=", wanted, ": this CPU lacks it; the best it has is ", name_of(best));
    return isa;
  }
  fail("OCTAVO_ISA=", wanted, ": unknown; expected scalar, avx2, avxvnni, avx512vnni, neon, neon_dotprod or neon_i8mm");
}

}  // namespace detail

inline bool cpu_has(Isa isa) noexcept {
  if (isa == Isa::scalar) return true;
#if OCTAVO_X86
  if (isa > Isa::avx512vnni) return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned osxsave = 1U << 27, fma = 1U << 12;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & osxsave) == 0 || (c & fma) == 0) return false;
  const std::uint64_t saved = detail::saved_registers();
  constexpr std::uint64_t ymm_state = 0x6, zmm_state = 0xE6;
  if ((saved & ymm_state) != ymm_state) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & (1U << 5)) == 0) return false;
  if (isa == Isa::avx2) return true;
  if (isa == Isa::avxvnni) return a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1U << 4)) != 0;
  constexpr unsigned f_dq_bw_vl = (1U << 16) | (1U << 17) | (1U << 30) | (1U << 31);
  return (saved & zmm_state) == zmm_state && (b & f_dq_bw_vl) == f_dq_bw_vl && (c & (1U << 11)) != 0;
#elif OCTAVO_ARM
  if (isa < Isa::neon) return false;
  if (isa == Isa::neon) return true;
#if defined(__linux__)  // bits of the kernel's interface, arch/arm64: HWCAP_ASIMDDP, HWCAP2_I8MM
  const bool dotprod = (getauxval(AT_HWCAP) & (1UL << 20)) != 0;
  return dotprod && (isa == Isa::neon_dotprod || (getauxval(AT_HWCAP2) & (1UL << 13)) != 0);
#elif defined(__ARM_FEATURE_DOTPROD)
  return isa == Isa::neon_dotprod;
#else
  return false;
#endif
#else
  return false;
#endif
}

inline Isa active_isa() {
  int level = detail::isa_level.load(std::memory_order_relaxed);
  if (level == detail::kIsaUnset) {  // a race detects twice, with the same result
    level = static_cast<int>(detail::detect_isa());
    detail::isa_level.store(level, std::memory_order_relaxed);
  }
  return static_cast<Isa>(level);
}

inline bool force_isa(Isa isa) noexcept {
  if (!cpu_has(isa)) return false;
  detail::isa_level.store(static_cast<int>(isa), std::memory_order_relaxed);
  return true;
}

// Calls Kernel<level>::run(arguments...) for the active level, a template over Isa. One switch per layer call.
template <template <Isa> class Kernel, class... Arguments>
decltype(auto) dispatch(Arguments&&... arguments) {
  switch (active_isa()) {
#if OCTAVO_X86
    case Isa::avx512vnni:
      return Kernel<Isa::avx512vnni>::run(static_cast<Arguments&&>(arguments)...);
    case Isa::avxvnni:
      return Kernel<Isa::avxvnni>::run(static_cast<Arguments&&>(arguments)...);
    case Isa::avx2:
      return Kernel<Isa::avx2>::run(static_cast<Arguments&&>(arguments)...);
#elif OCTAVO_ARM
    case Isa::neon_i8mm:
      return Kernel<Isa::neon_i8mm>::run(static_cast<Arguments&&>(arguments)...);
    case Isa::neon_dotprod:
      return Kernel<Isa::neon_dotprod>::run(static_cast<Arguments&&>(arguments)...);
    case Isa::neon:
      return Kernel<Isa::neon>::run(static_cast<Arguments&&>(arguments)...);
#endif
    default:
      return Kernel<Isa::scalar>::run(static_cast<Arguments&&>(arguments)...);
  }
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_CPU_HPP_
