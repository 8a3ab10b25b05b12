// The folded ImageNet MobileNetV2 of OCTAVO_DATA in our float runtime, against the three golden outputs that came with
// it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/io/folded_mobilenet.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/runtime/classify.hpp"
#include "octavo/runtime/model.hpp"
#include "skip.hpp"

namespace fs = std::filesystem;
using namespace octavo;

namespace {

// The folder, or an empty path.
fs::path data_folder() {
  const char* data = std::getenv("OCTAVO_DATA");
  const fs::path folder = fs::path(data == nullptr ? "" : data) / "mobilenet_v2_imagenet_folded";
  if (data != nullptr && fs::exists(folder)) return folder;
  octavo_test::skip("OCTAVO_DATA has no mobilenet_v2_imagenet_folded: nothing to compare with");
  return {};
}

std::vector<io::FoldedLayer> layers_of(const fs::path& folder) {
  return io::read_folded_weights(folder / "layer_map.csv", folder / "mobilenet_v2_1.0_224_folded_fp32.bin");
}

// The file's classifier was 8-bit once (each row lies on a grid of 255 codes); the golden outputs were computed with
// the float one. Rounding n weights to a grid of step s changes a logit by s / sqrt(12) * |features| (standard
// deviation). That explains the whole difference: the rest of the network is exact.
double rounding_deviation(const io::FoldedLayer& classifier, const std::vector<float>& features) {
  double energy = 0.0;
  for (const float feature : features) energy += static_cast<double>(feature) * static_cast<double>(feature);
  double variance = 0.0;
  const std::size_t rows = classifier.bias.size();
  for (std::size_t row = 0; row < rows; ++row) {
    float largest = 0.0F;
    for (std::size_t k = 0; k < features.size(); ++k)
      largest = std::max(largest, std::abs(classifier.weights[row * features.size() + k]));
    const double step = static_cast<double>(largest) / 127.0;
    variance += step * step / 12.0 * energy / static_cast<double>(rows);
  }
  return std::sqrt(variance);
}

// Standard deviation of log(probability) - logit over the classes: softmax shifts all by the same number.
double logit_deviation(const std::vector<float>& probabilities, const std::vector<float>& logits) {
  double sum = 0.0;
  double squares = 0.0;
  const auto n = static_cast<double>(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double error = std::log(static_cast<double>(probabilities[i])) - static_cast<double>(logits[i]);
    sum += error / n;
    squares += error * error / n;
  }
  return std::sqrt(squares - sum * sum);
}

}  // namespace

TEST_CASE("folded MobileNetV2: the reader finds 53 layers") {
  const fs::path folder = data_folder();
  if (folder.empty()) return;
  const std::vector<io::FoldedLayer> layers = layers_of(folder);
  REQUIRE(layers.size() == 53);
  CHECK(layers[0].weight_shape == Shape{32, 3, 3, 3});
  CHECK(layers[1].depthwise);
  CHECK(layers[1].high == 6.0F);
  CHECK(std::isinf(layers[2].high));
  CHECK(layers[52].bias.size() == 1001);
}

TEST_CASE("folded MobileNetV2: three golden outputs, as near as the 8-bit classifier allows") {
  const fs::path folder = data_folder();
  if (folder.empty()) return;
  const std::vector<io::FoldedLayer> layers = layers_of(folder);
  const runtime::Program program = io::program_from_folded_mobilenet(layers);
  const runtime::Model model(program, {.threads = 2});
  const runtime::Model kept(program, {.threads = 2, .keep_intermediates = true});
  runtime::Session session = kept.session();
  CHECK(model.info().macs == 300'775'552);
  std::size_t adds = 0;
  for (const runtime::Op& op : program.ops) adds += op.kind == runtime::OpKind::add;
  CHECK(adds == 10);
  for (const std::string set : {"0", "1", "2"}) {
    const std::vector<float> image = io::read_npy(folder / "test_data_set" / set / "input_0.npy").floats();
    const std::vector<float> expected = io::read_npy(folder / "test_data_set" / set / "output_0.npy").floats();
    std::vector<float> found(expected.size());
    session.run({std::span<const float>(image)}, {std::span<float>(found)});
    float worst = 0.0F;
    for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i]));
    const double deviation = logit_deviation(expected, session.tensor_values("classifier"));
    const double explained = rounding_deviation(layers.back(), session.tensor_values("global_average_pool"));
    std::cout << "image " << set << ": class " << runtime::argmax(found) << ", largest difference " << worst
              << "; logits deviate by " << deviation << ", rounding of the classifier explains " << explained << "\n";
    CHECK(runtime::argmax(found) == runtime::argmax(expected));
    CHECK(worst < 3e-3F);
    CHECK(deviation < 1.05 * explained);
    // Planned and fused, the same.
    std::vector<float> planned(expected.size());
    model.run(image, planned);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(planned[i] - found[i]) < 1e-6F);
  }
}
