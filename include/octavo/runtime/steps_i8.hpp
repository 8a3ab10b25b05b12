// octavo/runtime/steps_i8.hpp: prepares the operators whose activations are 8-bit codes.
#ifndef OCTAVO_RUNTIME_STEPS_I8_HPP_
#define OCTAVO_RUNTIME_STEPS_I8_HPP_

#include <memory>
#include <string_view>
#include <utility>

#include "../kernels/add.hpp"
#include "../kernels/code_map.hpp"
#include "../kernels/conv2d.hpp"
#include "../kernels/conv_depthwise.hpp"
#include "../kernels/dense.hpp"
#include "../kernels/depthwise_conv2d.hpp"
#include "../kernels/pad.hpp"
#include "../kernels/pool.hpp"
#include "../kernels/quantize.hpp"
#include "../kernels/resize.hpp"
#include "../kernels/resize_uint8.hpp"
#include "../kernels/shifted_weights.hpp"
#include "../kernels/softmax.hpp"
#include "../kernels/transpose.hpp"
#include "operand.hpp"
#include "step.hpp"
#include "validate_impl.hpp"  // kMaxConcatInputs

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace detail {

// The fused activation's limits on the output's grid.
template <class Lazy = void>
[[nodiscard]] CodeLimits code_limits(const Program& program, const Op& op) {
  return activation_range(stored_grid(output_of(program, op)), op.clamp_low, op.clamp_high);
}

// The requantization of a convolution's accumulators, of a product, or of a code less its zero point.
template <class Lazy = void>
[[nodiscard]] OutputStage requantization_stage(const Program& program, const Op& op) {
  const RequantizationScales scales = requantization_scales(program, op);
  Grid to = stored_grid(output_of(program, op));
  to.scale = scales.output;
  return make_output_stage(program.rounding, scales.input, scales.weight, to, code_limits(program, op));
}

template <class Lazy = void>
void prepare_convolution_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  std::vector<std::int8_t> room;
  const std::span<const std::int8_t> weights = weight_codes(input_of(program, op, 1), room);
  const std::span<const std::int32_t> bias = bias_values<std::int32_t>(program, op);
  const std::int32_t zero_point = stored_grid(input_of(program, op, 0)).zero_point;
  const ConvGeometry geometry = geometry_of(program, op);
  const OutputStage stage = requantization_stage(program, op);
  const Quantization& q = input_of(program, op, 1).quantization;
  const WeightBits bits = weight_bits(input_of(program, op, 1));
  if (requantizes_in_double(program, op)) {
    ShiftedWeights real{weights, bias, zero_point, 0};
    const double from = static_cast<double>(grid_of(input_of(program, op, 0)).scale);
    for (std::size_t c = 0; c < static_cast<std::size_t>(geometry.out_c); ++c)
      real.real_scale.push_back(from * static_cast<double>(q.scale[q.scale.size() == 1 ? 0 : c]) /
                                static_cast<double>(grid_of(output_of(program, op)).scale));
    return set_convolution<std::uint8_t>(step, DoubleDense(geometry.in_c, geometry.out_c, real, stage, op.name),
                                         geometry.out_w);
  }
  if (q.zero_point[0] != 0) {  // legacy uint8
    const ShiftedWeights shifted{weights, bias, zero_point, q.zero_point[0]};
    if (op.kind == OpKind::depthwise_conv2d)
      set_convolution<std::uint8_t>(step, ShiftedDepthwiseConv2d(geometry, shifted, stage, op.name));
    else
      set_convolution<std::uint8_t>(step, ShiftedConv2d(geometry, shifted, stage, op.name));
    return;
  }
  if (op.kind == OpKind::conv2d)
    set_convolution<std::uint8_t>(step, QuantizedConv2d(geometry, weights, bias, zero_point, stage, op.name, bits));
  else if (op.kind == OpKind::depthwise_conv2d)
    set_convolution<std::uint8_t>(step, QuantizedDepthwiseConv2d(geometry, weights, bias, zero_point, stage, op.name));
  else
    set_convolution<std::uint8_t>(
        step, QuantizedDense(geometry.in_c, geometry.out_c, weights, bias, zero_point, stage, op.name, bits),
        geometry.out_w);
}

// Whether a convolution and the depthwise one that reads it get the kernel of both: where it is faster than the two,
// that is on AVX512-VNNI (docs/performance.md).
template <class Lazy = void>
[[nodiscard]] bool runs_as_conv_depthwise(const Program& program, const Op& front, const Op& depthwise) {
  if (front.kind != OpKind::conv2d || depthwise.kind != OpKind::depthwise_conv2d) return false;
  if (program.rounding != Rounding::nearest_even_f32 || active_isa() != Isa::avx512vnni) return false;
  for (const Op* op : {&front, &depthwise}) {
    const TensorInfo& weights = input_of(program, *op, 1);
    if (input_of(program, *op, 0).dtype == DType::f32 || output_of(program, *op).dtype == DType::f32) return false;
    if (weights.dtype != DType::i8 || weights.quantization.zero_point[0] != 0 || requantizes_in_double(program, *op))
      return false;
  }
  const CodeLimits limits = code_limits(program, front);
  OutputStage between;
  between.zero_point = stored_grid(output_of(program, front)).zero_point;
  between.min = limits.min;
  between.max = limits.max;
  return QuantizedConvDepthwise::fits(geometry_of(program, front), between, geometry_of(program, depthwise));
}

