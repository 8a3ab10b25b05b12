// octavo/runtime/step.hpp: one prepared unit of execution: an operator, or several fused into one.
//
// The functions that prepare steps, and what calls them, are templates on a type `Lazy` that nobody names: a file that
// includes runtime.hpp without preparing a model does not compile them, nor the kernels of all instruction sets.
#ifndef OCTAVO_RUNTIME_STEP_HPP_
#define OCTAVO_RUNTIME_STEP_HPP_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/output_stage.hpp"
#include "../kernels/packed_weights.hpp"
#include "program.hpp"
#include "program_info.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// What a step sees when it runs.
struct StepContext {
  std::byte* const* tensors = nullptr;  // by tensor id: where the values of all images lie
  std::int64_t batch = 1;
  int threads = 1;
  std::span<std::byte> scratch;  // at least scratch_bytes(threads), 64-byte aligned

  // Codes in u8 terms (int8 code + 128; uint8 as it is).
  [[nodiscard]] std::uint8_t* codes(int tensor) const { return reinterpret_cast<std::uint8_t*>(tensors[tensor]); }
  [[nodiscard]] float* floats(int tensor) const { return reinterpret_cast<float*>(tensors[tensor]); }
};

// A kernel ready to use: weights packed, tables made. run() allocates nothing and may be called by several threads at
// once, each with a context of its own.
class StepKernel {
 public:
  StepKernel() = default;
  StepKernel(const StepKernel&) = delete;
  StepKernel& operator=(const StepKernel&) = delete;
  virtual ~StepKernel() = default;

  virtual void run(const StepContext& context) const = 0;
  [[nodiscard]] virtual std::size_t scratch_bytes(int /*threads*/) const { return 0; }
  [[nodiscard]] virtual std::size_t packed_bytes() const { return 0; }  // memory of its own copy of the constants
  [[nodiscard]] virtual std::string_view name() const = 0;              // on the active instruction set
};

struct Step {
  Op op;                     // after fusion: window, clamp, inputs and outputs are those of the step
  std::optional<Op> front;   // a convolution whose result op's own window reads: op.inputs[0] is the front's input
  std::vector<int> sources;  // indices of the program's operators that it does, in order
  std::int64_t macs = 0;     // of one image
  std::int64_t bytes = 0;    // activations read and written for one image, and constants read
  std::unique_ptr<const StepKernel> kernel;
};

namespace detail {

// A function with its values: run(context).
template <class Run>
class FunctionKernel final : public StepKernel {
 public:
  FunctionKernel(std::string_view name, Run run, std::size_t scratch_bytes, std::size_t packed_bytes)
      : name_(name), scratch_bytes_(scratch_bytes), packed_bytes_(packed_bytes), run_(std::move(run)) {}
  void run(const StepContext& context) const override { run_(context); }
  [[nodiscard]] std::size_t scratch_bytes(int /*threads*/) const override { return scratch_bytes_; }
  [[nodiscard]] std::size_t packed_bytes() const override { return packed_bytes_; }
  [[nodiscard]] std::string_view name() const override { return name_; }

