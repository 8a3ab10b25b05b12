// tests/fuzz/files_target.hpp: what must hold for any bytes given to the readers of arrays, text, data and pictures:
// an Error, or a value that survives being written and read again. Each returns whether the bytes were accepted.
#ifndef OCTAVO_TESTS_FUZZ_FILES_TARGET_HPP_
#define OCTAVO_TESTS_FUZZ_FILES_TARGET_HPP_

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octavo/core/error.hpp"

namespace fuzz {

using View = std::span<const std::uint8_t>;

inline std::string_view text_of(View bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

[[noreturn]] inline void differs(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// A folder of this process, for readers that want files.
inline const std::filesystem::path& folder() {
  static const struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("octavo_fuzz_" + std::to_string(static_cast<long>(::getpid())));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() {
      std::error_code code;
      std::filesystem::remove_all(path, code);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
  } made;
  return made.path;
}
inline std::filesystem::path stored(const char* name, View bytes) {
  const std::filesystem::path path = folder() / name;
  std::ofstream(path, std::ios::binary).write(text_of(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

// Whether `read` accepts.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const octavo::Error&) {
    return false;
  }
}

}  // namespace fuzz

#ifdef OCTAVO_IO_NPY_HPP_
namespace fuzz {
inline bool read_npy(View bytes) {
  octavo::io::NpyArray array;
  if (!accepts([&] { array = octavo::io::parse_npy(bytes, "input"); })) return false;
  const std::vector<float> values = array.floats();
  if (static_cast<std::int64_t>(values.size()) != array.shape.size()) differs("values do not fill the shape");
  return true;
}
}  // namespace fuzz
#endif

#ifdef OCTAVO_IO_JSON_HPP_
namespace fuzz {
inline bool read_json(View bytes) {
  octavo::io::Json json;
  if (!accepts([&] { json = octavo::io::parse_json(text_of(bytes)); })) return false;
  const std::string once = json.dump();
  if (octavo::io::parse_json(once).dump() != once) differs("the text changed when read again");
  return true;
}
}  // namespace fuzz
#endif

#ifdef OCTAVO_IO_MANIFEST_HPP_
namespace fuzz {
// The bytes are the manifest of a model whose weights are there; `make` writes that model into a folder, once.
template <class Make>
bool read_manifest(View bytes, Make&& make) {
  static const bool made = (make((folder() / "model").string()), true);
  static_cast<void>(made);
  stored("model/manifest.json", bytes);
  const auto where = (folder() / "model").string();
  octavo::runtime::Program program;
  if (!accepts([&] { program = octavo::io::load_program(where, {.checksum = false}); })) return false;
  octavo::io::save(program, (folder() / "again").string(), {.self_test = false});
  const octavo::runtime::Program again = octavo::io::load_program((folder() / "again").string());
  if (again.ops.size() != program.ops.size() || again.tensors.size() != program.tensors.size())
    differs("the model changed when written and read again");
  return true;
}
}  // namespace fuzz
#endif

#ifdef OCTAVO_DATA_IDX_HPP_
namespace fuzz {
inline bool read_idx(View bytes) {
  const std::filesystem::path file = stored("file.idx", bytes);
  return accepts([&] {
    const octavo::IdxFile idx = octavo::read_idx(file, bytes.size() > 3 && bytes[3] == 1 ? 1 : 3);
    std::int64_t size = 1;
    for (const std::int64_t extent : idx.extents) size *= extent;
    if (size != static_cast<std::int64_t>(idx.values.size())) differs("values do not fill the extents");
  });
}
}  // namespace fuzz
#endif

#ifdef OCTAVO_DATA_CSV_HPP_
namespace fuzz {
inline bool read_csv(View bytes) {
  const std::filesystem::path file = stored("file.csv", bytes);
  return accepts([&] {
    const octavo::CsvTable table = octavo::read_csv(file);
    for (const octavo::CsvRow& row : table.rows)
      if (row.fields.size() != table.header.size()) differs("a row has another number of fields than the header");
  });
}
}  // namespace fuzz
#endif

#ifdef OCTAVO_DATA_IMAGE_HPP_
namespace fuzz {
inline bool read_image(View bytes) {
  return accepts([&] {
    const octavo::Image image = octavo::decode_image(bytes, 3, "input");
    if (image.pixels.size() != static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width) * 3)
      differs("pixels do not fill the image");
  });
}
}  // namespace fuzz
#endif

#endif  // OCTAVO_TESTS_FUZZ_FILES_TARGET_HPP_
