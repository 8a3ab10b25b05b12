// Decoding and encoding. The first include sets stb's macros as a careless user might: ours must not notice, and the
// user's own stb, included on both sides of ours, must stay whole.
#define STBI_NO_PNG
#include <stb/stb_image.h>

#include <octavo/data/image.hpp>

#include <doctest/doctest.h>

#ifndef STBI_NO_PNG
#error "the user's macro is gone"
#endif
#ifdef STB_IMAGE_STATIC
#error "our macro is left"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#include <cmath>
#include <thread>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;
using octavo_test::plain;
using octavo_test::TemporaryFolder;

namespace {

// A BMP file: 24 bits, rows from the bottom, each padded to four bytes, blue first.
std::vector<std::uint8_t> encode_bmp(const Image& image) {
  const auto width = static_cast<std::uint32_t>(image.width);
  const auto height = static_cast<std::uint32_t>(image.height);
  const std::uint32_t row = (width * 3 + 3) / 4 * 4;
  std::vector<std::uint8_t> bytes = {'B', 'M'};
  const auto put = [&bytes](std::uint32_t value, int n) {
    for (int i = 0; i < n; ++i) bytes.push_back(static_cast<std::uint8_t>((value >> (8 * i)) & 255));
  };
  put(54 + row * height, 4), put(0, 4), put(54, 4);
  put(40, 4), put(width, 4), put(height, 4), put(1, 2), put(24, 2), put(0, 4), put(row * height, 4), put(0, 4);
  put(0, 4), put(0, 4), put(0, 4);
  for (int y = image.height; y-- > 0;) {
    const std::size_t begin = bytes.size();
    for (int x = 0; x < image.width; ++x)
      for (int c = 3; c-- > 0;) bytes.push_back(image.view().at(y, x)[c]);
    bytes.resize(begin + row);
  }
  return bytes;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

}  // namespace

TEST_CASE("PNG and BMP come back exactly") {
  for (const int channels : {1, 3}) {
    const Image image = pattern(13, 7, channels);
    const Image back = decode_image(encode_png(image.view()));
    CHECK(back.height == 13);
    CHECK(back.width == 7);
    CHECK(back.channels == channels);
    CHECK(back.pixels == image.pixels);
  }
  const Image image = pattern(5, 6, 3);
  CHECK(decode_image(encode_bmp(image)).pixels == image.pixels);
}

TEST_CASE("JPEG comes back nearly") {
  Image smooth(32, 48, 3);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 48; ++x)
      for (int c = 0; c < 3; ++c)
        smooth.pixels[static_cast<std::size_t>((y * 48 + x) * 3 + c)] =
            static_cast<std::uint8_t>(4 * y + 2 * x + 20 * c);
  const Image back = decode_image(encode_jpeg(smooth.view(), 95));
  REQUIRE(back.pixels.size() == smooth.pixels.size());
  CHECK(back.height == 32);
  CHECK(mean_difference(back, smooth) < 2.0);
  const Image gray = decode_image(encode_jpeg(plain(9, 9, {200}).view()), 1);
  CHECK(gray.channels == 1);
  CHECK(mean_difference(gray, plain(9, 9, {200})) < 1.5);
  CHECK(encode_jpeg(pattern(40, 40, 3).view(), 20).size() < encode_jpeg(pattern(40, 40, 3).view(), 95).size());
}

TEST_CASE("channels can be asked for") {
  const Image color = decode_image(encode_png(plain(2, 2, {77}).view()), 3);
  CHECK(color.pixels == plain(2, 2, {77, 77, 77}).pixels);
  const Image gray = decode_image(encode_png(plain(2, 2, {255, 0, 0}).view()), 1);
  CHECK(gray.pixels.size() == 4);
  CHECK(int{gray.pixels[0]} >= 74);  // 0.299 * 255 = 76, stb's integer weights
  CHECK(int{gray.pixels[0]} <= 78);
  CHECK(copy_pixels(plain(1, 1, {255, 0, 0}).view(), 1).pixels[0] == 76);
  CHECK(copy_pixels(plain(1, 1, {9}).view(), 3).pixels == std::vector<std::uint8_t>{9, 9, 9});
  CHECK(contains(error_of([] { (void)decode_image(encode_png(plain(2, 2, {7}).view()), 2); }), "2 channels"));
}

