// octavo/kernels/resize_rows.hpp: one output row of a bilinear resize of 8-bit codes, portable version.
#ifndef OCTAVO_KERNELS_RESIZE_ROWS_HPP_
#define OCTAVO_KERNELS_RESIZE_ROWS_HPP_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "../config.hpp"
#include "../core/cpu.hpp"
#include "portable_vector.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The two input pixels of an output pixel, as offsets into a row, and the weight of the second.
struct ResizeColumn {
  std::int64_t first = 0, second = 0;
  std::int32_t weight = 0;
};

// One output row of one image: `out_w` pixels between the input rows `top` and `bottom`. With whole = 2^bits,
//   S = (whole - weight) * (top's pixels, weighted) + weight * (bottom's pixels, weighted)
//   out = (S + 2^(2 * bits - 1) - (S < ties_down_below ? 1 : 0)) >> (2 * bits)
// bits <= 11, so S <= 255 * 2^22 and the sum before the shift stay below 2^30.
struct ResizeRow {
  const std::uint8_t* top = nullptr;
  const std::uint8_t* bottom = nullptr;
  std::uint8_t* out = nullptr;
  const ResizeColumn* columns = nullptr;
  std::int64_t in_w = 0, out_w = 0, channels = 0;
  std::int32_t weight = 0;
  std::int32_t bits = 0;
  std::int32_t ties_down_below = 0;
};

// The four pixels of one output pixel.
struct ResizePixel {
  const std::uint8_t *top_first, *top_second, *bottom_first, *bottom_second;
  ResizePixel(const ResizeRow& row, const ResizeColumn& column)
      : top_first(row.top + column.first),
        top_second(row.top + column.second),
        bottom_first(row.bottom + column.first),
        bottom_second(row.bottom + column.second) {}
};

template <Isa Level>
struct Resize : Resize<fallback_of(Level)> {};

template <>
struct Resize<Isa::scalar> {
  static constexpr std::string_view kName = "resize_scalar";

  static void bilinear(const ResizeRow& row) { pixels(row, 0); }

  // The output pixels from `x` on.
  static void pixels(const ResizeRow& row, std::int64_t x) {
    for (; x < row.out_w; ++x) {
      const ResizeColumn& column = row.columns[x];
      const ResizePixel pixel(row, column);
      std::uint8_t* out = row.out + x * row.channels;
      std::int64_t c = 0;
      for (; c + 16 <= row.channels; c += 16) {
        const SplitBytes a = split_codes(pixel.top_first + c), b = split_codes(pixel.top_second + c);
        const SplitBytes d = split_codes(pixel.bottom_first + c), e = split_codes(pixel.bottom_second + c);
        const UnsignedWords even = words(row, column.weight, a.even, b.even, d.even, e.even);
        const UnsignedWords odd = words(row, column.weight, a.odd, b.odd, d.odd, e.odd);
        const UnsignedWords codes = even | odd << 8;
        std::memcpy(out + c, &codes, sizeof codes);
      }
      for (; c < row.channels; ++c)
        out[c] =
            static_cast<std::uint8_t>(code<std::int32_t>(row, column.weight, pixel.top_first[c], pixel.top_second[c],
                                                         pixel.bottom_first[c], pixel.bottom_second[c]));
    }
  }

 private:
  // The codes of one channel, or of four.
  template <class Lane>
  [[nodiscard]] OCTAVO_INLINE static Lane code(const ResizeRow& row, std::int32_t weight, Lane top_first,
                                               Lane top_second, Lane bottom_first, Lane bottom_second) {
    const Lane top = (top_first << row.bits) + (top_second - top_first) * weight;
    const Lane bottom = (bottom_first << row.bits) + (bottom_second - bottom_first) * weight;
    const Lane sum = (top << row.bits) + (bottom - top) * row.weight;
    const std::int32_t half = 1 << (2 * row.bits - 1);
    // The sign of a difference of numbers below 2^31 is its first bit: 1 less where sum < ties_down_below.
    return (sum + half + ((sum - row.ties_down_below) >> 31)) >> (2 * row.bits);
  }
  // Of eight channels, one a word.
  [[nodiscard]] OCTAVO_INLINE static UnsignedWords words(const ResizeRow& row, std::int32_t weight, Words top_first,
                                                         Words top_second, Words bottom_first, Words bottom_second) {
    const Lanes even = code(row, weight, even_words(top_first), even_words(top_second), even_words(bottom_first),
                            even_words(bottom_second));
    const Lanes odd = code(row, weight, odd_words(top_first), odd_words(top_second), odd_words(bottom_first),
                           odd_words(bottom_second));
    return UnsignedWords(even | odd << 16);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_RESIZE_ROWS_HPP_
