#include <octavo/data/augment.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::pattern;

namespace {

using Floats = std::vector<float>;

Floats augmented(const Image& image, const Preprocessing& to, const Augmentation& augmentation, std::uint64_t seed) {
  Floats out(static_cast<std::size_t>(to.shape().size()));
  preprocess(image.view(), to, augmentation, Rng(seed), out);
  return out;
}
Floats plain_values(const ImageView& view, const Preprocessing& to) {
  Floats out(static_cast<std::size_t>(to.shape().size()));
  preprocess(view, to, out);
  return out;
}

const Preprocessing kRaw8{.height = 8, .width = 8, .range = PixelRange::raw_0_255};

}  // namespace

TEST_CASE("nothing enabled changes nothing") {
  const Image image = pattern(10, 12, 3);
  for (std::uint64_t seed = 0; seed < 5; ++seed)
    CHECK(augmented(image, kRaw8, {}, seed) == plain_values(image.view(), kRaw8));
  CHECK_FALSE(Augmentation{}.enabled());
  CHECK(Augmentation{.shift = 1}.enabled());
}

TEST_CASE("the generator decides alone: the same stream gives the same picture") {
  const Image image = pattern(20, 20, 3);
  const Augmentation all{.horizontal_flip = true,
                         .vertical_flip = true,
                         .quarter_turns = true,
                         .min_area = 0.3F,
                         .shift = 2,
                         .brightness = 0.3F,
                         .contrast = 0.3F,
                         .saturation = 0.3F};
  std::set<Floats> different;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Floats once = augmented(image, kRaw8, all, seed);
    CHECK(once == augmented(image, kRaw8, all, seed));
    for (const float value : once) CHECK((value >= 0.0F && value <= 255.0F));
    different.insert(once);
  }
  CHECK(different.size() == 20);
}

TEST_CASE("flips and turns are exact, and each occurs about as often as it should") {
  const Image image = pattern(8, 8, 3);
  const ImageView view = image.view();
  const Floats same = plain_values(view, kRaw8);
  const Floats mirrored = plain_values(view.mirrored(), kRaw8);
  int mirrors = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Floats out = augmented(image, kRaw8, {.horizontal_flip = true}, seed);
    REQUIRE((out == same || out == mirrored));
    mirrors += out == mirrored ? 1 : 0;
  }
  CHECK(mirrors > 150);
  CHECK(mirrors < 250);

  std::map<Floats, int> turns;
  for (std::uint64_t seed = 0; seed < 400; ++seed) ++turns[augmented(image, kRaw8, {.quarter_turns = true}, seed)];
  REQUIRE(turns.size() == 4);
  CHECK(turns.contains(plain_values(view.turned(), kRaw8)));
  CHECK(turns.contains(plain_values(view.turned().turned().turned(), kRaw8)));
  for (const auto& [picture, count] : turns) CHECK(count > 60);

  std::set<Floats> flips;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    flips.insert(augmented(image, kRaw8, {.horizontal_flip = true, .vertical_flip = true}, seed));
  CHECK(flips.size() == 4);
  CHECK(flips.contains(plain_values(view.upside_down(), kRaw8)));
}

TEST_CASE("shifts are whole output pixels with repeated borders") {
  const Image image = pattern(8, 8, 1);
  const Preprocessing to{.height = 8, .width = 8, .channels = 1, .range = PixelRange::raw_0_255};
  std::set<Floats> expected;
  for (int down = -1; down <= 1; ++down)
    for (int right = -1; right <= 1; ++right) {
      Floats moved;
      for (int y = 0; y < 8; ++y)
        for (int x = 0; x < 8; ++x)
          moved.push_back(*image.view().at(std::clamp(y - down, 0, 7), std::clamp(x - right, 0, 7)));
      expected.insert(moved);
    }
  std::set<Floats> found;
  for (std::uint64_t seed = 0; seed < 100; ++seed) found.insert(augmented(image, to, {.shift = 1}, seed));
  CHECK(found == expected);

  // Padded pictures move within the black frame.
  const Image dot = octavo_test::plain(1, 1, {255});
  const Preprocessing framed{
      .height = 3, .width = 3, .channels = 1, .resize = ResizeMethod::pad, .range = PixelRange::raw_0_255};
  found.clear();
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Floats out = augmented(dot, framed, {.shift = 1}, seed);
    CHECK(std::count(out.begin(), out.end(), 255.0F) == 1);
    found.insert(out);
  }
  CHECK(found.size() == 9);
}

