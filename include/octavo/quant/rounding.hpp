// octavo/quant/rounding.hpp: the named rounding modes of requantization. The name stands in the API and the manifest.
#ifndef OCTAVO_QUANT_ROUNDING_HPP_
#define OCTAVO_QUANT_ROUNDING_HPP_

#include <cstdint>
#include <string_view>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// How an int32 accumulator becomes an 8-bit code. The engines in use disagree by one step on some inputs, so the mode
// is part of a model.
//   nearest_even_f32: float(acc) * scale rounded to nearest, ties to even. As XNNPACK and ONNX QLinear operators.
//   tflite_double:    Q31 multiplier and shift with two roundings (SRDHM, then a rounding shift whose ties go away
//                     from zero). As TFLite's and TFLite Micro's reference kernels, bit for bit.
//   tflite_single:    Q31 multiplier and shift with one rounding (ties toward +infinity).
enum class Rounding : std::uint8_t { nearest_even_f32, tflite_double, tflite_single };
inline constexpr Rounding kAllRoundings[] = {Rounding::nearest_even_f32, Rounding::tflite_double,
                                             Rounding::tflite_single};

constexpr std::string_view name_of(Rounding rounding) {
  constexpr std::string_view names[] = {"nearest_even_f32", "tflite_double", "tflite_single"};
  return names[static_cast<std::size_t>(rounding)];
}

inline Rounding rounding_from_name(std::string_view name) {
  for (const Rounding rounding : kAllRoundings)
    if (name_of(rounding) == name) return rounding;
  fail("rounding mode '", name, "' is unknown; expected nearest_even_f32, tflite_double or tflite_single");
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_ROUNDING_HPP_
