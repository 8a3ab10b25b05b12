// octavo/runtime/steps_i8.hpp: prepares the operators whose activations are 8-bit codes.
#ifndef OCTAVO_RUNTIME_STEPS_I8_HPP_
#define OCTAVO_RUNTIME_STEPS_I8_HPP_

#include <memory>
#include <string>
#include <utility>

#include "../kernels/add.hpp"
#include "../kernels/code_map.hpp"
#include "../kernels/conv2d.hpp"
#include "../kernels/dense.hpp"
#include "../kernels/depthwise_conv2d.hpp"
#include "../kernels/pad.hpp"
#include "../kernels/pool.hpp"
#include "../kernels/quantize.hpp"
#include "../kernels/softmax.hpp"
#include "step.hpp"
#include "validate.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {
namespace detail {

// The fused activation's limits on the output's grid.
template <class Lazy = void>
[[nodiscard]] CodeLimits code_limits(const Program& program, const Op& op) {
  return activation_range(stored_grid(output_of(program, op)), op.clamp_low, op.clamp_high);
}

// The requantization of a convolution's accumulators.
template <class Lazy = void>
[[nodiscard]] OutputStage convolution_stage(const Program& program, const Op& op) {
  return make_output_stage(program.rounding, grid_of(input_of(program, op, 0)).scale,
                           input_of(program, op, 1).quantization.scale, stored_grid(output_of(program, op)),
                           code_limits(program, op));
}

// Puts a prepared kernel with the usual members into the step.
template <class Kernel>
void set_convolution(Step& step, Kernel kernel, std::int64_t rows = 1) {
  const auto shared = std::make_shared<const Kernel>(std::move(kernel));
  const int in = step.op.inputs[0];
  const int out = step.op.outputs[0];
  step.run = [shared, in, out, rows](const StepContext& c) {
    shared->run(c.codes(in), c.codes(out), c.batch * rows, c.threads, c.scratch);
  };
  step.scratch_bytes = [shared](int threads) { return shared->scratch_bytes(threads); };
  step.kernel = [shared] { return std::string(shared->kernel_name()); };
}

template <class Lazy = void>
void prepare_convolution_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const std::vector<std::int8_t> weights = weight_codes(input_of(program, op, 1));
  const std::span<const std::int32_t> bias = bias_values<std::int32_t>(program, op);
  const std::int32_t zero_point = stored_grid(input_of(program, op, 0)).zero_point;
  const ConvGeometry geometry = geometry_of(program, op);
  const OutputStage stage = convolution_stage(program, op);
  if (op.kind == OpKind::conv2d)
    set_convolution(step, QuantizedConv2d(geometry, weights, bias, zero_point, stage, op.name));
  else if (op.kind == OpKind::depthwise_conv2d)
    set_convolution(step, QuantizedDepthwiseConv2d(geometry, weights, bias, zero_point, stage, op.name));
  else
    set_convolution(step, QuantizedDense(geometry.in_c, geometry.out_c, weights, bias, zero_point, stage, op.name),
                    geometry.out_w);
}

// A kernel with run(in, out, n, threads); n = images times `per_image`.
template <class Kernel>
void set_unary(Step& step, Kernel kernel, std::int64_t per_image, std::string name) {
  const int in = step.op.inputs[0];
  const int out = step.op.outputs[0];
  step.run = [kernel = std::move(kernel), in, out, per_image](const StepContext& c) {
    kernel.run(c.codes(in), c.codes(out), c.batch * per_image, c.threads);
  };
  step.kernel = [name = std::move(name)] { return name; };
}

template <class Lazy = void>
void prepare_pool_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& in = input_of(program, op, 0);
  const TensorInfo& out = output_of(program, op);
  const CodeLimits limits = code_limits(program, op);
  const Grid from = stored_grid(in);
  const Grid to = stored_grid(out);
  if (op.kind == OpKind::global_average_pool) {
    const std::int64_t pixels = in.shape[1] * in.shape[2];
    set_unary(step,
              QuantizedGlobalAveragePool(pixels, in.shape[3], from.zero_point,
                                         make_mean_stage(program.rounding, from, to, limits, pixels)),
              1, "mean");
    return;
  }
  const ConvGeometry geometry = geometry_of(program, op);
  if (op.kind == OpKind::max_pool2d)
    set_unary(step, QuantizedMaxPool2d(geometry, limits), 1, "max_pool");
  else
    set_unary(step,
              QuantizedAveragePool2d(geometry, make_average_stage(program.rounding, from, to, limits,
                                                                  op.window.kernel_h * op.window.kernel_w)),
              1, "average_pool");
}

