// octavo/kernels/im2col_f32.hpp: the patches under a convolution's window as rows of a matrix, and back.
#ifndef OCTAVO_KERNELS_IM2COL_F32_HPP_
#define OCTAVO_KERNELS_IM2COL_F32_HPP_

#include <algorithm>
#include <cstdint>

#include "geometry.hpp"
#include "reference/im2col_f32.hpp"
#include "x86/im2col_f32_avx2.hpp"
#include "x86/im2col_f32_avx512.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Channels [first, first + count) of the input as one group sees them.
struct ChannelRange {
  std::int64_t first, count;
};

// Calls visit(offset, place, length) for each run of floats of output pixel (y, x) that lies inside the image: `offset`
// into the image, `place` in the patch [kernel_h][kernel_w][channels.count]. Taps outside are not visited. Rows whose
// taps touch and hold all channels make one run.
template <class Visit>
OCTAVO_INLINE void for_each_run(const ConvGeometry& g, ChannelRange channels, std::int64_t y, std::int64_t x,
                                Visit&& visit) {
  const Window& w = g.window;
  const std::int64_t x0 = x * w.stride_w - w.pad_left;
  for (std::int64_t i = 0; i < w.kernel_h; ++i) {
    const std::int64_t row = y * w.stride_h - w.pad_top + i * w.dilation_h;
    if (row < 0 || row >= g.in_h) continue;
    const std::int64_t line = row * g.in_w;
    const std::int64_t place = i * w.kernel_w * channels.count;
    if (w.dilation_w == 1 && channels.count == g.in_c) {
      const std::int64_t begin = std::max<std::int64_t>(0, -x0);
      const std::int64_t end = std::min(w.kernel_w, g.in_w - x0);
      if (begin < end) visit((line + x0 + begin) * g.in_c, place + begin * g.in_c, (end - begin) * g.in_c);
      continue;
    }
    for (std::int64_t j = 0; j < w.kernel_w; ++j) {
      const std::int64_t column = x0 + j * w.dilation_w;
      if (column < 0 || column >= g.in_w) continue;
      visit((line + column) * g.in_c + channels.first, place + j * channels.count, channels.count);
    }
  }
}

// The patch of one output pixel, at a border or where its taps do not touch.
inline void im2col_pixel_f32(const ConvGeometry& g, ChannelRange channels, const float* image, std::int64_t y,
                             std::int64_t x, float* patch) {
  std::fill(patch, patch + g.window.kernel_h * g.window.kernel_w * channels.count, 0.0F);
  for_each_run(g, channels, y, x, [&](std::int64_t offset, std::int64_t place, std::int64_t length) {
    std::copy(image + offset, image + offset + length, patch + place);
  });
}

template <Isa Level>
struct SelectIm2colF32 {
  static auto run() { return &Im2colF32<Level>::run; }
};
using Im2colFunction = decltype(&Im2colF32<Isa::scalar>::run);

// columns[p - begin][patch] for the output pixels [begin, end) of a batch, counted image after image.
inline void im2col_f32(Im2colFunction inside, const ConvGeometry& g, ChannelRange channels, const float* x,
                       std::int64_t begin, std::int64_t end, float* columns) {
  const Window& w = g.window;
  const std::int64_t length = w.kernel_w * channels.count;
  const std::int64_t patch = w.kernel_h * length;
  const std::int64_t stride = g.in_w * g.in_c;
  // Output columns whose taps are all inside, where these make one run of each row.
  const bool runs = w.dilation_w == 1 && channels.count == g.in_c;
  const std::int64_t first = runs ? (w.pad_left + w.stride_w - 1) / w.stride_w : g.out_w;
  const std::int64_t room = g.in_w - w.kernel_w + w.pad_left;
  const std::int64_t last = runs && room >= 0 ? std::min(room / w.stride_w + 1, g.out_w) : 0;
  for (std::int64_t p = begin; p < end;) {
    const float* image = x + p / (g.out_h * g.out_w) * g.in_size();
    const std::int64_t oy = p / g.out_w % g.out_h;
    const std::int64_t ox = p % g.out_w;
    const std::int64_t top = oy * w.stride_h - w.pad_top;
    const bool tall = top >= 0 && top + (w.kernel_h - 1) * w.dilation_h < g.in_h;
    std::int64_t count = 1;
    if (tall && ox >= first && ox < last) {
      count = std::min(last - ox, end - p);
      inside(image + top * stride + (ox * w.stride_w - w.pad_left) * g.in_c, w.kernel_h, w.dilation_h * stride, length,
             w.stride_w * g.in_c, count, columns);
    } else {
      im2col_pixel_f32(g, channels, image, oy, ox, columns);
    }
    p += count;
    columns += count * patch;
  }
}

// dx += the patches' values at the places that im2col_f32 read.
inline void col2im_f32(const ConvGeometry& g, ChannelRange channels, const float* columns, std::int64_t begin,
                       std::int64_t end, float* dx) {
  const std::int64_t pixels = g.out_h * g.out_w;
  const std::int64_t patch = g.window.kernel_h * g.window.kernel_w * channels.count;
  for (std::int64_t p = begin; p < end; ++p, columns += patch) {
    float* image = dx + p / pixels * g.in_size();
    const std::int64_t at = p % pixels;
    for_each_run(g, channels, at / g.out_w, at % g.out_w,
                 [&](std::int64_t offset, std::int64_t place, std::int64_t length) {
                   float* to = image + offset;
                   for (std::int64_t v = 0; v < length; ++v) to[v] += columns[place + v];
                 });
  }
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_IM2COL_F32_HPP_
