// Operators that importers need beside a converted network's: sub, spread and constant operands, mean, transpose, and
// the arithmetic of legacy uint8 models and of LiteRT's dense layer; each against plain loops.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/kernels/elementwise_stage.hpp"
#include "octavo/kernels/pool_stage.hpp"
#include "octavo/kernels/reference/resize.hpp"
#include "octavo/runtime/model.hpp"
#include "octavo/runtime/program_builder.hpp"

using namespace octavo;
using namespace octavo::runtime;

namespace {

using Codes = std::vector<std::int8_t>;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Codes random_codes(std::int64_t n, Rng& rng) {
  Codes codes(static_cast<std::size_t>(n));
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(rng.below(256)) - 128);
  return codes;
}

// Offsets into a tensor of `shape` for each element of `out`, extents of 1 spread.
std::vector<std::size_t> spread_offsets(const Shape& shape, const Shape& out) {
  std::vector<std::size_t> offsets(static_cast<std::size_t>(out.size()));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    std::int64_t rest = static_cast<std::int64_t>(i);
    std::int64_t offset = 0;
    std::int64_t stride = 1;
    for (std::size_t behind = 1; behind <= out.rank(); ++behind) {
      const std::int64_t extent = out[out.rank() - behind];
      const std::int64_t index = rest % extent;
      rest /= extent;
      if (behind > shape.rank()) continue;
      const std::int64_t own = shape[shape.rank() - behind];
      if (own != 1) offset += index * stride;
      stride *= own;
    }
    offsets[i] = static_cast<std::size_t>(offset);
  }
  return offsets;
}

// One code of a sum, difference or product by the formulas of AddStage and RequantizationScales.
std::int32_t combine(OpKind kind, int a, int b, const Grid& ga, const Grid& gb, const Grid& out, Rounding rounding) {
  const CodeLimits limits = activation_range(out, -kInfinity, kInfinity);
  if (kind == OpKind::mul) {
    const float product = ga.scale * gb.scale;
    const double real = rounding == Rounding::nearest_even_f32
                            ? requantization_multiplier(ga.scale, gb.scale, out.scale)
                            : static_cast<double>(product / out.scale);
    return make_requantizer(real, rounding)((a - ga.zero_point) * (b - gb.zero_point), out.zero_point, limits);
  }
  const AddStage s = make_add_stage(rounding, ga, gb, out, limits);
  const int sign = kind == OpKind::sub ? -1 : 1;
  if (rounding == Rounding::nearest_even_f32) {
    const float x = static_cast<float>(a - ga.zero_point) * s.factor_a;
    const float y = static_cast<float>(b - gb.zero_point) * s.factor_b;
    const float v = std::nearbyint(x + static_cast<float>(sign) * y) + static_cast<float>(out.zero_point);
    return static_cast<std::int32_t>(std::clamp(v, -128.0F, 127.0F));
  }
  const auto scaled = [&](int q, const Grid& g, QuantizedMultiplier m) {
    return multiply_by_quantized_multiplier((q - g.zero_point) * (1 << 20), m, rounding);
  };
  const std::int32_t sum = scaled(a, ga, s.multiplier_a) + sign * scaled(b, gb, s.multiplier_b);
  return requantize_fixed_point(sum, s.multiplier, rounding, out.zero_point, limits);
}

Codes run_codes(const Program& program, std::vector<Codes> inputs, std::int64_t batch, int threads = 2) {
  const Model model(program, {.threads = threads, .fuse = true});
  std::vector<ConstBuffer> from;
  for (const Codes& input : inputs) from.emplace_back(std::span<const std::int8_t>(input));
  Codes out(static_cast<std::size_t>(model.output().shape.size() * batch));
  const Buffer to{std::span<std::int8_t>(out)};
  model.run(from, std::span<const Buffer>(&to, 1));
  return out;
}

}  // namespace

