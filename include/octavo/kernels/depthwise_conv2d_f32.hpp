// octavo/kernels/depthwise_conv2d_f32.hpp: float depthwise convolution of training: forward and both gradients.
//
// Any kernel, stride, dilation, padding and multiplier, without padded copies: a row is cut into the pixels whose taps
// are all inside, computed eight at a time, and those at the borders.
#ifndef OCTAVO_KERNELS_DEPTHWISE_CONV2D_F32_HPP_
#define OCTAVO_KERNELS_DEPTHWISE_CONV2D_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "../core/parallel.hpp"
#include "batch_norm_f32.hpp"
#include "depthwise_lines_f32.hpp"
#include "geometry.hpp"
#include "workspace_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// y[b][oy][ox][c] = bias[c] + sum over i, j of x[b][iy][ix][c / multiplier] * w[i][j][c], geometry.hpp's formulas for
// iy and ix. x NHWC of `batch` images, w [kernel_h][kernel_w][out_c], bias may be null (zeros). Throws unless out_c is
// a multiple of in_c.
inline void depthwise_conv2d_f32(const ConvGeometry& geometry, std::int64_t batch, const float* x, const float* w,
                                 const float* bias, float* y, Workspace& workspace, int threads);

// dx = the gradient of sum(dy * y) to x. Overwrites dx.
inline void depthwise_conv2d_f32_input_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* dy,
                                                const float* w, float* dx, Workspace& workspace, int threads);

// dw = the gradient to the weights, db = the sum of dy over batch and pixels (db may be null). Overwrites both. Sums
// over rows of an image, then over images, then over threads, in order.
inline void depthwise_conv2d_f32_weight_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* x,
                                                 const float* dy, float* dw, float* db, Workspace& workspace,
                                                 int threads);

namespace detail {

inline void depthwise_forward_f32(const DepthwiseSizesF32& s, std::int64_t batch, const float* x, const float* w,
                                  const float* bias, float* y, Workspace& workspace, int threads) {
  const DepthwiseLevelF32 level = depthwise_level_f32();
  DepthwiseOutputF32 output;
  output.bias = bias;
  output.stream = streams_f32(y, batch * s.g.out_h * s.g.out_w, s.c);
  parallel_for(batch * s.g.out_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
    OwnLineTapsF32 taps(s.w);
    const DepthwiseRowsF32 rows(s,
                                workspace.floats(Workspace::Slot::columns, part, DepthwiseRowsF32::buffer_floats(s)));
    depthwise_lines_f32(level, s, x, w, output, begin, end, taps.view(), rows, y);
  });
}

// Where the window moves by one, the gradient to the input is a depthwise convolution of dy with the mirrored window.
inline void depthwise_mirrored_f32(const DepthwiseSizesF32& s, std::int64_t batch, const float* dy, const float* w,
                                   float* dx, Workspace& workspace, int threads) {
  const std::int64_t taps = s.w.kernel_h * s.w.kernel_w;
  float* mirrored = workspace.floats(Workspace::Slot::packed, 0, taps * s.c);
  for (std::int64_t t = 0; t < taps; ++t) std::copy(w + t * s.c, w + (t + 1) * s.c, mirrored + (taps - 1 - t) * s.c);
  ConvGeometry g = s.g;
  std::swap(g.in_h, g.out_h);
  std::swap(g.in_w, g.out_w);
  g.window.pad_top = (s.w.kernel_h - 1) * s.w.dilation_h - s.w.pad_top;
  g.window.pad_left = (s.w.kernel_w - 1) * s.w.dilation_w - s.w.pad_left;
  depthwise_forward_f32(DepthwiseSizesF32(g), batch, dy, mirrored, nullptr, dx, workspace, threads);
}

inline void depthwise_input_gradient_f32(const DepthwiseSizesF32& s, std::int64_t batch, const float* dy,
                                         const float* w, float* dx, Workspace& workspace, int threads) {
  if (s.w.stride_h == 1 && s.w.stride_w == 1 && s.multiplier == 1)
    return depthwise_mirrored_f32(s, batch, dy, w, dx, workspace, threads);
  const DepthwiseLevelF32 level = depthwise_level_f32();
  const ConvGeometry& g = s.g;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const bool stream = s.multiplier == 1 && streams_f32(dx, batch * g.in_h * g.in_w, s.c);
  const std::int64_t phases = std::min(s.w.stride_w, g.in_w);
  parallel_for(batch * g.in_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
    OwnLineTapsF32 own(s.w);
    LineTapsF32 taps = own.view();
    float* repeated = s.multiplier == 1 ? nullptr : workspace.floats(Workspace::Slot::columns, part, g.in_w * s.c);
    for (std::int64_t line = begin; line < end; ++line) {
      float* row = dx + line * g.in_w * g.in_c;
      float* out = s.multiplier == 1 ? row : repeated;
      const float* next = dy + line / g.in_h * g.out_size() + s.next_output_row(line % g.in_h) * g.out_w * s.c;
      AheadF32 ahead = ahead_f32(next, dy + (end + g.in_h - 1) / g.in_h * g.out_size(), g.out_w * s.c / s.w.stride_h,
                                 g.in_w / 8 * s.c / level.lanes);
      for (std::int64_t phase = 0; phase < phases; ++phase) {
        s.input_row(line % g.in_h, phase, dy + line / g.in_h * g.out_size(), w, taps);
        const std::int64_t step = s.w.stride_w * s.c;
        taps.for_each_run(ceiling_quotient(g.in_w - phase, s.w.stride_w), s.c,
                          [&](const TapF32* t, int count, std::int64_t from, std::int64_t to) {
                            level.run(t, count, to - from, s.c, s.c, step, nullptr, -infinity, infinity,
                                      out + phase * s.c + from * step, stream, ahead);
                          });
      }
      if (s.multiplier == 1) continue;
      for (std::int64_t i = 0; i < g.in_w * g.in_c; ++i) {
        float sum = 0.0F;
        for (std::int64_t m = 0; m < s.multiplier; ++m) sum += repeated[i * s.multiplier + m];
        row[i] = sum;
      }
    }
  });
}

