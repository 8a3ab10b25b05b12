// Weights of 4 bits or fewer are stored two a byte, in the file and in memory: half the size, the same bytes out of the
// model.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "octavo/compress/calibrate.hpp"
#include "octavo/compress/convert.hpp"
#include "octavo/io/manifest.hpp"
#include "octavo/io/tflite_export.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"

using namespace octavo;

namespace {

std::vector<float> outputs_of(const runtime::Model& model, const Tensor& images) {
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size()) * images.shape()[0]);
  model.run(values(images), output);
  return output;
}

// The program with a byte for each weight.
runtime::Program widened(runtime::Program program) {
  for (runtime::TensorInfo& tensor : program.tensors) {
    if (tensor.dtype != runtime::DType::i4) continue;
    const std::vector<std::int8_t> codes = runtime::weight_codes(tensor);
    tensor.dtype = runtime::DType::i8;
    tensor.data.assign(codes.begin(), codes.end());
  }
  return program;
}

// Each operator by itself: int8 convolutions that run as one with what follows pack other tables.
std::int64_t packed_by_kernels(const runtime::Program& program) {
  return static_cast<std::int64_t>(runtime::Model(program, {.fuse = false}).info().packed_bytes);
}

// What 4-bit weights of 1x1, dense and other full convolutions save: half of their channels, padded to 16, times their
// depths, a kernel row's padded to 4. Depthwise weights are a byte each.
std::int64_t halved_by_kernels(const runtime::Program& program) {
  const auto padded = [](std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; };
  std::int64_t saved = 0;
  for (const runtime::Op& op : program.ops) {
    if (op.kind != runtime::OpKind::conv2d && op.kind != runtime::OpKind::dense) continue;
    const runtime::TensorInfo& weights = runtime::input_of(program, op, 1);
    if (weights.dtype != runtime::DType::i4) continue;
    const bool dense = op.kind == runtime::OpKind::dense;
    const std::int64_t rows = dense ? 1 : weights.shape[1];
    const std::int64_t length = dense ? weights.shape[1] : weights.shape[2] * weights.shape[3];
    saved += padded(weights.shape[0], 16) * rows * padded(length, 4) / 2;
  }
  return saved;
}

}  // namespace

TEST_CASE("weights of 4 bits or fewer take half a byte and compute as the same codes in int8") {
  nn::Graph graph = nn::mobilenet_v2(
      {.input = {32, 32, 3}, .alpha = 0.35, .hidden = {15}, .classes = 5, .stem_stride = 1, .seed = 3});
  Rng rng(4);
  for (const nn::Node& node : graph.nodes())  // so that something arrives at the end
    if (auto* norm = nn::layer_as<nn::BatchNorm>(*node.layer))
      for (std::size_t c = 0; c < norm->channels(); ++c) {
        norm->gamma().value.data()[c] = 2.0F + 2.0F * rng.uniform();
        norm->beta().value.data()[c] = rng.normal();
      }
  Tensor images = make_tensor({4, 32, 32, 3});
  for (float& x : values(images)) x = rng.uniform(-1.0F, 1.0F);
  std::vector<Scheme> schemes = {compress::calibration_scheme(), Scheme::per_tensor(), Scheme::weights_only(4),
                                 Scheme::weights_only(2)};
  schemes[0].weights.bits = schemes[0].depthwise_weights.bits = schemes[0].dense_weights.bits = 4;
  schemes[1].weights.bits = 3;  // the others stay at 8
  const std::string folder =
      std::filesystem::temp_directory_path() / ("octavo_compress_int4_" + std::to_string(::getpid()));
  for (std::size_t s = 0; s < schemes.size(); ++s) {
    CAPTURE(s);
    const nn::Graph quantized = compress::calibrate(graph,
                                                    [&, left = 1](Tensor& batch) mutable {
                                                      batch = images;
                                                      return left-- > 0;
                                                    },
                                                    {.scheme = schemes[s]});
    const runtime::Program packed = compress::convert(quantized);
    const runtime::Program wide = widened(packed);
    std::int64_t nibbles = 0, bytes = 0, others = 0;
    for (std::size_t i = 0; i < packed.tensors.size(); ++i) {
      const runtime::TensorInfo& tensor = packed.tensors[i];
      if (tensor.dtype == runtime::DType::i4) {
        CHECK(tensor.quantization.bits <= 4);
        nibbles += static_cast<std::int64_t>(tensor.data.size());
        bytes += static_cast<std::int64_t>(wide.tensors[i].data.size());
      } else if (tensor.constant() && tensor.dtype == runtime::DType::i8) {
        others += tensor.quantization.bits;
      }
    }
    CHECK(nibbles > 0);
    CHECK(nibbles <= bytes / 2 + 1500);  // each of the outermost rows ends with a whole byte
    CHECK((others > 0) == (s == 1));

    const std::vector<float> expected = outputs_of(runtime::Model(wide), images);
    CHECK(std::count(expected.begin(), expected.end(), expected[0]) < 10);
    for (const Isa isa : kAllIsas) {
      if (!force_isa(isa)) continue;
      CAPTURE(name_of(isa));
      CHECK(outputs_of(runtime::Model(packed), images) == outputs_of(runtime::Model(wide), images));
    }
    CHECK(packed_by_kernels(wide) - packed_by_kernels(packed) == halved_by_kernels(packed));
    save(packed, folder + "/packed");
    save(wide, folder + "/wide");
    const auto size = [&](const char* name) {
      return static_cast<std::int64_t>(std::filesystem::file_size(folder + "/" + name + "/weights.safetensors"));
    };
    CHECK(std::abs(size("wide") - size("packed") - (bytes - nibbles)) < 4096);  // their headers differ a little
    CHECK(outputs_of(load(folder + "/packed", {.verify = true}), images) == expected);
    if (schemes[s].quantize_activations) CHECK(io::to_tflite(packed) == io::to_tflite(wide));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("codes are packed low nibble first, each outermost row in whole bytes") {
  const std::vector<std::int8_t> codes = {1, -2, 7, -8, 0, -1};
  const AlignedVector<std::uint8_t> rows = runtime::packed_nibbles(codes, {2, 3});
  CHECK(std::vector<int>(rows.begin(), rows.end()) == std::vector<int>{0xE1, 0x07, 0x08, 0x0F});
  const AlignedVector<std::uint8_t> one = runtime::packed_nibbles(codes, {1, 1, 2, 3});
  CHECK(std::vector<int>(one.begin(), one.end()) == std::vector<int>{0xE1, 0x87, 0xF0});
  runtime::TensorInfo tensor{"w", runtime::DType::i4, {2, 3}, {}, rows};
  CHECK(runtime::weight_codes(tensor) == codes);
}