TEST_CASE("random resized crops lie in the picture, and their area and shape in the range") {
  const Image image = pattern(100, 80, 1);
  const Augmentation augmentation{.min_area = 0.25F, .max_aspect = 1.5F};
  double smallest = 1.0;
  double largest = 0.0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const ImageView part = cut_part(image.view(), draw(augmentation, Rng(seed)));
    const double area = part.height * part.width / 8000.0;
    const double aspect = (part.width / 80.0) / (part.height / 100.0);
    CHECK(area > 0.24);
    CHECK(area <= 1.0);
    CHECK(aspect > 0.65);
    CHECK(aspect < 1.54);
    const auto first = part.data - image.view().data;
    CHECK(first >= 0);
    CHECK(part.at(part.height - 1, part.width - 1) <= image.view().at(99, 79));
    CHECK(first % 80 + part.width <= 80);
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
  }
  CHECK(smallest < 0.35);
  CHECK(largest > 0.85);

  // It is resized like any other part.
  const AugmentationDraw drawn = draw(augmentation, Rng(3));
  Preprocessing to{.height = 16, .width = 16, .channels = 1};
  CHECK(augmented(image, to, augmentation, 3) == plain_values(cut_part(image.view(), drawn), to));
}

TEST_CASE("colours: each change alone against its formula") {
  const Image image = pattern(8, 8, 3);
  const Floats before = plain_values(image.view(), kRaw8);
  const auto luma = [](const float* pixel) { return 0.299F * pixel[0] + 0.587F * pixel[1] + 0.114F * pixel[2]; };
  float mean = 0.0F;
  for (std::size_t i = 0; i < before.size(); i += 3) mean += luma(&before[i]) / 64.0F;
  const auto clamped = [](float value) { return static_cast<double>(std::clamp(value, 0.0F, 255.0F)); };
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Augmentation brighter{.brightness = 0.5F};
    const Augmentation harder{.contrast = 0.5F};
    const Augmentation redder{.saturation = 0.5F};
    const float b = draw(brighter, Rng(seed)).brightness;
    const float k = draw(harder, Rng(seed)).contrast;
    const float s = draw(redder, Rng(seed)).saturation;
    CHECK((b >= 0.5F && b <= 1.5F));
    const Floats bright = augmented(image, kRaw8, brighter, seed);
    const Floats hard = augmented(image, kRaw8, harder, seed);
    const Floats red = augmented(image, kRaw8, redder, seed);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const float gray = luma(&before[i - i % 3]);
      CHECK(static_cast<double>(bright[i]) == doctest::Approx(clamped(before[i] * b)).epsilon(1e-4));
      CHECK(static_cast<double>(hard[i]) == doctest::Approx(clamped(mean + (before[i] - mean) * k)).epsilon(1e-4));
      CHECK(static_cast<double>(red[i]) == doctest::Approx(clamped(gray + (before[i] - gray) * s)).epsilon(1e-4));
    }
  }
}

TEST_CASE("enabling one change leaves the draws of the others alone") {
  const AugmentationDraw one = draw({.horizontal_flip = true, .contrast = 0.2F}, Rng(11));
  const AugmentationDraw two = draw({.horizontal_flip = true, .min_area = 0.5F, .shift = 3, .contrast = 0.2F}, Rng(11));
  CHECK(one.mirror == two.mirror);
  CHECK(one.contrast == two.contrast);
}

TEST_CASE("float pictures are changed like 8-bit ones") {
  const Image image = pattern(8, 8, 3);
  Preprocessing to{.height = 8, .width = 8, .range = PixelRange::imagenet};
  const Floats values = plain_values(image.view(), to);
  const Augmentation all{.horizontal_flip = true,
                         .quarter_turns = true,
                         .min_area = 0.5F,
                         .shift = 1,
                         .brightness = 0.2F,
                         .contrast = 0.2F,
                         .saturation = 0.2F};
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Floats expected = augmented(image, to, all, seed);
    Floats out(values.size());
    augment({values.data(), 8, 8, 3}, PixelRange::imagenet, all, Rng(seed), out);
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::abs(out[i] - expected[i]) < 1e-4F);
  }
}

TEST_CASE("fields without a meaning are errors") {
  CHECK(contains(error_of([] { Augmentation{.min_area = 0.0F}.check(); }), "min_area 0"));
  CHECK(contains(error_of([] { Augmentation{.max_aspect = 0.5F}.check(); }), "max_aspect"));
  CHECK(contains(error_of([] { Augmentation{.shift = -1}.check(); }), "shift -1"));
  CHECK(contains(error_of([] { Augmentation{.saturation = 2.0F}.check(); }), "jitter 2"));
}
