// The int8 and uint8 .tflite models of OCTAVO_DATA in tflite_double: every byte of every operator's output is that of
// LiteRT's reference kernels. The hashes were printed by `benchmarks/peers/check_tflite.py --golden` (ai-edge-litert
// 2.3.0).
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/io/tflite.hpp"
#include "skip.hpp"

namespace fs = std::filesystem;
using namespace octavo;
using namespace octavo::runtime;

namespace {

struct Golden {
  const char* file;
  int images;
  std::uint64_t hash;
};

fs::path model_folder() {
  const char* data = std::getenv("OCTAVO_DATA");
  const fs::path folder = fs::path(data == nullptr ? "" : data) / "tflite";
  if (data != nullptr && fs::exists(folder)) return folder;
  octavo_test::skip("OCTAVO_DATA has no tflite: nothing to compare with");
  return {};
}

}  // namespace

TEST_CASE("tflite models: the bytes of LiteRT's reference kernels") {
  const fs::path folder = model_folder();
  if (folder.empty()) return;
  const Golden goldens[] = {
      {"mobilenet_v2_1.0_224_quant.tflite", 1, 0x177218C6EB6776E8ULL},
      {"tf2_mobilenet_v2_1.0_224_ptq.tflite", 1, 0xB7884C558177DE15ULL},
      {"vww_96_int8.tflite", 4, 0x2530E25A140EB885ULL},
      {"pretrainedResnet_quant.tflite", 4, 0x19C57CCE97C99719ULL},
  };
  for (const Golden& golden : goldens) {
    CAPTURE(golden.file);
    const Program program = load_tflite_program((folder / golden.file).string(), Rounding::tflite_double);
    REQUIRE(program.rounding == Rounding::tflite_double);
    const Model model(program, {.threads = 2, .keep_intermediates = true});
    Session session = model.session();
    std::vector<std::uint8_t> image(static_cast<std::size_t>(model.input().shape.size()));
    std::vector<float> scores(static_cast<std::size_t>(model.output().shape.size()));
    std::uint32_t state = 1;
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (int i = 0; i < golden.images; ++i) {
      for (std::uint8_t& code : image) {
        state = state * 1664525U + 1013904223U;
        code = static_cast<std::uint8_t>(state >> 24);
      }
      const std::span<const std::int8_t> as_int8(reinterpret_cast<const std::int8_t*>(image.data()), image.size());
      const ConstBuffer in =
          model.input().dtype == DType::u8 ? ConstBuffer(std::span<const std::uint8_t>(image)) : ConstBuffer(as_int8);
      const Buffer out{std::span<float>(scores)};
      session.run(std::span(&in, 1), std::span(&out, 1));
      for (const Op& op : program.ops) {
        if (op.kind == OpKind::requantize) continue;  // the file's QUANTIZE, and the border of uint8 models
        for (const std::int8_t code : session.tensor_codes(op.outputs[0]))
          hash = (hash ^ static_cast<std::uint8_t>(code)) * 0x100000001B3ULL;
      }
    }
    CHECK(hash == golden.hash);
  }
}
