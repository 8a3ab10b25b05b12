// octavo/runtime/program_builder.hpp: writes a Program operator by operator, for importers, converters and tests.
#ifndef OCTAVO_RUNTIME_PROGRAM_BUILDER_HPP_
#define OCTAVO_RUNTIME_PROGRAM_BUILDER_HPP_

#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "program.hpp"
#include "program_info.hpp"
#include "validate.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// The quantization of a whole tensor, 8 bits.
[[nodiscard]] inline Quantization per_tensor(float scale, std::int32_t zero_point, DType dtype = DType::i8) {
  const bool is_unsigned = dtype == DType::u8;
  return {{scale}, {zero_point}, -1, 8, is_unsigned ? 0 : -128, is_unsigned ? 255 : 127};
}
// Symmetric, narrow-range weights: one scale along `axis`.
[[nodiscard]] inline Quantization per_channel(std::vector<float> scale, int axis) {
  std::vector<std::int32_t> zero_point(scale.size(), 0);
  return {std::move(scale), std::move(zero_point), axis, 8, -127, 127};
}

// Each add_ function appends a tensor or an operator and returns the id of the tensor. Shapes include the batch, 1.
// An operator's output tensor has the operator's name. build() validates.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::string name, Rounding rounding = Rounding::nearest_even_f32) {
    program_.name = std::move(name);
    program_.rounding = rounding;
  }

  int add_input(std::string name, const Shape& shape, DType dtype = DType::f32, Quantization quantization = {}) {
    program_.inputs.push_back(add_tensor(std::move(name), dtype, shape, std::move(quantization)));
    return program_.inputs.back();
  }

  // `values`: bytes_of(dtype) each, in the tensor's layout.
  template <class Value>
  int add_constant(std::string name, DType dtype, const Shape& shape, std::span<const Value> values,
                   Quantization quantization = {}) {
    const int id = add_tensor(std::move(name), dtype, shape, std::move(quantization));
    TensorInfo& tensor = program_.tensors.back();
    tensor.data.resize(values.size_bytes());
    if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), values.size_bytes());
    return id;
  }
  int add_floats(std::string name, const Shape& shape, std::span<const float> values) {
    return add_constant(std::move(name), DType::f32, shape, values);
  }

  // Any operator: `op` says all but the ids; the output tensor takes the first input's type unless told.
  int add_op(Op op, std::vector<int> inputs, const Shape& output, Quantization quantization = {}) {
    require(!inputs.empty(), name_of(op.kind), " '", op.name, "': expected an input to take the type of");
    const DType dtype = tensor_at(program_, inputs[0]).dtype;
    return add_op(std::move(op), std::move(inputs), output, dtype, std::move(quantization));
  }
  int add_op(Op op, std::vector<int> inputs, const Shape& output, DType dtype, Quantization quantization = {}) {
    const int id = add_tensor(op.name, dtype, output, std::move(quantization));
    op.inputs = std::move(inputs);
    op.outputs = {id};
    program_.ops.push_back(std::move(op));
    return id;
  }

  void add_output(int id) { program_.outputs.push_back(id); }
  [[nodiscard]] Program& program() noexcept { return program_; }

  [[nodiscard]] Program build() && {
    validate(program_);
    return std::move(program_);
  }

 private:
  int add_tensor(std::string name, DType dtype, const Shape& shape, Quantization quantization) {
    program_.tensors.push_back({std::move(name), dtype, shape, std::move(quantization), {}});
    return static_cast<int>(program_.tensors.size()) - 1;
  }

  Program program_;
};

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_PROGRAM_BUILDER_HPP_
