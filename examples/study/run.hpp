// examples/study/run.hpp: the whole road: train, quantize, convert, measure, report.
#ifndef OCTAVO_EXAMPLES_STUDY_RUN_HPP_
#define OCTAVO_EXAMPLES_STUDY_RUN_HPP_

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <octavo/octavo.hpp>
#include <octavo/report/study_report.hpp>
#include <string>
#include <utility>
#include <vector>

#include "findings.hpp"
#include "images.hpp"
#include "network.hpp"
#include "options.hpp"
#include "rows.hpp"
#include "stages.hpp"
#include "training.hpp"

namespace study {

// The trained graphs that the rows are made of.
struct TrainedGraphs {
  TrainedGraph first, tuned, qat, qat_from_scratch;
};

inline TrainedGraphs train_all(const Options& options, const Images& images, const TrainingRoom& room) {
  const oc::nn::Graph start = start_network(options, images);
  TrainedGraphs all;

  all.first.graph = start;
  if (options.pretrained()) {
    all.first.graph.freeze();
    all.first.graph.unfreeze(head_prefix(options));
  }
  all.first = room.train("float", "first", std::move(all.first), options.first, options.patience);
  all.first.graph.unfreeze();

  TrainedGraph common = all.first;
  common.curve = {};
  common.seconds = 0.0;
  if (options.tune.epochs > 0) common = room.train("float_finetuned", "tune", std::move(common), options.tune);

  all.qat = common;
  all.qat.graph = oc::quantize_model(common.graph);
  all.tuned = room.train("float_finetuned", "settle", std::move(common), options.settle);
  all.qat = room.train("qat_finetuned", "settle", std::move(all.qat), options.settle);

  all.qat_from_scratch.graph = oc::quantize_model(start);
  all.qat_from_scratch = room.train("qat_from_scratch", "scratch", std::move(all.qat_from_scratch), options.scratch);
  all.qat_from_scratch = room.train("qat_from_scratch", "settle", std::move(all.qat_from_scratch), options.settle);
  return all;
}

inline oc::nn::Graph calibrated(const Options& options, const Images& images, const oc::nn::Graph& graph) {
  oc::CalibrationOptions calibration;
  calibration.images = options.calibration_images;
  calibration.batch_norm_batches = 20;
  calibration.batch_size = options.batch_size;
  if (options.threads > 0) calibration.threads = options.threads;
  return oc::calibrate(graph, images.splits.train, calibration);
}

// The float network inside a quantization-aware one.
inline oc::nn::Graph float_inside(const Options& options, oc::nn::Graph& quantized, std::int64_t classes) {
  oc::nn::Graph graph = build_network(options, classes);
  graph.copy_parameters_from(quantized);
  return graph;
}

inline void add_graph_rows(const Options& options, TrainedGraphs& all, RowBuilder& rows) {
  using report::RowKind;
  const bool pretrained = options.pretrained();
  rows.add({.name = "float",
            .notes = pretrained ? "Backbone frozen, head trained." : "All layers trained from random weights."},
           all.first, all.first.seconds);
  rows.add({.name = "float_finetuned",
            .parent = "float",
            .notes = "The control: trained on from float, all layers, for as long as qat_finetuned and by the same "
                     "recipe, but in float."},
           all.tuned, all.tuned.seconds);
  rows.add({.name = "qat_finetuned",
            .kind = RowKind::fake_quantized,
            .parent = "float_finetuned",
            .control = "float_finetuned",
            .weights = "fake int8",
            .activations = "fake int8",
            .quantization = "QAT",
            .notes = "As float_finetuned, with quantization simulated in the last " +
                     std::to_string(options.settle.epochs) + " epochs."},
           all.qat, all.qat.seconds);
  rows.add({.name = "qat_from_scratch",
            .kind = RowKind::fake_quantized,
            .parent = "float_finetuned",
            .control = "float_finetuned",
            .weights = "fake int8",
            .activations = "fake int8",
            .quantization = "QAT",
            .notes = std::string("Quantization simulated from the first step on, starting from ") +
                     (pretrained ? "the pretrained backbone and a random head." : "random weights.")},
           all.qat_from_scratch, all.qat_from_scratch.seconds);
}

inline RowPlan int8_plan(std::string name, std::string parent, std::string control, std::string how) {
  return {.name = std::move(name),
          .kind = report::RowKind::int8,
          .parent = std::move(parent),
          .control = std::move(control),
          .weights = "int8, per channel",
          .activations = "int8",
          .quantization = std::move(how),
          .notes = ""};
}

inline RowPlan dynamic_plan(std::string name, std::string weights, std::string notes) {
  return {.name = std::move(name),
          .kind = report::RowKind::dynamic_range,
          .parent = "float_finetuned",
          .control = "float_finetuned",
          .weights = std::move(weights),
          .activations = "float32",
          .quantization = "PTQ, dynamic",
          .notes = std::move(notes)};
}

// Converts, saves, loads and measures; returns what the layers lost.
inline std::vector<report::ModelQuality> add_program_rows(const Options& options, const Images& images,
                                                          TrainedGraphs& all, RowBuilder& rows) {
  const std::int64_t classes = images.splits.train.classes();
  rows.add({.name = "float_exported",
            .parent = "float_finetuned",
            .control = "float_finetuned",
            .notes = "float_finetuned, batch norm folded, in the deployment runtime: the yardstick of size and speed."},
           oc::export_float(all.tuned.graph));
  rows.add(dynamic_plan("ptq_dynamic_range", "int8, per channel",
                        "Weights in 8 bits; activations are quantized image by image while running."),
           oc::dynamic_range(all.tuned.graph));
  rows.add(dynamic_plan("ptq_dynamic_range_per_tensor", "int8, per tensor",
                        "The same with one scale for each whole kernel, as converters did in 2020: what depthwise "
                        "layers lose by it is the subject of the chart of weight ranges."),
           oc::dynamic_range(all.tuned.graph, {.per_channel = false}));

  oc::nn::Graph ptq = calibrated(options, images, all.tuned.graph);
  const oc::runtime::Program ptq_program = oc::convert(ptq);
  RowPlan ptq_plan = int8_plan("ptq_int8", "float_finetuned", "float_finetuned", "PTQ, integer");
  ptq_plan.notes = "Ranges of least squared error on " + std::to_string(options.calibration_images) +
                   " training images, and batch norm statistics measured anew with quantized weights; no labels, no "
                   "gradients.";
  rows.add(ptq_plan, ptq_program);
  const oc::nn::Graph ptq_first = calibrated(options, images, all.first.graph);
  rows.add(int8_plan("ptq_int8_from_float", "float", "float", "PTQ, integer"), oc::convert(ptq_first));
  const oc::runtime::Program qat_program = oc::convert(all.qat.graph);
  rows.add(int8_plan("qat_finetuned_int8", "qat_finetuned", "float_finetuned", "QAT, integer"), qat_program);
  rows.add(int8_plan("qat_from_scratch_int8", "qat_from_scratch", "float_finetuned", "QAT, integer"),
           oc::convert(all.qat_from_scratch.graph));

  headline("layer by layer");
  const oc::Tensor batch = first_images(images.splits.test, options.compared_images);
  oc::nn::Graph qat_float = float_inside(options, all.qat.graph, classes);
  return {layer_quality("qat_finetuned_int8", "its own weights in float", qat_float, all.qat.graph, qat_program, batch,
                        rows.threads()),
          layer_quality("ptq_int8", "float_finetuned", all.tuned.graph, ptq, ptq_program, batch, rows.threads())};
}

inline void add_choices(RowBuilder& rows) {
  const auto size = [](const report::Row& row) { return static_cast<double>(row.size_bytes); };
  const auto latency = [](const report::Row& row) { return row.latency_ms_1t; };
  const std::vector<std::string> ptq = {"ptq_int8", "ptq_dynamic_range"};
  rows.add_choice("ptq_optimize_for_size", ptq,
                  "The smallest file with 8-bit weights, one scale a channel, made from float_finetuned.", size);
  rows.add_choice("ptq_optimize_for_latency", ptq,
                  "The fastest model made from float_finetuned, measured here: one image, 1 thread.", latency);
  const std::vector<std::string> qat = {"qat_finetuned_int8"};
  const std::string same =
      "QAT trains weights and activations for 8 bits, so there is one model to convert to: size and latency are the "
      "same file.";
  rows.add_choice("qat_optimize_for_size", qat, same, size);
  rows.add_choice("qat_optimize_for_latency", qat, same, latency);
}

inline std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

inline void print_result(const report::Study& result, const std::vector<std::string>& reports) {
  std::cout << '\n'
            << result.title << "\n"
            << report::describe(result.machine) << ", " << result.machine.compiler << "; n = " << result.dataset.test
            << " test images; " << result.command << "\n\n"
            << report::results_table(result, /*narrow=*/true).text(isatty(STDOUT_FILENO) != 0) << '\n';
  if (!result.checks.empty()) std::cout << report::checks_table(result.checks).text() << '\n';
  std::cout << "models\n";
  for (const report::Row& row : result.rows)
    if (row.same_as.empty()) std::cout << "  " << row.artefact << '\n';
  std::cout << "reports\n";
  for (const std::string& path : reports) std::cout << "  " << path << '\n';
  std::cout << "took " << report::duration_text(result.total_seconds) << std::endl;
}

// Everything. `command` is shown in the report.
inline void run(const Options& options, const std::string& command) {
  const auto begin = std::chrono::steady_clock::now();
  const Images images = open_images(options);
  report::Study result;
  result.title = options.title;
  result.command = command;
  result.date = utc_now();
  result.dataset = describe(images, options);
  const Stages stages(options.out, options.resume, configuration_of(options, result.dataset));
  const TrainingRoom room(options, images, stages);
  RowBuilder rows(options, images, stages);
  result.machine = report::detect_machine(rows.threads());
  std::cout << options.title << "\n"
            << report::describe(result.machine) << '\n'
            << images.name << ": " << images.splits.train.size() << " training, " << images.splits.validation.size()
            << " validation, " << images.splits.test.size() << " test images" << std::endl;

  TrainedGraphs all = train_all(options, images, room);
  result.network = describe(all.first.graph, options);
  headline("testing on " + std::to_string(images.splits.test.size()) + " images");
  add_graph_rows(options, all, rows);
  result.quality = add_program_rows(options, images, all, rows);
  result.ranges = depthwise_ranges(all.tuned.graph);
  headline("latency");
  rows.measure_speed();
  add_choices(rows);

  result.rows = rows.rows();
  result.curves = {all.first.curve, all.tuned.curve, all.qat.curve, all.qat_from_scratch.curve};
  result.samples = choose_samples(images.splits.test,
                                  {{"float_finetuned", &rows.answers("float_finetuned")},
                                   {"ptq_int8", &rows.answers("ptq_int8")},
                                   {"qat_finetuned_int8", &rows.answers("qat_finetuned_int8")}},
                                  24);
  result.summary =
      "One network, trained in float, and made int8 in two ways: after training (PTQ), and with quantization simulated "
      "while it trains (QAT). Every model is saved, loaded and tested on the same images.";
  add_headlines(result);
  add_checks(result, options);
  result.notes = {
      "float_finetuned and qat_finetuned have the same start, the same training images in the same order, the same "
      "number "
      "of epochs and the same learning rates; they differ in the simulated quantization alone.",
      "For graphs in training form (float, float_finetuned, qat_...) size is that of the checkpoint without optimizer, "
      "and latency that of the training code in inference mode.",
      "optimize_for_size and optimize_for_latency: the best of the candidates by measured size and by measured "
      "latency. "
      "Where both mean the same file, the rows say so and repeat its numbers."};
  result.total_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  print_result(result, report::write_report(options.out, result));
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_RUN_HPP_