 private:
  std::string_view name_;
  std::size_t scratch_bytes_, packed_bytes_;
  Run run_;
};

// A convolution or dense layer between activations of one type: a kernel with run(in, out, n, threads, scratch),
// scratch_bytes() and kernel_name(); n = images times `rows`.
template <class Value, class Kernel>
class ConvolutionKernel final : public StepKernel {
 public:
  ConvolutionKernel(const Op& op, Kernel kernel, std::int64_t rows)
      : kernel_(std::move(kernel)), in_(op.inputs[0]), out_(op.outputs[0]), rows_(rows) {}
  void run(const StepContext& c) const override {
    kernel_.run(reinterpret_cast<const Value*>(c.tensors[in_]), reinterpret_cast<Value*>(c.tensors[out_]),
                c.batch * rows_, c.threads, c.scratch);
  }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const override { return kernel_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const override { return kernel_.packed_bytes(); }
  [[nodiscard]] std::string_view name() const override { return kernel_.kernel_name(); }

 private:
  Kernel kernel_;
  int in_, out_;
  std::int64_t rows_;
};

template <class Value, class Kernel>
void set_convolution(Step& step, Kernel kernel, std::int64_t rows = 1) {
  step.kernel = std::make_unique<ConvolutionKernel<Value, Kernel>>(step.op, std::move(kernel), rows);
}

// Any other operator, as a function of the context. `name` must be a constant.
template <class Run>
void set_function(Step& step, std::string_view name, Run run, std::size_t scratch_bytes = 0,
                  std::size_t packed_bytes = 0) {
  step.kernel = std::make_unique<FunctionKernel<Run>>(name, std::move(run), scratch_bytes, packed_bytes);
}

}  // namespace detail

// The grid of an 8-bit tensor as it is stored inside: int8 codes are shifted by 128, uint8 codes are not.
[[nodiscard]] inline Grid stored_grid(const TensorInfo& tensor) {
  const Grid grid = grid_of(tensor);
  return tensor.dtype == DType::i8 ? u8_terms(grid) : grid;
}

// Where ties go when float becomes a code: TFLite's QUANTIZE rounds away from zero.
constexpr Ties ties_of(Rounding rounding) { return rounding == Rounding::nearest_even_f32 ? Ties::even : Ties::away; }

// The values of a constant.
template <class Value>
[[nodiscard]] std::span<const Value> constant_values(const TensorInfo& tensor) {
  return {reinterpret_cast<const Value*>(tensor.data.data()), tensor.data.size() / sizeof(Value)};
}

// Weights as int8 codes: int8 as they lie, int4 unpacked into `room` (low nibble first, each row of the outermost
// extent in whole bytes).
[[nodiscard]] inline std::span<const std::int8_t> weight_codes(const TensorInfo& weights,
                                                               std::vector<std::int8_t>& room) {
  const std::span<const std::int8_t> bytes = constant_values<std::int8_t>(weights);
  if (weights.dtype == DType::i8) return bytes;
  require(weights.dtype == DType::i4, "tensor '", weights.name, "': expected int8 or int4, found ",
          name_of(weights.dtype));
  const std::int64_t rows = weights.shape[0];
  const std::int64_t columns = weights.shape.size() / rows;
  room.resize(static_cast<std::size_t>(rows * columns));
  const std::int8_t* from = bytes.data();
  std::int8_t* to = room.data();
  const auto widen = [&](std::size_t codes) {  // the next ones, at most eight
    std::uint32_t nibbles = 0;
    std::memcpy(&nibbles, from, (codes + 1) / 2);
    const std::uint64_t wide = octavo::detail::widened_nibbles(nibbles);
    std::memcpy(to, &wide, codes);
    from += (codes + 1) / 2;
    to += codes;
  };
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t k = 8; k <= columns; k += 8) widen(8);
    if (columns % 8 != 0) widen(static_cast<std::size_t>(columns % 8));
  }
  return room;
}
[[nodiscard]] inline std::vector<std::int8_t> weight_codes(const TensorInfo& weights) {
  std::vector<std::int8_t> room;
  const std::span<const std::int8_t> codes = weight_codes(weights, room);
  return room.empty() ? std::vector<std::int8_t>(codes.begin(), codes.end()) : room;
}

// How the kernels hold them in memory.
[[nodiscard]] constexpr WeightBits weight_bits(const TensorInfo& weights) noexcept {
  return weights.dtype == DType::i4 ? WeightBits::four : WeightBits::eight;
}

// The bias, or nothing where the operator has none.
template <class Value>
[[nodiscard]] std::span<const Value> bias_values(const Program& program, const Op& op) {
  if (op.inputs[2] < 0) return {};
  return constant_values<Value>(input_of(program, op, 2));
}

// Elements before, and from, the axis of a concatenation, of one image.
struct ConcatExtents {
  std::int64_t outer = 1;
  std::vector<std::int64_t> inner;  // of each input
};
[[nodiscard]] inline ConcatExtents concat_extents(const Program& program, const Op& op) {
  ConcatExtents extents;
  const Shape& shape = output_of(program, op).shape;
  const std::size_t axis = static_cast<std::size_t>(op.axis < 0 ? op.axis + static_cast<int>(shape.rank()) : op.axis);
  for (std::size_t i = 1; i < axis; ++i) extents.outer *= shape[i];
  for (std::size_t i = 0; i < op.inputs.size(); ++i)
    extents.inner.push_back(input_of(program, op, i).shape.size() / extents.outer);
  return extents;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_STEP_HPP_
