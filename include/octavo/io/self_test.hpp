// octavo/io/self_test.hpp: inputs and expected outputs inside a saved model, so that any reader can check itself.
#ifndef OCTAVO_IO_SELF_TEST_HPP_
#define OCTAVO_IO_SELF_TEST_HPP_

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/rng.hpp"
#include "../runtime/model.hpp"
#include "manifest_format.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// One image, values of all inputs (outputs) one after the other, in the tensor's own type: float32 as it is, int8 and
// uint8 codes as numbers.
struct SelfTest {
  std::vector<std::vector<float>> inputs;
  std::vector<std::vector<float>> outputs;
  double tolerance = 0.0;  // largest |difference| to `outputs`; 0 for models that compute in integers: bit for bit
};

// The generated input: element i comes from the i-th output z of SplitMix64 with state `seed`:
// float32: low + (high - low) * (z >> 40) * 2^-24; uint8: z >> 56; int8: (z >> 56) - 128.
[[nodiscard]] inline std::vector<float> generated_input(const runtime::TensorInfo& tensor, std::uint64_t seed,
                                                        float low, float high) {
  Rng rng(seed);
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.size()));
  for (float& value : values) {
    if (tensor.dtype == runtime::DType::f32)
      value = rng.uniform(low, high);
    else
      value = static_cast<float>(static_cast<int>(rng() >> 56) - (tensor.dtype == runtime::DType::i8 ? 128 : 0));
  }
  return values;
}

namespace detail {

// Codes or floats as the run() of a model wants them.
class TypedValues {
 public:
  TypedValues(const runtime::TensorInfo& tensor, std::vector<float> values)
      : dtype_(tensor.dtype), real_(std::move(values)) {
    for (const float value : real_) {
      if (dtype_ == runtime::DType::i8) i8_.push_back(static_cast<std::int8_t>(value));
      if (dtype_ == runtime::DType::u8) u8_.push_back(static_cast<std::uint8_t>(value));
    }
  }
  [[nodiscard]] runtime::ConstBuffer input() const {
    if (dtype_ == runtime::DType::i8) return std::span<const std::int8_t>(i8_);
    if (dtype_ == runtime::DType::u8) return std::span<const std::uint8_t>(u8_);
    return std::span<const float>(real_);
  }
  [[nodiscard]] runtime::Buffer output() {
    if (dtype_ == runtime::DType::i8) return std::span<std::int8_t>(i8_);
    if (dtype_ == runtime::DType::u8) return std::span<std::uint8_t>(u8_);
    return std::span<float>(real_);
  }
  [[nodiscard]] std::vector<float> values() const {
    if (dtype_ == runtime::DType::i8) return {i8_.begin(), i8_.end()};
    if (dtype_ == runtime::DType::u8) return {u8_.begin(), u8_.end()};
    return real_;
  }

 private:
  runtime::DType dtype_;
  std::vector<float> real_;
  std::vector<std::int8_t> i8_;
  std::vector<std::uint8_t> u8_;
};

template <class Lazy = void>
[[nodiscard]] std::vector<std::vector<float>> run_self_test(const runtime::Model& model,
                                                            const std::vector<std::vector<float>>& inputs) {
  const runtime::Program& program = model.program();
  require(inputs.size() == program.inputs.size(), "self-test: expected ", program.inputs.size(), " inputs, found ",
          inputs.size());
  std::vector<TypedValues> in;
  std::vector<TypedValues> out;
  for (std::size_t i = 0; i < inputs.size(); ++i) in.emplace_back(model.input(i), inputs[i]);
  for (std::size_t i = 0; i < program.outputs.size(); ++i)
    out.emplace_back(model.output(i), std::vector<float>(static_cast<std::size_t>(model.output(i).shape.size())));
  std::vector<runtime::ConstBuffer> from;
  std::vector<runtime::Buffer> to;
  for (const TypedValues& values : in) from.push_back(values.input());
  for (TypedValues& values : out) to.push_back(values.output());
  model.run(from, to);
  std::vector<std::vector<float>> outputs;
  for (const TypedValues& values : out) outputs.push_back(values.values());
  return outputs;
}

// What another instruction set may do: nothing to integers; to floats, another order of sums; to dynamic range, another
// code here and there.
template <class Lazy = void>
[[nodiscard]] double self_test_tolerance(const runtime::Program& program,
                                         const std::vector<std::vector<float>>& outputs) {
  double relative = 0.0;
  for (const runtime::Op& op : program.ops) {
    const bool floats =
        input_of(program, op, 0).dtype == runtime::DType::f32 && output_of(program, op).dtype == runtime::DType::f32;
    if (!floats || op.kind == runtime::OpKind::reshape) continue;
    const bool hybrid = is_convolution(op.kind) && input_of(program, op, 1).dtype != runtime::DType::f32;
    relative = std::max(relative, hybrid ? 0.05 : 1e-4);
  }
  double largest = 0.0;
  for (const std::vector<float>& values : outputs)
    for (const float value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return relative * largest;
}

}  // namespace detail

// Runs the test's inputs; throws Error that names the first output that differs by more than the tolerance.
template <class Lazy = void>
void verify_self_test(const runtime::Model& model, const SelfTest& test) {
  const std::vector<std::vector<float>> found = detail::run_self_test(model, test.inputs);
  require(found.size() == test.outputs.size(), "self-test: expected ", found.size(), " outputs, found ",
          test.outputs.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(found[i].size() == test.outputs[i].size(), "self-test: output ", i, ": expected ", found[i].size(),
            " values, found ", test.outputs[i].size());
    for (std::size_t k = 0; k < found[i].size(); ++k) {
      const double difference = std::abs(static_cast<double>(found[i][k]) - static_cast<double>(test.outputs[i][k]));
      require(difference <= test.tolerance, "self-test of '", model.program().name, "': output '", model.output(i).name,
              "' element ", k, ": expected ", test.outputs[i][k], " within ", test.tolerance, ", found ", found[i][k]);
    }
  }
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_SELF_TEST_HPP_
