// benchmarks/mobilenet_program.hpp: MobileNetV2 as a program with random weights: the layers, shapes and grids of a
// converted network, for measuring speed without a file. Scales keep activations inside their ranges.
#ifndef OCTAVO_BENCHMARKS_MOBILENET_PROGRAM_HPP_
#define OCTAVO_BENCHMARKS_MOBILENET_PROGRAM_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/runtime/program_builder.hpp"

namespace mobilenet {

using namespace octavo;
using namespace octavo::runtime;

// int4: as int8, but weights of 4 bits, two a byte.
enum class Kind : std::uint8_t { float32, int8, dynamic_range, int4 };

constexpr bool has_codes(Kind kind) { return kind == Kind::int8 || kind == Kind::int4; }  // activations of 8 bits
constexpr const char* name_of(Kind kind) {
  constexpr const char* names[] = {"float32", "int8", "dynamic_range", "int4"};
  return names[static_cast<int>(kind)];
}

struct Config {
  Kind kind = Kind::int8;
  double alpha = 1.0;
  std::int64_t size = 224;  // height and width of the image
  std::int64_t classes = 1000;
  Rounding rounding = Rounding::nearest_even_f32;
};

// `channels` * alpha, to the nearest multiple of 8, not more than a tenth below.
inline std::int64_t scaled_channels(double channels, double alpha) {
  const double wanted = channels * alpha;
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

class Maker {
 public:
  explicit Maker(const Config& config) : config_(config), builder_("mobilenet_v2", config.rounding), rng_(1) {}

  Program make() {
    std::int64_t size = config_.size;
    const DType input = codes() ? DType::i8 : DType::f32;
    id_ = builder_.add_input("image", {1, size, size, 3}, input, grid(1.0F / 127.5F, -1));
    size = conv("first", OpKind::conv2d, size, 3, 2, channels(32), true);
    struct Stage {
      std::int64_t expansion, width, blocks, stride;
    };
    constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int number = 0;
    for (const Stage& stage : stages)
      for (std::int64_t block = 0; block < stage.blocks; ++block, ++number) {
        const std::string name = "block" + std::to_string(number);
        const int before = id_;
        const std::int64_t in = depth();
        if (stage.expansion > 1) size = conv(name + "/expand", OpKind::conv2d, size, 1, 1, in * stage.expansion, true);
        size =
            conv(name + "/depthwise", OpKind::depthwise_conv2d, size, 3, block == 0 ? stage.stride : 1, depth(), true);
        size = conv(name + "/project", OpKind::conv2d, size, 1, 1, channels(static_cast<double>(stage.width)), false);
        if (block > 0)
          id_ = builder_.add_op({.kind = OpKind::add, .name = name + "/add"}, {before, id_}, tensor().shape,
                                grid(0.04F, 3));
      }
    const std::int64_t last = config_.alpha > 1.0 ? channels(1280) : 1280;
    conv("last", OpKind::conv2d, size, 1, 1, last, true);
    id_ = builder_.add_op({.kind = OpKind::global_average_pool, .name = "pool"}, {id_}, {1, last}, grid(0.02F, -128));
    conv("logits", OpKind::dense, 1, 1, 1, config_.classes, false);
    builder_.add_output(id_);
    return std::move(builder_).build();
  }

 private:
  [[nodiscard]] bool codes() const { return has_codes(config_.kind); }
  [[nodiscard]] const TensorInfo& tensor() { return tensor_at(builder_.program(), id_); }
  [[nodiscard]] std::int64_t depth() { return tensor().shape.back(); }
  [[nodiscard]] std::int64_t channels(double n) const { return scaled_channels(n, config_.alpha); }
  [[nodiscard]] Quantization grid(float scale, std::int32_t zero_point) const {
    return codes() ? per_tensor(scale, zero_point) : Quantization{};
  }

  // Appends a convolution with "same" padding and weights that keep the variance; returns the size of its output.
  std::int64_t conv(const std::string& name, OpKind kind, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                    std::int64_t out_c, bool relu6) {
    const std::int64_t in_c = depth();
    const bool depthwise = kind == OpKind::depthwise_conv2d;
    const std::int64_t fan_in = kernel * kernel * (depthwise ? 1 : in_c);
    const Shape shape = depthwise               ? Shape{1, kernel, kernel, out_c}
                        : kind == OpKind::dense ? Shape{out_c, in_c}
                                                : Shape{out_c, kernel, kernel, in_c};
    const float limit = 2.4F / std::sqrt(static_cast<float>(fan_in));  // standard deviation: limit / sqrt(3)
    std::vector<float> bias(static_cast<std::size_t>(out_c));
    for (float& b : bias) b = rng_.uniform(-0.2F, 0.2F);
    int weights_id = 0, bias_id = 0;
    if (config_.kind == Kind::float32) {
      std::vector<float> weights(static_cast<std::size_t>(shape.size()));
      for (float& w : weights) w = rng_.uniform(-limit, limit);
      weights_id = builder_.add_floats(name + "/weights", shape, weights);
    } else {
      std::vector<std::int8_t> weights(static_cast<std::size_t>(shape.size()));
      const int largest = config_.kind == Kind::int4 ? 7 : 127;
      for (std::int8_t& w : weights)
        w = static_cast<std::int8_t>(static_cast<int>(rng_.below(static_cast<std::uint64_t>(2 * largest + 1))) -
                                     largest);
      std::vector<float> scale(static_cast<std::size_t>(out_c));
      for (float& s : scale) s = rng_.uniform(0.8F, 1.2F) * limit / static_cast<float>(largest);
      Quantization quantization = per_channel(scale, depthwise ? 3 : 0);
      if (config_.kind == Kind::int4) {
        quantization.bits = 4, quantization.qmin = -7, quantization.qmax = 7;
        const AlignedVector<std::uint8_t> nibbles = packed_nibbles(weights, shape);
        weights_id = builder_.add_constant(name + "/weights", DType::i4, shape, std::span<const std::uint8_t>(nibbles),
                                           std::move(quantization));
      } else {
        weights_id = builder_.add_constant(name + "/weights", DType::i8, shape, std::span<const std::int8_t>(weights),
                                           std::move(quantization));
      }
      if (codes()) {
        std::vector<std::int32_t> bias_codes;
        for (std::size_t c = 0; c < bias.size(); ++c) {
          scale[c] *= tensor().quantization.scale[0];
          bias_codes.push_back(static_cast<std::int32_t>(std::lround(bias[c] / scale[c])));
        }
        bias_id = builder_.add_constant(name + "/bias", DType::i32, {out_c}, std::span<const std::int32_t>(bias_codes),
                                        per_channel(scale, 0));
      }
    }
    if (!codes()) bias_id = builder_.add_floats(name + "/bias", {out_c}, bias);
    const std::int64_t out = (size + stride - 1) / stride;
    Op op{.kind = kind, .name = name};
    op.window = {.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride};
    op.window.pad_top = op.window.pad_left = std::max<std::int64_t>((out - 1) * stride + kernel - size, 0) / 2;
    if (relu6) op.clamp_low = 0.0F, op.clamp_high = 6.0F;
    const Shape out_shape = kind == OpKind::dense ? Shape{1, out_c} : Shape{1, out, out, out_c};
    id_ = builder_.add_op(std::move(op), {id_, weights_id, bias_id}, out_shape,
                          relu6 ? grid(6.0F / 255.0F, -128) : grid(0.035F, 4));
    return out;
  }

  Config config_;
  ProgramBuilder builder_;
  Rng rng_;
  int id_ = -1;
};

inline Program make(const Config& config) { return Maker(config).make(); }

}  // namespace mobilenet

#endif  // OCTAVO_BENCHMARKS_MOBILENET_PROGRAM_HPP_
