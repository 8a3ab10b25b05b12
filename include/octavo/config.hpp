// octavo/config.hpp: what the compiler and the target give us: ABI tag, SIMD availability, attributes.
//
// Macros are few, all begin with OCTAVO_, and none changes a result: each instruction-set level, and each way of
// running threads, gives the same bytes.
#ifndef OCTAVO_CONFIG_HPP_
#define OCTAVO_CONFIG_HPP_

#include "version.hpp"

// Intrinsics of x86 are compiled for every level, whatever -m flags the user's file has. OCTAVO_DISABLE_SIMD leaves
// only portable C++.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(OCTAVO_DISABLE_SIMD)
#define OCTAVO_X86 1
#else
#define OCTAVO_X86 0
#endif
// The same for NEON. Big-endian ARM gets the portable kernels' refusal to compile.
#if defined(__aarch64__) && defined(__GNUC__) && !defined(OCTAVO_DISABLE_SIMD)
#define OCTAVO_ARM 1
#else
#define OCTAVO_ARM 0
#endif

#define OCTAVO_INLINE inline __attribute__((always_inline))

// Target attributes: one goes in front of every function whose body names an intrinsic. A lambda does not inherit it.
#if OCTAVO_X86
#define OCTAVO_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define OCTAVO_TARGET_AVXVNNI __attribute__((target("avx2,fma,avxvnni")))
#define OCTAVO_TARGET_AVX512VNNI __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")))
#endif

#if OCTAVO_ARM && defined(__clang__)
#define OCTAVO_TARGET_NEON_DOTPROD __attribute__((target("dotprod")))
#define OCTAVO_TARGET_NEON_I8MM __attribute__((target("i8mm")))
#elif OCTAVO_ARM
#define OCTAVO_TARGET_NEON_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define OCTAVO_TARGET_NEON_I8MM __attribute__((target("arch=armv8.2-a+i8mm")))
#endif

// Files compiled with different -m flags, or one with OpenMP and one without, must not share weak symbols: the linker
// would keep one copy for all. Each combination gets an inline namespace of its own.
#define OCTAVO_DETAIL_PASTE_(a, b, c, d) a##_##b##_##c##d
#define OCTAVO_DETAIL_PASTE(a, b, c, d) OCTAVO_DETAIL_PASTE_(a, b, c, d)
#if defined(__AVX512F__)
#define OCTAVO_DETAIL_BASELINE avx512
#elif defined(__AVX__)
#define OCTAVO_DETAIL_BASELINE avx
#else
#define OCTAVO_DETAIL_BASELINE base
#endif
#if !OCTAVO_X86 && !OCTAVO_ARM
#define OCTAVO_DETAIL_SIMD portable
#else
#define OCTAVO_DETAIL_SIMD simd
#endif
#if defined(_OPENMP)
#define OCTAVO_DETAIL_THREADS _omp
#else
#define OCTAVO_DETAIL_THREADS
#endif
#define OCTAVO_ABI_TAG OCTAVO_DETAIL_PASTE(v0_1, OCTAVO_DETAIL_SIMD, OCTAVO_DETAIL_BASELINE, OCTAVO_DETAIL_THREADS)

// Entry points are templates on a type `Lazy` that nobody names: a file compiles only what it calls. A program of many
// files can compile them once for all instead, with the target octavo::compiled: where OCTAVO_COMPILED is defined, an
// OCTAVO_ENTRY(<signature>) at the end of a header says that this function's code is elsewhere, and *_impl.hpp are not
// read. compile_here.hpp is for the files that are elsewhere.
#if defined(OCTAVO_COMPILED)
#define OCTAVO_BODIES 0
#define OCTAVO_ENTRY(...) extern template __VA_ARGS__
#else
#define OCTAVO_BODIES 1
#define OCTAVO_ENTRY(...) static_assert(true)
#endif

#endif  // OCTAVO_CONFIG_HPP_
