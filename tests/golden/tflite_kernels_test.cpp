// The 34 int8 kernel cases of TFLite's reference kernels, in tflite_double mode at tolerance 0: through our reference
// loops with int8 codes, and through the public operators in u8 terms at each level.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "../kernels/int8_support.hpp"
#include "octavo/kernels/add.hpp"
#include "octavo/kernels/conv2d.hpp"
#include "octavo/kernels/dense.hpp"
#include "octavo/kernels/depthwise_conv2d.hpp"
#include "octavo/kernels/pad.hpp"
#include "octavo/kernels/pool.hpp"
#include "octavo/kernels/reference/conv2d.hpp"
#include "octavo/kernels/reference/elementwise.hpp"
#include "octavo/kernels/reference/pool.hpp"
#include "octavo/kernels/softmax.hpp"
#include "skip.hpp"

using namespace int8_test;
using nlohmann::json;

namespace {

struct Case {
  json parameters;
  json tensors;

  [[nodiscard]] bool has(const char* name) const { return parameters.contains(name); }
  [[nodiscard]] std::int64_t at(const char* name) const { return parameters.at(name).get<std::int64_t>(); }
  [[nodiscard]] std::int64_t at_or(const char* name, std::int64_t value) const { return has(name) ? at(name) : value; }
  [[nodiscard]] std::int32_t small(const char* name) const { return static_cast<std::int32_t>(at(name)); }
  template <class Value>
  [[nodiscard]] std::vector<Value> tensor(const char* name) const {
    return tensors.at(name).at("values").get<std::vector<Value>>();
  }
};

std::vector<std::uint8_t> u8_terms(const std::vector<std::int8_t>& codes) {
  std::vector<std::uint8_t> shifted;
  for (const std::int8_t code : codes) shifted.push_back(static_cast<std::uint8_t>(code + kCodeOffset));
  return shifted;
}

OutputStage u8_terms(OutputStage stage) {
  stage.zero_point += kCodeOffset;
  stage.min += kCodeOffset;
  stage.max += kCodeOffset;
  return stage;
}

// `run(in, out)` computes in u8 terms.
template <class Run>
void check_levels(const std::vector<std::int8_t>& in, const std::vector<std::int8_t>& expected, Run run) {
  const std::vector<std::uint8_t> in_u8 = u8_terms(in);
  at_each_level([&](Isa isa) {
    std::vector<std::uint8_t> out(expected.size(), 99);
    run(in_u8.data(), out.data());
    INFO("level ", name_of(isa));
    CHECK(out == u8_terms(expected));
  });
}

OutputStage convolution_stage(const Case& c, std::int64_t channels) {
  OutputStage stage;
  stage.rounding = Rounding::tflite_double;
  stage.zero_point = c.small("output_offset");
  stage.min = c.small("out_activation_min");
  stage.max = c.small("out_activation_max");
  if (c.has("output_multiplier")) {  // per tensor
    stage.multiplier = {c.small("output_multiplier")};
    stage.shift = {c.small("output_shift")};
  } else {
    for (const std::int32_t m : c.tensor<std::int32_t>("output_mult")) stage.multiplier.push_back(m);
    for (const std::int32_t s : c.tensor<std::int32_t>("output_shift")) stage.shift.push_back(s);
  }
  REQUIRE((stage.multiplier.size() == 1 || stage.multiplier.size() == static_cast<std::size_t>(channels)));
  return stage;
}

void check_convolution(const Case& c) {
  const bool depthwise = c.has("ch_mult");
  ConvGeometry g{.in_h = c.at("input_h"),
                 .in_w = c.at("input_w"),
                 .in_c = c.at("in_ch"),
                 .out_h = c.at("output_h"),
                 .out_w = c.at("output_w"),
                 .out_c = c.at("out_ch"),
                 .groups = 1,
                 .window = {.kernel_h = c.at("filter_y"),
                            .kernel_w = c.at("filter_x"),
                            .stride_h = c.at("stride_y"),
                            .stride_w = c.at("stride_x"),
                            .dilation_h = c.at("dilation_y"),
                            .dilation_w = c.at("dilation_x"),
                            .pad_top = c.at("pad_y"),
                            .pad_left = c.at("pad_x")}};
  if (!depthwise) g.groups = g.in_c / c.at_or("filter_ch", g.in_c);
  const std::int64_t batch = c.at("input_batches");
  const auto in = c.tensor<std::int8_t>("input");
  const auto weights = c.tensor<std::int8_t>("weights");
  const auto bias = c.tensor<std::int32_t>("biases");
  const auto expected = c.tensor<std::int8_t>("output_ref");
  const std::int32_t zero_point = -c.small("input_offset");
  const OutputStage stage = convolution_stage(c, g.out_c);
  REQUIRE(in.size() == static_cast<std::size_t>(batch * g.in_size()));
  REQUIRE(expected.size() == static_cast<std::size_t>(batch * g.out_size()));

  std::vector<std::int8_t> out(expected.size());
  if (depthwise) {
    reference::depthwise_conv2d(g, in.data(), out.data(), batch, weights.data(), bias.data(), zero_point, stage);
    const QuantizedDepthwiseConv2d op(g, weights, bias, zero_point + kCodeOffset, u8_terms(stage));
    check_levels(in, expected, [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, batch, 1); });
  } else {
    reference::conv2d(g, in.data(), out.data(), batch, weights.data(), bias.data(), zero_point, stage);
    const QuantizedConv2d op(g, weights, bias, zero_point + kCodeOffset, u8_terms(stage));
    Scratch scratch(op.scratch_bytes(1));
    check_levels(in, expected,
                 [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, batch, 1, scratch.span()); });
  }
  CHECK(out == expected);
}