TEST_CASE("operators: sums, differences and products of spread and constant operands") {
  const Grid ga{0.021F, -7}, gb{0.013F, 20}, out{0.04F, -3};
  const Shape shape{1, 4, 3, 5};
  Rng rng(3);
  for (const Rounding rounding : kAllRoundings)
    for (const OpKind kind : {OpKind::add, OpKind::sub, OpKind::mul})
      for (const Shape& other : {Shape{1, 4, 3, 5}, Shape{1, 1, 1, 5}, Shape{1, 4, 1, 1}, Shape{5}, Shape{1}})
        for (const bool constant : {false, true})
          for (const bool swapped : {false, true}) {
            if (!constant && other.rank() == 1 && other.back() != 1) continue;  // an activation has a batch in front
            const std::int64_t batch = 3;
            CAPTURE(name_of(kind));
            CAPTURE(name_of(rounding));
            CAPTURE(other.to_string());
            ProgramBuilder b("pair", rounding);
            const int x = b.add_input("x", shape, DType::i8, per_tensor(ga.scale, ga.zero_point));
            const Codes codes = random_codes(other.size(), rng);
            const int y = constant ? b.add_constant<std::int8_t>("y", DType::i8, other, codes,
                                                                 per_tensor(gb.scale, gb.zero_point))
                                   : b.add_input("y", other, DType::i8, per_tensor(gb.scale, gb.zero_point));
            b.add_output(b.add_op({.kind = kind, .name = "z"}, swapped ? std::vector{y, x} : std::vector{x, y}, shape,
                                  per_tensor(out.scale, out.zero_point)));
            const Codes input = random_codes(shape.size() * batch, rng);
            std::vector<Codes> inputs{input};
            if (!constant) inputs.push_back(random_codes(other.size() * batch, rng));
            const Codes found = run_codes(std::move(b).build(), inputs, batch);
            const std::vector<std::size_t> offsets = spread_offsets(other, shape);
            bool equal = true;
            for (std::size_t i = 0; i < found.size(); ++i) {
              const std::size_t image = i / offsets.size();
              const Codes& from = constant ? codes : inputs[1];
              const std::size_t at =
                  offsets[i % offsets.size()] + (constant ? 0 : image * static_cast<std::size_t>(other.size()));
              const int expected = swapped ? combine(kind, from[at], input[i], gb, ga, out, rounding)
                                           : combine(kind, input[i], from[at], ga, gb, out, rounding);
              equal = equal && found[i] == expected;
            }
            CHECK(equal);
          }
}

TEST_CASE("operators: float sub, spread operands, mean and transpose") {
  ProgramBuilder b("float");
  const Shape shape{1, 2, 3, 4};
  const int x = b.add_input("x", shape);
  const std::vector<float> scale{1.0F, 2.0F, 3.0F, 4.0F};
  const int product = b.add_op({.kind = OpKind::mul, .name = "mul"}, {x, b.add_floats("s", {4}, scale)}, shape);
  const int gate = b.add_op({.kind = OpKind::mean, .name = "mean", .axes = {2}}, {product}, {1, 2, 4});
  const int wide = b.add_op({.kind = OpKind::reshape, .name = "wide"}, {gate}, {1, 2, 1, 4});
  const int rest = b.add_op({.kind = OpKind::sub, .name = "sub", .clamp_low = -1.5F}, {product, wide}, shape);
  b.add_output(b.add_op({.kind = OpKind::transpose, .name = "t", .axes = {0, 3, 1, 2}}, {rest}, {1, 4, 2, 3}));
  const Model model(std::move(b).build(), {.threads = 2});
  const std::size_t batch = 2;
  std::vector<float> in(24 * batch), found(24 * batch);
  Rng rng(5);
  for (float& v : in) v = rng.uniform(-1.0F, 1.0F);
  model.run(in, found);
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t c = 0; c < 4; ++c)
      for (std::size_t y = 0; y < 2; ++y)
        for (std::size_t i = 0; i < 3; ++i) {
          const auto value = [&](std::size_t at) { return in[n * 24 + (y * 3 + at) * 4 + c] * scale[c]; };
          const float mean = (value(0) + value(1) + value(2)) / 3.0F;
          const float expected = std::max(value(i) - mean, -1.5F);
          CHECK(found[n * 24 + (c * 2 + y) * 3 + i] == doctest::Approx(expected).epsilon(1e-5));
        }
}