TEST_CASE("views of a picture encode without a copy of it") {
  const Image image = pattern(6, 9, 3);
  const Image part = decode_image(encode_png(image.view().crop(1, 2, 3, 4).mirrored()));
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 4; ++x)
      for (int c = 0; c < 3; ++c) CHECK(part.view().at(y, x)[c] == image.view().at(1 + y, 2 + 3 - x)[c]);
}

TEST_CASE("crops, mirror images and turns") {
  const Image image = pattern(3, 5, 1);
  const ImageView view = image.view();
  CHECK(view.upside_down().at(0, 1) == view.at(2, 1));
  const ImageView turned = view.turned();
  CHECK(turned.height == 5);
  CHECK(turned.width == 3);
  CHECK(turned.at(0, 0) == view.at(0, 4));
  CHECK(turned.at(4, 2) == view.at(2, 0));
  CHECK(turned.turned().turned().turned().at(2, 3) == view.at(2, 3));
  CHECK(copy_pixels(view.turned().turned()).pixels == copy_pixels(view.mirrored().upside_down()).pixels);
  CHECK(contains(error_of([&] { (void)view.crop(1, 0, 3, 2); }), "leaves the picture of 3x5"));
  CHECK(contains(error_of([&] { (void)view.crop(0, -1, 1, 1); }), "leaves the picture"));
}

TEST_CASE("a file that ends early is an error wherever it ends") {
  const Image image = pattern(24, 24, 3);
  for (const auto& bytes : {encode_jpeg(image.view()), encode_png(image.view()), encode_bmp(image)}) {
    REQUIRE(decode_image(bytes).height == 24);
    for (std::size_t n = 1; n + 1 < bytes.size(); n += 7) {
      // PNG keeps the end mark after the last pixel: without it, the picture is whole.
      const std::string error = error_of([&] { (void)decode_image(std::span(bytes).first(n), 3, "photo 7"); });
      if (bytes[1] == 'P' && n + 20 > bytes.size()) continue;
      CHECK_MESSAGE(contains(error, "photo 7"), "cut after ", n, " of ", bytes.size());
    }
  }
}

TEST_CASE("errors name the file and the reason") {
  const TemporaryFolder folder;
  CHECK(contains(error_of([&] { (void)decode_image(folder.path() / "none.png"); }), "none.png: cannot be opened"));
  CHECK(contains(error_of([&] { (void)decode_image(folder.write("a.jpg", "")); }), "a.jpg: is empty"));
  CHECK(contains(error_of([&] { (void)decode_image(folder.path()); }), "is a folder"));
  const auto text = folder.write("text.jpg", "this is no picture at all, but long enough to be one");
  CHECK(contains(error_of([&] { (void)decode_image(text); }), "text.jpg: no readable JPEG, PNG or BMP header ("));

  std::vector<std::uint8_t> damaged = encode_png(pattern(20, 20, 3).view());
  for (std::size_t i = 60; i < 90; ++i) damaged[i] = 0xA5;
  CHECK(contains(error_of([&] { (void)decode_image(folder.write("bad.png", damaged)); }), "bad.png"));

  // A header that promises 30,000 x 30,000 pixels, and one with no rows.
  std::vector<std::uint8_t> huge = encode_bmp(plain(1, 1, {1, 2, 3}));
  huge[18] = huge[22] = 0x30;
  huge[19] = huge[23] = 0x75;
  const std::string error = error_of([&] { (void)decode_image(huge, 3, "huge.bmp"); });
  CHECK(contains(error, "huge.bmp: is 30000 x 30000 pixels"));
  std::vector<std::uint8_t> none = encode_png(plain(1, 1, {1}).view());
  none[19] = 0;  // width
  CHECK_FALSE(error_of([&] { (void)decode_image(none); }).empty());

  CHECK(contains(error_of([] { (void)encode_png(ImageView{}); }), "0x0x0"));
  CHECK(contains(error_of([] { (void)encode_jpeg(pattern(2, 2, 1).view(), 0); }), "quality 0"));
  CHECK(contains(error_of([] { Image wrong(2, 2, 4); }), "2x2x4"));
}

