// Float ONNX models into graphs: values against loops over NCHW, layouts, constant folding, and bad files.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/io/onnx.hpp"
#include "octavo/nn/executor.hpp"
#include "onnx_files.hpp"
#include "skip.hpp"

using namespace octavo;
using namespace onnx_test;

namespace {

using Floats = std::vector<float>;

Floats numbers(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  Floats all(count);
  for (float& x : all) x = rng.normal();
  return all;
}

// An array in ONNX' order.
struct Array {
  Ints dims;
  Floats values;
  [[nodiscard]] float at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
    if (y < 0 || x < 0 || y >= dims[2] || x >= dims[3]) return 0.0F;
    return values[static_cast<std::size_t>(((n * dims[1] + c) * dims[2] + y) * dims[3] + x)];
  }
};
std::size_t count(const Ints& dims) {
  std::int64_t size = 1;
  for (const std::int64_t extent : dims) size *= extent;
  return static_cast<std::size_t>(size);
}
Array random_array(const Ints& dims, std::uint64_t seed) { return {dims, numbers(count(dims), seed)}; }

// Runs the graph on an input in ONNX' order; images become NHWC. The output stays in the graph's order.
Floats run(nn::Graph& graph, const Array& x) {
  Shape shape(x.dims.begin(), x.dims.end());
  Floats values = x.values;
  if (x.dims.size() == 4) {
    shape = {x.dims[0], x.dims[2], x.dims[3], x.dims[1]};
    std::size_t to = 0;
    for (std::int64_t n = 0; n < x.dims[0]; ++n)
      for (std::int64_t i = 0; i < x.dims[2]; ++i)
        for (std::int64_t j = 0; j < x.dims[3]; ++j)
          for (std::int64_t c = 0; c < x.dims[1]; ++c) values[to++] = x.at(n, c, i, j);
  }
  Tensor input = make_tensor(shape);
  std::copy(values.begin(), values.end(), input.begin());
  nn::Executor executor(graph, 1);
  const Tensor& output = executor.forward(input);
  return {output.begin(), output.end()};
}

void check_close(const Floats& found, const Floats& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i);
    CHECK(std::abs(found[i] - expected[i]) <= 1e-4F * (1.0F + std::abs(expected[i])));
  }
}

