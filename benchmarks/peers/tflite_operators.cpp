// Writes small int8 models with random weights and grids that between them use every operator which .tflite files share
// with us, in each form that computes differently, and COUNT / 3 models each of 12 random resizes in int8, uint8 and
// float32: tflite_operators FOLDER [COUNT]. check_tflite.py compares them.
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/tflite.hpp"
#include "octavo/runtime/program_builder.hpp"

using namespace octavo;
using namespace octavo::runtime;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Net {
 public:
  explicit Net(std::uint64_t seed) : builder_("operators", Rounding::tflite_double), rng_(seed) {
    x = builder_.add_input("input", {1, 12, 10, 3}, DType::i8, random_grid());
  }

  int x;

  [[nodiscard]] Quantization random_grid() {
    return per_tensor(rng_.uniform(0.01F, 0.1F), static_cast<std::int32_t>(rng_.below(100)) - 50);
  }
  [[nodiscard]] const TensorInfo& info(int id) { return tensor_at(builder_.program(), id); }
  [[nodiscard]] Quantization grid_of_tensor(int id) { return info(id).quantization; }
  std::string name(const std::string& what) { return what + std::to_string(builder_.program().ops.size()); }

  int weights(const std::string& of, const Shape& shape, int axis, bool per_axis) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(shape.size()));
    for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(rng_.below(255)) - 127);
    std::vector<float> scale(per_axis ? static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]) : 1);
    for (float& s : scale) s = rng_.uniform(0.0005F, 0.005F);
    return builder_.add_constant<std::int8_t>(of + "/weights", DType::i8, shape, codes,
                                              per_channel(scale, per_axis ? axis : -1));
  }
  int bias(const std::string& of, std::int64_t channels) {
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < channels; ++i) values.push_back(static_cast<std::int32_t>(rng_.below(4000)) - 2000);
    return builder_.add_constant<std::int32_t>(of + "/bias", DType::i32, {channels}, values);
  }
  static void activate(Op& op, std::uint64_t kind) {
    if (kind >= 1) op.clamp_low = kind == 2 ? -1.0F : 0.0F;
    if (kind >= 2) op.clamp_high = kind == 2 ? 1.0F : 6.0F;
  }

  int conv(int from, OpKind kind, std::int64_t channels, Window window, std::int64_t out_h, std::int64_t out_w,
           std::int64_t groups = 1, bool per_axis = true) {
    Op op{.kind = kind, .name = name("conv")};
    op.window = window;
    op.groups = groups;
    activate(op, rng_.below(4));
    const std::int64_t in = info(from).shape[3];
    const bool depthwise = kind == OpKind::depthwise_conv2d;
    const Shape kernel = depthwise ? Shape{1, window.kernel_h, window.kernel_w, channels}
                                   : Shape{channels, window.kernel_h, window.kernel_w, in / groups};
    const int w = weights(op.name, kernel, depthwise ? 3 : 0, per_axis);
    const int b = bias(op.name, channels);
    return builder_.add_op(op, {from, w, b}, {1, out_h, out_w, channels}, random_grid());
  }
  int dense(int from, std::int64_t channels, bool per_axis, bool with_bias) {
    Op op{.kind = OpKind::dense, .name = name("dense")};
    op.in_double = true;
    Shape out = info(from).shape;
    const int w = weights(op.name, {channels, out.back()}, 0, per_axis);
    const int b = with_bias ? bias(op.name, channels) : -1;
    out[out.rank() - 1] = channels;
    return builder_.add_op(op, {from, w, b}, out, random_grid());
  }
  int unary(OpKind kind, int from, Quantization grid, float low = -kInfinity, float high = kInfinity) {
    Op op{.kind = kind, .name = name(std::string(name_of(kind)))};
    op.clamp_low = low, op.clamp_high = high;
    op.beta = kind == OpKind::softmax ? rng_.uniform(0.5F, 2.0F) : 1.0F;
    return builder_.add_op(op, {from}, info(from).shape, std::move(grid));
  }
  int pair(OpKind kind, int a, int b, const Shape& shape) {
    Op op{.kind = kind, .name = name(std::string(name_of(kind)))};
    activate(op, rng_.below(4));
    return builder_.add_op(op, {a, b}, shape, random_grid());
  }
  int constant(const Shape& shape) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(shape.size()));
    for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(rng_.below(256)) - 128);
    return builder_.add_constant<std::int8_t>(name("constant"), DType::i8, shape, codes, random_grid());
  }
  int pool(OpKind kind, int from, Window window, std::int64_t out_h, std::int64_t out_w) {
    Op op{.kind = kind, .name = name(std::string(name_of(kind)))};
    op.window = window;
    return builder_.add_op(op, {from}, {1, out_h, out_w, info(from).shape[3]}, grid_of_tensor(from));
  }
  int reduce(int from, OpKind kind, std::vector<int> axes, const Shape& out) {
    return builder_.add_op({.kind = kind, .name = name("mean"), .axes = std::move(axes)}, {from}, out, random_grid());
  }
  int reshape(int from, const Shape& shape) {
    return builder_.add_op({.kind = OpKind::reshape, .name = name("reshape")}, {from}, shape, grid_of_tensor(from));
  }
  int transpose(int from, std::vector<int> axes) {
    Shape out;
    for (const int axis : axes) out.push_back(info(from).shape[static_cast<std::size_t>(axis)]);
    return builder_.add_op({.kind = OpKind::transpose, .name = name("transpose"), .axes = std::move(axes)}, {from}, out,
                           grid_of_tensor(from));
  }
  int pad(int from) {
    Op op{.kind = OpKind::pad, .name = name("pad")};
    op.pad_top = 1, op.pad_left = 2, op.pad_right = 1;
    Shape out = info(from).shape;
    out[1] += 1, out[2] += 3;
    return builder_.add_op(op, {from}, out, grid_of_tensor(from));
  }
  int concat(const std::vector<int>& from, int axis, Quantization grid) {
    Shape out = info(from[0]).shape;
    const auto along = static_cast<std::size_t>(axis);
    for (std::size_t i = 1; i < from.size(); ++i) out[along] += info(from[i]).shape[along];
    return builder_.add_op({.kind = OpKind::concat, .name = name("concat"), .axis = axis}, from, out, std::move(grid));
  }
  void output(int id) { builder_.add_output(id); }
  Program finish() { return std::move(builder_).build(); }

 private:
  ProgramBuilder builder_;
  Rng rng_;
};

