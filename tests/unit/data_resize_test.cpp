#include <octavo/data/resize.hpp>

#include <doctest/doctest.h>

#include <numeric>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;

namespace {

template <class Resize>
std::vector<float> resized(Resize resize, const ImageView& view, int height, int width, SampleOffset offset = {}) {
  std::vector<float> out(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) *
                         static_cast<std::size_t>(view.channels));
  resize(view, height, width, std::span<float>(out), offset);
  return out;
}
const auto bilinear = [](const auto& view, int height, int width, std::span<float> out, SampleOffset offset) {
  resize_bilinear(view, height, width, out, offset);
};
const auto area = [](const auto& view, int height, int width, std::span<float> out, SampleOffset offset) {
  resize_area(view, height, width, out, offset);
};
const auto framed = [](const auto& view, int height, int width, std::span<float> out, SampleOffset offset) {
  center_in_frame(view, height, width, out, offset);
};

Image row_of(std::vector<std::uint8_t> values) {
  Image image(1, static_cast<int>(values.size()), 1);
  image.pixels = std::move(values);
  return image;
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("bilinear: known small cases with half-pixel centres") {
  // 2 -> 4: samples at -0.25, 0.25, 0.75, 1.25.
  CHECK(resized(bilinear, row_of({0, 100}).view(), 1, 4) == Floats{0, 25, 75, 100});
  // 4 -> 2: samples at 0.5 and 2.5.
  CHECK(resized(bilinear, row_of({10, 20, 40, 80}).view(), 1, 2) == Floats{15, 60});
  // 3 -> 1: the middle pixel alone.
  CHECK(resized(bilinear, row_of({1, 50, 200}).view(), 1, 1) == Floats{50});
  // 2 x 2 -> 3 x 3 in both directions: samples at -1/6, 1/2, 7/6.
  Image square(2, 2, 1);
  square.pixels = {0, 60, 120, 240};
  CHECK(resized(bilinear, square.view(), 3, 3) == Floats{0, 30, 60, 60, 105, 150, 120, 180, 240});
}

TEST_CASE("bilinear: against the formula, for every shape of change") {
  for (const int channels : {1, 3}) {
    const Image image = pattern(9, 11, channels);
    for (const auto& [height, width] : {std::pair{9, 11}, {5, 7}, {18, 23}, {1, 1}, {9, 4}, {3, 11}, {40, 2}}) {
      const Floats out = resized(bilinear, image.view(), height, width);
      std::size_t at = 0;
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          for (int c = 0; c < channels; ++c, ++at) {
            const double sy = std::clamp((y + 0.5) * 9 / height - 0.5, 0.0, 8.0);
            const double sx = std::clamp((x + 0.5) * 11 / width - 0.5, 0.0, 10.0);
            const int y0 = std::min(static_cast<int>(sy), 7);
            const int x0 = std::min(static_cast<int>(sx), 9);
            const auto pixel = [&](int dy, int dx) {
              return static_cast<double>(image.view().at(y0 + dy, x0 + dx)[c]);
            };
            const double top = pixel(0, 0) + (pixel(0, 1) - pixel(0, 0)) * (sx - x0);
            const double bottom = pixel(1, 0) + (pixel(1, 1) - pixel(1, 0)) * (sx - x0);
            CHECK(static_cast<double>(out[at]) == doctest::Approx(top + (bottom - top) * (sy - y0)).epsilon(1e-4));
          }
        }
      }
    }
  }
}

TEST_CASE("area: known small cases") {
  CHECK(resized(area, row_of({10, 20, 40, 80}).view(), 1, 2) == Floats{15, 60});
  // 3 -> 2: (a + b/2) / 1.5 and (b/2 + c) / 1.5.
  const Floats thirds = resized(area, row_of({30, 60, 90}).view(), 1, 2);
  CHECK(thirds[0] == doctest::Approx(40));
  CHECK(thirds[1] == doctest::Approx(80));
  CHECK(resized(area, row_of({5, 9}).view(), 1, 4) == Floats{5, 5, 9, 9});
  // The mean stays when the sizes divide.
  const Image image = pattern(12, 8, 3);
  const Floats out = resized(area, image.view(), 3, 2);
  for (std::size_t c = 0; c < 3; ++c) {
    double before = 0.0;
    double after = 0.0;
    for (std::size_t i = c; i < image.pixels.size(); i += 3) before += image.pixels[i];
    for (std::size_t i = c; i < out.size(); i += 3) after += static_cast<double>(out[i]);
    CHECK(after / 6 == doctest::Approx(before / 96));
  }
}

