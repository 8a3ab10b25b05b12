// octavo/io/onnx_program.hpp: the layers of an ONNX graph as a runtime::Program, integer where the graph is quantized.
#ifndef OCTAVO_IO_ONNX_PROGRAM_HPP_
#define OCTAVO_IO_ONNX_PROGRAM_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../runtime/program_builder.hpp"
#include "onnx_layer.hpp"
#include "onnx_weights.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// dequantize + operator [+ clamp] + quantize becomes one integer operator where the runtime has it; everything else is
// computed in float between dequantize and quantize, as the graph says. Batch norm goes into the kernel in front. uint8
// codes become int8: codes and zero points are shifted by 128, only inputs and outputs of the model stay uint8. `limit`
// bounds the bytes of all constants.
template <class Lazy = void>
[[nodiscard]] runtime::Program make_program(const Lowered& lowered, std::size_t limit);

namespace detail {

template <class Lazy = void>
class ProgramMaker {
 public:
  ProgramMaker(const Lowered& lowered, std::size_t limit)
      : lowered_(lowered),
        left_(limit),
        builder_(lowered.name.empty() ? "onnx" : lowered.name),
        tensor_(lowered.layers.size(), -1),
        codes_(lowered.layers.size(), -1),
        done_(lowered.layers.size(), false),
        readers_(lowered.layers.size()) {
    for (std::size_t i = 0; i < lowered.layers.size(); ++i)
      for (const int input : lowered.layers[i].inputs) readers_[index(input)].push_back(static_cast<int>(i));
    for (const int output : lowered.outputs) readers_[index(output)].push_back(-1);
  }

  runtime::Program run() {
    require(lowered_.constant_outputs.empty(), "the output is a constant");
    for (Layer& l : lowered_.layers)
      if (l.kind == LayerKind::batch_norm) fold_batch_norm(l);
    for (int i = 0; i < static_cast<int>(lowered_.layers.size()); ++i) {
      if (done_[index(i)]) continue;
      try {
        write(i);
      } catch (const Error& error) {
        fail("layer '", layer(i).name, "': ", error.what());
      }
    }
    for (const int output : lowered_.outputs) builder_.add_output(output_tensor(output));
    return std::move(builder_).build();
  }

 private:
  using DType = runtime::DType;
  using OpKind = runtime::OpKind;
  using Quantization = runtime::Quantization;

  // What ends an integer operator: the quantize layer behind it, and the clamps in between.
  struct End {
    int quantize;
    float low, high;
  };

  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  [[nodiscard]] const Layer& layer(int id) const { return lowered_.layers[index(id)]; }
  [[nodiscard]] const runtime::TensorInfo& info(int tensor) { return builder_.program().tensors[index(tensor)]; }
  [[nodiscard]] std::string unique(std::string name) {
    while (!names_.insert(name).second) name += '_';
    return name;
  }
  [[nodiscard]] static Quantization int8_grid(const CodeGrid& grid, Type type) {
    return runtime::per_tensor(grid.scale[0], grid.zero_point[0] - (type == Type::u8 ? 128 : 0));
  }

  void write(int id) {
    const Layer& l = layer(id);
    if (l.kind == LayerKind::input) return write_input(id);
    if (l.kind == LayerKind::quantize) return write_quantize(id);
    const int first = l.inputs[0];
    if (l.kind == LayerKind::dequantize) {
      const int tensor = tensor_[index(first)];
      require(info(tensor).quantization.scale[0] == l.grid.scale[0] &&
                  info(tensor).quantization.zero_point[0] ==
                      l.grid.zero_point[0] - (layer(first).type == Type::u8 ? 128 : 0),
              "it reads codes with another scale or zero point than they were written with");
      codes_[index(id)] = tensor;
      return;
    }
    if (l.type != Type::f32) {  // codes in, codes out
      require(moves(l.kind) || l.kind == LayerKind::resize_bilinear, "there is no integer operator for ",
              name_of(l.kind));
      tensor_[index(id)] = write_move(l, tensor_[index(first)]);
      return;
    }
    if (codes_[index(first)] >= 0 && moves(l.kind)) {
      codes_[index(id)] = write_move(l, codes_[index(first)]);
      return;
    }
    if (!write_integer(id)) write_float(id);
  }

