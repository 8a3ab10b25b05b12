// The float kernels of training at MobileNetV2 1.0's shapes (224 x 224, batch 32): matrix products, depthwise
// convolutions, the passes of batch norm. Counters: GMAC/s and share of the measured multiply-add peak, GB/s.
//
// Arguments: the shape, then the number of threads. OCTAVO_ISA picks the level.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "octavo/core/aligned.hpp"
#include "octavo/core/rng.hpp"
#include "octavo/kernels/batch_norm_f32.hpp"
#include "octavo/kernels/depthwise_conv2d_f32.hpp"
#include "octavo/kernels/elementwise_f32.hpp"
#include "octavo/kernels/gemm_f32.hpp"

namespace {

using octavo::AlignedVector;

constexpr std::int64_t kBatch = 32;

struct Pointwise {
  std::int64_t pixels, in_c, out_c;
};
constexpr Pointwise kPointwise[] = {{12544, 32, 16}, {12544, 16, 96}, {3136, 96, 24}, {3136, 24, 144}, {3136, 144, 24},
                                    {784, 144, 32},  {784, 32, 192},  {784, 192, 32}, {196, 192, 64},  {196, 64, 384},
                                    {196, 384, 64},  {196, 384, 96},  {196, 96, 576}, {196, 576, 96},  {49, 576, 160},
                                    {49, 160, 960},  {49, 960, 160},  {49, 960, 320}, {49, 320, 1280}};

struct Depthwise {
  std::int64_t size, channels, stride;
};
constexpr Depthwise kDepthwise[] = {{112, 32, 1}, {112, 96, 2}, {56, 144, 1}, {56, 144, 2}, {28, 192, 1},
                                    {28, 192, 2}, {14, 384, 1}, {14, 576, 1}, {14, 576, 2}, {7, 960, 1}};

AlignedVector<float> random_values(std::int64_t n) {
  octavo::Rng rng(static_cast<std::uint64_t>(n));
  AlignedVector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = rng.uniform(-1.0F, 1.0F);
  return values;
}

// The most multiply-adds a second of one core, as the smallest time of a product that lives in the L1 cache.
double peak_gmacs() {
  static const double peak = [] {
    constexpr std::int64_t m = 14, n = 32, k = 128;
    const AlignedVector<float> a = random_values(m * k), b = random_values(n * k);
    AlignedVector<float> c(m * n), panel(n * k);
    const octavo::detail::GemmLevelF32 level = octavo::detail::gemm_level_f32();
    octavo::detail::GemmBlockF32 block{};
    block.rows = level.rows;
    block.columns = level.columns;
    block.depth = k;
    block.a = a.data(), block.a_row = k;
    level.pack_transposed(b.data(), k, k, level.columns, panel.data());
    block.b = panel.data(), block.b_panel = 0, block.b_depth = level.columns;
    block.c = c.data(), block.ldc = level.columns;
    double best = 1.0;
    for (int run = 0; run < 50; ++run) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 1000; ++i) level.block(block);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return static_cast<double>(1000 * level.rows * level.columns * k) / best / 1e9;
  }();
  return peak;
}

void count_macs(benchmark::State& state, std::int64_t macs, std::int64_t threads) {
  const double per_second = static_cast<double>(macs) * static_cast<double>(state.iterations());
  state.counters["GMAC/s"] = benchmark::Counter(per_second / 1e9, benchmark::Counter::kIsRate);
  state.counters["of_peak"] =
      benchmark::Counter(per_second / 1e9 / peak_gmacs() / static_cast<double>(threads), benchmark::Counter::kIsRate);
}
void count_bytes(benchmark::State& state, std::int64_t bytes) {
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(bytes) * static_cast<double>(state.iterations()) / 1e9, benchmark::Counter::kIsRate);
}

enum class Pass { forward, input_gradient, weight_gradient };

void gemm(benchmark::State& state, Pass pass, Pointwise s, int threads) {
  using octavo::Transpose;
  const std::int64_t m = s.pixels * kBatch, k = s.in_c, n = s.out_c;
  AlignedVector<float> x = random_values(m * k), y = random_values(m * n), w = random_values(n * k);
  octavo::Workspace workspace;
  for ([[maybe_unused]] auto step : state) {
    if (pass == Pass::forward)
      octavo::gemm_f32(Transpose::no, Transpose::yes, m, n, k, x.data(), k, w.data(), k, y.data(), n, false, workspace,
                       threads);
    else if (pass == Pass::input_gradient)
      octavo::gemm_f32(Transpose::no, Transpose::no, m, k, n, y.data(), n, w.data(), k, x.data(), k, false, workspace,
                       threads);
    else
      octavo::gemm_f32(Transpose::yes, Transpose::no, n, k, m, y.data(), n, x.data(), k, w.data(), k, false, workspace,
                       threads);
    benchmark::ClobberMemory();
  }
  count_macs(state, m * n * k, threads);
  count_bytes(state, 4 * (m * k + m * n + n * k));
}

