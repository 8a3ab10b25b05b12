// octavo/runtime/operand.hpp: one side of an element-wise operator: an activation, one that is spread over the output,
// or a constant.
#ifndef OCTAVO_RUNTIME_OPERAND_HPP_
#define OCTAVO_RUNTIME_OPERAND_HPP_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../kernels/transpose.hpp"
#include "step.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace detail {

// Value: std::uint8_t (codes in u8 terms) or float.
template <class Value>
class Operand {
 public:
  Operand(const Program& program, const Op& op, std::size_t i)
      : id_(op.inputs[i]), from_(input_of(program, op, i).shape), to_(output_of(program, op).shape) {
    const TensorInfo& tensor = input_of(program, op, i);
    spread_ = from_.size() != to_.size();
    if (!tensor.constant()) return;
    const std::span<const Value> stored = constant_values<Value>(tensor);
    std::vector<Value> values(stored.begin(), stored.end());
    if constexpr (std::is_same_v<Value, std::uint8_t>)
      for (std::uint8_t& code : values) code ^= 0x80U;
    constant_ = std::make_shared<std::vector<Value>>(static_cast<std::size_t>(to_.size()));
    spread(values.data(), constant_->data(), from_, to_);
  }

  // All images lie one after the other, as in the output.
  [[nodiscard]] bool plain() const noexcept { return !spread_ && constant_ == nullptr; }
  [[nodiscard]] std::size_t scratch_bytes() const {
    if (plain() || constant_ != nullptr) return 0;
    const std::size_t bytes = static_cast<std::size_t>(to_.size()) * sizeof(Value);
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  [[nodiscard]] std::size_t packed_bytes() const {
    return constant_ == nullptr ? 0 : constant_->size() * sizeof(Value);
  }
  // The values for image b, as many as the output has; written to `scratch` where they are spread.
  [[nodiscard]] const Value* image(const StepContext& c, std::int64_t b, std::byte* scratch) const {
    if (constant_ != nullptr) return constant_->data();
    const Value* values = reinterpret_cast<const Value*>(c.tensors[id_]) + b * from_.size();
    if (!spread_) return values;
    auto* to = reinterpret_cast<Value*>(scratch);
    spread(values, to, from_, to_);
    return to;
  }

 private:
  int id_;
  Shape from_, to_;
  bool spread_ = false;
  std::shared_ptr<std::vector<Value>> constant_;  // spread
};

// Sets a step that calls compute(a, b, out, n, threads) on as many whole images at once as possible.
template <class Value, class Compute>
void set_pair(const Program& program, Step& step, std::string_view name, Compute compute) {
  const Operand<Value> a(program, step.op, 0);
  const Operand<Value> b(program, step.op, 1);
  const std::int64_t size = output_of(program, step.op).shape.size();
  const int to = step.op.outputs[0];
  const auto run = [a, b, size, to, compute = std::move(compute)](const StepContext& c) {
    auto* out = reinterpret_cast<Value*>(c.tensors[to]);
    const bool at_once = c.batch == 1 || (a.plain() && b.plain());
    const std::int64_t images = at_once ? 1 : c.batch;
    for (std::int64_t i = 0; i < images; ++i)
      compute(a.image(c, i, c.scratch.data()), b.image(c, i, c.scratch.data() + a.scratch_bytes()), out + i * size,
              c.batch / images * size, c.threads);
  };
  set_function(step, name, run, a.scratch_bytes() + b.scratch_bytes(), a.packed_bytes() + b.packed_bytes());
}

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_OPERAND_HPP_