  // A batch norm that alone reads a layer with float weights goes into them; it then does nothing (no gamma).
  void fold_batch_norm(Layer& norm) {
    Layer& l = lowered_.layers[index(norm.inputs[0])];
    if (!l.weights || l.weights->source.grid != nullptr || readers_[index(norm.inputs[0])].size() != 1) return;
    std::vector<float> kernel = l.weights->reals(), bias(norm.gamma.size(), 0.0F);
    if (l.bias) bias = l.bias->reals();
    const std::size_t channels = norm.gamma.size(), inner = kernel.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const float gain = norm.gamma[c] / std::sqrt(norm.variance[c] + norm.epsilon);
      bias[c] = norm.beta[c] + (bias[c] - norm.mean[c]) * gain;
      for (std::size_t i = 0; i < inner; ++i)
        kernel[l.weights->channel_axis == 0 ? c * inner + i : i * channels + c] *= gain;
    }
    Dims strides(l.weights->extents.size(), 1);
    for (std::size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * l.weights->extents[i];
    l.weights =
        Strided{make_constant(l.weights->extents, kernel), l.weights->extents, strides, l.weights->channel_axis};
    l.bias = Strided{make_constant({std::ssize(bias)}, bias), {std::ssize(bias)}, {1}, 0};
    norm.gamma.clear();
  }

  void write_input(int id) {
    const Layer& l = layer(id);
    if (l.type == Type::f32) {
      tensor_[index(id)] = builder_.add_input(unique(l.name), l.shape);
      return;
    }
    const CodeGrid* grid = nullptr;  // the codes say nothing of their grid: the first dequantize that reads them does
    for (std::vector<int> next = readers_[index(id)]; grid == nullptr && !next.empty() && next[0] >= 0;
         next = readers_[index(next[0])])
      if (layer(next[0]).kind == LayerKind::dequantize) grid = &layer(next[0]).grid;
    require(grid != nullptr, "nothing says what its codes mean");
    const DType dtype = l.type == Type::u8 ? DType::u8 : DType::i8;
    const int input = builder_.add_input(unique(l.name), l.shape, dtype,
                                         runtime::per_tensor(grid->scale[0], grid->zero_point[0], dtype));
    tensor_[index(id)] = dtype == DType::i8 ? input
                                            : op({.kind = OpKind::requantize, .name = l.name + "/int8"}, {input},
                                                 l.shape, DType::i8, int8_grid(*grid, l.type));
  }

  void write_quantize(int id) {
    const Layer& l = layer(id);
    const int from = l.inputs[0];
    const Quantization grid = int8_grid(l.grid, l.type);
    const int codes = codes_[index(from)];
    if (codes >= 0 && info(codes).quantization == grid)
      tensor_[index(id)] = codes;
    else
      tensor_[index(id)] = op({.kind = codes >= 0 ? OpKind::requantize : OpKind::quantize, .name = l.name},
                              {codes >= 0 ? codes : tensor_[index(from)]}, l.shape, DType::i8, grid);
  }

  // The layer's values as float32.
  int real(int id) {
    int& tensor = tensor_[index(id)];
    if (tensor < 0)
      tensor = op({.kind = OpKind::dequantize, .name = layer(id).name + "/real"}, {codes_[index(id)]}, layer(id).shape,
                  DType::f32, {});
    return tensor;
  }
  int output_tensor(int id) {
    const Layer& l = layer(id);
    if (l.type == Type::f32) return real(id);
    if (l.type != Type::u8) return tensor_[index(id)];
    const Quantization q = info(tensor_[index(id)]).quantization;
    return op({.kind = OpKind::requantize, .name = l.name + "/uint8"}, {tensor_[index(id)]}, l.shape, DType::u8,
              runtime::per_tensor(q.scale[0], q.zero_point[0] + 128, DType::u8));
  }

  int op(runtime::Op op, std::vector<int> inputs, const Shape& shape, DType dtype, Quantization grid) {
    op.name = unique(std::move(op.name));
    return builder_.add_op(std::move(op), std::move(inputs), shape, dtype, std::move(grid));
  }
  template <class Value>
  int constant(const std::string& name, DType dtype, const Shape& shape, const std::vector<Value>& values,
               Quantization grid = {}) {
    require(values.size() * sizeof(Value) <= left_, "the constants of all layers take much more memory than the file");
    left_ -= values.size() * sizeof(Value);
    return builder_.add_constant(unique(name), dtype, shape, std::span<const Value>(values), std::move(grid));
  }

  // --- operators that only move codes ---

