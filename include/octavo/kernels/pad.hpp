// octavo/kernels/pad.hpp: constant padding and concatenation: copies, for 8-bit codes and floats alike.
#ifndef OCTAVO_KERNELS_PAD_HPP_
#define OCTAVO_KERNELS_PAD_HPP_

#include <algorithm>
#include <cstdint>
#include <span>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "code_map.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Height and width of an NHWC tensor grow by these numbers of pixels.
struct Padding {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
};

// out[b][y][x][c] = in[b][y - top][x - left][c] inside the image, `value` outside: the zero point for codes.
// in: [batch][height][width][channels], out: [batch][top + height + bottom][left + width + right][channels].
template <class Value>
void pad2d(const Value* in, Value* out, std::int64_t batch, std::int64_t height, std::int64_t width,
           std::int64_t channels, const Padding& padding, Value value, int threads) {
  const std::int64_t out_h = padding.top + height + padding.bottom;
  const std::int64_t out_row = (padding.left + width + padding.right) * channels;
  parallel_for(batch * out_h, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      Value* to = out + row * out_row;
      const std::int64_t y = row % out_h - padding.top;
      if (y < 0 || y >= height) {
        std::fill_n(to, out_row, value);
        continue;
      }
      to = std::fill_n(to, padding.left * channels, value);
      to = std::copy_n(in + (row / out_h * height + y) * width * channels, width * channels, to);
      std::fill_n(to, padding.right * channels, value);
    }
  });
}

// One input of a concatenation: [outer][inner] codes, each mapped onto the output's grid.
struct ConcatInput {
  const std::uint8_t* data = nullptr;
  std::int64_t inner = 0;        // elements from the concatenated axis inwards
  const CodeMap* map = nullptr;  // null: the same grid
};

// out[o] = in_0[o], in_1[o], ... for each of `outer` blocks (the product of the extents before the axis).
inline void concat_codes(std::span<const ConcatInput> inputs, std::uint8_t* out, std::int64_t outer, int threads) {
  std::int64_t total = 0;
  for (const ConcatInput& input : inputs) total += input.inner;
  parallel_for(outer, threads, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t o = begin; o < end; ++o) {
      std::uint8_t* to = out + o * total;
      for (const ConcatInput& input : inputs) {
        const std::uint8_t* from = input.data + o * input.inner;
        if (input.map == nullptr)
          std::copy_n(from, input.inner, to);
        else
          input.map->copy(from, to, input.inner);
        to += input.inner;
      }
    }
  });
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_PAD_HPP_
