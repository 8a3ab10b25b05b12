// runtime/fuse.hpp, join_fronts(): convolutions that run as one with the depthwise ones behind them.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "../../benchmarks/mobilenet_program.hpp"
#include "octavo/core/cpu.hpp"
#include "octavo/runtime/model.hpp"
#include "runtime_nets.hpp"

using namespace octavo;
using runtime::Model;

namespace {

std::size_t joined_steps(const Model& model) {
  std::size_t joined = 0;
  for (const runtime::Step& step : model.prepared().steps) joined += step.front.has_value() ? 1U : 0U;
  return joined;
}

std::vector<std::int8_t> run(const Model& model, std::int64_t batch) {
  Rng rng(7);
  std::vector<std::int8_t> input(static_cast<std::size_t>(batch * model.input().shape.size()));
  for (std::int8_t& code : input) code = static_cast<std::int8_t>(static_cast<int>(rng.below(256)) - 128);
  std::vector<std::int8_t> output(static_cast<std::size_t>(batch * model.output().shape.size()));
  model.run(input, output);
  return output;
}

}  // namespace

TEST_CASE("joined: a whole MobileNetV2 gives the bytes of its operators one by one, on each level") {
  const Isa best = active_isa();
  for (const double alpha : {0.35, 1.0})
    for (const Rounding rounding : {Rounding::nearest_even_f32, Rounding::tflite_double}) {
      const runtime::Program program =
          mobilenet::make({.alpha = alpha, .size = 96, .classes = 10, .rounding = rounding});
      for (const int threads : {1, 3}) {
        const Model joined(program, {.threads = threads});
        const Model apart(program, {.threads = threads, .fuse = false});
        // 17 depthwise convolutions; which of them are joined is the level's choice.
        const bool joins = best == Isa::avx512vnni && rounding == Rounding::nearest_even_f32;
        CHECK(joined_steps(apart) == 0);
        CHECK(joined_steps(joined) == (joins ? 17U : 0U));
        if (joins) {
          CHECK(joined.info().macs == apart.info().macs);
          if (threads == 1) CHECK(joined.info().arena_bytes < apart.info().arena_bytes);
        }
        const std::vector<std::int8_t> expected = run(apart, 2);
        for (const Isa isa : kAllIsas) {  // a model that was prepared on one level runs on all
          if (!force_isa(isa)) continue;
          CAPTURE(name_of(isa));
          CHECK(run(joined, 2) == expected);
          CHECK(run(joined, 1) == run(apart, 1));
        }
        force_isa(best);
      }
    }
}

TEST_CASE("joined: not where the tensor between has another reader, is an output, or may not be real 0") {
  if (active_isa() != Isa::avx512vnni) return;
  for (const int kind : {0, 1, 2, 3}) {
    CAPTURE(kind);
    nets::Net net("front", runtime::DType::i8);
    net.input({1, 6, 7, 16});
    nets::Net::Layer expand;
    if (kind == 3) expand.low = 0.5F;
    net.conv("expand", 6, 7, 32, expand);
    const int between = net.id;
    nets::Net::Layer depthwise;
    depthwise.window = {3, 3, 1, 1, 1, 1, 1, 1};
    net.depthwise("depthwise", 6, 7, 32, depthwise);
    if (kind == 1) net.pair(runtime::OpKind::add, "sum", between);
    if (kind == 2) net.builder.add_output(between);
    const runtime::Program program = net.finish();
    const Model model(program, {.threads = 1});
    CHECK(joined_steps(model) == (kind == 0 ? 1U : 0U));
    if (kind != 0) continue;
    CHECK(model.prepared().steps[0].op.name == "expand + depthwise");
    const std::vector<float> image(static_cast<std::size_t>(model.input().shape.size()));
    CHECK(model.profile(image, 1).rows[0].kind == "conv2d + depthwise_conv2d");
  }
}
