// octavo/data/image.hpp: reads JPEG, PNG and BMP, writes PNG and JPEG (by stb, which the including file needs not
// compile or link itself).
#ifndef OCTAVO_DATA_IMAGE_HPP_
#define OCTAVO_DATA_IMAGE_HPP_

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "jpeg_tables.hpp"
#include "stb_decode.hpp"
#include "stb_encode.hpp"
#include "view.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Larger pictures are taken for damaged headers.
inline constexpr int kMaxImageSide = 32768;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 27;

// Decodes JPEG (8 bit, baseline and progressive), PNG and BMP from memory. `channels`: 1 gray, 3 red-green-blue, 0 as
// in the file (gray stays gray, all else becomes 3). Alpha is dropped, 16-bit samples keep their high byte, and the
// orientation in EXIF is ignored. Throws Error that names `name` for damaged, truncated or too large files.
Image decode_image(std::span<const std::uint8_t> bytes, int channels = 0, const std::string& name = "image");

// The same from a file.
Image decode_image(const std::filesystem::path& file, int channels = 0);

// The bytes of a PNG file.
std::vector<std::uint8_t> encode_png(const ImageView& image);

// The bytes of a baseline JPEG file; quality 1..100.
std::vector<std::uint8_t> encode_jpeg(const ImageView& image, int quality = 90);

// Whether the file's name ends like a format that decode_image reads (.jpg, .jpeg, .png, .bmp, in any case).
bool has_image_name(const std::filesystem::path& file);

namespace detail {

// Bytes for stb, which notices nothing where a JPEG's coded data end early: a read beyond the end is remembered here.
struct ByteSource {
  std::span<const std::uint8_t> bytes;
  std::size_t position = 0;
  bool ran_out = false;

  static int read(void* self, char* to, int wanted) {
    ByteSource& source = *static_cast<ByteSource*>(self);
    const std::size_t n = std::min(static_cast<std::size_t>(wanted), source.bytes.size() - source.position);
    std::memcpy(to, source.bytes.data() + source.position, n);
    source.position += n;
    if (n == 0) source.ran_out = true;
    return static_cast<int>(n);
  }
  static void skip(void* self, int n) {
    ByteSource& source = *static_cast<ByteSource*>(self);
    const std::int64_t target = static_cast<std::int64_t>(source.position) + n;
    source.ran_out = source.ran_out || target > static_cast<std::int64_t>(source.bytes.size());
    source.position =
        static_cast<std::size_t>(std::clamp<std::int64_t>(target, 0, static_cast<std::int64_t>(source.bytes.size())));
  }
  static int at_end(void* self) {
    const ByteSource& source = *static_cast<ByteSource*>(self);
    return source.position == source.bytes.size() ? 1 : 0;
  }
};

inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& file) {
  std::error_code code;
  require(!std::filesystem::is_directory(file, code), file.string(), ": is a folder, expected a file");
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  require(stream.good(), file.string(), ": cannot be opened");
  const std::streamoff size = stream.tellg();
  require(size > 0, file.string(), ": is empty");
  require(size <= INT_MAX, file.string(), ": has more than 2 GiB");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), size);
  require(stream.good(), file.string(), ": cannot be read");
  return bytes;
}

inline void append_bytes(void* bytes, void* from, int n) {
  auto& all = *static_cast<std::vector<std::uint8_t>*>(bytes);
  const std::size_t before = all.size();
  all.resize(before + static_cast<std::size_t>(n));
  std::memcpy(all.data() + before, from, static_cast<std::size_t>(n));
}

// Why stb's last call of this thread failed. To be asked in a statement of its own: in the arguments of the check of
// that call, it would be asked before.
inline std::string stb_reason() {
  const char* reason = stb_decode::stbi_failure_reason();
  return reason != nullptr ? reason : "unknown reason";
}

inline Image encodable(const ImageView& image) {
  require(image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3),
          "encode image: ", image.height, 'x', image.width, 'x', image.channels,
          "; expected at least one pixel of 1 or 3 channels");
  return copy_pixels(image);
}

}  // namespace detail

inline Image decode_image(std::span<const std::uint8_t> bytes, int channels, const std::string& name) {
  require(channels == 0 || channels == 1 || channels == 3, name, ": cannot be decoded to ", channels,
          " channels; expected 0, 1 or 3");
  require(!bytes.empty(), name, ": is empty");
  require(bytes.size() <= static_cast<std::size_t>(INT_MAX), name, ": has more than 2 GiB");
  require(detail::jpeg_tables_fit(bytes), name, ": cannot be decoded (a code table with more than 256 codes)");
  int width = 0;
  int height = 0;
  int found = 0;
  const bool readable = detail::stb_decode::stbi_info_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width,
                                                                  &height, &found) != 0;
  if (!readable) fail(name, ": no readable JPEG, PNG or BMP header (", detail::stb_reason(), ")");
  require(width > 0 && height > 0 && width <= kMaxImageSide && height <= kMaxImageSide &&
              std::int64_t{width} * height <= kMaxImagePixels,
          name, ": is ", width, " x ", height, " pixels; expected at least one, at most ", kMaxImageSide,
          " a side and ", kMaxImagePixels, " in all");

  const int wanted = channels != 0 ? channels : (found <= 2 ? 1 : 3);
  detail::ByteSource source{bytes};
  const detail::stb_decode::stbi_io_callbacks callbacks = {detail::ByteSource::read, detail::ByteSource::skip,
                                                           detail::ByteSource::at_end};
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> pixels(
      detail::stb_decode::stbi_load_from_callbacks(&callbacks, &source, &width, &height, &found, wanted), &std::free);
  require(!source.ran_out, name, ": is truncated after ", bytes.size(), " bytes");
  if (pixels == nullptr) fail(name, ": cannot be decoded (", detail::stb_reason(), ")");
  Image image;
  image.height = height;
  image.width = width;
  image.channels = wanted;
  image.pixels.assign(pixels.get(), pixels.get() + static_cast<std::ptrdiff_t>(width) * height * wanted);
  return image;
}

inline Image decode_image(const std::filesystem::path& file, int channels) {
  return decode_image(detail::read_bytes(file), channels, file.string());
}

inline std::vector<std::uint8_t> encode_png(const ImageView& image) {
  const Image dense = detail::encodable(image);
  std::vector<std::uint8_t> bytes;
  require(detail::stb_encode::stbi_write_png_to_func(detail::append_bytes, &bytes, dense.width, dense.height,
                                                     dense.channels, dense.pixels.data(),
                                                     dense.width * dense.channels) != 0,
          "encode_png: out of memory");
  return bytes;
}

inline std::vector<std::uint8_t> encode_jpeg(const ImageView& image, int quality) {
  require(quality >= 1 && quality <= 100, "encode_jpeg: quality ", quality, "; expected 1 to 100");
  const Image dense = detail::encodable(image);
  std::vector<std::uint8_t> bytes;
  require(detail::stb_encode::stbi_write_jpg_to_func(detail::append_bytes, &bytes, dense.width, dense.height,
                                                     dense.channels, dense.pixels.data(), quality) != 0,
          "encode_jpeg: cannot encode ", dense.width, " x ", dense.height, " pixels");
  return bytes;
}

inline bool has_image_name(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".bmp";
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_IMAGE_HPP_
