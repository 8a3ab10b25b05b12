// octavo/data/augment.hpp: random changes of a training picture that leave its label true.
//
// All of them are drawn from one Rng that belongs to the picture and the epoch, so the result depends neither on the
// order in which pictures are made nor on the number of threads.
#ifndef OCTAVO_DATA_AUGMENT_HPP_
#define OCTAVO_DATA_AUGMENT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "../core/rng.hpp"
#include "pixels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Nothing is changed by default. Each enabled change is drawn anew for each picture and epoch.
struct Augmentation {
  bool horizontal_flip = false;  // with probability 1/2
  bool vertical_flip = false;    // with probability 1/2
  bool quarter_turns = false;    // 0, 90, 180 or 270 degrees

  // Random resized crop: a part with min_area..1 of the picture's area and an aspect ratio in
  // 1/max_aspect..max_aspect (log-uniform), stretched to the output. 1: off.
  float min_area = 1.0F;
  float max_aspect = 4.0F / 3.0F;

  // The picture is moved by up to this many output pixels in each direction; border pixels are repeated
  // (ResizeMethod::pad: black).
  int shift = 0;

  // Colours, on the scale 0..255, clamped at the end. Each factor is uniform in [1 - x, 1 + x], 0 <= x <= 1.
  float brightness = 0.0F;  // value * factor
  float contrast = 0.0F;    // the picture's mean luma + (value - mean) * factor
  float saturation = 0.0F;  // the pixel's luma + (value - luma) * factor; nothing for gray

