// octavo/runtime/steps_f32.hpp: prepares the operators whose activations are float32: with float weights, or with 8-bit
// weights and inputs quantized on the way (dynamic range).
#ifndef OCTAVO_RUNTIME_STEPS_F32_HPP_
#define OCTAVO_RUNTIME_STEPS_F32_HPP_

#include <memory>
#include <string_view>
#include <utility>

#include "../kernels/conv2d_prepared_f32.hpp"
#include "../kernels/dynamic_range.hpp"
#include "../kernels/pad.hpp"
#include "../kernels/resize.hpp"
#include "../kernels/transpose.hpp"
#include "float_ops.hpp"
#include "operand.hpp"
#include "step.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace detail {

inline constexpr std::string_view kFloat = "float";  // the name of kernels that have no other

template <class Lazy = void>
void prepare_dynamic_range(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& weights = input_of(program, op, 1);
  std::vector<std::int8_t> room;
  const std::span<const std::int8_t> codes = weight_codes(weights, room);
  const std::span<const float> bias = bias_values<float>(program, op);
  const std::vector<float>& scale = weights.quantization.scale;
  const DynamicRangeStage stage{{scale.begin(), scale.end()}, {bias.begin(), bias.end()}, op.clamp_low, op.clamp_high};
  const ConvGeometry g = geometry_of(program, op);
  if (op.kind == OpKind::conv2d)
    set_convolution<float>(step, DynamicRangeConv2d(g, codes, stage, op.name, weight_bits(weights)));
  else if (op.kind == OpKind::depthwise_conv2d)
    set_convolution<float>(step, DynamicRangeDepthwiseConv2d(g, codes, stage, op.name));
  else
    set_convolution<float>(step, DynamicRangeDense(g.in_c, g.out_c, codes, stage, op.name, weight_bits(weights)),
                           g.out_w);
}

template <class Lazy = void>
void prepare_convolution_f32(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& weights = input_of(program, op, 1);
  if (weights.dtype != DType::f32) return prepare_dynamic_range(program, step);
  const std::span<const float> values = constant_values<float>(weights);
  const std::span<const float> bias = bias_values<float>(program, op);
  const ConvGeometry g = geometry_of(program, op);
  if (op.inputs.size() > 3) {  // fuse.hpp: conv + add
    Conv2dF32 conv(g, values, bias, op.clamp_low, op.clamp_high);
    const std::string_view name = conv.kernel_name();
    const std::size_t packed = conv.packed_bytes();
    set_function(
        step, name,
        [conv = std::move(conv), in = op.inputs[0], addend = op.inputs[3], out = op.outputs[0]](const StepContext& c) {
          conv.run_and_add(c.floats(in), c.floats(addend), c.floats(out), c.batch, c.threads);
        },
        0, packed);
    return;
  }
  if (op.kind == OpKind::conv2d)
    set_convolution<float>(step, Conv2dF32(g, values, bias, op.clamp_low, op.clamp_high));
  else if (op.kind == OpKind::depthwise_conv2d)
    set_convolution<float>(step, DepthwiseConv2dF32(g, values, bias, op.clamp_low, op.clamp_high));
  else
    set_convolution<float>(step, DenseF32(g.in_c, g.out_c, values, bias, op.clamp_low, op.clamp_high), g.out_w);
}

template <class Lazy = void>
void prepare_pool_f32(const Program& program, Step& step) {
  const Op& op = step.op;
  const float_ops::Limits limits{op.clamp_low, op.clamp_high};
  const int from = op.inputs[0];
  const int to = op.outputs[0];
  if (op.kind == OpKind::global_average_pool || op.kind == OpKind::mean) {
    const Shape& in = input_of(program, op, 0).shape;
    const MeanExtents extents =
        op.kind == OpKind::mean ? mean_extents(program, op) : MeanExtents{1, in[1] * in[2], in[3]};
    set_function(step, kFloat, [extents, limits, from, to](const StepContext& c) {
      float_ops::mean(extents.count, extents.inner, c.floats(from), c.floats(to), c.batch * extents.outer, limits,
                      c.threads);
    });
    return;
  }
  auto* const pool = op.kind == OpKind::max_pool2d ? &float_ops::max_pool : &float_ops::average_pool;
  set_function(step, kFloat, [g = geometry_of(program, op), pool, limits, from, to](const StepContext& c) {
    pool(g, c.floats(from), c.floats(to), c.batch, limits, c.threads);
  });
}

