// octavo/kernels/conv2d_f32.hpp: float convolution of training: forward, gradient to the input, gradient to the
// weights.
//
// Any kernel, stride, dilation, padding and number of groups. A pointwise convolution is a matrix product over the
// pixels of the batch; the others are one over patches, gathered a block of pixels at a time. All sums are in an order
// that depends on the shapes, the level and the number of threads only.
#ifndef OCTAVO_KERNELS_CONV2D_F32_HPP_
#define OCTAVO_KERNELS_CONV2D_F32_HPP_

#include <algorithm>
#include <cstdint>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "batch_norm_f32.hpp"
#include "gemm_f32.hpp"
#include "geometry.hpp"
#include "im2col_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// y[b][oy][ox][o] = bias[o] + sum over i, j, c of x[b][iy][ix][c of o's group] * w[o][i][j][c], geometry.hpp's formulas
// for iy and ix. x NHWC of `batch` images, weights OHWI, bias may be null (zeros). Throws where groups do not divide
// the channels.
inline void conv2d_f32(const ConvGeometry& geometry, std::int64_t batch, const float* x, const float* w_ohwi,
                       const float* bias, float* y, Workspace& workspace, int threads);

// dx = the gradient of sum(dy * y) to x. Overwrites dx.
inline void conv2d_f32_input_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* dy,
                                      const float* w_ohwi, float* dx, Workspace& workspace, int threads);

// dw = the gradient to the weights, db = the sum of dy over batch and pixels (db may be null). Overwrites both.
inline void conv2d_f32_weight_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* x,
                                       const float* dy, float* dw, float* db, Workspace& workspace, int threads);

namespace detail {

inline void require_groups(const ConvGeometry& g) {
  require(g.groups > 0 && g.in_c % g.groups == 0 && g.out_c % g.groups == 0, "convolution: ", g.groups,
          " groups do not divide ", g.in_c, " input and ", g.out_c, " output channels");
}

// Floats of patches that a thread holds at once.
inline constexpr std::int64_t kPatchFloats = 1 << 13;
inline constexpr std::int64_t kPixelGrain = 42;  // whole tiles on each level (14 and 6 rows)

// The sizes of one group, and how many pixels are gathered at a time.
struct ConvSizesF32 {
  explicit ConvSizesF32(const ConvGeometry& geometry)
      : g(geometry),
        in_c(g.in_c / g.groups),
        out_c(g.out_c / g.groups),
        patch(g.window.kernel_h * g.window.kernel_w * in_c),
        pixels(g.out_h * g.out_w),
        block(std::max(kPixelGrain, kPatchFloats / std::max<std::int64_t>(patch, 1) / kPixelGrain * kPixelGrain)) {}

  [[nodiscard]] ChannelRange channels(std::int64_t group) const { return {group * in_c, in_c}; }

  const ConvGeometry& g;
  std::int64_t in_c, out_c, patch, pixels, block;
};

// Weights of all groups as packed panels of op(B) = W transposed: [group][panel][patch][level.columns].
inline std::int64_t packed_conv_floats_f32(const GemmLevelF32& level, const ConvSizesF32& s) {
  return s.g.groups * blocks_in(s.out_c, level.columns) * s.patch * level.columns;
}
inline void pack_conv_weights_f32(const GemmLevelF32& level, const ConvSizesF32& s, const float* w, float* packed,
                                  int threads) {
  const std::int64_t panels = blocks_in(s.out_c, level.columns);
  parallel_for(s.g.groups * panels, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t first = p % panels * level.columns;
      const float* from = w + (p / panels * s.out_c + first) * s.patch;
      level.pack_transposed(from, s.patch, s.patch, std::min(level.columns, s.out_c - first),
                            packed + p * s.patch * level.columns);
    }
  });
}

// Output pixels [begin, end) of a batch, s.block at a time, from packed weights. `f` has bias and clamp; `columns` has
// room for s.block patches.
inline void conv_pixels_f32(const GemmLevelF32& level, const ConvSizesF32& s, const float* x, const float* packed,
                            const GemmBlockF32& f, float* y, std::int64_t begin, std::int64_t end, float* columns) {
  const std::int64_t group_floats = packed_conv_floats_f32(level, s) / s.g.groups;
  const Im2colFunction gather = dispatch<SelectIm2colF32>();
  for (std::int64_t p = begin; p < end; p += s.block)
    for (std::int64_t group = 0; group < s.g.groups; ++group) {
      GemmBlockF32 b = f;
      b.rows = std::min(s.block, end - p);
      im2col_f32(gather, s.g, s.channels(group), x, p, p + b.rows, columns);
      b.columns = s.out_c;
      b.depth = s.patch;
      b.a = columns;
      b.a_row = s.patch;
      b.b = packed + group * group_floats;
      b.c = y + p * s.g.out_c + group * s.out_c;
      b.ldc = s.g.out_c;
      if (f.bias != nullptr) b.bias = f.bias + group * s.out_c;
      packed_gemm_f32(level, b, 0, b.rows, 0, b.columns);
    }
}

inline void conv_forward_f32(const ConvSizesF32& s, std::int64_t batch, const float* x, const float* w,
                             const float* bias, float* y, Workspace& workspace, int threads) {
  const GemmLevelF32 level = gemm_level_f32();
  float* packed = workspace.floats(Workspace::Slot::packed, 0, packed_conv_floats_f32(level, s));
  pack_conv_weights_f32(level, s, w, packed, threads);
  GemmBlockF32 f{};
  f.bias = bias;
  parallel_for(blocks_in(batch * s.pixels, s.block), threads, [&](std::int64_t begin, std::int64_t end, int part) {
    conv_pixels_f32(level, s, x, packed, f, y, begin * s.block, std::min(end * s.block, batch * s.pixels),
                    workspace.floats(Workspace::Slot::columns, part, s.block * s.patch));
  });
}