TEST_CASE("damaged files end in a picture or an Error") {
  const auto jpeg = encode_jpeg(pattern(24, 24, 3).view());
  const auto png = encode_png(pattern(24, 24, 3).view());
  const auto bmp = encode_bmp(pattern(6, 6, 3));
  int refused = 0;
  for (const auto& original : {jpeg, png, bmp}) {
    for (std::size_t at = 0; at < original.size(); at += 3) {
      auto bytes = original;
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ 0x5B);
      Image back;
      const std::string error = error_of([&] { back = decode_image(bytes); });
      CHECK(error.empty() != back.empty());
      refused += error.empty() ? 0 : 1;
    }
  }
  CHECK(refused > 20);
}

TEST_CASE("a JPEG with too many codes is refused, wherever its table lies") {
  const auto jpeg = encode_jpeg(pattern(24, 24, 3).view());
  std::size_t table = 2;  // the first segment of code tables: FF C4, length, class, 16 counts
  while (table + 21 < jpeg.size() && !(jpeg[table] == 0xFF && jpeg[table + 1] == 0xC4)) ++table;
  REQUIRE(table + 21 < jpeg.size());
  auto damaged = jpeg;
  damaged[table + 18] = damaged[table + 19] = 200;
  const auto refused = [](const std::vector<std::uint8_t>& bytes) {
    return contains(error_of([&] { (void)decode_image(bytes); }), "more than 256 codes");
  };
  CHECK(refused(damaged));
  auto cut = damaged;
  cut.resize(table + 21);
  CHECK(refused(cut));

  // Fill bytes in front of the first marker.
  auto filled = damaged;
  filled.insert(filled.begin(), 37, std::uint8_t{0xFF});
  CHECK(refused(filled));
  auto good = jpeg;
  good.insert(good.begin(), 37, std::uint8_t{0xFF});
  CHECK(decode_image(good).pixels == decode_image(jpeg).pixels);
}

TEST_CASE("the first photo that a thread reads may be none") {
  const std::vector<std::uint8_t> text = {'n', 'o', 't', ' ', 'a', 'n', ' ', 'i', 'm', 'a', 'g', 'e', '\n'};
  std::string error;
  std::thread([&] { error = error_of([&] { (void)decode_image(text, 3, "bad.jpg"); }); }).join();
  CHECK(contains(error, "bad.jpg: no readable JPEG, PNG or BMP header ("));
}

TEST_CASE("several threads decode at once, each with its own error") {
  const auto good = encode_jpeg(pattern(30, 30, 3).view());
  const auto bad = std::vector<std::uint8_t>(good.begin(), good.begin() + 300);
  std::vector<std::thread> team;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    team.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        right += decode_image(good).pixels.size() == 2700 ? 1 : 0;
        right += error_of([&] { (void)decode_image(bad); }).empty() ? 0 : 1;
      }
    });
  for (std::thread& member : team) member.join();
  CHECK(right == 160);
}

TEST_CASE("file names") {
  CHECK(has_image_name("a/b.JPG"));
  CHECK(has_image_name("x.jpeg"));
  CHECK(has_image_name("x.y.png"));
  CHECK(has_image_name("x.Bmp"));
  CHECK_FALSE(has_image_name("x.gif"));
  CHECK_FALSE(has_image_name("jpg"));
}

TEST_CASE("the user's own stb_image still works beside ours") {
  const auto bytes = encode_jpeg(plain(8, 8, {50, 60, 70}).view());
  int width = 0;
  int height = 0;
  int channels = 0;
  unsigned char* pixels =
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 0);
  REQUIRE(pixels != nullptr);
  CHECK(width == 8);
  stbi_image_free(pixels);
  const auto png = encode_png(plain(8, 8, {50}).view());  // the user's copy cannot read PNG, ours can
  CHECK(stbi_load_from_memory(png.data(), static_cast<int>(png.size()), &width, &height, &channels, 0) == nullptr);
  CHECK(decode_image(png).pixels == plain(8, 8, {50}).pixels);
}
