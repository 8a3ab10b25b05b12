// The very first image that a program reads is garbage: stb has no failure to tell of before it.
// Alone: no image may have been read before.
#include <doctest/doctest.h>

#include <octavo/data/image.hpp>

#include <string>
#include <vector>

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