Program operators(std::uint64_t seed) {
  Net net(seed);
  const Quantization probability = per_tensor(1.0F / 256, -128);
  const int trunk = net.conv(net.pad(net.x), OpKind::conv2d, 8, {3, 3, 2, 2, 1, 1, 1, 1}, 7, 7);
  const int wide = net.conv(trunk, OpKind::depthwise_conv2d, 16, {3, 3, 1, 1, 1, 1, 1, 1}, 7, 7);
  const int grouped = net.conv(wide, OpKind::conv2d, 8, {1, 1, 1, 1, 1, 1, 0, 0}, 7, 7, 2);
  const int single = net.conv(grouped, OpKind::conv2d, 8, {3, 3, 1, 1, 2, 2, 2, 2}, 7, 7, 1, false);
  const int sum = net.pair(OpKind::add, trunk, single, {1, 7, 7, 8});
  const int difference = net.pair(OpKind::sub, sum, grouped, {1, 7, 7, 8});
  const int product = net.pair(OpKind::mul, difference, trunk, {1, 7, 7, 8});
  const int scaled = net.pair(OpKind::mul, product, net.constant({8}), {1, 7, 7, 8});
  const int shifted = net.pair(OpKind::sub, scaled, net.constant({1}), {1, 7, 7, 8});
  const int gate = net.reduce(shifted, OpKind::global_average_pool, {}, {1, 1, 1, 8});
  const int gated = net.pair(OpKind::mul, trunk, net.unary(OpKind::logistic, gate, probability), {1, 7, 7, 8});
  const int swished = net.unary(OpKind::hard_swish, gated, net.random_grid());
  const int rectified = net.unary(OpKind::clamp, swished, net.random_grid(), 0.0F);
  const int rectified6 = net.unary(OpKind::clamp, sum, net.random_grid(), 0.0F, 6.0F);
  const int rescaled = net.unary(OpKind::requantize, rectified6, net.random_grid());
  const int average = net.pool(OpKind::average_pool2d, rescaled, {2, 2, 2, 2, 1, 1, 0, 0}, 4, 4);
  const int most = net.pool(OpKind::max_pool2d, rectified, {3, 3, 2, 2, 1, 1, 1, 1}, 4, 4);
  const int joined = net.concat({average, most}, 3, net.random_grid());
  const int turned = net.transpose(joined, {0, 3, 1, 2});
  net.output(net.reduce(turned, OpKind::mean, {2, 3}, {1, 16}));
  net.output(net.reduce(joined, OpKind::mean, {3}, {1, 4, 4}));
  net.output(net.reduce(joined, OpKind::mean, {1}, {1, 1, 4, 16}));
  const int rows = net.dense(net.reshape(joined, {1, 16, 16}), 12, true, false);
  const int flat = net.dense(net.reshape(rows, {1, 192}), 40, false, true);
  net.output(net.unary(OpKind::softmax, flat, probability));
  return net.finish();
}

// Nearest and bilinear resizes of one random image to random sizes.
Program resizes(std::uint64_t seed, bool real, bool legacy) {
  Rng rng(seed);
  ProgramBuilder b("resizes", Rounding::tflite_double);
  const auto extent = [&](std::uint64_t most) { return 1 + static_cast<std::int64_t>(rng.below(most)); };
  const Shape shape{1, extent(20), extent(20), extent(24)};
  const Quantization grid = real ? Quantization{} : per_tensor(0.05F, static_cast<std::int32_t>(rng.below(256)) - 128);
  const int x = b.add_input("input", shape, real ? DType::f32 : DType::i8, grid);
  for (int i = 0; i < 12; ++i) {
    Op op{.kind = i % 2 == 0 ? OpKind::resize_bilinear : OpKind::resize_nearest, .name = "resize" + std::to_string(i)};
    op.align_corners = i / 2 % 3 == 1, op.half_pixel_centers = i / 2 % 3 == 2;
    op.legacy_uint8 = legacy;
    b.add_output(b.add_op(op, {x}, {1, extent(60), extent(60), shape[3]}, grid));
  }
  return std::move(b).build();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: tflite_operators FOLDER [COUNT]\n";
    return 2;
  }
  try {
    std::filesystem::create_directories(argv[1]);
    const int count = argc == 3 ? std::stoi(argv[2]) : 10;
    for (int i = 0; i < count; ++i)
      save_tflite(operators(static_cast<std::uint64_t>(i) + 1),
                  std::string(argv[1]) + "/operators_" + std::to_string(i) + ".tflite");
    for (int i = 0; i < count; ++i) {
      const char* const kind = i % 3 == 0 ? "int8" : i % 3 == 1 ? "uint8" : "float";
      save_tflite(resizes(static_cast<std::uint64_t>(i) + 1, i % 3 == 2, i % 3 == 1),
                  std::string(argv[1]) + "/resize_" + kind + "_" + std::to_string(i) + ".tflite");
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tflite_operators: " << error.what() << '\n';
    return 1;
  }
}
