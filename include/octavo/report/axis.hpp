// octavo/report/axis.hpp: from values to positions: linear and logarithmic axes with round tick values.
#ifndef OCTAVO_REPORT_AXIS_HPP_
#define OCTAVO_REPORT_AXIS_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// How tick labels and values are written.
using NumberFormat = std::function<std::string(double)>;

// The interval of values [low, high] on the stretch of positions [begin, end]; begin > end turns it round, as upward
// axes need. Logarithmic: low > 0.
class Axis {
 public:
  Axis(double low, double high, double begin, double end, bool logarithmic = false)
      : low_(low), high_(high), begin_(begin), end_(end), logarithmic_(logarithmic) {
    require(std::isfinite(low) && std::isfinite(high) && low < high, "axis: from ", low, " to ", high);
    require(!logarithmic || low > 0.0, "axis: logarithmic from ", low);
  }

  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }
  [[nodiscard]] double begin() const noexcept { return begin_; }
  [[nodiscard]] double end() const noexcept { return end_; }

  // The position of a value; values outside get the border's.
  [[nodiscard]] double operator()(double value) const {
    const double inside = std::clamp(value, low_, high_);
    const double part =
        logarithmic_ ? std::log(inside / low_) / std::log(high_ / low_) : (inside - low_) / (high_ - low_);
    return begin_ + part * (end_ - begin_);
  }

  // Round values within [low, high], about `count` of them: multiples of 1, 2 or 5 times a power of ten; on a
  // logarithmic axis of at least a decade 1, 2 and 5 times powers of ten, or the powers alone.
  [[nodiscard]] std::vector<double> ticks(int count = 5) const;

 private:
  double low_, high_, begin_, end_;
  bool logarithmic_;
};

// The step of 1, 2 or 5 times a power of ten that cuts `span` into at most about `count` parts.
inline double tick_step(double span, int count) {
  const double raw = span / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw * 0.999) return factor * power;
  return 10.0 * power;
}

inline std::vector<double> Axis::ticks(int count) const {
  std::vector<double> all;
  if (!logarithmic_ || high_ / low_ < 10.0) {
    const double step = tick_step(high_ - low_, count);
    const double tolerance = 1e-9 * (high_ - low_);
    for (double k = std::ceil((low_ - tolerance) / step); k * step <= high_ + tolerance; ++k) all.push_back(k * step);
    return all;
  }
  const double decades = std::log10(high_ / low_);
  for (double power = std::floor(std::log10(low_)); power <= std::ceil(std::log10(high_)); ++power)
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1.0 && decades * 3.0 > count) continue;
      const double value = factor * std::pow(10.0, power);
      if (value >= low_ * (1.0 - 1e-9) && value <= high_ * (1.0 + 1e-9)) all.push_back(value);
    }
  return all;
}

// [low, high] widened to round values, about `count` steps apart. Equal borders are moved apart first.
inline std::pair<double, double> rounded_range(double low, double high, int count = 5) {
  if (!(low < high)) {
    const double apart = low == 0.0 ? 1.0 : 0.05 * std::abs(low);
    low -= apart;
    high += apart;
  }
  const double step = tick_step(high - low, count);
  const double tolerance = 1e-9;
  return {step * std::floor(low / step + tolerance), step * std::ceil(high / step - tolerance)};
}

// As many digits as the ticks' distance needs: 0.5 steps give "1.5", steps of 10 give "20".
inline NumberFormat tick_format(const std::vector<double>& ticks, double factor = 1.0, std::string unit = "") {
  int digits = 0;
  if (ticks.size() > 1) {
    const double step = std::abs(ticks[1] - ticks[0]) * factor;
    if (step > 0.0) digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  }
  return [digits, factor, unit = std::move(unit)](double value) {
    std::string text = fixed(value * factor, digits);
    if (text.front() == '-') text = "−" + text.substr(1);
    return text + unit;
  };
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_AXIS_HPP_
