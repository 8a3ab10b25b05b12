// tests/unit/runtime_nets.hpp: small programs, and an interpreter of plain loops that says what they compute.
#ifndef OCTAVO_TESTS_UNIT_RUNTIME_NETS_HPP_
#define OCTAVO_TESTS_UNIT_RUNTIME_NETS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/kernels/code_map.hpp"
#include "octavo/kernels/pool_stage.hpp"
#include "octavo/kernels/reference/conv2d.hpp"
#include "octavo/kernels/reference/elementwise.hpp"
#include "octavo/kernels/reference/pool.hpp"
#include "octavo/kernels/reference/resize.hpp"
#include "octavo/runtime/program_builder.hpp"
#include "octavo/runtime/step.hpp"

namespace nets {

using namespace octavo;
using namespace octavo::runtime;

inline std::vector<float> random_floats(std::int64_t n, Rng& rng, float low = -1.0F, float high = 1.0F) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = rng.uniform(low, high);
  return values;
}
inline std::vector<std::int8_t> random_codes(std::int64_t n, Rng& rng, int low = -127, int high = 127) {
  std::vector<std::int8_t> values(static_cast<std::size_t>(n));
  for (std::int8_t& value : values)
    value = static_cast<std::int8_t>(low + static_cast<int>(rng.below(static_cast<std::uint64_t>(high - low + 1))));
  return values;
}

// Adds layers to a builder, float or int8, with random weights; `id` is the tensor that the next layer reads.
class Net {
 public:
  Net(std::string name, DType dtype, Rounding rounding = Rounding::nearest_even_f32, std::uint64_t seed = 1)
      : builder(std::move(name), rounding), dtype_(dtype), rng_(seed) {}

  ProgramBuilder builder;
  int id = -1;

  [[nodiscard]] bool codes() const { return dtype_ == DType::i8; }
  [[nodiscard]] const TensorInfo& tensor() { return tensor_at(builder.program(), id); }
  [[nodiscard]] Quantization grid(float scale, std::int32_t zero_point) const {
    return codes() ? per_tensor(scale, zero_point) : Quantization{};
  }

  void input(const Shape& shape) { id = builder.add_input("input", shape, dtype_, grid(0.02F, -3)); }
  // A float input that is quantized first.
  void quantized_input(const Shape& shape) {
    const int from = builder.add_input("input", shape);
    id =
        builder.add_op({.kind = OpKind::quantize, .name = "quantize"}, {from}, shape, DType::i8, per_tensor(0.02F, -3));
  }

