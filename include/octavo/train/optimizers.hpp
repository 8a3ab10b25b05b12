// octavo/train/optimizers.hpp: Adam and gradient descent with momentum, their state, and what all optimizers can do:
// decoupled weight decay, clipping by the global norm, learning rates by layer.
#ifndef OCTAVO_TRAIN_OPTIMIZERS_HPP_
#define OCTAVO_TRAIN_OPTIMIZERS_HPP_

#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/tensor.hpp"
#include "../kernels/elementwise_f32.hpp"
#include "../nn/graph.hpp"
#include "arrays.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// Kingma and Ba 2014, in Keras' form and with its defaults. At step t = 1, 2, ...
//   m = m + (1 - beta_1) (g - m), v = v + (1 - beta_2) (g^2 - v),
//   w = w - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon).
struct Adam {
  double learning_rate = 1e-3;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  double weight_decay = 0.0;  // w = w - learning_rate * weight_decay * w before the update; kernels only
  double clip_norm = 0.0;     // all gradients together are shortened to this norm; 0: off
};

// v = momentum * v - learning_rate * g; w = w + v, or with nesterov w = w + momentum * v - learning_rate * g (Keras).
struct Sgd {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;
  double clip_norm = 0.0;
};

using OptimizerOptions = std::variant<Adam, Sgd>;

// Multiplies the learning rate of the parameters whose full name begins with `prefix` ("dense" or
// "block_16_project/kernel"). The longest prefix that fits counts. 0 keeps the parameters as they are.
struct RateMultiplier {
  std::string prefix;
  double factor = 1.0;
};

// Throws unless every setting has a meaning.
void check(const OptimizerOptions& options);

// Updates parameters from their gradients, and remembers its moments by the parameters' names.
class Optimizer {
 public:
  explicit Optimizer(OptimizerOptions options, std::vector<RateMultiplier> multipliers = {},
                     int threads = default_threads())
      : options_(std::move(options)), multipliers_(std::move(multipliers)), threads_(threads) {
    check(options_);
  }

  [[nodiscard]] const OptimizerOptions& options() const noexcept { return options_; }
  // The one in the options.
  [[nodiscard]] double learning_rate() const {
    return std::visit([](const auto& one) { return one.learning_rate; }, options_);
  }

  // One step with this learning rate. Left alone is what is not trainable and what no backward pass has reached.
  // Throws, naming the parameter, when a state that was set does not fit it. Clipping changes the gradients.
  void step(std::span<const nn::NamedParameter> parameters, double learning_rate);

  // Throws when a multiplier's prefix fits none of these.
  void check_multipliers(std::span<const nn::NamedParameter> parameters) const;

  // The moments, "m/conv1/kernel", "v/conv1/kernel", "velocity/conv1/kernel", and the number of steps.
  [[nodiscard]] std::vector<NamedArray> state() const;
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }
  // Throws, naming the array, when it is none of this optimizer's.
  void set_state(std::span<const NamedArray> arrays, std::int64_t steps);

 private:
  struct Slots {
    Tensor first, second;  // Adam: m, v. Sgd: velocity
    double rate = 1.0;
  };
  // The arrays of a slot, by the name that state() gives them.
  [[nodiscard]] std::vector<std::string_view> slot_names() const {
    if (std::holds_alternative<Adam>(options_)) return {"m/", "v/"};
    if (std::get<Sgd>(options_).momentum > 0.0) return {"velocity/"};
    return {};
  }
  [[nodiscard]] double multiplier(std::string_view name) const;
  Slots& slots_of(const nn::NamedParameter& named);
  void clip(std::span<const nn::NamedParameter> parameters, double norm) const;
  void decay(nn::Parameter& parameter, double share) const;
  void update(const Adam& adam, Slots& slots, nn::Parameter& parameter, double rate) const;
  void update(const Sgd& sgd, Slots& slots, nn::Parameter& parameter, double rate) const;
  static bool updates(const nn::NamedParameter& named) {
    return named.trainable && named.parameter->gradient.dimension() > 0;
  }

  OptimizerOptions options_;
  std::vector<RateMultiplier> multipliers_;
  int threads_;
  std::int64_t steps_ = 0;
  std::map<std::string, Slots, std::less<>> slots_;
};

inline void check(const OptimizerOptions& options) {
  const auto at_least_zero = [](double value, std::string_view what) {
    require(value >= 0.0 && std::isfinite(value), "optimizer: ", what, ' ', value, "; expected 0 or more");
  };
  const auto share = [](double value, std::string_view what) {
    require(value >= 0.0 && value < 1.0, "optimizer: ", what, ' ', value, "; expected 0 or more, below 1");
  };
  std::visit(
      [&](const auto& one) {
        at_least_zero(one.learning_rate, "learning_rate");
        at_least_zero(one.weight_decay, "weight_decay");
        at_least_zero(one.clip_norm, "clip_norm");
      },
      options);
  if (const auto* adam = std::get_if<Adam>(&options)) {
    share(adam->beta_1, "beta_1"), share(adam->beta_2, "beta_2");
    require(adam->epsilon > 0.0, "optimizer: epsilon ", adam->epsilon, "; expected above 0");
  } else {
    share(std::get<Sgd>(options).momentum, "momentum");
  }
}

inline double Optimizer::multiplier(std::string_view name) const {
  double factor = 1.0;
  std::size_t longest = 0;
  for (const RateMultiplier& one : multipliers_)
    if (name.starts_with(one.prefix) && one.prefix.size() >= longest) longest = one.prefix.size(), factor = one.factor;
  return factor;
}

