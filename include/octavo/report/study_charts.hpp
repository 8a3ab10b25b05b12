// octavo/report/study_charts.hpp: the charts of a study.
#ifndef OCTAVO_REPORT_STUDY_CHARTS_HPP_
#define OCTAVO_REPORT_STUDY_CHARTS_HPP_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bar_chart.hpp"
#include "layer_chart.hpp"
#include "line_chart.hpp"
#include "range_chart.hpp"
#include "study.hpp"
#include "study_tables.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// Each returns SVG for a page, or an empty string where the study has nothing to show.
std::string accuracy_chart(const Study& study);
std::string difference_chart(const Study& study);
std::string size_chart(const Study& study);
std::string latency_chart(const Study& study);
std::string loss_chart(const Study& study);
std::string training_accuracy_chart(const Study& study);
std::string quality_chart(const Study& study);

namespace detail {

constexpr int color_of(RowKind kind) {
  constexpr int colors[] = {0, 3, 4, 2};
  return colors[static_cast<std::size_t>(kind)];
}

inline std::vector<LegendEntry> kind_legend(const std::vector<Row>& rows) {
  constexpr std::string_view names[] = {"float", "QAT, in float", "dynamic range", "full integer"};
  std::vector<LegendEntry> legend;
  for (const RowKind kind : {RowKind::float32, RowKind::fake_quantized, RowKind::dynamic_range, RowKind::int8})
    if (std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.kind == kind && row.same_as.empty(); }))
      legend.push_back({std::string(names[static_cast<std::size_t>(kind)]), color_of(kind), LegendEntry::Sample::box,
                        Marker::circle, false});
  return legend;
}

// One line a row with a file of its own, for which `bars` gives anything.
template <class Bars>
BarChart row_chart(const Study& study, std::string title, std::string axis_title, Bars&& bars) {
  BarChart chart;
  chart.title = std::move(title);
  chart.axis_title = std::move(axis_title);
  for (const Row& row : study.rows) {
    if (!row.same_as.empty()) continue;
    std::vector<Bar> all = bars(row);
    if (!all.empty()) chart.rows.push_back({row.name, std::move(all)});
  }
  chart.legend = kind_legend(study.rows);
  return chart;
}

inline double error_or_zero(double error) { return known(error) ? error : 0.0; }

// Training and validation values of all curves, the former dashed.
template <class Training, class Validation>
LineChart epochs_chart(const Study& study, Training&& training, Validation&& validation) {
  LineChart chart;
  chart.x_title = "epoch";
  constexpr int colors[] = {0, 1, 2, 3, 4, 5, 6, 7};
  bool any_training = false, any_validation = false;
  for (std::size_t i = 0; i < study.curves.size(); ++i) {
    const int color = colors[i % 8];
    LineSeries dashed{study.curves[i].name + ", training", color, true, {}};
    LineSeries solid{study.curves[i].name + ", validation", color, false, {}};
    for (const CurvePoint& point : study.curves[i].points) {
      if (known(training(point))) dashed.points.emplace_back(point.epoch, training(point)), any_training = true;
      if (known(validation(point))) solid.points.emplace_back(point.epoch, validation(point)), any_validation = true;
    }
    if (dashed.points.empty() && solid.points.empty()) continue;
    chart.series.push_back(std::move(dashed));
    chart.series.push_back(std::move(solid));
    chart.legend.push_back({study.curves[i].name, color, LegendEntry::Sample::line, Marker::circle, false});
  }
  if (any_training && any_validation)
    chart.legend.push_back({"dashed: training", 6, LegendEntry::Sample::dashed_line, Marker::circle, false});
  return chart;
}

}  // namespace detail

inline std::string accuracy_chart(const Study& study) {
  BarChart chart =
      detail::row_chart(study, "Accuracy of each model", "accuracy on the test images, %", [](const Row& row) {
        std::vector<Bar> bars;
        if (known(row.accuracy))
          bars.push_back({row.accuracy, detail::error_or_zero(row.standard_error), fixed(100.0 * row.accuracy, 2),
                          detail::color_of(row.kind), false});
        return bars;
      });
  chart.factor = 100.0;
  chart.limit = 1.0;
  return bar_chart(chart);
}

