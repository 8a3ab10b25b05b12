// tests/fuzz/manifest_model.hpp: the model whose manifest is damaged: small, with every kind of member.
#ifndef OCTAVO_TESTS_FUZZ_MANIFEST_MODEL_HPP_
#define OCTAVO_TESTS_FUZZ_MANIFEST_MODEL_HPP_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "octavo/io/manifest.hpp"
#include "octavo/runtime/program_builder.hpp"

namespace fuzz {

inline void make_model(const std::string& folder) {
  using namespace octavo;
  using namespace octavo::runtime;
  ProgramBuilder b("seed");
  const int x = b.add_input("input", {1, 4, 4, 2});
  const int q =
      b.add_op({.kind = OpKind::quantize, .name = "quantize"}, {x}, {1, 4, 4, 2}, DType::i8, per_tensor(0.1F, -3));
  Op conv{.kind = OpKind::conv2d, .name = "conv"};
  conv.window = {3, 3, 2, 2, 1, 1, 1, 1};
  conv.clamp_low = 0.0F, conv.clamp_high = 6.0F;
  const std::vector<std::int8_t> codes(36, 9);
  const std::vector<std::int32_t> bias{5, -5};
  const int w = b.add_constant<std::int8_t>("w", DType::i8, {2, 3, 3, 2}, codes, per_channel({0.1F, 0.2F}, 0));
  const int c = b.add_constant<std::int32_t>("b", DType::i32, {2}, bias);
  const int y = b.add_op(conv, {q, w, c}, {1, 2, 2, 2}, per_tensor(0.05F, -128));
  const int both =
      b.add_op({.kind = OpKind::concat, .name = "both", .axis = 3}, {y, y}, {1, 2, 2, 4}, per_tensor(0.05F, -128));
  const int mean =
      b.add_op({.kind = OpKind::mean, .name = "mean", .axes = {1, 2}}, {both}, {1, 4}, per_tensor(0.05F, -128));
  b.add_output(b.add_op({.kind = OpKind::dequantize, .name = "output"}, {mean}, {1, 4}, DType::f32));
  save(std::move(b).build(), folder,
       {.labels = {"a", "b", "c", "d"}, .preprocessing = {{"range", "minus_one_to_one"}}, .metadata = {{"note", "x"}}});
}

}  // namespace fuzz

#endif  // OCTAVO_TESTS_FUZZ_MANIFEST_MODEL_HPP_
