// tests/fuzz/kernels_target.hpp: one int8 kernel call made of bytes: operator, shape, codes, parameters; computed at
// each instruction-set level and compared with the reference.
#ifndef OCTAVO_TESTS_FUZZ_KERNELS_TARGET_HPP_
#define OCTAVO_TESTS_FUZZ_KERNELS_TARGET_HPP_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include "../kernels/int8_support.hpp"
#include "octavo/kernels/add.hpp"
#include "octavo/kernels/conv2d.hpp"
#include "octavo/kernels/conv_depthwise.hpp"
#include "octavo/kernels/dense.hpp"
#include "octavo/kernels/depthwise_conv2d.hpp"
#include "octavo/kernels/pool.hpp"
#include "octavo/kernels/reference/conv2d.hpp"
#include "octavo/kernels/reference/elementwise.hpp"
#include "octavo/kernels/reference/pool.hpp"
#include "octavo/kernels/reference/resize.hpp"
#include "octavo/kernels/resize.hpp"

namespace fuzz {

using namespace int8_test;

// What a call is made of: the given bytes, and when they are used up, numbers drawn from a seed that follows from them.
class Source {
 public:
  explicit Source(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001B3U;
    rng_ = Rng(hash);
  }
  [[nodiscard]] std::uint8_t byte() {
    return at_ < bytes_.size() ? bytes_[at_++] : static_cast<std::uint8_t>(rng_.below(256));
  }
  // Uniform in [low, high], high - low < 65536.
  [[nodiscard]] std::int64_t within(std::int64_t low, std::int64_t high) {
    const std::int64_t drawn = byte() + 256 * byte();
    return low + drawn % (high - low + 1);
  }
  // Usually small, at times beyond the widest tile.
  [[nodiscard]] std::int64_t size(std::int64_t usual, std::int64_t rare) {
    return byte() % 8 == 0 ? within(1, rare) : within(1, usual);
  }
  [[nodiscard]] Rng& rng() { return rng_; }  // for what has too many numbers to be worth bytes

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  Rng rng_{0};
};

// Uniform codes, or one of three kinds of extremes; `bits` are those of weights.
template <class Code>
void fill(Exact<Code>& values, Source& source, int pattern, WeightBits bits = WeightBits::eight) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint8_t drawn = source.byte();
    const auto raw = static_cast<std::uint8_t>(pattern == 0   ? drawn
                                               : pattern == 1 ? (drawn & 1U) * 255U
                                               : pattern == 2 ? 0U
                                                              : 255U);
    values[i] = static_cast<Code>(std::is_signed_v<Code> ? raw ^ 0x80 : raw);
    if (bits == WeightBits::four) values[i] = static_cast<Code>(values[i] >> 4);
  }
}
inline WeightBits any_bits(Source& source) { return source.byte() % 3 == 0 ? WeightBits::four : WeightBits::eight; }

struct Numbers {
  Rounding rounding;
  int pattern;
  int stage;
  std::int64_t batch;
  int threads;
  explicit Numbers(Source& s)
      : rounding(kAllRoundings[s.within(0, 2)]),
        pattern(s.byte() % 4 != 0 ? 0 : static_cast<int>(s.within(1, 3))),
        stage(static_cast<int>(s.within(0, 3))),
        batch(s.size(1, 3)),
        threads(s.byte() % 4 != 0 ? 1 : static_cast<int>(s.within(2, 3))) {}
};

// Compares run(out) at each level with `expected`. Returns the number of levels, or -1 at a difference.
template <class Run>
int compare(const Exact<std::uint8_t>& expected, Run run) {
  int levels_run = 0;
  bool same = true;
  at_each_level([&](Isa isa) {
    Exact<std::uint8_t> out(static_cast<std::int64_t>(expected.size()));
    out.fill(77);
    run(out.data());
    ++levels_run;
    if (!(out == expected)) std::printf("%s differs from the reference\n", std::string(name_of(isa)).c_str());
    same = same && out == expected;
  });
  return same ? levels_run : -1;
}