inline std::string difference_chart(const Study& study) {
  BarChart chart = detail::row_chart(
      study, "Accuracy against the float model", "accuracy minus the float model's, points", [](const Row& row) {
        std::vector<Bar> bars;
        if (known(row.difference_to_control))
          bars.push_back({row.difference_to_control, detail::error_or_zero(row.difference_standard_error),
                          signed_fixed(100.0 * row.difference_to_control, 2), detail::color_of(row.kind), false});
        return bars;
      });
  chart.factor = 100.0;
  // The axis is for the models that are close; one that collapsed must not squeeze them.
  std::vector<double> reaches;
  for (const BarRow& row : chart.rows) reaches.push_back(std::abs(row.bars[0].value) + row.bars[0].error);
  std::sort(reaches.begin(), reaches.end());
  if (!reaches.empty()) chart.limit = std::max(0.01, 4.0 * quantile(reaches, 0.5));
  return dot_chart(chart);
}

inline std::string size_chart(const Study& study) {
  BarChart chart = detail::row_chart(study, "Size of each model's file", "file, MB", [](const Row& row) {
    std::vector<Bar> bars;
    if (row.size_bytes > 0)
      bars.push_back(
          {static_cast<double>(row.size_bytes), 0.0, bytes_text(row.size_bytes), detail::color_of(row.kind), false});
    return bars;
  });
  chart.factor = 1e-6;
  if (study.machine.threads > 1) chart.bar_height = 28.0;  // as high as its neighbour, the latencies
  return bar_chart(chart);
}

inline std::string latency_chart(const Study& study) {
  const std::string threads = std::to_string(study.machine.threads) + " threads";
  const bool both = study.machine.threads > 1;
  BarChart chart =
      detail::row_chart(study, "Latency of one image", "median time of one image, ms", [&](const Row& row) {
        std::vector<Bar> bars;
        if (known(row.latency_ms_1t))
          bars.push_back({row.latency_ms_1t, 0.0, three_digits(row.latency_ms_1t), detail::color_of(row.kind), false});
        if (known(row.latency_ms_mt) && both)
          bars.push_back({row.latency_ms_mt, 0.0, three_digits(row.latency_ms_mt), detail::color_of(row.kind), true});
        return bars;
      });
  if (both) chart.legend.push_back({"pale: " + threads, 6, LegendEntry::Sample::box, Marker::circle, true});
  return bar_chart(chart);
}

inline std::string loss_chart(const Study& study) {
  LineChart chart = detail::epochs_chart(
      study, [](const CurvePoint& point) { return point.loss; },
      [](const CurvePoint& point) { return point.validation_loss; });
  chart.title = "Loss while training";
  chart.y_title = "cross-entropy";
  return line_chart(chart);
}

inline std::string training_accuracy_chart(const Study& study) {
  LineChart chart = detail::epochs_chart(
      study, [](const CurvePoint& point) { return point.accuracy; },
      [](const CurvePoint& point) { return point.validation_accuracy; });
  chart.title = "Accuracy while training";
  chart.y_title = "accuracy, %";
  chart.y_factor = 100.0;
  return line_chart(chart);
}

inline std::string quality_chart(const Study& study) {
  LayerChart chart;
  chart.title = "Signal to quantization noise, layer by layer";
  chart.y_title = "signal to quantization noise, dB";
  chart.layers = layer_names(study.quality);
  constexpr int colors[] = {2, 1, 4, 3, 0};
  for (std::size_t i = 0; i < study.quality.size(); ++i) {
    LayerSeries series{study.quality[i].model, colors[i % 5], {}};
    for (const std::string& name : chart.layers) {
      const LayerQuality* layer = find_layer(study.quality[i], name);
      series.values.push_back(layer == nullptr ? kUnknown : layer->sqnr_db);
    }
    chart.series.push_back(std::move(series));
  }
  return chart.layers.empty() ? "" : layer_chart(chart);
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_STUDY_CHARTS_HPP_