  // Weights of `shape` (codes i8 unless told), the channel along `axis`; appended with a bias.
  std::vector<int> parameters(const std::string& name, const Shape& shape, std::size_t axis, std::int64_t fan_in,
                              bool hybrid = false, bool per_tensor_weights = false) {
    const auto channels = shape[axis];
    const std::vector<float> bias = random_floats(channels, rng_, -0.3F, 0.3F);
    if (!codes() && !hybrid) {
      const float limit = 2.0F / std::sqrt(static_cast<float>(fan_in));
      const int w = builder.add_floats(name + "/weights", shape, random_floats(shape.size(), rng_, -limit, limit));
      return {id, w, builder.add_floats(name + "/bias", {channels}, bias)};
    }
    std::vector<float> scale(per_tensor_weights ? 1 : static_cast<std::size_t>(channels));
    for (float& s : scale) s = rng_.uniform(0.5F, 1.5F) * 2.0F / (127.0F * std::sqrt(static_cast<float>(fan_in)));
    Quantization quantization = per_channel(scale, per_tensor_weights ? -1 : static_cast<int>(axis));
    const int w = builder.add_constant(name + "/weights", DType::i8, shape,
                                       std::span<const std::int8_t>(random_codes(shape.size(), rng_)), quantization);
    if (hybrid) return {id, w, builder.add_floats(name + "/bias", {channels}, bias)};
    std::vector<std::int32_t> codes_of_bias;
    std::vector<float> bias_scale;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      bias_scale.push_back(tensor().quantization.scale[0] * scale[per_tensor_weights ? 0 : c]);
      codes_of_bias.push_back(static_cast<std::int32_t>(std::lround(bias[c] / bias_scale[c])));
    }
    const int b =
        builder.add_constant(name + "/bias", DType::i32, {channels}, std::span<const std::int32_t>(codes_of_bias),
                             Quantization{bias_scale, std::vector<std::int32_t>(bias_scale.size(), 0), 0});
    return {id, w, b};
  }

  struct Layer {
    Window window = {};
    std::int64_t groups = 1;
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();
    float scale = 0.025F;
    std::int32_t zero_point = 5;
    bool hybrid = false;
    bool per_tensor_weights = false;
    bool bias = true;
  };
  static constexpr float kSix = 6.0F;

  void conv(const std::string& name, std::int64_t out_h, std::int64_t out_w, std::int64_t out_c, Layer layer) {
    const std::int64_t in = tensor().shape[3] / layer.groups;
    const Window& w = layer.window;
    std::vector<int> ids = parameters(name, {out_c, w.kernel_h, w.kernel_w, in}, 0, w.kernel_h * w.kernel_w * in,
                                      layer.hybrid, layer.per_tensor_weights);
    if (!layer.bias) ids[2] = -1;
    push(OpKind::conv2d, name, ids, {1, out_h, out_w, out_c}, layer);
  }
  void depthwise(const std::string& name, std::int64_t out_h, std::int64_t out_w, std::int64_t out_c, Layer layer) {
    const Window& w = layer.window;
    const std::vector<int> ids = parameters(name, {1, w.kernel_h, w.kernel_w, out_c}, 3, w.kernel_h * w.kernel_w,
                                            layer.hybrid, layer.per_tensor_weights);
    push(OpKind::depthwise_conv2d, name, ids, {1, out_h, out_w, out_c}, layer);
  }
  void dense(const std::string& name, std::int64_t out_c, Layer layer) {
    Shape out = tensor().shape;
    const std::int64_t in = out.back();
    out[out.rank() - 1] = out_c;
    const std::vector<int> ids = parameters(name, {out_c, in}, 0, in, layer.hybrid, layer.per_tensor_weights);
    push(OpKind::dense, name, ids, out, layer);
  }
  void pad(const std::string& name, std::int64_t top, std::int64_t bottom, std::int64_t left, std::int64_t right) {
    Op op{.kind = OpKind::pad, .name = name};
    op.pad_top = top, op.pad_bottom = bottom, op.pad_left = left, op.pad_right = right;
    const Shape& in = tensor().shape;
    id = builder.add_op(op, {id}, {1, in[1] + top + bottom, in[2] + left + right, in[3]}, tensor().quantization);
  }
  void pool(OpKind kind, const std::string& name, const Shape& out, const Window& window) {
    Op op{.kind = kind, .name = name};
    op.window = window;
    id = builder.add_op(op, {id}, out, tensor().quantization);
  }
  void mean(const std::string& name) {
    id = builder.add_op({.kind = OpKind::global_average_pool, .name = name}, {id}, {1, tensor().shape[3]},
                        grid(0.01F, -20));
  }
  void clamp(const std::string& name, float low, float high) {
    Op op{.kind = OpKind::clamp, .name = name};
    op.clamp_low = low, op.clamp_high = high;
    id = builder.add_op(op, {id}, tensor().shape, tensor().quantization);
  }
  void pair(OpKind kind, const std::string& name, int other, float scale = 0.03F, std::int32_t zero_point = 2) {
    id = builder.add_op({.kind = kind, .name = name}, {id, other}, tensor().shape, grid(scale, zero_point));
  }
  void concat(const std::string& name, int other, int axis) {
    Op op{.kind = OpKind::concat, .name = name};
    op.axis = axis;
    Shape out = tensor().shape;
    const auto along = static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(out.rank()) : axis);
    out[along] += tensor_at(builder.program(), other).shape[along];
    id = builder.add_op(op, {id, other}, out, tensor().quantization);
  }
  void resize(OpKind kind, const std::string& name, std::int64_t height, std::int64_t width) {
    Op op{.kind = kind, .name = name};
    op.half_pixel_centers = true;
    id = builder.add_op(op, {id}, {1, height, width, tensor().shape[3]}, tensor().quantization);
  }
  void reshape(const std::string& name, const Shape& shape) {
    id = builder.add_op({.kind = OpKind::reshape, .name = name}, {id}, shape, tensor().quantization);
  }
  void hard_swish(const std::string& name) {
    id = builder.add_op({.kind = OpKind::hard_swish, .name = name}, {id}, tensor().shape, grid(0.02F, -100));
  }
  void probabilities(OpKind kind, const std::string& name) {
    id = builder.add_op({.kind = kind, .name = name}, {id}, tensor().shape, grid(1.0F / 256, -128));
  }
  void requantize(const std::string& name, float scale, std::int32_t zero_point) {
    id = builder.add_op({.kind = OpKind::requantize, .name = name}, {id}, tensor().shape, grid(scale, zero_point));
  }
  void dequantize() {
    id = builder.add_op({.kind = OpKind::dequantize, .name = "dequantize"}, {id}, tensor().shape, DType::f32);
  }
  Program finish() {
    builder.add_output(id);
    return std::move(builder).build();
  }

 private:
  void push(OpKind kind, const std::string& name, const std::vector<int>& ids, const Shape& out, const Layer& layer) {
    Op op{.kind = kind, .name = name};
    op.window = layer.window;
    op.groups = layer.groups;
    op.clamp_low = layer.low, op.clamp_high = layer.high;
    id = builder.add_op(op, ids, out, grid(layer.scale, layer.zero_point));
  }

  DType dtype_;
  Rng rng_;
};

