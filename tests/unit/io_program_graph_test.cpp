// io/program_graph.hpp: a float program becomes a graph that computes the same, learns, and can be quantized.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/compress/calibrate.hpp"
#include "octavo/compress/convert.hpp"
#include "octavo/compress/export_float.hpp"
#include "octavo/io/program_graph.hpp"
#include "octavo/nn/executor.hpp"
#include "octavo/runtime/program_builder.hpp"
#include "runtime_nets.hpp"
#include "skip.hpp"

namespace fs = std::filesystem;
using namespace octavo;
using namespace octavo::runtime;

namespace {

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float most = 0.0F;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// The program and the graph made of it on the same random images; then the graph exported again.
void check(const Program& program, float low, float high) {
  nn::Graph graph = to_graph(program);
  Rng rng(4);
  const Model before(program, {.threads = 1});
  const Model after(compress::export_float(graph), {.threads = 1});
  const std::int64_t batch = 2;
  Shape shape = graph.input_shape();
  Tensor images = make_tensor(shape.with_batch(batch), 0.0F);
  const std::vector<float> in = nets::random_floats(static_cast<std::int64_t>(images.size()), rng, low, high);
  std::copy(in.begin(), in.end(), images.data());
  std::vector<float> expected(static_cast<std::size_t>(before.output().shape.size() * batch)), found(expected.size());
  before.run(in, expected);
  nn::Executor executor(graph, 1);
  const Tensor& out = executor.forward(images);
  CHECK(largest_difference(expected, {out.data(), out.data() + out.size()}) < 2e-5F);
  after.run(in, found);
  CHECK(largest_difference(expected, found) < 2e-5F);

  // Quantized after training, most answers stay.
  int left = 2;
  nn::Graph calibrated = compress::calibrate(graph,
                                             [&](Tensor& next) {
                                               next = images;
                                               return left-- > 0;
                                             },
                                             {.threads = 1});
  const Model int8(compress::convert(calibrated), {.threads = 1});
  int8.run(in, found);
  CHECK(largest_difference(expected, found) < 0.2F);
}

}  // namespace

TEST_CASE("program graph: layers, shared values, explicit padding") {
  nets::Net net("net", DType::f32);
  net.input({1, 9, 7, 3});
  net.pad("pad", 0, 1, 1, 1);
  net.conv("conv", 5, 4, 8, {.window = {3, 3, 2, 2, 1, 1, 0, 0}, .low = 0, .high = nets::Net::kSix});
  const int skip = net.id;
  net.depthwise("depthwise", 5, 4, 8, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .low = 0});
  net.conv("project", 5, 4, 8, {});
  net.pair(OpKind::add, "add", skip);
  net.resize(OpKind::resize_bilinear, "bilinear", 8, 7);
  net.resize(OpKind::resize_nearest, "nearest", 5, 9);
  net.mean("mean");
  net.dense("logits", 5, {});
  net.probabilities(OpKind::softmax, "softmax");
  check(net.finish(), -1.0F, 1.0F);
}

TEST_CASE("program graph: constants are layers that do not learn, a gate may stand on either side") {
  ProgramBuilder b("constants");
  const int x = b.add_input("x", {1, 2, 2, 3});
  const std::vector<float> half{0.5F}, each{1.0F, -2.0F, 3.0F}, row{1.0F, 2.0F};
  int y = b.add_op({.kind = OpKind::mul, .name = "scaled"}, {x, b.add_floats("half", {1}, half)}, {1, 2, 2, 3});
  y = b.add_op({.kind = OpKind::sub, .name = "less"}, {y, b.add_floats("each", {1, 1, 1, 3}, each)}, {1, 2, 2, 3});
  y = b.add_op({.kind = OpKind::sub, .name = "turned"}, {b.add_floats("one", {3}, each), y}, {1, 2, 2, 3});
  Op sum{.kind = OpKind::add, .name = "sum"};
  sum.clamp_low = 0.0F, sum.clamp_high = 6.0F;
  y = b.add_op(sum, {y, b.add_floats("more", {1}, half)}, {1, 2, 2, 3});
  y = b.add_op({.kind = OpKind::hard_swish, .name = "swish"}, {y}, {1, 2, 2, 3});
  const int gate = b.add_op({.kind = OpKind::global_average_pool, .name = "gate"}, {y}, {1, 1, 1, 3});
  y = b.add_op({.kind = OpKind::mul, .name = "gated"}, {gate, y}, {1, 2, 2, 3});
  y = b.add_op({.kind = OpKind::reshape, .name = "rows"}, {y}, {1, 6, 2});
  b.add_output(b.add_op({.kind = OpKind::add, .name = "last"}, {y, b.add_floats("row", {2}, row)}, {1, 6, 2}));
  const Program program = std::move(b).build();
  std::vector<float> in, expected(12);
  for (int i = 0; i < 12; ++i) in.push_back(static_cast<float>(i % 5) - 1.5F);
  Model(program).run(in, expected);
  nn::Graph graph = to_graph(program);
  CHECK(graph.node(graph.find("less")).frozen);
  Tensor image = make_tensor({1, 2, 2, 3});
  std::copy(in.begin(), in.end(), image.begin());
  nn::Executor executor(graph, 1);
  const Tensor& found = executor.forward(image);
  for (std::size_t i = 0; i < 12; ++i) CHECK(found.data()[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

TEST_CASE("program graph: what no layer can do") {
  const auto refusal = [](const Program& program) {
    try {
      (void)to_graph(program);
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  ProgramBuilder b("sub");
  const int x = b.add_input("x", {1, 2, 2, 3});
  const int y = b.add_op({.kind = OpKind::clamp, .name = "y", .clamp_low = 0.0F}, {x}, {1, 2, 2, 3});
  b.add_output(b.add_op({.kind = OpKind::sub, .name = "z"}, {x, y}, {1, 2, 2, 3}));
  CHECK(refusal(std::move(b).build()) ==
        "'sub' as a graph: sub 'z': there is no layer for the difference of two computed values");
  ProgramBuilder c("int8");
  const int q = c.add_input("q", {1, 2}, DType::i8, per_tensor(1.0F, 0));
  c.add_output(c.add_op({.kind = OpKind::clamp, .name = "r", .clamp_low = 0.0F}, {q}, {1, 2}, per_tensor(1.0F, 0)));
  CHECK(refusal(std::move(c).build()).find("the input 'q' is int8") != std::string::npos);
}

TEST_CASE("program graph: float .tflite models of OCTAVO_DATA") {
  const char* data = std::getenv("OCTAVO_DATA");
  if (data == nullptr) return octavo_test::skip("set OCTAVO_DATA to the folder that holds tflite/");
  for (const char* name : {"vww_96_float.tflite", "pretrainedResnet.tflite"}) {
    const fs::path file = fs::path(data) / "tflite" / name;
    if (!fs::exists(file)) {
      std::cout << "OCTAVO_DATA has no tflite/" << name << ": nothing to import\n";
      continue;
    }
    CAPTURE(name);
    const bool pixels = std::string(name) == "pretrainedResnet.tflite";
    check(load_tflite_program(file.string()), 0.0F, pixels ? 255.0F : 1.0F);
  }
}
