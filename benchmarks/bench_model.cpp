// Whole networks: MobileNetV2 in float32, int8 and with dynamic range, by width, resolution, batch and threads, on the
// best level and the weaker ones. Counters: GMAC/s, share of the measured peak of all threads' cores, images a second.
// "first_result": a program that starts, loads the 1.0/224 network from its folder and has the first result; counters:
// milliseconds of loading, and megabytes: the file, what Model::info says, and what the process's peak rose by.
// `bench_model --profile [int8|float32|dynamic_range] [threads] [file.html|file.json]` shows the layers of that network
// instead.
#include <benchmark/benchmark.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "mobilenet_program.hpp"
#include "octavo/io/manifest.hpp"
#include "octavo/report/profile_report.hpp"
#include "octavo/runtime/model.hpp"
#include "peak.hpp"

namespace {

using mobilenet::Kind;
using octavo::Isa;
using octavo::runtime::Model;

// A model's buffers, filled with noise.
struct Runner {
  Runner(const mobilenet::Config& config, std::int64_t batch, int threads)
      : model(mobilenet::make(config), {.threads = threads, .max_batch = batch}), codes(has_codes(config.kind)) {
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

void prepare_model(benchmark::State& state, mobilenet::Config config) {
  const octavo::runtime::Program program = mobilenet::make(config);
  for (auto step : state) {
    Model model(program, {.threads = 1});
    benchmark::DoNotOptimize(&model);
  }
}

// What a process of its own measured.
struct FirstResult {
  double load_ms = 0.0, total_ms = 0.0;
  double packed = 0.0, arena = 0.0, peak = 0.0;  // bytes
};

FirstResult first_result(const std::string& folder, int threads) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  // The caller's image and scores are his own: room for them is there before.
  std::vector<float> values(3 * 224 * 224 + 1024, 0.5F);
  const auto before = static_cast<double>(octavo::report::resident_memory().now);
  const auto start = Clock::now();
  const Model model = octavo::load(folder, {.model = {.threads = threads}});
  FirstResult result;
  result.load_ms = since(start);
  const auto in = static_cast<std::size_t>(model.input().shape.size());
  const auto out = static_cast<std::size_t>(model.output().shape.size());
  if (in + out > values.size()) values.resize(in + out);
  if (model.input().dtype == octavo::runtime::DType::i8) {
    auto* const codes = reinterpret_cast<std::int8_t*>(values.data());
    model.run(std::span<const std::int8_t>(codes, in), std::span(codes + in, out));
  } else {
    model.run(std::span<const float>(values.data(), in), std::span(values.data() + in, out));
  }
  result.total_ms = since(start);
  result.peak = static_cast<double>(octavo::report::resident_memory().most) - before;
  result.packed = static_cast<double>(model.info().packed_bytes);
  result.arena = static_cast<double>(model.info().arena_bytes);
  return result;
}

// This program again, in a new process, with the arguments that main() hands to first_result(): nothing is warm there
// but the file.
bool run_alone(const std::string& folder, int threads, FirstResult& result) {
  int channel[2];
  if (::pipe(channel) != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(channel[1], STDOUT_FILENO);
    ::close(channel[0]);
    ::close(channel[1]);
    ::execl("/proc/self/exe", "bench_model", "--first-result", folder.c_str(), std::to_string(threads).c_str(),
            static_cast<char*>(nullptr));
    ::_exit(1);
  }
  ::close(channel[1]);
  const bool complete = child > 0 && ::read(channel[0], &result, sizeof result) == ssize_t{sizeof result};
  ::close(channel[0]);
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0 && complete;
}

void load_model(benchmark::State& state, mobilenet::Config config, int threads) {
  const octavo::runtime::Program program = mobilenet::make(config);
  const std::string folder =
      std::filesystem::temp_directory_path() / ("octavo_bench_model_" + std::to_string(::getpid()));
  octavo::save(program, folder);
  FirstResult result;
  double load = 0.0, peak = 0.0;
  for (auto step : state) {
    if (!run_alone(folder, threads, result)) {
      state.SkipWithError("the process did not finish");
      break;
    }
    state.SetIterationTime(result.total_ms * 1e-3);
    load += result.load_ms;
    peak = std::max(peak, result.peak);
  }
  std::filesystem::remove_all(folder);
  state.counters["load_ms"] = benchmark::Counter(load, benchmark::Counter::kAvgIterations);
  state.counters["weights_MB"] = static_cast<double>(octavo::runtime::weight_bytes(program)) * 1e-6;
  state.counters["packed_MB"] = result.packed * 1e-6;
  state.counters["arena_MB"] = result.arena * 1e-6;
  state.counters["peak_MB"] = peak * 1e-6;
}

void add(Isa isa, const mobilenet::Config& config, std::int64_t batch, int threads) {
  char name[160];
  std::snprintf(name, sizeof name, "%s/%s/alpha:%.2f/size:%d/batch:%d/threads:%d", octavo::name_of(isa).data(),
                name_of(config.kind), config.alpha, static_cast<int>(config.size), static_cast<int>(batch), threads);
  benchmark::RegisterBenchmark(name, run_model, isa, config, batch, threads)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

int profile(Kind kind, int threads, const std::string& file) {
  Runner runner({.kind = kind}, 1, threads);
  const octavo::runtime::ConstBuffer input =
      has_codes(kind) ? octavo::runtime::ConstBuffer(std::span<const std::int8_t>(runner.code_in))
                      : octavo::runtime::ConstBuffer(std::span<const float>(runner.real_in));
  octavo::runtime::Profile profile = runner.model.profile(std::span(&input, 1), 300);
  profile.peak_gmacs = peak::gmacs(octavo::active_isa(), kind == Kind::float32);
  if (file.empty())
    std::fputs(profile.to_table().c_str(), stdout);
  else
    octavo::io::write_file(file,
                           file.ends_with(".json")
                               ? octavo::report::profile_json(profile).dump(1) + "\n"
                               : octavo::report::profile_html(profile, std::string("MobileNetV2 1.0, ") + name_of(kind),
                                                              octavo::report::detect_machine(threads)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--profile") == 0) {
    Kind kind = Kind::int8;
    for (const Kind other : {Kind::float32, Kind::dynamic_range, Kind::int4})
      if (argc > 2 && std::strcmp(argv[2], name_of(other)) == 0) kind = other;
    return profile(kind, argc > 3 ? std::atoi(argv[3]) : 1, argc > 4 ? argv[4] : "");
  }
  if (argc > 3 && std::strcmp(argv[1], "--first-result") == 0) {
    const FirstResult result = first_result(argv[2], std::atoi(argv[3]));
    return std::fwrite(&result, sizeof result, 1, stdout) == 1 ? 0 : 1;
  }
  const Isa best = octavo::active_isa();
  for (const Kind kind : {Kind::int8, Kind::float32, Kind::dynamic_range, Kind::int4}) {
    for (const int threads : {1, 2}) {
      for (const double alpha : {0.35, 0.5, 0.75, 1.0, 1.3, 1.4}) add(best, {.kind = kind, .alpha = alpha}, 1, threads);
      for (const std::int64_t size : {96, 128, 160, 192}) add(best, {.kind = kind, .size = size}, 1, threads);
      add(best, {.kind = kind, .alpha = 0.35, .size = 96}, 1, threads);
      for (const std::int64_t batch : {4, 32}) add(best, {.kind = kind}, batch, threads);
    }
    for (const Isa isa : octavo::kAllIsas)
      if (isa != best && octavo::cpu_has(isa)) add(isa, {.kind = kind}, 1, 1);
    benchmark::RegisterBenchmark((std::string("prepare/") + name_of(kind)).c_str(), prepare_model,
                                 mobilenet::Config{.kind = kind})
        ->Unit(benchmark::kMillisecond);
    for (const int threads : {1, 2})
      benchmark::RegisterBenchmark(
          (std::string("first_result/") + name_of(kind) + "/threads:" + std::to_string(threads)).c_str(), load_model,
          mobilenet::Config{.kind = kind}, threads)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