nn::Graph parse(const ModelWriter& model, const io::OnnxOptions& options = {}) {
  return io::parse_onnx_graph(model.bytes(), "test.onnx", options);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

int count_type(const nn::Graph& graph, std::string_view type) {
  int found = 0;
  for (const nn::Node& node : graph.nodes()) found += node.layer->type() == type ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("convolutions of every kind give what loops over NCHW give") {
  struct Case {
    std::int64_t in, out, groups, kernel_h, kernel_w;
    std::vector<Attribute> attributes;
    std::int64_t top, left, bottom, right, stride, dilation;
  };
  const std::vector<Case> cases = {
      {3, 4, 1, 3, 3, {attribute("pads", Ints{1, 1, 1, 1})}, 1, 1, 1, 1, 1, 1},
      {3, 4, 1, 3, 2, {attribute("pads", Ints{1, 0, 0, 2}), attribute("strides", Ints{2, 2})}, 1, 0, 0, 2, 2, 1},
      {4, 6, 2, 3, 3, {attribute("dilations", Ints{2, 2}), attribute("group", 2)}, 0, 0, 0, 0, 1, 2},
      {3, 6, 3, 3, 3, {attribute("group", 3), attribute("pads", Ints{1, 1, 1, 1})}, 1, 1, 1, 1, 1, 1},
      {3,
       3,
       3,
       3,
       3,
       {attribute("group", 3), attribute("auto_pad", "SAME_UPPER"), attribute("strides", Ints{2, 2})},
       0,
       1,
       1,
       1,
       2,
       1},
      {2, 3, 1, 3, 3, {attribute("auto_pad", "SAME_LOWER"), attribute("strides", Ints{2, 2})}, 1, 1, 0, 1, 2, 1},
      {2, 3, 1, 1, 1, {attribute("auto_pad", "VALID")}, 0, 0, 0, 0, 1, 1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.out);
    CAPTURE(c.groups);
    const Array x = random_array({2, c.in, 6, 7}, 1), bias = random_array({c.out}, 3);
    const Array w = random_array({c.out, c.in / c.groups, c.kernel_h, c.kernel_w}, 2);
    ModelWriter model;
    model.input("x", {-1, c.in, 6, 7}).constant("w", w.dims, w.values).constant("b", bias.dims, bias.values);
    model.node("Conv", {"x", "w", "b"}, {"y"}, c.attributes).output("y");
    nn::Graph graph = parse(model);
    CHECK(graph.size() == 2);
    const std::int64_t rows = (6 + c.top + c.bottom - (c.kernel_h - 1) * c.dilation - 1) / c.stride + 1;
    const std::int64_t columns = (7 + c.left + c.right - (c.kernel_w - 1) * c.dilation - 1) / c.stride + 1;
    CHECK(graph.output_shape() == Shape{1, rows, columns, c.out});
    Floats expected;
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t y = 0; y < rows; ++y)
        for (std::int64_t z = 0; z < columns; ++z)
          for (std::int64_t o = 0; o < c.out; ++o) {
            float sum = bias.values[static_cast<std::size_t>(o)];
            const std::int64_t first = o / (c.out / c.groups) * (c.in / c.groups);
            for (std::int64_t k = 0; k < c.in / c.groups; ++k)
              for (std::int64_t i = 0; i < c.kernel_h; ++i)
                for (std::int64_t j = 0; j < c.kernel_w; ++j)
                  sum += w.at(o, k, i, j) * x.at(n, first + k, y * c.stride - c.top + i * c.dilation,
                                                 z * c.stride - c.left + j * c.dilation);
            expected.push_back(sum);
          }
    check_close(run(graph, x), expected);
  }
}

TEST_CASE("batch norm stays a layer that trains; MatMul + Add becomes one dense layer") {
  const Array x = random_array({2, 3, 4, 4}, 1), w = random_array({5, 3, 1, 1}, 2), m = random_array({5, 4}, 3);
  ModelWriter model;
  model.input("x", {-1, 3, 4, 4}).constant("w", w.dims, w.values).constant("m", m.dims, m.values);
  const Floats gamma = {1, 2, 0.5F, -1, 1}, beta = {0, 1, 0, 0, 2}, mean = {0, 1, -1, 0.5F, 0},
               variance = {1, 4, 0.25F, 1, 2}, bias = {1, 2, 3, 4};
  model.constant("gamma", {5}, gamma).constant("beta", {5}, beta).constant("mean", {5}, mean);
  model.constant("variance", {5}, variance).constant("bias", {4}, bias);
  model.node("Conv", {"x", "w"}, {"c"});
  model.node("BatchNormalization", {"c", "gamma", "beta", "mean", "variance"}, {"n"},
             {attribute("epsilon", 1e-3F), attribute("momentum", 0.8F)});
  model.constant("low", {}, Floats{0}).constant("high", {}, Floats{6}).node("Clip", {"n", "low", "high"}, {"r"});
  model.node("GlobalAveragePool", {"r"}, {"g"}).node("Flatten", {"g"}, {"f"});
  model.node("MatMul", {"f", "m"}, {"d"}).node("Add", {"d", "bias"}, {"y"}).output("y");
  nn::Graph graph = parse(model);
  CHECK(graph.size() == 6);
  CHECK(graph.layer<nn::BatchNorm>("node_n").options().momentum == 0.8F);
  CHECK(graph.layer<nn::ReLU6>("node_r").range().high == 6.0F);
  Floats expected;
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::size_t o = 0; o < 4; ++o) {
      float y = bias[o];
      for (std::size_t c = 0; c < 5; ++c) {
        float pooled = 0;
        for (std::int64_t p = 0; p < 16; ++p) {
          float v = 0;
          for (std::int64_t k = 0; k < 3; ++k)
            v += w.values[c * 3 + static_cast<std::size_t>(k)] * x.at(n, k, p / 4, p % 4);
          v = (v - mean[c]) / std::sqrt(variance[c] + 1e-3F) * gamma[c] + beta[c];
          pooled += std::min(std::max(v, 0.0F), 6.0F) / 16.0F;
        }
        y += pooled * m.values[c * 4 + o];
      }
      expected.push_back(y);
    }
  check_close(run(graph, x), expected);
  int trainable = 0;
  for (const nn::NamedParameter& p : graph.parameters()) trainable += p.trainable ? 1 : 0;
  CHECK(trainable == 5);  // kernel, gamma, beta, dense kernel and bias
}

