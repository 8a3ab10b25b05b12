// A program whose very first image is garbage: stb has no failure to tell of before, and none must be asked for too
// early.
#include <doctest/doctest.h>

#include <octavo/data/image.hpp>

#include <string>
#include <vector>

// A program of its own: this file defines a macro.
#define OCTAVO_FIRST_IMAGE_OF_THIS_PROGRAM

TEST_CASE("garbage as the first image is an error with a reason") {
  const std::vector<std::uint8_t> garbage(200, 7);
  std::string text;
  try {
    static_cast<void>(octavo::decode_image(garbage, 3, "photo.jpg"));
  } catch (const octavo::Error& error) {
    text = error.what();
  }
  CHECK_MESSAGE(text.find("photo.jpg: no readable JPEG, PNG or BMP header (") == 0, text);
  CHECK_MESSAGE(text.find("()") == std::string::npos, text);
}
