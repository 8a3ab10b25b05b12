// Quantized ONNX models into programs, and programs into ONNX files: values against integer loops, QDQ against QLinear
// operators, and what was written read again.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/onnx.hpp"
#include "octavo/runtime/model.hpp"
#include "onnx_files.hpp"

using namespace octavo;
using namespace onnx_test;

namespace {

using Floats = std::vector<float>;
using Codes = std::vector<std::uint8_t>;

template <class Code>
std::vector<Code> random_codes(std::size_t count, std::uint64_t seed, int low, int high) {
  Rng rng(seed);
  std::vector<Code> codes(count);
  for (Code& code : codes)
    code = static_cast<Code>(low + static_cast<int>(rng.below(static_cast<std::uint64_t>(high - low + 1))));
  return codes;
}

runtime::Program parse(const ModelWriter& model) { return io::parse_onnx(model.bytes(), "test.onnx"); }

Codes run_codes(const runtime::Program& program, const Codes& input, std::size_t outputs) {
  Codes output(outputs);
  runtime::Model(program, {.threads = 1}).run(std::span<const std::uint8_t>(input), std::span<std::uint8_t>(output));
  return output;
}
Floats run_floats(const runtime::Program& program, const Floats& input, std::size_t outputs) {
  Floats output(outputs);
  runtime::Model(program, {.threads = 1}).run(std::span<const float>(input), std::span<float>(output));
  return output;
}

int count(const runtime::Program& program, runtime::OpKind kind) {
  int found = 0;
  for (const runtime::Op& op : program.ops) found += op.kind == kind ? 1 : 0;
  return found;
}

// ONNX' QLinearConv by its definition: sum of (x - zx)(w - zw), times sx * sw / sy, ties to even, plus zy.
struct Conv {
  std::int64_t in, out, groups;  // 3x3, padding 1, on [1, in, 5, 5]
  float x_scale = 0.02F, y_scale = 0.05F;
  int x_zero = 120, y_zero = 3, w_zero = 0;
  Floats w_scale;
  std::vector<int> w;
  std::vector<std::int32_t> bias;

  [[nodiscard]] Codes expected(const Codes& nhwc) const {
    Codes y;
    for (std::int64_t p = 0; p < 25; ++p)
      for (std::int64_t o = 0; o < out; ++o) {
        std::int32_t sum = bias.empty() ? 0 : bias[static_cast<std::size_t>(o)];
        for (std::int64_t k = 0; k < in / groups; ++k)
          for (std::int64_t i = 0; i < 9; ++i) {
            const std::int64_t row = p / 5 + i / 3 - 1, column = p % 5 + i % 3 - 1;
            if (row < 0 || column < 0 || row > 4 || column > 4) continue;
            const std::int64_t c = o / (out / groups) * (in / groups) + k;
            sum += (nhwc[static_cast<std::size_t>((row * 5 + column) * in + c)] - x_zero) *
                   (w[static_cast<std::size_t>((o * (in / groups) + k) * 9 + i)] - w_zero);
          }
        const double scale = static_cast<double>(x_scale) *
                             static_cast<double>(w_scale[w_scale.size() == 1 ? 0 : static_cast<std::size_t>(o)]) /
                             static_cast<double>(y_scale);
        const float v =
            std::nearbyint(static_cast<float>(sum) * static_cast<float>(scale)) + static_cast<float>(y_zero);
        y.push_back(static_cast<std::uint8_t>(std::min(std::max(v, 0.0F), 255.0F)));
      }
    return y;
  }

