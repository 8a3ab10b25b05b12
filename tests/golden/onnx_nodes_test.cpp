// ONNX's own node tests of the quantization operators, in nearest_even_f32 mode.
//
// ONNX adds an output zero point before it rounds, this mode after: with an odd zero point exact ties would differ. Its
// cases hold none. Its unsigned weights with a zero point reach beyond int8: such a weight is the sum of two, and the
// input is given twice, which leaves the accumulator as it is.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "../kernels/int8_support.hpp"
#include "octavo/kernels/conv2d.hpp"
#include "octavo/kernels/dense.hpp"
#include "octavo/kernels/quantize.hpp"
#include "octavo/kernels/reference/conv2d.hpp"
#include "octavo/kernels/reference/elementwise.hpp"
#include "skip.hpp"

using namespace int8_test;

namespace {

// --- As much of protocol buffers and ONNX as these files need. ---

using Bytes = std::string_view;

// Calls field(number, varint value, bytes) for each field of a message; fixed32 arrives as 4 bytes.
template <class Field>
void for_each_field(Bytes message, Field field) {
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; at < message.size(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(message[at++]);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80U) == 0) break;
    }
    return value;
  };
  while (at < message.size()) {
    const std::uint64_t tag = varint();
    const auto number = static_cast<int>(tag >> 3U);
    std::uint64_t value = 0;
    std::size_t length = 0;
    switch (tag & 7U) {
      case 0:
        value = varint();
        break;
      case 1:
        length = 8;
        break;
      case 2:
        length = static_cast<std::size_t>(varint());
        break;
      default:
        length = 4;
        break;
    }
    REQUIRE(length <= message.size() - at);
    field(number, value, message.substr(at, length));
    at += length;
  }
}

// A repeated integer field: one value, or a packed run of them.
void append_integers(std::vector<std::int64_t>& to, std::uint64_t value, Bytes packed) {
  if (packed.empty()) {
    to.push_back(static_cast<std::int64_t>(value));
    return;
  }
  std::uint64_t v = 0;
  int shift = 0;
  for (const char c : packed) {
    const auto byte = static_cast<std::uint8_t>(c);
    v |= std::uint64_t{byte & 0x7FU} << shift;
    shift += 7;
    if ((byte & 0x80U) != 0) continue;
    to.push_back(static_cast<std::int64_t>(v));
    v = 0;
    shift = 0;
  }
}

enum Type { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt4 = 22 };

struct OnnxTensor {
  int type = 0;
  std::vector<std::int64_t> dims;
  std::vector<float> real;         // kFloat
  std::vector<std::int32_t> code;  // integers

  [[nodiscard]] std::int64_t size() const {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    return n;
  }
};

