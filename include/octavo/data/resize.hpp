// octavo/data/resize.hpp: pictures at another size: bilinear, box average, centred crop.
//
// Results are float, on the scale of the input (0..255 for 8 bit), not rounded. Each function takes a view, so a
// crop, a mirror image or a quarter turn of a picture costs no copy.
#ifndef OCTAVO_DATA_RESIZE_HPP_
#define OCTAVO_DATA_RESIZE_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "view.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Where the sampling grid lies: moved by this many source pixels down and to the right. Beyond the border the border's
// pixels are repeated.
struct SampleOffset {
  float down = 0.0F;
  float right = 0.0F;
};

// Bilinear, half-pixel centres: output pixel i samples at s = (i + 0.5) * in/out - 0.5 + offset, and is
// in[floor(s)] + (in[floor(s) + 1] - in[floor(s)]) * (s - floor(s)) with indices clamped to the picture, along the
// width first. This is tf.image.resize(method="bilinear", antialias=False) of TensorFlow 2, in its order of operations:
// a picture that shrinks by more than 2 loses pixels (use resize_area). `out` holds height*width*in.channels values
// (HWC).
template <class Value>
void resize_bilinear(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset = {});

// Box average: output pixel i is the mean of the source over [i, i+1) * in/out + offset, pixels that are covered in
// part counted in part. Where the picture grows, a pixel becomes a block. `out` as above.
template <class Value>
void resize_area(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset = {});

// No scaling: the picture's centre in the centre of a height x width frame, black where it is smaller, cut where it is
// larger (odd differences: the smaller part is above and on the left). `out` as above.
template <class Value>
void center_in_frame(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset = {});

// The largest centred part with the aspect ratio height : width, times `fraction` of its sides (0 < fraction <= 1),
// rounded to at least one pixel.
template <class Value>
PixelView<Value> center_crop(const PixelView<Value>& in, int height, int width, float fraction = 1.0F);

// An 8-bit copy at another size, by box average where that is smaller and bilinear otherwise, rounded: a thumbnail.
Image resize_image(const ImageView& in, int height, int width);

// The nearest 8-bit value (halves away from zero), clamped to 0..255.
inline std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::min(255.0F, std::max(0.0F, value)) + 0.5F);
}

namespace detail {

template <class Value>
void check_resize(const PixelView<Value>& in, int height, int width, std::size_t available) {
  require(in.data != nullptr && in.height > 0 && in.width > 0 && in.channels > 0, "resize: the picture is empty (",
          in.height, 'x', in.width, 'x', in.channels, ')');
  require(height > 0 && width > 0, "resize: to ", height, 'x', width, "; expected at least 1x1");
  const std::int64_t needed = std::int64_t{height} * width * in.channels;
  require(static_cast<std::int64_t>(available) == needed, "resize: to ", height, 'x', width, 'x', in.channels,
          " needs ", needed, " floats, found ", available);
}

struct LinearTap {
  int lower;
  int upper;
  float weight;  // of upper
};

inline std::vector<LinearTap> linear_taps(int in, int out, float offset) {
  std::vector<LinearTap> taps(static_cast<std::size_t>(out));
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int i = 0; i < out; ++i) {
    const float at = (static_cast<float>(i) + 0.5F) * scale - 0.5F + offset;
    const float below = std::floor(at);
    const int lower = static_cast<int>(below);
    taps[static_cast<std::size_t>(i)] = {std::clamp(lower, 0, in - 1), std::clamp(lower + 1, 0, in - 1), at - below};
  }
  return taps;
}

// One row of `in`, sampled at `taps`.
template <int Channels, class Value>
void blend_row(const PixelView<Value>& in, int y, const std::vector<LinearTap>& taps, float* out) {
  const Value* row = in.at(y, 0);
  const int channels = Channels > 0 ? Channels : in.channels;
  for (const LinearTap& tap : taps) {
    const Value* a = row + tap.lower * in.pixel_stride;
    const Value* b = row + tap.upper * in.pixel_stride;
    for (int c = 0; c < channels; ++c) {
      const float from = static_cast<float>(a[c]);
      out[c] = from + (static_cast<float>(b[c]) - from) * tap.weight;
    }
    out += channels;
  }
}

// A source cell and its share of an output pixel; `first` counts them per output pixel.
struct AreaTaps {
  struct Cell {
    int index;
    float share;
  };
  std::vector<Cell> cells;
  std::vector<std::size_t> first;
};

inline AreaTaps area_taps(int in, int out, float offset) {
  AreaTaps taps;
  const double scale = static_cast<double>(in) / out;
  for (int i = 0; i < out; ++i) {
    taps.first.push_back(taps.cells.size());
    const double from = i * scale + static_cast<double>(offset);
    const double to = from + scale;
    for (int cell = static_cast<int>(std::floor(from)); cell < to; ++cell) {
      const double covered = std::min(to, cell + 1.0) - std::max(from, static_cast<double>(cell));
      if (covered > 1e-6 * scale)
        taps.cells.push_back({std::clamp(cell, 0, in - 1), static_cast<float>(covered / scale)});
    }
  }
  taps.first.push_back(taps.cells.size());
  return taps;
}

