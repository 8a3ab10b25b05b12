// examples/cli/commands.hpp: what `octavo` can do with a model, a class each: options as members, run() does it.
#ifndef OCTAVO_EXAMPLES_CLI_COMMANDS_HPP_
#define OCTAVO_EXAMPLES_CLI_COMMANDS_HPP_

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <octavo/io/c_source.hpp>
#include <octavo/octavo.hpp>
#include <octavo/report/machine.hpp>
#include <octavo/report/profile_report.hpp>
#include <octavo/report/table.hpp>
#include <octavo/report/text.hpp>
#include <string>
#include <utility>
#include <vector>

#include "model_file.hpp"
#include "photos.hpp"

namespace cli {

namespace report = oc::report;

class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;
  virtual void run() = 0;
};

inline std::string version() {
  return "octavo " + std::to_string(OCTAVO_VERSION_MAJOR) + "." + std::to_string(OCTAVO_VERSION_MINOR) + "." +
         std::to_string(OCTAVO_VERSION_PATCH);
}

inline CLI::Option* add_model(CLI::App& command, std::string& model) {
  return command
      .add_option(
          "MODEL", model,
          "an Octavo model folder, a .onnx or .tflite file, MobileNetV2 weights (.safetensors, .h5, a folder of "
          ".npy files or of folded weights), or mobilenet_v2 (random weights)")
      ->required();
}

// Grid of a tensor in a few words: "0.0235 (q + 128)" is scale * (code - zero_point) with zero_point = -128.
inline std::string grid_text(const oc::runtime::TensorInfo& tensor) {
  const oc::runtime::Quantization& q = tensor.quantization;
  if (q.empty()) return "";
  if (q.scale.size() > 1) {
    const auto [low, high] = std::minmax_element(q.scale.begin(), q.scale.end());
    return std::to_string(q.scale.size()) + " scales, " + report::three_digits(static_cast<double>(*low)) + " to " +
           report::three_digits(static_cast<double>(*high));
  }
  const std::int32_t zero = q.zero_point.empty() ? 0 : q.zero_point[0];
  std::string text = report::three_digits(static_cast<double>(q.scale[0])) + " (q";
  if (zero != 0) text += (zero > 0 ? " - " : " + ") + std::to_string(std::abs(zero));
  return text + ")";
}

inline std::string tensor_text(const oc::runtime::TensorInfo& tensor) {
  std::string text =
      tensor.name + ": " + std::string(oc::runtime::name_of(tensor.dtype)) + " " + tensor.shape.to_string();
  if (!tensor.quantization.empty()) text += ", " + grid_text(tensor);
  return text;
}

class Info : public Command {
 public:
  explicit Info(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("info", "operators, shapes, quantization, sizes, kernels");
    add_model(command, model_);
    command.add_flag("--short", short_, "no table of operators");
  }
  void run() override {
    const std::int64_t before = report::resident_memory().now;
    const ModelFile file = open_model(model_);
    const oc::runtime::Program program = file.as_program();
    const oc::runtime::Model model(program);
    std::cout << file.path << ": " << file.format << ", '" << program.name << "'\n";
    for (const int id : program.inputs)
      std::cout << "input  " << tensor_text(oc::runtime::tensor_at(program, id)) << '\n';
    for (const int id : program.outputs)
      std::cout << "output " << tensor_text(oc::runtime::tensor_at(program, id)) << '\n';
    std::cout << "rounding " << oc::name_of(program.rounding) << ", " << program.labels.size()
              << " labels, kernels for " << oc::name_of(oc::active_isa()) << '\n'
              << model.info().to_text() << "peak resident memory " << report::bytes_text(report::resident_memory().most)
              << ", " << report::bytes_text(before) << " of it before the model was opened\n";
    if (!short_) std::cout << '\n' << operators(model).text();
  }