TEST_CASE("operators: mean over any neighbouring axes, transpose of codes") {
  Rng rng(9);
  const Shape shape{1, 3, 4, 5};
  for (const Rounding rounding : kAllRoundings)
    for (const std::vector<int>& axes : std::vector<std::vector<int>>{{1}, {2}, {3}, {1, 2}, {2, 3}, {1, 2, 3}})
      for (const bool keep : {false, true}) {
        const Grid from{0.03F, 11}, to{0.02F, -5};
        Shape out;
        std::int64_t count = 1;
        for (int i = 0; i < 4; ++i) {
          const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
          if (reduced) count *= shape[static_cast<std::size_t>(i)];
          if (!reduced || keep) out.push_back(reduced ? 1 : shape[static_cast<std::size_t>(i)]);
        }
        ProgramBuilder b("mean", rounding);
        const int x = b.add_input("x", shape, DType::i8, per_tensor(from.scale, from.zero_point));
        b.add_output(
            b.add_op({.kind = OpKind::mean, .name = "m", .axes = axes}, {x}, out, per_tensor(to.scale, to.zero_point)));
        const Codes in = random_codes(2 * shape.size(), rng);
        const Codes found = run_codes(std::move(b).build(), {in}, 2);
        std::vector<std::int32_t> sums(found.size(), 0);
        for (std::size_t i = 0; i < in.size(); ++i) {
          std::size_t rest = i % 60;
          std::size_t at = 0;
          std::size_t stride = 1;
          for (int axis = 3; axis >= 1; --axis) {
            const auto extent = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
            if (std::find(axes.begin(), axes.end(), axis) == axes.end()) {
              at += rest % extent * stride;
              stride *= extent;
            }
            rest /= extent;
          }
          sums[i / 60 * stride + at] += in[i] - from.zero_point;
        }
        const OutputStage stage = make_mean_stage(rounding, from, to, {-128, 127}, count);
        bool equal = true;
        for (std::size_t i = 0; i < found.size(); ++i) equal = equal && found[i] == requantize(sums[i], stage, 0);
        CHECK(equal);
      }
  ProgramBuilder b("transpose");
  const int x = b.add_input("x", shape, DType::i8, per_tensor(0.1F, 3));
  b.add_output(
      b.add_op({.kind = OpKind::transpose, .name = "t", .axes = {0, 2, 3, 1}}, {x}, {1, 4, 5, 3}, per_tensor(0.1F, 3)));
  const Codes in = random_codes(shape.size(), rng);
  const Codes found = run_codes(std::move(b).build(), {in}, 1);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 20; ++p) CHECK(found[p * 3 + c] == in[c * 20 + p]);
}

TEST_CASE("operators: resize of codes and floats, each rounding, kind and way of centering") {
  Rng rng(15);
  const Shape shape{1, 5, 7, 19};
  for (const Shape& out : {Shape{1, 9, 13, 19}, Shape{1, 3, 4, 19}, Shape{1, 1, 1, 19}, shape})
    for (const OpKind kind : {OpKind::resize_nearest, OpKind::resize_bilinear})
      for (int centers = 0; centers < 3; ++centers) {
        CAPTURE(name_of(kind));
        CAPTURE(out.to_string());
        Op op{.kind = kind, .name = "y"};
        op.align_corners = centers == 1, op.half_pixel_centers = centers == 2;
        const ResizeGeometry g{5, 7, out[1], out[2], 19, op.align_corners, op.half_pixel_centers};
        for (const Rounding rounding : kAllRoundings) {
          ProgramBuilder b("resize", rounding);
          const int x = b.add_input("x", shape, DType::i8, per_tensor(0.1F, -20));
          b.add_output(b.add_op(op, {x}, out, per_tensor(0.1F, -20)));
          const Codes in = random_codes(3 * shape.size(), rng);
          Codes expected(static_cast<std::size_t>(3 * out.size()));
          if (kind == OpKind::resize_nearest)
            reference::resize_nearest(g, in.data(), expected.data(), 3);
          else
            reference::resize_bilinear(g, in.data(), expected.data(), 3, rounding);
          CHECK(run_codes(std::move(b).build(), {in}, 3) == expected);
        }
        ProgramBuilder b("resize");
        b.add_output(b.add_op(op, {b.add_input("x", shape)}, out));
        const Model model(std::move(b).build(), {.threads = 2});
        std::vector<float> in(static_cast<std::size_t>(shape.size())), found(static_cast<std::size_t>(out.size()));
        for (float& v : in) v = rng.uniform(-1.0F, 1.0F);
        std::vector<float> expected(found.size());
        model.run(in, found);
        if (kind == OpKind::resize_nearest)
          reference::resize_nearest(g, in.data(), expected.data(), 1);
        else
          reference::resize_bilinear(g, in.data(), expected.data(), 1);
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1e-6F);
      }
}

TEST_CASE("operators: a legacy uint8 resize interpolates in float32") {
  for (const bool legacy : {false, true}) {
    ProgramBuilder b("resize", Rounding::tflite_double);
    const int x = b.add_input("x", {1, 1, 2, 1}, DType::i8, per_tensor(0.1F, 0));
    Op op{.kind = OpKind::resize_bilinear, .name = "y"};
    op.legacy_uint8 = legacy;
    b.add_output(b.add_op(op, {x}, {1, 1, 4, 1}, per_tensor(0.1F, 0)));
    const Codes expected = legacy ? Codes{-28, -27, -27, -27} : Codes{-28, -28, -27, -27};  // -27.5 up, or away from 0
    CHECK(run_codes(std::move(b).build(), {Codes{-28, -27}}, 1) == expected);
  }
}

