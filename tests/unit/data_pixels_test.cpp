#include <octavo/data/preprocessing_text.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;

namespace {

std::vector<float> preprocessed(const Image& image, const Preprocessing& to) {
  std::vector<float> out(static_cast<std::size_t>(to.shape().size()));
  preprocess(image.view(), to, out);
  return out;
}

}  // namespace

TEST_CASE("pixel ranges: the ends, and every value against the definition") {
  Image image(1, 256, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i / 3);
  std::vector<float> out(image.pixels.size());

  convert_pixels(image.view(), PixelRange::zero_to_one, out);
  CHECK(out.front() == 0.0F);
  CHECK(out.back() == 1.0F);
  for (std::size_t i = 0; i < out.size(); ++i)
    CHECK(std::abs(static_cast<double>(out[i]) - static_cast<double>(i / 3) / 255.0) < 1e-7);

  convert_pixels(image.view(), PixelRange::minus_one_to_one, out);
  CHECK(out.front() == -1.0F);
  CHECK(out.back() == 1.0F);
  for (std::size_t i = 0; i < out.size(); ++i)
    CHECK(std::abs(static_cast<double>(out[i]) - (static_cast<double>(i / 3) / 127.5 - 1.0)) < 2e-7);

  convert_pixels(image.view(), PixelRange::raw_0_255, out);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<float>(i / 3));

  convert_pixels(image.view(), PixelRange::imagenet, out);
  constexpr double mean[] = {0.485, 0.456, 0.406};
  constexpr double deviation[] = {0.229, 0.224, 0.225};
  for (std::size_t i = 0; i < out.size(); ++i)
    CHECK(std::abs(static_cast<double>(out[i]) -
                   (static_cast<double>(i / 3) / 255.0 - mean[i % 3]) / deviation[i % 3]) < 2e-6);
}

TEST_CASE("apply_range equals convert_pixels, for views too") {
  const Image image = pattern(6, 5, 3);
  std::vector<float> direct(image.pixels.size());
  std::vector<float> later(image.pixels.begin(), image.pixels.end());
  convert_pixels(image.view(), PixelRange::imagenet, direct);
  apply_range(PixelRange::imagenet, 3, later);
  CHECK(direct == later);
  const ImageView mirrored = image.view().mirrored();
  const Image copy = copy_pixels(mirrored);
  convert_pixels(mirrored, PixelRange::imagenet, direct);
  convert_pixels(copy.view(), PixelRange::imagenet, later);
  CHECK(direct == later);
}

TEST_CASE("preprocess: crop, resize, channels, range in this order") {
  const Image image = pattern(40, 60, 3);
  Preprocessing to{.height = 10, .width = 12, .range = PixelRange::zero_to_one};
  std::vector<float> expected(360);
  resize_bilinear(image.view(), 10, 12, std::span<float>(expected));
  apply_range(PixelRange::zero_to_one, 3, expected);
  CHECK(preprocessed(image, to) == expected);

  to.resize = ResizeMethod::area;
  to.keep_aspect = true;  // 40 x 48 of 40 x 60
  resize_area(image.view().crop(0, 6, 40, 48), 10, 12, std::span<float>(expected));
  apply_range(PixelRange::zero_to_one, 3, expected);
  CHECK(preprocessed(image, to) == expected);

  to.keep_aspect = false;
  to.central_crop = 0.5F;  // 20 x 30
  resize_area(image.view().crop(10, 15, 20, 30), 10, 12, std::span<float>(expected));
  apply_range(PixelRange::zero_to_one, 3, expected);
  CHECK(preprocessed(image, to) == expected);
}

