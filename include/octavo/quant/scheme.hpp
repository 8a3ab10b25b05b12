// octavo/quant/scheme.hpp: Scheme: how a whole network is quantized. A value; typed_scheme.hpp has the same as types.
#ifndef OCTAVO_QUANT_SCHEME_HPP_
#define OCTAVO_QUANT_SCHEME_HPP_

#include <cstdint>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "choose_grid.hpp"
#include "fake_quantizer.hpp"
#include "make_observer.hpp"
#include "rounding.hpp"
#include "tensor_scheme.hpp"
#include "ties.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// What quantization-aware training does about batch norm.
//   simulate: kernels are multiplied by gamma / sigma before fake-quantization: what trains is what conversion stores
//   none:     kernels are fake-quantized as they are; conversion multiplies their scales
enum class BatchNormFolding : std::uint8_t { simulate, none };

constexpr std::string_view name_of(BatchNormFolding folding) {
  return folding == BatchNormFolding::simulate ? "simulate" : "none";
}

// Biases are never fake-quantized: at 32 bits they lose nothing that training could see.
struct Scheme {
  std::string name = "octavo";

  TensorScheme weights = SymmetricWeights<8, 0>::kDescriptor;                    // conv2d, OHWI
  TensorScheme depthwise_weights = SymmetricWeights<8, kLastAxis>::kDescriptor;  // 1HWC
  TensorScheme dense_weights = SymmetricWeights<8, 0>::kDescriptor;              // [out][in]
  TensorScheme activations = AsymmetricActivations<8>::kDescriptor;              // always per tensor

  ObserverSettings weight_observer = ObserverSettings::last_value();
  ObserverSettings activation_observer = ObserverSettings::average();
  ObserverSettings input_observer = ObserverSettings::average();
  StepPolicy weight_step = StepPolicy::observed;
  StepPolicy activation_step = StepPolicy::observed;

  BatchNormFolding batch_norm = BatchNormFolding::simulate;
  bool quantize_activations = true;    // false: weights only (dynamic range)
  bool quantize_logits = true;         // the last dense layer's output, before softmax
  bool trains_frozen_kernels = false;  // true: quantized kernels of frozen layers stay trainable, as in TFMOT

  Ties ties = Ties::even;  // of fake-quantization, and of weights at conversion
  ZeroPointRule zero_point_rule = ZeroPointRule::tflite;
  Rounding rounding = Rounding::nearest_even_f32;  // of the converted model

  // The default: int8, weights symmetric narrow per output channel (depthwise too), activations asymmetric per tensor
  // by a moving average that starts from the first batch, batch norm folded in training, frozen layers stay frozen.
  [[nodiscard]] static Scheme octavo() { return {}; }

  // TensorFlow Model Optimization's Default8Bit as it is (its quantization/keras/quantizers.py and default_8bit/
  // default_8bit_quantizers.py, default_8bit_quantize_configs.py): one range for a whole depthwise or
  // dense kernel, averages with momentum 0.999 from -6, 6, input range from 0, 0 outwards, batch norm not folded in
  // training, ties up, and frozen kernels that train.
  [[nodiscard]] static Scheme tfmot();

  // octavo() with one scale for each whole weight tensor: the setting under which MobileNets collapse.
  [[nodiscard]] static Scheme per_tensor();

  // Weights in `bits` bits per channel, activations float. bits in 2 .. 8.
  [[nodiscard]] static Scheme weights_only(int bits = 8);

  [[nodiscard]] QuantizerSettings weight_settings(const TensorScheme& tensor) const {
    return {tensor, weight_observer, ties, zero_point_rule, weight_step};
  }
  [[nodiscard]] QuantizerSettings activation_settings() const {
    return {activations, activation_observer, ties, zero_point_rule, activation_step};
  }
  [[nodiscard]] QuantizerSettings input_settings() const {
    return {activations, input_observer, ties, zero_point_rule, StepPolicy::observed};
  }

  // Throws, naming the scheme, unless conversion can express it: weights symmetric, activations per tensor, bits 2..8.
  void validate() const {
    for (const TensorScheme& weight : {weights, depthwise_weights, dense_weights}) {
      weight.validate("weights of scheme " + name);
      require(weight.symmetric, "scheme ", name, ": weights must be symmetric, found ", weight.to_string());
    }
    activations.validate("activations of scheme " + name);
    require(!activations.per_channel(), "scheme ", name, ": activations must be per tensor, found ",
            activations.to_string());
  }
};

inline Scheme Scheme::tfmot() {
  Scheme scheme;
  scheme.name = "tfmot";
  scheme.depthwise_weights.axis = kPerTensor;
  scheme.dense_weights.axis = kPerTensor;
  scheme.activation_observer = ObserverSettings::average(MovingAverageSettings::tfmot());
  scheme.input_observer = ObserverSettings::all_values();
  scheme.batch_norm = BatchNormFolding::none;
  scheme.trains_frozen_kernels = true;
  scheme.ties = Ties::up;
  scheme.zero_point_rule = ZeroPointRule::tensorflow;
  scheme.rounding = Rounding::tflite_double;
  return scheme;
}

inline Scheme Scheme::per_tensor() {
  Scheme scheme;
  scheme.name = "per_tensor";
  scheme.weights.axis = scheme.depthwise_weights.axis = scheme.dense_weights.axis = kPerTensor;
  return scheme;
}

inline Scheme Scheme::weights_only(int bits) {
  Scheme scheme;
  scheme.name = "weights_only_" + std::to_string(bits);
  scheme.weights.bits = scheme.depthwise_weights.bits = scheme.dense_weights.bits = bits;
  scheme.quantize_activations = false;
  scheme.validate();
  return scheme;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_SCHEME_HPP_