// Same size: only a conversion to float.
template <class Value>
void copy_to_float(const PixelView<Value>& in, float* out) {
  const std::size_t row_size = static_cast<std::size_t>(in.width) * static_cast<std::size_t>(in.channels);
  for (int y = 0; y < in.height; ++y, out += row_size) {
    const Value* row = in.at(y, 0);
    if (in.dense_rows()) {
      for (std::size_t i = 0; i < row_size; ++i) out[i] = static_cast<float>(row[i]);
    } else {
      float* to = out;
      for (int x = 0; x < in.width; ++x, row += in.pixel_stride, to += in.channels)
        for (int c = 0; c < in.channels; ++c) to[c] = static_cast<float>(row[c]);
    }
  }
}

}  // namespace detail

template <class Value>
void resize_bilinear(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset) {
  detail::check_resize(in, height, width, out.size());
  if (height == in.height && width == in.width && offset.down == 0.0F && offset.right == 0.0F)
    return detail::copy_to_float(in, out.data());
  const auto rows = detail::linear_taps(in.height, height, offset.down);
  const auto columns = detail::linear_taps(in.width, width, offset.right);
  const std::size_t row_size = static_cast<std::size_t>(width) * static_cast<std::size_t>(in.channels);
  // Two rows of the picture at the new width; going down, the lower one often becomes the upper one.
  std::vector<float> upper(row_size);
  std::vector<float> lower(row_size);
  int upper_index = -1;
  int lower_index = -1;
  const auto fill = [&](int y, std::vector<float>& row) {
    if (in.channels == 3)
      detail::blend_row<3>(in, y, columns, row.data());
    else if (in.channels == 1)
      detail::blend_row<1>(in, y, columns, row.data());
    else
      detail::blend_row<0>(in, y, columns, row.data());
  };
  float* to = out.data();
  for (const detail::LinearTap& tap : rows) {
    if (tap.lower == lower_index) {
      std::swap(upper, lower);
      std::swap(upper_index, lower_index);
    }
    if (tap.lower != upper_index) fill(upper_index = tap.lower, upper);
    if (tap.upper != lower_index) {
      if (tap.upper == upper_index)
        std::memcpy(lower.data(), upper.data(), row_size * sizeof(float));
      else
        fill(tap.upper, lower);
      lower_index = tap.upper;
    }
    const float* a = upper.data();
    const float* b = lower.data();
    for (std::size_t i = 0; i < row_size; ++i) to[i] = a[i] + (b[i] - a[i]) * tap.weight;
    to += row_size;
  }
}

template <class Value>
void resize_area(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset) {
  detail::check_resize(in, height, width, out.size());
  if (height == in.height && width == in.width && offset.down == 0.0F && offset.right == 0.0F)
    return detail::copy_to_float(in, out.data());
  const detail::AreaTaps rows = detail::area_taps(in.height, height, offset.down);
  const detail::AreaTaps columns = detail::area_taps(in.width, width, offset.right);
  const auto channels = static_cast<std::size_t>(in.channels);
  const std::size_t row_size = static_cast<std::size_t>(width) * channels;
  std::fill(out.begin(), out.end(), 0.0F);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    for (std::size_t i = rows.first[y]; i < rows.first[y + 1]; ++i) {
      const Value* row = in.at(rows.cells[i].index, 0);
      float* to = out.data() + y * row_size;
      for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x, to += channels) {
        for (std::size_t j = columns.first[x]; j < columns.first[x + 1]; ++j) {
          const Value* pixel = row + columns.cells[j].index * in.pixel_stride;
          const float share = rows.cells[i].share * columns.cells[j].share;
          for (std::size_t c = 0; c < channels; ++c) to[c] += share * static_cast<float>(pixel[c]);
        }
      }
    }
  }
}

template <class Value>
void center_in_frame(const PixelView<Value>& in, int height, int width, std::span<float> out, SampleOffset offset) {
  detail::check_resize(in, height, width, out.size());
  const int top = (in.height - height) / 2 + static_cast<int>(std::lround(offset.down));
  const int left = (in.width - width) / 2 + static_cast<int>(std::lround(offset.right));
  float* to = out.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, to += in.channels) {
      const int from_y = y + top;
      const int from_x = x + left;
      const bool inside = from_y >= 0 && from_y < in.height && from_x >= 0 && from_x < in.width;
      for (int c = 0; c < in.channels; ++c) to[c] = inside ? static_cast<float>(in.at(from_y, from_x)[c]) : 0.0F;
    }
  }
}

inline Image resize_image(const ImageView& in, int height, int width) {
  Image image(height, width, in.channels);
  std::vector<float> resized(image.pixels.size());
  if (height < in.height && width < in.width)
    resize_area(in, height, width, resized);
  else
    resize_bilinear(in, height, width, resized);
  std::transform(resized.begin(), resized.end(), image.pixels.begin(), to_byte);
  return image;
}

template <class Value>
PixelView<Value> center_crop(const PixelView<Value>& in, int height, int width, float fraction) {
  require(height > 0 && width > 0 && fraction > 0.0F && fraction <= 1.0F, "center_crop: to ", height, 'x', width,
          ", fraction ", fraction, "; expected positive sides and a fraction above 0, at most 1");
  // The side that limits: in.height/height or in.width/width, whichever is smaller.
  const double unit = std::min(static_cast<double>(in.height) / height, static_cast<double>(in.width) / width) *
                      static_cast<double>(fraction);
  const int rows = std::clamp(static_cast<int>(std::lround(unit * height)), 1, in.height);
  const int columns = std::clamp(static_cast<int>(std::lround(unit * width)), 1, in.width);
  return in.crop((in.height - rows) / 2, (in.width - columns) / 2, rows, columns);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_RESIZE_HPP_
