// octavo/data/view.hpp: pictures in memory: Image (8 bit, owning) and PixelView (any pixel type, borrowed).
#ifndef OCTAVO_DATA_VIEW_HPP_
#define OCTAVO_DATA_VIEW_HPP_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// A picture that somebody else owns. Pixel (y, x) begins at data + y*row_stride + x*pixel_stride; its channels are
// adjacent. Strides count elements and may be negative: cropping, flipping and turning copy nothing.
template <class Value>
struct PixelView {
  const Value* data = nullptr;
  int height = 0;
  int width = 0;
  int channels = 0;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t pixel_stride = 0;

  PixelView() = default;
  // Dense HWC pixels.
  PixelView(const Value* pixels, int rows, int columns, int depth)
      : data(pixels),
        height(rows),
        width(columns),
        channels(depth),
        row_stride(static_cast<std::ptrdiff_t>(columns) * depth),
        pixel_stride(depth) {}

  [[nodiscard]] const Value* at(int y, int x) const { return data + y * row_stride + x * pixel_stride; }
  // Each row is width*channels adjacent values.
  [[nodiscard]] bool dense_rows() const { return pixel_stride == channels; }

  // The rectangle of `rows` x `columns` whose first pixel is (top, left). Throws where it leaves the picture.
  [[nodiscard]] PixelView crop(int top, int left, int rows, int columns) const {
    require(top >= 0 && left >= 0 && rows >= 0 && columns >= 0 && top <= height - rows && left <= width - columns,
            "crop: ", rows, 'x', columns, " at (", top, ", ", left, ") leaves the picture of ", height, 'x', width);
    PixelView part = *this;
    part.data = at(top, left);
    part.height = rows;
    part.width = columns;
    return part;
  }
  // Left and right change places.
  [[nodiscard]] PixelView mirrored() const {
    PixelView other = *this;
    if (width > 0) other.data = at(0, width - 1);
    other.pixel_stride = -pixel_stride;
    return other;
  }
  // Top and bottom change places.
  [[nodiscard]] PixelView upside_down() const {
    PixelView other = *this;
    if (height > 0) other.data = at(height - 1, 0);
    other.row_stride = -row_stride;
    return other;
  }
  // A quarter turn counterclockwise: the right column becomes the top row.
  [[nodiscard]] PixelView turned() const {
    PixelView other = *this;
    if (width > 0) other.data = at(0, width - 1);
    other.height = width;
    other.width = height;
    other.row_stride = -pixel_stride;
    other.pixel_stride = row_stride;
    return other;
  }
};

using ImageView = PixelView<std::uint8_t>;
using FloatImageView = PixelView<float>;

// A decoded picture: 8 bit, dense HWC, 1 channel (gray) or 3 (red, green, blue).
struct Image {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  // Black.
  Image(int rows, int columns, int depth) : height(rows), width(columns), channels(depth) {
    require(rows >= 0 && columns >= 0 && (depth == 1 || depth == 3), "image: ", rows, 'x', columns, 'x', depth,
            "; expected extents of at least 0 and 1 or 3 channels");
    pixels.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * static_cast<std::size_t>(depth));
  }

  [[nodiscard]] bool empty() const { return pixels.empty(); }
  [[nodiscard]] ImageView view() const { return {pixels.data(), height, width, channels}; }
};

// A dense copy of `view` with `channels` of 1 or 3: gray is repeated, colours become luma (299 R + 587 G + 114 B) /
// 1000, rounded (ITU-R BT.601, what JPEG uses). 0 keeps the number of channels.
inline Image copy_pixels(const ImageView& view, int channels = 0) {
  Image copy(view.height, view.width, channels == 0 ? view.channels : channels);
  std::uint8_t* to = copy.pixels.data();
  for (int y = 0; y < view.height; ++y) {
    for (int x = 0; x < view.width; ++x, to += copy.channels) {
      const std::uint8_t* from = view.at(y, x);
      if (copy.channels == view.channels)
        for (int c = 0; c < view.channels; ++c) to[c] = from[c];
      else if (copy.channels == 3)
        to[0] = to[1] = to[2] = from[0];
      else
        to[0] = static_cast<std::uint8_t>((299 * from[0] + 587 * from[1] + 114 * from[2] + 500) / 1000);
    }
  }
  return copy;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_VIEW_HPP_
