// octavo/quant/make_observer.hpp: an observer from settings: a kind by name, or a user's own type.
#ifndef OCTAVO_QUANT_MAKE_OBSERVER_HPP_
#define OCTAVO_QUANT_MAKE_OBSERVER_HPP_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "observer.hpp"
#include "observers/all_values.hpp"
#include "observers/histogram.hpp"
#include "observers/last_value.hpp"
#include "observers/min_max.hpp"
#include "observers/moving_average.hpp"
#include "tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

enum class ObserverKind : std::uint8_t { min_max, last_value, all_values, moving_average, histogram, custom };

constexpr std::string_view name_of(ObserverKind kind) {
  constexpr std::string_view names[] = {"min_max", "last_value", "all_values", "moving_average", "histogram", "custom"};
  return names[static_cast<std::size_t>(kind)];
}
inline ObserverKind observer_kind_from_name(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(ObserverKind::custom); ++i)
    if (name_of(static_cast<ObserverKind>(i)) == name) return static_cast<ObserverKind>(i);
  fail("observer kind '", name, "' is unknown");
}

// Which observer, and the settings of the kind that has some.
struct ObserverSettings {
  ObserverKind kind = ObserverKind::min_max;
  MovingAverageSettings moving_average = {};
  HistogramSettings histogram = {};  // its `scheme` is replaced by that of the tensor
  // ObserverKind::custom
  std::function<std::unique_ptr<Observer>(std::string tensor, std::size_t channels, const TensorScheme& scheme)>
      make_custom = {};

  // The settings for an observer type, a user's own for instance. The tensor's scheme is the third argument of its
  // constructor if it takes one.
  template <ObserverType Type>
  [[nodiscard]] static ObserverSettings of() {
    ObserverSettings settings;
    settings.kind = ObserverKind::custom;
    settings.make_custom = [](std::string tensor, std::size_t channels, const TensorScheme& scheme) {
      if constexpr (std::same_as<Type, HistogramObserver>)
        return std::make_unique<Type>(std::move(tensor), channels, HistogramSettings{.scheme = scheme});
      else if constexpr (std::constructible_from<Type, std::string, std::size_t, TensorScheme>)
        return std::make_unique<Type>(std::move(tensor), channels, scheme);
      else
        return std::make_unique<Type>(std::move(tensor), channels);
    };
    return settings;
  }
  [[nodiscard]] static ObserverSettings min_max() { return {}; }
  [[nodiscard]] static ObserverSettings last_value() { return of_kind(ObserverKind::last_value); }
  [[nodiscard]] static ObserverSettings all_values() { return of_kind(ObserverKind::all_values); }
  [[nodiscard]] static ObserverSettings average(MovingAverageSettings average_settings = {}) {
    ObserverSettings settings = of_kind(ObserverKind::moving_average);
    settings.moving_average = average_settings;
    return settings;
  }
  [[nodiscard]] static ObserverSettings with_histogram(RangeSearch search, double percentile = 99.99) {
    ObserverSettings settings = of_kind(ObserverKind::histogram);
    settings.histogram.search = search;
    settings.histogram.percentile = percentile;
    return settings;
  }

 private:
  [[nodiscard]] static ObserverSettings of_kind(ObserverKind kind) {
    ObserverSettings settings;
    settings.kind = kind;
    return settings;
  }
};

// An observer of `tensor`; `channels` is 1 for a per-tensor scheme. Throws, naming the tensor, for settings out of
// range.
[[nodiscard]] inline std::unique_ptr<Observer> make_observer(const ObserverSettings& settings, std::string tensor,
                                                             std::size_t channels, const TensorScheme& scheme) {
  scheme.validate(tensor);
  require(scheme.per_channel() || channels == 1, "observer of '", tensor, "': expected 1 channel per tensor, found ",
          channels);
  switch (settings.kind) {
    case ObserverKind::min_max:
      return std::make_unique<MinMaxObserver>(std::move(tensor), channels);
    case ObserverKind::last_value:
      return std::make_unique<LastValueObserver>(std::move(tensor), channels);
    case ObserverKind::all_values:
      return std::make_unique<AllValuesObserver>(std::move(tensor), channels);
    case ObserverKind::moving_average:
      return std::make_unique<MovingAverageObserver>(std::move(tensor), channels, settings.moving_average);
    case ObserverKind::histogram: {
      HistogramSettings histogram = settings.histogram;
      histogram.scheme = scheme;
      return std::make_unique<HistogramObserver>(std::move(tensor), channels, histogram);
    }
    case ObserverKind::custom:
      break;
  }
  require(settings.make_custom != nullptr, "observer of '", tensor, "': custom, but without make_custom");
  return settings.make_custom(std::move(tensor), channels, scheme);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_MAKE_OBSERVER_HPP_
