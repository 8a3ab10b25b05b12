// examples/study/rows.hpp: the rows of the table: each model's answers, size and place on disk.
#ifndef OCTAVO_EXAMPLES_STUDY_ROWS_HPP_
#define OCTAVO_EXAMPLES_STUDY_ROWS_HPP_

#include <filesystem>
#include <map>
#include <memory>
#include <octavo/octavo.hpp>
#include <octavo/report/study_json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "images.hpp"
#include "latency.hpp"
#include "options.hpp"
#include "stages.hpp"
#include "training.hpp"

namespace study {

namespace report = oc::report;

// What a row is, apart from what is measured.
struct RowPlan {
  std::string name;
  report::RowKind kind = report::RowKind::float32;
  std::string parent = {};   // the row it was made from
  std::string control = {};  // the float row to compare with
  std::string weights = "float32";
  std::string activations = "float32";
  std::string quantization = "none";
  std::string notes;
};

// Measures models one after the other and collects their rows.
class RowBuilder {
 public:
  RowBuilder(const Options& options, const Images& images, const Stages& stages)
      : options_(options), images_(images), stages_(stages) {}

  [[nodiscard]] std::vector<report::Row>& rows() noexcept { return rows_; }
  [[nodiscard]] const Answers& answers(const std::string& row) const { return answers_.at(row); }
  [[nodiscard]] int threads() const { return options_.threads > 0 ? options_.threads : oc::default_threads(); }

  // A trained graph, run layer by layer as in training, in inference mode. The graph must stay where it is.
  void add(const RowPlan& plan, TrainedGraph& model, double train_seconds) {
    report::Row row = begin(plan);
    const Answers& answers = answers_[plan.name] = recorded(plan.name, model.file, [&] {
      return answers_of(model.graph, images_.splits.test, options_.batch_size, threads());
    });
    finish(row, answers);
    row.artefact = model.file;
    row.size_bytes = static_cast<std::int64_t>(std::filesystem::file_size(model.file));
    row.train_seconds = train_seconds;
    rows_.push_back(row);
    graphs_.push_back({plan.name, &model.graph});
  }

  // A program: saved, loaded again, and measured as loaded.
  void add(const RowPlan& plan, oc::runtime::Program program) {
    report::Row row = begin(plan);
    row.artefact = stages_.path("models/" + plan.name + "/manifest.json");
    row.artefact = std::filesystem::path(row.artefact).parent_path().string();
    program.labels = images_.splits.test.class_names();
    oc::io::SaveOptions saving;
    saving.preprocessing = preprocessing_fields(images_.splits.test);
    oc::io::save(program, row.artefact, saving);
    oc::io::LoadOptions loading;
    loading.verify = true;
    loading.model.threads = threads();
    loading.model.max_batch = options_.throughput_batch;
    auto model = std::make_unique<oc::runtime::Model>(oc::io::load(row.artefact, loading));
    const Answers& answers = answers_[plan.name] = recorded(plan.name, row.artefact + "/" + oc::io::kManifestFile, [&] {
      return answers_of(*model, images_.splits.test, options_.throughput_batch);
    });
    finish(row, answers);
    saving.accuracy = {{"metric", "top-1"},
                       {"value", report::fixed(row.accuracy, 6)},
                       {"images", std::to_string(row.n)},
                       {"dataset", images_.name}};
    oc::io::save(program, row.artefact, saving);
    for (const auto& file : std::filesystem::directory_iterator(row.artefact))
      if (file.path().extension() == ".json" || file.path().extension() == ".safetensors")
        row.size_bytes += static_cast<std::int64_t>(file.file_size());
    row.train_seconds = 0.0;
    rows_.push_back(row);
    models_.push_back({plan.name, std::move(model)});
  }

  // A row for what an optimization target chooses: the candidate with the smallest value.
  template <class Value>
  void add_choice(const std::string& name, const std::vector<std::string>& candidates, const std::string& notes,
                  Value&& value) {
    const report::Row* best = nullptr;
    for (const std::string& candidate : candidates) {
      const report::Row* row = report::find_row(rows_, candidate);
      if (best == nullptr || value(*row) < value(*best)) best = row;
    }
    report::Row row = *best;
    row.same_as = row.name;
    row.name = name;
    row.notes = notes;
    rows_.push_back(row);
  }

