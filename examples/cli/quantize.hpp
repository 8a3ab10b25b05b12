// examples/cli/quantize.hpp: octavo quantize: calibration on photos, conversion, a report of what each layer lost.
#ifndef OCTAVO_EXAMPLES_CLI_QUANTIZE_HPP_
#define OCTAVO_EXAMPLES_CLI_QUANTIZE_HPP_

#include <unistd.h>

#include <ctime>
#include <iostream>
#include <map>
#include <octavo/report/study_report.hpp>
#include <string>
#include <utility>
#include <vector>

#include "../study/findings.hpp"
#include "../study/latency.hpp"
#include "commands.hpp"

namespace cli {

inline oc::ObserverSettings observer_for(const std::string& ranges) {
  using oc::ObserverSettings;
  using oc::RangeSearch;
  if (ranges == "min_max") return ObserverSettings::min_max();
  if (ranges == "percentile") return ObserverSettings::with_histogram(RangeSearch::percentile);
  if (ranges == "entropy") return ObserverSettings::with_histogram(RangeSearch::entropy);
  return ObserverSettings::with_histogram(RangeSearch::mean_squared_error);
}

inline std::int64_t folder_bytes(const std::string& folder) {
  std::int64_t bytes = 0;
  for (const char* name : {oc::io::kManifestFile, oc::io::kWeightsFile})
    bytes += static_cast<std::int64_t>(std::filesystem::file_size(std::filesystem::path(folder) / name));
  return bytes;
}

// All photos, a batch at a time; says how far it is where somebody looks on.
[[nodiscard]] inline auto batches_of(const oc::Dataset& photos, const oc::Shape& input) {
  return [&photos, input, done = std::int64_t{0}, shown = isatty(STDERR_FILENO) != 0](oc::Tensor& batch) mutable {
    constexpr std::int64_t most = 8;
    const std::int64_t count = std::min(most, photos.size() - done);
    if (shown)
      std::cerr << '\r' << done << " of " << photos.size() << " photos" << (count > 0 ? " ..." : "    \n")
                << std::flush;
    if (count <= 0) return false;
    oc::reshape_to(batch, input.with_batch(count));
    const auto size = static_cast<std::size_t>(input.size());
    for (std::int64_t i = 0; i < count; ++i, ++done)
      photos.load(done, oc::values(batch).subspan(static_cast<std::size_t>(i) * size, size));
    return true;
  };
}

class Quantize : public Command {
 public:
  explicit Quantize(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("quantize", "an int8 model of a float one, calibrated on photos");
    add_model(command, model_);
    command.add_option("--calibration", photos_, "folder of photos like those that the model will see; no labels");
    command.add_option("--out", out_, "folder of the int8 model")->required();
    command.add_option("--report", report_, "an HTML page of what each layer lost");
    command.add_option("--images", images_, "photos for calibration")->capture_default_str()->check(at_least_one());
    command.add_option("--ranges", ranges_, "how an activation's range follows from its values")
        ->capture_default_str()
        ->check(CLI::IsMember({"mean_squared_error", "min_max", "percentile", "entropy"}));
    command.add_flag("--per-tensor", per_tensor_, "one scale a kernel instead of one a channel");
    command.add_flag("--dynamic-range", dynamic_range_, "8-bit weights only; needs no photos");
    command.add_option("--rounding", rounding_, "of accumulators")
        ->capture_default_str()
        ->check(CLI::IsMember({"nearest_even_f32", "tflite_double", "tflite_single"}));
    command.add_flag("--int8-softmax", int8_softmax_, "softmax in integers too");
    command.add_option("--labels", labels_, "a text file with a class name a line")->check(CLI::ExistingFile);
    command.add_option("--threads", threads_, "0: all")->capture_default_str()->check(CLI::Range(0, oc::kMaxThreads));
    pixels_.add_to(command);
  }

  void run() override {
    ModelFile file = open_model(model_);
    oc::nn::Graph& graph = file.float_graph();
    oc::io::SaveOptions saving;
    if (!labels_.empty()) saving.labels = read_labels(labels_);
    if (dynamic_range_) {
      oc::require(report_.empty(), "--report compares int8 layers; a dynamic-range model has none");
      oc::save(oc::dynamic_range(graph, {.per_channel = !per_tensor_}), out_, saving);
      std::cout << out_ << ": " << report::bytes_text(folder_bytes(out_)) << ", 8-bit weights, float32 activations\n";
      return;
    }
    oc::require(!photos_.empty(), "--calibration: a folder of photos is needed (or --dynamic-range)");
    const oc::Shape& input = graph.input_shape();
    oc::require(!channels_first(input), "the model's input is ", input.to_string(),
                ", channels first; photos calibrate only networks of (1, height, width, channels)");
    const oc::Preprocessing to = preprocessing_for(input, pixels_);
    saving.preprocessing = oc::to_text(to);
    const std::vector<std::filesystem::path> files = photo_files(photos_);
    const oc::Dataset photos = unlabelled(files, images_, to);
    std::cout << "calibrating on " << photos.size() << " of " << files.size() << " photos" << std::endl;
    oc::nn::Graph calibrated = oc::calibrate(graph, batches_of(photos, graph.input_shape()), options());
    const oc::runtime::Program program =
        oc::convert(calibrated, {.rounding = oc::rounding_from_name(rounding_), .int8_softmax = int8_softmax_});
    oc::save(program, out_, saving);
    std::cout << out_ << ": " << report::bytes_text(folder_bytes(out_)) << std::endl;
    write_report(graph, calibrated, files, to);
  }