OnnxTensor parse_tensor(Bytes message) {
  OnnxTensor t;
  std::vector<std::int64_t> integers;
  Bytes raw, floats;
  for_each_field(message, [&](int number, std::uint64_t value, Bytes bytes) {
    if (number == 1) append_integers(t.dims, value, bytes);
    if (number == 2) t.type = static_cast<int>(value);
    if (number == 4) floats = bytes;
    if (number == 5) append_integers(integers, value, bytes);
    if (number == 9) raw = bytes;
  });
  const auto n = static_cast<std::size_t>(t.size());
  if (t.type == kFloat) {
    const Bytes source = raw.empty() ? floats : raw;
    REQUIRE(source.size() == 4 * n);
    t.real.resize(n);
    std::memcpy(t.real.data(), source.data(), source.size());
    return t;
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t code = 0;
    if (t.type == kInt4) {  // two a byte, low nibble first
      const auto byte =
          raw.empty() ? static_cast<std::uint8_t>(integers.at(i / 2)) : static_cast<std::uint8_t>(raw.at(i / 2));
      code = (byte >> (i % 2 * 4)) & 15;
      code -= code >= 8 ? 16 : 0;
    } else if (raw.empty()) {
      code = static_cast<std::int32_t>(integers.at(i));
    } else if (t.type == kInt32) {
      std::memcpy(&code, raw.substr(4 * i, 4).data(), 4);
    } else {
      const auto byte = static_cast<std::uint8_t>(raw.at(i));
      code = t.type == kInt8 ? static_cast<std::int8_t>(byte) : byte;
    }
    t.code.push_back(code);
  }
  return t;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  REQUIRE_MESSAGE(stream.good(), file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

struct NodeCase {
  std::vector<OnnxTensor> inputs, outputs;
  std::map<std::string, std::vector<std::int64_t>> attributes;

  [[nodiscard]] std::int64_t attribute(const std::string& name, std::size_t i, std::int64_t fallback) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? fallback : found->second.at(i);
  }
};

NodeCase read_case(const std::filesystem::path& folder) {
  NodeCase c;
  for (int i = 0; std::filesystem::exists(folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb")); ++i)
    c.inputs.push_back(parse_tensor(read(folder / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb"))));
  for (int i = 0; std::filesystem::exists(folder / "test_data_set_0" / ("output_" + std::to_string(i) + ".pb")); ++i)
    c.outputs.push_back(parse_tensor(read(folder / "test_data_set_0" / ("output_" + std::to_string(i) + ".pb"))));
  const std::string model = read(folder / "model.onnx");
  for_each_field(model, [&](int in_model, std::uint64_t, Bytes graph) {
    if (in_model != 7) return;
    for_each_field(graph, [&](int in_graph, std::uint64_t, Bytes node) {
      if (in_graph != 1) return;
      for_each_field(node, [&](int in_node, std::uint64_t, Bytes attribute) {
        if (in_node != 5) return;
        std::string name;
        std::vector<std::int64_t> values;
        for_each_field(attribute, [&](int number, std::uint64_t value, Bytes bytes) {
          if (number == 1) name = bytes;
          if (number == 3) values.push_back(static_cast<std::int64_t>(value));
          if (number == 8) append_integers(values, value, bytes);
        });
        c.attributes[name] = values;
      });
    });
  });
  REQUIRE(!c.inputs.empty());
  REQUIRE(!c.outputs.empty());
  return c;
}

// --- The cases. ---

Grid grid_of(const OnnxTensor& scale, const OnnxTensor* zero_point, std::size_t channel, int type) {
  Grid grid{.scale = scale.real.at(scale.real.size() == 1 ? 0 : channel), .zero_point = 0, .qmin = 0, .qmax = 255};
  if (zero_point != nullptr) grid.zero_point = zero_point->code.at(zero_point->code.size() == 1 ? 0 : channel);
  if (type == kInt8) grid.qmin = -128, grid.qmax = 127;
  if (type == kInt4) grid.qmin = -8, grid.qmax = 7;
  return grid;
}

// Channel of element i along `axis`.
std::size_t channel_of(const OnnxTensor& t, std::int64_t axis, std::int64_t i) {
  std::int64_t inner = 1;
  const auto rank = static_cast<std::int64_t>(t.dims.size());
  if (rank == 0) return 0;
  for (std::int64_t d = (axis + rank) % rank + 1; d < rank; ++d) inner *= t.dims[static_cast<std::size_t>(d)];
  return static_cast<std::size_t>(i / inner % t.dims[static_cast<std::size_t>((axis + rank) % rank)]);
}

// Element by element through the kernels where a u8 or int8 grid allows, else through the shared definition.
void check_quantize(const NodeCase& c) {
  const OnnxTensor& x = c.inputs[0];
  const OnnxTensor& y = c.outputs[0];
  const std::int64_t axis = c.attribute("axis", 0, 1);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Grid grid =
        grid_of(c.inputs[1], c.inputs.size() > 2 ? &c.inputs[2] : nullptr, channel_of(x, axis, i), y.type);
    CHECK(quantize(x.real[at], grid, Ties::even) == y.code[at]);
    if (y.type == kInt4) continue;
    const bool is_signed = y.type == kInt8;
    at_each_level([&](Isa) {
      std::uint8_t code = 0;
      quantize_codes(&x.real[at], &code, 1, is_signed ? u8_terms(grid) : grid, Ties::even, 1);
      CHECK(code - (is_signed ? kCodeOffset : 0) == y.code[at]);
    });
  }
}

void check_dequantize(const NodeCase& c) {
  const OnnxTensor& x = c.inputs[0];
  const OnnxTensor& y = c.outputs[0];
  const std::int64_t axis = c.attribute("axis", 0, 1);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Grid grid =
        grid_of(c.inputs[1], c.inputs.size() > 2 ? &c.inputs[2] : nullptr, channel_of(x, axis, i), x.type);
    CHECK(dequantize(x.code[at], grid) == y.real[at]);
    if (x.type != kUint8) continue;
    at_each_level([&](Isa) {
      const auto code = static_cast<std::uint8_t>(x.code[at]);
      float real = 0;
      dequantize_codes(&code, &real, 1, grid, 1);
      CHECK(real == y.real[at]);
    });
  }
}

void check_dynamic_quantize(const NodeCase& c) {
  const OnnxTensor& x = c.inputs[0];
  at_each_level([&](Isa) {
    std::vector<std::uint8_t> codes(x.real.size());
    const Grid grid = quantize_dynamic(x.real.data(), codes.data(), x.size());
    CHECK(grid.scale == c.outputs[1].real.at(0));
    CHECK(grid.zero_point == c.outputs[2].code.at(0));
    CHECK(std::equal(codes.begin(), codes.end(), c.outputs[0].code.begin(), c.outputs[0].code.end()));
  });
}

// Two int8 weights whose sum is `weight` in [-255, 255].
std::pair<std::int8_t, std::int8_t> halves(std::int32_t weight) {
  const std::int32_t first = std::clamp(weight, -128, 127);
  return {static_cast<std::int8_t>(first), static_cast<std::int8_t>(weight - first)};
}

// y[m][n] = a[m][k] * b[k][n] with all zero points: QLinearMatMul's inputs, or MatMulInteger's.
struct MatMul {
  std::int64_t m, k, n;
  std::vector<std::uint8_t> a;       // each column twice, u8 terms
  std::vector<std::int8_t> weights;  // [n][2k]
  std::int32_t a_zero_point;
};

MatMul make_matmul(const OnnxTensor& a, std::int32_t a_zero, const OnnxTensor& b, std::int32_t b_zero) {
  REQUIRE(a.dims.size() == 2);
  REQUIRE(b.dims.size() == 2);
  const std::int32_t offset = a.type == kInt8 ? kCodeOffset : 0;
  MatMul mm{a.dims[0], a.dims[1], b.dims[1], {}, {}, a_zero + offset};
  for (const std::int32_t code : a.code) mm.a.insert(mm.a.end(), 2, static_cast<std::uint8_t>(code + offset));
  for (std::int64_t j = 0; j < mm.n; ++j)
    for (std::int64_t p = 0; p < mm.k; ++p) {
      const auto [first, second] = halves(b.code[static_cast<std::size_t>(p * mm.n + j)] - b_zero);
      mm.weights.push_back(first);
      mm.weights.push_back(second);
    }
  return mm;
}

void check_qlinear_matmul(const NodeCase& c) {
  const MatMul mm = make_matmul(c.inputs[0], c.inputs[2].code[0], c.inputs[3], c.inputs[5].code[0]);
  const OnnxTensor& y = c.outputs[0];
  const Grid out_grid = grid_of(c.inputs[6], &c.inputs[7], 0, y.type);
  const Grid u8_grid = y.type == kInt8 ? u8_terms(out_grid) : out_grid;
  const float weight_scale[] = {c.inputs[4].real[0]};
  const OutputStage stage =
      make_output_stage(Rounding::nearest_even_f32, c.inputs[1].real[0], weight_scale, u8_grid, {0, 255});
  const QuantizedDense dense(2 * mm.k, mm.n, mm.weights, {}, mm.a_zero_point, stage);
  Scratch scratch(dense.scratch_bytes(1));
  at_each_level([&](Isa) {
    std::vector<std::uint8_t> out(y.code.size());
    dense.run(mm.a.data(), out.data(), mm.m, 1, scratch.span());
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] - (y.type == kInt8 ? kCodeOffset : 0) == y.code[i]);
  });
}

void check_matmul_integer(const NodeCase& c) {
  const std::int32_t a_zero = c.inputs.size() > 2 ? c.inputs[2].code[0] : 0;
  const std::int32_t b_zero = c.inputs.size() > 3 ? c.inputs[3].code[0] : 0;
  const MatMul mm = make_matmul(c.inputs[0], a_zero, c.inputs[1], b_zero);
  const ConvGeometry g{.in_c = 2 * mm.k, .out_c = mm.n, .window = {}};
  reference::conv2d_accumulate(g, mm.a.data(), mm.m, mm.weights.data(), nullptr, mm.a_zero_point,
                               [&](std::int64_t index, std::int64_t, std::int32_t acc) {
                                 CHECK(acc == c.outputs[0].code.at(static_cast<std::size_t>(index)));
                               });
}

// x NCHW and w OIHW to NHWC and OHWI, with each input channel given twice.
struct Convolution {
  ConvGeometry g;
  std::int64_t batch;
  std::vector<std::uint8_t> in;
  std::vector<std::int8_t> weights;
};

Convolution make_convolution(const NodeCase& c, const OnnxTensor& x, const OnnxTensor& w, const OnnxTensor* w_zero,
                             const OnnxTensor& y) {
  REQUIRE(x.type == kUint8);
  REQUIRE(c.attribute("group", 0, 1) == 1);
  const auto channels = x.dims[1];
  Convolution conv{{.in_h = x.dims[2],
                    .in_w = x.dims[3],
                    .in_c = 2 * channels,
                    .out_h = y.dims[2],
                    .out_w = y.dims[3],
                    .out_c = w.dims[0],
                    .groups = 1,
                    .window = {.kernel_h = w.dims[2],
                               .kernel_w = w.dims[3],
                               .stride_h = c.attribute("strides", 0, 1),
                               .stride_w = c.attribute("strides", 1, 1),
                               .dilation_h = c.attribute("dilations", 0, 1),
                               .dilation_w = c.attribute("dilations", 1, 1),
                               .pad_top = c.attribute("pads", 0, 0),
                               .pad_left = c.attribute("pads", 1, 0)}},
                   x.dims[0],
                   {},
                   {}};
  const ConvGeometry& g = conv.g;
  for (std::int64_t b = 0; b < conv.batch; ++b)
    for (std::int64_t p = 0; p < g.in_h * g.in_w; ++p)
      for (std::int64_t k = 0; k < channels; ++k)
        conv.in.insert(
            conv.in.end(), 2,
            static_cast<std::uint8_t>(x.code[static_cast<std::size_t>((b * channels + k) * g.in_h * g.in_w + p)]));
  const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
  for (std::int64_t o = 0; o < g.out_c; ++o)
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t k = 0; k < channels; ++k) {
        const std::int32_t zero =
            w_zero == nullptr ? 0 : w_zero->code[w_zero->code.size() == 1 ? 0 : static_cast<std::size_t>(o)];
        const auto [first, second] = halves(w.code[static_cast<std::size_t>((o * channels + k) * taps + t)] - zero);
        conv.weights.push_back(first);
        conv.weights.push_back(second);
      }
  return conv;
}

// Index in NCHW of an element that stands at `index` in NHWC.
std::size_t nchw(const ConvGeometry& g, std::int64_t index) {
  const std::int64_t pixels = g.out_h * g.out_w;
  const std::int64_t c = index % g.out_c, p = index / g.out_c % pixels, b = index / (g.out_c * pixels);
  return static_cast<std::size_t>((b * g.out_c + c) * pixels + p);
}

void check_qlinear_conv(const NodeCase& c) {
  const OnnxTensor& y = c.outputs[0];
  REQUIRE(c.inputs.size() == 8);  // no bias
  const Convolution conv = make_convolution(c, c.inputs[0], c.inputs[3], &c.inputs[5], y);
  const OutputStage stage = make_output_stage(Rounding::nearest_even_f32, c.inputs[1].real[0], c.inputs[4].real,
                                              grid_of(c.inputs[6], &c.inputs[7], 0, y.type), {0, 255});
  REQUIRE(y.type == kUint8);
  const QuantizedConv2d op(conv.g, conv.weights, {}, c.inputs[2].code[0], stage);
  Scratch scratch(op.scratch_bytes(1));
  at_each_level([&](Isa) {
    std::vector<std::uint8_t> out(y.code.size());
    op.run(conv.in.data(), out.data(), conv.batch, 1, scratch.span());
    for (std::size_t i = 0; i < out.size(); ++i)
      CHECK(std::int32_t{out[i]} == y.code[nchw(conv.g, static_cast<std::int64_t>(i))]);
  });
}

void check_conv_integer(const NodeCase& c) {
  const Convolution conv =
      make_convolution(c, c.inputs[0], c.inputs[1], c.inputs.size() > 3 ? &c.inputs[3] : nullptr, c.outputs[0]);
  reference::conv2d_accumulate(conv.g, conv.in.data(), conv.batch, conv.weights.data(), nullptr,
                               c.inputs.size() > 2 ? c.inputs[2].code[0] : 0,
                               [&](std::int64_t index, std::int64_t, std::int32_t acc) {
                                 CHECK(acc == c.outputs[0].code.at(nchw(conv.g, index)));
                               });
}

}  // namespace

