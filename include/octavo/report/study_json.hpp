// octavo/report/study_json.hpp: a study as report.json. The layout is part of the interface; programs read it.
//
//   {"machine": {...}, "dataset": {...}, "rows": [{"name", "accuracy", "n", "agreement_with_parent", "size_bytes",
//    "weights", "activations", "quantization", "latency_ms_1t", "latency_ms_mt", "train_seconds", ...}, ...], ...}
//
// What is unknown is null. Shares are 0..1, sizes bytes, latencies milliseconds, times seconds. Later versions may add
// members.
#ifndef OCTAVO_REPORT_STUDY_JSON_HPP_
#define OCTAVO_REPORT_STUDY_JSON_HPP_

#include <string>
#include <utility>
#include <vector>

#include "../io/json.hpp"
#include "study.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// Pictures are left out: `samples` has names, labels and answers.
io::Json to_json(const Study& study);
io::Json to_json(const Row& row);
io::Json to_json(const Curve& curve);
io::Json to_json(const ModelQuality& quality);
io::Json to_json(const Machine& machine);
io::Json to_json(const DatasetInfo& dataset);

// The reverse, for programs that go on where they stopped. Unknown members are ignored; throws where one is missing or
// of the wrong kind.
Row row_from_json(const io::Json& json);
Curve curve_from_json(const io::Json& json);
ModelQuality quality_from_json(const io::Json& json);

namespace detail {

inline io::Json number_or_null(double value) { return known(value) ? io::Json(value) : io::Json(); }
inline double number_or_unknown(const io::Json& object, std::string_view key) {
  const io::Json& value = object.at(key);
  return value.is_null() ? kUnknown : value.number();
}
inline constexpr std::string_view kRowKinds[] = {"float32", "fake_quantized", "dynamic_range", "int8"};

template <class Element>
io::Json array_of(const std::vector<Element>& elements) {
  io::Json array = io::Json(io::Json::Array());
  for (const Element& element : elements) array.add(to_json(element));  // found by the element's namespace
  return array;
}

}  // namespace detail

inline io::Json to_json(const Machine& machine) {
  io::Json json;
  json.set("cpu", machine.cpu).set("isa", machine.isa).set("processors", machine.processors);
  json.set("threads", machine.threads).set("memory_gb", machine.memory_gb).set("system", machine.system);
  json.set("compiler", machine.compiler).set("threading", machine.threading).set("octavo", machine.version);
  return json;
}

inline io::Json to_json(const DatasetInfo& dataset) {
  io::Json json;
  json.set("name", dataset.name).set("source", dataset.source).set("classes", dataset.classes);
  json.set("train", dataset.train).set("validation", dataset.validation).set("test", dataset.test);
  json.set("input", std::vector<std::int64_t>(dataset.input.begin(), dataset.input.end()));
  json.set("preprocessing", dataset.preprocessing);
  return json;
}

inline io::Json to_json(const ChannelRanges& ranges) {
  io::Json json;
  json.set("layer", ranges.layer).set("low", ranges.low).set("high", ranges.high);
  return json;
}

inline io::Json to_json(const Sample& sample) {
  io::Json json, predictions = io::Json(io::Json::Array());
  for (const Prediction& one : sample.predictions) {
    io::Json prediction;
    prediction.set("model", one.model).set("label", one.label);
    prediction.set("probability", detail::number_or_null(one.probability)).set("correct", one.correct);
    predictions.add(std::move(prediction));
  }
  json.set("name", sample.name).set("label", sample.truth).set("predictions", std::move(predictions));
  return json;
}

inline io::Json to_json(const Check& check) {
  io::Json json;
  json.set("what", check.what).set("asked", check.asked).set("measured", check.measured).set("met", check.met);
  return json;
}

inline io::Json to_json(const Row& row) {
  io::Json json;
  json.set("name", row.name).set("kind", detail::kRowKinds[static_cast<std::size_t>(row.kind)]);
  json.set("parent", row.parent).set("accuracy", detail::number_or_null(row.accuracy)).set("n", row.n);
  json.set("standard_error", detail::number_or_null(row.standard_error));
  json.set("agreement_with_parent", detail::number_or_null(row.agreement_with_parent));
  json.set("control", row.control);
  json.set("difference_to_control", detail::number_or_null(row.difference_to_control));
  json.set("difference_standard_error", detail::number_or_null(row.difference_standard_error));
  json.set("size_bytes", row.size_bytes > 0 ? io::Json(row.size_bytes) : io::Json());
  json.set("weights", row.weights).set("activations", row.activations).set("quantization", row.quantization);
  json.set("latency_ms_1t", detail::number_or_null(row.latency_ms_1t));
  json.set("latency_ms_mt", detail::number_or_null(row.latency_ms_mt));
  json.set("images_per_second", detail::number_or_null(row.images_per_second));
  json.set("train_seconds", detail::number_or_null(row.train_seconds));
  json.set("artefact", row.artefact).set("same_as", row.same_as).set("notes", row.notes);
  return json;
}

