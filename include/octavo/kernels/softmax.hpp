// octavo/kernels/softmax.hpp: softmax over the last axis of 8-bit codes, output scale 1/256, zero point 0 in u8 terms.
// Formulas: SoftmaxStage. Result: reference/elementwise.hpp, byte for byte.
#ifndef OCTAVO_KERNELS_SOFTMAX_HPP_
#define OCTAVO_KERNELS_SOFTMAX_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../quant/ties.hpp"
#include "softmax_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

class QuantizedSoftmax {
 public:
  // tflite modes: a row's sum of up to `depth` values of at most 2^19 must fit in int32, so depth < 4096.
  QuantizedSoftmax(std::int64_t depth, SoftmaxStage stage) : depth_(depth), stage_(std::move(stage)) {
    require(depth > 0, "softmax: depth ", depth, " is not positive");
    require(stage_.rounding == Rounding::nearest_even_f32 || depth < 4096, "softmax: ", name_of(stage_.rounding),
            " holds sums of fewer than 4096 values, found ", depth);
  }

  // in, out: [rows][depth]; may be the same array.
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t rows, int threads) const {
    parallel_for(rows, threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t r = begin; r < end; ++r) row(in + r * depth_, out + r * depth_);
    });
  }
  [[nodiscard]] std::string_view kernel_name() const { return "softmax_table"; }

 private:
  // Equal codes have equal results: the 256 possible outputs are computed only for rows longer than that.
  void row(const std::uint8_t* in, std::uint8_t* out) const {
    const std::uint8_t largest = *std::max_element(in, in + depth_);
    std::uint8_t code[256];
    if (stage_.rounding == Rounding::nearest_even_f32) {
      float sum = 0;
      for (std::int64_t i = 0; i < depth_; ++i) sum += stage_.real[static_cast<std::size_t>(largest - in[i])];
      const float factor = 256.0F / sum;
      map(in, out, largest, code, [&](std::size_t k) {
        const float p = stage_.real[k] * factor;
        return static_cast<std::int32_t>(round_ties<Ties::even>(p < 255.0F ? p : 255.0F));
      });
    } else {
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < depth_; ++i)
        sum += rounding_divide_by_pot(stage_.fixed[static_cast<std::size_t>(largest - in[i])], 12);
      const SoftmaxRow scale = softmax_row(sum);
      map(in, out, largest, code, [&](std::size_t k) {
        return k < static_cast<std::size_t>(stage_.cut) ? softmax_code(stage_.fixed[k], scale) : 0;
      });
    }
  }

  template <class Function>
  void map(const std::uint8_t* in, std::uint8_t* out, std::uint8_t largest, std::uint8_t* code,
           Function function) const {
    if (depth_ <= 256) {
      for (std::int64_t i = 0; i < depth_; ++i)
        out[i] = static_cast<std::uint8_t>(function(static_cast<std::size_t>(largest - in[i])));
      return;
    }
    for (std::size_t k = 0; k <= largest; ++k) code[k] = static_cast<std::uint8_t>(function(k));
    for (std::int64_t i = 0; i < depth_; ++i) out[i] = code[largest - in[i]];
  }

  std::int64_t depth_;
  SoftmaxStage stage_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_SOFTMAX_HPP_
