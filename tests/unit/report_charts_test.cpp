// tests/unit/report_charts_test.cpp: axes, and drawings that stay inside their frame.
#include <doctest/doctest.h>

#include <cmath>
#include <octavo/report/bar_chart.hpp>
#include <octavo/report/layer_chart.hpp>
#include <octavo/report/line_chart.hpp>
#include <octavo/report/range_chart.hpp>
#include <string>
#include <vector>

#include "report_markup.hpp"

namespace {

using namespace octavo::report;
using octavo::Error;

TEST_CASE("an axis maps its interval, clamps, and may run backwards") {
  const Axis x(0.0, 10.0, 100.0, 200.0);
  CHECK(x(0.0) == doctest::Approx(100.0));
  CHECK(x(2.5) == doctest::Approx(125.0));
  CHECK(x(20.0) == doctest::Approx(200.0));
  const Axis up(-1.0, 1.0, 300.0, 100.0);
  CHECK(up(0.0) == doctest::Approx(200.0));
  CHECK(up(1.0) == doctest::Approx(100.0));
  const Axis logarithmic(0.01, 100.0, 0.0, 4.0, true);
  CHECK(logarithmic(1.0) == doctest::Approx(2.0));
  CHECK(logarithmic(0.0) == doctest::Approx(0.0));
  CHECK_THROWS_AS(Axis(1.0, 1.0, 0.0, 1.0), Error);
  CHECK_THROWS_AS(Axis(0.0, 1.0, 0.0, 1.0, true), Error);
  CHECK_THROWS_AS(Axis(0.0, std::nan(""), 0.0, 1.0), Error);
}

TEST_CASE("ticks are round, inside, and not many more than asked for") {
  const auto ticks = Axis(0.0, 10.0, 0.0, 1.0).ticks(5);
  CHECK(ticks == std::vector<double>{0, 2, 4, 6, 8, 10});
  for (const auto& range : {std::pair{0.873, 0.921}, {-54.6, 0.3}, {1e-7, 3e-7}, {0.0, 123456.0}})
    for (const int count : {3, 5, 8}) {
      const double low = range.first, high = range.second;
      CAPTURE(low);
      CAPTURE(count);
      const auto all = Axis(low, high, 0.0, 1.0).ticks(count);
      CHECK(all.size() >= 2);
      CHECK(all.size() <= static_cast<std::size_t>(count) + 1);
      for (const double tick : all) CHECK((tick >= low - 1e-9 * (high - low) && tick <= high + 1e-9 * (high - low)));
    }
  CHECK(Axis(0.9, 110.0, 0.0, 1.0, true).ticks(9) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
  const auto [low, high] = rounded_range(0.873, 0.921);
  CHECK(low == doctest::Approx(0.87));
  CHECK(high == doctest::Approx(0.93));
  const auto [below, above] = rounded_range(5.0, 5.0);
  CHECK(below < 5.0);
  CHECK(above > 5.0);
}

TEST_CASE("tick labels have the digits that their distance needs, and a real minus") {
  const NumberFormat halves = tick_format({0.0, 0.5});
  CHECK(halves(1.5) == "1.5");
  CHECK(halves(-0.5) == "−0.5");
  CHECK(tick_format({0.8, 0.85}, 100.0, " %")(0.85) == "85 %");
  CHECK(tick_format({0, 20})(40.0) == "40");
}

TEST_CASE("quantiles interpolate between sorted values") {
  const std::vector<double> sorted = {1, 2, 3, 10};
  CHECK(quantile(sorted, 0.0) == doctest::Approx(1.0));
  CHECK(quantile(sorted, 0.5) == doctest::Approx(2.5));
  CHECK(quantile(sorted, 1.0) == doctest::Approx(10.0));
  CHECK(quantile({7.0}, 0.5) == doctest::Approx(7.0));
}

TEST_CASE("a line chart draws every finite point and names every series") {
  LineChart chart;
  chart.title = "loss <of> \"a\"";
  chart.x_title = "epoch";
  chart.y_title = "loss";
  chart.series = {{"float & co", 0, false, {{1, 2.0}, {2, 1.0}, {3, std::nan("")}, {4, 0.5}}},
                  {"training", 1, true, {{1, 1.5}, {2, 0.8}}},
                  {"single", 2, true, {{2, 1.2}}}};
  const std::string svg = line_chart(chart);
  markup::check_balanced(svg);
  markup::check_inside(svg);
  CHECK(markup::count(svg, "<circle") == 4);  // dashed curves have no markers, a lone point has one
  CHECK(svg.find("float &amp; co") != std::string::npos);
  CHECK(line_chart(LineChart{}).empty());
}

TEST_CASE("bars begin at zero and are as long as their values") {
  BarChart chart;
  chart.title = "size";
  chart.axis_title = "MB";
  chart.rows = {{"a", {{10.0, 0.0, "10 MB", 0, false}}},
                {"b_with_a_long_name", {{5.0, 1.0, "5 MB", 1, false}, {2.5, 0.0, "2.5", 1, true}}},
                {"c", {{std::nan(""), 0.0, "not measured", 2, false}}}};
  const std::string svg = bar_chart(chart);
  markup::check_balanced(svg);
  markup::check_inside(svg);
  const auto widths = markup::attribute_values(svg, "<rect", "width");
  REQUIRE(widths.size() == 3);
  CHECK(widths[1] == doctest::Approx(0.5 * widths[0]).epsilon(0.01));
  CHECK(widths[2] == doctest::Approx(0.25 * widths[0]).epsilon(0.01));
  CHECK(svg.find("not measured") != std::string::npos);
  CHECK(bar_chart(BarChart{}).empty());
}

TEST_CASE("dots stand around zero; what leaves the axis becomes an arrow") {
  BarChart chart;
  chart.title = "difference";
  chart.rows = {{"a", {{0.002, 0.001, "+0.20", 0, false}}}, {"b", {{-0.5, 0.01, "-50", 1, false}}}};
  chart.limit = 0.01;
  const std::string svg = dot_chart(chart);
  markup::check_balanced(svg);
  markup::check_inside(svg);
  CHECK(markup::count(svg, "<circle") == 1);
  chart.limit = 0.0;
  CHECK(markup::count(dot_chart(chart), "<circle") == 2);
}

TEST_CASE("a layer chart has a mark for every layer that a model has") {
  LayerChart chart;
  chart.y_title = "dB";
  chart.layers = {"Conv1", "depthwise", "project"};
  chart.series = {{"int8", 2, {40.0, 35.0, 30.0}}};
  const std::string one = layer_chart(chart);
  markup::check_balanced(one);
  CHECK(markup::count(one, "<circle") == 4);  // three values and the legend
  chart.series.push_back({"dynamic range", 4, {std::nan(""), -3.0, 12.0}});
  const std::string two = layer_chart(chart);
  markup::check_inside(two);
  CHECK(two.find("depthwise, dynamic range: -3.0") != std::string::npos);
  chart.series.push_back({"short", 0, {1.0}});
  CHECK_THROWS_WITH(layer_chart(chart), "layer chart: short has 1 values for 3 layers");
}

TEST_CASE("range charts bear equal, tiny and empty channels") {
  const ChannelRanges good{"depthwise", {-1.0F, -0.01F, -0.2F}, {0.5F, 0.02F, 0.4F}};
  const ChannelRanges zero{"dead", {0.0F}, {0.0F}};
  CHECK(good.magnitudes() == std::vector<double>{1.0, static_cast<double>(0.02F), static_cast<double>(0.4F)});
  const std::string boxes = range_boxes({good, zero}, 0);
  markup::check_balanced(boxes);
  markup::check_inside(boxes);
  const std::string bars = channel_bars(good, 0);
  markup::check_balanced(bars);
  markup::check_inside(bars);
  CHECK(markup::count(bars, "<rect") == 3);
  CHECK(channel_bars(zero, 0).empty());
  CHECK(range_boxes({}, 0).empty());
}

TEST_CASE("a drawing as a file of its own brings its style") {
  Svg svg(100, 50, "title");
  for (int i = 0; i < 5; ++i) svg.marker(marker_of(i), 10.0 + 20.0 * i, 25.0, 10.0, fill_class(i), "tip");
  svg.text(10, 20, "a < b", "mid", -90.0);
  const std::string file = svg.document();
  markup::check_balanced(file);
  markup::check_inside(file);
  CHECK(file.find("prefers-color-scheme:dark") != std::string::npos);
  CHECK(Svg::at(1.5) == "1.5");
  CHECK(Svg::at(2.0) == "2");
  CHECK(Svg::at(100.0) == "100");
}

}  // namespace
