// octavo/kernels/code_map.hpp: any function of one 8-bit code is a table of 256: requantize, clamp, logistic, tanh, ...
#ifndef OCTAVO_KERNELS_CODE_MAP_HPP_
#define OCTAVO_KERNELS_CODE_MAP_HPP_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../core/parallel.hpp"
#include "../quant/quantize.hpp"
#include "elementwise_stage.hpp"
#include "output_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// out[i] = table[in[i]], u8 terms.
class CodeMap {
 public:
  explicit CodeMap(const std::array<std::uint8_t, 256>& table) : table_(table) {
    for (std::size_t q = 0; q < table.size(); ++q) identity_ = identity_ && table[q] == q;
  }

  // `in` and `out` may be the same array.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t n, int threads) const {
    constexpr std::int64_t grain = 4096;
    parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
      copy(in + begin * grain, out + begin * grain, std::min(n, end * grain) - begin * grain);
    });
  }
  // On the calling thread.
  void copy(const std::uint8_t* in, std::uint8_t* out, std::int64_t n) const {
    if (identity_) {
      if (in != out) std::memcpy(out, in, static_cast<std::size_t>(n));
      return;
    }
    for (std::int64_t i = 0; i < n; ++i) out[i] = table_[in[i]];
  }

  [[nodiscard]] bool identity() const noexcept { return identity_; }
  [[nodiscard]] const std::array<std::uint8_t, 256>& table() const noexcept { return table_; }

 private:
  std::array<std::uint8_t, 256> table_;
  bool identity_ = true;
};

// REQUANTIZE: stage(q - input_zero_point), the stage's scale is input scale / output scale (one value).
[[nodiscard]] inline CodeMap make_requantize_map(std::int32_t input_zero_point, const OutputStage& stage) {
  check_output_stage(stage, 1);
  require(stage.shift.empty() || stage.shift[0] <= 22, "requantize: input scale / output scale is 2^22 or more");
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t q = 0; q < 256; ++q)
    table[static_cast<std::size_t>(q)] = static_cast<std::uint8_t>(requantize(q - input_zero_point, stage, 0));
  return CodeMap(table);
}

// Between two grids in u8 terms, with the limits of an activation on the output. Equal grids only clamp.
[[nodiscard]] inline CodeMap make_requantize_map(Rounding rounding, const Grid& input, const Grid& output,
                                                 CodeLimits limits) {
  constexpr float one[] = {1.0F};
  return make_requantize_map(input.zero_point, make_output_stage(rounding, input.scale, one, output, limits));
}

// Codes clamped to `limits` (relu, relu6 on an unchanged grid).
[[nodiscard]] inline CodeMap make_clamp_map(CodeLimits limits) {
  require(0 <= limits.min && limits.min <= limits.max && limits.max <= 255, "clamp: range [", limits.min, ", ",
          limits.max, "] is not within [0, 255]");
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t q = 0; q < 256; ++q)
    table[static_cast<std::size_t>(q)] = static_cast<std::uint8_t>(std::clamp(q, limits.min, limits.max));
  return CodeMap(table);
}

// quantize(function(dequantize(q))) for a real function, evaluated in double; grids in u8 terms.
template <class Function>
[[nodiscard]] CodeMap make_function_map(Function function, const Grid& input, const Grid& output, Ties ties) {
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t q = 0; q < 256; ++q) {
    const double x = static_cast<double>(q - input.zero_point) * static_cast<double>(input.scale);
    table[static_cast<std::size_t>(q)] =
        static_cast<std::uint8_t>(octavo::quantize(static_cast<float>(function(x)), output, ties));
  }
  return CodeMap(table);
}

// How TFLite's CONCATENATION maps uint8 codes between grids: q * s - z * s in float32, s = input scale times the
// reciprocal of the output scale, rounded half away from zero, plus the output's zero point. Equal grids copy.
[[nodiscard]] inline CodeMap make_float_map(const Grid& input, const Grid& output) {
  const bool same = input.scale == output.scale && input.zero_point == output.zero_point;
  const float scale = input.scale * detail::rounded(1.0F / output.scale);
  const float bias = detail::rounded(static_cast<float>(-input.zero_point) * scale);
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t q = 0; q < 256; ++q) {
    const float real = detail::rounded(static_cast<float>(q) * scale) + bias;
    const double code = same ? q : static_cast<double>(std::round(real)) + output.zero_point;
    table[static_cast<std::size_t>(q)] = static_cast<std::uint8_t>(std::clamp(code, 0.0, 255.0));
  }
  return CodeMap(table);
}

