// octavo/io/tflite_import.hpp: a .tflite model becomes a runtime::Program.
#ifndef OCTAVO_IO_TFLITE_IMPORT_HPP_
#define OCTAVO_IO_TFLITE_IMPORT_HPP_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../runtime/validate.hpp"
#include "tflite_operators.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Builds the program of the main subgraph, number 0. The bytes must live as long as this object.
template <class Lazy = void>
class Importer {
 public:
  explicit Importer(std::span<const std::uint8_t> bytes)
      : model_(flat_root(bytes, kIdentifier)),
        budget_(bytes.size()),
        graph_(main_graph(model_)),
        tensors_(model_, graph_, budget_),
        program_(tensors_, budget_) {}

  [[nodiscard]] runtime::Program run(Rounding rounding) {
    runtime::Program& program = program_.program();
    program.rounding = rounding;
    budget_.take(4 * graph_.string(SubGraphField::name).size());
    program.name = std::string(graph_.string(SubGraphField::name));
    read_codes();
    const auto inputs = graph_.template vector<std::int32_t>(SubGraphField::inputs);
    const auto outputs = graph_.template vector<std::int32_t>(SubGraphField::outputs);
    budget_.take(32 * (inputs.size() + outputs.size()));
    for (std::size_t i = 0; i < inputs.size(); ++i) program_.add_input(inputs[i]);
    operators(outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) program_.add_output(outputs[i]);
    drop_unused();
    runtime::validate(program);
    return std::move(program);
  }

 private:
  struct Code {
    std::int32_t builtin;
    std::string_view custom;
  };

  static FlatTable main_graph(const FlatTable& model) {
    const auto version = model.scalar<std::uint32_t>(ModelField::version);
    require(version == kVersion, "expected schema version ", kVersion, ", found ", version);
    const auto graphs = model.vector<std::uint32_t>(ModelField::subgraphs);
    require(!graphs.empty(), "there is no subgraph");
    return model.element(graphs, 0);
  }

