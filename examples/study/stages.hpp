// examples/study/stages.hpp: what a study has finished so far, on disk, so that --resume goes on where it stopped.
#ifndef OCTAVO_EXAMPLES_STUDY_STAGES_HPP_
#define OCTAVO_EXAMPLES_STUDY_STAGES_HPP_

#include <filesystem>
#include <functional>
#include <iostream>
#include <octavo/io/file.hpp>
#include <octavo/io/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "options.hpp"

namespace study {

// A folder with a JSON record for each finished stage. Records of another configuration do not count.
class Stages {
 public:
  // `configuration` describes everything that results depend on.
  Stages(std::string folder, bool resume, oc::io::Json configuration)
      : folder_(std::move(folder)), resume_(resume), configuration_(std::move(configuration)) {
    oc::io::make_directories(folder_ + "/stages");
    if (!resume_) std::filesystem::remove_all(folder_ + "/stages");
    oc::io::make_directories(folder_ + "/stages");
  }

  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] bool resume() const noexcept { return resume_; }

  // A path below the study's folder; its folder exists afterwards.
  [[nodiscard]] std::string path(const std::string& inner) const {
    const std::string whole = folder_ + "/" + inner;
    oc::io::make_directories(std::filesystem::path(whole).parent_path().string());
    return whole;
  }

  // What finish() recorded, in an earlier run with --resume or in this one.
  [[nodiscard]] std::optional<oc::io::Json> finished(const std::string& stage) const {
    const std::string file = record_path(stage);
    if (!std::filesystem::exists(file)) return std::nullopt;
    const oc::io::Json record = oc::io::parse_json(oc::io::read_text_file(file));
    if (record.at("configuration") != configuration_) return std::nullopt;
    return record.at("result");
  }
  void finish(const std::string& stage, oc::io::Json result) const {
    oc::io::Json record;
    record.set("configuration", configuration_).set("result", std::move(result));
    oc::io::write_file(record_path(stage), record.dump(2) + "\n");
  }

 private:
  [[nodiscard]] std::string record_path(const std::string& stage) const {
    return folder_ + "/stages/" + stage + ".json";
  }

  std::string folder_;
  bool resume_;
  oc::io::Json configuration_;
};

inline oc::io::Json to_json(const Phase& phase) {
  oc::io::Json json;
  json.set("epochs", phase.epochs).set("learning_rate", phase.learning_rate);
  json.set("final_factor", phase.final_factor).set("warm_up", phase.warm_up).set("augment", phase.augment);
  json.set("freezes_statistics", phase.freezes_statistics).set("observers_freeze_at", phase.observers_freeze_at);
  return json;
}

// What the trained models depend on.
inline oc::io::Json configuration_of(const Options& options, const oc::report::DatasetInfo& dataset) {
  oc::io::Json json;
  json.set("dataset", dataset.source).set("train", dataset.train).set("test", dataset.test);
  json.set("weights", options.weights).set("seed", options.seed).set("input", options.input.to_string());
  json.set("alpha", options.alpha).set("hidden", options.hidden).set("stem_stride", options.stem_stride);
  json.set("batch_norm_momentum", options.batch_norm_momentum).set("batch_size", options.batch_size);
  json.set("label_smoothing", options.label_smoothing).set("patience", options.patience);
  json.set("calibration_images", options.calibration_images).set("compared_images", options.compared_images);
  json.set("first", to_json(options.first)).set("tune", to_json(options.tune));
  json.set("settle", to_json(options.settle)).set("scratch", to_json(options.scratch));
  return oc::io::parse_json(json.dump());  // numbers as they come back from a file
}

inline void headline(const std::string& text) { std::cout << "\n== " << text << std::endl; }

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_STAGES_HPP_