  template <class Weight>
  void constants(ModelWriter& model) const {
    model.constant("sx", {}, Floats{x_scale}).constant("zx", {}, Codes{static_cast<std::uint8_t>(x_zero)});
    model.constant("sy", {}, Floats{y_scale}).constant("zy", {}, Codes{static_cast<std::uint8_t>(y_zero)});
    const Ints channels = w_scale.size() == 1 ? Ints{} : Ints{out};
    model.constant("w", {out, in / groups, 3, 3}, std::vector<Weight>(w.begin(), w.end()));
    model.constant("sw", channels, w_scale);
    model.constant("zw", channels, std::vector<Weight>(w_scale.size(), static_cast<Weight>(w_zero)));
    if (!bias.empty()) model.constant("b", {out}, bias);
    Floats bias_scale;
    for (const float s : w_scale) bias_scale.push_back(x_scale * s);
    model.constant("sb", channels, bias_scale);
  }
  [[nodiscard]] std::vector<Attribute> attributes() const {
    return {attribute("pads", Ints{1, 1, 1, 1}), attribute("group", static_cast<int>(groups))};
  }
  template <class Weight>
  [[nodiscard]] ModelWriter qoperator() const {
    ModelWriter model;
    model.input("x", {-1, in, 5, 5}, kUint8);
    constants<Weight>(model);
    std::vector<std::string> inputs = {"x", "sx", "zx", "w", "sw", "zw", "sy", "zy"};
    if (!bias.empty()) inputs.emplace_back("b");
    model.node("QLinearConv", inputs, {"y"}, attributes()).node("DequantizeLinear", {"y", "sy", "zy"}, {"unused"});
    return model.output("y", kUint8);
  }
  template <class Weight>
  [[nodiscard]] ModelWriter qdq() const {
    ModelWriter model;
    model.input("x", {-1, in, 5, 5}, kUint8);
    constants<Weight>(model);
    model.node("DequantizeLinear", {"x", "sx", "zx"}, {"xr"});
    model.node("DequantizeLinear", {"w", "sw", "zw"}, {"wr"}, {attribute("axis", 0)});
    std::vector<std::string> inputs = {"xr", "wr"};
    if (!bias.empty()) {
      model.node("DequantizeLinear", {"b", "sb"}, {"br"}, {attribute("axis", 0)});
      inputs.emplace_back("br");
    }
    model.node("Conv", inputs, {"c"}, attributes()).node("QuantizeLinear", {"c", "sy", "zy"}, {"y"});
    return model.output("y", kUint8);
  }
};

Conv make_conv(std::int64_t in, std::int64_t out, std::int64_t groups, int low, int high, bool per_channel) {
  Conv conv{.in = in, .out = out, .groups = groups, .w_scale = {}, .w = {}, .bias = {}};
  for (const int w : random_codes<std::int16_t>(static_cast<std::size_t>(out * in / groups * 9), 7, low, high))
    conv.w.push_back(w);
  for (std::int64_t o = 0; o < (per_channel ? out : 1); ++o)
    conv.w_scale.push_back(0.01F + 0.003F * static_cast<float>(o));
  for (const std::int16_t b : random_codes<std::int16_t>(static_cast<std::size_t>(out), 9, -900, 900))
    conv.bias.push_back(b);
  return conv;
}

}  // namespace

TEST_CASE("a quantized convolution gives ONNX' codes: QLinearConv and QDQ, signed and unsigned weights") {
  struct Case {
    Conv conv;
    bool unsigned_weights;
  };
  std::vector<Case> cases = {
      {make_conv(3, 5, 1, -128, 127, true), false},  {make_conv(4, 4, 4, -127, 127, true), false},
      {make_conv(4, 6, 2, -127, 127, false), false}, {make_conv(3, 5, 1, 0, 255, false), true},
      {make_conv(4, 4, 4, 0, 255, false), true},     {make_conv(4, 6, 2, 0, 255, false), true},
      {make_conv(3, 4, 1, 30, 200, true), true}};
  for (Case& c : cases)
    if (c.unsigned_weights) c.conv.w_zero = 97;
  cases[2].conv.bias.clear();
  for (const Case& c : cases) {
    CAPTURE(c.conv.in);
    CAPTURE(c.conv.groups);
    CAPTURE(c.unsigned_weights);
    const Codes input = random_codes<std::uint8_t>(static_cast<std::size_t>(2 * 25 * c.conv.in), 3, 0, 255);
    const auto half = static_cast<std::ptrdiff_t>(25 * c.conv.in);
    Codes expected = c.conv.expected({input.begin(), input.begin() + half});
    const Codes second = c.conv.expected({input.begin() + half, input.end()});
    expected.insert(expected.end(), second.begin(), second.end());
    for (const bool qdq : {false, true}) {
      const ModelWriter model = c.unsigned_weights
                                    ? (qdq ? c.conv.qdq<std::uint8_t>() : c.conv.qoperator<std::uint8_t>())
                                    : (qdq ? c.conv.qdq<std::int8_t>() : c.conv.qoperator<std::int8_t>());
      const runtime::Program program = parse(model);
      CHECK(count(program, runtime::OpKind::dequantize) == 0);
      CHECK(run_codes(program, input, expected.size()) == expected);
    }
  }
}

