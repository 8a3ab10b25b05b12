// benchmarks/engines/engine.hpp: what a convolution library must do to be compared: one layer, prepared outside the
// measured loop, run on one thread with buffers of its own.
#ifndef OCTAVO_BENCHMARKS_ENGINES_ENGINE_HPP_
#define OCTAVO_BENCHMARKS_ENGINES_ENGINE_HPP_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "../network_layers.hpp"

namespace engines {

using octavo::ConvGeometry;

// A pointwise or depthwise convolution of a MobileNetV2 (mobilenet_program.hpp) without fused sum, and its input.
struct Problem {
  explicit Problem(const mobilenet::LayerRun& ours)
      : program(ours.program()), op(ours.step().op), g(geometry_of(program, op)), input(ours.input()) {}

  [[nodiscard]] bool floats() const { return weights().dtype == octavo::runtime::DType::f32; }
  [[nodiscard]] bool depthwise() const { return op.kind == octavo::runtime::OpKind::depthwise_conv2d; }
  [[nodiscard]] const octavo::runtime::TensorInfo& weights() const { return input_of(program, op, 1); }
  template <class Value>
  [[nodiscard]] std::span<const Value> bias() const {
    return octavo::runtime::constant_values<Value>(input_of(program, op, 2));
  }
  [[nodiscard]] octavo::Grid in_grid() const { return grid_of(input_of(program, op, 0)); }
  [[nodiscard]] octavo::Grid out_grid() const { return grid_of(output_of(program, op)); }
  // Below and to the right.
  [[nodiscard]] std::int64_t pad_bottom() const {
    return (g.out_h - 1) * g.window.stride_h + g.window.kernel_h - g.in_h - g.window.pad_top;
  }
  [[nodiscard]] std::int64_t pad_right() const {
    return (g.out_w - 1) * g.window.stride_w + g.window.kernel_w - g.in_w - g.window.pad_left;
  }

  const octavo::runtime::Program& program;
  const octavo::runtime::Op& op;
  ConvGeometry g;
  std::span<const std::byte> input;  // NHWC: float32, or codes in u8 terms (int8 code + 128)
};

class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual void run() = 0;
  [[nodiscard]] virtual std::vector<float> output() = 0;  // NHWC: values, or codes in u8 terms
  [[nodiscard]] virtual std::string kernel() const { return {}; }
};

inline std::vector<float> as_floats(std::span<const std::byte> bytes, bool floats) {
  std::vector<float> values(floats ? bytes.size() / sizeof(float) : bytes.size());
  if (floats)
    std::memcpy(values.data(), bytes.data(), bytes.size());
  else
    for (std::size_t i = 0; i < bytes.size(); ++i) values[i] = static_cast<float>(bytes[i]);
  return values;
}

class OctavoEngine final : public Engine {
 public:
  explicit OctavoEngine(const mobilenet::LayerRun& layer) : layer_(layer) {}
  void run() override { layer_.run(); }
  [[nodiscard]] std::vector<float> output() override { return as_floats(layer_.output(), Problem(layer_).floats()); }
  [[nodiscard]] std::string kernel() const override { return std::string(layer_.step().kernel->name()); }

 private:
  const mobilenet::LayerRun& layer_;
};

}  // namespace engines

#endif  // OCTAVO_BENCHMARKS_ENGINES_ENGINE_HPP_