// Every operator there is, once at least: float, or int8 with a float border.
inline Program everything(DType dtype, Rounding rounding = Rounding::nearest_even_f32) {
  Net net("everything", dtype, rounding, 7);
  if (net.codes())
    net.quantized_input({1, 9, 7, 3});
  else
    net.input({1, 9, 7, 3});
  net.pad("pad", 0, 1, 1, 1);
  net.conv("conv", 5, 4, 8, {.window = {3, 3, 2, 2, 1, 1, 0, 0}, .low = 0, .high = Net::kSix});
  const int skip = net.id;
  net.depthwise("depthwise", 5, 4, 8, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .low = 0, .high = Net::kSix});
  net.conv("project", 5, 4, 8, {});
  net.pair(OpKind::add, "add", skip);
  net.clamp("relu", 0.0F, 2.0F);
  const int trunk = net.id;
  net.depthwise("depthwise_x2", 3, 2, 16, {.window = {3, 3, 2, 2, 1, 1, 1, 1}, .per_tensor_weights = true});
  net.conv("grouped", 3, 2, 6, {.groups = 2, .bias = false});
  const int grouped = net.id;
  net.id = trunk;
  net.pool(OpKind::max_pool2d, "max_pool", {1, 3, 2, 8}, {2, 2, 2, 2, 1, 1, 0, 0});
  const int pooled = net.id;
  net.id = trunk;
  net.pool(OpKind::average_pool2d, "average_pool", {1, 3, 2, 8}, {3, 3, 2, 2, 1, 1, 1, 1});
  net.pair(OpKind::mul, "mul", pooled, 0.04F, -7);
  net.concat("concat", grouped, -1);
  net.conv("dilated", 3, 2, 10, {.window = {2, 2, 1, 1, 2, 1, 1, 1}});
  net.resize(OpKind::resize_bilinear, "resize_bilinear", 5, 3);
  net.hard_swish("hard_swish");
  net.resize(OpKind::resize_nearest, "resize_nearest", 4, 6);
  net.probabilities(OpKind::logistic, "logistic");
  if (net.codes()) net.requantize("requantize", 0.011F, 3);
  net.mean("mean");
  net.reshape("reshape", {1, 2, 5});
  net.dense("rows", 4, {.low = -0.5F});
  net.reshape("flat", {1, 8});
  net.dense("logits", 5, {.per_tensor_weights = true});
  net.probabilities(OpKind::softmax, "softmax");
  if (net.codes()) net.dequantize();
  return net.finish();
}

