// Whole networks: MobileNetV2 in float32, int8 and with dynamic range, by width, resolution, batch and threads, on the
// best level and the weaker ones. Counters: GMAC/s, share of the measured peak of all threads' cores, images a second.
// `bench_model --profile [int8|float32|dynamic_range] [threads]` prints the layers of the 1.0/224 network instead.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "mobilenet_program.hpp"
#include "octavo/runtime/model.hpp"
#include "peak.hpp"

namespace {

using mobilenet::Kind;
using octavo::Isa;
using octavo::runtime::Model;

const char* name_of(Kind kind) {
  return kind == Kind::float32 ? "float32" : kind == Kind::int8 ? "int8" : "dynamic_range";
}

// A model's buffers, filled with noise.
struct Runner {
  Runner(const mobilenet::Config& config, std::int64_t batch, int threads)
      : model(mobilenet::make(config), {.threads = threads, .max_batch = batch}), codes(config.kind == Kind::int8) {
    octavo::Rng rng(2);
    const auto in = static_cast<std::size_t>(batch * model.input().shape.size());
    const auto out = static_cast<std::size_t>(batch * model.output().shape.size());
    code_in.resize(in), code_out.resize(out), real_in.resize(in), real_out.resize(out);
    for (std::size_t i = 0; i < in; ++i) {
      code_in[i] = static_cast<std::int8_t>(rng.below(256));
      real_in[i] = rng.uniform(-1.0F, 1.0F);
    }
  }
  void run() {
    if (codes)
      model.run(code_in, code_out);
    else
      model.run(real_in, real_out);
  }

  Model model;
  bool codes;
  std::vector<std::int8_t> code_in, code_out;
  std::vector<float> real_in, real_out;
};

void run_model(benchmark::State& state, Isa isa, mobilenet::Config config, std::int64_t batch, int threads) {
  octavo::force_isa(isa);
  Runner runner(config, batch, threads);
  runner.run();
  for (auto step : state) runner.run();
  const octavo::runtime::ModelInfo info = runner.model.info();
  const double done = static_cast<double>(info.macs * batch) * static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GMAC/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(batch * state.iterations()), benchmark::Counter::kIsRate);
  if (const double peak = peak::gmacs(isa, config.kind == Kind::float32); peak > 0)
    state.counters["of_peak"] = benchmark::Counter(done / (peak * threads), benchmark::Counter::kIsRate);
  state.counters["arena_MB"] = static_cast<double>(info.arena_bytes) * 1e-6;
}

void load_model(benchmark::State& state, mobilenet::Config config) {
  const octavo::runtime::Program program = mobilenet::make(config);
  for (auto step : state) {
    Model model(program, {.threads = 1});
    benchmark::DoNotOptimize(&model);
  }
}

void add(Isa isa, const mobilenet::Config& config, std::int64_t batch, int threads) {
  char name[160];
  std::snprintf(name, sizeof name, "%s/%s/alpha:%.2f/size:%d/batch:%d/threads:%d", octavo::name_of(isa).data(),
                name_of(config.kind), config.alpha, static_cast<int>(config.size), static_cast<int>(batch), threads);
  benchmark::RegisterBenchmark(name, run_model, isa, config, batch, threads)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

int profile(Kind kind, int threads) {
  Runner runner({.kind = kind}, 1, threads);
  const octavo::runtime::ConstBuffer input =
      kind == Kind::int8 ? octavo::runtime::ConstBuffer(std::span<const std::int8_t>(runner.code_in))
                         : octavo::runtime::ConstBuffer(std::span<const float>(runner.real_in));
  octavo::runtime::Profile profile = runner.model.profile(std::span(&input, 1), 300);
  profile.peak_gmacs = peak::gmacs(octavo::active_isa(), kind == Kind::float32);
  std::fputs(profile.to_table().c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--profile") == 0) {
    Kind kind = Kind::int8;
    for (const Kind other : {Kind::float32, Kind::dynamic_range})
      if (argc > 2 && std::strcmp(argv[2], name_of(other)) == 0) kind = other;
    return profile(kind, argc > 3 ? std::atoi(argv[3]) : 1);
  }
  const Isa best = octavo::active_isa();
  for (const Kind kind : {Kind::int8, Kind::float32, Kind::dynamic_range}) {
    for (const int threads : {1, 2}) {
      for (const double alpha : {0.35, 0.5, 0.75, 1.0, 1.3, 1.4}) add(best, {.kind = kind, .alpha = alpha}, 1, threads);
      for (const std::int64_t size : {96, 128, 160, 192}) add(best, {.kind = kind, .size = size}, 1, threads);
      add(best, {.kind = kind, .alpha = 0.35, .size = 96}, 1, threads);
      for (const std::int64_t batch : {4, 32}) add(best, {.kind = kind}, batch, threads);
    }
    for (const Isa isa : octavo::kAllIsas)
      if (isa != best && octavo::cpu_has(isa)) add(isa, {.kind = kind}, 1, 1);
    benchmark::RegisterBenchmark((std::string("prepare/") + name_of(kind)).c_str(), load_model,
                                 mobilenet::Config{.kind = kind})
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
