// The weights of an ONNX model in a graph of the same layers.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "octavo/io/pretrained.hpp"
#include "octavo/nn/executor.hpp"

using namespace octavo;

namespace {

nn::Graph network(std::uint64_t seed, std::int64_t filters, std::int64_t classes) {
  nn::Graph graph("network", seed);
  int x = graph.input("x", {8, 8, 3});
  x = graph.add("pad", nn::ZeroPadding2D(nn::Margins{0, 1, 0, 1}), {x});
  x = graph.add("conv", nn::Conv2D({.filters = filters, .kernel = 3, .strides = 2, .use_bias = false}), {x});
  x = graph.add("norm", nn::BatchNorm(), {x});
  x = graph.add("relu", nn::ReLU6(), {x});
  x = graph.add("dw", nn::DepthwiseConv2D({.kernel = 3, .padding = nn::Margins{1, 1, 1, 1}}), {x});
  x = graph.add("mean", nn::GlobalAveragePooling2D(), {x});
  graph.add("predictions", nn::Dense({.units = classes, .activation = nn::Activation::softmax}), {x});
  Rng rng(seed);
  for (nn::Parameter* p : graph.layer<nn::BatchNorm>("norm").parameters())
    for (float& v : values(p->value)) v = 0.5F + rng.uniform();
  return graph;
}

Tensor run(nn::Graph& graph) {
  Tensor input = make_tensor(graph.input_shape().with_batch(2));
  Rng rng(3);
  for (float& v : values(input)) v = rng.normal();
  nn::Executor executor(graph, 1);
  return executor.forward(input);
}

}  // namespace

TEST_CASE("a graph that was written as ONNX gives its weights to another") {
  const std::string path =
      (std::filesystem::temp_directory_path() / (std::string("octavo-weights-") + std::to_string(::getpid()) + ".onnx"))
          .string();
  nn::Graph trained = network(1, 4, 3);
  io::save_onnx(trained, path);
  nn::Graph fresh = network(2, 4, 3);
  const io::Pretrained loaded = io::load_pretrained(fresh, path, {.freeze = true});
  CHECK(loaded.arrays == 3);
  CHECK(loaded.head);
  CHECK(loaded.folded);
  CHECK_FALSE(loaded.moved_padding);
  CHECK(fresh.node(fresh.id_of("norm")).frozen);
  const Tensor expected = run(trained), found = run(fresh);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(expected.data()[i] - found.data()[i]) < 1e-5F);

  nn::Graph more_classes = network(2, 4, 5);
  CHECK_FALSE(io::load_pretrained(more_classes, path).head);
  const auto message = [&](nn::Graph graph, const io::PretrainedOptions& options) {
    try {
      io::load_pretrained(graph, path, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(network(2, 4, 5), {.require_head = true}).find("predictions (expected 5x4, found 3x4") !=
        std::string::npos);
  CHECK(message(network(2, 6, 3), {}).find("of another shape: conv (expected 6x3x3x3, found 4x3x3x3") !=
        std::string::npos);
  std::filesystem::remove(path);
}
