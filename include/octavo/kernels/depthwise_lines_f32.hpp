// octavo/kernels/depthwise_lines_f32.hpp: lines of a float depthwise convolution: which taps are inside where, and the
// rows of an image through the kernel of a level.
#ifndef OCTAVO_KERNELS_DEPTHWISE_LINES_F32_HPP_
#define OCTAVO_KERNELS_DEPTHWISE_LINES_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "geometry.hpp"
#include "reference/depthwise_conv2d_f32.hpp"
#include "x86/depthwise_conv2d_f32_avx2.hpp"
#include "x86/depthwise_conv2d_f32_avx512.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// One tap of a line of pixels, and the pixels [begin, end) for which it is inside.
struct LineTapF32 {
  const float* row;     // where the line that it reads begins
  std::int64_t offset;  // from there to what pixel 0 reads, which may lie outside
  const float* weights;
  std::int64_t index;  // of the tap in the window
  std::int64_t begin, end;
};

// The taps of one line, in the caller's memory: room for a whole window's taps.
class LineTapsF32 {
 public:
  LineTapsF32(LineTapF32* taps, TapF32* active) : taps_(taps), active_(active) {}
  void clear() { count_ = 0; }
  void add(const LineTapF32& tap) {
    if (tap.begin < tap.end) taps_[count_++] = tap;
  }

  // Calls run(taps, count, begin, end) for consecutive runs that cover [0, pixels): the same taps are inside for all
  // pixels of a run. taps[t].in is what pixel `begin` reads, step floats from pixel to pixel.
  template <class Run>
  void for_each_run(std::int64_t pixels, std::int64_t step, const Run& run) {
    for (std::int64_t begin = 0; begin < pixels;) {
      std::int64_t end = pixels;
      int count = 0;
      for (std::int64_t i = 0; i < count_; ++i) {
        const LineTapF32& tap = taps_[i];
        if (begin < tap.begin) {
          end = std::min(end, tap.begin);
        } else if (begin < tap.end) {
          end = std::min(end, tap.end);
          active_[count++] = {tap.row + (tap.offset + begin * step), tap.weights, tap.index};
        }
      }
      run(active_, count, begin, end);
      begin = end;
    }
  }

 private:
  LineTapF32* taps_;
  TapF32* active_;
  std::int64_t count_ = 0;
};

// The same with memory of its own.
class OwnLineTapsF32 {
 public:
  explicit OwnLineTapsF32(const Window& w)
      : taps_(static_cast<std::size_t>(w.kernel_h * w.kernel_w)), active_(taps_.size()) {}
  [[nodiscard]] LineTapsF32 view() { return {taps_.data(), active_.data()}; }

 private:
  std::vector<LineTapF32> taps_;
  std::vector<TapF32> active_;
};

