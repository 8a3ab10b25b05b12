// The 1x1 and depthwise layers of MobileNetV2 1.0, 224 x 224, here and in the convolution libraries that Debian has,
// oneDNN and XNNPACK: int8 (a scale a channel, fused relu6) and float32, one thread, each layer prepared outside the
// loop, alone and hot in the cache.
//   <kind>/<layer>/<engine>
// First all engines must agree on all layers: int8 to one step, float32 to 1e-4. The rows' repetitions then run in
// random order, and the last table sums the medians over the network.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engines/engine.hpp"
#include "engines/onednn.hpp"
#include "engines/xnnpack.hpp"
#include "peak.hpp"

namespace {

using namespace octavo;
using mobilenet::Kind;

struct Contender {
  std::string name;  // of the engine
  std::unique_ptr<engines::Engine> engine;
};

// A layer of the network with all that compete in it.
struct Contest {
  std::string kind, layer;
  std::int64_t macs;
  int count;
  std::unique_ptr<mobilenet::LayerRun> ours;
  std::vector<Contender> contenders;  // the first is ours
};

std::vector<Contest> make_contests(Kind kind) {
  const auto prepared =
      std::make_shared<const mobilenet::Prepared>(runtime::prepare(mobilenet::make({.kind = kind}), {.fuse = false}));
  std::vector<Contest> contests;
  for (const mobilenet::Layer& layer : mobilenet::distinct_layers(*prepared)) {
    if (!layer.name.starts_with("pointwise") && !layer.name.starts_with("depthwise")) continue;
    auto ours = std::make_unique<mobilenet::LayerRun>(prepared, layer.step, 1);
    const engines::Problem problem(*ours);
    Contest contest{kind == Kind::int8 ? "int8" : "float32", layer.name, ours->step().macs, layer.count, nullptr, {}};
    contest.contenders.push_back({"octavo", std::make_unique<engines::OctavoEngine>(*ours)});
    contest.contenders.push_back({"onednn", std::make_unique<engines::OneDnn>(problem)});
    contest.contenders.push_back({"xnnpack", std::make_unique<engines::Xnnpack>(problem)});
    contest.ours = std::move(ours);
    contests.push_back(std::move(contest));
  }
  return contests;
}

// Throws where an engine computes something else, or where the result says nothing.
void check_agreement(const Contest& contest) {
  const bool codes = contest.kind == "int8";
  std::vector<float> expected;
  for (const Contender& contender : contest.contenders) {
    const std::string what = contest.kind + " " + contest.layer + ", " + contender.name;
    contender.engine->run();
    const std::vector<float> found = contender.engine->output();
    if (expected.empty()) {
      expected = found;
      const auto [low, high] = std::minmax_element(found.begin(), found.end());
      require(*low < *high, what, ": all values are ", *low);
    }
    require(found.size() == expected.size(), what, ": expected ", expected.size(), " values, found ", found.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      require(std::abs(found[i] - expected[i]) <= (codes ? 1.0F : 1e-4F * (1.0F + std::abs(expected[i]))), what,
              ": value ", i, ": expected ", expected[i], ", found ", found[i]);
  }
}

void run_contender(benchmark::State& state, const Contest* contest, const Contender* contender) {
  contender->engine->run();
  for (auto _ : state) contender->engine->run();
  const auto runs = static_cast<double>(state.iterations());
  const double done = static_cast<double>(contest->macs) * runs * 1e-9;
  state.counters["GMAC/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  if (const double peak = peak::gmacs(active_isa(), contest->kind == "float32"); peak > 0)
    state.counters["of_peak"] = benchmark::Counter(done / peak, benchmark::Counter::kIsRate);
  state.counters["network_us"] =
      benchmark::Counter(runs / (1e6 * contest->count), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.SetLabel(contender->engine->kernel());
}

// Keeps what it reports of each row: the median of its repetitions, or its only time.
class Keeper final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs)
      if (!run.error_occurred && (run.run_type == Run::RT_Iteration || run.aggregate_name == "median"))
        times_[run.run_name.function_name] = run.counters.at("network_us").value;
  }
  // Of all the network's layers of this shape; negative where the row has not run.
  [[nodiscard]] double microseconds(const std::string& row) const {
    const auto known = times_.find(row);
    return known == times_.end() ? -1 : known->second;
  }

 private:
  std::map<std::string, double> times_;
};

std::string row_of(const Contest& contest, const Contender& contender) {
  return contest.kind + "/" + contest.layer + "/" + contender.name;
}

// Nothing where rows were left out.
void print_sums(const std::vector<Contest>& contests, const Keeper& kept) {
  for (const Contest& contest : contests)
    for (const Contender& contender : contest.contenders)
      if (kept.microseconds(row_of(contest, contender)) < 0) return;
  std::printf("\n| layers of the network, us | octavo | onednn | xnnpack |\n|---|---|---|---|\n");
  for (const char* kind : {"int8", "float32"})
    for (const char* layers : {"pointwise", "depthwise"}) {
      std::map<std::string, double> sums;
      for (const Contest& contest : contests)
        for (const Contender& contender : contest.contenders)
          if (contest.kind == kind && contest.layer.starts_with(layers))
            sums[contender.name] += kept.microseconds(row_of(contest, contender));
      const double ours = sums["octavo"];
      std::printf("| %s, %s | %.0f (1.00) | %.0f (%.2f) | %.0f (%.2f) |\n", kind, layers, ours, sums["onednn"],
                  sums["onednn"] / ours, sums["xnnpack"], sums["xnnpack"] / ours);
    }
}

}  // namespace

int main(int argc, char** argv) {
  std::string defaults[] = {"--benchmark_min_time=0.02", "--benchmark_repetitions=5",
                            "--benchmark_report_aggregates_only=true", "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> arguments(argv, argv + argc);
  for (std::string& text : defaults) arguments.insert(arguments.begin() + 1, text.data());  // the caller's come later
  argc = static_cast<int>(arguments.size());
  benchmark::Initialize(&argc, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(argc, arguments.data())) return 1;
  try {
    omp_set_num_threads(1);  // oneDNN's threads
    std::vector<Contest> contests = make_contests(Kind::int8);
    for (Contest& contest : make_contests(Kind::float32)) contests.push_back(std::move(contest));
    for (const Contest& contest : contests) {
      check_agreement(contest);
      for (const Contender& contender : contest.contenders)
        benchmark::RegisterBenchmark(row_of(contest, contender).c_str(), run_contender, &contest, &contender)
            ->Unit(benchmark::kMicrosecond);
    }
    Keeper keeper;
    benchmark::RunSpecifiedBenchmarks(&keeper);
    print_sums(contests, keeper);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_peers: %s\n", error.what());
    return 1;
  }
}
