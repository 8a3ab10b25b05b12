// ONNX's own node tests through the importer: what is given as inputs beside x (scales, weights) is imported as
// constants; cases that depend on constants alone are computed while importing.
//
// ConvInteger, MatMulInteger and DynamicQuantizeLinear have results that no operator of a program holds; their kernels
// are tested in onnx_nodes_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/io/onnx.hpp"
#include "octavo/runtime/model.hpp"
#include "skip.hpp"

using namespace octavo;
namespace fs = std::filesystem;

namespace {

using io::onnx::Constant;
using io::onnx::Type;

struct NodeCase {
  std::vector<io::onnx::Model> inputs, outputs;  // each with one tensor
  std::vector<std::string> names;                // of the model's inputs

  explicit NodeCase(const fs::path& folder) {
    const fs::path data = folder / "test_data_set_0";
    const auto read_all = [&](const std::string& kind, std::vector<io::onnx::Model>& all) {
      for (int i = 0; fs::exists(data / (kind + std::to_string(i) + ".pb")); ++i)
        all.push_back(io::onnx::read_tensor((data / (kind + std::to_string(i) + ".pb")).string()));
    };
    read_all("input_", inputs);
    read_all("output_", outputs);
    const io::onnx::Model model = io::onnx::read_model((folder / "model.onnx").string());
    for (const auto& input : model.inputs) names.emplace_back(input.name);
    REQUIRE(names.size() == inputs.size());
    REQUIRE(outputs.size() == 1);
  }
  [[nodiscard]] static Constant constant(const io::onnx::Model& file) {
    const io::onnx::Tensor& t = file.initializers.at(0);
    return {t.type, t.dims, t.data};
  }
};

// One channel: NCHW and NHWC are the same order.
template <class In, class Out>
void check_run(const runtime::Model& model, const Constant& x, const Constant& expected) {
  const std::vector<In> input = io::onnx::stored_numbers<In>(x);
  std::vector<Out> output(static_cast<std::size_t>(expected.size()));
  model.run({std::span<const In>(input)}, {std::span<Out>(output)});
  CHECK(output == io::onnx::stored_numbers<Out>(expected));
}

// Runs the case with x at run time. False when its types are not those of a program.
bool run_as_program(const fs::path& folder, const NodeCase& c) {
  const Constant x = NodeCase::constant(c.inputs[0]), y = NodeCase::constant(c.outputs[0]);
  if (bytes_of(y.type) != 1 && y.type != Type::f32) return false;
  if (x.type == Type::i4 || y.type == Type::i4) return false;
  if (x.dims.size() == 4 && (x.dims[1] != 1 || y.dims[1] != 1)) return false;
  io::OnnxOptions options;
  for (std::size_t i = 1; i < c.inputs.size(); ++i) options.constants[c.names[i]] = NodeCase::constant(c.inputs[i]);
  for (const auto& [name, value] : options.constants)
    if (name.ends_with("scale") && value.dims.size() == 1 && value.size() > 1 && c.inputs.size() < 4) return false;
  const runtime::Model model(io::load_onnx((folder / "model.onnx").string(), options), {.threads = 1});
  if (x.type == Type::f32 && y.type == Type::u8) check_run<float, std::uint8_t>(model, x, y);
  if (x.type == Type::u8 && y.type == Type::f32) check_run<std::uint8_t, float>(model, x, y);
  if (x.type == Type::u8 && y.type == Type::u8) check_run<std::uint8_t, std::uint8_t>(model, x, y);
  if (x.type == Type::i8 && y.type == Type::i8) check_run<std::int8_t, std::int8_t>(model, x, y);
  return true;
}

// All inputs as constants: the output is computed while importing.
void fold(const fs::path& folder, const NodeCase& c) {
  io::OnnxOptions options;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) options.constants[c.names[i]] = NodeCase::constant(c.inputs[i]);
  const io::onnx::Model model = io::onnx::read_model((folder / "model.onnx").string());
  const io::onnx::Lowered lowered = io::onnx::lower(model, options);
  REQUIRE(lowered.constant_outputs.size() == 1);
  CHECK(io::onnx::real_values(lowered.constant_outputs[0]) == io::onnx::real_values(NodeCase::constant(c.outputs[0])));
}

}  // namespace

TEST_CASE("ONNX node tests, imported") {
  const char* data = std::getenv("OCTAVO_DATA");
  const fs::path folder = fs::path(data == nullptr ? "" : data) / "golden" / "onnx_nodes";
  if (data == nullptr || !fs::is_directory(folder)) {
    octavo_test::skip("set OCTAVO_DATA to the folder that holds golden/onnx_nodes");
    return;
  }
  int ran = 0, folded = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    INFO(name);
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (has("integer") || has("dynamic")) continue;
    const NodeCase c(entry.path());
    const bool linear = has("quantizelinear");
    const bool as_program = run_as_program(entry.path(), c);
    ran += as_program ? 1 : 0;
    if (linear) fold(entry.path(), c), ++folded;
    CHECK((as_program || linear));
  }
  std::cout << ran << " cases as programs, " << folded << " computed while importing\n";
  CHECK(ran >= 5);
  CHECK(folded >= 6);
}