  [[nodiscard]] static bool moves(LayerKind kind) {
    return kind == LayerKind::max_pool || kind == LayerKind::pad || kind == LayerKind::reshape ||
           kind == LayerKind::transpose || kind == LayerKind::dropout || kind == LayerKind::resize_nearest;
  }
  int write_move(const Layer& l, int codes) {
    if (l.kind == LayerKind::dropout) return codes;
    runtime::Op made = plain_op(l);
    return op(std::move(made), {codes}, l.shape, DType::i8, info(codes).quantization);
  }

  // --- integer operators ---

  [[nodiscard]] std::optional<End> end_of(int id) const {
    End end{-1, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()};
    for (int at = id; readers_[index(at)].size() == 1 && readers_[index(at)][0] >= 0;) {
      at = readers_[index(at)][0];
      if (layer(at).kind == LayerKind::quantize) {
        end.quantize = at;
        return end.low <= end.high ? std::optional<End>(end) : std::nullopt;
      }
      if (layer(at).kind != LayerKind::clamp) break;
      end.low = std::max(end.low, layer(at).low);
      end.high = std::min(end.high, layer(at).high);
    }
    return {};
  }

  bool write_integer(int id) {
    const Layer& l = layer(id);
    std::vector<int> inputs;
    for (const int input : l.inputs) {
      if (codes_[index(input)] < 0) return false;
      inputs.push_back(codes_[index(input)]);
    }
    const std::optional<End> end = end_of(id);
    if (!end) return false;
    const bool clamped = !std::isinf(end->low) || !std::isinf(end->high);
    const Quantization grid = int8_grid(layer(end->quantize).grid, layer(end->quantize).type);
    if (l.kind == LayerKind::hard_sigmoid) {
      if (clamped) return false;
      finish_integer(id, end->quantize, integer_hard_sigmoid(l, inputs[0], grid));
      return true;
    }
    runtime::Op made = plain_op(l);
    made.clamp_low = std::max(made.clamp_low, end->low), made.clamp_high = std::min(made.clamp_high, end->high);
    if (made.clamp_low > made.clamp_high) return false;
    switch (l.kind) {
      case LayerKind::conv:
      case LayerKind::depthwise:
      case LayerKind::dense:
        if (!push_integer_weights(l, made, inputs)) return false;
        break;
      case LayerKind::add:
      case LayerKind::mul:
      case LayerKind::average_pool:
      case LayerKind::global_average_pool:
      case LayerKind::clamp:
        break;
      case LayerKind::concat:
      case LayerKind::hard_swish:
        if (clamped) return false;
        break;
      case LayerKind::resize_bilinear:  // on one grid
        if (clamped || !(info(inputs[0]).quantization == grid)) return false;
        break;
      case LayerKind::softmax:
      case LayerKind::sigmoid:
        if (clamped || grid.scale[0] != 1.0F / 256 || grid.zero_point[0] != -128) return false;
        break;
      default:
        return false;
    }
    finish_integer(id, end->quantize, op(std::move(made), std::move(inputs), l.shape, DType::i8, grid));
    return true;
  }
  // `codes` are those of the quantize layer behind `id`.
  void finish_integer(int id, int quantize, int codes) {
    tensor_[index(quantize)] = codes;
    for (int at = id; at != quantize; at = readers_[index(at)][0]) done_[index(at)] = true;
    done_[index(quantize)] = true;
  }
  // As compress::convert() does: clamp(x + offset / alpha, 0, 1 / alpha) on the grid stretched by 1 / alpha, then times
  // alpha, which leaves the codes as they are.
  int integer_hard_sigmoid(const Layer& l, int x, const Quantization& grid) {
    Quantization stretched = grid;
    stretched.scale[0] = grid.scale[0] / l.alpha;
    const runtime::Op sum = hard_sigmoid_sum(l);
    const auto number = [&](const std::string& name, float value) {
      const float size = std::abs(value) / 127.0F;
      const bool usual = std::isnormal(size);
      return constant(l.name + name, DType::i8, {1},
                      std::vector<std::int8_t>{static_cast<std::int8_t>(!usual         ? 0
                                                                        : value < 0.0F ? -127
                                                                                       : 127)},
                      runtime::per_tensor(usual ? size : 1.0F, 0));
    };
    const int shifted = op(sum, {x, number("/offset", l.offset / l.alpha)}, l.shape, DType::i8, stretched);
    return op({.kind = OpKind::mul, .name = l.name}, {shifted, number("/alpha", l.alpha)}, l.shape, DType::i8, grid);
  }
  [[nodiscard]] static runtime::Op hard_sigmoid_sum(const Layer& l) {
    require(l.alpha > 0.0F && std::isnormal(l.alpha), "a hard sigmoid with the slope ", l.alpha);
    runtime::Op sum{.kind = OpKind::add, .name = l.name + "/shifted"};
    sum.clamp_low = 0.0F, sum.clamp_high = 1.0F / l.alpha;
    return sum;
  }

