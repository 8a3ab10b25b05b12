// octavo/kernels/reference/elementwise.hpp: add, mul, softmax and the conversions, written as their formulas. Defines
// the result; only tests call it.
#ifndef OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_HPP_
#define OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_HPP_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../../quant/quantize.hpp"
#include "../elementwise_stage.hpp"
#include "../output_stage.hpp"
#include "../softmax_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace reference {

template <class Code>
void add(const Code* a, const Code* b, Code* out, std::int64_t n, const AddStage& s) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t from_a = a[i] - s.zero_point_a;
    const std::int32_t from_b = b[i] - s.zero_point_b;
    if (s.rounding == Rounding::nearest_even_f32) {
      const float product_a = detail::rounded(static_cast<float>(from_a) * s.factor_a);
      const float product_b = detail::rounded(static_cast<float>(from_b) * s.factor_b);
      const float sum = s.subtract ? product_a - product_b : product_a + product_b;
      const float v =
          std::clamp(sum, static_cast<float>(s.min - s.zero_point), static_cast<float>(s.max - s.zero_point));
      out[i] = static_cast<Code>(static_cast<std::int32_t>(round_ties<Ties::even>(v)) + s.zero_point);
    } else {
      const std::int32_t scaled_a =
          multiply_by_quantized_multiplier(from_a * (1 << s.left_shift), s.multiplier_a, s.rounding);
      const std::int32_t scaled_b =
          multiply_by_quantized_multiplier(from_b * (1 << s.left_shift), s.multiplier_b, s.rounding);
      out[i] = static_cast<Code>(requantize_fixed_point(scaled_a + (s.subtract ? -scaled_b : scaled_b), s.multiplier,
                                                        s.rounding, s.zero_point, {s.min, s.max}));
    }
  }
}

// out = stage((a - zero_point_a) * (b - zero_point_b)); the stage's scale is scale a * scale b / output scale.
template <class Code>
void mul(const Code* a, const Code* b, Code* out, std::int64_t n, std::int32_t zero_point_a, std::int32_t zero_point_b,
         const OutputStage& stage) {
  for (std::int64_t i = 0; i < n; ++i)
    out[i] = static_cast<Code>(requantize((a[i] - zero_point_a) * (b[i] - zero_point_b), stage, 0));
}

// out = stage(q - input_zero_point); the stage's scale is input scale / output scale.
template <class Code>
void requantize_codes(const Code* in, Code* out, std::int64_t n, std::int32_t input_zero_point,
                      const OutputStage& stage) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<Code>(requantize(in[i] - input_zero_point, stage, 0));
}

template <class Code>
void softmax(const Code* in, Code* out, std::int64_t rows, std::int64_t depth, const SoftmaxStage& s) {
  constexpr std::int32_t lowest = std::is_signed_v<Code> ? -128 : 0;
  for (std::int64_t r = 0; r < rows; ++r, in += depth, out += depth) {
    const std::int32_t largest = *std::max_element(in, in + depth);
    const auto k_of = [&](std::int64_t i) { return static_cast<std::size_t>(largest - in[i]); };
    if (s.rounding == Rounding::nearest_even_f32) {
      float sum = 0;
      for (std::int64_t i = 0; i < depth; ++i) sum += s.real[k_of(i)];
      const float factor = 256.0F / sum;
      for (std::int64_t i = 0; i < depth; ++i) {
        const float p = std::min(s.real[k_of(i)] * factor, 255.0F);
        out[i] = static_cast<Code>(static_cast<std::int32_t>(round_ties<Ties::even>(p)) + lowest);
      }
    } else {
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < depth; ++i) sum += rounding_divide_by_pot(s.fixed[k_of(i)], 12);
      const SoftmaxRow row = softmax_row(sum);
      for (std::int64_t i = 0; i < depth; ++i) {
        const std::int32_t code = k_of(i) < static_cast<std::size_t>(s.cut) ? softmax_code(s.fixed[k_of(i)], row) : 0;
        out[i] = static_cast<Code>(code + lowest);
      }
    }
  }
}

template <class Code>
void quantize(const float* in, Code* out, std::int64_t n, const Grid& grid, Ties ties) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<Code>(octavo::quantize(in[i], grid, ties));
}

template <class Code>
void dequantize(const Code* in, float* out, std::int64_t n, const Grid& grid) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = octavo::dequantize(in[i], grid);
}

}  // namespace reference
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_HPP_
