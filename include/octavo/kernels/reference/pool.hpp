// octavo/kernels/reference/pool.hpp: pooling, written as its formulas. Defines the result; only tests call it.
#ifndef OCTAVO_KERNELS_REFERENCE_POOL_HPP_
#define OCTAVO_KERNELS_REFERENCE_POOL_HPP_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "../geometry.hpp"
#include "../output_stage.hpp"
#include "../pool_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace reference {

// For each output element calls visit(n, code) for the window's codes inside the input, n = 0, 1, ..., then
// store(index, count).
template <class Code, class Visit, class Store>
void pool2d(const ConvGeometry& g, const Code* in, std::int64_t batch, Visit visit, Store store) {
  std::int64_t index = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t y = 0; y < g.out_h; ++y)
      for (std::int64_t x = 0; x < g.out_w; ++x)
        for (std::int64_t c = 0; c < g.out_c; ++c) {
          std::int32_t count = 0;
          for (std::int64_t i = 0; i < g.window.kernel_h; ++i) {
            const std::int64_t in_y = y * g.window.stride_h - g.window.pad_top + i * g.window.dilation_h;
            if (in_y < 0 || in_y >= g.in_h) continue;
            for (std::int64_t j = 0; j < g.window.kernel_w; ++j) {
              const std::int64_t in_x = x * g.window.stride_w - g.window.pad_left + j * g.window.dilation_w;
              if (in_x < 0 || in_x >= g.in_w) continue;
              visit(count++, in[((b * g.in_h + in_y) * g.in_w + in_x) * g.in_c + c]);
            }
          }
          store(index++, count);
        }
}

// out = stage(sum of the window's codes inside the input, their number).
template <class Code>
void average_pool2d(const ConvGeometry& g, const Code* in, Code* out, std::int64_t batch, const AverageStage& stage) {
  std::int32_t sum = 0;
  pool2d(
      g, in, batch, [&](std::int32_t n, Code code) { sum = n == 0 ? code : sum + code; },
      [&](std::int64_t index, std::int32_t count) {
        out[index] = static_cast<Code>(average(sum, count, stage, std::is_signed_v<Code> ? 0 : kCodeOffset));
      });
}

// out = clamp(largest code of the window inside the input, min, max).
template <class Code>
void max_pool2d(const ConvGeometry& g, const Code* in, Code* out, std::int64_t batch, CodeLimits range) {
  std::int32_t best = 0;
  pool2d(
      g, in, batch, [&](std::int32_t n, Code code) { best = n == 0 ? code : std::max<std::int32_t>(best, code); },
      [&](std::int64_t index, std::int32_t) {
        out[index] = static_cast<Code>(std::clamp(best, range.min, range.max));
      });
}

// The mean over `pixels` of each channel: out[b][c] = stage(sum_p in[b][p][c] - pixels * input_zero_point).
template <class Code>
void mean(std::int64_t pixels, std::int64_t channels, const Code* in, Code* out, std::int64_t batch,
          std::int32_t input_zero_point, const OutputStage& stage) {
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t c = 0; c < channels; ++c) {
      std::int32_t acc = 0;
      for (std::int64_t p = 0; p < pixels; ++p) acc += in[(b * pixels + p) * channels + c] - input_zero_point;
      out[b * channels + c] = static_cast<Code>(requantize(acc, stage, 0));
    }
}

}  // namespace reference
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_POOL_HPP_