template <class Lazy = void>
void prepare_pair_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const Grid a = stored_grid(input_of(program, op, 0));
  const Grid b = stored_grid(input_of(program, op, 1));
  const Grid out = stored_grid(output_of(program, op));
  const CodeLimits limits = code_limits(program, op);
  const std::int64_t per_image = output_of(program, op).shape.size();
  const auto set = [&](auto kernel) {
    const std::string name(kernel.kernel_name());
    step.run = [kernel = std::move(kernel), per_image, from_a = op.inputs[0], from_b = op.inputs[1],
                to = op.outputs[0]](const StepContext& c) {
      kernel.run(c.codes(from_a), c.codes(from_b), c.codes(to), c.batch * per_image, c.threads);
    };
    step.kernel = [name] { return name; };
  };
  if (op.kind == OpKind::add) {
    set(QuantizedAdd(make_add_stage(program.rounding, a, b, out, limits)));
    return;
  }
  const float scale_b[] = {b.scale};
  set(QuantizedMul(a.zero_point, b.zero_point, make_output_stage(program.rounding, a.scale, scale_b, out, limits)));
}

template <class Lazy = void>
void prepare_concat_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const ConcatExtents extents = concat_extents(program, op);
  const Grid to = stored_grid(output_of(program, op));
  std::vector<CodeMap> maps;
  for (std::size_t i = 0; i < op.inputs.size(); ++i)
    maps.push_back(
        make_requantize_map(program.rounding, stored_grid(input_of(program, op, i)), to, {to.qmin, to.qmax}));
  step.run = [extents, maps, ids = op.inputs, out = op.outputs[0]](const StepContext& c) {
    ConcatInput inputs[kMaxConcatInputs];
    for (std::size_t i = 0; i < ids.size(); ++i)
      inputs[i] = {c.codes(ids[i]), extents.inner[i], maps[i].identity() ? nullptr : &maps[i]};
    concat_codes({inputs, ids.size()}, c.codes(out), c.batch * extents.outer, c.threads);
  };
  step.kernel = [] { return std::string("copy"); };
}

template <class Lazy = void>
void prepare_pad_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const TensorInfo& in = input_of(program, op, 0);
  const auto value = static_cast<std::uint8_t>(stored_grid(in).zero_point);
  step.run = [shape = in.shape, value, padding = Padding{op.pad_top, op.pad_bottom, op.pad_left, op.pad_right},
              from = op.inputs[0], to = op.outputs[0]](const StepContext& c) {
    pad2d(c.codes(from), c.codes(to), c.batch, shape[1], shape[2], shape[3], padding, value, c.threads);
  };
  step.kernel = [] { return std::string("copy"); };
}

// clamp, requantize, logistic: functions of one code.
template <class Lazy = void>
void prepare_map_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const Grid from = stored_grid(input_of(program, op, 0));
  const Grid to = stored_grid(output_of(program, op));
  const std::int64_t per_image = output_of(program, op).shape.size();
  const bool same_grid = from.scale == to.scale && from.zero_point == to.zero_point;
  CodeMap map = op.kind == OpKind::logistic ? make_logistic_map(from)
                : same_grid                 ? make_clamp_map(code_limits(program, op))
                                            : make_requantize_map(program.rounding, from, to, code_limits(program, op));
  set_unary(step, std::move(map), per_image, "table");
}

template <class Lazy = void>
void prepare_border_i8(const Program& program, Step& step) {
  const Op& op = step.op;
  const std::int64_t per_image = output_of(program, op).shape.size();
  const int from = op.inputs[0];
  const int to = op.outputs[0];
  if (op.kind == OpKind::quantize) {
    step.run = [grid = stored_grid(output_of(program, op)), ties = ties_of(program.rounding), per_image, from,
                to](const StepContext& c) {
      quantize_codes(c.floats(from), c.codes(to), c.batch * per_image, grid, ties, c.threads);
    };
  } else {
    step.run = [grid = stored_grid(input_of(program, op, 0)), per_image, from, to](const StepContext& c) {
      dequantize_codes(c.codes(from), c.floats(to), c.batch * per_image, grid, c.threads);
    };
  }
  step.kernel = [] { return std::string("convert"); };
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
  switch (step.op.kind) {
    case OpKind::conv2d:
    case OpKind::depthwise_conv2d:
    case OpKind::dense:
      return prepare_convolution_i8(program, step);
    case OpKind::average_pool2d:
    case OpKind::max_pool2d:
    case OpKind::global_average_pool:
      return prepare_pool_i8(program, step);
    case OpKind::add:
    case OpKind::mul:
      return prepare_pair_i8(program, step);
    case OpKind::concat:
      return prepare_concat_i8(program, step);
    case OpKind::pad:
      return prepare_pad_i8(program, step);
    case OpKind::clamp:
    case OpKind::requantize:
    case OpKind::logistic:
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