// The values of every tensor of one image, computed by loops, in the tensor's own type: codes as int8 terms.
struct Values {
  std::vector<float> real;
  std::vector<std::int8_t> code;
};

class Interpreter {
 public:
  explicit Interpreter(const Program& program) : p_(program), values(program.tensors.size()) {}

  std::vector<Values> run(const std::vector<float>& input) {
    at(p_.inputs[0]).real = input;
    for (const Op& op : p_.ops) op_codes_or_floats(op);
    return values;
  }

 private:
  Values& at(int id) { return values[static_cast<std::size_t>(id)]; }
  Values& in(const Op& op, std::size_t i = 0) { return at(op.inputs[i]); }
  [[nodiscard]] const TensorInfo& info(const Op& op, std::size_t i = 0) const { return input_of(p_, op, i); }
  [[nodiscard]] const TensorInfo& out_info(const Op& op) const { return output_of(p_, op); }
  [[nodiscard]] Grid grid(const TensorInfo& t) const { return grid_of(t); }

  void op_codes_or_floats(const Op& op) {
    Values& out = at(op.outputs[0]);
    const auto size = static_cast<std::size_t>(out_info(op).shape.size());
    if (info(op).dtype == DType::i8 || out_info(op).dtype == DType::i8) {
      out.code.resize(size);
      codes(op, out);
    } else {
      out.real.resize(size);
      floats(op, out);
    }
  }

  [[nodiscard]] OutputStage requantization(const Op& op, Grid to, CodeLimits limits) const {
    const RequantizationScales scales = requantization_scales(p_, op);
    to.scale = scales.output;
    return make_output_stage(p_.rounding, scales.input, scales.weight, to, limits);
  }

