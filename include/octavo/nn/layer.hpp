// octavo/nn/layer.hpp: what a float layer is: shapes, parameters, forward, backward.
//
// A layer computes; the Graph owns the tensors between layers. Activations are NHWC float32, extent 0 is the batch.
#ifndef OCTAVO_NN_LAYER_HPP_
#define OCTAVO_NN_LAYER_HPP_

#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/rng.hpp"
#include "../core/shape.hpp"
#include "../core/tensor.hpp"
#include "../kernels/workspace_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

class FakeQuantizer;

namespace nn {

// A named array that a layer owns. `gradient` has the shape of `value` once backward ran; it is overwritten each time.
struct Parameter {
  std::string name;  // within its layer: "kernel", "bias", "gamma", ...
  Tensor value;
  Tensor gradient;
  bool learned = true;  // false: updated by the layer itself (moving statistics), never by an optimizer
  bool decays = false;  // weight decay applies (kernels: yes; biases, gamma, beta: no)
};

// What a forward or backward pass runs with.
struct Context {
  bool training = false;        // batch statistics, dropout
  bool observe = false;         // observers see the pass: while training, and while calibrating
  bool frozen = false;          // the layer's node is frozen: batch norm stays in inference mode
  bool logit_gradient = false;  // backward: the gradient is that of the logits; a final softmax passes it through
  int threads = 1;
  Rng* random = nullptr;  // set while training
  Workspace* workspace = nullptr;
};

class Layer {
 public:
  virtual ~Layer() = default;

  // Keras' class name: "Conv2D", "ReLU", ...
  [[nodiscard]] virtual std::string_view type() const = 0;

  // Called before build() with the name that the layer has in its graph, for messages and quantizers.
  virtual void set_name(const std::string& /*name*/) {}

  // Called when the layer joins a graph: checks the inputs' shapes (batch 1), creates the parameters, returns
  // the output's shape. Throws Error that says what was expected and found (the graph adds the layer's name).
  virtual Shape build(std::span<const Shape> inputs, Rng& random) = 0;

  // `output` has the built shape with the inputs' batch; every element is written.
  virtual void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) = 0;

  // After a forward on the same inputs. Overwrites each grad_inputs[i] that is not null (its shape is inputs[i]'s), and
  // the gradients of the parameters when `context.frozen` is false.
  virtual void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& output,
                        const Tensor& grad_output, std::span<Tensor* const> grad_inputs) = 0;

  [[nodiscard]] virtual std::vector<Parameter*> parameters() { return {}; }
  [[nodiscard]] std::vector<const Parameter*> parameters() const {
    const auto mutable_ones = const_cast<Layer*>(this)->parameters();
    return {mutable_ones.begin(), mutable_ones.end()};
  }

  // A deep copy, parameters and state included.
  [[nodiscard]] virtual std::unique_ptr<Layer> clone() const = 0;

  // Multiply-adds for one image; 0 for layers that only move or scale data.
  [[nodiscard]] virtual std::int64_t macs() const { return 0; }

  // The layer that computes: itself, or for a wrapper the one inside.
  [[nodiscard]] virtual Layer& inner() noexcept { return *this; }
  [[nodiscard]] const Layer& inner() const noexcept { return const_cast<Layer*>(this)->inner(); }

  // Quantization-aware training: what the layer's kernel and output are fake-quantized with, or null.
  [[nodiscard]] virtual FakeQuantizer* weight_quantizer() noexcept { return nullptr; }
  [[nodiscard]] virtual FakeQuantizer* output_quantizer() noexcept { return nullptr; }
  // Simulated batch norm folding: multiply the kernel by scale[c] before fake-quantizing it. Only for layers with a
  // weight quantizer; the span stays valid until the next call.
  virtual void set_folding_scale(std::span<const float> /*scale*/) {}

  // Variables that are no parameters but that a summary counts: the ranges of quantizers.
  [[nodiscard]] virtual std::int64_t extra_variables() const { return 0; }

  // In a frozen node, false for layers whose training output on the same input may change from pass to pass: dropout,
  // and quantized layers, whose observers move.
  [[nodiscard]] virtual bool stationary() const { return true; }
  // True when `parameter` is trained though its node is frozen (TensorFlow Model Optimization's kernels).
  [[nodiscard]] virtual bool learns_when_frozen(const Parameter& /*parameter*/) const { return false; }
};

// The layer as `Type`, looking through wrappers; null when it is another.
template <class Type>
[[nodiscard]] Type* layer_as(Layer& layer) noexcept {
  return dynamic_cast<Type*>(&layer.inner());
}
template <class Type>
[[nodiscard]] const Type* layer_as(const Layer& layer) noexcept {
  return dynamic_cast<const Type*>(&layer.inner());
}

[[nodiscard]] inline std::int64_t batch_of(const Tensor& tensor) {
  return static_cast<std::int64_t>(tensor.shape()[0]);
}

// Throws unless a layer of type `type` got `expected` inputs.
inline void require_inputs(std::span<const Shape> inputs, std::size_t expected, std::string_view type) {
  require(inputs.size() == expected, type, ": expected ", expected, " input(s), found ", inputs.size());
}
inline void require_rank(const Shape& shape, std::size_t rank, std::string_view type) {
  require(shape.rank() == rank, type, ": expected an input of rank ", rank, ", found ", shape.to_string());
}

// Kernels start Glorot uniform (Glorot and Bengio 2010), as in Keras: limit = sqrt(6 / (fan_in + fan_out)).
inline Tensor glorot_uniform(const Shape& shape, std::int64_t fan_in, std::int64_t fan_out, Rng& random) {
  Tensor kernel = make_tensor(shape);
  const float limit = std::sqrt(6.0F / static_cast<float>(fan_in + fan_out));
  for (float& weight : values(kernel)) weight = random.uniform(-limit, limit);
  return kernel;
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYER_HPP_
