// octavo/report/study_report.hpp: writes a study as report.json, report.md and report.html.
#ifndef OCTAVO_REPORT_STUDY_REPORT_HPP_
#define OCTAVO_REPORT_STUDY_REPORT_HPP_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../io/file.hpp"
#include "html.hpp"
#include "study.hpp"
#include "study_charts.hpp"
#include "study_json.hpp"
#include "study_tables.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

std::string study_markdown(const Study& study);
std::string study_html(const Study& study);

// Makes the folder and writes the three files, each atomically. Returns their paths.
inline std::vector<std::string> write_report(const std::string& folder, const Study& study) {
  io::make_directories(folder);
  const std::vector<std::string> paths = {folder + "/report.json", folder + "/report.md", folder + "/report.html"};
  io::write_file(paths[0], to_json(study).dump(3) + "\n");
  io::write_file(paths[1], study_markdown(study));
  io::write_file(paths[2], study_html(study));
  return paths;
}

namespace detail {

// What was measured, where and how: the lines on top of the report.
inline std::vector<std::pair<std::string, std::string>> facts(const Study& study) {
  const Machine& machine = study.machine;
  const DatasetInfo& data = study.dataset;
  std::vector<std::pair<std::string, std::string>> all;
  const auto add = [&](std::string name, std::string text) {
    if (!text.empty()) all.emplace_back(std::move(name), std::move(text));
  };
  std::string where = describe(machine);
  if (machine.memory_gb > 0.0) where += ", " + fixed(machine.memory_gb, 0) + " GB memory";
  add("Machine", where);
  std::string built = "Octavo " + machine.version + ", " + machine.compiler + ", threads by " + machine.threading;
  if (!machine.system.empty()) built += ", " + machine.system;
  add("Built with", built);
  add("Network", study.network);
  if (data.classes.empty())
    add("Images", data.name + ", n = " + grouped(data.test));
  else
    add("Dataset", data.name + ", " + std::to_string(data.classes.size()) + " classes: " + grouped(data.train) +
                       " images to train, " + grouped(data.validation) + " to validate, " + grouped(data.test) +
                       " to test (n)");
  add("Input", data.input.to_string() + (data.preprocessing.empty() ? "" : ", " + data.preprocessing));
  add("Command", study.command);
  add("Date", study.date);
  if (known(study.total_seconds)) add("Took", duration_text(study.total_seconds));
  return all;
}

inline std::vector<std::string> reading_notes(const Study& study) {
  std::vector<std::string> notes = {
      "All rows were measured on the same test images. s.e. is the standard error of an accuracy, sqrt(p(1-p)/n): two "
      "models whose accuracies differ by less than two of them may well be equally good.",
      "vs float compares a model with the float model of the same training, image by image; only images on which "
      "exactly one of the two is right count, so its error is smaller than that of the accuracies themselves. "
      "Agreement "
      "is the share of test images on which a model gives the same class, right or wrong, as its parent: the model "
      "that "
      "it was made from.",
      "= and a name in the last column: this row is the very same file as that one; its numbers are repeated.",
      "Latency is the median time of one image; the models took turns within one run, so that a change of the "
      "machine's "
      "clock meets all of them. images/s is the rate of larger batches with all threads."};
  notes.insert(notes.end(), study.notes.begin(), study.notes.end());
  return notes;
}

}  // namespace detail

inline std::string study_markdown(const Study& study) {
  std::string text = "# " + study.title + "\n\n";
  if (!study.summary.empty()) text += study.summary + "\n\n";
  for (const auto& [name, value] : detail::facts(study)) {
    const bool code = name == "Command";
    text += "- " + name + ": " + (code ? std::string("`").append(value).append("`") : value) + "\n";
  }
  text += "\n## Results\n\nn = " + grouped(study.dataset.test) + "\n\n" + results_table(study).markdown();
  std::string remarks;
  for (const Row& row : study.rows)
    if (!row.notes.empty()) remarks += "- `" + row.name + "`: " + row.notes + "\n";
  if (!remarks.empty()) text += "\n" + remarks;
  if (!study.checks.empty()) text += "\n## Checks\n\n" + checks_table(study.checks).markdown();
  text += "\n## How to read it\n\n";
  for (const std::string& note : detail::reading_notes(study)) text += "- " + note + "\n";
  if (!study.quality.empty()) text += "\n## Layer by layer\n\n" + quality_table(study).markdown();
  return text;
}

