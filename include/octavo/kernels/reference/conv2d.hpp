// octavo/kernels/reference/conv2d.hpp: convolutions, written as their formulas. These loops define the result that
// every kernel gives, byte for byte; nothing calls them but tests.
//
// Code is the type that stores an activation: std::int8_t, or std::uint8_t in u8 terms (code + 128).
#ifndef OCTAVO_KERNELS_REFERENCE_CONV2D_HPP_
#define OCTAVO_KERNELS_REFERENCE_CONV2D_HPP_

#include <cstddef>
#include <cstdint>

#include "../geometry.hpp"
#include "../output_stage.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace reference {

// Calls store(index, channel, acc) for each element of the NHWC output, with
//   acc = bias[c] + sum over taps (i, j) inside the input, and over k, of
//         weight[c][i][j][k] * (in[y * stride_h - pad_top + i * dilation_h][...][group(c) * in_c / groups + k] - zp).
// Weights OHWI; `bias` may be null.
template <class Code, class Store>
void conv2d_accumulate(const ConvGeometry& g, const Code* in, std::int64_t batch, const std::int8_t* weights,
                       const std::int32_t* bias, std::int32_t input_zero_point, Store store) {
  const std::int64_t in_per_group = g.in_c / g.groups;
  const std::int64_t out_per_group = g.out_c / g.groups;
  std::int64_t index = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t y = 0; y < g.out_h; ++y)
      for (std::int64_t x = 0; x < g.out_w; ++x)
        for (std::int64_t c = 0; c < g.out_c; ++c) {
          std::int32_t acc = bias == nullptr ? 0 : bias[c];
          for (std::int64_t i = 0; i < g.window.kernel_h; ++i) {
            const std::int64_t in_y = y * g.window.stride_h - g.window.pad_top + i * g.window.dilation_h;
            if (in_y < 0 || in_y >= g.in_h) continue;
            for (std::int64_t j = 0; j < g.window.kernel_w; ++j) {
              const std::int64_t in_x = x * g.window.stride_w - g.window.pad_left + j * g.window.dilation_w;
              if (in_x < 0 || in_x >= g.in_w) continue;
              const Code* pixel =
                  in + ((b * g.in_h + in_y) * g.in_w + in_x) * g.in_c + c / out_per_group * in_per_group;
              const std::int8_t* w = weights + ((c * g.window.kernel_h + i) * g.window.kernel_w + j) * in_per_group;
              for (std::int64_t k = 0; k < in_per_group; ++k) acc += w[k] * (pixel[k] - input_zero_point);
            }
          }
          store(index++, c, acc);
        }
}

// The same for a depthwise convolution, weights [kernel_h][kernel_w][out_c]: output channel c reads input channel
// c / (out_c / in_c).
template <class Code, class Store>
void depthwise_conv2d_accumulate(const ConvGeometry& g, const Code* in, std::int64_t batch, const std::int8_t* weights,
                                 const std::int32_t* bias, std::int32_t input_zero_point, Store store) {
  const std::int64_t multiplier = g.out_c / g.in_c;
  std::int64_t index = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t y = 0; y < g.out_h; ++y)
      for (std::int64_t x = 0; x < g.out_w; ++x)
        for (std::int64_t c = 0; c < g.out_c; ++c) {
          std::int32_t acc = bias == nullptr ? 0 : bias[c];
          for (std::int64_t i = 0; i < g.window.kernel_h; ++i) {
            const std::int64_t in_y = y * g.window.stride_h - g.window.pad_top + i * g.window.dilation_h;
            if (in_y < 0 || in_y >= g.in_h) continue;
            for (std::int64_t j = 0; j < g.window.kernel_w; ++j) {
              const std::int64_t in_x = x * g.window.stride_w - g.window.pad_left + j * g.window.dilation_w;
              if (in_x < 0 || in_x >= g.in_w) continue;
              acc += weights[(i * g.window.kernel_w + j) * g.out_c + c] *
                     (in[((b * g.in_h + in_y) * g.in_w + in_x) * g.in_c + c / multiplier] - input_zero_point);
            }
          }
          store(index++, c, acc);
        }
}

template <class Code>
void conv2d(const ConvGeometry& g, const Code* in, Code* out, std::int64_t batch, const std::int8_t* weights,
            const std::int32_t* bias, std::int32_t input_zero_point, const OutputStage& stage) {
  conv2d_accumulate(g, in, batch, weights, bias, input_zero_point,
                    [&](std::int64_t index, std::int64_t c, std::int32_t acc) {
                      out[index] = static_cast<Code>(requantize(acc, stage, static_cast<std::size_t>(c)));
                    });
}

template <class Code>
void depthwise_conv2d(const ConvGeometry& g, const Code* in, Code* out, std::int64_t batch, const std::int8_t* weights,
                      const std::int32_t* bias, std::int32_t input_zero_point, const OutputStage& stage) {
  depthwise_conv2d_accumulate(g, in, batch, weights, bias, input_zero_point,
                              [&](std::int64_t index, std::int64_t c, std::int32_t acc) {
                                out[index] = static_cast<Code>(requantize(acc, stage, static_cast<std::size_t>(c)));
                              });
}

// out[r][c] = stage(bias[c] + sum_k weights[c][k] * (in[r][k] - zp)).
template <class Code>
void dense(std::int64_t in_c, std::int64_t out_c, const Code* in, Code* out, std::int64_t rows,
           const std::int8_t* weights, const std::int32_t* bias, std::int32_t input_zero_point,
           const OutputStage& stage) {
  conv2d(ConvGeometry{.in_c = in_c, .out_c = out_c, .window = {}}, in, out, rows, weights, bias, input_zero_point,
         stage);
}

// Dynamic range: the accumulator of an image whose codes have scale `input_scale`, as a real number:
//   out = clamp(float(acc) * (weight_scale[c] * input_scale) + bias[c], low, high), each operation rounded to float.
// weight_scale holds one value a channel, or one for all; `bias` may be null.
[[nodiscard]] inline float dequantize_accumulator(std::int32_t acc, float weight_scale, float input_scale, float bias,
                                                  float low, float high) {
  const float v = detail::rounded(static_cast<float>(acc) * (weight_scale * input_scale)) + bias;
  return v < low ? low : (v > high ? high : v);
}

}  // namespace reference
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_REFERENCE_CONV2D_HPP_