template <class Lazy = void>
void prepare_conv_depthwise_i8(const Program& program, Step& step) {
  const Op& front = *step.front;
  Op depthwise = step.op;
  depthwise.inputs[0] = front.outputs[0];
  const OutputStage stages[] = {requantization_stage(program, front), requantization_stage(program, depthwise)};
  const auto parts = [&](const Op& op, const OutputStage& stage) {
    return ConvolutionParts{geometry_of(program, op),
                            constant_values<std::int8_t>(input_of(program, op, 1)),
                            bias_values<std::int32_t>(program, op),
                            stored_grid(input_of(program, op, 0)).zero_point,
                            &stage,
                            op.name};
  };
  set_convolution<std::uint8_t>(step, QuantizedConvDepthwise(parts(front, stages[0]), parts(depthwise, stages[1])));
}

// A kernel with run(in, out, n, threads); n = images times `per_image`.
template <class Kernel>
void set_unary(Step& step, Kernel kernel, std::int64_t per_image, std::string_view name) {
  const int in = step.op.inputs[0];
  const int out = step.op.outputs[0];
  set_function(step, name, [kernel = std::move(kernel), in, out, per_image](const StepContext& c) {
    kernel.run(c.codes(in), c.codes(out), c.batch * per_image, c.threads);
  });
}

template <class Lazy = void>
void prepare_pool_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& in = input_of(program, op, 0);
  const TensorInfo& out = output_of(program, op);
  const CodeLimits limits = code_limits(program, op);
  const Grid from = stored_grid(in);
  const Grid to = stored_grid(out);
  if (op.kind == OpKind::global_average_pool || op.kind == OpKind::mean) {
    const MeanExtents extents =
        op.kind == OpKind::mean ? mean_extents(program, op) : MeanExtents{1, in.shape[1] * in.shape[2], in.shape[3]};
    set_unary(step,
              QuantizedGlobalAveragePool(extents.count, extents.inner, from.zero_point,
                                         make_mean_stage(program.rounding, from, to, limits, extents.count)),
              extents.outer, "mean");
    return;
  }
  const ConvGeometry geometry = geometry_of(program, op);
  if (op.kind == OpKind::max_pool2d) return set_unary(step, QuantizedMaxPool2d(geometry, limits), 1, "max_pool");
  AverageStage stage = make_average_stage(program.rounding, from, to, limits, op.window.kernel_h * op.window.kernel_w);
  stage.of_uint8 = op.legacy_uint8;
  set_unary(step, QuantizedAveragePool2d(geometry, std::move(stage)), 1, "average_pool");
}

template <class Lazy = void>
void prepare_pair_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const Grid a = stored_grid(input_of(program, op, 0));
  const Grid b = stored_grid(input_of(program, op, 1));
  const Grid out = stored_grid(output_of(program, op));
  const CodeLimits limits = code_limits(program, op);
  const auto set = [&](auto kernel) {
    const std::string_view name = kernel.kernel_name();
    set_pair<std::uint8_t>(
        program, step, name,
        [kernel = std::move(kernel)](const std::uint8_t* x, const std::uint8_t* y, std::uint8_t* to, std::int64_t n,
                                     int threads) { kernel.run(x, y, to, n, threads); });
  };
  if (op.kind == OpKind::mul) return set(QuantizedMul(a.zero_point, b.zero_point, requantization_stage(program, op)));
  AddStage stage = make_add_stage(program.rounding, a, b, out, limits);
  stage.subtract = op.kind == OpKind::sub;
  set(QuantizedAdd(stage));
}

template <class Lazy = void>
void prepare_concat_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const ConcatExtents extents = concat_extents(program, op);
  const Grid to = stored_grid(output_of(program, op));
  std::vector<CodeMap> maps;
  const bool in_float = op.legacy_uint8 && program.rounding != Rounding::nearest_even_f32;
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    const Grid from = stored_grid(input_of(program, op, i));
    maps.push_back(in_float ? make_float_map(from, to)
                            : make_requantize_map(program.rounding, from, to, {to.qmin, to.qmax}));
  }
  set_function(step, "copy", [extents, maps, ids = op.inputs, out = op.outputs[0]](const StepContext& c) {
    ConcatInput inputs[kMaxConcatInputs];
    for (std::size_t i = 0; i < ids.size(); ++i)
      inputs[i] = {c.codes(ids[i]), extents.inner[i], maps[i].identity() ? nullptr : &maps[i]};
    concat_codes({inputs, ids.size()}, c.codes(out), c.batch * extents.outer, c.threads);
  });
}