template <class Lazy = void>
void prepare_elementwise_f32(const Program& program, Step& step) {
  const Op& op = step.op;
  const float_ops::Limits limits{op.clamp_low, op.clamp_high};
  const std::int64_t size = output_of(program, op).shape.size();
  const int a = op.inputs[0];
  const int to = op.outputs[0];
  if (op.kind == OpKind::add || op.kind == OpKind::mul || op.kind == OpKind::sub) {
    auto* const combine = op.kind == OpKind::add   ? &float_ops::add
                          : op.kind == OpKind::mul ? &float_ops::mul
                                                   : &float_ops::subtract;
    set_pair<float>(program, step, kFloat,
                    [=](const float* x, const float* y, float* out, std::int64_t n, int threads) {
                      combine(x, y, out, n, limits, threads);
                    });
  } else if (op.kind == OpKind::clamp)
    set_function(step, kFloat, [=](const StepContext& c) {
      float_ops::clamp(c.floats(a), c.floats(to), c.batch * size, limits, c.threads);
    });
  else if (op.kind == OpKind::hard_swish)
    set_function(step, kFloat, [=](const StepContext& c) {
      float_ops::hard_swish(c.floats(a), c.floats(to), c.batch * size, c.threads);
    });
  else
    set_function(step, kFloat, [=](const StepContext& c) {
      float_ops::logistic(c.floats(a), c.floats(to), c.batch * size, c.threads);
    });
}

template <class Lazy = void>
void prepare_concat_f32(const Program& program, Step& step) {
  const Op& op = step.op;
  const ConcatExtents extents = concat_extents(program, op);
  std::int64_t total = 0;
  for (const std::int64_t inner : extents.inner) total += inner;
  set_function(step, kFloat, [extents, total, ids = op.inputs, to = op.outputs[0]](const StepContext& c) {
    parallel_for(c.batch * extents.outer, c.threads, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t o = begin; o < end; ++o) {
        float* out = c.floats(to) + o * total;
        for (std::size_t i = 0; i < ids.size(); ++i)
          out = std::copy_n(c.floats(ids[i]) + o * extents.inner[i], extents.inner[i], out);
      }
    });
  });
}

template <class Lazy = void>
void prepare_pad_f32(const Program& program, Step& step) {
  const Op& op = step.op;
  set_function(
      step, kFloat,
      [shape = input_of(program, op, 0).shape, padding = Padding{op.pad_top, op.pad_bottom, op.pad_left, op.pad_right},
       from = op.inputs[0], to = op.outputs[0]](const StepContext& c) {
        pad2d(c.floats(from), c.floats(to), c.batch, shape[1], shape[2], shape[3], padding, 0.0F, c.threads);
      });
}

template <class Lazy = void>
void prepare_transpose_f32(const Program& program, Step& step) {
  set_function(step, kFloat,
               [shape = input_of(program, step.op, 0).shape, axes = step.op.axes, from = step.op.inputs[0],
                to = step.op.outputs[0]](const StepContext& c) {
                 transpose(c.floats(from), c.floats(to), c.batch, shape, axes, c.threads);
               });
}

template <class Lazy = void>
void prepare_resize_f32(const Program& program, Step& step) {
  const auto set = [&](auto kernel) {
    set_function(step, kFloat,
                 [kernel = std::move(kernel), from = step.op.inputs[0], to = step.op.outputs[0]](const StepContext& c) {
                   kernel.run(c.floats(from), c.floats(to), c.batch, c.threads);
                 });
  };
  const ResizeGeometry g = resize_geometry_of(program, step.op);
  if (step.op.kind == OpKind::resize_nearest) return set(ResizeNearest(g));
  set(ResizeBilinearF32(g));
}

// Prepares any operator between float activations.
template <class Lazy = void>
void prepare_f32(const Program& program, Step& step) {
  switch (step.op.kind) {
    case OpKind::conv2d:
    case OpKind::depthwise_conv2d:
    case OpKind::dense:
      return prepare_convolution_f32(program, step);
    case OpKind::average_pool2d:
    case OpKind::max_pool2d:
    case OpKind::global_average_pool:
    case OpKind::mean:
      return prepare_pool_f32(program, step);
    case OpKind::transpose:
      return prepare_transpose_f32(program, step);
    case OpKind::add:
    case OpKind::mul:
    case OpKind::sub:
    case OpKind::clamp:
    case OpKind::logistic:
    case OpKind::hard_swish:
      return prepare_elementwise_f32(program, step);
    case OpKind::concat:
      return prepare_concat_f32(program, step);
    case OpKind::pad:
      return prepare_pad_f32(program, step);
    case OpKind::resize_nearest:
    case OpKind::resize_bilinear:
      return prepare_resize_f32(program, step);
    case OpKind::softmax: {
      const Shape& shape = input_of(program, step.op, 0).shape;
      set_function(step, kFloat,
                   [depth = shape.back(), rows = shape.size() / shape.back(), beta = step.op.beta,
                    from = step.op.inputs[0], to = step.op.outputs[0]](const StepContext& c) {
                     float_ops::softmax(c.floats(from), c.floats(to), c.batch * rows, depth, beta, c.threads);
                   });
      return;
    }
    case OpKind::quantize:
    case OpKind::dequantize:
    case OpKind::requantize:
    case OpKind::reshape:
      break;
  }
  fail(name_of(step.op.kind), " '", step.op.name, "': there is no float kernel");
}

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_STEPS_F32_HPP_