TEST_CASE("operators: legacy uint8 weights have a zero point") {
  Rng rng(21);
  struct Case {
    OpKind kind;
    std::int64_t in_c, out_c, kernel, stride, pad, groups;
    std::int32_t bias;
  };
  // The large bias leaves float32's 24 bits: the second path of the kernel.
  const Case cases[] = {{OpKind::conv2d, 3, 70, 3, 2, 1, 1, 1000},
                        {OpKind::conv2d, 6, 8, 3, 1, 1, 2, 500},
                        {OpKind::conv2d, 20, 9, 1, 1, 0, 1, 1000},
                        {OpKind::conv2d, 3, 5, 3, 1, 1, 1, 1 << 25},
                        {OpKind::depthwise_conv2d, 5, 5, 3, 1, 1, 1, 300},
                        {OpKind::depthwise_conv2d, 4, 12, 3, 2, 1, 1, 300},
                        {OpKind::depthwise_conv2d, 2, 4, 3, 1, 1, 1, 1 << 25},
                        {OpKind::dense, 33, 7, 1, 1, 0, 1, 2000}};
  for (const Rounding rounding : kAllRoundings)
    for (const Case& c : cases) {
      CAPTURE(name_of(rounding));
      CAPTURE(name_of(c.kind));
      const std::int64_t h = 5, w = 6;
      const bool dense = c.kind == OpKind::dense;
      const bool depthwise = c.kind == OpKind::depthwise_conv2d;
      const std::int64_t out_h = (h + 2 * c.pad - c.kernel) / c.stride + 1;
      const std::int64_t out_w = (w + 2 * c.pad - c.kernel) / c.stride + 1;
      const std::int64_t per_group = depthwise ? 1 : c.in_c / c.groups;
      const Shape in_shape = dense ? Shape{1, c.in_c} : Shape{1, h, w, c.in_c};
      const Shape out_shape = dense ? Shape{1, c.out_c} : Shape{1, out_h, out_w, c.out_c};
      const Shape kernel = dense       ? Shape{c.out_c, c.in_c}
                           : depthwise ? Shape{1, c.kernel, c.kernel, c.out_c}
                                       : Shape{c.out_c, c.kernel, c.kernel, per_group};
      const std::int32_t weight_zero = -9;
      const Grid from{0.02F, 5};
      const float weight_scale = 0.007F;
      const Grid to{c.bias > 1 << 20 ? 90.0F : 0.05F, -4};
      const Codes weights = random_codes(kernel.size(), rng);
      std::vector<std::int32_t> bias;
      for (std::int64_t i = 0; i < c.out_c; ++i)
        bias.push_back(c.bias - static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(2 * c.bias))));
      ProgramBuilder b("legacy", rounding);
      const int x = b.add_input("x", in_shape, DType::i8, per_tensor(from.scale, from.zero_point));
      Op op{.kind = c.kind, .name = "y"};
      op.legacy_uint8 = true;
      op.groups = c.groups;
      if (!dense) op.window = {c.kernel, c.kernel, c.stride, c.stride, 1, 1, c.pad, c.pad};
      const int w_id =
          b.add_constant<std::int8_t>("w", DType::i8, kernel, weights, per_tensor(weight_scale, weight_zero));
      const int b_id = b.add_constant<std::int32_t>("b", DType::i32, {c.out_c}, bias);
      b.add_output(b.add_op(op, {x, w_id, b_id}, out_shape, per_tensor(to.scale, to.zero_point)));
      const Codes in = random_codes(2 * in_shape.size(), rng);
      const Codes found = run_codes(std::move(b).build(), {in}, 2);
      const float product = from.scale * weight_scale;
      const double real = rounding == Rounding::nearest_even_f32
                              ? requantization_multiplier(from.scale, weight_scale, to.scale)
                              : static_cast<double>(product) / static_cast<double>(to.scale);
      const Requantizer requantizer = make_requantizer(real, rounding);
      const std::int64_t rows = dense ? 1 : h, columns = dense ? 1 : w;
      bool equal = true;
      std::size_t at = 0;
      for (std::int64_t n = 0; n < 2; ++n)
        for (std::int64_t y = 0; y < (dense ? 1 : out_h); ++y)
          for (std::int64_t xx = 0; xx < (dense ? 1 : out_w); ++xx)
            for (std::int64_t o = 0; o < c.out_c; ++o, ++at) {
              std::int32_t acc = bias[static_cast<std::size_t>(o)];
              for (std::int64_t i = 0; i < c.kernel; ++i)
                for (std::int64_t j = 0; j < c.kernel; ++j)
                  for (std::int64_t k = 0; k < per_group; ++k) {
                    const std::int64_t iy = y * c.stride - c.pad + i, ix = xx * c.stride - c.pad + j;
                    if (iy < 0 || iy >= rows || ix < 0 || ix >= columns) continue;
                    const std::int64_t channel =
                        depthwise ? o / (c.out_c / c.in_c) : o / (c.out_c / c.groups) * per_group + k;
                    const std::int64_t weight = depthwise ? (i * c.kernel + j) * c.out_c + o
                                                          : ((o * c.kernel + i) * c.kernel + j) * per_group + k;
                    acc += (weights[static_cast<std::size_t>(weight)] - weight_zero) *
                           (in[static_cast<std::size_t>(((n * rows + iy) * columns + ix) * c.in_c + channel)] -
                            from.zero_point);
                  }
              equal = equal && found[at] == requantizer(acc, to.zero_point, {-128, 127});
            }
      CHECK(equal);
    }
}