  void read_codes() {
    const auto tables = model_.template vector<std::uint32_t>(ModelField::operator_codes);
    budget_.take(tables.size() * 2 * sizeof(Code));
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const FlatTable table = model_.element(tables, i);
      // The older field holds codes up to 127.
      const std::int32_t older = table.template scalar<std::int8_t>(OperatorCodeField::deprecated_builtin_code);
      const auto newer = table.template scalar<std::int32_t>(OperatorCodeField::builtin_code);
      codes_.push_back({std::max(older, newer), table.string(OperatorCodeField::custom_code)});
    }
  }

  [[nodiscard]] const Code& code_of(const FlatTable& op, std::size_t i) const {
    const auto code = op.template scalar<std::uint32_t>(OperatorField::opcode_index);
    require(code < codes_.size(), "operator ", i, ": there is no operator code ", code);
    return codes_[code];
  }

  void operators(const FlatVector<std::int32_t>& outputs) {
    const auto tables = graph_.template vector<std::uint32_t>(SubGraphField::operators);
    // How often each tensor is read; an output that is not is at the border alone.
    std::vector<int> readers(tensors_.size(), 0);
    std::vector<bool> is_output(tensors_.size(), false);
    const auto each = [&](const FlatVector<std::int32_t>& ids, auto visit) {
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (const std::int32_t t = ids[i]; t >= 0 && static_cast<std::size_t>(t) < tensors_.size())
          visit(static_cast<std::size_t>(t));
    };
    each(outputs, [&](std::size_t t) { is_output[t] = true; });
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const auto inputs = graph_.element(tables, i).template vector<std::int32_t>(OperatorField::inputs);
      budget_.take(64 + 16 * inputs.size());
      each(inputs, [&](std::size_t t) { ++readers[t]; });
    }
    Operators<Lazy> operators(program_);
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const FlatTable table = graph_.element(tables, i);
      const Code& code = code_of(table, i);
      const Node node{code.builtin, table.template vector<std::int32_t>(OperatorField::inputs),
                      table.template vector<std::int32_t>(OperatorField::outputs), table.table(OperatorField::options)};
      bool border = false;
      each(node.outputs, [&](std::size_t t) { border = is_output[t] && readers[t] == 0; });
      try {
        operators.translate(node, border);
      } catch (const Error& error) {
        std::string name = builtin_name(code.builtin);
        if (code.builtin == static_cast<std::int32_t>(Builtin::custom)) name += " '" + std::string(code.custom) + "'";
        fail("operator ", i, ", ", name, ", (", names(node.inputs), ") -> (", names(node.outputs), "): ", error.what());
      }
    }
  }

  // The first few tensors' names, for errors.
  [[nodiscard]] std::string names(const FlatVector<std::int32_t>& ids) const {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(ids.size(), 8); ++i) {
      const bool known = ids[i] >= 0 && static_cast<std::size_t>(ids[i]) < tensors_.size();
      text += i == 0 ? "" : ", ";
      text += known ? std::string("'").append(tensors_.at(ids[i]).name).append("'") : std::string("none");
    }
    return ids.size() > 8 ? text + ", ..." : text;
  }

  // Removes constants that no operator reads (those that were converted).
  void drop_unused() {
    runtime::Program& program = program_.program();
    std::vector<bool> used(program.tensors.size(), false);
    const auto each = [&](auto visit) {
      for (runtime::Op& op : program.ops) {
        for (int& id : op.inputs) visit(id);
        for (int& id : op.outputs) visit(id);
      }
      for (int& id : program.inputs) visit(id);
      for (int& id : program.outputs) visit(id);
    };
    each([&](const int& id) {
      if (id >= 0) used[static_cast<std::size_t>(id)] = true;
    });
    std::vector<int> place(program.tensors.size(), -1);
    std::size_t next = 0;
    for (std::size_t i = 0; i < program.tensors.size(); ++i) {
      if (!used[i]) continue;
      place[i] = static_cast<int>(next);
      if (next != i) program.tensors[next] = std::move(program.tensors[i]);
      ++next;
    }
    program.tensors.resize(next);
    each([&](int& id) {
      if (id >= 0) id = place[static_cast<std::size_t>(id)];
    });
  }

  FlatTable model_;
  Budget budget_;
  FlatTable graph_;
  TensorReader<Lazy> tensors_;
  ProgramOfFile<Lazy> program_;
  std::vector<Code> codes_;
};

}  // namespace tflite

// The program of a .tflite file's bytes: float32, int8, float32 with 8-bit weights (dynamic range), or uint8 (becomes
// int8, see runtime::Op::legacy_uint8). `what` names the file in errors. Operators: CONV_2D, DEPTHWISE_CONV_2D,
// FULLY_CONNECTED, ADD, MUL, SUB, AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, PAD, RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR,
// RESHAPE, SQUEEZE, TRANSPOSE, CONCATENATION, SOFTMAX, LOGISTIC, HARD_SWISH, RELU, RELU6, RELU_N1_TO_1, QUANTIZE,
// DEQUANTIZE; another one is an Error with its name, index and tensors. With tflite_double each byte of each tensor is
// that of TFLite's reference kernels. Allocates less than 10 times the file's size + 64 MiB, whatever the bytes are.
template <class Lazy = void>
[[nodiscard]] runtime::Program parse_tflite(std::span<const std::uint8_t> bytes, std::string_view what,
                                            Rounding rounding = Rounding::nearest_even_f32) {
  try {
    return tflite::Importer<Lazy>(bytes).run(rounding);
  } catch (const Error& error) {
    fail("'", what, "': ", error.what());
  }
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::runtime::Program octavo::io::parse_tflite<void>(std::span<const std::uint8_t>, std::string_view,
                                                                     octavo::Rounding));

#endif  // OCTAVO_IO_TFLITE_IMPORT_HPP_
