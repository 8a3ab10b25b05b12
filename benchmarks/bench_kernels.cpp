// Every distinct layer of MobileNetV2 1.0, 224 x 224, and 0.35, 96 x 96, alone: int8, float32 and dynamic range, on
// each level that this CPU has; on the best level also with two threads and in the tflite_double rounding. int4: 1x1
// layers and the classifier of int8 with weights of 4 bits. int8 layers stand alone; those that run as one with the
// depthwise convolution behind them have a row for both as well ("+depthwise").
//   <level>/<kind>/<network>/<layer>[/2threads][/tflite_double]
// Counters: GMAC/s, of_peak (of the threads' cores), GB/s (activations and constants, each once), and network_us, the
// layer's time times its number of occurrences (their sum is the network's). A row takes at least 0.03 s, or what
// --benchmark_min_time says; --benchmark_filter picks rows.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "network_layers.hpp"
#include "octavo/kernels/quantize.hpp"
#include "octavo/kernels/softmax.hpp"
#include "peak.hpp"

namespace {

using namespace octavo;
using mobilenet::Kind;

struct Network {
  const char* name;
  double alpha;
  std::int64_t size;
};
constexpr Network kNetworks[] = {{"1.0_224", 1.0, 224}, {"0.35_96", 0.35, 96}};

// What a row runs.
struct Setting {
  Isa isa;
  Kind kind;
  Network network;
  Rounding rounding = Rounding::nearest_even_f32;
  int threads = 1;
  bool joined = false;  // of int8: the layers that run as one with another
  [[nodiscard]] bool fuse() const { return kind != Kind::int8 || joined; }
};

// The whole network, prepared once for all rows that need it.
std::shared_ptr<const mobilenet::Prepared> prepared(const Setting& s) {
  static std::map<std::tuple<Isa, Kind, double, Rounding, bool>, std::shared_ptr<const mobilenet::Prepared>> known;
  auto& entry = known[{s.isa, s.kind, s.network.alpha, s.rounding, s.fuse()}];
  if (!entry) {
    force_isa(s.isa);
    entry = std::make_shared<const mobilenet::Prepared>(runtime::prepare(
        mobilenet::make({.kind = s.kind, .alpha = s.network.alpha, .size = s.network.size, .rounding = s.rounding}),
        {.fuse = s.fuse()}));
  }
  return entry;
}

void rate(benchmark::State& state, const char* name, double per_run) {
  state.counters[name] =
      benchmark::Counter(per_run * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void run_layer(benchmark::State& state, const Setting& setting, const mobilenet::Layer& layer) {
  const mobilenet::LayerRun run(prepared(setting), layer.step, setting.threads);
  force_isa(setting.isa);
  run.run();
  for (auto _ : state) run.run();
  const double macs = static_cast<double>(run.step().macs) * 1e-9;
  if (macs > 0) rate(state, "GMAC/s", macs);
  if (const double peak = peak::gmacs(setting.isa, setting.kind == Kind::float32); macs > 0 && peak > 0)
    rate(state, "of_peak", macs / (peak * setting.threads));
  rate(state, "GB/s", static_cast<double>(run.step().bytes) * 1e-9);
  state.counters["network_us"] = benchmark::Counter(static_cast<double>(state.iterations()) / (1e6 * layer.count),
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void run_quantize(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const Grid grid{.scale = 1.0F / 127.5F, .zero_point = 127, .qmin = 0, .qmax = 255};
  AlignedVector<float> in(std::size_t{224} * 224 * 3, 0.3F);
  AlignedVector<std::uint8_t> out(in.size());
  for (auto _ : state) quantize_codes(in.data(), out.data(), static_cast<std::int64_t>(in.size()), grid, Ties::even, 1);
  rate(state, "GB/s", static_cast<double>(in.size()) * 5e-9);
}

void run_softmax(benchmark::State& state, Isa isa) {
  force_isa(isa);
  const QuantizedSoftmax op(1000, make_softmax_stage(Rounding::nearest_even_f32, 0.1F));
  AlignedVector<std::uint8_t> in(1000), out(1000);
  Rng rng(1);
  for (std::uint8_t& code : in) code = static_cast<std::uint8_t>(rng());
  for (auto _ : state) op.run(in.data(), out.data(), 1, 1);
}

void add_layers(const Setting& setting) {
  const auto network = prepared(setting);
  for (const mobilenet::Layer& layer : mobilenet::distinct_layers(*network)) {
    if (setting.joined != network->steps[layer.step].front.has_value()) continue;
    if (setting.kind == Kind::int4 && !layer.name.starts_with("pointwise") && !layer.name.starts_with("dense"))
      continue;
    std::string name = std::string(name_of(setting.isa)) + "/" + mobilenet::name_of(setting.kind) + "/" +
                       setting.network.name + "/" + layer.name;
    if (setting.threads > 1) name += "/" + std::to_string(setting.threads) + "threads";
    if (setting.rounding != Rounding::nearest_even_f32) name += "/" + std::string(name_of(setting.rounding));
    benchmark::RegisterBenchmark(name.c_str(), run_layer, setting, layer)->UseRealTime()->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Isa best = active_isa();
  for (const Isa isa : kAllIsas) {
    if (!cpu_has(isa)) continue;
    for (const Kind kind : {Kind::int8, Kind::float32, Kind::dynamic_range, Kind::int4})
      for (const Network& network : kNetworks) {
        add_layers({isa, kind, network});
        if (kind == Kind::int8) add_layers({.isa = isa, .kind = kind, .network = network, .joined = true});
        if (isa != best) continue;
        add_layers({.isa = isa, .kind = kind, .network = network, .threads = 2});
        if (kind != Kind::int8) continue;
        add_layers({.isa = isa, .kind = kind, .network = network, .threads = 2, .joined = true});
        add_layers({.isa = isa, .kind = kind, .network = network, .rounding = Rounding::tflite_double});
      }
    const std::string level(name_of(isa));
    benchmark::RegisterBenchmark((level + "/quantize_input").c_str(), run_quantize, isa)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((level + "/softmax_1000").c_str(), run_softmax, isa)->Unit(benchmark::kMicrosecond);
  }
  std::string short_rows = "--benchmark_min_time=0.03";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, short_rows.data());  // what the caller says comes later, and holds
  argc = static_cast<int>(arguments.size());
  benchmark::Initialize(&argc, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(argc, arguments.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
