// octavo/runtime/fuse.hpp: rewrites a program's operators into fewer ones that give the same values.
#ifndef OCTAVO_RUNTIME_FUSE_HPP_
#define OCTAVO_RUNTIME_FUSE_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "program.hpp"
#include "program_info.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// An operator to execute, and the program's operators (indices, in order) that it stands for.
struct FusedOp {
  Op op;
  std::vector<int> sources;
  std::optional<Op> front = {};  // see join_fronts()
};

// The operators one by one; with `fuse`, where the tensor between two of them has no other reader and is no output:
//   pad + conv2d / depthwise_conv2d   the convolution pads by itself (outside, real 0 is read either way)
//   conv2d / depthwise_conv2d / dense / add + clamp on the same grid   one range: the ranges' intersection
//   pointwise conv2d without limits + add, float32   the convolution adds its input 3 before its limits, the sum's
// The bytes of every tensor that remains are the same as unfused. Requires a valid program.
template <class Lazy = void>
[[nodiscard]] std::vector<FusedOp> fuse_ops(const Program& program, bool fuse);

// Joins each operator of `ops` with the one whose result it alone reads, where may_join(front, op) says so:
// op.inputs[0] is then the front's input, and its name that of both. The tensor between them is not in memory as a
// whole.
template <class MayJoin>
[[nodiscard]] std::vector<FusedOp> join_fronts(const Program& program, std::vector<FusedOp> ops, MayJoin may_join);

