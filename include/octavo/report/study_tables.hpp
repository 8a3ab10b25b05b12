// octavo/report/study_tables.hpp: the tables of a study: results, layer by layer, checks.
#ifndef OCTAVO_REPORT_STUDY_TABLES_HPP_
#define OCTAVO_REPORT_STUDY_TABLES_HPP_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "study.hpp"
#include "table.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// Every column; the best value of a column is strong. `narrow`, for terminals, joins the two precisions and leaves out
// the training time and the kind of quantization.
Table results_table(const Study& study, bool narrow = false);

// One line a layer, in order of execution; signal to quantization noise of each model.
Table quality_table(const Study& study);

Table checks_table(const std::vector<Check>& checks);

// All layers' names in order: those of the first model, then what later ones add, behind the layer they follow.
std::vector<std::string> layer_names(const std::vector<ModelQuality>& quality);

namespace detail {

inline std::string or_nothing(double value, std::string text) {
  return known(value) ? std::move(text) : std::string(kNothing);
}

// The rows whose value, as written, is the best. Rows that stand for another one's file do not compete.
template <class Value>
std::vector<bool> best_rows(const std::vector<Row>& rows, bool smallest, Value&& value) {
  double best = kUnknown;
  for (const Row& row : rows) {
    const double one = value(row);
    if (!known(one) || !row.same_as.empty()) continue;
    if (!known(best) || (smallest ? one < best : one > best)) best = one;
  }
  std::vector<bool> marks;
  for (const Row& row : rows) marks.push_back(row.same_as.empty() && known(value(row)) && value(row) == best);
  return marks;
}

inline std::string difference_text(const Row& row) {
  if (!known(row.difference_to_control)) return std::string(kNothing);
  std::string text = signed_fixed(100.0 * row.difference_to_control, 2);
  if (known(row.difference_standard_error)) text += " ± " + fixed(100.0 * row.difference_standard_error, 2);
  return text;
}

inline std::string latency_text(double milliseconds) { return or_nothing(milliseconds, three_digits(milliseconds)); }

}  // namespace detail

inline Table results_table(const Study& study, bool narrow) {
  const std::vector<Row>& rows = study.rows;
  const auto accuracy = detail::best_rows(rows, false, [](const Row& row) { return row.accuracy; });
  const auto size = detail::best_rows(
      rows, true, [](const Row& row) { return row.size_bytes > 0 ? static_cast<double>(row.size_bytes) : kUnknown; });
  const auto one = detail::best_rows(rows, true, [](const Row& row) { return row.latency_ms_1t; });
  const auto many = detail::best_rows(rows, true, [](const Row& row) { return row.latency_ms_mt; });
  const auto rate = detail::best_rows(rows, false, [](const Row& row) { return row.images_per_second; });

  const std::string threads =
      std::to_string(study.machine.threads) + (study.machine.threads == 1 ? " thread" : " threads");
  std::vector<Column> columns = {
      {"model", Align::left, true},       {"accuracy %", Align::right},     {"± s.e.", Align::right},
      {"vs float, points", Align::right}, {"agreement %", Align::right},    {"size", Align::right},
      {"ms, 1 thread", Align::right},     {"ms, " + threads, Align::right}, {"images/s", Align::right}};
  if (narrow) {
    columns.push_back({"weights/activations", Align::left});
  } else {
    columns.push_back({"training", Align::right});
    columns.push_back({"weights", Align::left});
    columns.push_back({"activations", Align::left});
    columns.push_back({"quantization", Align::left});
  }

  Table table(std::move(columns));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    std::vector<Cell> cells = {
        {row.name, false},
        {detail::or_nothing(row.accuracy, fixed(100.0 * row.accuracy, 2)), accuracy[i]},
        {detail::or_nothing(row.standard_error, fixed(100.0 * row.standard_error, 2)), false},
        {detail::difference_text(row), false},
        {detail::or_nothing(row.agreement_with_parent, fixed(100.0 * row.agreement_with_parent, 2)), false},
        {row.size_bytes > 0 ? bytes_text(row.size_bytes) : std::string(kNothing), size[i]},
        {detail::latency_text(row.latency_ms_1t), one[i]},
        {detail::latency_text(row.latency_ms_mt), many[i]},
        {detail::or_nothing(row.images_per_second, three_digits(row.images_per_second)), rate[i]}};
    const std::string quantization = row.same_as.empty() ? row.quantization : "= " + row.same_as;
    if (narrow) {
      cells.push_back({row.same_as.empty() ? row.weights + " / " + row.activations : quantization, false});
    } else {
      cells.push_back({row.train_seconds > 0.0 ? duration_text(row.train_seconds) : std::string(kNothing), false});
      cells.push_back({row.weights, false});
      cells.push_back({row.activations, false});
      cells.push_back({quantization, false});
    }
    table.add(std::move(cells));
  }
  return table;
}

inline std::vector<std::string> layer_names(const std::vector<ModelQuality>& quality) {
  std::vector<std::string> names;
  for (const ModelQuality& model : quality) {
    auto after = names.begin();  // where the next new name goes
    for (const LayerQuality& layer : model.layers) {
      const auto found = std::find(names.begin(), names.end(), layer.layer);
      after = found != names.end() ? found + 1 : names.insert(after, layer.layer) + 1;
    }
  }
  return names;
}

inline const LayerQuality* find_layer(const ModelQuality& quality, const std::string& name) {
  for (const LayerQuality& layer : quality.layers)
    if (layer.layer == name) return &layer;
  return nullptr;
}

inline Table quality_table(const Study& study) {
  std::vector<Column> columns = {{"layer", Align::left, true}, {"kind", Align::left}};
  for (const ModelQuality& model : study.quality) {
    columns.push_back({model.model + ", dB", Align::right});
    columns.push_back({"largest step", Align::right});
    columns.push_back({"at the ends", Align::right});
  }
  Table table(std::move(columns));
  for (const std::string& name : layer_names(study.quality)) {
    std::vector<std::string> cells = {name, ""};
    for (const ModelQuality& model : study.quality) {
      const LayerQuality* layer = find_layer(model, name);
      if (layer == nullptr) {
        cells.insert(cells.end(), 3, std::string(kNothing));
        continue;
      }
      cells[1] = layer->kind;
      cells.push_back(detail::or_nothing(layer->sqnr_db, fixed(layer->sqnr_db, 1)));
      cells.push_back(detail::or_nothing(layer->largest_step, three_digits(layer->largest_step)));
      cells.push_back(detail::or_nothing(layer->saturated, percent(layer->saturated)));
    }
    table.add_text(std::move(cells));
  }
  return table;
}

inline Table checks_table(const std::vector<Check>& checks) {
  Table table({{"what", Align::left}, {"asked", Align::left}, {"measured", Align::left}, {"met", Align::left}});
  for (const Check& check : checks)
    table.add(
        {{check.what, false}, {check.asked, false}, {check.measured, false}, {check.met ? "yes" : "no", !check.met}});
  return table;
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_STUDY_TABLES_HPP_
