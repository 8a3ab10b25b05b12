// Trains a small MobileNetV2 (0.35, 96 x 96, two hidden dense layers) on DeepWeeds for a moment and writes it in every
// form that .tflite has: tflite_export DATA FOLDER. check_tflite.py compares what the engines make of the files.
//   float.tflite, dynamic_range.tflite, ptq.tflite, qat.tflite (int8, float border), ptq.h (C source)
#include <exception>
#include <filesystem>
#include <iostream>
#include <octavo/io/c_source.hpp>
#include <octavo/octavo.hpp>
#include <string>

namespace oc = octavo;

namespace {

void run(const std::string& data, const std::string& out) {
  std::filesystem::create_directories(out);
  const oc::Splits weeds = oc::deepweeds(data + "/deepweeds", {.size = 96, .range = oc::PixelRange::minus_one_to_one});
  const oc::Dataset photos = oc::take(weeds.train, 600);
  oc::nn::Graph model = oc::mobilenet_v2({.input = {96, 96, 3},
                                          .alpha = 0.35,
                                          .hidden = {128, 128},
                                          .classes = photos.classes(),
                                          .batch_norm_momentum = 0.9F});
  oc::fit(model, photos, {.epochs = 2, .batch_size = 32, .optimizer = oc::Adam{.learning_rate = 2e-3}});
  oc::save_tflite(oc::export_float(model), out + "/float.tflite");
  oc::save_tflite(oc::dynamic_range(model), out + "/dynamic_range.tflite");

  const oc::ConvertOptions integers{.rounding = oc::Rounding::tflite_double, .int8_softmax = true};
  const oc::runtime::Program ptq = oc::convert(oc::calibrate(model, photos, {.images = 100}), integers);
  oc::save_tflite(ptq, out + "/ptq.tflite");
  const oc::CSourceSize size = oc::export_c(ptq, out + "/ptq.h");
  std::cout << out << "/ptq.h: arena " << size.arena << " bytes, constants " << size.constants << " bytes\n";

  oc::nn::Graph qat = oc::quantize_model(model);
  oc::fit(qat, photos, {.epochs = 1, .batch_size = 32, .optimizer = oc::Adam{.learning_rate = 1e-4}});
  oc::save_tflite(oc::convert(qat, integers), out + "/qat.tflite");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tflite_export DATA FOLDER\n";
    return 2;
  }
  try {
    run(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tflite_export: " << error.what() << '\n';
    return 1;
  }
}
