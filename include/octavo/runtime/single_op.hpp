// octavo/runtime/single_op.hpp: one operator of a program alone, for comparing it with another implementation.
#ifndef OCTAVO_RUNTIME_SINGLE_OP_HPP_
#define OCTAVO_RUNTIME_SINGLE_OP_HPP_

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// A program of operator `index` only: its activations are the inputs (each once, in order), its output the output.
[[nodiscard]] inline Program single_op_program(const Program& program, std::size_t index) {
  require(index < program.ops.size(), "the program '", program.name, "' has ", program.ops.size(), " operators, no ",
          index);
  Program single;
  Op op = program.ops[index];
  single.name = op.name;
  single.rounding = program.rounding;
  std::vector<int> new_id(program.tensors.size(), -1);
  const auto take = [&](int& id) {
    if (id < 0) return;
    int& mapped = new_id.at(static_cast<std::size_t>(id));
    if (mapped < 0) {
      mapped = static_cast<int>(single.tensors.size());
      single.tensors.push_back(tensor_at(program, id));
      if (!single.tensors.back().constant()) single.inputs.push_back(mapped);
    }
    id = mapped;
  };
  for (int& id : op.inputs) take(id);
  for (int& id : op.outputs) {
    take(id);
    single.inputs.pop_back();
    single.outputs.push_back(id);
  }
  single.ops.push_back(std::move(op));
  return single;
}

// Runs operator `index` of `program` on given inputs: codes (int8, uint8) or floats, see border.hpp. Prepares it each
// time, so this is for measuring differences, not for speed. Use prepared Models of single_op_program() for that.
inline void run_single_op(const Program& program, std::size_t index, std::span<const ConstBuffer> inputs,
                          Buffer output) {
  const Model model(single_op_program(program, index), {.fuse = false});
  model.run(inputs, std::span<const Buffer>(&output, 1));
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_SINGLE_OP_HPP_