TEST_CASE("a flattened image, a shape computed from a shape, and transposes leave no layer behind") {
  const Array x = random_array({2, 3, 4, 5}, 1), m = random_array({6, 60}, 2);
  const auto expect = [&](const Array& matrix) {
    Floats expected;
    for (std::size_t n = 0; n < 2; ++n)
      for (std::size_t o = 0; o < 6; ++o) {
        float sum = 0;
        for (std::size_t i = 0; i < 60; ++i) sum += x.values[n * 60 + i] * matrix.values[o * 60 + i];
        expected.push_back(2.0F * sum);
      }
    return expected;
  };
  SUBCASE("Flatten") {
    ModelWriter model;
    model.input("x", {-1, 3, 4, 5}).constant("m", m.dims, m.values).node("Flatten", {"x"}, {"f"});
    model.node("Gemm", {"f", "m"}, {"y"}, {attribute("transB", 1), attribute("alpha", 2.0F)}).output("y");
    nn::Graph graph = parse(model);
    check_close(run(graph, x), expect(m));
    CHECK(count_type(graph, "Permute") == 0);
  }
  SUBCASE("Reshape to Concat(Unsqueeze(Gather(Shape)), -1)") {
    ModelWriter model;
    model.input("x", {-1, 3, 4, 5}).constant("m", m.dims, m.values).constant("zero", {}, Ints{0});
    model.constant("axes", {1}, Ints{0}).constant("rest", {1}, Ints{-1});
    model.node("Shape", {"x"}, {"s"}).node("Gather", {"s", "zero"}, {"n"}).node("Unsqueeze", {"n", "axes"}, {"u"});
    model.node("Concat", {"u", "rest"}, {"target"}, {attribute("axis", 0)});
    model.node("Reshape", {"x", "target"}, {"f"});
    model.node("Gemm", {"f", "m"}, {"y"}, {attribute("transB", 1), attribute("alpha", 2.0F)}).output("y");
    nn::Graph graph = parse(model);
    check_close(run(graph, x), expect(m));
    CHECK(count_type(graph, "Permute") == 0);
  }
  SUBCASE("there and back") {
    ModelWriter model;
    model.input("x", {-1, 3, 4, 5});
    model.node("Transpose", {"x"}, {"nhwc"}, {attribute("perm", Ints{0, 2, 3, 1})}).node("Relu", {"nhwc"}, {"r"});
    model.node("Transpose", {"r"}, {"nchw"}, {attribute("perm", Ints{0, 3, 1, 2})});
    model.node("GlobalAveragePool", {"nchw"}, {"y"}).output("y");
    nn::Graph graph = parse(model);
    CHECK(count_type(graph, "Permute") == 0);
    CHECK(run(graph, x).size() == 6);
  }
  SUBCASE("an input that is NHWC and transposed at once") {
    ModelWriter model;
    model.input("x", {-1, 4, 5, 3}).node("Transpose", {"x"}, {"nchw"}, {attribute("perm", Ints{0, 3, 1, 2})});
    model.node("Relu", {"nchw"}, {"r"}).node("GlobalAveragePool", {"r"}, {"y"}).output("y");
    nn::Graph graph = parse(model);
    CHECK(graph.input_shape() == Shape{1, 4, 5, 3});
    CHECK(count_type(graph, "Permute") == 0);
  }
  SUBCASE("where an operator needs ONNX' order, there is one") {
    ModelWriter model;
    model.input("x", {-1, 3, 4, 5}).constant("shape", {3}, Ints{0, 6, 10});
    model.node("Relu", {"x"}, {"r"}).node("Reshape", {"r", "shape"}, {"y"}).output("y");
    nn::Graph graph = parse(model);
    CHECK(count_type(graph, "Permute") == 1);
    Floats expected = x.values;
    for (float& value : expected) value = std::max(value, 0.0F);
    check_close(run(graph, x), expected);
  }
}

