// run() of a prepared operator allocates nothing, with one thread and with two: every allocation is counted.
#include <doctest/doctest.h>

#include <cstdlib>

#include "count_allocations.hpp"
#include "int8_support.hpp"
#include "octavo/core/parallel.hpp"
#include "octavo/kernels/add.hpp"
#include "octavo/kernels/dense.hpp"
#include "octavo/kernels/depthwise_conv2d.hpp"
#include "octavo/kernels/dynamic_range.hpp"
#include "octavo/kernels/pool.hpp"
#include "octavo/kernels/resize.hpp"
#include "octavo/kernels/softmax.hpp"

using namespace int8_test;
using octavo_test::allocations;

TEST_CASE("run() allocates nothing") {
  parallel_for(2, 2, [](std::int64_t, std::int64_t, int) {});  // the thread library's own start does allocate
  Rng rng(1);
  ConvGeometry g{.in_h = 9, .in_w = 9, .in_c = 24, .out_h = 9, .out_w = 9, .out_c = 24, .groups = 1, .window = {}};
  ConvGeometry windowed = g;
  windowed.window = {.kernel_h = 3, .kernel_w = 3};
  windowed.window.pad_top = windowed.window.pad_left = 1;
  const std::vector<std::int8_t> weights(24 * 24 * 9, 3);
  const std::span<const std::int8_t> all(weights);
  const std::vector<std::int32_t> bias(24, 5);
  std::vector<std::uint8_t> in(9 * 9 * 24, 7), out(9 * 9 * 24);
  std::vector<float> real_in(9 * 9 * 24, 0.5F), real_out(9 * 9 * 24);
  for (const Rounding rounding : kAllRoundings) {
    const OutputStage stage = random_stage(rounding, 24, 24, 0, rng);
    const QuantizedConv2d pointwise(g, all.first(24 * 24), bias, 3, stage);
    const QuantizedConv2d conv(windowed, all, bias, 3, stage);
    const QuantizedConv2d nibbles(windowed, all, bias, 3, stage, "conv2d", WeightBits::four);
    const QuantizedDepthwiseConv2d depthwise(windowed, all.first(24 * 9), bias, 3, stage);
    const Grid grid{.scale = 0.1F, .zero_point = 3, .qmin = 0, .qmax = 255};
    const QuantizedAdd add(make_add_stage(rounding, grid, grid, grid, {0, 255}));
    const QuantizedGlobalAveragePool mean(81, 24, 3, make_mean_stage(rounding, grid, grid, {0, 255}, 81));
    const QuantizedSoftmax softmax(24, make_softmax_stage(rounding, 0.1F));
    const ResizeGeometry size{9, 9, 7, 11, 24, false, true};
    const ResizeNearest nearest(size);
    const QuantizedResizeBilinear bilinear(size, rounding);
    const ResizeBilinearF32 real_bilinear(size);
    DynamicRangeStage real_stage;
    real_stage.weight_scale = {0.1F};
    const DynamicRangeConv2d dynamic(windowed, all, real_stage);
    for (const int threads : {1, 2}) {
      Scratch scratch(
          std::max({pointwise.scratch_bytes(threads), conv.scratch_bytes(threads), dynamic.scratch_bytes(threads)}));
      at_each_level([&](Isa isa) {
        const long before = allocations;
        pointwise.run(in.data(), out.data(), 1, threads, scratch.span());
        conv.run(in.data(), out.data(), 1, threads, scratch.span());
        nibbles.run(in.data(), out.data(), 1, threads, scratch.span());
        depthwise.run(in.data(), out.data(), 1, threads);
        add.run(in.data(), in.data(), out.data(), 81 * 24, threads);
        mean.run(in.data(), out.data(), 1, threads);
        softmax.run(in.data(), out.data(), 81, threads);
        nearest.run(in.data(), out.data(), 1, threads);
        bilinear.run(in.data(), out.data(), 1, threads);
        real_bilinear.run(real_in.data(), real_out.data(), 1, threads);
        dynamic.run(real_in.data(), real_out.data(), 1, threads, scratch.span());
        const long after = allocations;
        INFO(name_of(isa), " ", name_of(rounding), " ", threads, " threads");
        CHECK(after == before);
      });
    }
  }
  // The counter does count.
  const long before = allocations;
  const std::vector<int> one(1);
  CHECK(allocations == before + 1);
#if !defined(OCTAVO_TEST_SANITIZED) && defined(__GLIBC__)
  void* volatile memory = std::malloc(1);  // volatile: not optimized away
  memory = std::realloc(memory, 1000);
  std::free(memory);
  memory = std::aligned_alloc(64, 64);
  std::free(memory);
  CHECK(allocations == before + 4);
#endif
}