// 1 / (1 + exp(-x)) onto the grid that TFLite fixes for LOGISTIC: scale 1/256, zero point -128 (0 in u8 terms).
// The tflite modes evaluate it in float32 and round half away from zero, as TFLite's table does.
[[nodiscard]] inline CodeMap make_logistic_map(const Grid& input, Rounding rounding = Rounding::nearest_even_f32) {
  const Grid output{.scale = 1.0F / 256.0F, .zero_point = 0, .qmin = 0, .qmax = 255};
  if (rounding != Rounding::nearest_even_f32) {
    std::array<std::uint8_t, 256> table{};
    for (std::int32_t q = 0; q < 256; ++q) {
      const float x = input.scale * static_cast<float>(q - input.zero_point);
      const float p = 1.0F / (1.0F + std::exp(-x));
      table[static_cast<std::size_t>(q)] = static_cast<std::uint8_t>(std::min(std::round(p * 256.0F), 255.0F));
    }
    return CodeMap(table);
  }
  return make_function_map([](double x) { return 1.0 / (1.0 + std::exp(-x)); }, input, output, Ties::even);
}

namespace detail {

// HARD_SWISH as TFLite computes it, in 16 bits: with h = 128 * (q - z), both factors stand on int16 scales,
//   x = h * m_out (before its shift), gate = clamp(h * s / 3, -1, 1) / 2 + 1/2, result = (x * gate) shifted, plus
//   z_out.
// s = input scale / 128; the multipliers s / s_out and s / (3 / 2^15) are formed in float32 and cut to 16 bits.
class HardSwish16 {
 public:
  HardSwish16(float input_scale, float output_scale) {
    const float hires = (1.0F / 128.0F) * input_scale;
    const QuantizedMultiplier out =
        quantize_multiplier(static_cast<double>(rounded(hires / output_scale)), Rounding::tflite_double);
    const QuantizedMultiplier gate =
        quantize_multiplier(static_cast<double>(rounded(hires / (3.0F / 32768.0F))), Rounding::tflite_double);
    require(out.shift <= 0 && gate.shift <= 16, "hard_swish: input scale ", input_scale, " and output scale ",
            output_scale, " are too far apart");
    out_ = cut(out.multiplier), out_shift_ = out.shift;
    gate_ = cut(gate.multiplier), gate_shift_ = gate.shift;
  }

  // Of a code less its zero point: a code less the output's zero point, not yet limited.
  [[nodiscard]] std::int32_t operator()(std::int32_t difference) const {
    const std::int32_t h = limit(difference * 128);
    const std::int32_t x = high_mul(h, out_, true);
    std::int32_t gate = h;
    if (gate_shift_ > 0) gate = limit(gate * (1 << (gate_shift_ - 1)));
    gate = high_mul(gate, gate_, true);
    if (gate_shift_ > 0) gate = limit(gate * 2);
    if (gate_shift_ < 0) gate = rounding_divide_by_pot(gate, -gate_shift_);
    gate = (gate + 32768) >> 1;
    return rounding_divide_by_pot(high_mul(gate, x, false), -out_shift_);
  }

 private:
  static std::int32_t cut(std::int32_t multiplier) {
    return multiplier >= 0x7FFF8000 ? 0x7FFF : (multiplier + 0x8000) >> 16;
  }
  static std::int32_t limit(std::int32_t value) { return std::clamp(value, -32768, 32767); }
  // a * b / 2^15, to nearest or toward zero.
  static std::int32_t high_mul(std::int32_t a, std::int32_t b, bool nearest) {
    const std::int32_t product = a * b;
    const std::int32_t nudge = !nearest ? 0 : product >= 0 ? 1 << 14 : 1 - (1 << 14);
    return limit((product + nudge) / 32768);
  }

  std::int32_t out_ = 0, gate_ = 0;
  int out_shift_ = 0, gate_shift_ = 0;
};

}  // namespace detail

// x * clamp(x + 3, 0, 6) / 6; grids in u8 terms. The tflite modes compute in 16 bits, as TFLite does.
[[nodiscard]] inline CodeMap make_hard_swish_map(const Grid& input, const Grid& output,
                                                 Rounding rounding = Rounding::nearest_even_f32) {
  if (rounding == Rounding::nearest_even_f32)
    return make_function_map([](double x) { return x * std::clamp(x + 3.0, 0.0, 6.0) / 6.0; }, input, output,
                             Ties::even);
  const detail::HardSwish16 function(input.scale, output.scale);
  std::array<std::uint8_t, 256> table{};
  for (std::int32_t q = 0; q < 256; ++q)
    table[static_cast<std::size_t>(q)] =
        static_cast<std::uint8_t>(std::clamp(function(q - input.zero_point) + output.zero_point, 0, 255));
  return CodeMap(table);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CODE_MAP_HPP_
