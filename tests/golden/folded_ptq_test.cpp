// Post-training quantization of ImageNet's MobileNetV2 against what TensorFlow Lite's converter made of the same
// network: weights with the same scales and the same codes.
#include <doctest/doctest.h>
#include <cmath>
#include <cstdlib>
#include <octavo/compress/calibrate.hpp>
#include <octavo/compress/convert.hpp>
#include <octavo/io/load_folded_weights.hpp>
#include <octavo/io/tflite.hpp>
#include <octavo/nn/models/mobilenet_v2.hpp>
#include <string>
#include <vector>
#include "skip.hpp"

namespace {

std::vector<const octavo::runtime::TensorInfo*> kernels_of(const octavo::runtime::Program& program) {
  std::vector<const octavo::runtime::TensorInfo*> kernels;
  for (const octavo::runtime::Op& op : program.ops)
    if (octavo::runtime::is_convolution(op.kind)) kernels.push_back(&octavo::runtime::input_of(program, op, 1));
  return kernels;
}

}  // namespace

TEST_CASE("PTQ gives the weights of TensorFlow Lite's converter") {
  const char* const data = std::getenv("OCTAVO_DATA");
  if (data == nullptr || *data == '\0') {
    octavo_test::skip("OCTAVO_DATA is not set: nothing to compare with");
    return;
  }
  const std::string folder = data;
  octavo::nn::Graph graph = octavo::nn::mobilenet_v2({.input = {224, 224, 3}, .classes = 1001});
  REQUIRE(octavo::io::load_folded_weights(graph, folder + "/mobilenet_v2_imagenet_folded") == 53);
  octavo::compress::CalibrationOptions options;
  options.scheme.activation_observer = options.scheme.input_observer = octavo::ObserverSettings::min_max();
  int batches = 0;
  const octavo::nn::Graph calibrated = octavo::compress::calibrate(
      graph,
      [&](octavo::Tensor& batch) {
        octavo::reshape_to(batch, {1, 224, 224, 3});
        for (std::size_t i = 0; i < batch.size(); ++i) batch.data()[i] = static_cast<float>(i % 255) / 127.0F - 1.0F;
        return batches++ == 0;
      },
      options);
  const octavo::runtime::Program ours = octavo::compress::convert(calibrated);
  const octavo::runtime::Program theirs =
      octavo::io::load_tflite_program(folder + "/tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite");
  const auto mine = kernels_of(ours), other = kernels_of(theirs);
  REQUIRE(mine.size() == 53);
  REQUIRE(other.size() == 53);
  std::size_t codes = 0, differing = 0, dead = 0;
  double largest = 0.0;  // relative difference of scales
  for (std::size_t layer = 0; layer < mine.size(); ++layer) {
    const auto &a = *mine[layer], &b = *other[layer];
    REQUIRE(a.data.size() == b.data.size());
    REQUIRE(a.quantization.scale.size() == b.quantization.scale.size());
    for (std::size_t c = 0; c < a.quantization.scale.size(); ++c) {
      const double apart =
          std::abs(static_cast<double>(a.quantization.scale[c]) / static_cast<double>(b.quantization.scale[c]) - 1.0);
      // A channel whose weights all round to 0 has no scale of its own; the converter writes 1e-6.
      if (b.quantization.scale[c] == 1e-6F && apart > 1e-6) {
        ++dead;
        continue;
      }
      largest = std::max(largest, apart);
    }
    for (std::size_t i = 0; i < a.data.size(); ++i) {
      const int difference = static_cast<std::int8_t>(a.data[i]) - static_cast<std::int8_t>(b.data[i]);
      differing += difference != 0 ? 1 : 0;
      CHECK_MESSAGE(std::abs(difference) <= 1, a.name, " code ", i);
      if (std::abs(difference) > 1) return;
    }
    codes += a.data.size();
  }
  MESSAGE(differing << " of " << codes << " codes differ; scales by at most " << largest << ", but for " << dead
                    << " channels of zeros");
  CHECK(dead < 20);
  CHECK(largest < 1e-6);
  CHECK(static_cast<double>(differing) < 1e-4 * static_cast<double>(codes));
}
