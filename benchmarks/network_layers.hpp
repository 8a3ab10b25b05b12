// benchmarks/network_layers.hpp: the distinct layers of MobileNetV2, each ready to run alone on buffers of its own,
// with the kernel and the packed weights that the whole network uses.
#ifndef OCTAVO_BENCHMARKS_NETWORK_LAYERS_HPP_
#define OCTAVO_BENCHMARKS_NETWORK_LAYERS_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mobilenet_program.hpp"
#include "octavo/runtime/prepare.hpp"

namespace mobilenet {

// Steps of one operator, shapes and strides stand once, for all of them.
struct Layer {
  // pointwise_112x112x32_to_16: operator, input, output channels, "_s2", "_add" where a sum is fused,
  // "+depthwise" or "+depthwise_s2" where the depthwise convolution behind it runs with it
  std::string name;
  std::size_t step;  // index of the first in Prepared::steps
  int count;         // in the network
};

inline std::string name_of_layer(const Program& program, const Op& op) {
  const Shape& in = input_of(program, op, 0).shape;
  const bool pointwise = op.kind == OpKind::conv2d && op.window.kernel_h * op.window.kernel_w == 1;
  std::string name = pointwise                                ? "pointwise"
                     : op.kind == OpKind::conv2d              ? "conv"
                     : op.kind == OpKind::depthwise_conv2d    ? "depthwise"
                     : op.kind == OpKind::global_average_pool ? "average_pool"
                                                              : std::string(runtime::name_of(op.kind));
  for (std::size_t axis = 1; axis < in.rank(); ++axis) name += (axis == 1 ? "_" : "x") + std::to_string(in[axis]);
  if (is_convolution(op.kind)) {
    name += "_to_" + std::to_string(output_of(program, op).shape.back());
    if (op.window.stride_h > 1) name += "_s" + std::to_string(op.window.stride_h);
    if (op.inputs.size() > 3) name += "_add";
  }
  return name;
}

inline std::string name_of_layer(const Program& program, const Step& step) {
  if (!step.front) return name_of_layer(program, step.op);
  return name_of_layer(program, *step.front) + "+depthwise" + (step.op.window.stride_h > 1 ? "_s2" : "");
}

inline std::vector<Layer> distinct_layers(const Prepared& prepared) {
  std::vector<Layer> layers;
  for (std::size_t i = 0; i < prepared.steps.size(); ++i) {
    const std::string name = name_of_layer(prepared.program, prepared.steps[i]);
    const auto known =
        std::find_if(layers.begin(), layers.end(), [&](const Layer& layer) { return layer.name == name; });
    if (known == layers.end())
      layers.push_back({name, i, 1});
    else
      ++known->count;
  }
  return layers;
}

// One step, one image, with random inputs. The level must be the one that was active at prepare().
class LayerRun {
 public:
  LayerRun(std::shared_ptr<const Prepared> prepared, std::size_t step, int threads)
      : prepared_(std::move(prepared)), step_(prepared_->steps[step]), places_(prepared_->program.tensors.size()) {
    Rng rng(7);
    for (const int id : step_.op.inputs)
      if (id >= 0 && !tensor(id).constant()) fill(rng, place(id), tensor(id).dtype == DType::f32);
    for (const int id : step_.op.outputs) place(id);
    scratch_.resize(step_.kernel->scratch_bytes(threads));
    context_ = {.tensors = places_.data(), .batch = 1, .threads = threads, .scratch = scratch_};
  }
  LayerRun(const LayerRun&) = delete;
  LayerRun& operator=(const LayerRun&) = delete;

  void run() const { step_.kernel->run(context_); }
  [[nodiscard]] const Step& step() const { return step_; }
  [[nodiscard]] const Program& program() const { return prepared_->program; }
  // The values of the step's first input and of its output: float32, or codes in u8 terms.
  [[nodiscard]] std::span<const std::byte> input() const { return bytes(step_.op.inputs[0]); }
  [[nodiscard]] std::span<const std::byte> output() const { return bytes(step_.op.outputs[0]); }

 private:
  [[nodiscard]] const TensorInfo& tensor(int id) const { return tensor_at(prepared_->program, id); }
  [[nodiscard]] std::span<const std::byte> bytes(int id) const {
    return {places_[static_cast<std::size_t>(id)],
            static_cast<std::size_t>(data_bytes(tensor(id).dtype, tensor(id).shape))};
  }
  AlignedVector<std::byte>& place(int id) {
    buffers_.push_back(std::make_unique<AlignedVector<std::byte>>(
        static_cast<std::size_t>(data_bytes(tensor(id).dtype, tensor(id).shape))));
    places_[static_cast<std::size_t>(id)] = buffers_.back()->data();
    return *buffers_.back();
  }
  static void fill(Rng& rng, AlignedVector<std::byte>& bytes, bool floats) {
    if (floats)
      for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
        const float value = rng.uniform(-1.0F, 1.0F);
        std::memcpy(bytes.data() + i, &value, sizeof value);
      }
    else
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.below(256));
  }

  std::shared_ptr<const Prepared> prepared_;
  const Step& step_;
  std::vector<std::unique_ptr<AlignedVector<std::byte>>> buffers_;
  std::vector<std::byte*> places_;  // by tensor
  AlignedVector<std::byte> scratch_;
  StepContext context_;
};

}  // namespace mobilenet

#endif  // OCTAVO_BENCHMARKS_NETWORK_LAYERS_HPP_
