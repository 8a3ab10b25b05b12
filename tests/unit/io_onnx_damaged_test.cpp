// Damaged ONNX and safetensors files, as tests/fuzz tries them at length: an Error or a model, never anything else.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/onnx.hpp"
#include "octavo/io/safetensors.hpp"
#include "onnx_files.hpp"

using namespace octavo;

namespace {

// One to four bytes or words that are set, moved or cut off.
io::Bytes damaged(io::Bytes bytes, Rng& rng) {
  constexpr std::uint32_t telling[] = {0, 1, 127, 128, 255, 65535, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU};
  for (std::uint64_t times = 1 + rng.below(4); times > 0 && bytes.size() > 8; --times) {
    const auto at = static_cast<std::size_t>(rng.below(bytes.size() - 4));
    switch (rng.below(5)) {
      case 0:
        bytes[at] = static_cast<std::uint8_t>(rng.below(256));
        break;
      case 1:
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << rng.below(8)));
        break;
      case 2:
        std::memcpy(&bytes[at], &telling[rng.below(std::size(telling))], 4);
        break;
      case 3: {
        const auto from = static_cast<std::size_t>(rng.below(bytes.size() - 4));
        std::memmove(&bytes[at], &bytes[from], 4);
        break;
      }
      default:
        if (rng.below(8) == 0) bytes.resize(at);
    }
  }
  return bytes;
}

io::Bytes float_seed() {
  using namespace onnx_test;
  const std::vector<float> w(4 * 3 * 9, 0.1F), four = {1, 2, 3, 4};
  ModelWriter m;
  m.input("x", {-1, 3, 6, 6})
      .constant("w", {4, 3, 3, 3}, w)
      .constant("v", {4}, four)
      .constant("k", {2, 4}, std::vector<float>(8, 1.0F));
  m.constant("pads", {8}, Ints{0, 0, 1, 1, 0, 0, 1, 1}).constant("zero", {}, Ints{0}).constant("axes", {1}, Ints{0});
  m.constant("rest", {1}, Ints{-1});
  m.node("Pad", {"x", "pads"}, {"p"}).node("Conv", {"p", "w", "v"}, {"c"}, {attribute("strides", Ints{2, 2})});
  m.node("BatchNormalization", {"c", "v", "v", "v", "v"}, {"n"}).node("HardSwish", {"n"}, {"h"});
  m.node("MaxPool", {"h"}, {"a"}, {attribute("kernel_shape", Ints{2, 2})}).node("GlobalAveragePool", {"a"}, {"g"});
  m.node("Shape", {"g"}, {"s"}).node("Gather", {"s", "zero"}, {"b"}).node("Unsqueeze", {"b", "axes"}, {"u"});
  m.node("Concat", {"u", "rest"}, {"t"}, {attribute("axis", 0)}).node("Reshape", {"g", "t"}, {"f"});
  m.node("Gemm", {"f", "k"}, {"z"}, {attribute("transB", 1)}).node("Softmax", {"z"}, {"y"});
  return m.output("y").bytes();
}
io::Bytes quantized_seed() {
  using namespace onnx_test;
  ModelWriter m;
  m.input("x", {-1, 3, 5, 5}, kUint8).constant("s", {}, std::vector<float>{0.1F});
  m.constant("z", {}, std::vector<std::uint8_t>{7}).constant("w", {3, 1, 3, 3}, std::vector<std::uint8_t>(27, 200));
  m.node("QLinearConv", {"x", "s", "z", "w", "s", "z", "s", "z"}, {"c"}, {attribute("group", 3)});
  m.node("DequantizeLinear", {"c", "s", "z"}, {"r"}).node("Sigmoid", {"r"}, {"g"}).node("Mul", {"g", "r"}, {"q"});
  m.node("QuantizeLinear", {"q", "s", "z"}, {"y"});
  return m.output("y", kUint8).bytes();
}

}  // namespace

TEST_CASE("damaged ONNX files give an Error or a model") {
  Rng rng(11);
  int models = 0, errors = 0;
  for (const io::Bytes& seed : {float_seed(), quantized_seed()}) {
    REQUIRE_NOTHROW((void)io::parse_onnx(seed, "seed"));
    for (int i = 0; i < 1500; ++i) {
      const io::Bytes bytes = damaged(seed, rng);
      try {
        const runtime::Program program = io::parse_onnx(bytes, "damaged");
        CHECK_FALSE(program.outputs.empty());
        ++models;
      } catch (const Error&) {
        ++errors;
      }
    }
  }
  CHECK(models > 100);
  CHECK(errors > 100);
}

TEST_CASE("damaged safetensors files give an Error or arrays of their sizes") {
  const std::vector<float> values(12, 1.5F);
  const std::span<const std::uint8_t> raw(reinterpret_cast<const std::uint8_t*>(values.data()), 48);
  io::Bytes seed;
  io::write_safetensors_to(
      {{"a", {io::ElementType::f32, {3, 2}, raw.first(24)}}, {"b", {io::ElementType::i64, {3}, raw.last(24)}}},
      {{"key", "text"}},
      [&](std::span<const std::uint8_t> piece) { seed.insert(seed.end(), piece.begin(), piece.end()); });
  Rng rng(12);
  int files = 0, errors = 0;
  for (int i = 0; i < 3000; ++i) {
    try {
      const io::SafeTensors file(damaged(seed, rng), "damaged");
      for (const auto& [name, array] : file.arrays())
        CHECK(static_cast<std::int64_t>(io::to_floats(array).size()) == array.shape.size());
      ++files;
    } catch (const Error&) {
      ++errors;
    }
  }
  CHECK(files > 100);
  CHECK(errors > 100);
}
