// octavo/report/bar_chart.hpp: horizontal bars from zero, and dots around zero, one line a model; both with errors.
#ifndef OCTAVO_REPORT_BAR_CHART_HPP_
#define OCTAVO_REPORT_BAR_CHART_HPP_

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "axis.hpp"
#include "line_chart.hpp"
#include "svg.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

struct Bar {
  double value = 0.0;  // not finite: nothing is drawn but the text
  double error = 0.0;  // half the whisker's length; 0: no whisker
  std::string text;    // written behind the bar
  int color = 0;
  bool pale = false;
};

struct BarRow {
  std::string label;
  std::vector<Bar> bars;  // below each other
};

struct BarChart {
  std::string title;       // for screen readers
  std::string axis_title;  // with the unit
  std::vector<BarRow> rows;
  std::vector<LegendEntry> legend;
  double factor = 1.0;  // of the values on the axis
  double limit = 0.0;   // where the axis ends at the latest (for dots, on both sides); 0: nowhere
  double bar_height = 14.0;
  double width = 560.0;
};

// Bars begin at zero, so that lengths compare. Values are at least 0. No rows: an empty string.
inline std::string bar_chart(const BarChart& chart);

// The same rows as dots with whiskers on an axis that covers the values and zero: for small differences. Uses the
// first bar of each row. Arrows stand for values beyond `limit`.
inline std::string dot_chart(const BarChart& chart);

namespace detail {

struct RowLayout {
  double left, right, top, bottom;  // of the plot
  double row_height;
  double height;  // of the drawing
};

inline RowLayout layout_rows(const BarChart& chart) {
  double labels = 0.0, texts = 0.0;
  std::size_t most = 1;
  for (const BarRow& row : chart.rows) {
    labels = std::max(labels, text_width(row.label, 11.0, true));
    most = std::max(most, row.bars.size());
    for (const Bar& bar : row.bars) texts = std::max(texts, text_width(bar.text, 11.0));
  }
  RowLayout layout{};
  layout.left = 8.0 + labels + 10.0;
  layout.right = chart.width - 12.0 - texts;
  layout.top = legend_height(chart.legend, chart.width - 16.0) + 6.0;
  layout.row_height = chart.bar_height * static_cast<double>(most) + 9.0;
  layout.bottom = layout.top + layout.row_height * static_cast<double>(chart.rows.size());
  layout.height = layout.bottom + 42.0;
  return layout;
}

inline void draw_value_axis(Svg& svg, const Axis& x, const BarChart& chart, const RowLayout& layout) {
  const auto ticks = x.ticks(std::clamp(static_cast<int>((x.end() - x.begin()) / 55.0), 2, 6));
  const NumberFormat format = tick_format(ticks, chart.factor);
  for (const double tick : ticks) {
    svg.line(x(tick), layout.top, x(tick), layout.bottom, "grid");
    svg.text(x(tick), layout.bottom + 15.0, format(tick), "tick mid");
  }
  svg.text(0.5 * (x.begin() + x.end()), layout.bottom + 33.0, chart.axis_title, "axis-title mid");
}

inline void draw_whisker(Svg& svg, const Axis& x, double value, double error, double y, double size) {
  if (!(error > 0.0)) return;
  const double a = x(value - error), b = x(value + error);
  svg.path("M" + Svg::at(a) + ' ' + Svg::at(y) + 'L' + Svg::at(b) + ' ' + Svg::at(y) + 'M' + Svg::at(a) + ' ' +
               Svg::at(y - size) + 'v' + Svg::at(2 * size) + 'M' + Svg::at(b) + ' ' + Svg::at(y - size) + 'v' +
               Svg::at(2 * size),
           "whisker");
}

}  // namespace detail