  void codes(const Op& op, Values& out) {
    const auto n = out_info(op).shape.size();
    const Values& x = in(op);
    if (op.kind == OpKind::dequantize) {
      out.real.resize(static_cast<std::size_t>(n));
      return reference::dequantize(x.code.data(), out.real.data(), n, grid(info(op)));
    }
    const Grid to = grid(out_info(op));
    const Ties ties = ties_of(p_.rounding);
    if (op.kind == OpKind::quantize) return reference::quantize(x.real.data(), out.code.data(), n, to, ties);
    const Grid from = grid(info(op));
    const CodeLimits limits = activation_range(to, op.clamp_low, op.clamp_high);
    constexpr float one[] = {1.0F};
    switch (op.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
      case OpKind::dense: {
        const auto stage = requantization(op, to, limits);
        const std::vector<std::int8_t> weights = weight_codes(info(op, 1));
        const std::int32_t* bias = op.inputs[2] < 0 ? nullptr : bias_values<std::int32_t>(p_, op).data();
        const ConvGeometry g = geometry_of(p_, op);
        if (op.kind == OpKind::conv2d)
          reference::conv2d(g, x.code.data(), out.code.data(), 1, weights.data(), bias, from.zero_point, stage);
        else if (op.kind == OpKind::depthwise_conv2d)
          reference::depthwise_conv2d(g, x.code.data(), out.code.data(), 1, weights.data(), bias, from.zero_point,
                                      stage);
        else
          reference::dense(g.in_c, g.out_c, x.code.data(), out.code.data(), g.out_w, weights.data(), bias,
                           from.zero_point, stage);
        return;
      }
      case OpKind::average_pool2d:
        return reference::average_pool2d(
            geometry_of(p_, op), x.code.data(), out.code.data(), 1,
            make_average_stage(p_.rounding, from, to, limits, op.window.kernel_h * op.window.kernel_w));
      case OpKind::max_pool2d:
        return reference::max_pool2d(geometry_of(p_, op), x.code.data(), out.code.data(), 1, limits);
      case OpKind::global_average_pool: {
        const std::int64_t pixels = info(op).shape[1] * info(op).shape[2];
        return reference::mean(pixels, info(op).shape[3], x.code.data(), out.code.data(), 1, from.zero_point,
                               make_mean_stage(p_.rounding, from, to, limits, pixels));
      }
      case OpKind::add:
        return reference::add(x.code.data(), in(op, 1).code.data(), out.code.data(), n,
                              make_add_stage(p_.rounding, from, grid(info(op, 1)), to, limits));
      case OpKind::mul: {
        return reference::mul(x.code.data(), in(op, 1).code.data(), out.code.data(), n, from.zero_point,
                              grid(info(op, 1)).zero_point, requantization(op, to, limits));
      }
      case OpKind::requantize:
        return reference::requantize_codes(x.code.data(), out.code.data(), n, from.zero_point,
                                           make_output_stage(p_.rounding, from.scale, one, to, limits));
      case OpKind::clamp:
        for (std::size_t i = 0; i < out.code.size(); ++i)
          out.code[i] = static_cast<std::int8_t>(std::clamp<int>(x.code[i], limits.min, limits.max));
        return;
      case OpKind::logistic:
        for (std::size_t i = 0; i < out.code.size(); ++i) {
          const double real = static_cast<double>(dequantize(x.code[i], from));
          const double code = 256.0 / (1.0 + std::exp(-real)) - 128.0;
          const bool even = p_.rounding == Rounding::nearest_even_f32;
          out.code[i] =
              static_cast<std::int8_t>(std::clamp(even ? std::nearbyint(code) : std::round(code), -128.0, 127.0));
        }
        return;
      case OpKind::hard_swish: {  // the tflite modes' own arithmetic: tests/kernels/hard_swish_test.cpp
        const CodeMap map = make_hard_swish_map({from.scale, from.zero_point + 128, 0, 255},
                                                {to.scale, to.zero_point + 128, 0, 255}, p_.rounding);
        for (std::size_t i = 0; i < out.code.size(); ++i)
          out.code[i] = static_cast<std::int8_t>(map.table()[static_cast<std::size_t>(x.code[i] + 128)] - 128);
        return;
      }
      case OpKind::softmax: {
        const std::int64_t depth = info(op).shape.back();
        return reference::softmax(x.code.data(), out.code.data(), n / depth, depth,
                                  make_softmax_stage(p_.rounding, from.scale, op.beta));
      }
      case OpKind::pad:
        return copy_padded(op, x.code, out.code, static_cast<std::int8_t>(from.zero_point));
      case OpKind::concat: {
        std::vector<std::vector<std::int8_t>> mapped;
        for (std::size_t i = 0; i < op.inputs.size(); ++i) {
          mapped.emplace_back(in(op, i).code.size());
          const Grid g = grid(info(op, i));
          reference::requantize_codes(in(op, i).code.data(), mapped.back().data(),
                                      static_cast<std::int64_t>(mapped.back().size()), g.zero_point,
                                      make_output_stage(p_.rounding, g.scale, one, to, {to.qmin, to.qmax}));
        }
        return join(op, mapped, out.code);
      }
      case OpKind::resize_nearest:
        return reference::resize_nearest(resize_geometry_of(p_, op), x.code.data(), out.code.data(), 1);
      case OpKind::resize_bilinear:
        return reference::resize_bilinear(resize_geometry_of(p_, op), x.code.data(), out.code.data(), 1, p_.rounding);
      case OpKind::reshape:
        out.code = x.code;
        return;
      default:
        fail("no loop for ", name_of(op.kind));
    }
  }