// floor and ceiling of a / b for b > 0.
constexpr std::int64_t floor_quotient(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
constexpr std::int64_t ceiling_quotient(std::int64_t a, std::int64_t b) { return -floor_quotient(-a, b); }

// Each input channel `multiplier` times.
inline void repeat_channels(const float* from, std::int64_t values, std::int64_t multiplier, float* to) {
  for (std::int64_t i = 0; i < values; ++i)
    for (std::int64_t m = 0; m < multiplier; ++m) *to++ = from[i];
}

struct DepthwiseSizesF32 {
  explicit DepthwiseSizesF32(const ConvGeometry& geometry)
      : g(geometry), w(geometry.window), c(geometry.out_c), multiplier(geometry.out_c / geometry.in_c) {}

  // The taps of output row y of one image, whose rows are `rows(iy)`, of in_w * c floats.
  template <class Rows>
  void output_row(std::int64_t y, const float* weights, LineTapsF32& taps, Rows&& rows) const {
    taps.clear();
    for (std::int64_t i = 0; i < w.kernel_h; ++i) {
      const std::int64_t iy = y * w.stride_h - w.pad_top + i * w.dilation_h;
      if (iy < 0 || iy >= g.in_h) continue;
      const float* row = rows(iy);
      for (std::int64_t j = 0; j < w.kernel_w; ++j) {
        const std::int64_t shift = j * w.dilation_w - w.pad_left;  // input column of output column 0
        const std::int64_t begin = std::clamp<std::int64_t>(ceiling_quotient(-shift, w.stride_w), 0, g.out_w);
        const std::int64_t end = std::clamp<std::int64_t>(ceiling_quotient(g.in_w - shift, w.stride_w), 0, g.out_w);
        const std::int64_t t = i * w.kernel_w + j;
        taps.add({row, shift * c, weights + t * c, t, begin, end});
      }
    }
  }

  // The input row behind the last that output row y reads.
  [[nodiscard]] std::int64_t next_input_row(std::int64_t y) const {
    return std::clamp<std::int64_t>(y * w.stride_h - w.pad_top + (w.kernel_h - 1) * w.dilation_h + 1, 0, g.in_h);
  }
  // The output row behind the last that reads input row iy.
  [[nodiscard]] std::int64_t next_output_row(std::int64_t iy) const {
    return std::clamp<std::int64_t>((iy + w.pad_top) / w.stride_h + 1, 0, g.out_h);
  }

  // The taps that lead from dy's image to input row iy, columns phase, phase + stride_w, ...
  void input_row(std::int64_t iy, std::int64_t phase, const float* dy, const float* weights, LineTapsF32& taps) const {
    taps.clear();
    const std::int64_t columns = ceiling_quotient(g.in_w - phase, w.stride_w);
    for (std::int64_t i = 0; i < w.kernel_h; ++i) {
      const std::int64_t down = iy + w.pad_top - i * w.dilation_h;
      if (down < 0 || down % w.stride_h != 0 || down / w.stride_h >= g.out_h) continue;
      const float* row = dy + down / w.stride_h * g.out_w * c;
      for (std::int64_t j = 0; j < w.kernel_w; ++j) {
        const std::int64_t right = phase + w.pad_left - j * w.dilation_w;
        if (right - floor_quotient(right, w.stride_w) * w.stride_w != 0) continue;
        const std::int64_t shift = floor_quotient(right, w.stride_w);  // output column of the first input column
        const std::int64_t t = i * w.kernel_w + j;
        taps.add({row, shift * c, weights + t * c, t, std::clamp<std::int64_t>(-shift, 0, columns),
                  std::clamp<std::int64_t>(g.out_w - shift, 0, columns)});
      }
    }
  }

  const ConvGeometry& g;
  const Window& w;
  std::int64_t c, multiplier;
};

// The rows of an image as output channels see them: in place, or repeated into a buffer of kernel_h rows.
class DepthwiseRowsF32 {
 public:
  // `buffer` has room for buffer_floats(s) floats.
  DepthwiseRowsF32(const DepthwiseSizesF32& s, float* buffer) : s_(s), buffer_(buffer) {}
  static std::int64_t buffer_floats(const DepthwiseSizesF32& s) {
    return s.multiplier == 1 ? 0 : s.w.kernel_h * s.g.in_w * s.c;
  }
  void start(const float* image) {
    image_ = image;
    used_ = 0;
  }
  const float* operator()(std::int64_t iy) {
    const float* row = image_ + iy * s_.g.in_w * s_.g.in_c;
    if (s_.multiplier == 1) return row;
    float* copy = buffer_ + used_++ * s_.g.in_w * s_.c;
    repeat_channels(row, s_.g.in_w * s_.g.in_c, s_.multiplier, copy);
    return copy;
  }

 private:
  const DepthwiseSizesF32& s_;
  float* buffer_;
  const float* image_ = nullptr;
  std::int64_t used_ = 0;
};

// The functions of one level. The drivers below are compiled once.
struct DepthwiseLevelF32 {
  std::string_view name;
  std::int64_t lanes;
  decltype(&DepthwiseRunF32<Isa::scalar>::run) run;
  decltype(&DepthwiseRunF32<Isa::scalar>::template row3<1>) row3, row3_stride2;
};
// What follows the sum of an output of a forward pass.
struct DepthwiseOutputF32 {
  const float* bias = nullptr;
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool stream = false;
  bool far = false;  // of 3 x 3 windows
};

template <Isa Level>
struct SelectDepthwiseF32 {
  static DepthwiseLevelF32 run() {
    using Run = DepthwiseRunF32<Level>;
    return {Run::kName, Run::V::kLanes, &Run::run, &Run::template row3<1>, &Run::template row3<2>};
  }
};
template <class Lazy = void>
DepthwiseLevelF32 depthwise_level_f32() {
  return dispatch<SelectDepthwiseF32>();
}
// Apart, so that a program that only runs models does not contain it.
template <Isa Level>
struct SelectDepthwiseGradientF32 {
  static auto run() { return &DepthwiseRunF32<Level>::weight_gradient; }
};

// The `floats` behind `from`, but not behind `end`, in `steps` steps.
inline AheadF32 ahead_f32(const float* from, const float* end, std::int64_t floats, std::int64_t steps) {
  AheadF32 ahead;
  ahead.next = from;
  ahead.lines = std::clamp<std::int64_t>(end - from, 0, floats) / 16;
  ahead.lines_a_step = (ahead.lines + steps - 1) / std::max<std::int64_t>(steps, 1);
  return ahead;
}

// Output row y of an image by the kernel for 3 x 3 windows; `rows` as for output_row().
inline void depthwise_row3_f32(const DepthwiseLevelF32& level, const DepthwiseSizesF32& s, std::int64_t y,
                               DepthwiseRowsF32& rows, const float* w, const DepthwiseOutputF32& f, AheadF32& ahead,
                               float* out) {
  DepthwiseRow3F32 r{};
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::int64_t iy = y * s.w.stride_h - s.w.pad_top + i * s.w.dilation_h;
    const bool inside = iy >= 0 && iy < s.g.in_h;
    r.rows[i] = inside ? rows(iy) : zeros_f32;
    r.steps[i] = inside ? s.c : 0;
  }
  r.in_w = s.g.in_w;
  r.out_w = s.g.out_w;
  r.pad_left = s.w.pad_left;
  r.channels = s.c;
  r.weights = w;
  r.bias = f.bias;
  r.low = f.low;
  r.high = f.high;
  r.out = out;
  r.stream = f.stream;
  r.far = f.far;
  (s.w.stride_w == 1 ? level.row3 : level.row3_stride2)(r, ahead);
}