TEST_CASE("preprocess: gray becomes three equal channels, colours become luma") {
  const Image gray = pattern(7, 7, 1);
  for (const int size : {7, 5, 9}) {
    Preprocessing to{.height = size, .width = size, .channels = 1, .range = PixelRange::zero_to_one};
    const std::vector<float> one = preprocessed(gray, to);
    to.channels = 3;
    const std::vector<float> three = preprocessed(gray, to);
    for (std::size_t i = 0; i < three.size(); ++i) CHECK(three[i] == one[i / 3]);
  }
  const Preprocessing to{.height = 3, .width = 3, .channels = 1, .range = PixelRange::raw_0_255};
  CHECK(preprocessed(octavo_test::plain(6, 6, {10, 20, 30}), to) == std::vector<float>(9, 18.0F));  // 18.15
}

TEST_CASE("preprocess: 28 x 28 padded to 32 x 32") {
  const Image image = octavo_test::plain(28, 28, {255});
  const Preprocessing to{
      .height = 32, .width = 32, .channels = 3, .resize = ResizeMethod::pad, .range = PixelRange::zero_to_one};
  const std::vector<float> out = preprocessed(image, to);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t y = i / 96;
    const std::size_t x = i / 3 % 32;
    CHECK(out[i] == (y >= 2 && y < 30 && x >= 2 && x < 30 ? 1.0F : 0.0F));
  }
}

TEST_CASE("preprocess: fields without a meaning are errors") {
  std::vector<float> out(12);
  const Image image = pattern(4, 4, 3);
  const auto error = [&](const Preprocessing& to) { return error_of([&] { preprocess(image.view(), to, out); }); };
  CHECK(contains(error({.height = 0, .width = 2}), "0x2x3"));
  CHECK(contains(error({.height = 2, .width = 2, .channels = 2}), "1 or 3 channels"));
  CHECK(contains(error({.height = 3, .width = 2}), "needs 18 floats, found 12"));
  CHECK(contains(error_of([] { Preprocessing{.central_crop = 0.0F}.check(); }), "central_crop 0"));
  CHECK(contains(error_of([] { Preprocessing{.range = {{1.0F, 0.0F, 1.0F}, {}}}.check(); }), "scale other than 0"));
  CHECK(contains(error_of([] { (void)PixelRange::mean_std({0, 0, 0}, {1, 0, 1}); }), "channel 1"));
}

TEST_CASE("text: every field comes back") {
  const Preprocessing odd{.height = 96,
                          .width = 128,
                          .channels = 1,
                          .resize = ResizeMethod::area,
                          .keep_aspect = true,
                          .central_crop = 0.875F,
                          .range = PixelRange::imagenet};
  CHECK(preprocessing_from_text(to_text(odd)) == odd);
  CHECK(preprocessing_from_text(to_text({})) == Preprocessing{});
  for (const ResizeMethod method : {ResizeMethod::bilinear, ResizeMethod::area, ResizeMethod::pad})
    CHECK(preprocessing_from_text(to_text({.resize = method})).resize == method);
  TextFields fields = to_text({});
  CHECK(fields.at("resize") == "bilinear");
  CHECK(fields.at("height") == "224");
  fields["color"] = "rgb";  // of a later version
  CHECK(preprocessing_from_text(fields) == Preprocessing{});
}

TEST_CASE("text: errors name the field") {
  const auto error = [](const std::string& name, const std::string& value) {
    TextFields fields = to_text({});
    fields[name] = value;
    return error_of([&] { (void)preprocessing_from_text(fields); });
  };
  CHECK(contains(error("height", "two"), "'height' is 'two'"));
  CHECK(contains(error("height", "2.5"), "'height' is '2.5'"));
  CHECK(contains(error("scale", "1 2"), "'scale' is '1 2'; expected 3 numbers"));
  CHECK(contains(error("resize", "nearest"), "'resize' is 'nearest'"));
  CHECK(contains(error("keep_aspect", "1"), "expected true or false"));
  CHECK(contains(error("channels", "4"), "1 or 3 channels"));
  TextFields fields = to_text({});
  fields.erase("offset");
  CHECK(contains(error_of([&] { (void)preprocessing_from_text(fields); }), "'offset' is missing"));
}