  bool push_integer_weights(const Layer& l, runtime::Op& made, std::vector<int>& inputs) {
    const bool depthwise = l.kind == LayerKind::depthwise;
    std::optional<IntegerKernel> kernel = integer_kernel(*l.weights, depthwise);
    if (!kernel) return false;
    const float input_scale = info(inputs[0]).quantization.scale[0];
    Shape shape = weights_shape(l);
    Quantization grid = runtime::per_channel(kernel->scale, -1);
    if (kernel->scale.size() > 1) grid.axis = depthwise && !kernel->doubled ? 3 : 0;
    grid.qmin = -128;
    if (kernel->doubled) {
      inputs[0] = doubled(l.name, inputs[0]);
      if (depthwise) {
        made.kind = OpKind::conv2d;
        made.groups = l.groups;
        shape = {shape[3], shape[1], shape[2], 2};
      } else {
        shape[shape.rank() - 1] *= 2;
      }
    }
    inputs.push_back(constant(l.name + "/kernel", DType::i8, shape, kernel->codes, grid));
    inputs.push_back(-1);
    if (!l.bias) return true;
    const std::vector<std::int32_t> bias = integer_bias(*l.bias, input_scale, kernel->scale);
    inputs.back() = constant(l.name + "/bias", DType::i32, {std::ssize(bias)}, bias);
    return true;
  }
  // Each channel twice: c0, c0, c1, c1, ...
  int doubled(const std::string& name, int tensor) {
    const Shape shape = info(tensor).shape;
    const Quantization grid = info(tensor).quantization;
    Shape apart = shape, pairs = shape, whole = shape;
    apart.push_back(1);
    pairs.push_back(2);
    whole[shape.rank() - 1] *= 2;
    const int alone = op({.kind = OpKind::reshape, .name = name + "/apart"}, {tensor}, apart, DType::i8, grid);
    const int both = op({.kind = OpKind::concat, .name = name + "/pairs"}, {alone, alone}, pairs, DType::i8, grid);
    return op({.kind = OpKind::reshape, .name = name + "/doubled"}, {both}, whole, DType::i8, grid);
  }
  [[nodiscard]] static Shape weights_shape(const Layer& l) {
    const Dims& e = l.weights->extents;
    if (l.kind == LayerKind::depthwise) return {1, e[0], e[1], e[2]};
    if (l.kind == LayerKind::conv) return l.weights->shape();
    return {e[0], elements_of(e) / e[0]};
  }

  // --- float operators, and what both kinds share ---