inline ConvGeometry any_geometry(Source& s, bool depthwise) {
  ConvGeometry g;
  g.groups = !depthwise && s.byte() % 8 == 0 ? s.within(2, 4) : 1;
  g.in_c = g.groups * s.size(depthwise ? 40 : 20, depthwise ? 200 : 90);
  g.out_c = depthwise ? g.in_c * (s.byte() % 8 == 0 ? s.within(2, 3) : 1) : g.groups * s.size(36, 100);
  g.in_h = s.size(6, 12);
  g.in_w = s.size(8, 34);
  Window& w = g.window;
  const bool usual = s.byte() % 2 == 0;  // square, as in networks
  w.kernel_h = usual ? 3 : s.within(1, 5);
  w.kernel_w = usual ? 3 : s.within(1, 5);
  w.stride_h = s.within(1, usual ? 2 : 3);
  w.stride_w = usual ? w.stride_h : s.within(1, 3);
  w.dilation_h = usual ? 1 : s.within(1, 2);
  w.dilation_w = usual ? 1 : s.within(1, 2);
  w.pad_top = s.within(0, w.kernel_h);
  w.pad_left = s.within(0, w.kernel_w);
  g.out_h = s.size(4, 8);
  g.out_w = s.size(6, 32);
  return g;
}

template <bool Depthwise>
int convolution(Source& s) {
  ConvGeometry g = any_geometry(s, Depthwise);
  if (!Depthwise && s.byte() % 2 == 0) {  // pointwise: a plain matrix product
    g.window = {};
    g.groups = 1;
    g.out_h = g.in_h;
    g.out_w = g.in_w;
  }
  if (!Depthwise && s.byte() % 4 == 0) {  // sizes that kernels have tiles for
    const std::int64_t inputs[] = {3, 16, 24, 32}, outputs[] = {16, 32, 48, 64, 96, 112};
    g.groups = 1;
    g.in_c = inputs[s.within(0, 3)];
    g.out_c = outputs[s.within(0, 5)];
  }
  const Numbers n(s);
  const std::int64_t taps = g.window.kernel_h * g.window.kernel_w * (Depthwise ? 1 : g.in_c / g.groups);
  Exact<std::int8_t> weights(g.out_c * taps);
  Exact<std::int32_t> bias(s.byte() % 4 == 0 ? 0 : g.out_c);
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(s.within(-20000, 20000));
  const auto zero_point = static_cast<std::int32_t>(n.pattern == 0 ? s.byte() : s.byte() % 2 * 255);
  const WeightBits bits = Depthwise ? WeightBits::eight : any_bits(s);
  const OutputStage stage = random_stage(n.rounding, g.out_c, taps, n.stage, s.rng(), bits);
  Exact<std::uint8_t> in(n.batch * g.in_size()), expected(n.batch * g.out_size());
  fill(in, s, n.pattern);
  fill(weights, s, n.pattern == 0 ? 0 : static_cast<int>(s.within(0, 3)), bits);
  const std::int32_t* biases = bias.size() == 0 ? nullptr : bias.data();
  if constexpr (Depthwise) {
    reference::depthwise_conv2d(g, in.data(), expected.data(), n.batch, weights.data(), biases, zero_point, stage);
    const QuantizedDepthwiseConv2d conv(g, weights.span(), bias.span(), zero_point, stage);
    return compare(expected, [&](std::uint8_t* out) {
      Scratch scratch(conv.scratch_bytes(n.threads));
      conv.run(in.data(), out, n.batch, n.threads, scratch.span());
    });
  } else {
    reference::conv2d(g, in.data(), expected.data(), n.batch, weights.data(), biases, zero_point, stage);
    const QuantizedConv2d conv(g, weights.span(), bias.span(), zero_point, stage, "conv2d", bits);
    return compare(expected, [&](std::uint8_t* out) {
      Scratch scratch(conv.scratch_bytes(n.threads));
      conv.run(in.data(), out, n.batch, n.threads, scratch.span());
    });
  }
}

