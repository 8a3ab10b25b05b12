// The text of the AVX-VNNI kernels on CPUs that have only the AVX-512 encoding of the instruction: the same templates,
// with VPDPBUSD in that encoding on 256-bit registers, against the portable level.
#include <doctest/doctest.h>

#include "int8_support.hpp"
#include "octavo/kernels/depthwise_levels.hpp"
#include "octavo/kernels/gemm_levels.hpp"

#if OCTAVO_X86

using namespace int8_test;

namespace {

struct DotEvex : detail::DotAvxVnni {
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void add(__m256i& acc, __m256i codes, __m256i weights) {
    __asm__("vpdpbusd %2,%1,%0" : "+x"(acc) : "x"(codes), "x"(weights));
  }
};

detail::PreparedStage make_stage(std::int64_t channels, std::int64_t taps, Rounding rounding, Rng& rng,
                                 WeightBits bits = WeightBits::eight) {
  const std::vector<std::int64_t> bounds(static_cast<std::size_t>(channels), 1 << 24);
  return {"test", random_stage(rounding, channels, taps, static_cast<int>(rng.below(3)), rng, bits), 1, channels,
          bounds};
}

bool skipped() {
  if (cpu_has(Isa::avx512vnni)) return false;
  std::printf("skipped: this CPU lacks avx512vnni\n");
  return true;
}

template <WeightBits Bits>
void check_product(std::int64_t rows, std::int64_t channels, Rng& rng) {
  const Rounding rounding = kAllRoundings[rng.below(3)];
  const std::int64_t segments = 1 + static_cast<std::int64_t>(rng.below(3));
  const std::int64_t length = 4 * (1 + static_cast<std::int64_t>(rng.below(9)));
  Exact<std::int8_t> weights(channels * segments * length);
  fill_weights(weights.data(), weights.size(), static_cast<int>(rng.below(4)), rng, Bits);
  const detail::PackedWeights packed(weights.data(), channels, segments, length, Bits);
  const detail::PreparedStage stage = make_stage(channels, segments * length, rounding, rng, Bits);
  Exact<std::uint8_t> in(segments * rows * length), out(rows * channels), expected(rows * channels);
  fill_codes(in.data(), in.size(), static_cast<int>(rng.below(4)), rng);
  AlignedVector<std::int32_t> start(static_cast<std::size_t>(detail::round_up(channels, 64)), 1000);
  std::vector<const std::uint8_t*> segment;
  for (std::int64_t s = 0; s < segments; ++s) segment.push_back(in.data() + s * rows * length);
  detail::GemmCall call;
  call.segment = segment.data();
  call.segments = segments;
  call.quads = packed.quads();
  call.row_stride = length;
  call.rows = rows;
  call.weights = packed.data();
  call.channel_end = channels;
  call.start = start.data();
  call.sink = stage.sink();
  call.out_stride = channels;
  call.out = expected.data();
  detail::Gemm<Isa::scalar, Bits>::run(call);
  call.out = out.data();
  detail::GemmYmm<DotEvex, Bits>::run(call);
  INFO(rows, "x", channels, " ", name_of(rounding), " ", static_cast<int>(Bits));
  REQUIRE(out == expected);
}

}  // namespace

TEST_CASE("matrix product") {
  if (skipped()) return;
  Rng rng(1);
  for (std::int64_t rows = 1; rows < 20; ++rows)
    for (const std::int64_t channels : {1, 8, 15, 16, 17, 33, 64}) {
      check_product<WeightBits::eight>(rows, channels, rng);
      check_product<WeightBits::four>(rows, channels, rng);
    }
}

TEST_CASE("depthwise") {
  if (skipped()) return;
  Rng rng(2);
  for (int i = 0; i < 200; ++i) {
    ConvGeometry g;
    g.in_c = g.out_c = 1 + static_cast<std::int64_t>(rng.below(100));
    g.in_h = 1 + static_cast<std::int64_t>(rng.below(6));
    g.in_w = 1 + static_cast<std::int64_t>(rng.below(6));
    g.window.kernel_h = g.window.kernel_w = rng.below(4) == 0 ? 5 : 3;
    g.window.stride_h = g.window.stride_w = 1 + static_cast<std::int64_t>(rng.below(3));
    g.window.pad_top = g.window.pad_left = static_cast<std::int64_t>(rng.below(3));
    g.out_h = (g.in_h + g.window.stride_h - 1) / g.window.stride_h;
    g.out_w = (g.in_w + g.window.stride_w - 1) / g.window.stride_w;
    const Rounding rounding = kAllRoundings[rng.below(3)];
    const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
    Exact<std::int8_t> weights(taps * g.out_c);
    fill_weights(weights.data(), weights.size(), 0, rng);
    const detail::DepthwiseWeights packed = detail::pack_depthwise(g, weights.data());
    const detail::PreparedStage stage = make_stage(g.out_c, taps, rounding, rng);
    const auto lanes = static_cast<std::size_t>(detail::round_up(g.out_c, 64));
    AlignedVector<std::int32_t> start(lanes), start_quads(lanes);
    AlignedVector<float> scale_quads(lanes);
    for (std::size_t c = 0; c < lanes; ++c) {
      start[c] = static_cast<std::int32_t>(rng.below(2000));
      const auto lane = static_cast<std::size_t>(detail::quad_lane(static_cast<std::int64_t>(c)));
      start_quads[lane] = start[c];
      if (stage.fast()) scale_quads[lane] = stage.sink().scale[c];
    }
    Exact<std::uint8_t> in(g.in_size()), zero_row(g.in_w * g.in_c), out(g.out_size()), expected(g.out_size());
    fill_codes(in.data(), in.size(), 0, rng);
    zero_row.fill(7);
    detail::DepthwiseCall call;
    call.channel_end = g.out_c;
    call.geometry = &g;
    call.weights = &packed;
    call.in = in.data();
    call.zero_row = zero_row.data();
    call.start = start.data();
    call.sink = stage.sink();
    call.start_quads = start_quads.data();
    call.scale_quads = scale_quads.data();
    call.y_end = g.out_h;
    call.out = expected.data();
    detail::Depthwise<Isa::scalar>::run(call);
    call.out = out.data();
    detail::DepthwiseYmm<DotEvex>::run(call);
    INFO(g.in_c, " channels, kernel ", g.window.kernel_h, ", stride ", g.window.stride_h, " ", name_of(rounding));
    REQUIRE(out == expected);
  }
}

#endif  // OCTAVO_X86
