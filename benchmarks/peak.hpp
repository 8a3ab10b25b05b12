// benchmarks/peak.hpp: what one core of this machine can do at most, measured: multiply-adds a second of each kind of
// instruction, and bytes a second from each level of memory. Benchmarks state their results as shares of it.
//
// The loops are unrolled assembly on fixed registers: nothing can spill, and there are more chains than an instruction
// has cycles of latency. (An array of accumulators and asm statements in a loop showed half of the true peak.)
#ifndef OCTAVO_BENCHMARKS_PEAK_HPP_
#define OCTAVO_BENCHMARKS_PEAK_HPP_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "octavo/core/aligned.hpp"
#include "octavo/core/cpu.hpp"
#if OCTAVO_X86
#include <immintrin.h>
#endif

namespace peak {

#define OCTAVO_PEAK_24(X) \
  X(2)                    \
  X(3)                    \
  X(4)                    \
  X(5)                    \
  X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25)
#define OCTAVO_PEAK_14(X) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define OCTAVO_PEAK_MADD(product, sum) \
  "vpmaddwd %%ymm0,%%ymm1,%%ymm" #product "\nvpaddd %%ymm" #product ",%%ymm" #sum ",%%ymm" #sum "\n"
#define OCTAVO_PEAK_ZMM_CLOBBERS                                                                                      \
  "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13", \
      "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24", "zmm25"
#define OCTAVO_PEAK_YMM_CLOBBERS                                                                                      \
  "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", "ymm11", "ymm12", "ymm13", \
      "ymm14", "ymm15"

// One kind of multiply-add: its loop, and what one turn of the loop does.
struct Kind {
  const char* name;
  octavo::Isa level;
  std::int64_t macs;  // of a turn
  void (*loop)(std::int64_t turns);
};

#if OCTAVO_X86
OCTAVO_TARGET_AVX512VNNI inline void vnni_zmm(std::int64_t turns) {
  __asm__ volatile("vpxord %%zmm0,%%zmm0,%%zmm0\nvpxord %%zmm1,%%zmm1,%%zmm1\n" ::: "zmm0", "zmm1");
#define OCTAVO_PEAK_ONE(r) "vpdpbusd %%zmm0,%%zmm1,%%zmm" #r "\n"
  for (std::int64_t i = 0; i < turns; ++i)
    __asm__ volatile(OCTAVO_PEAK_24(OCTAVO_PEAK_ONE)::: OCTAVO_PEAK_ZMM_CLOBBERS);
#undef OCTAVO_PEAK_ONE
}
OCTAVO_TARGET_AVX512VNNI inline void vnni_ymm(std::int64_t turns) {
#define OCTAVO_PEAK_ONE(r) "vpdpbusd %%ymm0,%%ymm1,%%ymm" #r "\n"
  for (std::int64_t i = 0; i < turns; ++i)
    __asm__ volatile(OCTAVO_PEAK_14(OCTAVO_PEAK_ONE)::: OCTAVO_PEAK_YMM_CLOBBERS);
#undef OCTAVO_PEAK_ONE
}
// The exact AVX2 way to multiply 8-bit codes: 16 products of words, summed in pairs.
OCTAVO_TARGET_AVX2 inline void madd_ymm(std::int64_t turns) {
  for (std::int64_t i = 0; i < turns; ++i)
    __asm__ volatile(OCTAVO_PEAK_MADD(2, 8) OCTAVO_PEAK_MADD(3, 9) OCTAVO_PEAK_MADD(4, 10) OCTAVO_PEAK_MADD(5, 11)
                         OCTAVO_PEAK_MADD(6, 12) OCTAVO_PEAK_MADD(7, 13)::
                             : OCTAVO_PEAK_YMM_CLOBBERS);
}
OCTAVO_TARGET_AVX512VNNI inline void fma_zmm(std::int64_t turns) {
#define OCTAVO_PEAK_ONE(r) "vfmadd231ps %%zmm0,%%zmm1,%%zmm" #r "\n"
  __asm__ volatile("vpxord %%zmm0,%%zmm0,%%zmm0\nvpxord %%zmm1,%%zmm1,%%zmm1\n" ::: "zmm0", "zmm1");
  for (std::int64_t i = 0; i < turns; ++i)
    __asm__ volatile(OCTAVO_PEAK_24(OCTAVO_PEAK_ONE)::: OCTAVO_PEAK_ZMM_CLOBBERS);
#undef OCTAVO_PEAK_ONE
}
OCTAVO_TARGET_AVX2 inline void fma_ymm(std::int64_t turns) {
#define OCTAVO_PEAK_ONE(r) "vfmadd231ps %%ymm0,%%ymm1,%%ymm" #r "\n"
  __asm__ volatile("vpxor %%ymm0,%%ymm0,%%ymm0\nvpxor %%ymm1,%%ymm1,%%ymm1\n" ::: "ymm0", "ymm1");
  for (std::int64_t i = 0; i < turns; ++i)
    __asm__ volatile(OCTAVO_PEAK_14(OCTAVO_PEAK_ONE)::: OCTAVO_PEAK_YMM_CLOBBERS);
#undef OCTAVO_PEAK_ONE
}

