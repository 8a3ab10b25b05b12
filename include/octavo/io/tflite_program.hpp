// octavo/io/tflite_program.hpp: the program that an import builds, and which of its tensors are the file's.
#ifndef OCTAVO_IO_TFLITE_PROGRAM_HPP_
#define OCTAVO_IO_TFLITE_PROGRAM_HPP_

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "../runtime/program.hpp"
#include "../runtime/program_info.hpp"
#include "tflite_tensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Tensors are added when an operator first reads or writes them. uint8 activations become int8; those at the model's
// border are uint8, and stand beside an int8 twin of the same bytes.
template <class Lazy = void>
class ProgramOfFile {
 public:
  using Op = runtime::Op;
  using OpKind = runtime::OpKind;

  ProgramOfFile(TensorReader<Lazy>& tensors, Budget& budget)
      : tensors_(tensors), budget_(budget), ids_(tensors.size(), -1), uint8_ids_(tensors.size(), -1) {}

  [[nodiscard]] runtime::Program& program() noexcept { return program_; }
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
  [[nodiscard]] TensorReader<Lazy>& tensors() noexcept { return tensors_; }
  [[nodiscard]] const FileTensor& file(std::int32_t t) const { return tensors_.at(t); }
  [[nodiscard]] const Shape& shape_of(int id) const { return tensor_at(program_, id).shape; }

  void add_input(std::int32_t t) {
    const FileTensor& tensor = file(t);
    require(!tensor.constant(), "the input '", tensor.name, "' is a constant");
    require(!tensor.open_extent, "the input '", tensor.name, "' has no fixed size, ", tensor.shape.to_string(),
            " with extents left open behind the batch; write it with the size that is to be used");
    const int id = add(to_program(tensor, budget_, true));
    (tensor.is(Type::u8) ? uint8_ids_ : ids_)[index(t)] = id;
    program_.inputs.push_back(id);
  }
  void add_output(std::int32_t t) {
    if (file(t).is(Type::u8) && uint8_ids_[index(t)] < 0) {
      const int from = ids_[index(t)];
      require(from >= 0, "the output '", file(t).name, "' is written by no operator");
      // The border tensor has the file's name.
      program_.tensors[static_cast<std::size_t>(from)].name += kTwin;
      uint8_ids_[index(t)] = add(to_program(file(t), budget_, true));
      emit({.kind = OpKind::requantize, .name = file(t).name}, {from}, uint8_ids_[index(t)]);
    }
    const int id = uint8_ids_[index(t)] >= 0 ? uint8_ids_[index(t)] : ids_[index(t)];
    require(id >= 0, "the output '", file(t).name, "' is written by no operator");
    program_.outputs.push_back(id);
  }

  // The tensor as operators read it: float32 or int8. Constants are added.
  [[nodiscard]] int read(std::int32_t t) {
    int& id = ids_[index(t)];
    if (id >= 0) return id;
    if (uint8_ids_[index(t)] >= 0) {
      runtime::TensorInfo twin = to_program(file(t), budget_);
      twin.name += kTwin;
      const std::string name = twin.name;
      id = add(std::move(twin));
      emit({.kind = OpKind::requantize, .name = name}, {uint8_ids_[index(t)]}, id);
      return id;
    }
    require(file(t).constant(), "'", file(t).name, "' is read before an operator wrote it");
    id = add(to_program(file(t), budget_));
    return id;
  }
  // The same, but uint8 where the tensor is at the border.
  [[nodiscard]] int read_border(std::int32_t t) { return uint8_ids_[index(t)] >= 0 ? uint8_ids_[index(t)] : read(t); }

  // A tensor that the next operator writes; uint8 only where `border` asks for it.
  [[nodiscard]] int write(std::int32_t t, bool border = false) {
    require(ids_[index(t)] < 0 && uint8_ids_[index(t)] < 0, "'", file(t).name, "' is written twice");
    require(!file(t).constant(), "the output '", file(t).name, "' is a constant");
    const bool keep = border && file(t).is(Type::u8);
    int& id = (keep ? uint8_ids_ : ids_)[index(t)];
    id = add(to_program(file(t), budget_, keep));
    return id;
  }
  // Lets the file's tensor stand for one that is there.
  void define(std::int32_t t, int id) { ids_[index(t)] = id; }

  // An intermediate with the type and grid of `like`.
  [[nodiscard]] int add_like(int like, const Shape& shape) {
    const runtime::TensorInfo& model = tensor_at(program_, like);
    budget_.take(sizeof(runtime::TensorInfo) + 4 * model.name.size() + 128);
    runtime::TensorInfo tensor{
        model.name + "/step" + std::to_string(program_.tensors.size()), model.dtype, shape, model.quantization, {}};
    return add(std::move(tensor));
  }
  int add(runtime::TensorInfo tensor) {
    program_.tensors.push_back(std::move(tensor));
    return static_cast<int>(program_.tensors.size()) - 1;
  }
  void emit(Op op, std::vector<int> inputs, int output) {
    budget_.take(sizeof(Op) + 8 * inputs.size() + 2 * op.name.size() + 64);
    op.inputs = std::move(inputs);
    op.outputs = {output};
    program_.ops.push_back(std::move(op));
  }
  // `from` with another shape: itself when it has that shape.
  [[nodiscard]] int reshaped(int from, const Shape& shape) {
    if (shape_of(from) == shape) return from;
    const int to = add_like(from, shape);
    emit({.kind = OpKind::reshape, .name = tensor_at(program_, to).name}, {from}, to);
    return to;
  }

 private:
  static constexpr const char* kTwin = "/int8";
  [[nodiscard]] std::size_t index(std::int32_t t) const {
    (void)tensors_.at(t);
    return static_cast<std::size_t>(t);
  }

  TensorReader<Lazy>& tensors_;
  Budget& budget_;
  runtime::Program program_;
  std::vector<int> ids_;        // of the file's tensors in the program; -1: not there yet
  std::vector<int> uint8_ids_;  // of those that are uint8 there
};

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_PROGRAM_HPP_
