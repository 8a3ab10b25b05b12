// octavo/data/pixels.hpp: from 8-bit pixels to what a network reads: PixelRange, Preprocessing, preprocess().
#ifndef OCTAVO_DATA_PIXELS_HPP_
#define OCTAVO_DATA_PIXELS_HPP_

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "../core/shape.hpp"
#include "resize.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The affine map from a channel's value 0..255 to the network's: real = value * scale[c] + offset[c]. Gray uses c = 0.
struct PixelRange {
  std::array<float, 3> scale{1.0F, 1.0F, 1.0F};
  std::array<float, 3> offset{0.0F, 0.0F, 0.0F};

  static const PixelRange raw_0_255;         // as stored
  static const PixelRange zero_to_one;       // value / 255
  static const PixelRange minus_one_to_one;  // value / 127.5 - 1: Keras' MobileNetV2
  static const PixelRange imagenet;          // mean_std of ImageNet's training images: PyTorch's models

  // (value/255 - mean[c]) / std[c]; mean and std are on the scale 0..1, in the order red, green, blue.
  static constexpr PixelRange mean_std(const std::array<float, 3>& mean, const std::array<float, 3>& std) {
    PixelRange range;
    for (std::size_t c = 0; c < 3; ++c) {
      if (!(std[c] > 0.0F))
        fail("PixelRange::mean_std: standard deviation ", std[c], " of channel ", c, " is not positive");
      range.scale[c] = 1.0F / (255.0F * std[c]);
      range.offset[c] = -mean[c] / std[c];
    }
    return range;
  }
  friend bool operator==(const PixelRange&, const PixelRange&) = default;
};

inline constexpr PixelRange PixelRange::raw_0_255{};
inline constexpr PixelRange PixelRange::zero_to_one{{1.0F / 255.0F, 1.0F / 255.0F, 1.0F / 255.0F}, {}};
inline constexpr PixelRange PixelRange::minus_one_to_one{{1.0F / 127.5F, 1.0F / 127.5F, 1.0F / 127.5F},
                                                         {-1.0F, -1.0F, -1.0F}};
inline constexpr PixelRange PixelRange::imagenet =
    PixelRange::mean_std({0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F});

enum class ResizeMethod : std::uint8_t {
  bilinear,  // resize_bilinear
  area,      // resize_area: for photos much larger than the network's input
  pad,       // center_in_frame: no scaling, black border
};

// Everything between a decoded picture and the network's input, in this order: cut the centre, resize, change the
// number of channels (gray is repeated, colours become luma), map the values. The manifest stores it as text
// (preprocessing_text.hpp).
struct Preprocessing {
  int height = 224;
  int width = 224;
  int channels = 3;  // 1 or 3
  ResizeMethod resize = ResizeMethod::bilinear;
  bool keep_aspect = false;   // cut the picture to the aspect ratio of height : width first; otherwise it is stretched
  float central_crop = 1.0F;  // part of the sides that is kept, e.g. 0.875 = 224/256
  PixelRange range = PixelRange::minus_one_to_one;