  // The operator without its tensors.
  [[nodiscard]] static runtime::Op plain_op(const Layer& l) {
    runtime::Op made;
    made.name = l.name;
    made.window = {.kernel_h = l.kernel_h,
                   .kernel_w = l.kernel_w,
                   .stride_h = l.stride_h,
                   .stride_w = l.stride_w,
                   .dilation_h = l.dilation_h,
                   .dilation_w = l.dilation_w,
                   .pad_top = l.top,
                   .pad_left = l.left};
    switch (l.kind) {
      case LayerKind::conv:
        made.kind = OpKind::conv2d;
        made.groups = l.groups;
        break;
      case LayerKind::depthwise:
      case LayerKind::batch_norm:
        made.kind = OpKind::depthwise_conv2d;
        break;
      case LayerKind::dense:
        made.kind = OpKind::dense;
        break;
      case LayerKind::clamp:
        made.kind = OpKind::clamp;
        made.clamp_low = l.low, made.clamp_high = l.high;
        break;
      case LayerKind::add:
        made.kind = OpKind::add;
        break;
      case LayerKind::mul:
        made.kind = OpKind::mul;
        break;
      case LayerKind::concat:
        made.kind = OpKind::concat;
        made.axis = l.axis;
        break;
      case LayerKind::average_pool:
        made.kind = OpKind::average_pool2d;
        break;
      case LayerKind::max_pool:
        made.kind = OpKind::max_pool2d;
        break;
      case LayerKind::global_average_pool:
        made.kind = OpKind::global_average_pool;
        break;
      case LayerKind::pad:
        made.kind = OpKind::pad;
        made.window = {};
        made.pad_top = l.top, made.pad_bottom = l.bottom, made.pad_left = l.left, made.pad_right = l.right;
        break;
      case LayerKind::resize_nearest:
      case LayerKind::resize_bilinear:
        made.kind = l.kind == LayerKind::resize_nearest ? OpKind::resize_nearest : OpKind::resize_bilinear;
        made.align_corners = l.align_corners, made.half_pixel_centers = l.half_pixel_centers;
        break;
      case LayerKind::reshape:
        made.kind = OpKind::reshape;
        break;
      case LayerKind::transpose:
        made.kind = OpKind::transpose;
        made.axes = l.order;
        break;
      case LayerKind::softmax:
        made.kind = OpKind::softmax;
        break;
      case LayerKind::sigmoid:
        made.kind = OpKind::logistic;
        break;
      case LayerKind::hard_swish:
        made.kind = OpKind::hard_swish;
        break;
      default:
        fail("the runtime has no operator for ", name_of(l.kind));
    }
    return made;
  }

  void write_float(int id) {
    const Layer& l = layer(id);
    std::vector<int> inputs;
    for (const int input : l.inputs) inputs.push_back(real(input));
    if (l.kind == LayerKind::dropout || (l.kind == LayerKind::batch_norm && l.gamma.empty())) {
      tensor_[index(id)] = inputs[0];
      return;
    }
    if (l.kind == LayerKind::hard_sigmoid) {
      tensor_[index(id)] = write_hard_sigmoid(l, inputs[0]);
      return;
    }
    runtime::Op made = plain_op(l);
    if (l.weights) {
      inputs.push_back(constant(l.name + "/kernel", DType::f32, weights_shape(l), l.weights->reals()));
      inputs.push_back(l.bias ? constant(l.name + "/bias", DType::f32, {l.bias->channels()}, l.bias->reals()) : -1);
    } else if (l.kind == LayerKind::batch_norm) {
      require(l.shape.rank() == 4, "batch norm behind a matrix product in a quantized graph");
      std::vector<float> gain, offset;
      for (std::size_t c = 0; c < l.gamma.size(); ++c) {
        gain.push_back(l.gamma[c] / std::sqrt(l.variance[c] + l.epsilon));
        offset.push_back(l.beta[c] - l.mean[c] * gain[c]);
      }
      inputs.push_back(constant(l.name + "/kernel", DType::f32, {1, 1, 1, l.shape[3]}, gain));
      inputs.push_back(constant(l.name + "/bias", DType::f32, {l.shape[3]}, offset));
    }
    tensor_[index(id)] = op(std::move(made), std::move(inputs), l.shape, DType::f32, {});
  }

  // clamp(alpha * x + offset, 0, 1) as clamp(x + offset / alpha, 0, 1 / alpha) * alpha.
  int write_hard_sigmoid(const Layer& l, int x) {
    runtime::Op sum = hard_sigmoid_sum(l);
    const int offset = constant(l.name + "/offset", DType::f32, {1}, std::vector<float>{l.offset / l.alpha});
    const int alpha = constant(l.name + "/alpha", DType::f32, {1}, std::vector<float>{l.alpha});
    const int shifted = op(std::move(sum), {x, offset}, l.shape, DType::f32, {});
    return op({.kind = OpKind::mul, .name = l.name}, {shifted, alpha}, l.shape, DType::f32, {});
  }

  Lowered lowered_;
  std::size_t left_;
  runtime::ProgramBuilder builder_;
  std::vector<int> tensor_;  // by layer: the tensor that holds its values, float or codes; -1: none (yet)
  std::vector<int> codes_;   // by layer of real values: the codes that they are dequantized from, or -1
  std::vector<bool> done_;
  std::vector<std::vector<int>> readers_;  // by layer; -1: an output of the graph
  std::set<std::string> names_;
};

}  // namespace detail

template <class Lazy>
runtime::Program make_program(const Lowered& lowered, std::size_t limit) {
  return detail::ProgramMaker<Lazy>(lowered, limit).run();
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_PROGRAM_HPP_
