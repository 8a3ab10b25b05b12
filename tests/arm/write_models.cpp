// tests/arm/write_models.cpp: a small int8 MobileNetV2 in each rounding mode, and one with weights of 4 bits, saved
// with what this machine computes.
//   write_models <folder>   makes <folder>/<rounding mode>/ and <folder>/int4/, for verify_models on another
//                           architecture
#include <iostream>
#include <string>
#include <string_view>

#include "octavo/compress/calibrate.hpp"
#include "octavo/compress/convert.hpp"
#include "octavo/io/file.hpp"
#include "octavo/io/json.hpp"
#include "octavo/io/manifest.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"

using namespace octavo;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    nn::Graph graph = nn::mobilenet_v2({.input = {96, 96, 3}, .alpha = 0.35, .hidden = {16}, .classes = 9, .seed = 3});
    Rng rng(4);
    Tensor images = make_tensor({4, 96, 96, 3});
    for (float& x : values(images)) x = rng.uniform(-1.0F, 1.0F);
    const auto calibrated = [&](const Scheme& scheme) {
      return compress::calibrate(graph,
                                 [&, left = 2](Tensor& batch) mutable {
                                   batch = images;
                                   return left-- > 0;
                                 },
                                 {.scheme = scheme});
    };
    const auto write = [&](const nn::Graph& quantized, Rounding rounding, std::string_view name) {
      const std::string folder = std::string(argv[1]) + "/" + std::string(name);
      io::save(compress::convert(quantized, {.rounding = rounding, .int8_softmax = true}), folder);
      const io::Json manifest = io::parse_json(io::read_text_file(folder + "/manifest.json", 1 << 24));
      require(manifest.at("self_test").at("tolerance").number() == 0.0, "the self-test of '", folder, "' is not exact");
      (void)io::load(folder, {.verify = true});
      std::cout << folder << '\n';
    };
    const nn::Graph int8 = calibrated(compress::calibration_scheme());
    for (const Rounding rounding : {Rounding::nearest_even_f32, Rounding::tflite_double, Rounding::tflite_single})
      write(int8, rounding, name_of(rounding));
    Scheme int4 = compress::calibration_scheme();
    int4.weights.bits = int4.depthwise_weights.bits = int4.dense_weights.bits = 4;
    write(calibrated(int4), Rounding::nearest_even_f32, "int4");
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