 private:
  static report::Table operators(const oc::runtime::Model& model) {
    using report::Align;
    report::Table table({{"layer", Align::left, true},
                         {"operator"},
                         {"output"},
                         {"weights"},
                         {"output's grid"},
                         {"million MAC", Align::right},
                         {"kernel"}});
    const oc::runtime::Program& program = model.program();
    for (const oc::runtime::Step& step : model.prepared().steps) {
      const oc::runtime::TensorInfo& out = oc::runtime::output_of(program, step.op);
      std::string weights;
      if (step.op.inputs.size() > 1 && step.op.inputs[1] >= 0) {
        const oc::runtime::TensorInfo& second = oc::runtime::input_of(program, step.op, 1);
        if (second.constant())
          weights = std::string(oc::runtime::name_of(second.dtype)) + " " + second.shape.to_string() +
                    (second.quantization.scale.size() > 1 ? ", per channel" : "");
      }
      table.add_text({step.op.name, std::string(oc::runtime::name_of(step.op.kind)),
                      std::string(oc::runtime::name_of(out.dtype)) + " " + out.shape.to_string(), weights,
                      grid_text(out), step.macs > 0 ? report::fixed(static_cast<double>(step.macs) / 1e6, 2) : "",
                      std::string(step.kernel->name())});
    }
    return table;
  }

  std::string model_;
  bool short_ = false;
};

class Import : public Command {
 public:
  explicit Import(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("import", "write any model as an Octavo model folder");
    add_model(command, model_);
    command.add_option("--out", out_, "the folder")->required();
    command.add_option("--labels", labels_, "a text file with a class name a line")->check(CLI::ExistingFile);
    command.add_option("--rounding", rounding_, "of accumulators; default: the model's own")
        ->check(CLI::IsMember({"nearest_even_f32", "tflite_double", "tflite_single"}));
  }
  void run() override {
    oc::runtime::Program program = open_model(model_).as_program();
    oc::io::SaveOptions saving;
    if (!labels_.empty()) saving.labels = read_labels(labels_);
    if (rounding_ == "tflite_double")
      oc::use_tflite_kernels(program);
    else if (!rounding_.empty())
      program.rounding = oc::rounding_from_name(rounding_);
    oc::save(std::move(program), out_, saving);
    std::cout << out_ << ": written\n";
  }

 private:
  std::string model_, out_, labels_, rounding_;
};

// Writes a model in another framework's format, which the file's extension names.
class Export : public Command {
 public:
  explicit Export(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("export", "write a model for another engine");
    add_model(command, model_);
    command.add_option("--out", out_, "the file: " + known())->required();
    command.add_flag("--uint8-activations", uint8_activations_,
                     ".onnx: codes 0 to 255, which ONNX Runtime prefers on x86-64");
  }
  void run() override {
    const oc::runtime::Program program = open_model(model_).as_program();
    for (const Format& format : formats())
      if (extension_of(out_) == format.extension) {
        const std::string note = (this->*format.write)(program);
        std::cout << out_ << ": " << report::bytes_text(static_cast<std::int64_t>(std::filesystem::file_size(out_)))
                  << note << '\n';
        return;
      }
    oc::fail("'", out_, "': no format is known by this extension; expected one of: ", known());
  }

 private:
  // Returns what there is to say about the file besides its size.
  struct Format {
    const char* extension;
    std::string (Export::*write)(const oc::runtime::Program& program) const;
  };
  static const std::vector<Format>& formats() {
    static const std::vector<Format> all = {
      {".tflite", &Export::tflite},
#if __has_include(<protozero/pbf_writer.hpp>)
      {".onnx", &Export::onnx},
#endif
      {".h", &Export::c_source}
    };
    return all;
  }
  [[nodiscard]] std::string tflite(const oc::runtime::Program& program) const {
    oc::save_tflite(program, out_);
    return "";
  }
#if __has_include(<protozero/pbf_writer.hpp>)
  [[nodiscard]] std::string onnx(const oc::runtime::Program& program) const {
    oc::save_onnx(program, out_, {.uint8_activations = uint8_activations_});
    return "";
  }
#endif
  [[nodiscard]] std::string c_source(const oc::runtime::Program& program) const {
    const oc::CSourceSize size = oc::export_c(program, out_);
    if (program.rounding != oc::Rounding::tflite_double)
      std::cout << "C computes in tflite_double, not " << oc::name_of(program.rounding)
                << ": codes may differ by a step from the model's own\n";
    if (size.logits) std::cout << "the output is the logits' codes: the model's softmax is float32 and left out\n";
    return " of C99, " + report::bytes_text(static_cast<std::int64_t>(size.constants)) + " constants, " +
           report::bytes_text(static_cast<std::int64_t>(size.arena)) + " static memory";
  }
  static std::string known() {
    std::string names;
    for (const Format& format : formats()) names += std::string(names.empty() ? "" : ", ") + format.extension;
    return names;
  }

