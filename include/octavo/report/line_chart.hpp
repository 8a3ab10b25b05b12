// octavo/report/line_chart.hpp: curves over a common horizontal axis, such as loss and accuracy over epochs.
#ifndef OCTAVO_REPORT_LINE_CHART_HPP_
#define OCTAVO_REPORT_LINE_CHART_HPP_

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "axis.hpp"
#include "svg.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

struct LineSeries {
  std::string name;
  int color = 0;
  bool dashed = false;
  std::vector<std::pair<double, double>> points;  // x, y; those that are not finite are left out
};

struct LineChart {
  std::string title;  // for screen readers
  std::string x_title;
  std::string y_title;
  std::vector<LineSeries> series;
  std::vector<LegendEntry> legend;  // empty: one entry a series
  double y_factor = 1.0;            // 100 with unit " %" for fractions
  std::string y_unit;
  bool from_zero = false;  // the vertical axis begins at 0
  double width = 560.0;
  double height = 300.0;  // without the legend
};

// A chart without any point is an empty string.
inline std::string line_chart(const LineChart& chart);

namespace detail {

inline double widest(const std::vector<double>& ticks, const NumberFormat& format) {
  double width = 0.0;
  for (const double tick : ticks) width = std::max(width, text_width(format(tick), 11.0));
  return width;
}

inline std::vector<LegendEntry> line_legend(const LineChart& chart) {
  if (!chart.legend.empty()) return chart.legend;
  std::vector<LegendEntry> entries;
  for (const LineSeries& one : chart.series)
    entries.push_back({one.name, one.color, one.dashed ? LegendEntry::Sample::dashed_line : LegendEntry::Sample::line,
                       Marker::circle, false});
  return entries;
}

inline void draw_series(Svg& svg, const LineSeries& one, const Axis& x, const Axis& y, const NumberFormat& format) {
  std::vector<std::pair<double, double>> through;
  for (const auto& [at, value] : one.points)
    if (std::isfinite(at) && std::isfinite(value)) through.emplace_back(x(at), y(value));
  if (through.size() > 1)
    svg.path(Svg::points(through), "curve " + line_class(one.color) + (one.dashed ? " dashed" : ""));
  if (one.dashed && through.size() > 1) return;
  const double size = through.size() > 40 ? 0.0 : 6.0;
  for (const auto& [at, value] : one.points)
    if (size > 0.0 && std::isfinite(at) && std::isfinite(value))
      svg.marker(Marker::circle, x(at), y(value), size, fill_class(one.color),
                 one.name + ", " + three_digits(at) + ": " + format(value));
}

}  // namespace detail

inline std::string line_chart(const LineChart& chart) {
  double x_low = std::numeric_limits<double>::infinity(), x_high = -x_low, y_low = x_low, y_high = -x_low;
  for (const LineSeries& one : chart.series)
    for (const auto& [at, value] : one.points) {
      if (!std::isfinite(at) || !std::isfinite(value)) continue;
      x_low = std::min(x_low, at), x_high = std::max(x_high, at);
      y_low = std::min(y_low, value), y_high = std::max(y_high, value);
    }
  if (!(x_low <= x_high)) return "";
  if (chart.from_zero) y_low = std::min(0.0, y_low);
  const auto [low, high] = rounded_range(y_low, y_high);
  if (x_low == x_high) x_low -= 0.5, x_high += 0.5;

  const auto legend = detail::line_legend(chart);
  const double legend_rows = legend_height(legend, chart.width - 16.0);
  const double top = legend_rows + 26.0, bottom = legend_rows + chart.height - 42.0;
  const Axis y(low, high, bottom, top);
  const auto y_ticks = y.ticks(6);
  const NumberFormat format = tick_format(y_ticks, chart.y_factor, chart.y_unit);
  const double left = 16.0 + detail::widest(y_ticks, format), right = chart.width - 14.0;
  const Axis x(x_low, x_high, left + 8.0, right - 8.0);

  Svg svg(chart.width, legend_rows + chart.height, chart.title, chart.y_title + " over " + chart.x_title);
  draw_legend(svg, 8.0, 2.0, chart.width - 16.0, legend);
  svg.text(8.0, top - 10.0, chart.y_title, "axis-title");
  for (const double tick : y_ticks) {
    svg.line(left, y(tick), right, y(tick), "grid");
    svg.text(left - 7.0, y(tick) + 4.0, format(tick), "tick end");
  }
  svg.line(left, bottom, right, bottom, "base");
  const auto x_ticks = x.ticks(10);
  const NumberFormat x_format = tick_format(x_ticks);
  for (const double tick : x_ticks) {
    svg.line(x(tick), bottom, x(tick), bottom + 4.0, "base");
    svg.text(x(tick), bottom + 17.0, x_format(tick), "tick mid");
  }
  svg.text(0.5 * (left + right), bottom + 35.0, chart.x_title, "axis-title mid");
  const NumberFormat exact = [&](double value) { return three_digits(value * chart.y_factor) + chart.y_unit; };
  for (const LineSeries& one : chart.series) detail::draw_series(svg, one, x, y, exact);
  return svg.fragment();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_LINE_CHART_HPP_