namespace {

// float -> codes -> conv + relu6 -> max pool -> (+ itself) -> mean -> matrix -> float, as QDQ or QLinear operators.
ModelWriter network(bool qdq) {
  ModelWriter m;
  m.input("x", {-1, 3, 8, 8});
  const auto grid = [&](const std::string& name, float scale, int zero) {
    m.constant("s" + name, {}, Floats{scale})
        .constant("z" + name, {}, std::vector<std::int8_t>{static_cast<std::int8_t>(zero)});
  };
  grid("x", 0.02F, 5);
  grid("c", 6.0F / 255, -128);
  grid("a", 0.06F, -100);
  grid("g", 0.04F, -128);
  grid("y", 0.1F, 10);
  const auto w = random_codes<std::int8_t>(6 * 3 * 9, 1, -127, 127), k = random_codes<std::int8_t>(24, 2, -127, 127);
  const Floats sw = {0.01F, 0.02F, 0.005F, 0.01F, 0.03F, 0.01F};
  m.constant("w", {6, 3, 3, 3}, w).constant("sw", {6}, sw).constant("zw", {6}, std::vector<std::int8_t>(6, 0));
  m.constant("k", {4, 6}, k).constant("sk", {}, Floats{0.02F}).constant("zk", {}, std::vector<std::int8_t>{0});
  m.constant("b", {4}, std::vector<std::int32_t>{100, -200, 300, 0}).constant("sb", {}, Floats{0.04F * 0.02F});
  m.constant("low", {}, Floats{0}).constant("high", {}, Floats{6});
  const Attribute kernel = attribute("kernel_shape", Ints{2, 2}), strides = attribute("strides", Ints{2, 2});
  m.node("QuantizeLinear", {"x", "sx", "zx"}, {"xq"});
  if (!qdq) {
    m.node("QLinearConv", {"xq", "sx", "zx", "w", "sw", "zw", "sc", "zc"}, {"cq"});
    m.node("MaxPool", {"cq"}, {"pq"}, {kernel, strides});
    m.node("QLinearAdd", {"pq", "sc", "zc", "pq", "sc", "zc", "sa", "za"}, {"aq"}, {}, "com.microsoft");
    m.node("QLinearGlobalAveragePool", {"aq", "sa", "za", "sg", "zg"}, {"gq"}, {attribute("channels_last", 0)},
           "com.microsoft");
    m.node("Flatten", {"gq"}, {"fq"});
    m.node("QGemm", {"fq", "sg", "zg", "k", "sk", "zk", "b", "sy", "zy"}, {"yq"}, {attribute("transB", 1)},
           "com.microsoft");
    m.node("DequantizeLinear", {"yq", "sy", "zy"}, {"y"});
    return m.output("y");
  }
  const auto dq = [&](const std::string& name, const std::string& on) {
    m.node("DequantizeLinear", {name + "q", "s" + on, "z" + on}, {name + "r"});
  };
  dq("x", "x");
  m.node("DequantizeLinear", {"w", "sw", "zw"}, {"wr"}, {attribute("axis", 0)});
  m.node("Conv", {"xr", "wr"}, {"c"})
      .node("Clip", {"c", "low", "high"}, {"cc"})
      .node("QuantizeLinear", {"cc", "sc", "zc"}, {"cq"});
  dq("c", "c");
  m.node("MaxPool", {"cr"}, {"p"}, {kernel, strides}).node("QuantizeLinear", {"p", "sc", "zc"}, {"pq"});
  dq("p", "c");
  m.node("Add", {"pr", "pr"}, {"a"}).node("QuantizeLinear", {"a", "sa", "za"}, {"aq"});
  dq("a", "a");
  m.node("GlobalAveragePool", {"ar"}, {"g"}).node("QuantizeLinear", {"g", "sg", "zg"}, {"gq"});
  dq("g", "g");
  m.node("Flatten", {"gr"}, {"f"}).node("QuantizeLinear", {"f", "sg", "zg"}, {"fq"});
  dq("f", "g");
  m.node("DequantizeLinear", {"k", "sk", "zk"}, {"kr"}).node("DequantizeLinear", {"b", "sb"}, {"br"});
  m.node("Gemm", {"fr", "kr", "br"}, {"t"}, {attribute("transB", 1)}).node("QuantizeLinear", {"t", "sy", "zy"}, {"yq"});
  m.node("DequantizeLinear", {"yq", "sy", "zy"}, {"y"});
  return m.output("y");
}

Floats random_floats(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  Floats all(count);
  for (float& x : all) x = rng.normal();
  return all;
}

}  // namespace