// An image belongs to one thread, because the patches overlap.
inline void conv_input_gradient_f32(const ConvSizesF32& s, std::int64_t batch, const float* dy, const float* w,
                                    float* dx, Workspace& workspace, int threads) {
  const GemmLevelF32 level = gemm_level_f32();
  parallel_for(batch, threads, [&](std::int64_t begin, std::int64_t end, int part) {
    std::fill(dx + begin * s.g.in_size(), dx + end * s.g.in_size(), 0.0F);
    float* columns = workspace.floats(Workspace::Slot::columns, part, s.block * s.patch);
    for (std::int64_t p = begin * s.pixels; p < end * s.pixels; p += s.block)
      for (std::int64_t group = 0; group < s.g.groups; ++group) {
        GemmBlockF32 b{};
        b.rows = std::min(s.block, end * s.pixels - p);
        b.columns = s.patch;
        b.depth = s.out_c;
        b.a = dy + p * s.g.out_c + group * s.out_c;
        b.a_row = s.g.out_c;
        b.b = w + group * s.out_c * s.patch;
        b.b_panel = level.columns;
        b.b_depth = s.patch;
        b.c = columns;
        b.ldc = s.patch;
        level.block(b);
        col2im_f32(s.g, s.channels(group), columns, p, p + b.rows, dx);
      }
  });
}

inline void conv_weight_gradient_f32(const ConvSizesF32& s, std::int64_t batch, const float* x, const float* dy,
                                     float* dw, Workspace& workspace, int threads) {
  const GemmLevelF32 level = gemm_transposed_level_f32();
  const Im2colFunction gather = dispatch<SelectIm2colF32>();
  const std::int64_t size = s.g.out_c * s.patch;
  const std::int64_t blocks = blocks_in(batch * s.pixels, s.block);
  const auto parts = static_cast<int>(std::min<std::int64_t>(std::max(threads, 1), blocks));
  if (parts == 0) std::fill(dw, dw + size, 0.0F);
  parallel_for(blocks, parts, [&](std::int64_t begin, std::int64_t end, int part) {
    float* columns = workspace.floats(Workspace::Slot::columns, part, s.block * s.patch);
    float* sum = part == 0 ? dw : workspace.floats(Workspace::Slot::partial, part, size);
    for (std::int64_t p = begin * s.block; p < std::min(end * s.block, batch * s.pixels); p += s.block)
      for (std::int64_t group = 0; group < s.g.groups; ++group) {
        GemmBlockF32 b{};
        b.rows = s.out_c;
        b.columns = s.patch;
        b.depth = std::min(s.block, batch * s.pixels - p);
        im2col_f32(gather, s.g, s.channels(group), x, p, p + b.depth, columns);
        b.a = dy + p * s.g.out_c + group * s.out_c;
        b.a_row = 1;
        b.a_depth = s.g.out_c;
        b.b = columns;
        b.b_panel = level.columns;
        b.b_depth = s.patch;
        b.c = sum + group * s.out_c * s.patch;
        b.ldc = s.patch;
        b.accumulate = p > begin * s.block;
        level.block(b);
      }
  });
  for (int part = 1; part < parts; ++part) {
    const float* from = workspace.floats(Workspace::Slot::partial, part, size);
    for (std::int64_t i = 0; i < size; ++i) dw[i] += from[i];
  }
}

}  // namespace detail

inline void conv2d_f32(const ConvGeometry& geometry, std::int64_t batch, const float* x, const float* w_ohwi,
                       const float* bias, float* y, Workspace& workspace, int threads) {
  const ConvGeometry& g = geometry;
  detail::require_groups(g);
  if (g.pointwise()) {
    gemm_f32(Transpose::no, Transpose::yes, batch * g.out_h * g.out_w, g.out_c, g.in_c, x, g.in_c, w_ohwi, g.in_c, y,
             g.out_c, false, workspace, threads, bias);
    return;
  }
  workspace.reserve_parts(threads);
  const detail::ConvSizesF32 sizes(g);
  detail::conv_forward_f32(sizes, batch, x, w_ohwi, bias, y, workspace, threads);
}

inline void conv2d_f32_input_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* dy,
                                      const float* w_ohwi, float* dx, Workspace& workspace, int threads) {
  const ConvGeometry& g = geometry;
  detail::require_groups(g);
  if (g.pointwise()) {
    gemm_f32(Transpose::no, Transpose::no, batch * g.out_h * g.out_w, g.in_c, g.out_c, dy, g.out_c, w_ohwi, g.in_c, dx,
             g.in_c, false, workspace, threads);
    return;
  }
  workspace.reserve_parts(threads);
  const detail::ConvSizesF32 sizes(g);
  detail::conv_input_gradient_f32(sizes, batch, dy, w_ohwi, dx, workspace, threads);
}

inline void conv2d_f32_weight_gradient(const ConvGeometry& geometry, std::int64_t batch, const float* x,
                                       const float* dy, float* dw, float* db, Workspace& workspace, int threads) {
  const ConvGeometry& g = geometry;
  detail::require_groups(g);
  const std::int64_t pixels = batch * g.out_h * g.out_w;
  if (db != nullptr) channel_sums_f32(dy, pixels, g.out_c, db, threads);
  if (g.pointwise()) {
    gemm_f32(Transpose::yes, Transpose::no, g.out_c, g.in_c, pixels, dy, g.out_c, x, g.in_c, dw, g.in_c, false,
             workspace, threads);
    return;
  }
  workspace.reserve_parts(threads);
  const detail::ConvSizesF32 sizes(g);
  detail::conv_weight_gradient_f32(sizes, batch, x, dy, dw, workspace, threads);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV2D_F32_HPP_
