// examples/study/findings.hpp: what the report shows beside the rows: layers, weight ranges, samples, checks.
#ifndef OCTAVO_EXAMPLES_STUDY_FINDINGS_HPP_
#define OCTAVO_EXAMPLES_STUDY_FINDINGS_HPP_

#include <algorithm>
#include <cstdint>
#include <map>
#include <octavo/compress/fold.hpp>
#include <octavo/octavo.hpp>
#include <octavo/report/study.hpp>
#include <octavo/report/text.hpp>
#include <string>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "images.hpp"
#include "options.hpp"

namespace study {

namespace report = oc::report;

// The first `n` images of a dataset as one batch.
inline oc::Tensor first_images(const oc::Dataset& dataset, std::int64_t n) {
  std::vector<std::int64_t> indices;
  const std::int64_t count = std::min(n, dataset.size());
  for (std::int64_t i = 0; i < count; ++i) indices.push_back(i * dataset.size() / count);
  oc::Batch batch;
  oc::load_batch(dataset, indices, batch);
  return batch.images;
}

// Layer by layer: noise against the float network `reference`; steps and saturation against `fake_quantized`, the
// graph that the program was converted from, each operator on that graph's own input.
inline report::ModelQuality layer_quality(const std::string& model, const std::string& reference_name,
                                          oc::nn::Graph& reference, oc::nn::Graph& fake_quantized,
                                          const oc::runtime::Program& program, const oc::Tensor& batch, int threads) {
  const oc::Comparison against_float = oc::compare(reference, program, batch, threads);
  const oc::Comparison against_grid = oc::compare(fake_quantized, program, batch, threads);
  report::ModelQuality quality{model, reference_name, against_float.images, {}};
  for (const auto& layer : against_float.layers) {
    report::LayerQuality one{layer.name, layer.kind, layer.sqnr_db, report::kUnknown, report::kUnknown};
    for (const auto& same : against_grid.layers) {
      if (same.name != layer.name || same.output != layer.output) continue;
      one.largest_step = same.max_steps;
      one.saturated = same.saturated_low + same.saturated_high;
    }
    quality.layers.push_back(std::move(one));
  }
  return quality;
}

// Smallest and largest weight of each channel of the depthwise layers, batch norm folded in.
inline std::vector<report::ChannelRanges> depthwise_ranges(const oc::nn::Graph& graph) {
  std::vector<report::ChannelRanges> all;
  for (const oc::compress::FoldedOp& op : oc::compress::fold(graph)) {
    if (op.op.kind != oc::runtime::OpKind::depthwise_conv2d) continue;
    const std::vector<float> kernel = oc::compress::folded_kernel(graph, op);
    const std::size_t channels = op.gain.size();
    report::ChannelRanges ranges{op.op.name, std::vector<float>(channels), std::vector<float>(channels)};
    for (std::size_t i = 0; i < kernel.size(); ++i) {  // channels are innermost
      const std::size_t c = i % channels;
      ranges.low[c] = i < channels ? kernel[i] : std::min(ranges.low[c], kernel[i]);
      ranges.high[c] = i < channels ? kernel[i] : std::max(ranges.high[c], kernel[i]);
    }
    all.push_back(std::move(ranges));
  }
  return all;
}

inline report::Sample sample_of(const oc::Dataset& dataset, std::size_t i,
                                const std::vector<std::pair<std::string, const Answers*>>& models) {
  const auto index = static_cast<std::int64_t>(i);
  const auto name_of = [&](std::int32_t label) { return dataset.class_names()[static_cast<std::size_t>(label)]; };
  report::Sample sample;
  sample.name = dataset.name(index);
  sample.truth = name_of(dataset.label(index));
  const oc::Image picture = dataset.preview(index);
  constexpr int side = 200;
  if (picture.height <= 64 && picture.width <= 64) {
    sample.mime = "image/png";
    sample.image = oc::encode_png(picture.view());
  } else {
    sample.image = oc::encode_jpeg(oc::resize_image(picture.view(), side, side).view(), 80);
  }
  for (const auto& [model, answers] : models)
    sample.predictions.push_back(
        {model, name_of(answers->classes[i]), static_cast<double>(answers->probabilities[i]), answers->right(i)});
  return sample;
}

// The first test image of each class, and then the first ones on which the models do not agree: up to `most` in all.
inline std::vector<report::Sample> choose_samples(const oc::Dataset& dataset,
                                                  const std::vector<std::pair<std::string, const Answers*>>& models,
                                                  std::size_t most) {
  std::vector<std::size_t> chosen;
  std::vector<char> seen(dataset.class_names().size(), 0);
  const auto size = static_cast<std::size_t>(dataset.size());
  for (std::size_t i = 0; i < size && chosen.size() < most; ++i) {
    char& class_seen = seen[static_cast<std::size_t>(dataset.label(static_cast<std::int64_t>(i)))];
    if (class_seen == 0) chosen.push_back(i);
    class_seen = 1;
  }
  for (std::size_t i = 0; i < size && chosen.size() < most; ++i) {
    bool differ = false;
    for (const auto& model : models) differ = differ || model.second->classes[i] != models[0].second->classes[i];
    if (differ && std::find(chosen.begin(), chosen.end(), i) == chosen.end()) chosen.push_back(i);
  }
  std::vector<report::Sample> samples;
  for (const std::size_t i : chosen) samples.push_back(sample_of(dataset, i, models));
  return samples;
}

inline const report::Row& row_of(const report::Study& study, const std::string& name) {
  const report::Row* row = report::find_row(study.rows, name);
  oc::require(row != nullptr, "study: there is no row '", name, "'");
  return *row;
}

inline double size_ratio(const report::Study& study, const std::string& small) {
  return static_cast<double>(row_of(study, small).size_bytes) /
         static_cast<double>(row_of(study, "float_exported").size_bytes);
}
inline double speedup(const report::Study& study, const std::string& fast) {
  return row_of(study, "float_exported").latency_ms_1t / row_of(study, fast).latency_ms_1t;
}

inline void add_headlines(report::Study& study) {
  const report::Row& tuned = row_of(study, "float_finetuned");
  const report::Row& qat = row_of(study, "qat_finetuned_int8");
  const report::Row& ptq = row_of(study, "ptq_int8");
  const report::Row& exported = row_of(study, "float_exported");
  const auto points = [](const report::Row& row) {
    return report::signed_fixed(100.0 * row.difference_to_control, 2) + " points";
  };
  const auto error = [](const report::Row& row) {
    return "± " + report::fixed(100.0 * row.difference_standard_error, 2) + " on the same " + report::grouped(row.n) +
           " images";
  };
  study.headlines = {
      {report::percent(qat.accuracy, 1), "int8 accuracy (QAT)",
       "float " + report::percent(tuned.accuracy, 1) + ", s.e. " + report::fixed(100.0 * tuned.standard_error, 1)},
      {points(qat), "QAT int8 against float", error(qat)},
      {points(ptq), "full-integer PTQ against float", error(ptq)},
      {report::fixed(size_ratio(study, qat.name), 2), "of the float file",
       report::bytes_text(qat.size_bytes) + " instead of " + report::bytes_text(exported.size_bytes)},
      {report::fixed(speedup(study, qat.name), 1) + "×", "as fast as float",
       report::three_digits(qat.latency_ms_1t) + " instead of " + report::three_digits(exported.latency_ms_1t) +
           " ms, 1 thread"}};
}

// The bars of the preset. Smoke has none: its numbers mean nothing.
inline void add_checks(report::Study& study, const Options& options) {
  if (options.preset == Preset::smoke) return;
  const auto at_least = [&](const std::string& row, double wanted) {
    const double accuracy = row_of(study, row).accuracy;
    study.checks.push_back({"accuracy of " + row, "at least " + report::percent(wanted, 0), report::percent(accuracy),
                            accuracy >= wanted});
  };
  const auto close = [&](const std::string& row, double points) {
    const double lost = -100.0 * row_of(study, row).difference_to_control;
    study.checks.push_back({row + " against " + row_of(study, row).control,
                            "at most " + report::fixed(points, 1) + " points lower",
                            report::signed_fixed(-lost, 2) + " points", lost <= points});
  };
  if (options.preset == Preset::demo) {
    at_least("float_finetuned", 0.90);
    close("ptq_int8", 0.5);
    close("qat_finetuned_int8", 0.3);
  } else {
    at_least("float_finetuned", 0.85);
    at_least("qat_finetuned_int8", 0.85);
    close("qat_finetuned_int8", 0.5);
    close("ptq_int8", 1.0);
  }
  const double ratio = size_ratio(study, "qat_finetuned_int8"), times = speedup(study, "qat_finetuned_int8");
  study.checks.push_back({"int8 file against float_exported", "at most 0.30", report::fixed(ratio, 3), ratio <= 0.30});
  study.checks.push_back({"int8 against float_exported, one image, 1 thread", "at least 2 times as fast",
                          report::fixed(times, 2) + " times", times >= 2.0});
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_FINDINGS_HPP_