  std::string model_, out_;
  bool uint8_activations_ = false;
};

class Run : public Command {
 public:
  explicit Run(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("run", "the top classes of photos");
    add_model(command, model_);
    command.add_option("PHOTO", photos_, "photos (JPEG, PNG, BMP), folders of photos, or .npy files of float32 values")
        ->required();
    command.add_option("--top", top_, "classes that are shown")->capture_default_str()->check(at_least_one());
    command.add_option("--labels", labels_, "a text file with a class name a line")->check(CLI::ExistingFile);
    command.add_flag("--numbers", numbers_, "for programs: lines of class number and score");
    pixels_.add_to(command);
  }
  void run() override {
    oc::runtime::Program program = open_model(model_).as_program();
    if (!labels_.empty()) program.labels = read_labels(labels_);
    const oc::runtime::Model model(std::move(program));
    oc::require(model.program().inputs.size() == 1 && model.program().outputs.size() == 1, "'", model_, "' has ",
                model.program().inputs.size(), " inputs and ", model.program().outputs.size(),
                " outputs; run wants one of each");
    for (const std::string& photo : photos_) {
      if (extension_of(photo) == ".npy") {
        show(model, photo, oc::io::read_npy(photo).floats());
        continue;
      }
      const oc::Preprocessing to = preprocessing_for(model.program(), pixels_);
      const std::vector<std::filesystem::path> files = photo_files(photo);
      const oc::Dataset images = unlabelled(files, static_cast<std::int64_t>(files.size()), to);
      std::vector<float> image(static_cast<std::size_t>(to.shape().size()));
      for (std::int64_t i = 0; i < images.size(); ++i) {
        images.load(i, image);
        arrange(model.input().shape, image);
        show(model, images.name(i), image);
      }
    }
  }

 private:
  void show(const oc::runtime::Model& model, const std::string& name, const std::vector<float>& image) const {
    std::vector<float> scores(static_cast<std::size_t>(model.output().shape.size()));
    model.run(image, scores);
    std::cout << name << '\n';
    for (const oc::ClassScore& best : oc::top_classes(scores, static_cast<std::size_t>(top_), model.program().labels))
      std::cout << (numbers_ ? "  " + std::to_string(best.index) + " " : "  ")
                << report::fixed(static_cast<double>(best.score), 4) << "  "
                << (best.label.empty() ? "class " + std::to_string(best.index) : best.label) << '\n';
  }

  std::string model_, labels_;
  std::vector<std::string> photos_;
  int top_ = 5;
  bool numbers_ = false;
  PixelOptions pixels_;
};

