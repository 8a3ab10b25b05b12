// Training steps of MobileNetV2: forward, backward and Adam on all layers, float and quantization-aware.
//
// benchmarks/peers/training_step.py measures the float step with PyTorch on the same machine.
#include <benchmark/benchmark.h>

#include <string>

#include "octavo/compress/quantize_model.hpp"
#include "octavo/nn/executor.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"
#include "octavo/train/optimizers.hpp"

namespace {

using namespace octavo;

// Arguments: image size, batch, threads. Counter images/s.
void training_step(benchmark::State& state, bool quantization_aware) {
  const std::int64_t size = state.range(0), batch = state.range(1);
  nn::Graph model = nn::mobilenet_v2({.input = {size, size, 3}, .hidden = {128, 128}, .classes = 9});
  if (quantization_aware) model = compress::quantize_model(model);
  nn::Executor executor(model, static_cast<int>(state.range(2)));
  train::Optimizer optimizer(train::Adam{.learning_rate = 1e-4}, {}, static_cast<int>(state.range(2)));
  Rng random(1);
  Tensor images = make_tensor({batch, size, size, 3});
  for (float& value : values(images)) value = random.uniform(-1.0F, 1.0F);
  const auto parameters = model.parameters();
  Tensor gradient;
  const auto step = [&] {
    gradient = executor.forward(images, true);
    for (std::int64_t n = 0; n < batch; ++n) gradient(n, n % 9) -= 1.0F;
    for (float& value : values(gradient)) value /= static_cast<float>(batch);
    executor.backward(gradient, true);
    optimizer.step(parameters, 1e-4);
  };
  step();  // allocates the activations
  for (auto _ : state) step();
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * batch), benchmark::Counter::kIsRate);
}

void register_all() {
  for (const bool quantization_aware : {false, true})
    benchmark::RegisterBenchmark(quantization_aware ? "training_step/qat" : "training_step/float",
                                 [=](benchmark::State& state) { training_step(state, quantization_aware); })
        ->ArgNames({"size", "batch", "threads"})
        ->Args({224, 32, 1})
        ->Args({224, 32, default_threads()})
        ->Args({96, 32, default_threads()})
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
