// examples/quantization_study.cpp: trains a MobileNetV2, quantizes it in every way there is, and reports what it cost.
//
//   quantization_study demo                                     Fashion-MNIST, minutes
//   quantization_study study --data <photos> --weights <folder>  photos at 224 x 224 from ImageNet weights
//   quantization_study smoke                                    seconds, on images drawn in memory
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "study/options.hpp"
#include "study/run.hpp"

namespace {

void add_options(CLI::App& command, study::Options& options) {
  command.add_option("--out", options.out, "folder for models and reports")->capture_default_str();
  command.add_flag("--resume", options.resume, "go on where an earlier run with the same options stopped");
  command.add_option("--seed", options.seed, "of weights, order and augmentation")->capture_default_str();
  command.add_option("--threads", options.threads, "0: all")->capture_default_str()->check(CLI::NonNegativeNumber);
  command.add_option("--batch-size", options.batch_size, "images a training step")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--limit", options.limit, "train on this many images at most; 0: all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_option("--first-epochs", options.first.epochs, "of float")->capture_default_str();
  command.add_option("--tune-epochs", options.tune.epochs, "of fine-tuning all layers")->capture_default_str();
  command.add_option("--settle-epochs", options.settle.epochs, "of the last part: float, or with quantization")
      ->capture_default_str();
  command.add_option("--scratch-epochs", options.scratch.epochs, "of qat_from_scratch, before its last part")
      ->capture_default_str();
  command.add_option("--latency-runs", options.latency_runs, "timed runs of each model")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

std::string command_line(int count, char** arguments) {
  std::string text = "quantization_study";
  for (int i = 1; i < count; ++i) text += std::string(" ") + arguments[i];
  return text;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Trains a MobileNetV2, quantizes it in several ways, and reports accuracy, size and speed.");
  app.require_subcommand(1);

  study::Options demo = study::preset_options(study::Preset::demo);
  CLI::App* demo_command = app.add_subcommand("demo", "Fashion-MNIST from random weights: a few minutes");
  add_options(*demo_command, demo);
  demo_command->add_option("--data", demo.data, "folder of the four Fashion-MNIST files; default: Debian's");

  study::Options photos = study::preset_options(study::Preset::study);
  CLI::App* study_command = app.add_subcommand("study", "photos at 224 x 224, from ImageNet weights: an hour or two");
  add_options(*study_command, photos);
  study_command->add_option("--data", photos.data, "DeepWeeds (images/ and split.csv), or a folder for each class")
      ->required();
  study_command
      ->add_option(
          "--weights", photos.weights,
          "pretrained MobileNetV2: folder of folded ImageNet weights, .safetensors, folder of .npy, .h5, .onnx")
      ->required();

  study::Options smoke = study::preset_options(study::Preset::smoke);
  CLI::App* smoke_command = app.add_subcommand("smoke", "the same on a few images drawn in memory: seconds");
  add_options(*smoke_command, smoke);

  CLI11_PARSE(app, count, arguments);
  try {
    const study::Options& options = *demo_command ? demo : *study_command ? photos : smoke;
    study::run(options, command_line(count, arguments));
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "quantization_study: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