template <class Lazy = void>
void prepare_pad_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& in = input_of(program, op, 0);
  const auto value = static_cast<std::uint8_t>(stored_grid(in).zero_point);
  set_function(step, "copy",
               [shape = in.shape, value, padding = Padding{op.pad_top, op.pad_bottom, op.pad_left, op.pad_right},
                from = op.inputs[0], to = op.outputs[0]](const StepContext& c) {
                 pad2d(c.codes(from), c.codes(to), c.batch, shape[1], shape[2], shape[3], padding, value, c.threads);
               });
}

template <class Lazy = void>
void prepare_transpose_i8(const Program& program, Step& step) {
  set_function(step, "copy",
               [shape = input_of(program, step.op, 0).shape, axes = step.op.axes, from = step.op.inputs[0],
                to = step.op.outputs[0]](const StepContext& c) {
                 transpose(c.codes(from), c.codes(to), c.batch, shape, axes, c.threads);
               });
}

template <class Lazy = void>
void prepare_resize_i8(const Program& program, Step& step) {
  const ResizeGeometry g = resize_geometry_of(program, step.op);
  if (step.op.kind == OpKind::resize_nearest) return set_unary(step, ResizeNearest(g), 1, "copy");
  if (interpolates_as_uint8(program, step.op)) return set_unary(step, ResizeBilinearUint8(g), 1, "resize_float");
  QuantizedResizeBilinear kernel(g, program.rounding);
  const std::string_view name = kernel.kernel_name();
  set_unary(step, std::move(kernel), 1, name);
}

// clamp, requantize, logistic, hard_swish: functions of one code.
template <class Lazy = void>
void prepare_map_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const Grid from = stored_grid(input_of(program, op, 0));
  const Grid to = stored_grid(output_of(program, op));
  const std::int64_t per_image = output_of(program, op).shape.size();
  const bool same_grid = from.scale == to.scale && from.zero_point == to.zero_point;
  CodeMap map = op.kind == OpKind::logistic     ? make_logistic_map(from, program.rounding)
                : op.kind == OpKind::hard_swish ? make_hard_swish_map(from, to, program.rounding)
                : same_grid                     ? make_clamp_map(code_limits(program, op))
                            : make_requantize_map(from.zero_point, requantization_stage(program, op));
  set_unary(step, std::move(map), per_image, "table");
}

template <class Lazy = void>
void prepare_border_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const std::int64_t per_image = output_of(program, op).shape.size();
  const int from = op.inputs[0];
  const int to = op.outputs[0];
  if (op.kind == OpKind::quantize) {
    set_function(step, "convert",
                 [grid = stored_grid(output_of(program, op)), ties = ties_of(program.rounding), per_image, from,
                  to](const StepContext& c) {
                   quantize_codes(c.floats(from), c.codes(to), c.batch * per_image, grid, ties, c.threads);
                 });
  } else {
    set_function(step, "convert",
                 [grid = stored_grid(input_of(program, op, 0)), per_image, from, to](const StepContext& c) {
                   dequantize_codes(c.codes(from), c.floats(to), c.batch * per_image, grid, c.threads);
                 });
  }
}

template <class Lazy = void>
void prepare_softmax_i8(const Program& program, Step& step) {
  const TensorInfo& in = input_of(program, step.op, 0);
  const std::int64_t depth = in.shape.back();
  set_unary(step, QuantizedSoftmax(depth, make_softmax_stage(program.rounding, grid_of(in).scale, step.op.beta)),
            in.shape.size() / depth, "softmax_table");
}

// Prepares any operator that reads or writes 8-bit codes.
template <class Lazy = void>
void prepare_i8(const Program& program, Step& step) {
  if (step.front) return prepare_conv_depthwise_i8(program, step);
  switch (step.op.kind) {
    case OpKind::conv2d:
    case OpKind::depthwise_conv2d:
    case OpKind::dense:
      return prepare_convolution_i8(program, step);
    case OpKind::average_pool2d:
    case OpKind::max_pool2d:
    case OpKind::global_average_pool:
    case OpKind::mean:
      return prepare_pool_i8(program, step);
    case OpKind::add:
    case OpKind::mul:
    case OpKind::sub:
      return prepare_pair_i8(program, step);
    case OpKind::concat:
      return prepare_concat_i8(program, step);
    case OpKind::pad:
      return prepare_pad_i8(program, step);
    case OpKind::transpose:
      return prepare_transpose_i8(program, step);
    case OpKind::resize_nearest:
    case OpKind::resize_bilinear:
      return prepare_resize_i8(program, step);
    case OpKind::clamp:
    case OpKind::requantize:
    case OpKind::logistic:
    case OpKind::hard_swish:
      return prepare_map_i8(program, step);
    case OpKind::quantize:
    case OpKind::dequantize:
      return prepare_border_i8(program, step);
    case OpKind::softmax:
      return prepare_softmax_i8(program, step);
    case OpKind::reshape:
      break;  // an alias, never a step
  }
  fail(name_of(step.op.kind), " '", step.op.name, "': there is no kernel for 8-bit codes");
}

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_STEPS_I8_HPP_
