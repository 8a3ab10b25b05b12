// octavo/report/study.hpp: what a quantization study found, as plain data. study_report.hpp writes it down.
#ifndef OCTAVO_REPORT_STUDY_HPP_
#define OCTAVO_REPORT_STUDY_HPP_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../core/shape.hpp"
#include "machine.hpp"
#include "range_chart.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// A number that was not measured, or that has no meaning where it stands. Written as null or a dash.
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
inline bool known(double value) { return std::isfinite(value); }

struct DatasetInfo {
  std::string name;
  std::string source;  // a folder
  std::vector<std::string> classes;
  std::int64_t train = 0, validation = 0, test = 0;
  Shape input;                // height, width, channels
  std::string preprocessing;  // free text
};

// What kind of model a row is; charts colour by it.
enum class RowKind : std::uint8_t { float32, fake_quantized, dynamic_range, int8 };

// One model.
struct Row {
  std::string name;
  RowKind kind = RowKind::float32;
  std::string parent;          // the row whose weights it got, in float; empty: none
  double accuracy = kUnknown;  // of the largest output, on n test images: 0..1
  std::int64_t n = 0;
  double standard_error = kUnknown;         // sqrt(p (1 - p) / n)
  double agreement_with_parent = kUnknown;  // share of the n images with the same answer: 0..1
  // The float model to compare with, accuracy minus its accuracy, and the standard error of that on the same images
  // (paired_difference()). Where a model was trained on, this is the float model that got the same training.
  std::string control;
  double difference_to_control = kUnknown;
  double difference_standard_error = kUnknown;
  std::int64_t size_bytes = 0;  // of the file with the weights and everything else that running needs; 0: unknown
  std::string weights;          // precision: "float32", "int8"
  std::string activations;
  std::string quantization;         // "none", "QAT", "PTQ, full integer", ...
  double latency_ms_1t = kUnknown;  // median at batch 1
  double latency_ms_mt = kUnknown;
  double images_per_second = kUnknown;  // larger batches, all threads
  double train_seconds = kUnknown;      // of this row's own training; 0 where none was needed
  std::string artefact;                 // path
  std::string same_as;                  // the row with the very same file; numbers are then that row's
  std::string notes;
};

// One epoch. Unknown where nothing was measured.
struct CurvePoint {
  double epoch = 0.0;
  double loss = kUnknown, accuracy = kUnknown;
  double validation_loss = kUnknown, validation_accuracy = kUnknown;
  double seconds = kUnknown;
};
struct Curve {
  std::string name;
  std::vector<CurvePoint> points;
};

// How well a quantized model's layers follow the reference's on the same images.
struct LayerQuality {
  std::string layer, kind;
  double sqnr_db = kUnknown;       // 10 log10(sum of squares / sum of squared differences)
  double largest_step = kUnknown;  // largest difference in steps of the layer's own grid
  double saturated = kUnknown;     // share of the codes at the ends of their range: 0..1
};
struct ModelQuality {
  std::string model, reference;
  std::int64_t images = 0;
  std::vector<LayerQuality> layers;
};

struct Prediction {
  std::string model, label;
  double probability = kUnknown;
  bool correct = false;
};
struct Sample {
  std::string name;
  std::string truth;
  std::string mime = "image/jpeg";
  std::vector<std::uint8_t> image;  // an encoded file
  std::vector<Prediction> predictions;
};

// One sentence in large letters: value "3.4x", label "faster than float".
struct Headline {
  std::string value, label, detail;
};

// What was asked and what came out.
struct Check {
  std::string what, asked, measured;
  bool met = false;
};

struct Study {
  std::string title;
  std::string summary;  // one paragraph
  std::string command;
  std::string date;
  Machine machine;
  DatasetInfo dataset;
  std::string network;
  std::vector<Row> rows;
  std::vector<Curve> curves;
  std::vector<ModelQuality> quality;
  std::vector<ChannelRanges> ranges;
  std::vector<Sample> samples;
  std::vector<Headline> headlines;
  std::vector<Check> checks;
  std::vector<std::string> notes;
  double total_seconds = kUnknown;
};

// sqrt(p (1 - p) / n) of a share p measured on n images.
inline double standard_error(double share, std::int64_t n) {
  return n > 0 ? std::sqrt(std::max(0.0, share * (1.0 - share)) / static_cast<double>(n)) : kUnknown;
}

// The difference of two accuracies on the same n images, where only `gained` images (this right, other wrong) and
// `lost` ones (this wrong, other right) differ: (gained - lost) / n, with the standard error of the mean of the n
// paired differences, sqrt((gained + lost) / n - difference^2) / sqrt(n).
struct PairedDifference {
  double difference = kUnknown;
  double standard_error = kUnknown;
};
inline PairedDifference paired_difference(std::int64_t gained, std::int64_t lost, std::int64_t n) {
  if (n <= 0) return {};
  const auto count = static_cast<double>(n);
  const double difference = static_cast<double>(gained - lost) / count;
  const double variance = static_cast<double>(gained + lost) / count - difference * difference;
  return {difference, std::sqrt(std::max(0.0, variance) / count)};
}

inline const Row* find_row(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_STUDY_HPP_