// A convolution and the depthwise one behind it, as one kernel.
inline int joined(Source& s) {
  ConvGeometry f = any_geometry(s, false);
  f.groups = 1;
  f.out_c = 16 * s.size(6, 14);
  if (s.byte() % 4 == 0) {
    f.in_c = 3;
    f.window.kernel_h = f.window.kernel_w = 3;
    f.window.dilation_h = f.window.dilation_w = 1;
  } else {
    f.in_c = 4 * s.size(9, 30);
    f.window = {};
    f.out_h = f.in_h;
    f.out_w = f.in_w;
  }
  ConvGeometry d = any_geometry(s, true);
  d.in_h = f.out_h;
  d.in_w = f.out_w;
  d.in_c = d.out_c = f.out_c;
  d.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = s.within(1, 2)};
  d.window.stride_w = d.window.stride_h;
  d.window.pad_top = s.within(0, 1);
  d.window.pad_left = s.within(0, 1);
  d.out_h = std::min(d.out_h, (d.in_h - 1 + d.window.pad_top) / d.window.stride_h + 1);
  d.out_w = std::min(d.out_w, (d.in_w - 1 + d.window.pad_left) / d.window.stride_w + 1);
  const Numbers n(s);
  const std::int64_t products = f.window.kernel_h * f.window.kernel_w * f.in_c;
  Exact<std::int8_t> front_weights(f.out_c * products), weights(9 * d.out_c);
  Exact<std::int32_t> bias(d.out_c);
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(s.within(-20000, 20000));
  const std::int32_t zero_point = s.byte();
  OutputStage between = random_stage(n.rounding, f.out_c, products, n.stage, s.rng());
  between.min = std::min(between.min, between.zero_point);
  between.max = std::max(between.max, between.zero_point);
  const OutputStage stage = random_stage(n.rounding, d.out_c, 9, static_cast<int>(s.within(0, 3)), s.rng());
  Exact<std::uint8_t> in(n.batch * f.in_size()), middle(n.batch * f.out_size()), expected(n.batch * d.out_size());
  fill(in, s, n.pattern);
  fill(front_weights, s, n.pattern == 0 ? 0 : static_cast<int>(s.within(0, 3)));
  fill(weights, s, n.pattern);
  const QuantizedConvDepthwise both({f, front_weights.span(), bias.span(), zero_point, &between, "front"},
                                    {d, weights.span(), bias.span(), between.zero_point, &stage, "depthwise"});
  reference::conv2d(f, in.data(), middle.data(), n.batch, front_weights.data(), bias.data(), zero_point, between);
  reference::depthwise_conv2d(d, middle.data(), expected.data(), n.batch, weights.data(), bias.data(),
                              between.zero_point, stage);
  return compare(expected, [&](std::uint8_t* out) {
    Scratch scratch(both.scratch_bytes(n.threads));
    both.run(in.data(), out, n.batch, n.threads, scratch.span());
  });
}

inline int dense(Source& s) {
  const std::int64_t in_c = s.size(40, 300), out_c = s.size(40, 150), rows = s.size(3, 20);
  const Numbers n(s);
  Exact<std::int8_t> weights(in_c * out_c);
  Exact<std::int32_t> bias(out_c);
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<std::int32_t>(s.within(-20000, 20000));
  const std::int32_t zero_point = s.byte();
  const WeightBits bits = any_bits(s);
  const OutputStage stage = random_stage(n.rounding, out_c, in_c, n.stage, s.rng(), bits);
  Exact<std::uint8_t> in(rows * in_c), expected(rows * out_c);
  fill(in, s, n.pattern);
  fill(weights, s, n.pattern, bits);
  reference::dense(in_c, out_c, in.data(), expected.data(), rows, weights.data(), bias.data(), zero_point, stage);
  const QuantizedDense kernel(in_c, out_c, weights.span(), bias.span(), zero_point, stage, "dense", bits);
  return compare(expected, [&](std::uint8_t* out) {
    Scratch scratch(kernel.scratch_bytes(n.threads));
    kernel.run(in.data(), out, rows, n.threads, scratch.span());
  });
}

inline Grid any_grid(Source& s) {
  const auto scale = static_cast<float>(s.within(1, 4000)) * 1e-3F;
  return {scale, s.byte(), 0, 255};
}
inline CodeLimits any_limits(Source& s) {
  const std::int32_t a = s.byte(), b = s.byte();
  return s.byte() % 2 == 0 ? CodeLimits{0, 255} : CodeLimits{std::min(a, b), std::max(a, b)};
}

