// octavo/kernels/add.hpp: element-wise sum, difference and product of 8-bit tensors of equal shape. Formulas: AddStage,
// and for mul stage((a - zero_point_a) * (b - zero_point_b)). Results: reference/elementwise.hpp, byte for byte.
#ifndef OCTAVO_KERNELS_ADD_HPP_
#define OCTAVO_KERNELS_ADD_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "../core/parallel.hpp"
#include "elementwise_levels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

class QuantizedAdd {
 public:
  // `stage` in u8 terms.
  explicit QuantizedAdd(const AddStage& stage) {
    check_add_stage(stage);
    add_.stage = stage;
    add_.fast = stage.rounding == Rounding::nearest_even_f32 &&
                255.0 * (static_cast<double>(stage.factor_a) + static_cast<double>(stage.factor_b)) < 0x1p30;
    const int sign = stage.subtract ? -1 : 1;
    for (std::int32_t q = 0; q < 256; ++q) {
      const std::int32_t from_a = q - stage.zero_point_a;
      const std::int32_t from_b = q - stage.zero_point_b;
      if (stage.rounding == Rounding::nearest_even_f32) {
        add_.real_a.push_back(static_cast<float>(from_a) * stage.factor_a);
        add_.real_b.push_back(static_cast<float>(sign * from_b) * stage.factor_b);
      } else {
        const std::int32_t one = 1 << stage.left_shift;
        add_.fixed_a.push_back(multiply_by_quantized_multiplier(from_a * one, stage.multiplier_a, stage.rounding));
        add_.fixed_b.push_back(sign *
                               multiply_by_quantized_multiplier(from_b * one, stage.multiplier_b, stage.rounding));
      }
    }
  }

  // n elements each; `out` may be `a` or `b`.
  void run(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* out, std::int64_t n, int threads) const {
    // A difference is rare: the tables of the portable version hold its sign.
    const auto sum = add_.stage.subtract ? &detail::Elementwise<Isa::scalar>::add : detail::elementwise_level().add;
    constexpr std::int64_t grain = 4096;
    parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
      const std::int64_t first = begin * grain;
      sum(add_, a + first, b + first, out + first, std::min(n, end * grain) - first);
    });
  }
  [[nodiscard]] std::string_view kernel_name() const { return detail::elementwise_level().name; }

 private:
  detail::PreparedAdd add_;
};

class QuantizedMul {
 public:
  // One scale for all elements: scale a * scale b / output scale. u8 terms. |product| <= 255^2 < 2^16.
  QuantizedMul(std::int32_t zero_point_a, std::int32_t zero_point_b, OutputStage stage)
      : zero_point_a_(zero_point_a), zero_point_b_(zero_point_b), stage_(std::move(stage)) {
    check_output_stage(stage_, 1);
    require(stage_.shift.empty() || stage_.shift[0] <= 14, "mul: scale a * scale b / output scale is 2^14 or more");
    for (const std::int32_t z : {zero_point_a, zero_point_b})
      require(z >= 0 && z <= 255, "mul: zero point ", z, " is not in [0, 255] (u8 terms)");
  }

  void run(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* out, std::int64_t n, int threads) const {
    constexpr std::int64_t grain = 4096;
    parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin * grain; i < std::min(n, end * grain); ++i)
        out[i] = static_cast<std::uint8_t>(requantize((a[i] - zero_point_a_) * (b[i] - zero_point_b_), stage_, 0));
    });
  }
  [[nodiscard]] std::string_view kernel_name() const { return "mul_scalar"; }

 private:
  std::int32_t zero_point_a_, zero_point_b_;
  OutputStage stage_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_ADD_HPP_
