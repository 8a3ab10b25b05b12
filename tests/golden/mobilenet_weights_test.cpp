// The ImageNet weights of OCTAVO_DATA in our own MobileNetV2: the three golden outputs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "octavo/compress/calibrate.hpp"
#include "octavo/compress/compare.hpp"
#include "octavo/compress/convert.hpp"
#include "octavo/io/load_folded_weights.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"
#include "skip.hpp"

using namespace octavo;

namespace {

std::string data_folder() {
  const char* root = std::getenv("OCTAVO_DATA");
  const std::string folder = std::string(root != nullptr ? root : "") + "/mobilenet_v2_imagenet_folded";
  if (root != nullptr && std::filesystem::exists(folder)) return folder;
  octavo_test::skip("OCTAVO_DATA has no mobilenet_v2_imagenet_folded: nothing to compare with");
  return "";
}

std::string only_npy(const std::string& folder, const std::string& word) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().find(word) != std::string::npos) return entry.path().string();
  return "";
}

Tensor read_tensor(const std::string& path, const Shape& shape) {
  const auto array = io::read_npy(path);
  const std::vector<float> numbers = array.floats();
  Tensor tensor = make_tensor(shape);
  REQUIRE(numbers.size() == tensor.size());
  std::copy(numbers.begin(), numbers.end(), tensor.begin());
  return tensor;
}

}  // namespace

TEST_CASE("float MobileNetV2 with the folded ImageNet weights gives the golden outputs; int8 agrees layer by layer") {
  const std::string folder = data_folder();
  if (folder.empty()) return;
  nn::Graph graph = nn::mobilenet_v2({.classes = 1001});
  CHECK(io::load_folded_weights(graph, folder) == 53);
  nn::Executor executor(graph, 2);
  Tensor images = make_tensor({3, 224, 224, 3});
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const std::string set = folder + "/test_data_set/" + std::to_string(i);
    const Tensor input = read_tensor(only_npy(set, "input"), {1, 224, 224, 3});
    const Tensor expected = read_tensor(only_npy(set, "output"), {1, 1001});
    std::copy(input.begin(), input.end(), images.begin() + static_cast<std::ptrdiff_t>(i * input.size()));
    const Tensor& output = executor.forward(input);
    float difference = 0.0F;
    for (std::size_t c = 0; c < output.size(); ++c)
      difference = std::max(difference, std::abs(output.data()[c] - expected.data()[c]));
    std::cout << "image " << i << ": largest probability difference " << difference << '\n';
    CHECK(std::max_element(output.begin(), output.end()) - output.begin() ==
          std::max_element(expected.begin(), expected.end()) - expected.begin());
    CHECK(difference < 3e-3F);  // the file's weights have been through 8 bits
  }
  nn::Graph calibrated = compress::calibrate(
      graph,
      [&, left = 1](Tensor& batch) mutable {
        batch = images;
        return left-- > 0;
      },
      compress::CalibrationOptions{});
  const compress::Comparison comparison = compress::compare(calibrated, compress::convert(calibrated), images);
  CHECK(comparison.layers.size() == 65);
  CHECK(comparison.max_steps <= 1);
  CHECK(comparison.top1_agreement == 1.0);
}