void check_dense(const Case& c) {
  const std::int64_t depth = c.at("accumulation_depth");
  const std::int64_t channels = c.at("out_ch");
  const std::int64_t rows = c.at("input_batches");
  const auto in = c.tensor<std::int8_t>("input");
  const auto weights = c.tensor<std::int8_t>("weights");
  const auto bias = c.tensor<std::int32_t>("biases");
  const auto expected = c.tensor<std::int8_t>("output_ref");
  const std::int32_t zero_point = -c.small("input_offset");
  const OutputStage stage = convolution_stage(c, channels);
  REQUIRE(in.size() == static_cast<std::size_t>(rows * depth));
  std::vector<std::int8_t> out(expected.size());
  reference::dense(depth, channels, in.data(), out.data(), rows, weights.data(), bias.data(), zero_point, stage);
  CHECK(out == expected);
  const QuantizedDense op(depth, channels, weights, bias, zero_point + kCodeOffset, u8_terms(stage));
  Scratch scratch(op.scratch_bytes(1));
  check_levels(in, expected,
               [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, rows, 1, scratch.span()); });
}

void check_pool(const Case& c, bool average) {
  const ConvGeometry g{.in_h = c.at("input_h"),
                       .in_w = c.at("input_w"),
                       .in_c = c.at("input_c"),
                       .out_h = c.at("output_h"),
                       .out_w = c.at("output_w"),
                       .out_c = c.at("output_c"),
                       .groups = 1,
                       .window = {.kernel_h = c.at("filter_h"),
                                  .kernel_w = c.at("filter_w"),
                                  .stride_h = c.at("stride_h"),
                                  .stride_w = c.at("stride_w"),
                                  .pad_top = c.at("padding_h"),
                                  .pad_left = c.at("padding_w")}};
  const std::int64_t batch = c.at("batch_size");
  const CodeLimits limits{c.small("activation_min"), c.small("activation_max")};
  const CodeLimits shifted{limits.min + kCodeOffset, limits.max + kCodeOffset};
  const auto in = c.tensor<std::int8_t>("input_tensor");
  const auto expected = c.tensor<std::int8_t>("output");
  std::vector<std::int8_t> out(expected.size());
  if (average) {
    AverageStage stage;
    stage.rounding = Rounding::tflite_double;
    stage.min = limits.min, stage.max = limits.max;
    reference::average_pool2d(g, in.data(), out.data(), batch, stage);
    stage.min = shifted.min, stage.max = shifted.max;
    const QuantizedAveragePool2d op(g, stage);
    check_levels(in, expected, [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, batch, 1); });
  } else {
    reference::max_pool2d(g, in.data(), out.data(), batch, limits);
    const QuantizedMaxPool2d op(g, shifted);
    check_levels(in, expected, [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, batch, 1); });
  }
  CHECK(out == expected);
}

