// octavo/quant/tensor_scheme.hpp: how one tensor is quantized, as a type (QuantizedAs) and as a value (TensorScheme).
#ifndef OCTAVO_QUANT_TENSOR_SCHEME_HPP_
#define OCTAVO_QUANT_TENSOR_SCHEME_HPP_

#include <cstdint>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "channels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

enum class Symmetry : std::uint8_t { symmetric, asymmetric };  // symmetric: zero point 0
enum class CodeRange : std::uint8_t { full, narrow };          // narrow: the most negative code is not used

inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 8;

// Codes are signed, b bits: [-2^(b-1), 2^(b-1) - 1], narrow: [-2^(b-1) + 1, 2^(b-1) - 1].
struct TensorScheme {
  int bits = kMaxBits;  // 2 .. 8
  bool symmetric = false;
  bool narrow = false;
  int axis = kPerTensor;  // kPerTensor, kLastAxis, or the channel axis, 0 ..

  [[nodiscard]] constexpr std::int32_t qmax() const noexcept { return (std::int32_t{1} << (bits - 1)) - 1; }
  [[nodiscard]] constexpr std::int32_t qmin() const noexcept { return -qmax() - (narrow ? 0 : 1); }
  [[nodiscard]] constexpr bool per_channel() const noexcept { return axis != kPerTensor; }
  [[nodiscard]] constexpr bool valid() const noexcept {
    return bits >= kMinBits && bits <= kMaxBits && axis >= kLastAxis && axis < static_cast<int>(Shape::kMaxRank);
  }

  // Throws, naming the tensor, unless bits and axis are in range.
  void validate(std::string_view tensor) const {
    require(valid(), "tensor '", tensor, "': expected ", kMinBits, " to ", kMaxBits,
            " bits and an axis in [-2, 5], found ", bits, " bits and axis ", axis);
  }

  // "int8 symmetric narrow per channel (axis 0)"
  [[nodiscard]] std::string to_string() const {
    std::string text = "int" + std::to_string(bits) + (symmetric ? " symmetric" : " asymmetric");
    if (narrow) text += " narrow";
    if (!per_channel()) return text + " per tensor";
    return text + " per channel (" + (axis == kLastAxis ? "last axis" : "axis " + std::to_string(axis)) + ")";
  }

  friend bool operator==(const TensorScheme&, const TensorScheme&) = default;
};

// A TensorScheme as a type; wrong settings do not compile.
template <int Bits, Symmetry kSymmetry, int Axis = kPerTensor, CodeRange kCodeRange = CodeRange::full>
struct QuantizedAs {
  static_assert(Bits >= kMinBits && Bits <= kMaxBits, "codes have 2 to 8 bits");
  static_assert(Axis == kPerTensor || Axis == kLastAxis || (Axis >= 0 && Axis < static_cast<int>(Shape::kMaxRank)),
                "the channel axis is kPerTensor, kLastAxis or 0 to 5");
  static constexpr TensorScheme kDescriptor = {Bits, kSymmetry == Symmetry::symmetric, kCodeRange == CodeRange::narrow,
                                               Axis};
  constexpr operator TensorScheme() const noexcept { return kDescriptor; }  // NOLINT: conversion is the purpose
};

template <int Bits = 8, int Axis = 0>
using SymmetricWeights = QuantizedAs<Bits, Symmetry::symmetric, Axis, CodeRange::narrow>;
template <int Bits = 8>
using AsymmetricActivations = QuantizedAs<Bits, Symmetry::asymmetric>;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_TENSOR_SCHEME_HPP_