TEST_CASE("operators: legacy uint8 averages round halves up, int8 ones away from zero") {
  for (const bool legacy : {false, true}) {
    ProgramBuilder b("pool", Rounding::tflite_double);
    const int x = b.add_input("x", {1, 1, 2, 1}, DType::i8, per_tensor(0.1F, 0));
    Op op{.kind = OpKind::average_pool2d, .name = "y"};
    op.window = {1, 2, 1, 1, 1, 1, 0, 0};
    op.legacy_uint8 = legacy;
    b.add_output(b.add_op(op, {x}, {1, 1, 1, 1}, per_tensor(0.1F, 0)));
    const Codes in{-3, -4, 3, 4, -1, 0, 7, 7};  // means -3.5, 3.5, -0.5, 7
    const Codes expected = legacy ? Codes{-3, 4, 0, 7} : Codes{-4, 4, -1, 7};
    CHECK(run_codes(std::move(b).build(), {in}, 4) == expected);
  }
}

TEST_CASE("operators: a dense layer that is requantized in double") {
  Rng rng(33);
  for (const bool in_double : {false, true})
    for (const bool per_channel_weights : {false, true}) {
      const std::int64_t in_c = 4, out_c = 70;
      const Grid from{0.0317F, -12}, to{0.02F, 7};
      const Codes weights = random_codes(in_c * out_c, rng);
      std::vector<float> scale;
      for (std::int64_t i = 0; i < (per_channel_weights ? out_c : 1); ++i) scale.push_back(rng.uniform(0.001F, 0.02F));
      ProgramBuilder b("dense", Rounding::tflite_double);
      const int x = b.add_input("x", {1, in_c}, DType::i8, per_tensor(from.scale, from.zero_point));
      Quantization q = per_channel(scale, per_channel_weights ? 0 : -1);
      q.qmin = -128;
      const int w = b.add_constant<std::int8_t>("w", DType::i8, {out_c, in_c}, weights, q);
      Op op{.kind = OpKind::dense, .name = "y"};
      op.in_double = in_double;
      op.clamp_low = -2.0F;
      b.add_output(b.add_op(op, {x, w, -1}, {1, out_c}, per_tensor(to.scale, to.zero_point)));
      const Codes in = random_codes(200 * in_c, rng);
      const Codes found = run_codes(std::move(b).build(), {in}, 200);
      const CodeLimits limits = activation_range(to, -2.0F, kInfinity);
      int other = 0;
      bool equal = true;
      for (std::size_t i = 0; i < found.size(); ++i) {
        const std::size_t row = i / static_cast<std::size_t>(out_c);
        const std::size_t c = i % static_cast<std::size_t>(out_c);
        std::int32_t acc = 0;
        for (std::size_t k = 0; k < 4; ++k) acc += weights[c * 4 + k] * (in[row * 4 + k] - from.zero_point);
        const float s = scale[per_channel_weights ? c : 0];
        const double real = requantization_multiplier(from.scale, s, to.scale);
        const double rounded = std::round(static_cast<double>(acc) * real) + to.zero_point;
        const auto exact = static_cast<std::int32_t>(std::clamp<double>(rounded, limits.min, limits.max));
        const float product = from.scale * s;
        const double fixed = per_channel_weights ? real : static_cast<double>(product) / static_cast<double>(to.scale);
        const std::int32_t by_multiplier = make_requantizer(fixed, Rounding::tflite_double)(acc, to.zero_point, limits);
        equal = equal && found[i] == (in_double ? exact : by_multiplier);
        other += exact != by_multiplier ? 1 : 0;
      }
      CHECK(equal);
      CHECK(other > 0);  // the two rules are told apart
    }
}