inline void depthwise_weight_gradient_f32(const DepthwiseSizesF32& s, std::int64_t batch, const float* x,
                                          const float* dy, float* dw, Workspace& workspace, int threads) {
  const DepthwiseLevelF32 level = depthwise_level_f32();
  auto* const weight_gradient = dispatch<SelectDepthwiseGradientF32>();
  const ConvGeometry& g = s.g;
  const std::int64_t size = s.w.kernel_h * s.w.kernel_w * s.c;
  const std::int64_t lines = batch * g.out_h;
  const auto parts = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), lines));
  std::fill(dw, dw + size, 0.0F);
  parallel_for(lines, parts, [&](std::int64_t begin, std::int64_t end, int part) {
    OwnLineTapsF32 own(s.w);
    LineTapsF32 taps = own.view();
    DepthwiseRowsF32 rows(s, workspace.floats(Workspace::Slot::columns, part, DepthwiseRowsF32::buffer_floats(s)));
    float* sums = workspace.floats(Workspace::Slot::partial, part, 2 * size);
    float* image_sums = sums + size;
    std::fill(sums, sums + 2 * size, 0.0F);
    const float* x_end = x + (end + g.out_h - 1) / g.out_h * g.in_size();
    const std::int64_t row = g.in_w * g.in_c;
    for (std::int64_t line = begin; line < end; ++line) {
      const float* image = x + line / g.out_h * g.in_size();
      const float* next_dy = dy + (line + 1) * g.out_w * s.c;
      const std::int64_t steps = g.out_w * s.c / level.lanes;
      AheadF32 ahead[2] = {ahead_f32(image + s.next_input_row(line % g.out_h) * row, x_end, s.w.stride_h * row, steps),
                           ahead_f32(next_dy, dy + end * g.out_w * s.c, g.out_w * s.c, steps)};
      rows.start(image);
      s.output_row(line % g.out_h, dw, taps, rows);
      const float* g_row = dy + line * g.out_w * s.c;
      const std::int64_t step = s.w.stride_w * s.c;
      taps.for_each_run(g.out_w, step, [&](const TapF32* t, int count, std::int64_t from, std::int64_t to) {
        for (int first = 0; first < count;) {  // taps that are neighbours in dw go together
          int next = first + 1;
          while (next < count && t[next].index == t[next - 1].index + 1) ++next;
          weight_gradient(t + first, next - first, to - from, s.c, step, g_row + from * s.c,
                          image_sums + t[first].index * s.c, ahead);
          first = next;
        }
      });
      if (line + 1 < end && (line + 1) % g.out_h != 0) continue;
      for (std::int64_t i = 0; i < size; ++i) {
        sums[i] += image_sums[i];
        image_sums[i] = 0.0F;
      }
    }
  });
  for (int part = 0; part < parts; ++part) {
    const float* sums = workspace.floats(Workspace::Slot::partial, part, 2 * size);
    for (std::int64_t i = 0; i < size; ++i) dw[i] += sums[i];
  }
}

}  // namespace detail

inline void depthwise_conv2d_f32(const ConvGeometry& geometry, std::int64_t batch, const float* x, const float* w,
                                 const float* bias, float* y, Workspace& workspace, int threads) {
  detail::require_depthwise(geometry);
  workspace.reserve_parts(threads);
  const detail::DepthwiseSizesF32 sizes(geometry);
  detail::depthwise_forward_f32(sizes, batch, x, w, bias, y, workspace, threads);
}

inline void depthwise_conv2d_f32_input_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* dy,
                                                const float* w, float* dx, Workspace& workspace, int threads) {
  detail::require_depthwise(geometry);
  workspace.reserve_parts(threads);
  const detail::DepthwiseSizesF32 sizes(geometry);
  detail::depthwise_input_gradient_f32(sizes, batch, dy, w, dx, workspace, threads);
}

inline void depthwise_conv2d_f32_weight_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* x,
                                                 const float* dy, float* dw, float* db, Workspace& workspace,
                                                 int threads) {
  detail::require_depthwise(geometry);
  workspace.reserve_parts(threads);
  const detail::DepthwiseSizesF32 sizes(geometry);
  detail::depthwise_weight_gradient_f32(sizes, batch, x, dy, dw, workspace, threads);
  if (db != nullptr) channel_sums_f32(dy, batch * geometry.out_h * geometry.out_w, geometry.out_c, db, threads);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_DEPTHWISE_CONV2D_F32_HPP_