  [[nodiscard]] Shape shape() const { return {height, width, channels}; }
  // Throws Error unless every field has a meaning.
  void check() const {
    require(height > 0 && width > 0 && (channels == 1 || channels == 3), "preprocessing: output ", height, 'x', width,
            'x', channels, "; expected positive sides and 1 or 3 channels");
    require(central_crop > 0.0F && central_crop <= 1.0F, "preprocessing: central_crop ", central_crop,
            "; expected above 0, at most 1");
    for (std::size_t c = 0; c < 3; ++c)
      require(std::isfinite(range.scale[c]) && range.scale[c] != 0.0F && std::isfinite(range.offset[c]),
              "preprocessing: pixel range value * ", range.scale[c], " + ", range.offset[c], " of channel ", c,
              "; expected finite numbers and a scale other than 0");
  }
  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

// values[i] = values[i] * scale[c] + offset[c] in place, HWC.
void apply_range(const PixelRange& range, int channels, std::span<float> values);

// The values of `image` (HWC, no resizing) through `range`; `out` holds height*width*channels floats.
void convert_pixels(const ImageView& image, const PixelRange& range, std::span<float> out);

// The part of the picture that Preprocessing keeps.
template <class Value>
PixelView<Value> kept_part(const PixelView<Value>& image, const Preprocessing& to) {
  if (to.keep_aspect) return center_crop(image, to.height, to.width, to.central_crop);
  return to.central_crop < 1.0F ? center_crop(image, image.height, image.width, to.central_crop) : image;
}

// All of `image` (nothing cut off) at the size and with the channels of `to`, still on the scale 0..255.
void resize_to(const ImageView& image, const Preprocessing& to, std::span<float> out, SampleOffset offset = {});

// The whole of Preprocessing: `out` holds to.shape().size() floats, HWC.
inline void preprocess(const ImageView& image, const Preprocessing& to, std::span<float> out) {
  const ImageView part = kept_part(image, to);
  if (part.height == to.height && part.width == to.width && part.channels == to.channels)
    return convert_pixels(part, to.range, out);
  resize_to(part, to, out);
  apply_range(to.range, to.channels, out);
}

namespace detail {

// out[i] = in[i] * scale[i mod channels] + offset[...] over one row.
template <class Value>
void map_row(const Value* in, const PixelRange& range, int channels, std::size_t n, float* out) {
  const bool uniform = channels == 1 || (range.scale[0] == range.scale[1] && range.scale[1] == range.scale[2] &&
                                         range.offset[0] == range.offset[1] && range.offset[1] == range.offset[2]);
  if (uniform) {
    const float scale = range.scale[0];
    const float offset = range.offset[0];
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]) * scale + offset;
    return;
  }
  for (std::size_t i = 0; i + 2 < n; i += 3)
    for (std::size_t c = 0; c < 3; ++c) out[i + c] = static_cast<float>(in[i + c]) * range.scale[c] + range.offset[c];
}

}  // namespace detail

inline void apply_range(const PixelRange& range, int channels, std::span<float> values) {
  require(channels == 1 || channels == 3, "apply_range: ", channels, " channels; expected 1 or 3");
  detail::map_row(values.data(), range, channels, values.size(), values.data());
}

inline void convert_pixels(const ImageView& image, const PixelRange& range, std::span<float> out) {
  detail::check_resize(image, image.height, image.width, out.size());
  if (!image.dense_rows()) {
    detail::copy_to_float(image, out.data());
    return apply_range(range, image.channels, out);
  }
  const std::size_t row_size = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  for (int y = 0; y < image.height; ++y)
    detail::map_row(image.at(y, 0), range, image.channels, row_size,
                    out.data() + static_cast<std::size_t>(y) * row_size);
}

inline void resize_to(const ImageView& image, const Preprocessing& to, std::span<float> out, SampleOffset offset) {
  to.check();
  require(out.size() == static_cast<std::size_t>(to.shape().size()), "preprocess: output ", to.shape().to_string(),
          " needs ", to.shape().size(), " floats, found ", out.size());
  if (image.channels == 3 && to.channels == 1) return resize_to(copy_pixels(image, 1).view(), to, out, offset);
  // Gray that becomes three channels fills the first third, and is spread from its end.
  const std::size_t pixels = static_cast<std::size_t>(to.height) * static_cast<std::size_t>(to.width);
  const std::span<float> resized = out.first(pixels * static_cast<std::size_t>(image.channels));
  if (to.resize == ResizeMethod::bilinear)
    resize_bilinear(image, to.height, to.width, resized, offset);
  else if (to.resize == ResizeMethod::area)
    resize_area(image, to.height, to.width, resized, offset);
  else
    center_in_frame(image, to.height, to.width, resized, offset);
  if (image.channels == 1 && to.channels == 3)
    for (std::size_t i = pixels; i-- > 0;) out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = out[i];
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_PIXELS_HPP_
