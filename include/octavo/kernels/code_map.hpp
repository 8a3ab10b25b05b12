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

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CODE_MAP_HPP_