void depthwise(benchmark::State& state, Pass pass, Depthwise s, int threads) {
  octavo::ConvGeometry g;
  g.in_h = g.in_w = s.size;
  g.in_c = g.out_c = s.channels;
  g.out_h = g.out_w = (s.size + s.stride - 1) / s.stride;
  g.window = {3, 3, s.stride, s.stride, 1, 1, s.stride == 1 ? 1 : 0, s.stride == 1 ? 1 : 0};
  AlignedVector<float> x = random_values(kBatch * g.in_size()), y = random_values(kBatch * g.out_size());
  AlignedVector<float> w = random_values(9 * s.channels);
  octavo::Workspace workspace;
  for ([[maybe_unused]] auto step : state) {
    if (pass == Pass::forward)
      octavo::depthwise_conv2d_f32(g, kBatch, x.data(), w.data(), nullptr, y.data(), workspace, threads);
    else if (pass == Pass::input_gradient)
      octavo::depthwise_conv2d_f32_input_gradient(g, kBatch, y.data(), w.data(), x.data(), workspace, threads);
    else
      octavo::depthwise_conv2d_f32_weight_gradient(g, kBatch, x.data(), y.data(), w.data(), nullptr, workspace,
                                                   threads);
    benchmark::ClobberMemory();
  }
  count_macs(state, kBatch * g.out_size() * 9, threads);
  count_bytes(state, 4 * kBatch * (g.in_size() + g.out_size()));
}

enum class ChannelPass { statistics, forward, forward_quantized, backward_sums, backward_input };

void channels(benchmark::State& state, ChannelPass pass, std::int64_t rows, std::int64_t n, int threads) {
  const auto count = static_cast<std::size_t>(n);
  AlignedVector<float> x = random_values(rows * n), y = random_values(rows * n);
  AlignedVector<float> a(count, 1.5F), b(count, 0.1F), c(count), d(count);
  std::vector<double> sum_g(count), sum_gx(count);
  const octavo::Grid grid{6.0F / 255.0F, -128, -128, 127};
  octavo::AffineClamp f{a.data(), b.data(), 0.0F, 6.0F};
  if (pass == ChannelPass::forward_quantized) f.grid = &grid;
  std::int64_t passes = 2;
  for ([[maybe_unused]] auto step : state) {
    switch (pass) {
      case ChannelPass::statistics:
        octavo::channel_statistics_f32(x.data(), rows, n, a.data(), b.data(), c.data(), d.data(), threads);
        passes = 1;
        break;
      case ChannelPass::forward:
      case ChannelPass::forward_quantized:
        octavo::affine_clamp_forward_f32(x.data(), rows, n, f, y.data(), threads);
        break;
      case ChannelPass::backward_sums:
        octavo::affine_clamp_backward_sums_f32(x.data(), y.data(), rows, n, f, sum_g.data(), sum_gx.data(), threads);
        break;
      case ChannelPass::backward_input:
        octavo::affine_clamp_backward_input_f32(x.data(), y.data(), rows, n, f, a.data(), b.data(), c.data(), y.data(),
                                                threads);
        passes = 3;
        break;
    }
    benchmark::ClobberMemory();
  }
  count_bytes(state, 4 * passes * rows * n);
}

void adam(benchmark::State& state, std::int64_t n, int threads) {
  AlignedVector<float> p = random_values(n), g = random_values(n), m = random_values(n), v(p.size(), 1.0F);
  for ([[maybe_unused]] auto step : state) {
    octavo::adam_update_f32(p.data(), g.data(), m.data(), v.data(), n, 1e-3F, 0.9F, 0.999F, 1e-7F, 0.0F, threads);
    benchmark::ClobberMemory();
  }
  count_bytes(state, 4 * 7 * n);
}

std::string text(std::int64_t number) { return std::to_string(number); }

const int kRegistered = [] {
  const auto prepare = [](benchmark::internal::Benchmark* b) { b->Unit(benchmark::kMillisecond)->UseRealTime(); };
  const std::pair<Pass, std::string> passes[] = {
      {Pass::forward, "forward"}, {Pass::input_gradient, "input_gradient"}, {Pass::weight_gradient, "weight_gradient"}};
  for (const int threads : {1, octavo::default_threads()}) {
    const std::string suffix = "/threads:" + text(threads);
    for (const auto& [pass, name] : passes) {
      for (const Pointwise& s : kPointwise)
        prepare(benchmark::RegisterBenchmark(
            ("gemm/" + name + "/" + text(s.pixels) + "x" + text(s.in_c) + "x" + text(s.out_c) + suffix).c_str(),
            [pass = pass, s, threads](benchmark::State& state) { gemm(state, pass, s, threads); }));
      for (const Depthwise& s : kDepthwise)
        prepare(benchmark::RegisterBenchmark(
            ("depthwise/" + name + "/" + text(s.size) + "x" + text(s.channels) + "s" + text(s.stride) + suffix).c_str(),
            [pass = pass, s, threads](benchmark::State& state) { depthwise(state, pass, s, threads); }));
    }
    const std::pair<ChannelPass, std::string> channel_passes[] = {{ChannelPass::statistics, "statistics"},
                                                                  {ChannelPass::forward, "forward"},
                                                                  {ChannelPass::forward_quantized, "forward_quantized"},
                                                                  {ChannelPass::backward_sums, "backward_sums"},
                                                                  {ChannelPass::backward_input, "backward_input"}};
    for (const auto& [pass, name] : channel_passes)
      for (const auto& [pixels, n] : {std::pair<std::int64_t, std::int64_t>{12544, 96}, {3136, 24}, {196, 576}})
        prepare(benchmark::RegisterBenchmark(
            ("batch_norm/" + name + "/" + text(pixels) + "x" + text(n) + suffix).c_str(),
            [pass = pass, rows = pixels * kBatch, n = n, threads](benchmark::State& state) {
              channels(state, pass, rows, n, threads);
            }));
    prepare(benchmark::RegisterBenchmark(("adam/2257984" + suffix).c_str(),
                                         [threads](benchmark::State& state) { adam(state, 2257984, threads); }));
    if (octavo::default_threads() == 1) break;
  }
  return 0;
}();

}  // namespace