  void floats(const Op& op, Values& out) {
    const auto limit = [&](double v) {
      return static_cast<float>(std::clamp(v, static_cast<double>(op.clamp_low), static_cast<double>(op.clamp_high)));
    };
    const std::vector<float>& x = in(op).real;
    const auto n = out.real.size();
    switch (op.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
      case OpKind::dense:
        return float_convolution(op, x, out.real, limit);
      case OpKind::average_pool2d:
      case OpKind::max_pool2d:
      case OpKind::global_average_pool:
        return float_pool(op, x, out.real, limit);
      case OpKind::add:
        for (std::size_t i = 0; i < n; ++i)
          out.real[i] = limit(static_cast<double>(x[i]) + static_cast<double>(in(op, 1).real[i]));
        return;
      case OpKind::mul:
        for (std::size_t i = 0; i < n; ++i)
          out.real[i] = limit(static_cast<double>(x[i]) * static_cast<double>(in(op, 1).real[i]));
        return;
      case OpKind::clamp:
        for (std::size_t i = 0; i < n; ++i) out.real[i] = limit(static_cast<double>(x[i]));
        return;
      case OpKind::logistic:
        for (std::size_t i = 0; i < n; ++i)
          out.real[i] = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x[i]))));
        return;
      case OpKind::hard_swish:
        for (std::size_t i = 0; i < n; ++i) {
          const auto real = static_cast<double>(x[i]);
          out.real[i] = static_cast<float>(real * std::clamp(real + 3.0, 0.0, 6.0) / 6.0);
        }
        return;
      case OpKind::softmax: {
        const auto depth = static_cast<std::size_t>(info(op).shape.back());
        for (std::size_t r = 0; r < n; r += depth) {
          double sum = 0.0;
          for (std::size_t i = 0; i < depth; ++i) sum += std::exp(static_cast<double>(x[r + i]));
          for (std::size_t i = 0; i < depth; ++i)
            out.real[r + i] = static_cast<float>(std::exp(static_cast<double>(x[r + i])) / sum);
        }
        return;
      }
      case OpKind::pad:
        return copy_padded(op, x, out.real, 0.0F);
      case OpKind::concat: {
        std::vector<std::vector<float>> parts;
        for (std::size_t i = 0; i < op.inputs.size(); ++i) parts.push_back(in(op, i).real);
        return join(op, parts, out.real);
      }
      case OpKind::resize_nearest:
        return reference::resize_nearest(resize_geometry_of(p_, op), x.data(), out.real.data(), 1);
      case OpKind::resize_bilinear:
        return reference::resize_bilinear(resize_geometry_of(p_, op), x.data(), out.real.data(), 1);
      case OpKind::reshape:
        out.real = x;
        return;
      default:
        fail("no loop for ", name_of(op.kind));
    }
  }

  template <class Limit>
  void float_convolution(const Op& op, const std::vector<float>& x, std::vector<float>& out, Limit limit) const {
    const ConvGeometry g = geometry_of(p_, op);
    const std::span<const float> w = constant_values<float>(info(op, 1));
    const std::span<const float> bias = bias_values<float>(p_, op);
    const bool depthwise = op.kind == OpKind::depthwise_conv2d;
    const std::int64_t depth = depthwise ? 1 : g.in_c / g.groups;
    std::size_t index = 0;
    for (std::int64_t y = 0; y < g.out_h; ++y)
      for (std::int64_t xx = 0; xx < g.out_w; ++xx)
        for (std::int64_t c = 0; c < g.out_c; ++c) {
          double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(c)]);
          for (std::int64_t i = 0; i < g.window.kernel_h; ++i)
            for (std::int64_t j = 0; j < g.window.kernel_w; ++j)
              for (std::int64_t k = 0; k < depth; ++k) {
                const std::int64_t iy = y * g.window.stride_h - g.window.pad_top + i * g.window.dilation_h;
                const std::int64_t ix = xx * g.window.stride_w - g.window.pad_left + j * g.window.dilation_w;
                if (iy < 0 || ix < 0 || iy >= g.in_h || ix >= g.in_w) continue;
                const std::int64_t channel = depthwise ? c / (g.out_c / g.in_c) : c / (g.out_c / g.groups) * depth + k;
                const std::int64_t weight = depthwise
                                                ? (i * g.window.kernel_w + j) * g.out_c + c
                                                : ((c * g.window.kernel_h + i) * g.window.kernel_w + j) * depth + k;
                sum += static_cast<double>(x[static_cast<std::size_t>((iy * g.in_w + ix) * g.in_c + channel)]) *
                       static_cast<double>(w[static_cast<std::size_t>(weight)]);
              }
          out[index++] = limit(sum);
        }
  }

  template <class Limit>
  void float_pool(const Op& op, const std::vector<float>& x, std::vector<float>& out, Limit limit) const {
    const Shape& in = info(op).shape;
    Window w = op.window;
    Shape to = out_info(op).shape;
    if (op.kind == OpKind::global_average_pool) {
      w = {in[1], in[2], 1, 1, 1, 1, 0, 0};
      to = {1, 1, 1, in[3]};
    }
    std::size_t index = 0;
    for (std::int64_t y = 0; y < to[1]; ++y)
      for (std::int64_t xx = 0; xx < to[2]; ++xx)
        for (std::int64_t c = 0; c < to[3]; ++c) {
          double sum = 0.0;
          double largest = -1e30;
          int taps = 0;
          for (std::int64_t i = 0; i < w.kernel_h; ++i)
            for (std::int64_t j = 0; j < w.kernel_w; ++j) {
              const std::int64_t iy = y * w.stride_h - w.pad_top + i;
              const std::int64_t ix = xx * w.stride_w - w.pad_left + j;
              if (iy < 0 || ix < 0 || iy >= in[1] || ix >= in[2]) continue;
              const auto value = static_cast<double>(x[static_cast<std::size_t>((iy * in[2] + ix) * in[3] + c)]);
              sum += value, largest = std::max(largest, value), ++taps;
            }
          out[index++] = limit(op.kind == OpKind::max_pool2d ? largest : sum / taps);
        }
  }

  template <class Value>
  void copy_padded(const Op& op, const std::vector<Value>& x, std::vector<Value>& out, Value fill) const {
    const Shape& in = info(op).shape;
    const Shape& to = out_info(op).shape;
    std::fill(out.begin(), out.end(), fill);
    for (std::int64_t y = 0; y < in[1]; ++y)
      for (std::int64_t xx = 0; xx < in[2]; ++xx)
        for (std::int64_t c = 0; c < in[3]; ++c)
          out[static_cast<std::size_t>(((y + op.pad_top) * to[2] + xx + op.pad_left) * in[3] + c)] =
              x[static_cast<std::size_t>((y * in[2] + xx) * in[3] + c)];
  }

  // Concatenates along the last axis, the only one that the tests use.
  template <class Value>
  void join(const Op& op, const std::vector<std::vector<Value>>& parts, std::vector<Value>& out) const {
    std::size_t index = 0;
    const auto pixels = out.size() / static_cast<std::size_t>(out_info(op).shape.back());
    for (std::size_t pixel = 0; pixel < pixels; ++pixel)
      for (const std::vector<Value>& part : parts)
        for (std::size_t i = 0; i < part.size() / pixels; ++i) out[index++] = part[pixel * (part.size() / pixels) + i];
  }

  const Program& p_;
  std::vector<Values> values;
};

}  // namespace nets

#endif  // OCTAVO_TESTS_UNIT_RUNTIME_NETS_HPP_