void check_add(const Case& c) {
  AddStage stage;
  stage.rounding = Rounding::tflite_double;
  stage.zero_point_a = -c.small("input1_offset");
  stage.zero_point_b = -c.small("input2_offset");
  stage.zero_point = c.small("output_offset");
  stage.min = c.small("out_activation_min");
  stage.max = c.small("out_activation_max");
  stage.left_shift = c.small("left_shift");
  stage.multiplier_a = {c.small("input1_mult"), c.small("input1_shift")};
  stage.multiplier_b = {c.small("input2_mult"), c.small("input2_shift")};
  stage.multiplier = {c.small("output_mult"), c.small("output_shift")};
  const auto a = c.tensor<std::int8_t>("input1");
  const auto b = c.tensor<std::int8_t>("input2");
  const auto expected = c.tensor<std::int8_t>("output_ref");
  const auto n = static_cast<std::int64_t>(expected.size());
  std::vector<std::int8_t> out(expected.size());
  reference::add(a.data(), b.data(), out.data(), n, stage);
  CHECK(out == expected);
  for (std::int32_t* code : {&stage.zero_point_a, &stage.zero_point_b, &stage.zero_point, &stage.min, &stage.max})
    *code += kCodeOffset;
  const QuantizedAdd op(stage);
  const std::vector<std::uint8_t> b_u8 = u8_terms(b);
  check_levels(a, expected, [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, b_u8.data(), to, n, 1); });
}

void check_softmax(const Case& c) {
  const std::int64_t depth = c.at("row_size");
  const std::int64_t rows = c.at("num_rows");
  const SoftmaxStage stage = make_fixed_softmax_stage(Rounding::tflite_double, c.small("input_mult"),
                                                      c.small("input_left_shift"), c.small("diff_min"));
  const auto in = c.tensor<std::int8_t>("input");
  const auto expected = c.tensor<std::int8_t>("output_ref");
  std::vector<std::int8_t> out(expected.size());
  reference::softmax(in.data(), out.data(), rows, depth, stage);
  CHECK(out == expected);
  const QuantizedSoftmax op(depth, stage);
  check_levels(in, expected, [&](const std::uint8_t* from, std::uint8_t* to) { op.run(from, to, rows, 1); });
}

void check_pad(const Case& c) {
  for (const char* name : {"pre_pad_n", "pre_pad_c", "post_pad_n", "post_pad_c"}) REQUIRE(c.at(name) == 0);
  const auto in = c.tensor<std::int8_t>("input_tensor");
  const auto expected = c.tensor<std::int8_t>("output");
  const Padding padding{c.at("pre_pad_h"), c.at("post_pad_h"), c.at("pre_pad_w"), c.at("post_pad_w")};
  check_levels(in, expected, [&](const std::uint8_t* from, std::uint8_t* to) {
    pad2d(from, to, c.at("input_n"), c.at("input_h"), c.at("input_w"), c.at("input_c"), padding,
          static_cast<std::uint8_t>(c.at("pad_value") + kCodeOffset), 1);
  });
}

bool starts_with(const std::string& name, const char* prefix) { return name.rfind(prefix, 0) == 0; }

}  // namespace

TEST_CASE("TFLite's int8 kernel cases") {
  const char* data = std::getenv("OCTAVO_DATA");
  const std::filesystem::path folder =
      std::filesystem::path(data == nullptr ? "" : data) / "golden" / "tflite_int8_kernels";
  if (data == nullptr || !std::filesystem::is_directory(folder)) {
    octavo_test::skip("set OCTAVO_DATA to the folder that holds golden/tflite_int8_kernels");
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  CHECK(files.size() == 34);
  for (const auto& file : files) {
    const std::string name = file.stem().string();
    std::cout << name << ' ';
    INFO(name);
    std::ifstream stream(file);
    const json document = json::parse(stream);
    const Case c{document.at("parameters"), document.at("tensors")};
    if (starts_with(name, "fully_connected")) {
      check_dense(c);
    } else if (starts_with(name, "avgpooling")) {
      check_pool(c, true);
    } else if (starts_with(name, "maxpooling")) {
      check_pool(c, false);
    } else if (name == "add") {
      check_add(c);
    } else if (name == "softmax") {
      check_softmax(c);
    } else if (starts_with(name, "pad")) {
      check_pad(c);
    } else {
      check_convolution(c);
    }
  }
  std::cout << '\n' << files.size() << " cases\n";
}