inline Row row_from_json(const io::Json& json) {
  Row row;
  row.name = json.at("name").string();
  const std::string& kind = json.at("kind").string();
  const auto* const found = std::find(std::begin(detail::kRowKinds), std::end(detail::kRowKinds), kind);
  require(found != std::end(detail::kRowKinds), "report row '", row.name, "': unknown kind '", kind, "'");
  row.kind = static_cast<RowKind>(found - std::begin(detail::kRowKinds));
  row.parent = json.at("parent").string();
  row.accuracy = detail::number_or_unknown(json, "accuracy");
  row.n = json.at("n").integer();
  row.standard_error = detail::number_or_unknown(json, "standard_error");
  row.agreement_with_parent = detail::number_or_unknown(json, "agreement_with_parent");
  row.control = json.at("control").string();
  row.difference_to_control = detail::number_or_unknown(json, "difference_to_control");
  row.difference_standard_error = detail::number_or_unknown(json, "difference_standard_error");
  row.size_bytes = json.at("size_bytes").is_null() ? 0 : json.at("size_bytes").integer();
  row.weights = json.at("weights").string();
  row.activations = json.at("activations").string();
  row.quantization = json.at("quantization").string();
  row.latency_ms_1t = detail::number_or_unknown(json, "latency_ms_1t");
  row.latency_ms_mt = detail::number_or_unknown(json, "latency_ms_mt");
  row.images_per_second = detail::number_or_unknown(json, "images_per_second");
  row.train_seconds = detail::number_or_unknown(json, "train_seconds");
  row.artefact = json.at("artefact").string();
  row.same_as = json.at("same_as").string();
  row.notes = json.at("notes").string();
  return row;
}

inline io::Json to_json(const Curve& curve) {
  io::Json json, points = io::Json(io::Json::Array());
  for (const CurvePoint& point : curve.points) {
    io::Json one;
    one.set("epoch", point.epoch).set("loss", detail::number_or_null(point.loss));
    one.set("accuracy", detail::number_or_null(point.accuracy));
    one.set("validation_loss", detail::number_or_null(point.validation_loss));
    one.set("validation_accuracy", detail::number_or_null(point.validation_accuracy));
    one.set("seconds", detail::number_or_null(point.seconds));
    points.add(std::move(one));
  }
  json.set("name", curve.name).set("points", std::move(points));
  return json;
}

inline Curve curve_from_json(const io::Json& json) {
  Curve curve;
  curve.name = json.at("name").string();
  for (const io::Json& one : json.at("points").array())
    curve.points.push_back(
        {one.at("epoch").number(), detail::number_or_unknown(one, "loss"), detail::number_or_unknown(one, "accuracy"),
         detail::number_or_unknown(one, "validation_loss"), detail::number_or_unknown(one, "validation_accuracy"),
         detail::number_or_unknown(one, "seconds")});
  return curve;
}

inline io::Json to_json(const ModelQuality& quality) {
  io::Json json, layers = io::Json(io::Json::Array());
  for (const LayerQuality& layer : quality.layers) {
    io::Json one;
    one.set("layer", layer.layer).set("kind", layer.kind).set("sqnr_db", detail::number_or_null(layer.sqnr_db));
    one.set("largest_step", detail::number_or_null(layer.largest_step));
    one.set("saturated", detail::number_or_null(layer.saturated));
    layers.add(std::move(one));
  }
  json.set("model", quality.model).set("reference", quality.reference).set("images", quality.images);
  json.set("layers", std::move(layers));
  return json;
}

inline ModelQuality quality_from_json(const io::Json& json) {
  ModelQuality quality;
  quality.model = json.at("model").string();
  quality.reference = json.at("reference").string();
  quality.images = json.at("images").integer();
  for (const io::Json& one : json.at("layers").array())
    quality.layers.push_back({one.at("layer").string(), one.at("kind").string(),
                              detail::number_or_unknown(one, "sqnr_db"), detail::number_or_unknown(one, "largest_step"),
                              detail::number_or_unknown(one, "saturated")});
  return quality;
}

inline io::Json to_json(const Study& study) {
  io::Json json;
  json.set("title", study.title).set("command", study.command).set("date", study.date);
  json.set("network", study.network).set("total_seconds", detail::number_or_null(study.total_seconds));
  json.set("machine", to_json(study.machine)).set("dataset", to_json(study.dataset));
  json.set("rows", detail::array_of(study.rows)).set("checks", detail::array_of(study.checks));
  json.set("curves", detail::array_of(study.curves)).set("layers", detail::array_of(study.quality));
  json.set("weight_ranges", detail::array_of(study.ranges)).set("samples", detail::array_of(study.samples));
  json.set("notes", study.notes);
  return json;
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_STUDY_JSON_HPP_