// Output rows [begin, end) of a batch, counted image after image.
inline void depthwise_lines_f32(const DepthwiseLevelF32& level, const DepthwiseSizesF32& s, const float* x,
                                const float* w, const DepthwiseOutputF32& f, std::int64_t begin, std::int64_t end,
                                LineTapsF32 taps, DepthwiseRowsF32 rows, float* y) {
  const ConvGeometry& g = s.g;
  const std::int64_t step = s.w.stride_w * s.c;
  const std::int64_t row = g.in_w * g.in_c;
  const float* x_end = x + (end + g.out_h - 1) / g.out_h * g.in_size();
  const bool row3 = s.w.kernel_h == 3 && s.w.kernel_w == 3 && s.w.dilation_w == 1 && s.w.stride_w <= 2;
  const std::int64_t ahead_steps = (row3 ? g.out_w : g.out_w / 8) * s.c / level.lanes;
  for (std::int64_t line = begin; line < end; ++line) {
    const float* image = x + line / g.out_h * g.in_size();
    AheadF32 ahead = ahead_f32(image + s.next_input_row(line % g.out_h) * row, x_end, s.w.stride_h * row, ahead_steps);
    rows.start(image);
    float* out = y + line * g.out_w * s.c;
    if (row3) {
      depthwise_row3_f32(level, s, line % g.out_h, rows, w, f, ahead, out);
      continue;
    }
    s.output_row(line % g.out_h, w, taps, rows);
    taps.for_each_run(g.out_w, step, [&](const TapF32* t, int count, std::int64_t from, std::int64_t to) {
      level.run(t, count, to - from, s.c, step, s.c, f.bias, f.low, f.high, out + from * s.c, f.stream, ahead);
    });
  }
}

inline void require_depthwise(const ConvGeometry& g) {
  require(g.in_c > 0 && g.out_c % g.in_c == 0, "depthwise convolution: ", g.out_c,
          " output channels are no multiple of ", g.in_c, " input channels");
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::DepthwiseLevelF32 octavo::detail::depthwise_level_f32<void>());

#endif  // OCTAVO_KERNELS_DEPTHWISE_LINES_F32_HPP_
