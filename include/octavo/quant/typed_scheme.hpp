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
  { Type::descriptor } -> std::convertible_to<TensorScheme>;
};
template <class Type>
concept WeightSchemeType = TensorSchemeType<Type> && Type::descriptor.valid() && Type::descriptor.symmetric;
template <class Type>
concept ActivationSchemeType = TensorSchemeType<Type> && Type::descriptor.valid() && !Type::descriptor.per_channel();

// A network's scheme as a type. The kernels compute with weights of zero point 0 and one grid an activation tensor, so
// asymmetric weights and per-channel activations do not compile.
template <class Type>
concept SchemeType = requires {
  requires WeightSchemeType<typename Type::weight>;
  requires WeightSchemeType<typename Type::depthwise_weight>;
  requires WeightSchemeType<typename Type::dense_weight>;
  requires ActivationSchemeType<typename Type::activation>;
  requires ObserverType<typename Type::weight_observer>;
  requires ObserverType<typename Type::activation_observer>;
  requires ObserverType<typename Type::input_observer>;
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
  using weight = SymmetricWeights<8, 0>;
  using depthwise_weight = SymmetricWeights<8, kLastAxis>;
  using dense_weight = SymmetricWeights<8, 0>;
  using activation = AsymmetricActivations<8>;
  using weight_observer = LastValueObserver;
  using activation_observer = MovingAverageObserver;
  using input_observer = MovingAverageObserver;
  [[nodiscard]] static Scheme base() { return Scheme::octavo(); }
};

// Scheme::tfmot() as a type.
struct TfmotScheme {
  using weight = SymmetricWeights<8, 0>;
  using depthwise_weight = SymmetricWeights<8, kPerTensor>;
  using dense_weight = SymmetricWeights<8, kPerTensor>;
  using activation = AsymmetricActivations<8>;
  using weight_observer = LastValueObserver;
  using activation_observer = TfmotAverageObserver;
  using input_observer = AllValuesObserver;
  [[nodiscard]] static Scheme base() { return Scheme::tfmot(); }
};

// The run-time scheme that a type stands for: base() with the type's tensor schemes and observers.
template <SchemeType Type>
[[nodiscard]] Scheme scheme_of() {
  Scheme scheme = Type::base();
  scheme.weights = Type::weight::descriptor;
  scheme.depthwise_weights = Type::depthwise_weight::descriptor;
  scheme.dense_weights = Type::dense_weight::descriptor;
  scheme.activations = Type::activation::descriptor;
  scheme.weight_observer = ObserverSettings::of<typename Type::weight_observer>();
  scheme.activation_observer = ObserverSettings::of<typename Type::activation_observer>();
  scheme.input_observer = ObserverSettings::of<typename Type::input_observer>();
  scheme.validate();
  return scheme;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_TYPED_SCHEME_HPP_
