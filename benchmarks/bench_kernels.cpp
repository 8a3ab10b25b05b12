// The int8 kernels at the distinct layer shapes of MobileNetV2 1.0, 224 x 224, on each level that this CPU has.
// Counters: GMAC/s, of_peak (of the threads' cores), and network_us, the layer's time times its number of occurrences
// (their sum is the network's).
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/kernels/add.hpp"
#include "octavo/kernels/conv2d.hpp"
#include "octavo/kernels/depthwise_conv2d.hpp"
#include "octavo/kernels/pool.hpp"
#include "octavo/kernels/quantize.hpp"
#include "octavo/kernels/softmax.hpp"
#include "peak.hpp"

namespace {

using namespace octavo;

struct Layer {
  const char* kind;   // conv, pointwise, depthwise, dense
  std::int64_t size;  // input height and width
  std::int64_t in_c, out_c, kernel, stride;
  int count;
};

constexpr Layer kLayers[] = {
    {"conv", 224, 3, 32, 3, 2, 1},        {"pointwise", 112, 32, 16, 1, 1, 1},  {"pointwise", 112, 16, 96, 1, 1, 1},
    {"pointwise", 56, 96, 24, 1, 1, 1},   {"pointwise", 56, 24, 144, 1, 1, 2},  {"pointwise", 56, 144, 24, 1, 1, 1},
    {"pointwise", 28, 144, 32, 1, 1, 1},  {"pointwise", 28, 32, 192, 1, 1, 3},  {"pointwise", 28, 192, 32, 1, 1, 2},
    {"pointwise", 14, 192, 64, 1, 1, 1},  {"pointwise", 14, 64, 384, 1, 1, 4},  {"pointwise", 14, 384, 64, 1, 1, 3},
    {"pointwise", 14, 384, 96, 1, 1, 1},  {"pointwise", 14, 96, 576, 1, 1, 3},  {"pointwise", 14, 576, 96, 1, 1, 2},
    {"pointwise", 7, 576, 160, 1, 1, 1},  {"pointwise", 7, 160, 960, 1, 1, 3},  {"pointwise", 7, 960, 160, 1, 1, 2},
    {"pointwise", 7, 960, 320, 1, 1, 1},  {"pointwise", 7, 320, 1280, 1, 1, 1}, {"depthwise", 112, 32, 32, 3, 1, 1},
    {"depthwise", 112, 96, 96, 3, 2, 1},  {"depthwise", 56, 144, 144, 3, 1, 1}, {"depthwise", 56, 144, 144, 3, 2, 1},
    {"depthwise", 28, 192, 192, 3, 1, 2}, {"depthwise", 28, 192, 192, 3, 2, 1}, {"depthwise", 14, 384, 384, 3, 1, 4},
    {"depthwise", 14, 576, 576, 3, 1, 2}, {"depthwise", 14, 576, 576, 3, 2, 1}, {"depthwise", 7, 960, 960, 3, 1, 3},
    {"dense", 1, 1280, 1000, 1, 1, 1},
};

ConvGeometry geometry_of(const Layer& layer) {
  ConvGeometry g;
  g.in_h = g.in_w = layer.size;
  g.in_c = layer.in_c;
  g.out_h = g.out_w = (layer.size + layer.stride - 1) / layer.stride;
  g.out_c = layer.out_c;
  g.window = {.kernel_h = layer.kernel, .kernel_w = layer.kernel, .stride_h = layer.stride, .stride_w = layer.stride};
  g.window.pad_top = g.window.pad_left = layer.kernel == 3 && layer.stride == 1 ? 1 : 0;
  return g;
}

OutputStage relu6_stage(Rounding rounding, std::int64_t channels, std::int64_t taps) {
  const std::vector<float> scale(static_cast<std::size_t>(channels), 0.02F / static_cast<float>(taps));
  return make_output_stage(rounding, 0.05F, scale, {.scale = 0.0235F, .zero_point = 0, .qmin = 0, .qmax = 255},
                           {0, 255});
}

void finish(benchmark::State& state, std::int64_t macs, int count, int threads = 1) {
  const auto runs = static_cast<double>(state.iterations());
  const double done = static_cast<double>(macs) * runs * 1e-9;
  if (macs > 0) state.counters["GMAC/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  if (const double peak = peak::gmacs(active_isa()); macs > 0 && peak > 0)
    state.counters["of_peak"] = benchmark::Counter(done / (peak * threads), benchmark::Counter::kIsRate);
  state.counters["network_us"] =
      benchmark::Counter(runs / (1e6 * count), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void run_layer(benchmark::State& state, Layer layer, Isa isa, Rounding rounding, int threads) {
  force_isa(isa);
  const ConvGeometry g = geometry_of(layer);
  const bool depthwise = std::string_view(layer.kind) == "depthwise";
  const std::int64_t taps = layer.kernel * layer.kernel * (depthwise ? 1 : layer.in_c);
  Rng rng(1);
  AlignedVector<std::uint8_t> in(static_cast<std::size_t>(g.in_size())), out(static_cast<std::size_t>(g.out_size()));
  for (std::uint8_t& code : in) code = static_cast<std::uint8_t>(rng());
  std::vector<std::int8_t> weights(static_cast<std::size_t>(taps * layer.out_c));
  for (std::int8_t& weight : weights) weight = static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127);
  const std::vector<std::int32_t> bias(static_cast<std::size_t>(layer.out_c), 100);
  const OutputStage stage = relu6_stage(rounding, layer.out_c, taps);
  if (depthwise) {
    const QuantizedDepthwiseConv2d op(g, weights, bias, 0, stage);
    for (auto _ : state) op.run(in.data(), out.data(), 1, threads);
    finish(state, op.macs(), layer.count, threads);
  } else {
    const QuantizedConv2d op(g, weights, bias, 0, stage);
    AlignedVector<std::byte> scratch(op.scratch_bytes(threads));
    for (auto _ : state) op.run(in.data(), out.data(), 1, threads, scratch);
    finish(state, op.macs(), layer.count, threads);
  }
}

void run_add(benchmark::State& state, Isa isa, std::int64_t n, int count, Rounding rounding) {
  force_isa(isa);
  const Grid a{.scale = 0.04F, .zero_point = 120, .qmin = 0, .qmax = 255};
  const Grid b{.scale = 0.03F, .zero_point = 130, .qmin = 0, .qmax = 255};
  const Grid c{.scale = 0.05F, .zero_point = 125, .qmin = 0, .qmax = 255};
  const QuantizedAdd op(make_add_stage(rounding, a, b, c, {0, 255}));
  AlignedVector<std::uint8_t> x(static_cast<std::size_t>(n), 17), y(static_cast<std::size_t>(n), 200), z(x.size());
  for (auto _ : state) op.run(x.data(), y.data(), z.data(), n, 1);
  finish(state, 0, count);
}

void run_mean(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const Grid grid{.scale = 0.0235F, .zero_point = 0, .qmin = 0, .qmax = 255};
  const QuantizedGlobalAveragePool op(49, 1280, 0,
                                      make_mean_stage(Rounding::nearest_even_f32, grid, grid, {0, 255}, 49));
  AlignedVector<std::uint8_t> in(49 * 1280, 17), out(1280);
  for (auto _ : state) op.run(in.data(), out.data(), 1, 1);
  finish(state, 0, 1);
}

void run_quantize(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const Grid grid{.scale = 1.0F / 127.5F, .zero_point = 127, .qmin = 0, .qmax = 255};
  AlignedVector<float> in(224 * 224 * 3, 0.3F);
  AlignedVector<std::uint8_t> out(in.size());
  for (auto _ : state) quantize_codes(in.data(), out.data(), static_cast<std::int64_t>(in.size()), grid, Ties::even, 1);
  finish(state, 0, 1);
}

void run_softmax(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const QuantizedSoftmax op(1000, make_softmax_stage(Rounding::nearest_even_f32, 0.1F));
  AlignedVector<std::uint8_t> in(1000), out(1000);
  Rng rng(1);
  for (std::uint8_t& code : in) code = static_cast<std::uint8_t>(rng());
  for (auto _ : state) op.run(in.data(), out.data(), 1, 1);
  finish(state, 0, 1);
}

std::string name_of_layer(const Layer& layer) {
  return std::string(layer.kind) + "_" + std::to_string(layer.size) + "x" + std::to_string(layer.size) + "x" +
         std::to_string(layer.in_c) + "_to_" + std::to_string(layer.out_c) + (layer.stride > 1 ? "_s2" : "");
}

}  // namespace

int main(int argc, char** argv) {
  for (const Isa isa : kAllIsas) {
    if (!cpu_has(isa)) continue;
    const std::string level(name_of(isa));
    for (const Layer& layer : kLayers) {
      const auto add = [&](const std::string& suffix, Rounding rounding, int threads) {
        benchmark::RegisterBenchmark((level + "/" + name_of_layer(layer) + suffix).c_str(), run_layer, layer, isa,
                                     rounding, threads)
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      };
      add("", Rounding::nearest_even_f32, 1);
      add("/2threads", Rounding::nearest_even_f32, 2);
      add("/tflite_double", Rounding::tflite_double, 1);
    }
    constexpr struct {
      std::int64_t n;
      int count;
    } sums[] = {{56 * 56 * 24, 1}, {28 * 28 * 32, 2}, {14 * 14 * 64, 3}, {14 * 14 * 96, 2}, {7 * 7 * 160, 2}};
    for (const auto& sum : sums) {
      const std::string name = level + "/add_" + std::to_string(sum.n);
      benchmark::RegisterBenchmark(name.c_str(), run_add, isa, sum.n, sum.count, Rounding::nearest_even_f32)
          ->Unit(benchmark::kMicrosecond);
      benchmark::RegisterBenchmark((name + "/tflite_double").c_str(), run_add, isa, sum.n, sum.count,
                                   Rounding::tflite_double)
          ->Unit(benchmark::kMicrosecond);
    }
    benchmark::RegisterBenchmark((level + "/global_average_pool").c_str(), run_mean, isa)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((level + "/quantize_input").c_str(), run_quantize, isa)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((level + "/softmax_1000").c_str(), run_softmax, isa)->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