TEST_CASE("QDQ and QLinear operators of one network give one program's values") {
  const runtime::Program a = parse(network(false)), b = parse(network(true));
  for (const runtime::Program* program : {&a, &b}) {
    CHECK(program->ops.size() == 7);  // quantize, conv, max pool, add, mean, dense, dequantize
    CHECK(count(*program, runtime::OpKind::clamp) == 0);
    CHECK(count(*program, runtime::OpKind::dequantize) == 1);
  }
  const Floats input = random_floats(3 * 64 * 3, 4);
  CHECK(run_floats(a, input, 12) == run_floats(b, input, 12));
}

TEST_CASE("where a graph is not quantized on both sides of an operator, it is computed in float") {
  ModelWriter m;
  m.input("x", {-1, 4}).constant("s", {}, Floats{0.5F}).constant("z", {}, std::vector<std::int8_t>{0});
  m.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"r"});
  m.node("Sigmoid", {"r"}, {"g"}).node("Mul", {"g", "r"}, {"y"}).output("y");
  const runtime::Program program = parse(m);
  CHECK(program.ops.size() == 4);
  const Floats y = run_floats(program, {0.2F, -1.1F, 3.0F, 100.0F}, 4);
  const float codes[] = {0.0F, -1.0F, 3.0F, 63.5F};
  for (std::size_t i = 0; i < 4; ++i) CHECK(y[i] == doctest::Approx(codes[i] / (1 + std::exp(-codes[i]))));
}

TEST_CASE("what is written is read again as the same program") {
  const runtime::Program program = parse(network(true));
  const Floats input = random_floats(2 * 64 * 3, 6);
  const Floats expected = run_floats(program, input, 8);
  for (const bool uint8_activations : {false, true}) {
    const std::string text = io::onnx::export_program(program, {.uint8_activations = uint8_activations});
    const auto* first = reinterpret_cast<const std::uint8_t*>(text.data());
    const runtime::Program again = io::parse_onnx(io::Bytes(first, first + text.size()), "again.onnx");
    CHECK(again.ops.size() == program.ops.size());
    CHECK(run_floats(again, input, 8) == expected);
  }
}

