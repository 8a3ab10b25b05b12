// octavo/quant/typed_scheme.hpp: schemes as types, for FakeQuantized<Layer, Scheme>: what is wrong does not compile.
#ifndef OCTAVO_QUANT_TYPED_SCHEME_HPP_
#define OCTAVO_QUANT_TYPED_SCHEME_HPP_

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "make_observer.hpp"
#include "observer.hpp"
#include "scheme.hpp"
#include "tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// A QuantizedAs<...>, or a type of the user's with the same constant.
template <class Type>
concept TensorSchemeType = requires {
  { Type::kDescriptor } -> std::convertible_to<TensorScheme>;
};
template <class Type>
concept WeightSchemeType = TensorSchemeType<Type> && Type::kDescriptor.valid() && Type::kDescriptor.symmetric;
template <class Type>
concept ActivationSchemeType = TensorSchemeType<Type> && Type::kDescriptor.valid() && !Type::kDescriptor.per_channel();

// A network's scheme as a type. The kernels compute with weights of zero point 0 and one grid an activation tensor, so
// asymmetric weights and per-channel activations do not compile.
template <class Type>
concept SchemeType = requires {
  requires WeightSchemeType<typename Type::Weight>;
  requires WeightSchemeType<typename Type::DepthwiseWeight>;
  requires WeightSchemeType<typename Type::DenseWeight>;
  requires ActivationSchemeType<typename Type::Activation>;
  requires ObserverType<typename Type::WeightObserver>;
  requires ObserverType<typename Type::ActivationObserver>;
  requires ObserverType<typename Type::InputObserver>;
  { Type::base() } -> std::same_as<Scheme>;  // the settings that are not types
};

// The moving average with TFMOT's settings, made without arguments.
class TfmotAverageObserver final : public MovingAverageObserver {
 public:
  explicit TfmotAverageObserver(std::string tensor, std::size_t channels = 1)
      : MovingAverageObserver(std::move(tensor), channels, MovingAverageSettings::tfmot()) {}
  [[nodiscard]] std::unique_ptr<Observer> clone() const override {
    return std::make_unique<TfmotAverageObserver>(*this);
  }
};

// Scheme::octavo() as a type. To change one thing, derive and hide its alias.
struct DefaultScheme {
  using Weight = SymmetricWeights<8, 0>;
  using DepthwiseWeight = SymmetricWeights<8, kLastAxis>;
  using DenseWeight = SymmetricWeights<8, 0>;
  using Activation = AsymmetricActivations<8>;
  using WeightObserver = LastValueObserver;
  using ActivationObserver = MovingAverageObserver;
  using InputObserver = MovingAverageObserver;
  [[nodiscard]] static Scheme base() { return Scheme::octavo(); }
};

// Scheme::tfmot() as a type.
struct TfmotScheme {
  using Weight = SymmetricWeights<8, 0>;
  using DepthwiseWeight = SymmetricWeights<8, kPerTensor>;
  using DenseWeight = SymmetricWeights<8, kPerTensor>;
  using Activation = AsymmetricActivations<8>;
  using WeightObserver = LastValueObserver;
  using ActivationObserver = TfmotAverageObserver;
  using InputObserver = AllValuesObserver;
  [[nodiscard]] static Scheme base() { return Scheme::tfmot(); }
};

// The run-time scheme that a type stands for: base() with the type's tensor schemes and observers.
template <SchemeType Type>
[[nodiscard]] Scheme scheme_of() {
  Scheme scheme = Type::base();
  scheme.weights = Type::Weight::kDescriptor;
  scheme.depthwise_weights = Type::DepthwiseWeight::kDescriptor;
  scheme.dense_weights = Type::DenseWeight::kDescriptor;
  scheme.activations = Type::Activation::kDescriptor;
  scheme.weight_observer = ObserverSettings::of<typename Type::WeightObserver>();
  scheme.activation_observer = ObserverSettings::of<typename Type::ActivationObserver>();
  scheme.input_observer = ObserverSettings::of<typename Type::InputObserver>();
  scheme.validate();
  return scheme;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_TYPED_SCHEME_HPP_