TEST_CASE("element-wise operators, gates, pools, pads, concatenation") {
  const Array x = random_array({1, 2, 4, 4}, 1);
  ModelWriter model;
  model.input("x", {1, 2, 4, 4})
      .constant("pads", {8}, Ints{0, 0, 1, 0, 0, 0, 1, 2})
      .constant("scale", {1, 2, 1, 1}, Floats{2, -1});
  model.constant("axes", {2}, Ints{2, 3});
  model.node("Pad", {"x", "pads"}, {"p"});
  model.node("MaxPool", {"p"}, {"m"}, {attribute("kernel_shape", Ints{3, 3}), attribute("strides", Ints{1, 1})});
  model.node(
      "AveragePool", {"x"}, {"a"},
      {attribute("kernel_shape", Ints{3, 3}), attribute("pads", Ints{1, 1, 1, 1}), attribute("count_include_pad", 1)});
  model.node("Mul", {"m", "scale"}, {"ms"}).node("HardSwish", {"ms"}, {"hs"}).node("Add", {"hs", "a"}, {"s"});
  model.node("ReduceMean", {"s", "axes"}, {"mean"}, {attribute("keepdims", 1)});
  model.node("HardSigmoid", {"mean"}, {"gate"}, {attribute("alpha", 1.0F / 6)}).node("Mul", {"gate", "s"}, {"g"});
  model.node("Sigmoid", {"g"}, {"sg"}).node("Concat", {"g", "sg"}, {"y"}, {attribute("axis", 1)}).output("y");
  nn::Graph graph = parse(model);
  CHECK(graph.output_shape() == Shape{1, 4, 4, 4});
  Array s{{1, 2, 4, 4}, {}};
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t y = 0; y < 4; ++y)
      for (std::int64_t z = 0; z < 4; ++z) {
        float top = -1e9F, sum = 0;
        for (std::int64_t i = 0; i < 3; ++i)
          for (std::int64_t j = 0; j < 3; ++j) {
            top = std::max(top, x.at(0, c, y - 1 + i, z + j));
            sum += x.at(0, c, y - 1 + i, z - 1 + j) / 9.0F;
          }
        const float v = top * (c == 0 ? 2.0F : -1.0F);
        s.values.push_back(v * std::min(std::max(v + 3.0F, 0.0F), 6.0F) / 6.0F + sum);
      }
  Floats expected;
  for (std::int64_t p = 0; p < 16; ++p)
    for (int part = 0; part < 2; ++part)
      for (std::int64_t c = 0; c < 2; ++c) {
        float mean = 0;
        for (std::int64_t q = 0; q < 16; ++q) mean += s.at(0, c, q / 4, q % 4) / 16.0F;
        const float g = s.at(0, c, p / 4, p % 4) * std::min(std::max(mean / 6.0F + 0.5F, 0.0F), 1.0F);
        expected.push_back(part == 0 ? g : 1.0F / (1.0F + std::exp(-g)));
      }
  check_close(run(graph, x), expected);
}

TEST_CASE("softmax before and since operator set 13, ceil_mode, Clip by attributes, Dropout, Squeeze") {
  const Array x = random_array({1, 3, 5, 5}, 4);
  ModelWriter model(9);
  model.input("x", {1, 3, 5, 5});
  model.node("MaxPool", {"x"}, {"p"},
             {attribute("kernel_shape", Ints{2, 2}), attribute("strides", Ints{2, 2}), attribute("ceil_mode", 1)});
  model.node("Clip", {"p"}, {"c"}, {attribute("min", -0.5F), attribute("max", 0.5F)});
  model.node("GlobalAveragePool", {"c"}, {"g"}).node("Dropout", {"g"}, {"d"});
  model.node("Squeeze", {"d"}, {"q"}, {attribute("axes", Ints{2, 3})}).node("Softmax", {"q"}, {"y"}).output("y");
  nn::Graph graph = parse(model);
  CHECK(count_type(graph, "Dropout") == 1);
  float total = 0, powers[3];
  for (std::int64_t c = 0; c < 3; ++c) {
    float mean = 0;
    for (std::int64_t y = 0; y < 3; ++y)
      for (std::int64_t z = 0; z < 3; ++z) {
        float top = -1e9F;
        for (std::int64_t i = 2 * y; i < std::min<std::int64_t>(2 * y + 2, 5); ++i)
          for (std::int64_t j = 2 * z; j < std::min<std::int64_t>(2 * z + 2, 5); ++j)
            top = std::max(top, x.at(0, c, i, j));
        mean += std::min(std::max(top, -0.5F), 0.5F) / 9.0F;
      }
    total += powers[c] = std::exp(mean);
  }
  check_close(run(graph, x), {powers[0] / total, powers[1] / total, powers[2] / total});
}