TEST_CASE("a float program: pads, pools, joined and reshaped images, softmax") {
  runtime::ProgramBuilder b("float");
  const Floats kernel = random_floats(6 * 3 * 3 * 2, 1), depthwise = random_floats(3 * 3 * 6, 2),
               matrix = random_floats(5 * 96, 3);
  const int x = b.add_input("x", {1, 9, 8, 4});
  runtime::Op pad{.kind = runtime::OpKind::pad, .name = "pad"};
  pad.pad_bottom = 1, pad.pad_right = 2;
  int y = b.add_op(pad, {x}, {1, 10, 10, 4});
  runtime::Op conv{.kind = runtime::OpKind::conv2d, .name = "conv"};
  conv.groups = 2, conv.clamp_low = 0.0F, conv.clamp_high = 6.0F;
  conv.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 0};
  y = b.add_op(conv, {y, b.add_floats("kernel", {6, 3, 3, 2}, kernel), -1}, {1, 5, 5, 6});
  runtime::Op dw{.kind = runtime::OpKind::depthwise_conv2d, .name = "depthwise"};
  dw.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .pad_top = 1, .pad_left = 1};
  dw.clamp_low = 0.0F;
  const int z =
      b.add_op(dw, {y, b.add_floats("filters", {1, 3, 3, 6}, depthwise), b.add_floats("bias", {6}, Floats(6, 0.1F))},
               {1, 5, 5, 6});
  y = b.add_op({.kind = runtime::OpKind::concat, .name = "joined", .axis = 3}, {y, z}, {1, 5, 5, 12});
  runtime::Op pool{.kind = runtime::OpKind::average_pool2d, .name = "pool"};
  pool.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 0};
  y = b.add_op(pool, {y}, {1, 3, 3, 12});
  runtime::Op most{.kind = runtime::OpKind::max_pool2d, .name = "most"};
  most.window = {.kernel_h = 2, .kernel_w = 2, .stride_h = 1, .stride_w = 1};
  y = b.add_op(most, {y}, {1, 2, 2, 12});
  y = b.add_op({.kind = runtime::OpKind::logistic, .name = "logistic"}, {y}, {1, 2, 2, 12});
  y = b.add_op({.kind = runtime::OpKind::concat, .name = "high", .axis = 1}, {y, y}, {1, 4, 2, 12});
  y = b.add_op({.kind = runtime::OpKind::reshape, .name = "flat"}, {y}, {1, 96});
  y = b.add_op({.kind = runtime::OpKind::dense, .name = "dense"}, {y, b.add_floats("matrix", {5, 96}, matrix), -1},
               {1, 5});
  y = b.add_op({.kind = runtime::OpKind::softmax, .name = "softmax", .beta = 0.5F}, {y}, {1, 5});
  b.add_output(y);
  runtime::Program program = std::move(b).build();
  program.labels = {"a", "b", "c", "d", "e"};
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / (std::string("octavo-") + std::to_string(::getpid()) + ".onnx");
  io::save_onnx(program, file.string());
  const runtime::Program again = io::load_onnx(file.string());
  std::filesystem::remove(file);
  const Floats input = random_floats(2 * 9 * 8 * 4, 5);
  const Floats expected = run_floats(program, input, 10), found = run_floats(again, input, 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE("a float program: means, differences, transposes, constant and spread operands") {
  runtime::ProgramBuilder b("more");
  const int x = b.add_input("x", {1, 3, 4, 5});
  int y = b.add_op({.kind = runtime::OpKind::sub, .name = "sub"},
                   {b.add_floats("c", {1, 3, 4, 5}, random_floats(60, 1)), x}, {1, 3, 4, 5});
  runtime::Op mean{.kind = runtime::OpKind::mean, .name = "gate"};
  mean.axes = {1, 2};
  const int gate = b.add_op(mean, {x}, {1, 1, 1, 5});
  y = b.add_op({.kind = runtime::OpKind::mul, .name = "mul"}, {y, gate}, {1, 3, 4, 5});
  y = b.add_op({.kind = runtime::OpKind::add, .name = "add"}, {y, b.add_floats("five", {5}, random_floats(5, 2))},
               {1, 3, 4, 5});
  runtime::Op turn{.kind = runtime::OpKind::transpose, .name = "turn"};
  turn.axes = {0, 3, 1, 2};
  y = b.add_op(turn, {y}, {1, 5, 3, 4});
  runtime::Op rows{.kind = runtime::OpKind::mean, .name = "rows"};
  rows.axes = {1};
  y = b.add_op(rows, {y}, {1, 3, 4});
  b.add_output(b.add_op({.kind = runtime::OpKind::reshape, .name = "flat"}, {y}, {1, 12}));
  const runtime::Program program = std::move(b).build();
  const std::string text = io::onnx::export_program(program, {});
  CHECK(text.find("ReduceMean") != std::string::npos);
  CHECK(text.find("Sub") != std::string::npos);
}

namespace {

// A program of one Resize (inputs roi, scales or sizes), or the refusal.
struct ResizeNode {
  std::string mode = "nearest", coordinates = "half_pixel", rounding = "round_prefer_floor";
  Floats scales = {};
  Ints sizes = {};
  Ints dims = {-1, 2, 3, 4};
  std::vector<Attribute> more = {};
  std::int64_t opset = 13;

  [[nodiscard]] runtime::Program program() const {
    ModelWriter m(opset);
    m.input("x", dims);
    if (!scales.empty()) m.constant("scales", {std::ssize(scales)}, scales);
    if (!sizes.empty()) m.constant("sizes", {std::ssize(sizes)}, sizes);
    std::vector<Attribute> attributes = more;
    attributes.push_back(attribute("mode", mode));
    attributes.push_back(attribute("coordinate_transformation_mode", coordinates));
    attributes.push_back(attribute("nearest_mode", rounding));
    m.node("Resize", {"x", "", scales.empty() ? "" : "scales", sizes.empty() ? "" : "sizes"}, {"y"}, attributes);
    return parse(m.output("y"));
  }
  [[nodiscard]] std::string refusal() const {
    try {
      (void)program();
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  }
};

}  // namespace

TEST_CASE("resize: what maps exactly becomes one operator") {
  struct Case {
    std::string mode, coordinates, rounding;
    Floats scales;
    Ints sizes;
    bool corners, centers;
  };
  const Case cases[] = {
      {"nearest", "asymmetric", "floor", {1, 1, 2, 2}, {}, false, false},
      {"nearest", "asymmetric", "floor", {}, {1, 2, 5, 7}, false, false},
      {"nearest", "half_pixel", "round_prefer_ceil", {}, {1, 2, 5, 7}, false, true},
      {"nearest", "half_pixel", "round_prefer_floor", {1, 1, 2, 3}, {}, false, true},
      {"nearest", "tf_half_pixel_for_nn", "floor", {}, {1, 2, 5, 7}, false, true},
      {"nearest", "align_corners", "round_prefer_ceil", {}, {1, 2, 5, 7}, true, false},
      {"linear", "half_pixel", "", {1, 1, 2, 2}, {}, false, true},
      {"linear", "pytorch_half_pixel", "", {}, {1, 2, 5, 7}, false, true},
      {"linear", "half_pixel_symmetric", "", {}, {1, 2, 5, 7}, false, true},
      {"linear", "align_corners", "", {}, {1, 2, 5, 1}, true, false},
      {"linear", "asymmetric", "", {1, 1, 1.6666666F, 1.75F}, {}, false, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.mode);
    CAPTURE(c.coordinates);
    const runtime::Program program =
        ResizeNode{
            .mode = c.mode, .coordinates = c.coordinates, .rounding = c.rounding, .scales = c.scales, .sizes = c.sizes}
            .program();
    REQUIRE(program.ops.size() == 1);
    const runtime::Op& op = program.ops[0];
    CHECK(op.kind == (c.mode == "nearest" ? runtime::OpKind::resize_nearest : runtime::OpKind::resize_bilinear));
    CHECK(op.align_corners == c.corners);
    CHECK(op.half_pixel_centers == c.centers);
    const Shape& shape = runtime::output_of(program, op).shape;
    CHECK(shape == (c.sizes.empty() ? Shape{1, c.scales[2] > 1.9F ? 6 : 5,
                                            c.scales[3] > 2.5F   ? 12
                                            : c.scales[3] > 1.9F ? 8
                                                                 : 7,
                                            2}
                                    : Shape{1, 5, c.sizes[3], 2}));
  }
  ModelWriter old(9);
  old.input("x", {-1, 2, 3, 4}).constant("scales", {4}, Floats{1, 1, 2, 2});
  const runtime::Program upsampled =
      parse(old.node("Upsample", {"x", "scales"}, {"y"}, {attribute("mode", std::string_view("linear"))}).output("y"));
  REQUIRE(upsampled.ops.size() == 1);
  CHECK(upsampled.ops[0].kind == runtime::OpKind::resize_bilinear);
  CHECK_FALSE(upsampled.ops[0].half_pixel_centers);
}

TEST_CASE("resize: what would read other pixels is refused by name") {
  const auto refused = [](const ResizeNode& node, const std::string& part) {
    CAPTURE(part);
    CHECK(node.refusal().find(part) != std::string::npos);
  };
  refused({.mode = "cubic", .sizes = {1, 2, 5, 7}}, "mode 'cubic' is not imported");
  refused({.coordinates = "tf_crop_and_resize", .sizes = {1, 2, 5, 7}},
          "coordinate_transformation_mode 'tf_crop_and_resize' is not imported");
  refused({.rounding = "down", .sizes = {1, 2, 5, 7}}, "nearest_mode 'down' is not imported");
  refused({.rounding = "ceil", .sizes = {1, 2, 5, 7}},
          "the runtime has no resize of [1,2,3,4] to [1,2,5,7] with coordinate_transformation_mode 'half_pixel', "
          "nearest_mode ceil");
  refused({.mode = "linear", .scales = {1, 1, 1.5F, 1}}, "and these scales: other pixels would be read");
  refused({.mode = "linear", .coordinates = "pytorch_half_pixel", .sizes = {1, 2, 1, 7}}, "the runtime has no resize");
  refused({.sizes = {1, 4, 5, 7}}, "only height and width are resized");
  refused({.sizes = {1, 2, 5}}, "expected a number for each of 4 axes");
  refused({.sizes = {1, 2, 0, 7}}, "a scale or size of 0");
  refused({.scales = {1, 1, 0.1F, 1}}, "the result would be [1,2,0,4]");
  refused({.scales = {1, 1, -1, 1}}, "a scale or size of -1");
  refused({}, "expected scales or sizes, found none");
  refused({.scales = {1, 1, 2, 2}, .sizes = {1, 2, 6, 8}}, "expected scales or sizes, found both");
  refused({.mode = "linear", .sizes = {1, 2, 5, 7}, .more = {attribute("antialias", 1)}}, "antialias is not imported");
  refused({.sizes = {1, 2, 5}, .dims = {-1, 2, 3}}, "only images (NCHW) are resized");
}

TEST_CASE("resize: written and read again, in floats and between codes") {
  for (const bool codes : {false, true})
    for (const bool bilinear : {false, true})
      for (int centers = 0; centers < 3; ++centers) {
        CAPTURE(centers);
        runtime::ProgramBuilder b("resize");
        const runtime::DType type = codes ? runtime::DType::i8 : runtime::DType::f32;
        const runtime::Quantization grid = codes ? runtime::per_tensor(0.05F, -7) : runtime::Quantization{};
        runtime::Op op{.kind = bilinear ? runtime::OpKind::resize_bilinear : runtime::OpKind::resize_nearest,
                       .name = "resized"};
        op.align_corners = centers == 1, op.half_pixel_centers = centers == 2;
        const int x = b.add_input("x", {1, 3, 5, 2}, type, grid);
        b.add_output(b.add_op(op, {x}, {1, 7, 8, 2}, grid));
        const runtime::Program program = std::move(b).build();
        const std::string text = io::onnx::export_program(program, {});
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
        const runtime::Program again = io::parse_onnx(io::Bytes(bytes, bytes + text.size()), "again.onnx");
        int resizes = 0;
        for (const runtime::Op& o : again.ops) {
          if (!runtime::is_resize(o.kind)) continue;
          ++resizes;
          CHECK(o.kind == op.kind);
          CHECK(o.align_corners == op.align_corners);
          CHECK(o.half_pixel_centers == op.half_pixel_centers);
          CHECK(runtime::output_of(again, o).dtype == type);
        }
        CHECK(resizes == 1);
        if (codes) {
          const auto in = random_codes<std::int8_t>(30, 3, -128, 127);
          std::vector<std::int8_t> first(112), second(112);
          runtime::Model(program).run(std::span<const std::int8_t>(in), std::span<std::int8_t>(first));
          runtime::Model(again).run(std::span<const std::int8_t>(in), std::span<std::int8_t>(second));
          CHECK(first == second);
        } else {
          const Floats in = random_floats(30, 3);
          CHECK(run_floats(program, in, 112) == run_floats(again, in, 112));
        }
      }
}

TEST_CASE("resize: on another grid bilinear is computed in float, nearest moves codes") {
  for (const bool bilinear : {false, true}) {
    ModelWriter m;
    m.input("x", {-1, 2, 3, 4}).constant("s", {}, Floats{0.1F}).constant("z", {}, std::vector<std::int8_t>{3});
    m.constant("s2", {}, Floats{0.2F}).constant("sizes", {4}, Ints{1, 2, 6, 8});
    m.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"r"});
    m.node("Resize", {"r", "", "", "sizes"}, {"t"}, {attribute("mode", bilinear ? "linear" : "nearest")});
    m.node("QuantizeLinear", {"t", "s2", "z"}, {"p"}).node("DequantizeLinear", {"p", "s2", "z"}, {"y"}).output("y");
    const runtime::Program program = parse(m);
    const auto resize = std::find_if(program.ops.begin(), program.ops.end(),
                                     [](const runtime::Op& o) { return runtime::is_resize(o.kind); });
    REQUIRE(resize != program.ops.end());
    CHECK(runtime::output_of(program, *resize).dtype == (bilinear ? runtime::DType::f32 : runtime::DType::i8));
  }
}