inline std::string bar_chart(const BarChart& chart) {
  if (chart.rows.empty()) return "";
  const double bar_height = chart.bar_height;
  const detail::RowLayout layout = detail::layout_rows(chart);
  double high = 0.0;
  for (const BarRow& row : chart.rows)
    for (const Bar& bar : row.bars)
      if (std::isfinite(bar.value)) high = std::max(high, bar.value + bar.error);
  if (!(high > 0.0)) high = 1.0;
  if (chart.limit > 0.0) high = std::min(high, chart.limit);
  const Axis x(0.0, high, layout.left, std::max(layout.right, layout.left + 60.0));

  Svg svg(chart.width, layout.height, chart.title, chart.axis_title);
  draw_legend(svg, 8.0, 2.0, chart.width - 16.0, chart.legend);
  detail::draw_value_axis(svg, x, chart, layout);
  double top = layout.top + 4.5;
  for (const BarRow& row : chart.rows) {
    const double used = bar_height * static_cast<double>(row.bars.size());
    double y = top + 0.5 * (layout.row_height - 9.0 - used);
    svg.text(layout.left - 8.0, y + 0.5 * used + 4.0, row.label, "name end");
    for (const Bar& bar : row.bars) {
      double text_at = layout.left + 6.0;
      if (std::isfinite(bar.value)) {
        svg.rect(layout.left, y + 1.0, x(bar.value) - layout.left, bar_height - 2.0,
                 fill_class(bar.color) + (bar.pale ? " pale" : ""), row.label + ": " + bar.text, 1.5);
        detail::draw_whisker(svg, x, bar.value, bar.error, y + 0.5 * bar_height, 3.5);
        text_at = x(bar.value + bar.error) + 6.0;
      }
      svg.text(text_at, y + 0.5 * bar_height + 4.0, bar.text, "value");
      y += bar_height;
    }
    top += layout.row_height;
  }
  svg.line(layout.left, layout.top, layout.left, layout.bottom, "base");
  return svg.fragment();
}

inline std::string dot_chart(const BarChart& chart) {
  if (chart.rows.empty()) return "";
  const detail::RowLayout layout = detail::layout_rows(chart);
  double low = 0.0, high = 0.0;
  for (const BarRow& row : chart.rows) {
    if (row.bars.empty() || !std::isfinite(row.bars[0].value)) continue;
    low = std::min(low, row.bars[0].value - row.bars[0].error);
    high = std::max(high, row.bars[0].value + row.bars[0].error);
  }
  if (chart.limit > 0.0) low = std::max(low, -chart.limit), high = std::min(high, chart.limit);
  const auto [from, to] = rounded_range(low, high);
  const double gap = 10.0;
  const Axis x(from, to, layout.left + gap, std::max(layout.right - gap, layout.left + 60.0));

  Svg svg(chart.width, layout.height, chart.title, chart.axis_title);
  draw_legend(svg, 8.0, 2.0, chart.width - 16.0, chart.legend);
  detail::draw_value_axis(svg, x, chart, layout);
  svg.line(x(0.0), layout.top, x(0.0), layout.bottom, "base");
  double y = layout.top + 0.5 * layout.row_height;
  for (const BarRow& row : chart.rows) {
    svg.text(layout.left - 8.0, y + 4.0, row.label, "name end");
    if (!row.bars.empty()) {
      const Bar& bar = row.bars[0];
      if (bar.value < from || bar.value > to) {
        const double side = bar.value < from ? -1.0 : 1.0, tip = x(bar.value) + side * 8.0;
        svg.path(Svg::points({{tip, y}, {tip - side * 9.0, y - 5.0}, {tip - side * 9.0, y + 5.0}}) + "Z",
                 fill_class(bar.color), row.label + ": " + bar.text);
      } else if (std::isfinite(bar.value)) {
        detail::draw_whisker(svg, x, bar.value, bar.error, y, 3.5);
        svg.marker(Marker::circle, x(bar.value), y, 9.0, fill_class(bar.color) + " mark", row.label + ": " + bar.text);
      }
      svg.text(layout.right + 4.0, y + 4.0, bar.text, "value");
    }
    y += layout.row_height;
  }
  return svg.fragment();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_BAR_CHART_HPP_