  [[nodiscard]] bool changes_colors() const { return brightness > 0.0F || contrast > 0.0F || saturation > 0.0F; }
  [[nodiscard]] bool enabled() const {
    return horizontal_flip || vertical_flip || quarter_turns || min_area < 1.0F || shift > 0 || changes_colors();
  }
  // Throws Error unless every field has a meaning.
  void check() const {
    require(min_area > 0.0F && min_area <= 1.0F, "augmentation: min_area ", min_area, "; expected above 0, at most 1");
    require(max_aspect >= 1.0F, "augmentation: max_aspect ", max_aspect, "; expected at least 1");
    require(shift >= 0, "augmentation: shift ", shift, " is negative");
    for (const float jitter : {brightness, contrast, saturation})
      require(jitter >= 0.0F && jitter <= 1.0F, "augmentation: colour jitter ", jitter, "; expected 0 to 1");
  }
  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

// What the generator decided for one picture.
struct AugmentationDraw {
  bool mirror = false;
  bool upside_down = false;
  int turns = 0;  // quarter turns
  // The part of the picture, as fractions of its free play and its sides.
  float area = 1.0F;
  float aspect = 1.0F;
  float top = 0.5F;
  float left = 0.5F;
  float down = 0.0F;  // in output pixels
  float right = 0.0F;
  float brightness = 1.0F;
  float contrast = 1.0F;
  float saturation = 1.0F;
};

// The same number of random numbers is drawn whatever is enabled: switching one change on leaves the others' draws
// alone.
inline AugmentationDraw draw(const Augmentation& augmentation, Rng rng) {
  AugmentationDraw drawn;
  const auto coin = [&rng] { return (rng() >> 63) != 0; };
  const auto factor = [&rng](float jitter) { return rng.uniform(1.0F - jitter, 1.0F + jitter); };
  drawn.mirror = coin() && augmentation.horizontal_flip;
  drawn.upside_down = coin() && augmentation.vertical_flip;
  drawn.turns = static_cast<int>(rng.below(4)) * (augmentation.quarter_turns ? 1 : 0);
  drawn.area = rng.uniform(augmentation.min_area, 1.0F);
  const float log_aspect = std::log(augmentation.max_aspect);
  drawn.aspect = std::exp(rng.uniform(-log_aspect, log_aspect));
  drawn.top = rng.uniform();
  drawn.left = rng.uniform();
  const auto steps = static_cast<std::uint64_t>(2 * augmentation.shift + 1);
  drawn.down = static_cast<float>(static_cast<int>(rng.below(steps)) - augmentation.shift);
  drawn.right = static_cast<float>(static_cast<int>(rng.below(steps)) - augmentation.shift);
  drawn.brightness = factor(augmentation.brightness);
  drawn.contrast = factor(augmentation.contrast);
  drawn.saturation = factor(augmentation.saturation);
  return drawn;
}

// The random part of random resized crop: area * (height*width) pixels of the given aspect ratio (width / height,
// relative to the picture's own), shrunk to the picture where it would leave it.
template <class Value>
PixelView<Value> cut_part(const PixelView<Value>& image, const AugmentationDraw& drawn) {
  const float side = std::sqrt(drawn.area);
  const float slant = std::sqrt(drawn.aspect);
  const auto length = [](int whole, float part) {
    return std::clamp(static_cast<int>(std::lround(static_cast<float>(whole) * part)), 1, whole);
  };
  const int rows = length(image.height, side / slant);
  const int columns = length(image.width, side * slant);
  const auto start = [](int play, float at) {
    return std::min(play, static_cast<int>(at * static_cast<float>(play + 1)));
  };
  return image.crop(start(image.height - rows, drawn.top), start(image.width - columns, drawn.left), rows, columns);
}

// Flips and turns: no copy.
template <class Value>
PixelView<Value> orient(PixelView<Value> image, const AugmentationDraw& drawn) {
  if (drawn.mirror) image = image.mirrored();
  if (drawn.upside_down) image = image.upside_down();
  for (int turn = 0; turn < drawn.turns; ++turn) image = image.turned();
  return image;
}

// Colour changes in place, values on the scale 0..255, HWC with 1 or 3 channels.
inline void change_colors(const AugmentationDraw& drawn, int channels, std::span<float> values) {
  if (values.empty()) return;
  const auto clamp = [](float value) { return std::min(255.0F, std::max(0.0F, value)); };
  // BT.601 luma, as in copy_pixels.
  constexpr float red = 0.299F, green = 0.587F, blue = 0.114F;
  double sum = 0.0;
  if (channels == 1) {
    for (const float value : values) sum += static_cast<double>(value);
  } else {
    for (std::size_t i = 0; i + 2 < values.size(); i += 3)
      sum += static_cast<double>(red * values[i] + green * values[i + 1] + blue * values[i + 2]);
  }
  const double pixels = static_cast<double>(values.size()) / channels;
  // Brightness, then contrast around the mean: value * gain + lift.
  const float gain = drawn.brightness * drawn.contrast;
  const float lift = (1.0F - drawn.contrast) * drawn.brightness * static_cast<float>(sum / pixels);
  if (channels == 1) {
    for (float& value : values) value = clamp(value * gain + lift);
    return;
  }
  for (std::size_t i = 0; i + 2 < values.size(); i += 3) {
    const float luma = red * values[i] + green * values[i + 1] + blue * values[i + 2];
    const float base = (luma - luma * drawn.saturation) * gain + lift;
    for (std::size_t c = 0; c < 3; ++c) values[i + c] = clamp(values[i + c] * drawn.saturation * gain + base);
  }
}

// preprocess() with random changes: from the 8-bit picture straight to the network's input, one resampling in all.
// With a random resized crop the fixed central crop of `to` is skipped. `out` holds to.shape().size() floats.
inline void preprocess(const ImageView& image, const Preprocessing& to, const Augmentation& augmentation,
                       const Rng& rng, std::span<float> out) {
  const AugmentationDraw drawn = draw(augmentation, rng);
  const ImageView part = augmentation.min_area < 1.0F ? cut_part(image, drawn) : kept_part(image, to);
  const ImageView view = orient(part, drawn);
  // Shifts are given in output pixels, and the sampling grid moves the other way.
  SampleOffset offset = {-drawn.down, -drawn.right};
  if (to.resize != ResizeMethod::pad) {
    offset.down *= static_cast<float>(view.height) / static_cast<float>(to.height);
    offset.right *= static_cast<float>(view.width) / static_cast<float>(to.width);
  }
  const bool same_size = view.height == to.height && view.width == to.width && view.channels == to.channels;
  if (same_size && offset.down == 0.0F && offset.right == 0.0F && !augmentation.changes_colors())
    return convert_pixels(view, to.range, out);
  resize_to(view, to, out, offset);
  if (augmentation.changes_colors()) change_colors(drawn, to.channels, out);
  apply_range(to.range, to.channels, out);
}

// The same for a picture that is float already (height*width*channels values through `range`): result in `out`, of the
// same size. The range is undone for the colour changes only.
inline void augment(const FloatImageView& image, const PixelRange& range, const Augmentation& augmentation,
                    const Rng& rng, std::span<float> out) {
  const AugmentationDraw drawn = draw(augmentation, rng);
  const FloatImageView view = orient(augmentation.min_area < 1.0F ? cut_part(image, drawn) : image, drawn);
  resize_bilinear(view, image.height, image.width, out,
                  {-drawn.down * static_cast<float>(view.height) / static_cast<float>(image.height),
                   -drawn.right * static_cast<float>(view.width) / static_cast<float>(image.width)});
  if (!augmentation.changes_colors()) return;
  require(image.channels == 1 || image.channels == 3, "augmentation: colours of ", image.channels,
          " channels; expected 1 or 3");
  PixelRange back;
  for (std::size_t c = 0; c < 3; ++c) {
    back.scale[c] = 1.0F / range.scale[c];
    back.offset[c] = -range.offset[c] / range.scale[c];
  }
  apply_range(back, image.channels, out);
  change_colors(drawn, image.channels, out);
  apply_range(range, image.channels, out);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_AUGMENT_HPP_
