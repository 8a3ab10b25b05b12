// The .tflite importer under damaged files: a short replay of what tflite_fuzz.cpp does at length.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "mutate.hpp"
#include "octavo/runtime/program_builder.hpp"
#include "tflite_target.hpp"

using namespace octavo;
using namespace octavo::runtime;

namespace {

// A few operators with constants, options and quantization of every kind.
fuzz::Bytes seed(DType dtype) {
  const bool codes = dtype == DType::i8;
  const auto grid = [&](float scale) { return codes ? per_tensor(scale, -3) : Quantization{}; };
  ProgramBuilder b("seed", Rounding::tflite_double);
  const int x = b.add_input("input", {1, 6, 6, 2}, dtype, grid(0.1F));
  Op pad{.kind = OpKind::pad, .name = "pad"};
  pad.pad_top = pad.pad_left = 1;
  const int padded = b.add_op(pad, {x}, {1, 7, 7, 2}, grid(0.1F));
  Op conv{.kind = OpKind::conv2d, .name = "conv"};
  conv.window = {3, 3, 2, 2, 1, 1, 0, 0};
  conv.clamp_low = 0.0F;
  std::vector<float> real(72, 0.25F);
  std::vector<std::int8_t> small(72, 9);
  const int w =
      codes ? b.add_constant<std::int8_t>("w", DType::i8, {4, 3, 3, 2}, small, per_channel({0.1F, 0.2F, 0.3F, 0.4F}, 0))
            : b.add_floats("w", {4, 3, 3, 2}, real);
  const int y = b.add_op(conv, {padded, w, -1}, {1, 3, 3, 4}, grid(0.2F));
  const int turned =
      b.add_op({.kind = OpKind::transpose, .name = "turned", .axes = {0, 2, 1, 3}}, {y}, {1, 3, 3, 4}, grid(0.2F));
  const int sum = b.add_op({.kind = OpKind::sub, .name = "sub"}, {y, turned}, {1, 3, 3, 4}, grid(0.3F));
  const int joined =
      b.add_op({.kind = OpKind::concat, .name = "concat", .axis = 3}, {sum, y}, {1, 3, 3, 8}, grid(0.3F));
  const int mean = b.add_op({.kind = OpKind::mean, .name = "mean", .axes = {2}}, {joined}, {1, 3, 8}, grid(0.25F));
  const int flat = b.add_op({.kind = OpKind::reshape, .name = "flat"}, {mean}, {1, 24}, grid(0.25F));
  b.add_output(b.add_op({.kind = OpKind::softmax, .name = "softmax"}, {flat}, {1, 24},
                        codes ? per_tensor(1.0F / 256, -128) : Quantization{}));
  const AlignedVector<std::uint8_t> bytes = io::to_tflite(std::move(b).build());
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("tflite under fuzz: damaged files are errors or valid programs") {
  Rng rng(77);
  int accepted = 0;
  int refused = 0;
  for (const DType dtype : {DType::i8, DType::f32}) {
    const fuzz::Bytes whole = seed(dtype);
    REQUIRE(fuzz::import_tflite(whole));
    for (int i = 0; i < 3000; ++i) ++(fuzz::import_tflite(fuzz::mutate(whole, rng)) ? accepted : refused);
    for (std::size_t size = 0; size < whole.size(); size += 7) {
      const fuzz::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      ++(fuzz::import_tflite(cut) ? accepted : refused);
    }
  }
  CHECK(accepted > 100);  // much of a file does not matter: names, padding, weights
  CHECK(refused > 1000);
}