  // Latency and throughput of all rows so far. Call it once, before add_choice().
  void measure_speed() {
    const oc::Tensor one = image_batch(1), many = image_batch(options_.throughput_batch);
    set_latencies(one, 1, &report::Row::latency_ms_1t);
    set_latencies(one, threads(), &report::Row::latency_ms_mt);
    const auto medians = medians_of(many, threads(), std::max(3, options_.latency_runs / 20));
    for (std::size_t i = 0; i < medians.size(); ++i)
      rows_[i].images_per_second = 1000.0 * static_cast<double>(many.shape()[0]) / medians[i];
  }

 private:
  struct NamedGraph {
    std::string name;
    oc::nn::Graph* graph;
  };
  struct NamedModel {
    std::string name;
    std::unique_ptr<oc::runtime::Model> model;
  };

  static report::Row begin(const RowPlan& plan) {
    report::Row row;
    row.name = plan.name, row.kind = plan.kind, row.parent = plan.parent, row.control = plan.control;
    row.weights = plan.weights, row.activations = plan.activations;
    row.quantization = plan.quantization, row.notes = plan.notes;
    return row;
  }

  // Answers are kept with --resume: evaluating takes longer than reading them. They are those of a model that `file`
  // identifies: a checkpoint, or a manifest, which holds the SHA-256 of its weights.
  template <class Ask>
  Answers recorded(const std::string& name, const std::string& file, Ask&& ask) const {
    const std::string model = oc::io::sha256_hex(oc::io::read_file(file));
    const auto record = stages_.finished("answers." + name);
    if (record && record->find("model") != nullptr && record->at("model").string() == model) {
      Answers answers;
      for (const oc::io::Json& one : record->at("classes").array())
        answers.classes.push_back(static_cast<std::int32_t>(one.integer()));
      for (const oc::io::Json& one : record->at("probabilities").array())
        answers.probabilities.push_back(static_cast<float>(one.number()));
      for (std::int64_t i = 0; i < images_.splits.test.size(); ++i)
        answers.truth.push_back(images_.splits.test.label(i));
      return answers;
    }
    std::cout << "testing " << name << " ..." << std::flush;
    Answers answers = ask();
    std::cout << ' ' << report::percent(answers.accuracy()) << " of " << answers.size() << " right" << std::endl;
    oc::io::Json fresh;
    fresh.set("model", model).set("classes", answers.classes).set("probabilities", answers.probabilities);
    stages_.finish("answers." + name, std::move(fresh));
    return answers;
  }

  void finish(report::Row& row, const Answers& answers) const {
    row.n = answers.size();
    row.accuracy = answers.accuracy();
    row.standard_error = report::standard_error(row.accuracy, row.n);
    if (!row.parent.empty()) row.agreement_with_parent = agreement(answers, answers_.at(row.parent));
    if (row.control.empty()) return;
    const report::PairedDifference paired = difference(answers, answers_.at(row.control));
    row.difference_to_control = paired.difference;
    row.difference_standard_error = paired.standard_error;
  }

  [[nodiscard]] oc::Tensor image_batch(std::int64_t n) const {
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < n; ++i) indices.push_back(i % images_.splits.test.size());
    oc::Batch batch;
    oc::load_batch(images_.splits.test, indices, batch);
    return batch.images;
  }

  // Graphs first, then models: the order of the rows.
  [[nodiscard]] std::vector<double> medians_of(const oc::Tensor& batch, int thread_count, int runs) {
    std::vector<std::unique_ptr<oc::nn::Executor>> executors;
    std::vector<Contestant> contestants;
    for (const NamedGraph& one : graphs_) {
      executors.push_back(std::make_unique<oc::nn::Executor>(*one.graph, thread_count));
      contestants.push_back({one.name, [executor = executors.back().get(), &batch] { executor->forward(batch); }});
    }
    std::vector<float> outputs;
    for (const NamedModel& one : models_) {
      one.model->set_threads(thread_count);
      outputs.resize(static_cast<std::size_t>(one.model->output().shape.size()) * batch.shape()[0]);
      contestants.push_back(
          {one.name, [model = one.model.get(), &batch, &outputs] { model->run(oc::values(batch), outputs); }});
    }
    return interleaved_medians(contestants, runs);
  }

  void set_latencies(const oc::Tensor& one, int thread_count, double report::Row::*field) {
    const auto medians = medians_of(one, thread_count, options_.latency_runs);
    for (std::size_t i = 0; i < medians.size(); ++i) rows_[i].*field = medians[i];
  }

  const Options& options_;
  const Images& images_;
  const Stages& stages_;
  std::vector<report::Row> rows_;
  std::map<std::string, Answers> answers_;
  std::vector<NamedGraph> graphs_;
  std::vector<NamedModel> models_;
};

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_ROWS_HPP_
