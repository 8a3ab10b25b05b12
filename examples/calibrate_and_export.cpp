// examples/calibrate_and_export.cpp: post-training quantization of a float model with a folder of photos.
//
//   calibrate_and_export [--photos FOLDER] [--weights FILE] [--out FOLDER]
//
// FOLDER holds a folder of photos for each class, FILE the weights that io::save_weights() wrote of a MobileNetV2 0.35
// for 64 x 64 pixels with these classes. Without arguments both are made here: a few drawn pictures, and a short
// training.
#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <iostream>
#include <octavo/octavo.hpp>
#include <octavo/report/text.hpp>
#include <string>

#include "study/drawn_images.hpp"

namespace oc = octavo;

namespace {

// Writes drawn images as PNG files, a folder a class, as if somebody had taken photos.
void make_photos(const std::string& folder) {
  const oc::Dataset drawn = study::drawn_images(160, {64, 64, 3}, /*seed=*/5);
  for (std::int64_t i = 0; i < drawn.size(); ++i) {
    const std::string class_folder = folder + "/" + drawn.class_names()[static_cast<std::size_t>(drawn.label(i))];
    std::filesystem::create_directories(class_folder);
    const auto png = oc::encode_png(drawn.preview(i).view());
    oc::io::write_file(class_folder + "/" + std::to_string(i) + ".png", png);
  }
}

oc::nn::Graph float_model(const oc::Dataset& photos, const std::string& weights) {
  oc::nn::Graph model =
      oc::mobilenet_v2({.input = {64, 64, 3}, .alpha = 0.35, .classes = photos.classes(), .batch_norm_momentum = 0.8F});
  if (!weights.empty())
    oc::io::load_weights(weights, model);
  else
    oc::fit(model, photos,
            {.epochs = 3, .batch_size = 16, .optimizer = oc::Adam{.learning_rate = 3e-3}, .schedule = oc::Cosine{}});
  return model;
}

void run(std::string photos_folder, const std::string& weights, const std::string& out) {
  if (photos_folder.empty()) make_photos(photos_folder = out + "/photos");
  const oc::Splits photos = oc::split(oc::image_folder(photos_folder, {.size = 64}), {0.7, 0.0, 0.3}, /*seed=*/1);
  oc::nn::Graph model = float_model(photos.train, weights);

  // The ranges of all activations, from up to 100 photos.
  oc::nn::Graph calibrated = oc::calibrate(model, photos.train, {.images = 100});
  const oc::runtime::Program int8 = oc::convert(calibrated, {.labels = photos.train.class_names()});

  // What each layer lost on photos that calibration did not see.
  std::vector<std::int64_t> some;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(photos.test.size(), 32); ++i) some.push_back(i);
  oc::Batch batch;
  oc::load_batch(photos.test, some, batch);
  const oc::Comparison lost = oc::compare(model, int8, batch.images);
  std::cout << lost.to_table() << "\nint8 and float agree on " << oc::report::percent(lost.top1_agreement, 1) << " of "
            << lost.images << " photos; output SQNR " << oc::report::fixed(lost.output_sqnr_db, 1) << " dB\n";

  const oc::TextFields preprocessing = oc::to_text(*photos.train.preprocessing());
  oc::io::save(oc::export_float(model), out + "/float", {.preprocessing = preprocessing});
  oc::io::save(int8, out + "/int8", {.preprocessing = preprocessing});
  for (const char* name : {"/float", "/int8"}) {
    const oc::runtime::Model loaded = oc::io::load(out + name, {.verify = true});
    std::cout << out << name << ": " << loaded.info().to_text();
  }
  oc::require(lost.top1_agreement >= 0.8, "int8 and float agree on only ", oc::report::percent(lost.top1_agreement));
}

}  // namespace

int main(int count, char** arguments) {
  std::string photos, weights, out = "calibrated";
  CLI::App app("Makes an int8 model of a float one, with a folder of photos for calibration.");
  app.add_option("--photos", photos, "holds a folder of photos for each class");
  app.add_option("--weights", weights, "of the float model, by io::save_weights()");
  app.add_option("--out", out, "folder of the two models")->capture_default_str();
  CLI11_PARSE(app, count, arguments);
  try {
    run(photos, weights, out);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "calibrate_and_export: " << error.what() << '\n';
    return 1;
  }
}
