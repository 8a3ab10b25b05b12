// benchmarks/arm/layer_runs.cpp: each distinct layer of an int8 MobileNetV2 once, and the whole network, on each level
// that this CPU has, for a counter of instructions (count_instructions.c); 1x1 layers and the classifier also with
// weights of 4 bits, as int4_<layer>. Prints a line a layer:
//   <level> <layer> <occurrences> <multiply-adds>
//   layer_runs [<alpha> <size> [<part of a layer's name>]]
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "../network_layers.hpp"
#include "octavo/core/cpu.hpp"
#include "octavo/runtime/model.hpp"

using namespace octavo;

namespace {

template <class Body>
void count(Isa isa, const std::string& layer, int occurrences, std::int64_t macs, const Body& body) {
  body();  // the first run may prepare something
  std::printf("%s %s %d %lld", name_of(isa).data(), layer.c_str(), occurrences, static_cast<long long>(macs));
  std::fflush(stdout);
  close(-1);
  body();
  close(-2);
}

// Those with `part` in their names; of 4-bit networks, those whose weights the kernels read in 4 bits.
void count_layers(Isa isa, const std::shared_ptr<const mobilenet::Prepared>& prepared, const std::string& prefix,
                  const std::string& part) {
  for (const mobilenet::Layer& layer : mobilenet::distinct_layers(*prepared)) {
    if (layer.name.find(part) == std::string::npos) continue;
    if (!prefix.empty() && !layer.name.starts_with("pointwise") && !layer.name.starts_with("dense")) continue;
    const mobilenet::LayerRun run(prepared, layer.step, 1);
    count(isa, prefix + layer.name, layer.count, run.step().macs, [&] { run.run(); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  mobilenet::Config config;
  if (argc > 2) config.alpha = std::atof(argv[1]), config.size = std::atoi(argv[2]);
  const std::string part = argc > 3 ? argv[3] : "";
  for (const Isa isa : kAllIsas) {
    if (isa == Isa::scalar || !force_isa(isa)) continue;
    const auto prepared = std::make_shared<const mobilenet::Prepared>(runtime::prepare(mobilenet::make(config), {}));
    count_layers(isa, prepared, "", part);
    mobilenet::Config nibbles = config;
    nibbles.kind = mobilenet::Kind::int4;
    count_layers(isa, std::make_shared<const mobilenet::Prepared>(runtime::prepare(mobilenet::make(nibbles), {})),
                 "int4_", part);
    if (!part.empty()) continue;
    runtime::Model model(prepared->program, {.threads = 1});
    const std::vector<std::int8_t> in(static_cast<std::size_t>(model.input().shape.size()), 5);
    std::vector<std::int8_t> out(static_cast<std::size_t>(model.output().shape.size()));
    count(isa, "network", 1, model.info().macs, [&] { model.run(in, out); });
  }
}
