// octavo/kernels/resize_rows.hpp: one output row of a bilinear resize of 8-bit codes, portable version.
#ifndef OCTAVO_KERNELS_RESIZE_ROWS_HPP_
#define OCTAVO_KERNELS_RESIZE_ROWS_HPP_

#include <cstdint>
#include <string_view>

#include "../config.hpp"
#include "../core/cpu.hpp"

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
  std::int64_t out_w = 0, channels = 0;
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

  static void bilinear(const ResizeRow& row) {
    constexpr std::int64_t piece = 16;  // compilers make vectors of loops of this length
    for (std::int64_t x = 0; x < row.out_w; ++x) {
      const ResizeColumn& column = row.columns[x];
      const ResizePixel pixel(row, column);
      std::uint8_t* out = row.out + x * row.channels;
      std::int64_t c = 0;
      for (; c + piece <= row.channels; c += piece) {
        std::uint8_t codes[piece];
        for (std::int64_t j = 0; j < piece; ++j) codes[j] = code(row, pixel, column.weight, c + j);
        for (std::int64_t j = 0; j < piece; ++j) out[c + j] = codes[j];
      }
      for (; c < row.channels; ++c) out[c] = code(row, pixel, column.weight, c);
    }
  }

  // The code of one channel.
  [[nodiscard]] OCTAVO_INLINE static std::uint8_t code(const ResizeRow& row, const ResizePixel& pixel,
                                                       std::int32_t weight, std::int64_t c) {
    const std::int32_t whole = 1 << row.bits;
    const std::int32_t top = pixel.top_first[c] * (whole - weight) + pixel.top_second[c] * weight;
    const std::int32_t bottom = pixel.bottom_first[c] * (whole - weight) + pixel.bottom_second[c] * weight;
    const std::int32_t sum = top * (whole - row.weight) + bottom * row.weight;
    const std::int32_t half = 1 << (2 * row.bits - 1);
    return static_cast<std::uint8_t>((sum + half - (sum < row.ties_down_below ? 1 : 0)) >> (2 * row.bits));
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_RESIZE_ROWS_HPP_
