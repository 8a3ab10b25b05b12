// tests/arm/write_models.cpp: a small int8 MobileNetV2 in each rounding mode, saved with what this machine computes.
//   write_models <folder>   makes <folder>/<rounding mode>/, for verify_models on another architecture
#include <iostream>
#include <string>

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
    auto batches = [&, left = 2](Tensor& batch) mutable {
      batch = images;
      return left-- > 0;
    };
    const nn::Graph calibrated = compress::calibrate(graph, batches, {});
    for (const Rounding rounding : {Rounding::nearest_even_f32, Rounding::tflite_double, Rounding::tflite_single}) {
      const std::string folder = std::string(argv[1]) + "/" + std::string(name_of(rounding));
      io::save(compress::convert(calibrated, {.rounding = rounding, .int8_softmax = true}), folder);
      const io::Json manifest = io::parse_json(io::read_text_file(folder + "/manifest.json", 1 << 24));
      require(manifest.at("self_test").at("tolerance").number() == 0.0, "the self-test of '", folder, "' is not exact");
      (void)io::load(folder, {.verify = true});
      std::cout << folder << '\n';
    }
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
