// octavo/report/range_chart.hpp: how the channels of a layer share its range: boxes by layer, and bars by channel.
#ifndef OCTAVO_REPORT_RANGE_CHART_HPP_
#define OCTAVO_REPORT_RANGE_CHART_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "axis.hpp"
#include "line_chart.hpp"
#include "svg.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// Smallest and largest weight of each channel of one layer.
struct ChannelRanges {
  std::string layer;
  std::vector<float> low, high;  // one entry a channel

  [[nodiscard]] std::size_t channels() const noexcept { return low.size(); }
  // The largest magnitude of each channel.
  [[nodiscard]] std::vector<double> magnitudes() const {
    std::vector<double> all;
    for (std::size_t c = 0; c < low.size(); ++c)
      all.push_back(std::max(std::abs(static_cast<double>(low[c])), std::abs(static_cast<double>(high[c]))));
    return all;
  }
};

// Linear interpolation between the sorted values (Hyndman and Fan's type 7); `part` in [0, 1]. `sorted` is not empty.
inline double quantile(const std::vector<double>& sorted, double part) {
  const double at = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Over all layers: box and whiskers of the channels' largest magnitudes (smallest, quartiles, largest), each layer's
// largest set to 1. The axis is logarithmic in base 2: a channel at 1/16 has lost four of the bits that one scale for
// the whole layer gives to the largest channel.
inline std::string range_boxes(const std::vector<ChannelRanges>& layers, int color, double width = 1120.0);

// One layer: a bar from the smallest to the largest weight of each channel.
inline std::string channel_bars(const ChannelRanges& ranges, int color, double width = 1120.0);

namespace detail {

constexpr double kDeepest = 0.001;  // 2^-10: below, a channel has no code but zero anyway

// The magnitudes as parts of the largest, sorted. Empty when all are zero.
inline std::vector<double> relative_magnitudes(const ChannelRanges& ranges) {
  std::vector<double> all = ranges.magnitudes();
  std::sort(all.begin(), all.end());
  if (all.empty() || !(all.back() > 0.0)) return {};
  for (double& one : all) one = std::max(one / all.back(), kDeepest);
  all.back() = 1.0;
  return all;
}

}  // namespace detail

inline std::string range_boxes(const std::vector<ChannelRanges>& layers, int color, double width) {
  std::vector<std::vector<double>> all;
  double lowest = 0.25, label = 0.0;
  for (const ChannelRanges& one : layers) {
    all.push_back(detail::relative_magnitudes(one));
    if (!all.back().empty()) lowest = std::min(lowest, all.back().front());
    label = std::max(label, text_width(one.layer, 9.5, true));
  }
  if (layers.empty()) return "";
  constexpr double kPlot = 210.0;
  const double top = 30.0, bottom = top + kPlot, left = 58.0, right = width - 10.0;
  const double deepest = std::pow(2.0, std::floor(std::log2(lowest)));
  const Axis y(deepest, 1.0, bottom, top, true);
  Svg svg(width, bottom + label + 16.0, "Weight ranges of channels",
          "Box plots of the channels' largest weights relative to the layer's largest, by layer");
  svg.text(8.0, top - 12.0, "largest weight of a channel / largest of the layer", "axis-title");
  const int bits = static_cast<int>(std::lround(-std::log2(deepest)));
  for (int bit = 0; bit <= bits; ++bit) {
    const double value = std::pow(2.0, -bit);
    svg.line(left, y(value), right, y(value), "grid");
    if (bits <= 6 || bit % 2 == 0)
      svg.text(left - 7.0, y(value) + 4.0, bit == 0 ? "1" : "1/" + std::to_string(1 << bit), "tick end");
  }
  const double pitch = (right - left) / static_cast<double>(layers.size());
  const double box = std::min(0.5 * pitch, 26.0);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double x = left + pitch * (static_cast<double>(i) + 0.5);
    svg.text(x + 3.0, bottom + 8.0, layers[i].layer, "tiny end", -90.0);
    if (all[i].empty()) continue;
    const double median = quantile(all[i], 0.5), q1 = quantile(all[i], 0.25), q3 = quantile(all[i], 0.75);
    svg.line(x, y(all[i].front()), x, y(1.0), "curve " + line_class(color));
    svg.rect(x - 0.5 * box, y(q3), box, std::max(y(q1) - y(q3), 1.5), fill_class(color) + " mark",
             layers[i].layer + ", " + std::to_string(all[i].size()) + " channels: smallest " +
                 three_digits(all[i].front()) + ", median " + three_digits(median) + " of the largest",
             2.0);
    svg.line(x - 0.5 * box, y(median), x + 0.5 * box, y(median), "whisker");
    svg.line(x - 0.25 * box, y(all[i].front()), x + 0.25 * box, y(all[i].front()), "curve " + line_class(color));
  }
  svg.line(left, bottom, right, bottom, "base");
  return svg.fragment();
}

inline std::string channel_bars(const ChannelRanges& ranges, int color, double width) {
  if (ranges.channels() == 0) return "";
  double low = 0.0, high = 0.0;
  for (const float value : ranges.low) low = std::min(low, static_cast<double>(value));
  for (const float value : ranges.high) high = std::max(high, static_cast<double>(value));
  if (!(low < high)) return "";
  constexpr double kPlot = 170.0;
  const double top = 28.0, bottom = top + kPlot;
  const auto [from, to] = rounded_range(low, high);
  const Axis y(from, to, bottom, top);
  const auto ticks = y.ticks(5);
  const NumberFormat format = tick_format(ticks);
  const double left = 18.0 + detail::widest(ticks, format), right = width - 10.0;
  Svg svg(width, bottom + 40.0, "Weights of " + ranges.layer, "Smallest to largest weight of each channel");
  svg.text(8.0, top - 12.0, "weights, smallest to largest", "axis-title");
  for (const double tick : ticks) {
    svg.line(left, y(tick), right, y(tick), "grid");
    svg.text(left - 7.0, y(tick) + 4.0, format(tick), "tick end");
  }
  const double pitch = (right - left) / static_cast<double>(ranges.channels());
  for (std::size_t c = 0; c < ranges.channels(); ++c) {
    const double a = y(static_cast<double>(ranges.high[c])), b = y(static_cast<double>(ranges.low[c]));
    svg.rect(left + pitch * static_cast<double>(c) + 0.1 * pitch, a, std::min(0.8 * pitch, 14.0), std::max(b - a, 0.7),
             fill_class(color),
             "channel " + std::to_string(c) + ": " + three_digits(static_cast<double>(ranges.low[c])) + " to " +
                 three_digits(static_cast<double>(ranges.high[c])));
  }
  svg.line(left, y(0.0), right, y(0.0), "base");
  const Axis x(0.0, static_cast<double>(ranges.channels()), left, right);
  for (const double tick : x.ticks(12))
    if (tick < static_cast<double>(ranges.channels()))
      svg.text(x(tick + 0.5), bottom + 15.0, fixed(tick, 0), "tick mid");
  svg.text(0.5 * (left + right), bottom + 33.0, "channel of " + ranges.layer, "axis-title mid");
  return svg.fragment();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_RANGE_CHART_HPP_