 private:
  [[nodiscard]] int threads() const { return threads_ > 0 ? threads_ : oc::default_threads(); }

  [[nodiscard]] oc::CalibrationOptions options() const {
    oc::CalibrationOptions options;
    if (per_tensor_) options.scheme = oc::Scheme::per_tensor();
    options.scheme.activation_observer = options.scheme.input_observer = observer_for(ranges_);
    options.images = images_;
    options.threads = threads();
    return options;
  }

  // Photos between those of the calibration; `others` says whether there are any, else these are its own.
  [[nodiscard]] oc::Dataset test_photos(const std::vector<std::filesystem::path>& files, const oc::Preprocessing& to,
                                        bool& are_others) const {
    constexpr std::int64_t most = 16;
    std::vector<std::filesystem::path> others;
    const auto size = static_cast<std::int64_t>(files.size()), used = std::min(images_, size);
    std::int64_t next = 0;
    for (std::int64_t i = 0; i < size; ++i)
      if (next < used && i == next * size / used)
        ++next;
      else
        others.push_back(files[static_cast<std::size_t>(i)]);
    are_others = !others.empty();
    return unlabelled(are_others ? others : files, most, to);
  }

  void write_report(oc::nn::Graph& graph, oc::nn::Graph& calibrated, const std::vector<std::filesystem::path>& files,
                    const oc::Preprocessing& to) const {
    bool are_others = false;
    const oc::Dataset photos = test_photos(files, to, are_others);
    const std::string which = are_others ? " other photos" : " of the calibration's photos (no others were left)";
    const oc::Tensor batch = batch_of(photos);
    const oc::runtime::Model int8 = oc::load(out_, {.verify = true});
    const report::ModelQuality quality =
        study::layer_quality("int8", "float", graph, calibrated, int8.program(), batch, threads());
    const oc::Comparison whole = oc::compare(graph, int8.program(), batch, threads());
    std::cout << "on " << whole.images << which << ": output " << report::fixed(whole.output_sqnr_db, 1)
              << " dB against float, top class equal on " << report::percent(whole.top1_agreement, 1) << '\n';
    if (report_.empty()) return;

    report::Study study;
    study.title = "Quantization of " + std::filesystem::path(model_).filename().string();
    study.summary = "A float network and the int8 model that calibration on photos made of it, without training.";
    study.machine = report::detect_machine(threads());
    study.dataset.name = photos_;
    study.dataset.source = photos_;
    study.dataset.test = photos.size();
    study.dataset.input = to.shape();
    study.network = std::to_string(int8.program().ops.size()) + " operators, " +
                    report::fixed(static_cast<double>(int8.info().macs) / 1e6, 1) + " million multiply-adds";
    study.quality = {quality};
    study.ranges = study::depthwise_ranges(graph);
    study.rows = rows(graph, int8, whole, batch);
    study.headlines = {
        {report::percent(whole.top1_agreement, 0), "same top class", "on " + std::to_string(whole.images) + which},
        {report::fixed(whole.output_sqnr_db, 1) + " dB", "signal to noise", "of the output, against float"},
        {report::fixed(static_cast<double>(study.rows[1].size_bytes) / static_cast<double>(study.rows[0].size_bytes),
                       2),
         "of the float file", report::bytes_text(study.rows[1].size_bytes)},
        {report::fixed(study.rows[0].latency_ms_1t / study.rows[1].latency_ms_1t, 1) + "×", "as fast as float",
         report::three_digits(study.rows[1].latency_ms_1t) + " ms, 1 thread"}};
    oc::io::write_file(report_, report::study_html(study));
    std::cout << report_ << ": written\n";
  }

  [[nodiscard]] static std::vector<report::Row> rows(const oc::nn::Graph& graph, const oc::runtime::Model& int8,
                                                     const oc::Comparison& whole, const oc::Tensor& batch) {
    const oc::runtime::Program exported = oc::export_float(graph);
    oc::runtime::Model models[] = {oc::runtime::Model(exported), int8};
    const std::size_t image = batch.size() / batch.shape()[0];
    std::vector<float> scores(static_cast<std::size_t>(int8.output().shape.size()));
    report::Row both[2];
    for (const int count : {1, oc::default_threads()}) {
      std::vector<study::Contestant> contestants;
      for (oc::runtime::Model& model : models) {
        model.set_threads(count);
        contestants.push_back({"", [&] { model.run(oc::values(batch).first(image), scores); }});
      }
      const std::vector<double> medians = study::interleaved_medians(contestants, 50);
      for (std::size_t i = 0; i < 2; ++i) (count == 1 ? both[i].latency_ms_1t : both[i].latency_ms_mt) = medians[i];
    }
    for (std::size_t i = 0; i < 2; ++i) {
      both[i].name = i == 0 ? "float" : "int8";
      both[i].size_bytes = oc::runtime::weight_bytes(models[i].program());
      both[i].weights = both[i].activations = i == 0 ? "float32" : "int8";
      both[i].quantization = i == 0 ? "none" : "PTQ, integer";
    }
    both[1].kind = report::RowKind::int8;
    both[1].parent = "float";
    both[1].agreement_with_parent = whole.top1_agreement;
    return {both[0], both[1]};
  }

  std::string model_, photos_, out_, report_, ranges_ = "mean_squared_error", rounding_ = "nearest_even_f32", labels_;
  std::int64_t images_ = 200;
  int threads_ = 0;
  bool per_tensor_ = false, dynamic_range_ = false, int8_softmax_ = false;
  PixelOptions pixels_;
};

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_QUANTIZE_HPP_