TEST_CASE("hard swish and a gate with one factor a channel, as a float program") {
  ModelWriter m;
  m.input("x", {-1, 3, 4, 4}).node("HardSwish", {"x"}, {"h"}).node("GlobalAveragePool", {"h"}, {"g"});
  m.node("HardSigmoid", {"g"}, {"s"}, {attribute("alpha", 0.3F)}).node("Mul", {"h", "s"}, {"y"}).output("y");
  const Floats input = random_floats(48, 9), y = run_floats(parse(m), input, 48);
  const auto swish = [&](std::size_t i) { return input[i] * std::min(std::max(input[i] / 6 + 0.5F, 0.0F), 1.0F); };
  for (std::size_t c = 0; c < 3; ++c) {
    float mean = 0;
    for (std::size_t p = 0; p < 16; ++p) mean += swish(p * 3 + c) / 16;
    for (std::size_t p = 0; p < 16; ++p)
      CHECK(y[p * 3 + c] ==
            doctest::Approx(swish(p * 3 + c) * std::min(std::max(0.3F * mean + 0.5F, 0.0F), 1.0F)).epsilon(1e-5));
  }
}

TEST_CASE("hard swish and hard sigmoid between codes are integer operators, rounded once") {
  ModelWriter m;
  m.input("x", {-1, 40}).constant("s", {}, Floats{0.2F}).constant("z", {}, std::vector<std::int8_t>{-7});
  m.constant("sh", {}, Floats{0.03F}).constant("zh", {}, std::vector<std::int8_t>{-100});
  m.constant("sg", {}, Floats{1.0F / 255}).constant("zg", {}, std::vector<std::int8_t>{-128});
  m.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"r"});
  m.node("HardSwish", {"r"}, {"h"}).node("QuantizeLinear", {"h", "sh", "zh"}, {"hq"});
  m.node("DequantizeLinear", {"hq", "sh", "zh"}, {"hr"});
  m.node("HardSigmoid", {"hr"}, {"g"}, {attribute("alpha", 0.21F)}).node("QuantizeLinear", {"g", "sg", "zg"}, {"gq"});
  m.node("DequantizeLinear", {"gq", "sg", "zg"}, {"y"}).output("y");
  const runtime::Program program = parse(m);
  CHECK(count(program, runtime::OpKind::dequantize) == 1);
  CHECK(count(program, runtime::OpKind::hard_swish) == 1);
  CHECK(program.ops.size() == 5);  // quantize, hard swish, sum, product, dequantize
  Floats input;
  for (int i = 0; i < 40; ++i) input.push_back(0.2F * static_cast<float>(i - 20));
  const Floats y = run_floats(program, input, 40);
  for (std::size_t i = 0; i < 40; ++i) {
    const float x = input[i], swish = x * std::min(std::max(x / 6 + 0.5F, 0.0F), 1.0F);
    const float code = std::clamp(std::round(swish / 0.03F) - 100.0F, -128.0F, 127.0F), real = 0.03F * (code + 100.0F);
    CHECK(std::abs(y[i] - std::min(std::max(0.21F * real + 0.5F, 0.0F), 1.0F)) <= 0.51F / 255);
  }
}