namespace detail {

inline void add_header(HtmlPage& page, const Study& study) {
  page.html("<header><h1>" + escape(study.title) + "</h1>\n");
  if (!study.summary.empty()) page.html("<p class=\"lead\">" + escape(study.summary) + "</p>\n");
  if (!study.headlines.empty()) {
    page.open_grid("tiles");
    for (const Headline& one : study.headlines)
      page.html("<div class=\"tile\"><b>" + escape(one.value) + "</b><span>" + escape(one.label) + "</span><small>" +
                escape(one.detail) + "</small></div>\n");
    page.close();
  }
  page.html("<dl class=\"facts\">");
  for (const auto& [name, value] : facts(study)) {
    const std::string safe = escape(value);
    page.html("<dt>" + escape(name) + "</dt><dd>" + (name == "Command" ? "<code>" + safe + "</code>" : safe) +
              "</dd>\n");
  }
  page.html("</dl></header>\n");
}

inline void add_checks(HtmlPage& page, const Study& study) {
  if (study.checks.empty()) return;
  page.html(
      "<div class=\"scroll card\" style=\"margin-top:16px\"><table><thead><tr><th scope=\"col\">Check</th>"
      "<th scope=\"col\">asked</th><th scope=\"col\">measured</th><th scope=\"col\"></th></tr></thead><tbody>\n");
  for (const Check& check : study.checks)
    page.html("<tr><th scope=\"row\">" + escape(check.what) + "</th><td>" + escape(check.asked) + "</td><td>" +
              escape(check.measured) + "</td><td><span class=\"chip " + (check.met ? "yes\">met" : "no\">not met") +
              "</span></td></tr>\n");
  page.html("</tbody></table></div>\n");
}

inline void add_row_notes(HtmlPage& page, const Study& study) {
  std::string items;
  for (const Row& row : study.rows)
    if (!row.notes.empty()) items += "<li><code>" + escape(row.name) + "</code>: " + escape(row.notes) + "</li>\n";
  if (!items.empty())
    page.html(
        "<details class=\"card\" style=\"margin-top:16px\"><summary>What each row is</summary><ul "
        "style=\"padding:0 18px 8px 36px\">" +
        items + "</ul></details>\n");
}

inline void add_samples(HtmlPage& page, const Study& study) {
  if (study.samples.empty()) return;
  page.heading("Sample images", "samples");
  page.paragraph("The true class in bold; below, each model's answer with its probability: ✓ right, ✗ wrong.");
  page.open_grid("photos");
  for (const Sample& sample : study.samples) {
    const bool small = sample.mime == "image/png";  // tiny pictures are kept exact, and shown as pixels
    page.html("<div class=\"photo" + std::string(small ? " pixels" : "") + "\">" +
              image_html(sample.image, sample.mime, sample.truth + ", " + sample.name) + "<div><span class=\"truth\">" +
              escape(sample.truth) + "</span>\n");
    for (const Prediction& one : sample.predictions)
      page.html("<div class=\"answer " + std::string(one.correct ? "right" : "wrong") +
                "\" style=\"padding:0\"><span>" + (one.correct ? "✓" : "✗") + "</span><span>" + escape(one.label) +
                "</span><span>" + (known(one.probability) ? percent(one.probability, 0) : "") + "</span><small>" +
                escape(one.model) + "</small></div>\n");
    page.html("</div></div>\n");
  }
  page.close();
}

// The layer whose channels share its range worst: the smallest median of relative magnitudes.
inline const ChannelRanges* most_unequal(const std::vector<ChannelRanges>& layers) {
  const ChannelRanges* worst = nullptr;
  double lowest = 2.0;
  for (const ChannelRanges& one : layers) {
    const auto all = relative_magnitudes(one);
    if (all.empty() || quantile(all, 0.5) >= lowest) continue;
    lowest = quantile(all, 0.5);
    worst = &one;
  }
  return worst;
}

inline void add_ranges(HtmlPage& page, const Study& study) {
  const ChannelRanges* worst = most_unequal(study.ranges);
  if (worst == nullptr) return;
  page.heading("Weight ranges of the depthwise layers", "ranges");
  page.open_grid("one");
  page.figure("Largest weight of each channel, relative to its layer's largest", range_boxes(study.ranges, 0),
              "Boxes: the middle half of the channels, with the median; lines: smallest to largest. Batch norm is "
              "folded in. One scale for the whole layer is set by the largest channel: a channel at 1/16 keeps 4 of 8 "
              "bits. This is why per-tensor weights lose so much here, and why each channel gets its own scale.");
  page.figure("The layer with the most unequal channels: " + worst->layer, channel_bars(*worst, 0),
              "Each bar spans the smallest to the largest weight of one channel.");
  page.close();
}

}  // namespace detail

inline std::string study_html(const Study& study) {
  HtmlPage page(study.title);
  detail::add_header(page, study);

  page.heading("Results", "results");
  page.table(results_table(study));
  detail::add_row_notes(page, study);
  detail::add_checks(page, study);

  page.heading("Accuracy, size, latency", "charts");
  page.open_grid();
  page.figure("Accuracy", accuracy_chart(study), "Whiskers: one standard error on each side.");
  page.figure("What quantization changes", difference_chart(study),
              "Accuracy minus the float model's with the same training, same images, with one paired standard error. "
              "An arrow: beyond the axis.");
  page.figure("Size", size_chart(study), "Everything that is needed to run the model.");
  page.figure("Latency", latency_chart(study), "One image at a time. Shorter is better.");
  page.close();

  const std::string loss = loss_chart(study), accuracy = training_accuracy_chart(study);
  if (!loss.empty() || !accuracy.empty()) {
    page.heading("Training", "training");
    page.open_grid();
    page.figure("Accuracy", accuracy, "");
    page.figure("Loss", loss, "");
    page.close();
  }
  if (!study.quality.empty()) {
    page.heading("Layer by layer", "layers");
    page.open_grid("one");
    page.figure(
        "Signal to quantization noise", quality_chart(study),
        "How closely each layer's output follows the float model's on the same images: 20 dB is one part in ten, "
        "40 dB one in a hundred. Noise adds up along the network, so later layers are lower; a sudden fall "
        "points at the layer to look at.");
    page.close();
    page.folded_table("All layers as a table", quality_table(study));
  }
  detail::add_ranges(page, study);
  detail::add_samples(page, study);

  page.heading("How to read it", "notes");
  page.list(detail::reading_notes(study));
  return page.document();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_STUDY_REPORT_HPP_