TEST_CASE("constants are folded: Cast, Slice, Transpose, arithmetic, QuantizeLinear") {
  const Array m = random_array({4, 3}, 7), x = random_array({2, 3}, 8);
  ModelWriter model;
  model.input("x", {-1, 3}).constant("m", m.dims, m.values).constant("two", {}, Floats{2});
  model.constant("start", {1}, Ints{1}).constant("end", {1}, Ints{3}).constant("axis", {1}, Ints{0});
  model.node("Slice", {"m", "start", "end", "axis"}, {"part"}).node("Mul", {"part", "two"}, {"twice"});
  model.node("Transpose", {"twice"}, {"t"}, {attribute("perm", Ints{1, 0})});
  model.node("MatMul", {"x", "t"}, {"y"}).output("y");
  nn::Graph graph = parse(model);
  Floats expected;
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t o = 1; o < 3; ++o) {
      float sum = 0;
      for (std::size_t i = 0; i < 3; ++i) sum += x.values[n * 3 + i] * m.values[o * 3 + i] * 2.0F;
      expected.push_back(sum);
    }
  check_close(run(graph, x), expected);
}

TEST_CASE("weights in a file beside the model; never outside of its folder") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / (std::string("octavo-onnx-") + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const Floats weights = {1, 2, 3, 4, 5, 6};
  const auto model_with = [&](const std::string& location, const std::string& length) {
    std::string text;
    protozero::pbf_writer out(text);
    const Ints dims = {2, 3};
    out.add_packed_int64(1, dims.begin(), dims.end());
    out.add_int32(2, kFloat);
    out.add_string(8, "m");
    for (const auto& [key, value] :
         {std::pair{"location", location}, {"offset", std::string("8")}, {"length", length}}) {
      std::string entry;
      protozero::pbf_writer(entry).add_string(1, std::string(key));
      protozero::pbf_writer(entry).add_string(2, value);
      out.add_message(13, entry);
    }
    out.add_enum(14, 1);
    ModelWriter model;
    model.input("x", {1, 3}).initializer(text).node("Gemm", {"x", "m"}, {"y"}, {attribute("transB", 1)}).output("y");
    io::write_file((folder / "m.onnx").string(), model.text());
  };
  std::string file(8, '\0');
  file.append(reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float));
  io::write_file((folder / "m.data").string(), file);
  const std::string path = (folder / "m.onnx").string();
  model_with("m.data", "24");
  nn::Graph graph = io::load_onnx_graph(path);
  check_close(run(graph, {{1, 3}, {1, 1, 1}}), {6, 15});
  model_with("m.data", "28");
  CHECK(message_of([&] { (void)io::load_onnx_graph(path); }).find("28 bytes at 8 of 'm.data'") != std::string::npos);
  for (const char* outside : {"../m.data", "/etc/hostname", "a/../../m.data", ""}) {
    model_with(outside, "24");
    CHECK(message_of([&] { (void)io::load_onnx_graph(path); }).find("is not a file in the model's folder") !=
          std::string::npos);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("what is wrong is said with file, node and operator") {
  const Array w = random_array({4, 3, 3, 3}, 2);
  const auto model = [&](const Ints& dims) {
    ModelWriter m;
    m.input("x", dims).constant("w", w.dims, w.values);
    return m;
  };
  struct Case {
    ModelWriter model;
    const char* expected;
  };
  Case cases[] = {
      {model({1, 3, 8, 8}).node("LSTM", {"x", "w"}, {"y"}).output("y"),
       "node 0 'node_y' (LSTM): this operator is not imported"},
      {model({1, 2, 8, 8}).node("Conv", {"x", "w"}, {"y"}).output("y"),
       "kernel [4,3,3,3] with 1 groups does not fit [1,2,8,8]"},
      {model({1, 3, 8, 8}).node("Conv", {"z", "w"}, {"y"}).output("y"), "its input 'z' is not computed before it"},
      {model({1, 3, 2, 2}).node("Conv", {"x", "w"}, {"y"}).output("y"), "a window of 3 on 2 rows"},
      {model({1, 3, 8, 8}).node("Conv", {"x", "w"}, {"y"}), "the graph has no output"},
      {model({1, 3, -1, -1}).node("Conv", {"x", "w"}, {"y"}).output("y"), "say which extents to import it with"},
      {model({1, 3, 8, 8}).node("Relu", {"x"}, {"y"}, {}, "my.domain").output("y"), "domain 'my.domain'"},
      {model({1, 3, 8, 8}).node("Relu", {"x"}, {"y"}).output("z"), "the output 'z' is not computed"},
      {model({1, 3, 8, 8}).node("Cast", {"x"}, {"y"}, {attribute("to", 7)}).output("y"),
       "node 0 'node_y' (Cast): expected a cast between floating point types, found float32 to int64 (to = 7)"},
      {model({1, 3, 8, 8}).node("Cast", {"x"}, {"y"}).output("y"), "(to = 0)"},
      {model({1, 3, 8, 8})
           .constant("p", {8}, Ints{0, 0, 1, 1, 0, 0, 1, 1})
           .constant("v", {0}, Floats{})
           .node("Pad", {"x", "p", "v"}, {"y"})
           .output("y"),
       "the value: expected one number, found [0]"},
      {model({1, 3, 8, 8}).initializer(tensor("v", {5}, Floats{1})).node("Relu", {"x"}, {"y"}).output("y"),
       "tensor 'v': shape [5] of float32 needs 20 bytes, found 4"},
  };
  for (Case& c : cases) {
    const std::string message = message_of([&] { (void)parse(c.model); });
    CHECK_MESSAGE(message.find("'test.onnx': ") == 0, message);
    CHECK_MESSAGE(message.find(c.expected) != std::string::npos, message);
  }
  // float32 to float16 and back is nothing here.
  ModelWriter casts = model({1, 3, 8, 8}).node("Cast", {"x"}, {"h"}, {attribute("to", 10)});
  CHECK(parse(casts.node("Cast", {"h"}, {"f"}, {attribute("to", 1)}).node("Relu", {"f"}, {"y"}).output("y")).size() ==
        2);
  ModelWriter open = model({1, 3, -1, -1}).node("Conv", {"x", "w"}, {"y"}).output("y");
  CHECK(parse(open, {.input_extents = {3, 8, 9}}).input_shape() == Shape{1, 8, 9, 3});
  CHECK(message_of([] { (void)io::parse_onnx_graph(io::Bytes{1, 2, 3}, "junk", {}); }).find("'junk': ") == 0);
  CHECK(message_of([] { (void)io::parse_onnx_graph(io::Bytes{}, "empty", {}); }).find("no graph") != std::string::npos);
}

TEST_CASE("shared model: MobileNetV2 0.35 keeps its layers") {
  const char* data = std::getenv("OCTAVO_DATA");
  const std::string path =
      std::string(data == nullptr ? "" : data) + "/onnx/mobilenet_v2_0.35_128_tfs_channel_first.onnx";
  if (data == nullptr || !std::filesystem::exists(path)) {
    octavo_test::skip("set OCTAVO_DATA to the folder that holds onnx/");
    return;
  }
  const nn::Graph graph = io::load_onnx_graph(path);
  CHECK(graph.input_shape() == Shape{1, 128, 128, 3});
  CHECK(graph.output_shape() == Shape{1, 5});
  CHECK(count_type(graph, "BatchNormalization") == 7);
  CHECK(count_type(graph, "Permute") + count_type(graph, "Reshape") == 0);
}
