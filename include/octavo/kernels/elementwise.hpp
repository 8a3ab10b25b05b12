// octavo/kernels/elementwise.hpp: add, quantize and dequantize over arrays, portable version.
#ifndef OCTAVO_KERNELS_ELEMENTWISE_HPP_
#define OCTAVO_KERNELS_ELEMENTWISE_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../core/cpu.hpp"
#include "../quant/quantize.hpp"
#include "elementwise_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// An AddStage with each input's term tabulated by code: the tables hold products that are already rounded, so no
// compiler flag can fuse them into the sum.
struct PreparedAdd {
  AddStage stage;
  AlignedVector<float> real_a, real_b;           // nearest_even_f32
  AlignedVector<std::int32_t> fixed_a, fixed_b;  // tflite modes
  bool fast = false;  // nearest_even_f32, and |sum| < 2^30: conversions cannot overflow, packs may clamp
};

template <Isa Level>
struct Elementwise : Elementwise<fallback_of(Level)> {};

template <>
struct Elementwise<Isa::scalar> {
  static constexpr std::string_view kName = "elementwise_scalar";

  static void add(const PreparedAdd& add, const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* out,
                  std::int64_t n) {
    const AddStage& s = add.stage;
    if (s.rounding == Rounding::nearest_even_f32) {
      const float low = static_cast<float>(s.min - s.zero_point);
      const float high = static_cast<float>(s.max - s.zero_point);
      for (std::int64_t i = 0; i < n; ++i) {
        const float sum = add.real_a[a[i]] + add.real_b[b[i]];
        const float v = sum < low ? low : (sum > high ? high : sum);
        out[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(round_ties<Ties::even>(v)) + s.zero_point);
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = static_cast<std::uint8_t>(requantize_fixed_point(add.fixed_a[a[i]] + add.fixed_b[b[i]], s.multiplier,
                                                                  s.rounding, s.zero_point, {s.min, s.max}));
    }
  }

  static void quantize(const float* in, std::uint8_t* out, std::int64_t n, const Grid& grid, Ties ties) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(octavo::quantize(in[i], grid, ties));
  }

  static void dequantize(const std::uint8_t* in, float* out, std::int64_t n, const Grid& grid) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i] - grid.zero_point) * grid.scale;
  }

  // Smallest and largest value, 0 included; NaN is skipped.
  static void range(const float* in, std::int64_t n, float& low, float& high) {
    float smallest = 0, largest = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      smallest = in[i] < smallest ? in[i] : smallest;
      largest = in[i] > largest ? in[i] : largest;
    }
    low = smallest;
    high = largest;
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_ELEMENTWISE_HPP_
