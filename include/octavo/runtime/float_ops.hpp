// octavo/runtime/float_ops.hpp: the float operators that move memory rather than compute: sums, products, limits,
// pools, softmax. Plain loops in pieces of 16 values, which compilers turn into vector code of any baseline.
#ifndef OCTAVO_RUNTIME_FLOAT_OPS_HPP_
#define OCTAVO_RUNTIME_FLOAT_OPS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../core/parallel.hpp"
#include "../kernels/geometry.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace float_ops {

// A fused activation; NaN stays NaN.
struct Limits {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  [[nodiscard]] float operator()(float x) const noexcept {
    const float v = x < low ? low : x;
    return v > high ? high : v;
  }
};

// out[i] = function(a[i], b[i]) for i in [0, n); `out` may be `a` or `b`.
template <class Function>
void map_pairs(const float* a, const float* b, float* out, std::int64_t n, int threads, Function function) {
  constexpr std::int64_t piece = 16;
  constexpr std::int64_t grain = 256 * piece;
  parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int) {
    std::int64_t i = begin * grain;
    const std::int64_t stop = std::min(n, end * grain);
    for (; i + piece <= stop; i += piece) {
      float values[piece];
      for (std::int64_t j = 0; j < piece; ++j) values[j] = function(a[i + j], b[i + j]);
      for (std::int64_t j = 0; j < piece; ++j) out[i + j] = values[j];
    }
    for (; i < stop; ++i) out[i] = function(a[i], b[i]);
  });
}

inline void add(const float* a, const float* b, float* out, std::int64_t n, Limits limits, int threads) {
  map_pairs(a, b, out, n, threads, [=](float x, float y) { return limits(x + y); });
}
inline void subtract(const float* a, const float* b, float* out, std::int64_t n, Limits limits, int threads) {
  map_pairs(a, b, out, n, threads, [=](float x, float y) { return limits(x - y); });
}
inline void mul(const float* a, const float* b, float* out, std::int64_t n, Limits limits, int threads) {
  map_pairs(a, b, out, n, threads, [=](float x, float y) { return limits(x * y); });
}
inline void clamp(const float* in, float* out, std::int64_t n, Limits limits, int threads) {
  map_pairs(in, in, out, n, threads, [=](float x, float) { return limits(x); });
}
inline void logistic(const float* in, float* out, std::int64_t n, int threads) {
  map_pairs(in, in, out, n, threads, [](float x, float) { return 1.0F / (1.0F + std::exp(-x)); });
}

inline void hard_swish(const float* in, float* out, std::int64_t n, int threads) {
  map_pairs(in, in, out, n, threads, [](float x, float) {
    const float low = x + 3.0F < 0.0F ? 0.0F : x + 3.0F;
    return x * (low > 6.0F ? 6.0F : low) / 6.0F;
  });
}

// out[r][i] = exp(beta * (in[r][i] - max)) / sum, rows of `depth` values.
inline void softmax(const float* in, float* out, std::int64_t rows, std::int64_t depth, float beta, int threads) {
  parallel_for(rows, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* from = in + r * depth;
      float* to = out + r * depth;
      const float largest = *std::max_element(from, from + depth);
      double sum = 0.0;
      for (std::int64_t i = 0; i < depth; ++i) {
        to[i] = std::exp(beta * (from[i] - largest));
        sum += static_cast<double>(to[i]);
      }
      const auto factor = static_cast<float>(1.0 / sum);
      for (std::int64_t i = 0; i < depth; ++i) to[i] *= factor;
    }
  });
}

// to[c] = combine(to[c], from[c]) for `channels` values.
template <class Combine>
void combine_pixel(const float* from, float* to, std::int64_t channels, Combine combine) {
  constexpr std::int64_t piece = 16;
  std::int64_t c = 0;
  for (; c + piece <= channels; c += piece) {
    float values[piece];
    for (std::int64_t j = 0; j < piece; ++j) values[j] = combine(to[c + j], from[c + j]);
    for (std::int64_t j = 0; j < piece; ++j) to[c + j] = values[j];
  }
  for (; c < channels; ++c) to[c] = combine(to[c], from[c]);
}

// Pools over the taps inside the image: starts from `first`, adds pixels by `combine`, ends with finish(value, taps).
template <class Combine, class Finish>
void pool(const ConvGeometry& g, const float* in, float* out, std::int64_t batch, int threads, float first,
          Combine combine, Finish finish) {
  const Window& w = g.window;
  parallel_for(batch * g.out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* image = in + row / g.out_h * g.in_size();
      const std::int64_t top = row % g.out_h * w.stride_h - w.pad_top;
      const std::int64_t y0 = std::max<std::int64_t>(top, 0);
      const std::int64_t y1 = std::min(top + w.kernel_h, g.in_h);
      for (std::int64_t x = 0; x < g.out_w; ++x) {
        float* to = out + (row * g.out_w + x) * g.out_c;
        const std::int64_t left = x * w.stride_w - w.pad_left;
        const std::int64_t x0 = std::max<std::int64_t>(left, 0);
        const std::int64_t x1 = std::min(left + w.kernel_w, g.in_w);
        std::fill_n(to, g.out_c, first);
        for (std::int64_t y = y0; y < y1; ++y)
          for (std::int64_t i = x0; i < x1; ++i) combine_pixel(image + (y * g.in_w + i) * g.in_c, to, g.out_c, combine);
        const auto taps = static_cast<float>((y1 - y0) * (x1 - x0));
        for (std::int64_t c = 0; c < g.out_c; ++c) to[c] = finish(to[c], taps);
      }
    }
  });
}

inline void average_pool(const ConvGeometry& g, const float* in, float* out, std::int64_t batch, Limits limits,
                         int threads) {
  pool(
      g, in, out, batch, threads, 0.0F, [](float a, float b) { return a + b; },
      [=](float sum, float taps) { return limits(sum / taps); });
}

inline void max_pool(const ConvGeometry& g, const float* in, float* out, std::int64_t batch, Limits limits,
                     int threads) {
  pool(
      g, in, out, batch, threads, -std::numeric_limits<float>::infinity(),
      [](float a, float b) { return a < b ? b : a; }, [=](float best, float) { return limits(best); });
}

// The mean over all pixels of an image, in order.
inline void mean(std::int64_t pixels, std::int64_t channels, const float* in, float* out, std::int64_t batch,
                 Limits limits, int threads) {
  constexpr std::int64_t block = 64;
  const std::int64_t blocks = (channels + block - 1) / block;
  parallel_for(batch * blocks, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t c = i % blocks * block;
      const std::int64_t count = std::min(block, channels - c);
      const float* from = in + i / blocks * pixels * channels + c;
      float* to = out + i / blocks * channels + c;
      float sum[block] = {};
      for (std::int64_t p = 0; p < pixels; ++p)
        combine_pixel(from + p * channels, sum, count, [](float a, float b) { return a + b; });
      for (std::int64_t k = 0; k < count; ++k) to[k] = limits(sum[k] / static_cast<float>(pixels));
    }
  });
}

}  // namespace float_ops
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_FLOAT_OPS_HPP_
