// What the tests of data/ share: a temporary folder, small files in it, pictures with known pixels.
#ifndef OCTAVO_TESTS_UNIT_DATA_FILES_HPP_
#define OCTAVO_TESTS_UNIT_DATA_FILES_HPP_

#include <octavo/data/view.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace octavo_test {

// A new empty folder, removed with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "octavo-data-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Writes a file, and the folders that it stands in; returns its path.
  std::filesystem::path write(const std::string& name, std::span<const std::uint8_t> bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream stream(file, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!stream.good()) throw std::runtime_error("cannot write " + file.string());
    return file;
  }
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    return write(name, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }

 private:
  std::filesystem::path path_;
};

// Every pixel and channel differs from its neighbours; `salt` makes different pictures.
inline octavo::Image pattern(int height, int width, int channels, int salt = 0) {
  octavo::Image image(height, width, channels);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>((i * 37 + static_cast<std::size_t>(salt) * 101 + i / 7) % 256);
  return image;
}

// One colour.
inline octavo::Image plain(int height, int width, std::vector<std::uint8_t> color) {
  octavo::Image image(height, width, static_cast<int>(color.size()));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = color[i % color.size()];
  return image;
}

// The text of the Error that `call` throws; empty if it throws none.
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const octavo::Error& error) {
    return error.what();
  }
  return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace octavo_test

#endif  // OCTAVO_TESTS_UNIT_DATA_FILES_HPP_