// Reads `bytes` (a multiple of 512, aligned) `passes` times.
OCTAVO_TARGET_AVX2 inline void read_all(const std::byte* data, std::size_t bytes, std::int64_t passes) {
  for (std::int64_t pass = 0; pass < passes; ++pass)
    for (std::size_t i = 0; i < bytes; i += 256)
      __asm__ volatile(
          "vmovdqa (%0),%%ymm0\nvmovdqa 32(%0),%%ymm1\nvmovdqa 64(%0),%%ymm2\nvmovdqa 96(%0),%%ymm3\n"
          "vmovdqa 128(%0),%%ymm4\nvmovdqa 160(%0),%%ymm5\nvmovdqa 192(%0),%%ymm6\nvmovdqa 224(%0),%%ymm7\n" ::"r"(
              data + i)
          : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "memory");
}

inline constexpr Kind kKinds[] = {
    {"vpdpbusd_zmm", octavo::Isa::avx512vnni, std::int64_t{24} * 64, vnni_zmm},
    {"vpdpbusd_ymm", octavo::Isa::avx512vnni, std::int64_t{14} * 32, vnni_ymm},
    {"vpmaddwd_vpaddd_ymm", octavo::Isa::avx2, std::int64_t{6} * 16, madd_ymm},
    {"vfmadd231ps_zmm", octavo::Isa::avx512vnni, std::int64_t{24} * 16, fma_zmm},
    {"vfmadd231ps_ymm", octavo::Isa::avx2, std::int64_t{14} * 8, fma_ymm},
};

template <class Body>
double best_seconds(Body body, int repetitions) {
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// GMAC/s of the fastest of `kinds` that this CPU has at or below `level`; 0 where it has none.
inline double measure(octavo::Isa level, bool floats) {
  double best = 0;
  for (const Kind& kind : kKinds) {
    const bool is_float = kind.name[1] == 'f';
    const bool below =
        kind.level == octavo::Isa::avx2 ? level != octavo::Isa::scalar : level == octavo::Isa::avx512vnni;
    if (is_float != floats || !below || !octavo::cpu_has(kind.level)) continue;
    constexpr std::int64_t turns = 100000;
    const double seconds = best_seconds([&] { kind.loop(turns); }, 20);
    best = std::max(best, static_cast<double>(turns * kind.macs) / seconds / 1e9);
  }
  return best;
}
#endif

// Multiply-adds a second (1e9) of one core on a level, in 8-bit codes or floats; 0: not known. Measured once.
inline double gmacs(octavo::Isa level, bool floats = false) {
#if OCTAVO_X86
  static double known[4][2] = {};
  double& value = known[static_cast<std::size_t>(level)][floats ? 1 : 0];
  if (value == 0) value = measure(level, floats);
  return value;
#else
  return 0;
#endif
}

}  // namespace peak

#endif  // OCTAVO_BENCHMARKS_PEAK_HPP_
