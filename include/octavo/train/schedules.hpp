// octavo/train/schedules.hpp: how the learning rate changes: a factor of the optimizer's, per step.
#ifndef OCTAVO_TRAIN_SCHEDULES_HPP_
#define OCTAVO_TRAIN_SCHEDULES_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// factor(step, total_steps), 0 <= step < total_steps; the optimizer's learning rate is multiplied by it. Any callable
// does. It should depend on its arguments only, so that training that is resumed continues the same.
using Schedule = std::function<double(std::int64_t step, std::int64_t total_steps)>;

namespace detail {

inline double share_of(std::int64_t step, std::int64_t total_steps) {
  return total_steps > 0 ? std::clamp(static_cast<double>(step) / static_cast<double>(total_steps), 0.0, 1.0) : 0.0;
}

}  // namespace detail

// Always 1.
struct Constant {
  [[nodiscard]] double operator()(std::int64_t /*step*/, std::int64_t /*total_steps*/) const { return 1.0; }
};

// Multiplied by `factor` at each of these shares of the training.
struct StepDecay {
  std::vector<double> at = {0.5, 0.75};
  double factor = 0.1;
  [[nodiscard]] double operator()(std::int64_t step, std::int64_t total_steps) const {
    const double share = detail::share_of(step, total_steps);
    double value = 1.0;
    for (const double milestone : at) value *= share >= milestone ? factor : 1.0;
    return value;
  }
};

// final_factor^(step / total_steps): falls evenly on a logarithmic scale.
struct ExponentialDecay {
  double final_factor = 0.01;
  [[nodiscard]] double operator()(std::int64_t step, std::int64_t total_steps) const {
    return std::pow(final_factor, detail::share_of(step, total_steps));
  }
};

// Rises evenly from 1/w to 1 over the first w = warm_up * total_steps steps, then half a cosine down to final_factor.
struct Cosine {
  double warm_up = 0.0;  // a share of the training, in [0, 1]
  double final_factor = 0.0;
  [[nodiscard]] double operator()(std::int64_t step, std::int64_t total_steps) const {
    const auto rising = static_cast<std::int64_t>(warm_up * static_cast<double>(total_steps));
    if (step < rising) return static_cast<double>(step + 1) / static_cast<double>(rising);
    const double share = detail::share_of(step - rising, total_steps - rising);
    return final_factor + (1.0 - final_factor) * 0.5 * (1.0 + std::cos(3.14159265358979323846 * share));
  }
};

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_SCHEDULES_HPP_
