// octavo/report/layer_chart.hpp: one value a layer for several models, the layers side by side in execution order.
#ifndef OCTAVO_REPORT_LAYER_CHART_HPP_
#define OCTAVO_REPORT_LAYER_CHART_HPP_

#include <algorithm>
#include <cmath>
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

struct LayerSeries {
  std::string name;
  int color = 0;
  std::vector<double> values;  // one a layer; NaN: this model has no such layer
};

struct LayerChart {
  std::string title;    // for screen readers
  std::string y_title;  // with the unit
  std::vector<std::string> layers;
  std::vector<LayerSeries> series;
  double width = 1120.0;
  double plot_height = 240.0;
};

// A dot a value, with a stem to the axis for the first series, and a thin line along each. No value: an empty string.
inline std::string layer_chart(const LayerChart& chart) {
  double low = 0.0, high = -std::numeric_limits<double>::infinity();
  for (const LayerSeries& one : chart.series) {
    require(one.values.size() == chart.layers.size(), "layer chart: ", one.name, " has ", one.values.size(),
            " values for ", chart.layers.size(), " layers");
    for (const double value : one.values)
      if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  }
  if (!std::isfinite(high)) return "";
  const auto [from, to] = rounded_range(low, std::max(high, low + 1e-6));

  std::vector<LegendEntry> legend;
  for (std::size_t i = 0; i < chart.series.size(); ++i)
    legend.push_back({chart.series[i].name, chart.series[i].color, LegendEntry::Sample::mark,
                      marker_of(static_cast<int>(i)), false});
  double label = 0.0;
  for (const std::string& layer : chart.layers) label = std::max(label, text_width(layer, 9.5, true));
  const double top = legend_height(legend, chart.width - 16.0) + 28.0, bottom = top + chart.plot_height;
  const Axis y(from, to, bottom, top);
  const auto ticks = y.ticks(6);
  const NumberFormat format = tick_format(ticks);
  const double left = 18.0 + detail::widest(ticks, format), right = chart.width - 10.0;
  const double pitch = (right - left) / static_cast<double>(chart.layers.size());
  const auto middle = [&](std::size_t i) { return left + pitch * (static_cast<double>(i) + 0.5); };

  Svg svg(chart.width, bottom + label + 16.0, chart.title, chart.y_title + " of each layer");
  draw_legend(svg, 8.0, 2.0, chart.width - 16.0, legend);
  svg.text(8.0, top - 10.0, chart.y_title, "axis-title");
  for (std::size_t i = 0; i < chart.layers.size(); i += 2)
    svg.rect(middle(i) - 0.5 * pitch, top, pitch, chart.plot_height, "band");
  for (const double tick : ticks) {
    svg.line(left, y(tick), right, y(tick), "grid");
    svg.text(left - 7.0, y(tick) + 4.0, format(tick), "tick end");
  }
  svg.line(left, y(std::clamp(0.0, from, to)), right, y(std::clamp(0.0, from, to)), "base");
  // Labels where there is room for them; the table names every layer.
  const auto every = static_cast<std::size_t>(std::max(1.0, std::ceil(11.0 / pitch)));
  for (std::size_t i = 0; i < chart.layers.size(); i += every)
    svg.text(middle(i) + 3.0, bottom + 8.0, chart.layers[i], "tiny end", -90.0);
  const double size = std::clamp(0.55 * pitch, 4.0, 9.0);
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    const LayerSeries& one = chart.series[s];
    // Side by side a little, so that equal values do not hide each other.
    const double aside = 0.2 * pitch * (static_cast<double>(s) - 0.5 * static_cast<double>(chart.series.size() - 1));
    const auto x = [&](std::size_t i) { return middle(i) + aside; };
    std::vector<std::pair<double, double>> through;
    for (std::size_t i = 0; i < one.values.size(); ++i) {
      if (!std::isfinite(one.values[i])) continue;
      through.emplace_back(x(i), y(one.values[i]));
      if (s == 0 && chart.series.size() == 1)
        svg.line(x(i), y(std::clamp(0.0, from, to)), x(i), y(one.values[i]), "stem " + line_class(one.color));
    }
    if (chart.series.size() > 1) svg.path(Svg::points(through), "curve stem " + line_class(one.color));
    for (std::size_t i = 0; i < one.values.size(); ++i)
      if (std::isfinite(one.values[i]))
        svg.marker(marker_of(static_cast<int>(s)), x(i), y(one.values[i]), size, fill_class(one.color) + " mark",
                   chart.layers[i] + ", " + one.name + ": " + fixed(one.values[i], 1));
  }
  return svg.fragment();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_LAYER_CHART_HPP_