inline void Optimizer::check_multipliers(std::span<const nn::NamedParameter> parameters) const {
  for (const RateMultiplier& one : multipliers_) {
    bool fits = false;
    for (const nn::NamedParameter& named : parameters)
      fits = fits || (named.trainable && named.name.starts_with(one.prefix));
    require(fits, "optimizer: no trainable parameter's name begins with '", one.prefix, "'");
    require(one.factor >= 0.0 && std::isfinite(one.factor), "optimizer: rate multiplier ", one.factor, " of '",
            one.prefix, "'; expected 0 or more");
  }
}

inline Optimizer::Slots& Optimizer::slots_of(const nn::NamedParameter& named) {
  auto found = slots_.find(named.name);
  if (found == slots_.end()) {
    found = slots_.emplace(named.name, Slots{}).first;
    found->second.rate = multiplier(named.name);
  }
  Slots& slots = found->second;
  const Shape shape = shape_of(named.parameter->value);
  const std::size_t kinds = slot_names().size();
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    Tensor& slot = kind == 0 ? slots.first : slots.second;
    if (slot.dimension() == 0) slot = make_tensor(shape, 0.0F);
    require(shape_of(slot) == shape, "optimizer: the state of '", named.name, "' has shape ",
            shape_of(slot).to_string(), ", the parameter ", shape.to_string());
  }
  return slots;
}

inline void Optimizer::clip(std::span<const nn::NamedParameter> parameters, double norm) const {
  double square = 0.0;
  for (const nn::NamedParameter& named : parameters)
    if (updates(named))
      for (const float g : named.parameter->gradient) square += static_cast<double>(g) * static_cast<double>(g);
  if (!(std::sqrt(square) > norm)) return;
  const auto factor = static_cast<float>(norm / std::sqrt(square));
  for (const nn::NamedParameter& named : parameters) {
    if (!updates(named)) continue;
    Tensor& gradient = named.parameter->gradient;
    scale_f32(factor, gradient.data(), static_cast<std::int64_t>(gradient.size()), gradient.data(), threads_);
  }
}

inline void Optimizer::step(std::span<const nn::NamedParameter> parameters, double learning_rate) {
  ++steps_;
  const double norm = std::visit([](const auto& one) { return one.clip_norm; }, options_);
  if (norm > 0.0) clip(parameters, norm);
  for (const nn::NamedParameter& named : parameters) {
    if (!updates(named)) continue;
    const Shape shape = shape_of(named.parameter->value), found = shape_of(named.parameter->gradient);
    require(shape == found, "optimizer: parameter '", named.name, "' of shape ", shape.to_string(),
            " has a gradient of shape ", found.to_string());
    Slots& slots = slots_of(named);
    std::visit([&](const auto& one) { update(one, slots, *named.parameter, learning_rate * slots.rate); }, options_);
  }
}

inline void Optimizer::decay(nn::Parameter& parameter, double share) const {
  if (!parameter.decays || share == 0.0) return;
  float* const value = parameter.value.data();
  scale_f32(static_cast<float>(1.0 - share), value, static_cast<std::int64_t>(parameter.value.size()), value, threads_);
}

inline void Optimizer::update(const Adam& adam, Slots& slots, nn::Parameter& parameter, double rate) const {
  decay(parameter, rate * adam.weight_decay);
  const auto t = static_cast<double>(steps_);
  const double corrected = rate * std::sqrt(1.0 - std::pow(adam.beta_2, t)) / (1.0 - std::pow(adam.beta_1, t));
  adam_update_f32(parameter.value.data(), parameter.gradient.data(), slots.first.data(), slots.second.data(),
                  static_cast<std::int64_t>(parameter.value.size()), static_cast<float>(corrected),
                  static_cast<float>(adam.beta_1), static_cast<float>(adam.beta_2), static_cast<float>(adam.epsilon),
                  0.0F, threads_);
}

inline void Optimizer::update(const Sgd& sgd, Slots& slots, nn::Parameter& parameter, double rate) const {
  decay(parameter, rate * sgd.weight_decay);
  const auto n = static_cast<std::int64_t>(parameter.value.size());
  if (sgd.momentum > 0.0)
    sgd_momentum_update_f32(parameter.value.data(), parameter.gradient.data(), slots.first.data(), n,
                            static_cast<float>(rate), static_cast<float>(sgd.momentum), 0.0F, sgd.nesterov, threads_);
  else
    axpy_f32(static_cast<float>(-rate), parameter.gradient.data(), n, parameter.value.data(), threads_);
}

inline std::vector<NamedArray> Optimizer::state() const {
  const std::vector<std::string_view> names = slot_names();
  std::vector<NamedArray> arrays;
  for (const auto& [name, slots] : slots_)
    for (std::size_t kind = 0; kind < names.size(); ++kind)
      arrays.push_back({std::string(names[kind]) + name, kind == 0 ? slots.first : slots.second});
  return arrays;
}

inline void Optimizer::set_state(std::span<const NamedArray> arrays, std::int64_t steps) {
  const std::vector<std::string_view> names = slot_names();
  slots_.clear();
  for (const NamedArray& array : arrays) {
    bool known = false;
    for (std::size_t kind = 0; kind < names.size(); ++kind) {
      if (!array.name.starts_with(names[kind])) continue;
      const std::string parameter = array.name.substr(names[kind].size());
      Slots& slots = slots_[parameter];
      slots.rate = multiplier(parameter);
      (kind == 0 ? slots.first : slots.second) = array.values;
      known = true;
    }
    require(known, "optimizer: the state '", array.name, "' belongs to another kind of optimizer");
  }
  steps_ = steps;
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_OPTIMIZERS_HPP_
