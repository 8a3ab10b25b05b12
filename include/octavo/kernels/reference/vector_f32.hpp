// octavo/kernels/reference/vector_f32.hpp: the vector of the level without intrinsics: one float.
//
// A kernel body that is the same on every level is written once over VectorF32<level> (the *_body.hpp files). max and
// min have x86's rule for NaN: the second operand is the result when either is NaN.
#ifndef OCTAVO_KERNELS_REFERENCE_VECTOR_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_VECTOR_F32_HPP_

#include <cmath>
#include <cstdint>

#include "../../core/cpu.hpp"

// In front of unrolled loops of registers: UndefinedBehaviorSanitizer checks each address for null, alignment and
// overflow, and triples the time to compile them. AddressSanitizer still sees every access.
#define OCTAVO_DETAIL_UNROLLED __attribute__((no_sanitize("undefined")))

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <Isa Level>
struct VectorF32 : VectorF32<fallback_of(Level)> {};

// What a missing row or bias reads: a register or a panel of zeros.
alignas(64) inline constexpr float zeros_f32[32] = {};

// Whether a result of `rows` x `channels` floats should be written around the caches: it will have left them before it
// is read again, and a cached store would first read what it overwrites. Only whole lines can be.
inline bool streams_f32(const float* out, std::int64_t rows, std::int64_t channels) {
  constexpr std::int64_t too_large = 1 << 22;
  return rows * channels >= too_large && channels % 16 == 0 && reinterpret_cast<std::uintptr_t>(out) % 64 == 0;
}

// A hint to bring the line `floats` behind p into the caches; the address may be any.
OCTAVO_INLINE void prefetch_f32(const float* p, std::int64_t floats) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(floats) * sizeof(float);
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}

// A stretch of memory that is needed soon, brought in a few lines at a time: what reads many rows at once is too many
// streams for the hardware's prefetchers.
struct AheadF32 {
  const float* next = nullptr;
  std::int64_t lines = 0;
  std::int64_t lines_a_step = 0;

  OCTAVO_INLINE void step() {
    const std::int64_t now = lines < lines_a_step ? lines : lines_a_step;
    for (std::int64_t i = 0; i < now; ++i) prefetch_f32(next, 16 * i);
    next += 16 * now;
    lines -= now;
  }
};

template <>
struct VectorF32<Isa::scalar> {
  using Type = float;
  static constexpr std::int64_t kLanes = 1;

  static Type zero() { return 0.0F; }
  static Type set(float x) { return x; }
  static Type load(const float* p) { return *p; }
  static Type load(const float* p, std::int64_t count) { return count > 0 ? *p : 0.0F; }
  static void store(float* p, Type x) { *p = x; }
  static void store(float* p, Type x, std::int64_t count) {
    if (count > 0) *p = x;
  }
  static void stream(float* p, Type x) { *p = x; }
  static void prefetch_to_write(float* /*p*/) {}
  static void fence() {}

  static Type add(Type a, Type b) { return a + b; }
  static Type sub(Type a, Type b) { return a - b; }
  static Type mul(Type a, Type b) { return a * b; }
  static Type div(Type a, Type b) { return a / b; }
  static Type fma(Type a, Type b, Type c) { return a * b + c; }
  static Type sqrt(Type a) { return std::sqrt(a); }
  static Type max(Type a, Type b) { return a > b ? a : b; }
  static Type min(Type a, Type b) { return a < b ? a : b; }
  static Type abs(Type a) { return std::fabs(a); }
  static Type copy_sign(Type size, Type sign) { return std::copysign(size, sign); }
  static Type round_even(Type a) { return std::nearbyint(a); }
  static Type floor(Type a) { return std::floor(a); }
  static Type truncate(Type a) { return std::trunc(a); }

  static Type where_less(Type a, Type b, Type x) { return a < b ? x : 0.0F; }
  static Type where_less_equal(Type a, Type b, Type x) { return a <= b ? x : 0.0F; }
  static bool any_nan(Type a) { return a != a; }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_VECTOR_F32_HPP_
