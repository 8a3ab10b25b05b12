// octavo/runtime/prepare_impl.hpp: bodies of runtime/prepare.hpp. Include that.
#ifndef OCTAVO_RUNTIME_PREPARE_IMPL_HPP_
#define OCTAVO_RUNTIME_PREPARE_IMPL_HPP_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "../core/pool.hpp"
#include "fuse.hpp"
#include "prepare.hpp"
#include "program_info.hpp"
#include "steps_f32.hpp"
#include "steps_i8.hpp"
#include "validate.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

namespace detail {

// Operators that leave every stored byte as it is: reshape, and uint8 <-> int8 on the same grid.
[[nodiscard]] inline bool is_alias(const Program& program, const Op& op) {
  if (op.kind == OpKind::reshape) return true;
  if (op.kind != OpKind::requantize) return false;
  return stored_grid(input_of(program, op, 0)) == stored_grid(output_of(program, op));
}

[[nodiscard]] inline std::int64_t traffic_of(const Program& program, const Op& op) {
  std::int64_t bytes = 0;
  for (const int id : op.inputs)
    if (id >= 0) bytes += data_bytes(tensor_at(program, id).dtype, tensor_at(program, id).shape);
  for (const int id : op.outputs) bytes += data_bytes(tensor_at(program, id).dtype, tensor_at(program, id).shape);
  return bytes;
}

[[nodiscard]] inline std::int64_t constant_bytes(const Program& program, const Op& op) {
  std::int64_t bytes = 0;
  for (const int id : op.inputs)
    if (id >= 0) bytes += static_cast<std::int64_t>(tensor_at(program, id).data.size());
  return bytes;
}

template <class Lazy = void>
[[nodiscard]] Step prepare_step(const Program& program, FusedOp fused) {
  Step step;
  step.op = std::move(fused.op);
  step.sources = std::move(fused.sources);
  step.front = std::move(fused.front);
  step.macs = macs_of(program, step.op);
  step.bytes = traffic_of(program, step.op);
  if (step.front) {
    step.macs += macs_of(program, *step.front);
    step.bytes += constant_bytes(program, *step.front);
  }
  const bool floats =
      input_of(program, step.op, 0).dtype == DType::f32 && output_of(program, step.op).dtype == DType::f32;
  if (floats)
    prepare_f32(program, step);
  else
    prepare_i8(program, step);
  return step;
}

// About what the kernel of an operator packs, and its tables: a start and a scale a channel, a row of zero points;
// depthwise codes in three forms and tables in two orders (kernels/depthwise.hpp), or, joined with the operator in
// front, in two forms (kernels/conv_depthwise.hpp). float32 kernels pad their panels.
template <class Lazy = void>
[[nodiscard]] std::int64_t packed_estimate(const Program& program, const Op& op, const std::optional<Op>& front = {}) {
  constexpr std::int64_t rounding = 512;  // of a few tables to whole lines
  if (!is_convolution(op.kind)) return 0;
  const TensorInfo& weights = input_of(program, op, 1);
  if (weights.dtype == DType::f32) return data_bytes(weights.dtype, weights.shape) / 24 * 25 + rounding;
  const TensorInfo& in = front ? output_of(program, *front) : input_of(program, op, 0);
  const std::int64_t out_c = output_of(program, op).shape.back();
  const std::int64_t padded = octavo::detail::round_up(out_c, octavo::detail::kChannelBlock);
  const bool window = op.window.kernel_h * op.window.kernel_w > 1 && in.shape.rank() == 4;
  const std::int64_t row = window ? in.shape[2] * in.shape[3] : 0;
  if (op.kind == OpKind::depthwise_conv2d)
    return (front ? 33 * out_c + 8 * padded : weights.shape.size() / out_c * 5 * padded + 16 * padded) + row + rounding;
  const std::int64_t codes = weights.shape.size() / out_c * octavo::detail::round_up(out_c, 16);
  return (weights.dtype == DType::i4 ? codes / 2 : codes) + 8 * padded + row + rounding;
}

inline void forget_constants(const Program& program, const Op& op) {
  for (const int id : op.inputs)
    if (id >= 0) tensor_at(program, id).data.forget();
}

// Prepares each operator, several at once, with all that is packed in one pool. An operator's constants are not read
// again afterwards. Throws the error of the first operator that has one.
template <class Lazy = void>
[[nodiscard]] std::vector<Step> prepare_steps(const Program& program, std::vector<FusedOp> ops, int threads) {
  std::vector<Step> steps(ops.size());
  std::vector<std::exception_ptr> errors(ops.size());
  std::vector<std::pair<std::int64_t, std::size_t>> order;  // the largest first: what is left at the end is short
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const std::int64_t front = ops[i].front ? constant_bytes(program, *ops[i].front) : 0;
    order.emplace_back(-front - constant_bytes(program, ops[i].op), i);
  }
  std::sort(order.begin(), order.end());
  std::int64_t packed = 0;
  for (const FusedOp& fused : ops)
    packed +=
        packed_estimate(program, fused.op, fused.front) + (fused.front ? packed_estimate(program, *fused.front) : 0);
  // Some more than the estimate: what finds no room, and with several threads that may be the largest, stands outside.
  const auto pool = std::make_shared<Pool>(static_cast<std::size_t>(packed + packed / 64));
  std::atomic<std::size_t> next{0};
  const int parts = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads), ops.size()));
  parallel_for(parts, parts, [&](std::int64_t, std::int64_t, int) {
    const PoolScope scope(pool);
    for (std::size_t n = next++; n < order.size(); n = next++) {
      const std::size_t i = order[n].second;
      try {
        steps[i] = prepare_step(program, std::move(ops[i]));
        forget_constants(program, steps[i].op);
        if (steps[i].front) forget_constants(program, *steps[i].front);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return steps;
}

// Lifetimes in steps: an input lives from step 0, an output to the last one.
template <class Lazy = void>
[[nodiscard]] MemoryPlan plan_tensors(Prepared& p) {
  const int last = std::max(static_cast<int>(p.steps.size()) - 1, 0);
  const std::size_t count = p.program.tensors.size();
  std::vector<BufferLife> lives(count);
  p.in_use.assign(count, false);
  const auto extend = [&](int id, int first, int until) {
    p.in_use[static_cast<std::size_t>(id)] = true;
    const auto root = static_cast<std::size_t>(p.root[static_cast<std::size_t>(id)]);
    BufferLife& life = lives[root];
    const TensorInfo& tensor = p.program.tensors[root];
    const bool is_new = life.bytes == 0;
    life.bytes = static_cast<std::size_t>(data_bytes(tensor.dtype, tensor.shape));
    life.first = is_new ? first : std::min(life.first, first);
    life.last = is_new ? until : std::max(life.last, until);
  };
  for (int s = 0; s <= last && !p.steps.empty(); ++s) {
    const Op& op = p.steps[static_cast<std::size_t>(s)].op;
    for (const int id : op.inputs)
      if (id >= 0 && !tensor_at(p.program, id).constant()) extend(id, s, s);
    for (const int id : op.outputs) extend(id, s, s);
  }
  for (const int id : p.program.inputs) extend(id, 0, 0);
  for (const int id : p.program.outputs) extend(id, last, last);
  if (p.options.keep_intermediates)
    for (BufferLife& life : lives) life.first = 0, life.last = last;
  return plan_memory(lives);
}

}  // namespace detail

template <class Lazy>
Prepared prepare(Program program, const PrepareOptions& options) {
  require_threads(options.threads);
  validate(program);
  Prepared p;
  p.program = std::move(program);
  p.options = options;
  p.root.resize(p.program.tensors.size());
  std::iota(p.root.begin(), p.root.end(), 0);
  std::vector<FusedOp> ops;
  for (FusedOp& fused : fuse_ops(p.program, options.fuse && !options.keep_intermediates)) {
    if (detail::is_alias(p.program, fused.op))
      p.root[static_cast<std::size_t>(fused.op.outputs[0])] = p.root[static_cast<std::size_t>(fused.op.inputs[0])];
    else
      ops.push_back(std::move(fused));
  }
  if (options.fuse && !options.keep_intermediates)
    ops = join_fronts(p.program, std::move(ops), [&](const Op& front, const Op& op) {
      return detail::runs_as_conv_depthwise(p.program, front, op);
    });
  p.steps =
      detail::prepare_steps(p.program, std::move(ops), options.threads == 0 ? default_threads() : options.threads);
  if (!options.keep_program_weights)
    for (TensorInfo& tensor : p.program.tensors)
      if (tensor.constant()) tensor.data.drop();
  p.plan = detail::plan_tensors(p);
  require(p.plan.bytes <= options.max_arena_bytes, "the program '", p.program.name, "' needs an arena of ",
          p.plan.bytes, " bytes for one image, more than the limit of ", options.max_arena_bytes);
  for (std::size_t id = 0; id < p.root.size(); ++id)  // an alias of a tensor in use can be read as well
    if (p.in_use[static_cast<std::size_t>(p.root[id])] && p.root[id] != static_cast<int>(id)) p.in_use[id] = true;
  return p;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_PREPARE_IMPL_HPP_