TEST_CASE("ONNX node tests") {
  const char* data = std::getenv("OCTAVO_DATA");
  const std::filesystem::path folder = std::filesystem::path(data == nullptr ? "" : data) / "golden" / "onnx_nodes";
  if (data == nullptr || !std::filesystem::is_directory(folder)) {
    octavo_test::skip("set OCTAVO_DATA to the folder that holds golden/onnx_nodes");
    return;
  }
  const std::pair<const char*, void (*)(const NodeCase&)> kinds[] = {
      {"test_quantizelinear", check_quantize},
      {"test_dequantizelinear", check_dequantize},
      {"test_dynamicquantizelinear", check_dynamic_quantize},
      {"test_qlinearconv", check_qlinear_conv},
      {"test_qlinearmatmul", check_qlinear_matmul},
      {"test_matmulinteger", check_matmul_integer},
      {"test_convinteger", check_conv_integer}};
  int ran = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    INFO(name);
    const auto* kind =
        std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return name.rfind(k.first, 0) == 0; });
    REQUIRE_MESSAGE(kind != std::end(kinds), "no check for " << name);
    kind->second(read_case(entry.path()));
    std::cout << name << ' ';
    ++ran;
  }
  std::cout << '\n' << ran << " cases\n";
  CHECK(ran >= 15);
}