inline int pooling(Source& s) {
  ConvGeometry g = any_geometry(s, true);
  g.out_c = g.in_c;
  g.window.dilation_h = g.window.dilation_w = 1;
  const Numbers n(s);
  const CodeLimits limits = any_limits(s);
  const Grid grid = any_grid(s);
  const Grid out_grid = n.rounding == Rounding::nearest_even_f32 ? any_grid(s) : grid;
  Exact<std::uint8_t> in(n.batch * g.in_size());
  fill(in, s, n.pattern);
  const std::int64_t kind = s.within(0, 2);
  Exact<std::uint8_t> expected(n.batch * (kind == 0 ? g.in_c : g.out_size()));
  if (kind == 0) {
    const std::int64_t pixels = g.in_h * g.in_w;
    const OutputStage stage = make_mean_stage(n.rounding, grid, any_grid(s), limits, pixels);
    reference::mean(pixels, g.in_c, in.data(), expected.data(), n.batch, grid.zero_point, stage);
    const QuantizedGlobalAveragePool pool(pixels, g.in_c, grid.zero_point, stage);
    return compare(expected, [&](std::uint8_t* out) { pool.run(in.data(), out, n.batch, n.threads); });
  }
  if (kind == 1) {
    const AverageStage stage =
        make_average_stage(n.rounding, grid, out_grid, limits, g.window.kernel_h * g.window.kernel_w);
    const QuantizedAveragePool2d pool(g, stage);  // refuses a window outside the image, which has no average
    reference::average_pool2d(g, in.data(), expected.data(), n.batch, stage);
    return compare(expected, [&](std::uint8_t* out) { pool.run(in.data(), out, n.batch, n.threads); });
  }
  const QuantizedMaxPool2d pool(g, limits);
  reference::max_pool2d(g, in.data(), expected.data(), n.batch, limits);
  return compare(expected, [&](std::uint8_t* out) { pool.run(in.data(), out, n.batch, n.threads); });
}

inline int resizing(Source& s) {
  const int centers = static_cast<int>(s.within(0, 2));
  const ResizeGeometry g{s.size(6, 12),   s.size(8, 34), s.size(12, 30), s.size(16, 60),
                         s.size(40, 200), centers == 1,  centers == 2};
  const Numbers n(s);
  Exact<std::uint8_t> in(n.batch * g.in_h * g.in_w * g.channels), expected(n.batch * g.out_h * g.out_w * g.channels);
  fill(in, s, n.pattern);
  if (s.byte() % 4 == 0) {
    reference::resize_nearest(g, in.data(), expected.data(), n.batch);
    const ResizeNearest resize(g);
    return compare(expected, [&](std::uint8_t* out) { resize.run(in.data(), out, n.batch, n.threads); });
  }
  reference::resize_bilinear(g, in.data(), expected.data(), n.batch, n.rounding);
  const QuantizedResizeBilinear resize(g, n.rounding);
  return compare(expected, [&](std::uint8_t* out) { resize.run(in.data(), out, n.batch, n.threads); });
}

inline int pair(Source& s) {
  const Numbers numbers(s);
  const std::int64_t n = s.size(100, 9000);
  const Grid a = any_grid(s), b = any_grid(s), to = any_grid(s);
  const CodeLimits limits = any_limits(s);
  Exact<std::uint8_t> x(n), y(n), expected(n);
  fill(x, s, numbers.pattern);
  fill(y, s, static_cast<int>(s.within(0, 3)));
  AddStage stage = make_add_stage(numbers.rounding, a, b, to, limits);
  stage.subtract = s.byte() % 4 == 0;
  const QuantizedAdd add(stage);
  reference::add(x.data(), y.data(), expected.data(), n, stage);
  return compare(expected, [&](std::uint8_t* out) { add.run(x.data(), y.data(), out, n, numbers.threads); });
}

// Returns how many levels gave the reference's bytes, 0 where the library refuses the parameters, -1 at a difference.
inline int kernel_call(std::span<const std::uint8_t> bytes) {
  Source s(bytes);
  try {
    switch (s.within(0, 10)) {
      case 0:
      case 1:
      case 2:
        return convolution<false>(s);
      case 3:
      case 4:
        return convolution<true>(s);
      case 5:
        return dense(s);
      case 6:
        return pooling(s);
      case 7:
        return resizing(s);
      case 8:
      case 9:
        return joined(s);
      default:
        return pair(s);
    }
  } catch (const Error&) {
    return 0;
  }
}

}  // namespace fuzz

#endif  // OCTAVO_TESTS_FUZZ_KERNELS_TARGET_HPP_
