// octavo/kernels/x86/depthwise_avx512vnni.hpp: depthwise convolution with VPDPBUSD: four taps of a channel in a lane.
//
// 3x3, stride 1: four image rows are interleaved once a column and serve two output rows; per column and 64 channels: 4
// loads, 8 unpacks, 24 VPDPBUSD for 128 outputs. 3x3, other strides: one output row, 12 VPDPBUSD for 64 outputs. Any
// other window: taps in groups of four. Blocks of 64 channels use 512-bit registers. So does a rest of 32 or 16
// channels of a 3x3 with stride 1, for 2 or 4 times as many rows; any other rest of at most 32 channels uses 256-bit
// ones.
#ifndef OCTAVO_KERNELS_X86_DEPTHWISE_AVX512VNNI_HPP_
#define OCTAVO_KERNELS_X86_DEPTHWISE_AVX512VNNI_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../depthwise.hpp"
#include "finish_avx512vnni.hpp"
#include "widths_avx512vnni.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Depthwise<Isa::avx512vnni> {
  static std::string_view name(const ConvGeometry& g) {
    if (g.in_c != g.out_c) return Depthwise<Isa::scalar>::name(g);
    if (!three_by_three(g)) return "depthwise_taps_avx512vnni";
    return g.window.stride_h == 1 && g.window.stride_w == 1 ? "depthwise_3x3s1_avx512vnni" : "depthwise_3x3_avx512vnni";
  }

  static void run(const DepthwiseCall& call) {
    const ConvGeometry& g = *call.geometry;
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    if (g.in_c != g.out_c) return Depthwise<Isa::scalar>::run(call);
    if (!three_by_three(g)) {
      for (std::int64_t y = call.y_begin; y < call.y_end; ++y)
        fast ? taps_row<true>(call, y) : taps_row<false>(call, y);
      return;
    }
    // A last block of 32 or 16 channels: 2 or 4 pairs of rows share a register.
    const std::int64_t rest = (call.channel_end - call.channel_begin) % kChannelBlock;
    const bool pairs = g.window.stride_h == 1 && g.window.stride_w == 1;
    std::int64_t y = call.y_begin;
    if (fast && pairs && rest == 32) y = grouped_rows<2>(call);
    if (fast && pairs && rest == 16) y = grouped_rows<4>(call);
    all_rows(call, y, call.y_end);
  }

 private:
  static bool three_by_three(const ConvGeometry& g) {
    const Window& w = g.window;
    return w.kernel_h == 3 && w.kernel_w == 3 && w.dilation_h == 1 && w.dilation_w == 1;
  }

  // Output rows [y, y_end), all channels.
  static void all_rows(const DepthwiseCall& call, std::int64_t y, std::int64_t y_end) {
    const bool fast = call.sink.kind == Sink::Kind::fast_codes;
    const std::int64_t stride = call.geometry->window.stride_w;
    const bool pairs = stride == 1 && call.geometry->window.stride_h == 1;
    while (y < y_end) {
      if (pairs && y + 1 < y_end) {
        fast ? rows<true, 2, 1>(call, y) : rows<false, 2, 1>(call, y);
        y += 2;
      } else if (stride == 1) {
        fast ? rows<true, 1, 1>(call, y) : rows<false, 1, 1>(call, y);
        y += 1;
      } else if (stride == 2) {
        fast ? rows<true, 1, 2>(call, y) : rows<false, 1, 2>(call, y);
        y += 1;
      } else {
        fast ? rows<true, 1, 0>(call, y) : rows<false, 1, 0>(call, y);
        y += 1;
      }
    }
  }
  // Fast, stride 1, a last block of 64 / Groups channels: as many whole groups of row pairs as there are; returns the
  // row behind them.
  template <unsigned Groups>
  static std::int64_t grouped_rows(const DepthwiseCall& call) {
    constexpr std::int64_t rows_at_once = 2 * Groups;
    DepthwiseCall wide = call;
    wide.channel_end -= 64 / Groups;
    std::int64_t y = call.y_begin;
    for (; y + rows_at_once <= call.y_end; y += rows_at_once) {
      all_rows(wide, y, y + rows_at_once);
      columns<ZmmGroups<Groups>, true, 2, 1>(call, y, wide.channel_end);
    }
    return y;
  }

  // Output rows y .. y + Rows - 1, horizontal stride Step (0: any), block after block of channels.
  template <bool Fast, int Rows, int Step>
  static void rows(const DepthwiseCall& call, std::int64_t y) {
    for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kChannelBlock) {
      if (call.channel_end - c > Ymm::kCodes)
        columns<Zmm, Fast, Rows, Step>(call, y, c);
      else
        columns<Ymm, Fast, Rows, Step>(call, y, c);
    }
  }
  template <bool Fast>
  static void taps_row(const DepthwiseCall& call, std::int64_t y) {
    for (std::int64_t c = call.channel_begin; c < call.channel_end; c += kChannelBlock) {
      if (call.channel_end - c > Ymm::kCodes)
        taps<Zmm, Fast>(call, y, c);
      else
        taps<Ymm, Fast>(call, y, c);
    }
  }

  // Writes one output pixel's block from its four quads of accumulators.
  template <class Vector, bool Fast>
  struct Writer {
    const DepthwiseCall& call;
    std::int64_t channel, count, group_bytes;
    __mmask64 mask;
    bool offset, narrow;         // what a layer does not need is skipped
    const std::int32_t* starts;  // fast
    const float* scales;
    typename Vector::Register zero_point, low, high;

    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE Writer(const DepthwiseCall& c, std::int64_t first, int rows = 1)
        : call(c),
          channel(first),
          count(std::min(Vector::kCodes, c.geometry->out_c - first)),
          group_bytes(rows * c.geometry->out_w * c.geometry->out_c),
          mask(mask64(count)),
          offset(c.sink.zero_point != 0),
          narrow(c.sink.min > 0 || c.sink.max < 255),
          starts(Fast ? c.start_quads + first : nullptr),
          scales(Fast ? c.scale_quads + first : nullptr),
          zero_point(Vector::fill16(c.sink.zero_point)),
          low(Vector::fill(static_cast<std::uint8_t>(c.sink.min))),
          high(Vector::fill(static_cast<std::uint8_t>(c.sink.max))) {}

    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE typename Vector::Register start(int quad) const {
      if constexpr (Fast) return Vector::load_lanes(starts + 16 * quad);
      return Vector::zero();
    }
    // Fast: a quad's sums scaled and rounded; those of quads 2 * i and 2 * i + 1 packed. The saturating packs clamp.
    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE typename Vector::Register scaled(int quad,
                                                                            typename Vector::Register acc) const {
      return Vector::scaled(acc, scales + 16 * quad);
    }
    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE typename Vector::Register words(typename Vector::Register even,
                                                                           typename Vector::Register odd) const {
      const auto packed = Vector::to_words(even, odd);
      return offset ? Vector::add_words(packed, zero_point) : packed;
    }
    // The packs put the channels back in order.
    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE void write_words(typename Vector::Register first,
                                                            typename Vector::Register second, std::uint8_t* out) const {
      const auto codes = Vector::to_codes(first, second);
      Vector::store(out, group_bytes, mask, narrow ? Vector::clamp(codes, low, high) : codes);
    }
    OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE void write(const typename Vector::Register* acc, void* out) const {
      if constexpr (Fast) {
        write_words(words(scaled(0, acc[0]), scaled(1, acc[1])), words(scaled(2, acc[2]), scaled(3, acc[3])),
                    static_cast<std::uint8_t*>(out));
      } else {
        std::int32_t quads[4][16];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) Vector::store_lanes(quads[i], acc[i]);
        finish(call, channel, count, quads[0], out);
      }
    }
  };

  // Any sink: back to the order of channels (channels 16 * l + 4 * q .. + 3 are lanes 4 * l .. + 3 of quad q), start
  // added (here, since only fast_codes has it in quads), then Finish.
  OCTAVO_TARGET_AVX512VNNI __attribute__((noinline)) static void finish(const DepthwiseCall& call, std::int64_t channel,
                                                                        std::int64_t count, const std::int32_t* quads,
                                                                        void* out) {
    alignas(64) std::int32_t sums[kChannelBlock];
    for (std::int64_t l = 0; 16 * l < count; ++l)
#pragma GCC unroll 4
      for (std::int64_t q = 0; q < 4; ++q) {
        const std::int64_t c = 16 * l + 4 * q;
        const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(quads + 16 * q + 4 * l));
        const __m128i start = _mm_loadu_si128(reinterpret_cast<const __m128i*>(call.start + channel + c));
        _mm_store_si128(reinterpret_cast<__m128i*>(sums + c), _mm_add_epi32(four, start));
      }
    Finish<Isa::avx512vnni>::run(call.sink, sums, kChannelBlock, 1, channel, count, out, 0);
  }

  template <class Vector>
  struct Quads {
    typename Vector::Register quad[4];
  };

  template <class Vector, class Register = typename Vector::Register>
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static Quads<Vector> interleave(Register r0, Register r1, Register r2,
                                                                         Register r3) {
    const Register a = Vector::low_bytes(r0, r1), b = Vector::high_bytes(r0, r1);
    const Register c = Vector::low_bytes(r2, r3), d = Vector::high_bytes(r2, r3);
    return {{Vector::low_words(a, c), Vector::high_words(a, c), Vector::low_words(b, d), Vector::high_words(b, d)}};
  }

  // The packed weights of 64 channels: [column][output row][quad]. A narrower vector uses the front of each quad.
  struct ColumnWeights {
    alignas(64) std::int8_t bytes[3][2][4][64];
  };
  template <class Register>
  OCTAVO_INLINE static const Register& as(const std::int8_t (&bytes)[64]) {
    return *reinterpret_cast<const Register*>(bytes);
  }

  // 3x3, stride 1, fast: two pixels of two rows, so that each weight is loaded once for two products.
  template <class Vector>
  OCTAVO_TARGET_AVX512VNNI OCTAVO_INLINE static void four_outputs(const Writer<Vector, true>& writer,
                                                                  const ColumnWeights& w, const Quads<Vector>& c0,
                                                                  const Quads<Vector>& c1, const Quads<Vector>& c2,
                                                                  const Quads<Vector>& c3, std::uint8_t* upper,
                                                                  std::uint8_t* lower, std::int64_t pixel_bytes) {
    using Register = typename Vector::Register;
    // Upper row: pixels 0, 1; lower row: pixels 0, 1. A quad's output stage follows the next one's products: by then
    // its own are done, and the stage does not fill the scheduler while it waits.
    Register acc[2][4], even[4], words[2][4];
#pragma GCC unroll 5
    for (int i = 0; i < 5; ++i) {
      if (i < 4) {
        Register* const to = acc[i % 2];
        const Register start = writer.start(i);
        Register weight = as<Register>(w.bytes[0][0][i]);
        to[0] = Vector::dot_register(start, c0.quad[i], weight);
        to[1] = Vector::dot_register(start, c1.quad[i], weight);
        weight = as<Register>(w.bytes[0][1][i]);
        to[2] = Vector::dot_register(start, c0.quad[i], weight);
        to[3] = Vector::dot_register(start, c1.quad[i], weight);
        weight = as<Register>(w.bytes[1][0][i]);
        to[0] = Vector::dot_register(to[0], c1.quad[i], weight);
        to[1] = Vector::dot_register(to[1], c2.quad[i], weight);
        weight = as<Register>(w.bytes[1][1][i]);
        to[2] = Vector::dot_register(to[2], c1.quad[i], weight);
        to[3] = Vector::dot_register(to[3], c2.quad[i], weight);
        weight = as<Register>(w.bytes[2][0][i]);
        to[0] = Vector::dot_register(to[0], c2.quad[i], weight);
        to[1] = Vector::dot_register(to[1], c3.quad[i], weight);
        weight = as<Register>(w.bytes[2][1][i]);
        to[2] = Vector::dot_register(to[2], c2.quad[i], weight);
        to[3] = Vector::dot_register(to[3], c3.quad[i], weight);
      }
      if (i > 0) {
        const int before = i - 1;
#pragma GCC unroll 4
        for (int n = 0; n < 4; ++n) {
          const Register scaled = writer.scaled(before, acc[before % 2][n]);
          if (before % 2 == 0)
            even[n] = scaled;
          else
            words[before / 2][n] = writer.words(even[n], scaled);
        }
      }
    }
    writer.write_words(words[0][0], words[1][0], upper);
    writer.write_words(words[0][1], words[1][1], upper + pixel_bytes);
    writer.write_words(words[0][2], words[1][2], lower);
    writer.write_words(words[0][3], words[1][3], lower + pixel_bytes);
  }

  // 3x3: output rows y (and y + 1, stride 1) of channels [c, c + Vector::kCodes), and as many rows below them for each
  // further group of the register.
  template <class Vector, bool Fast, int Rows, int Step>
  OCTAVO_TARGET_AVX512VNNI static void columns(const DepthwiseCall& call, std::int64_t y, std::int64_t c) {
    using Register = typename Vector::Register;
    const ConvGeometry& g = *call.geometry;
    constexpr unsigned groups = Vector::kGroups;
    const Writer<Vector, Fast> writer(call, c, Rows);
    const std::int64_t top = y * g.window.stride_h - g.window.pad_top;
    struct Row {
      const std::uint8_t* of[groups];
    };
    const auto row = [&](std::int64_t i) {
      Row r;
      for (unsigned n = 0; n < groups; ++n) r.of[n] = call.row(top + i + n * Rows * g.window.stride_h) + c;
      return r;
    };
    const Row r0 = row(0), r1 = row(1), r2 = row(2), r3 = Rows == 2 ? row(3) : r2;
    const Register outside = Vector::fill(*call.zero_row);
    const std::int64_t width = g.in_w, channels = g.in_c;
    const __mmask64 mask = writer.mask;
    const auto load = [=](const Row& r, std::int64_t at) OCTAVO_TARGET_AVX512VNNI {
      Register codes = Vector::load(r.of[0] + at, mask);
#pragma GCC unroll 3
      for (unsigned n = 1; n < groups; ++n)
        if constexpr (groups > 1) codes = Vector::insert(codes, n, r.of[n] + at);
      return codes;
    };
    const auto column = [=](std::int64_t x) OCTAVO_TARGET_AVX512VNNI {
      if (x < 0 || x >= width) return Quads<Vector>{{outside, outside, outside, outside}};
      const std::int64_t at = x * channels;
      const Register third = load(r2, at);
      return interleave<Vector>(load(r0, at), load(r1, at), third, Rows == 2 ? load(r3, at) : third);
    };
    const auto* weights =
        reinterpret_cast<const ColumnWeights*>(call.weights->columns.data() + c / kChannelBlock * 6 * 256);
    const std::int64_t stride = Step != 0 ? Step : g.window.stride_w;
    const std::int64_t out_w = g.out_w;
    const std::int64_t pixel_bytes = g.out_c * (call.sink.kind == Sink::Kind::real ? 4 : 1);
    auto* upper_out = static_cast<std::uint8_t*>(call.output(y, 0, c));
    auto* lower_out = static_cast<std::uint8_t*>(call.output(y + Rows - 1, 0, c));
    std::int64_t in_x = -g.window.pad_left;
    Quads<Vector> left = column(in_x), middle = column(in_x + 1);
    std::int64_t x = 0;
    if constexpr (Fast && Rows == 2 && Step == 1)
      for (; x + 2 <= out_w; x += 2, in_x += 2) {
        const Quads<Vector> third = column(in_x + 2), fourth = column(in_x + 3);
        four_outputs<Vector>(writer, *weights, left, middle, third, fourth, upper_out, lower_out, pixel_bytes);
        upper_out += 2 * pixel_bytes;
        lower_out += 2 * pixel_bytes;
        left = third;
        middle = fourth;
      }
    for (; x < out_w; ++x, in_x += stride) {
      const Quads<Vector> right = column(in_x + 2);
      __asm__("" : "+r"(weights));  // or g++ 12 keeps the address of each weight, in vector registers
      const ColumnWeights& w = *weights;
      Register upper[4], lower[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const Register start = writer.start(i);
        Register acc = Vector::dot(start, left.quad[i], as<Register>(w.bytes[0][0][i]));
        acc = Vector::dot(acc, middle.quad[i], as<Register>(w.bytes[1][0][i]));
        upper[i] = Vector::dot(acc, right.quad[i], as<Register>(w.bytes[2][0][i]));
        if constexpr (Rows == 2) {
          acc = Vector::dot(start, left.quad[i], as<Register>(w.bytes[0][1][i]));
          acc = Vector::dot(acc, middle.quad[i], as<Register>(w.bytes[1][1][i]));
          lower[i] = Vector::dot(acc, right.quad[i], as<Register>(w.bytes[2][1][i]));
        }
      }
      writer.write(upper, upper_out);
      upper_out += pixel_bytes;
      if constexpr (Rows == 2) {
        writer.write(lower, lower_out);
        lower_out += pixel_bytes;
      }
      // What the next pixel shares with this one stays in registers.
      if constexpr (Step == 1) {
        left = middle;
        middle = right;
      } else {
        left = Step == 2 ? right : column(in_x + stride);
        middle = column(in_x + stride + 1);
      }
    }
  }

  // Any window: taps in groups of four, by pointer.
  template <class Vector, bool Fast>
  OCTAVO_TARGET_AVX512VNNI static void taps(const DepthwiseCall& call, std::int64_t y, std::int64_t c) {
    using Register = typename Vector::Register;
    const ConvGeometry& g = *call.geometry;
    const Writer<Vector, Fast> writer(call, c);
    const std::int64_t count = g.window.kernel_h * g.window.kernel_w;
    const std::int8_t* weights = call.weights->taps.data() + c / kChannelBlock * ((count + 3) / 4) * 256;
    for (std::int64_t x = 0; x < g.out_w; ++x) {
      Register acc[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) acc[i] = writer.start(i);
      for (std::int64_t t = 0; t < count; t += 4) {
        Register tap[4];
        for (std::int64_t i = 0; i < 4; ++i) {
          // Beyond the last tap the weights are 0: any pixel will do.
          const std::int64_t n = std::min(t + i, count - 1);
          tap[i] = Vector::load(call.pixel(y, x, n / g.window.kernel_w, n % g.window.kernel_w) + c, writer.mask);
        }
        const Quads<Vector> quads = interleave<Vector>(tap[0], tap[1], tap[2], tap[3]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          acc[i] = Vector::dot(acc[i], quads.quad[i], *reinterpret_cast<const Register*>(weights + t * 64 + 64 * i));
      }
      writer.write(acc, call.output(y, x, c));
    }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_DEPTHWISE_AVX512VNNI_HPP_