class Bench : public Command {
 public:
  explicit Bench(CLI::App& app) {
    CLI::App& command = *app.add_subcommand("bench", "time of a run, on random values");
    add_model(command, model_);
    command.add_option("--threads", threads_, "0: all")->capture_default_str()->check(CLI::Range(0, oc::kMaxThreads));
    command.add_option("--batch", batch_, "images a run")->capture_default_str()->check(CLI::Range(1, kMaxBatch));
    command.add_option("--runs", runs_, "timed runs, after a fifth of them and five to warm up")
        ->capture_default_str()
        ->check(at_least_one());
    command.add_flag("--profile", profile_, "where the time goes, layer by layer");
    command.add_flag("--json", json_, "one line of JSON (with --profile, the profile in it)");
    command.add_option("--report", report_, "an HTML page of the profile");
    command
        .add_option("--peak", peak_, "multiply-adds a second of one core, in 1e9, for shares (bench_peak measures it)")
        ->check(CLI::PositiveNumber);
  }
  void run() override {
    const auto begin = Clock::now();
    oc::runtime::ModelOptions options;
    options.threads = threads_, options.max_batch = batch_;
    const oc::runtime::Model model(open_model(model_).as_program(), options);
    const double load = milliseconds(begin);
    std::vector<std::vector<float>> in, out;
    std::vector<oc::runtime::ConstBuffer> inputs;
    std::vector<oc::runtime::Buffer> outputs;
    oc::Rng random(1);
    for (std::size_t i = 0; i < model.program().inputs.size(); ++i) {
      in.emplace_back(static_cast<std::size_t>(model.input(i).shape.size() * batch_));
      for (float& value : in.back()) value = random.uniform() * 2.0F - 1.0F;
    }
    for (std::size_t i = 0; i < model.program().outputs.size(); ++i)
      out.emplace_back(static_cast<std::size_t>(model.output(i).shape.size() * batch_));
    for (const std::vector<float>& values : in) inputs.emplace_back(std::span<const float>(values));
    for (std::vector<float>& values : out) outputs.emplace_back(std::span<float>(values));
    const auto first_run = Clock::now();
    model.run(inputs, outputs);
    const double first = load + milliseconds(first_run);
    for (int i = 0; i < runs_ / 5 + 4; ++i) model.run(inputs, outputs);
    std::vector<double> times;
    for (int i = 0; i < runs_; ++i) {
      const auto start = Clock::now();
      model.run(inputs, outputs);
      times.push_back(milliseconds(start));
    }
    std::sort(times.begin(), times.end());
    oc::runtime::Profile profile;
    if (profile_ || !report_.empty()) profile = model.profile(inputs, runs_);
    profile.peak_gmacs = peak_;
    show(model, load, first, times, profile);
    if (report_.empty()) return;
    oc::io::write_file(report_, report::profile_html(profile, model.program().name, report::detect_machine(threads_)));
    if (!json_) std::cout << report_ << ": written\n";
  }

 private:
  static constexpr int kMaxBatch = 4096;  // 2.5 GB of photos of 224 x 224
  using Clock = std::chrono::steady_clock;
  static double milliseconds(Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
  }
  void show(const oc::runtime::Model& model, double load, double first, const std::vector<double>& times,
            const oc::runtime::Profile& profile) const {
    const double median = times[times.size() / 2];
    const double gmacs = static_cast<double>(model.info().macs * batch_) / median / 1e6;
    if (json_) {
      oc::io::Json json;
      json.set("model", model_).set("isa", oc::name_of(oc::active_isa())).set("threads", model.threads());
      json.set("batch", batch_).set("runs", runs_);
      json.set("load_ms", load).set("first_result_ms", first);
      json.set("median_ms", median).set("min_ms", times.front()).set("gmacs_per_second", gmacs);
      if (profile_) json.set("profile", report::profile_json(profile));
      std::cout << json.dump() << '\n';
      return;
    }
    std::cout << model_ << ": median " << report::three_digits(median) << " ms, least "
              << report::three_digits(times.front()) << " ms of " << runs_ << " runs; batch " << batch_ << ", "
              << model.threads() << (model.threads() == 1 ? " thread, " : " threads, ") << oc::name_of(oc::active_isa())
              << "; " << report::fixed(gmacs, 1) << " GMAC/s; loaded in " << report::three_digits(load)
              << " ms, first result after " << report::three_digits(first) << " ms\n";
    if (profile_) std::cout << '\n' << profile.to_table();
  }

  std::string model_, report_;
  int threads_ = 1, runs_ = 100;
  double peak_ = 0.0;
  std::int64_t batch_ = 1;
  bool profile_ = false, json_ = false;
};

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_COMMANDS_HPP_