namespace detail {

// How often each tensor is read; a model output counts as a reader.
[[nodiscard]] inline std::vector<int> count_readers(const Program& program) {
  std::vector<int> readers(program.tensors.size(), 0);
  for (const Op& op : program.ops)
    for (const int id : op.inputs)
      if (id >= 0) ++readers[static_cast<std::size_t>(id)];
  for (const int id : program.outputs) ++readers[static_cast<std::size_t>(id)];
  return readers;
}

// Whether the convolution may read the padded image through its window: no window may lie wholly in the padding, which
// is what validate() demands of a window (kernels rely on it).
[[nodiscard]] inline bool can_absorb_pad(const Program& program, const Op& pad, const Op& conv) {
  if (conv.kind != OpKind::conv2d && conv.kind != OpKind::depthwise_conv2d) return false;
  const Shape& in = input_of(program, pad, 0).shape;
  const Shape& out = output_of(program, conv).shape;
  const Window& w = conv.window;
  const auto fits = [](std::int64_t image, std::int64_t outputs, std::int64_t kernel, std::int64_t stride,
                       std::int64_t dilation, std::int64_t padding) {
    return padding <= (kernel - 1) * dilation && (outputs - 1) * stride - padding < image;
  };
  return fits(in[1], out[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + pad.pad_top) &&
         fits(in[2], out[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + pad.pad_left);
}

[[nodiscard]] inline bool can_absorb_clamp(const Program& program, const Op& op, const Op& clamp) {
  if (!is_convolution(op.kind) && op.kind != OpKind::add) return false;
  if (clamp.kind != OpKind::clamp) return false;
  const Quantization& before = output_of(program, op).quantization;
  return before == output_of(program, clamp).quantization &&
         std::max(op.clamp_low, clamp.clamp_low) <= std::min(op.clamp_high, clamp.clamp_high);
}

// Whether `add`, which follows `conv` and reads its result and a tensor of the same shape, may end it.
[[nodiscard]] inline bool can_absorb_add(const Program& program, const Op& conv, const Op& add) {
  if (conv.kind != OpKind::conv2d || add.kind != OpKind::add || conv.inputs.size() != 3) return false;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const int id : {add.inputs[0], add.inputs[1], conv.inputs[1]})
    if (tensor_at(program, id).dtype != DType::f32) return false;
  for (const int id : add.inputs)
    if (tensor_at(program, id).constant() || tensor_at(program, id).shape != output_of(program, add).shape)
      return false;
  return add.inputs[0] != add.inputs[1] && geometry_of(program, conv).pointwise() && conv.clamp_low == -infinity &&
         conv.clamp_high == infinity;
}

}  // namespace detail

template <class Lazy>
std::vector<FusedOp> fuse_ops(const Program& program, bool fuse) {
  const std::vector<int> readers = detail::count_readers(program);
  std::vector<int> writer(program.tensors.size(), -1);  // index into `fused`
  std::vector<FusedOp> fused;
  std::vector<bool> absorbed;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    FusedOp next{program.ops[i], {static_cast<int>(i)}};
    if (fuse && next.op.kind == OpKind::add && !fused.empty()) {
      FusedOp& conv = fused.back();
      const int result = conv.op.outputs[0];
      const auto operand = std::find(next.op.inputs.begin(), next.op.inputs.end(), result);
      if (operand != next.op.inputs.end() && readers[static_cast<std::size_t>(result)] == 1 &&
          detail::can_absorb_add(program, conv.op, next.op)) {
        conv.op.inputs.push_back(next.op.inputs[operand == next.op.inputs.begin() ? 1 : 0]);
        conv.op.clamp_low = next.op.clamp_low;
        conv.op.clamp_high = next.op.clamp_high;
        conv.op.outputs = next.op.outputs;
        conv.sources.push_back(static_cast<int>(i));
        writer[static_cast<std::size_t>(next.op.outputs[0])] = static_cast<int>(fused.size()) - 1;
        continue;
      }
    }
    const auto in = static_cast<std::size_t>(next.op.inputs[0]);
    const int before = fuse && readers[in] == 1 ? writer[in] : -1;
    if (before >= 0) {
      FusedOp& previous = fused[static_cast<std::size_t>(before)];
      if (previous.op.kind == OpKind::pad && detail::can_absorb_pad(program, previous.op, next.op)) {
        next.op.inputs[0] = previous.op.inputs[0];
        next.op.window.pad_top += previous.op.pad_top;
        next.op.window.pad_left += previous.op.pad_left;
        next.sources.insert(next.sources.begin(), previous.sources.begin(), previous.sources.end());
        absorbed[static_cast<std::size_t>(before)] = true;
      } else if (detail::can_absorb_clamp(program, previous.op, next.op)) {
        previous.op.clamp_low = std::max(previous.op.clamp_low, next.op.clamp_low);
        previous.op.clamp_high = std::min(previous.op.clamp_high, next.op.clamp_high);
        previous.op.outputs = next.op.outputs;
        previous.sources.push_back(static_cast<int>(i));
        writer[static_cast<std::size_t>(next.op.outputs[0])] = before;
        continue;
      }
    }
    writer[static_cast<std::size_t>(next.op.outputs[0])] = static_cast<int>(fused.size());
    fused.push_back(std::move(next));
    absorbed.push_back(false);
  }
  std::vector<FusedOp> remaining;
  for (std::size_t i = 0; i < fused.size(); ++i)
    if (!absorbed[i]) remaining.push_back(std::move(fused[i]));
  return remaining;
}

template <class MayJoin>
std::vector<FusedOp> join_fronts(const Program& program, std::vector<FusedOp> ops, MayJoin may_join) {
  const std::vector<int> readers = detail::count_readers(program);
  std::vector<FusedOp> joined;
  for (FusedOp& next : ops) {
    const int between = next.op.inputs[0];
    if (!joined.empty() && !joined.back().front && joined.back().op.outputs[0] == between &&
        readers[static_cast<std::size_t>(between)] == 1 && may_join(joined.back().op, next.op)) {
      FusedOp& front = joined.back();
      next.op.inputs[0] = front.op.inputs[0];
      next.op.name = front.op.name + " + " + next.op.name;
      next.sources.insert(next.sources.begin(), front.sources.begin(), front.sources.end());
      next.front = std::move(front.op);
      front = std::move(next);
    } else {
      joined.push_back(std::move(next));
    }
  }
  return joined;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_FUSE_HPP_
