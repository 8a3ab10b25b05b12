// Threads that run models at the same time, each run with helpers of its own; the preset tsan runs this as well.
#include <doctest/doctest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "octavo/runtime/model.hpp"
#include "runtime_nets.hpp"

using namespace octavo;
using namespace octavo::runtime;

namespace {

// A block of MobileNetV2 and a classifier, with random weights.
Program network(std::uint64_t seed) {
  nets::Net net("threads", DType::i8, Rounding::nearest_even_f32, seed);
  net.input({1, 12, 12, 8});
  net.conv("expand", 12, 12, 32, {});  // joined with the next where the level has a kernel for both
  net.depthwise("depthwise", 12, 12, 32, {.window = {3, 3, 1, 1, 1, 1, 1, 1}});
  net.conv("project", 12, 12, 8, {});
  return net.finish();
}

std::vector<std::int8_t> run(const Model& model, const std::vector<std::int8_t>& in) {
  std::vector<std::int8_t> out(static_cast<std::size_t>(model.output(0).shape.size()));
  model.run(in, out);
  return out;
}

}  // namespace

TEST_CASE("two threads run one model, and two models, each with two threads") {
  const Model first(network(1), {.threads = 2});
  const Model second(network(2), {.threads = 2});
  Rng rng(3);
  std::vector<std::vector<std::int8_t>> inputs;
  for (int i = 0; i < 2; ++i) inputs.push_back(nets::random_codes(first.input(0).shape.size(), rng));
  const Model* const pairs[][2] = {{&first, &first}, {&first, &second}};
  for (const auto& models : pairs) {
    int differences[2] = {};
    std::vector<std::thread> team;
    for (std::size_t t = 0; t < 2; ++t)
      team.emplace_back([&, t, expected = run(*models[t], inputs[t])] {
        for (int i = 0; i < 20; ++i) differences[t] += run(*models[t], inputs[t]) == expected ? 0 : 1;
      });
    for (std::thread& member : team) member.join();
    CHECK(differences[0] + differences[1] == 0);
  }
  CHECK(run(first, inputs[0]) != run(second, inputs[0]));
}