TEST_CASE("one colour stays that colour, in any size") {
  const Image image = octavo_test::plain(17, 23, {200, 3, 255});
  for (const auto& [height, width] : {std::pair{5, 7}, {17, 23}, {40, 31}, {16, 24}}) {
    for (const Floats& out :
         {resized(bilinear, image.view(), height, width), resized(area, image.view(), height, width)})
      for (std::size_t i = 0; i < out.size(); ++i)
        CHECK(out[i] == doctest::Approx(static_cast<double>(image.pixels[i % 3])).epsilon(1e-5));
  }
}

TEST_CASE("views and copies of views give the same") {
  const Image image = pattern(20, 30, 3);
  const ImageView view = image.view().crop(3, 4, 11, 13).mirrored().turned();
  const Image copy = copy_pixels(view);
  for (const auto& [height, width] : {std::pair{13, 11}, {6, 6}, {20, 9}}) {
    CHECK(resized(bilinear, view, height, width) == resized(bilinear, copy.view(), height, width));
    CHECK(resized(area, view, height, width) == resized(area, copy.view(), height, width));
    CHECK(resized(framed, view, height, width) == resized(framed, copy.view(), height, width));
  }
}

TEST_CASE("offsets move the grid, and the border repeats") {
  CHECK(resized(bilinear, row_of({10, 20, 40}).view(), 1, 3, {0, 1}) == Floats{20, 40, 40});
  CHECK(resized(bilinear, row_of({10, 20, 40}).view(), 1, 3, {0, -2}) == Floats{10, 10, 10});
  CHECK(resized(bilinear, row_of({10, 20, 40}).view(), 1, 3, {0, 0.5F}) == Floats{15, 30, 40});
  CHECK(resized(area, row_of({10, 20, 40}).view(), 1, 3, {0, -1}) == Floats{10, 10, 20});
  CHECK(resized(framed, row_of({10, 20, 40}).view(), 1, 3, {0, 1}) == Floats{20, 40, 0});
}

TEST_CASE("centre in a frame") {
  CHECK(resized(framed, row_of({1, 2}).view(), 1, 5) == Floats{0, 1, 2, 0, 0});
  CHECK(resized(framed, row_of({1, 2, 3, 4, 5}).view(), 1, 2) == Floats{2, 3});
  CHECK(resized(framed, row_of({7}).view(), 3, 1) == Floats{0, 7, 0});
}

TEST_CASE("centre crop") {
  const Image image = pattern(100, 200, 1);
  const ImageView square = center_crop(image.view(), 1, 1);
  CHECK(square.height == 100);
  CHECK(square.width == 100);
  CHECK(square.data == image.view().at(0, 50));
  const ImageView part = center_crop(image.view(), 224, 224, 0.875F);
  CHECK(part.height == 88);  // 87.5
  CHECK(part.width == 88);
  CHECK(part.data == image.view().at(6, 56));
  const ImageView tall = center_crop(image.view(), 50, 10);
  CHECK(tall.height == 100);
  CHECK(tall.width == 20);
  CHECK(center_crop(image.view(), 1, 1, 0.0001F).height == 1);
  CHECK(contains(error_of([&] { (void)center_crop(image.view(), 1, 1, 1.5F); }), "fraction 1.5"));
}

TEST_CASE("thumbnails") {
  const Image image = pattern(64, 32, 3);
  const Image small = resize_image(image.view(), 16, 8);
  CHECK(small.height == 16);
  CHECK(small.pixels.size() == 16 * 8 * 3);
  const Floats exact = resized(area, image.view(), 16, 8);
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK(std::abs(exact[i] - static_cast<float>(small.pixels[i])) <= 0.5001F);
  CHECK(to_byte(-3.0F) == 0);
  CHECK(to_byte(300.0F) == 255);
  CHECK(to_byte(2.5F) == 3);
  CHECK(to_byte(2.49F) == 2);
}

TEST_CASE("sizes that do not fit are errors") {
  const Image image = pattern(4, 4, 3);
  std::vector<float> out(11);
  CHECK(contains(error_of([&] { resize_bilinear(image.view(), 2, 2, std::span<float>(out)); }),
                 "needs 12 floats, found 11"));
  CHECK(contains(error_of([&] { resize_area(image.view(), 0, 2, std::span<float>(out)); }), "0x2"));
  CHECK(contains(error_of([&] { resize_bilinear(ImageView{}, 2, 2, std::span<float>(out)); }), "empty"));
}
