// The roofline of one core: multiply-adds a second of each kind of instruction, bytes a second from each memory level.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "peak.hpp"

#if OCTAVO_X86
namespace {

void multiply_add(benchmark::State& state, const peak::Kind& kind) {
  constexpr std::int64_t turns = 100000;
  for (auto step : state) kind.loop(turns);
  state.counters["GMAC/s"] =
      benchmark::Counter(static_cast<double>(turns * kind.macs) * static_cast<double>(state.iterations()) * 1e-9,
                         benchmark::Counter::kIsRate);
}

void read_memory(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0)) * 1024;
  const octavo::AlignedVector<std::byte> data(bytes, std::byte{1});
  const std::int64_t passes = std::max<std::int64_t>(1, (std::int64_t{1} << 26) / static_cast<std::int64_t>(bytes));
  for (auto step : state) peak::read_all(data.data(), bytes, passes);
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(passes) * static_cast<double>(bytes) * static_cast<double>(state.iterations()) * 1e-9,
      benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  for (const peak::Kind& kind : peak::kKinds)
    if (octavo::cpu_has(kind.level)) benchmark::RegisterBenchmark(kind.name, multiply_add, kind);
  if (octavo::cpu_has(octavo::Isa::avx2))
    benchmark::RegisterBenchmark("read_KiB", read_memory)->Arg(16)->Arg(256)->Arg(8 << 10)->Arg(256 << 10);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
#else
int main() {}
#endif
