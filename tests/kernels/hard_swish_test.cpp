// kernels/code_map.hpp: HARD_SWISH, both arithmetics.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "octavo/kernels/code_map.hpp"

using namespace octavo;

namespace {

Grid shifted(float scale, std::int32_t zero_point) { return {scale, zero_point + 128, 0, 255}; }

std::uint64_t hash(const CodeMap& map) {  // 64-bit FNV-1a of the int8 codes
  std::uint64_t value = 0xCBF29CE484222325ULL;
  for (const std::uint8_t code : map.table()) value = (value ^ (code ^ 0x80U)) * 0x100000001B3ULL;
  return value;
}

}  // namespace

TEST_CASE("hard_swish: the tflite modes give the bytes of LiteRT's reference kernel") {
  struct Case {
    float input_scale;
    std::int32_t input_zero;
    float output_scale;
    std::int32_t output_zero;
    std::uint64_t expected;  // of LiteRT 2.3.0, OpResolverType.BUILTIN_REF, all 256 codes
  };
  const Case cases[] = {
      {0.05F, -10, 0.03F, -110, 0x2DAC337CC2621F24ULL}, {0.0235F, 0, 0.0235F, 0, 0xECF6BF5541E7CD59ULL},
      {0.1F, 100, 0.02F, -50, 0x8BB752DA3B85EECAULL},   {0.006F, -128, 0.004F, 90, 0xDBB62FBC1EEF7844ULL},
      {0.31F, 3, 0.16F, -128, 0xBED8FAE6EF0F3206ULL},   {0.0117F, -77, 0.02F, -100, 0x55768B6A946FE475ULL},
  };
  for (const Case& c : cases) {
    CAPTURE(c.input_scale);
    const CodeMap map = make_hard_swish_map(shifted(c.input_scale, c.input_zero),
                                            shifted(c.output_scale, c.output_zero), Rounding::tflite_double);
    CHECK(hash(map) == c.expected);
  }
}

TEST_CASE("hard_swish: nearest_even_f32 is the function on the output's grid") {
  const Grid in = shifted(0.05F, -10), out = shifted(0.03F, -110);
  const CodeMap map = make_hard_swish_map(in, out);
  for (std::int32_t q = 0; q < 256; ++q) {
    const double x = 0.05 * (q - in.zero_point);
    const double real = x <= -3.0 ? 0.0 : x >= 3.0 ? x : x * (x + 3.0) / 6.0;
    const double code = std::clamp(real / 0.03 + out.zero_point, 0.0, 255.0);
    CHECK(std::abs(static_cast<double>(map.table()[static_cast<std::size_t>(q)]) - code) <= 0.5 + 1e-4);
  }
}

TEST_CASE("hard_swish: grids too far apart for 16 bits are refused") {
  CHECK_THROWS_AS((void)make_hard_swish_map(shifted(1.0F, 0), shifted(1e-4F, 0), Rounding::tflite_double), Error);
}
