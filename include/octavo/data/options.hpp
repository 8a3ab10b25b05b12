// octavo/data/options.hpp: what the functions that open a dataset have in common.
#ifndef OCTAVO_DATA_OPTIONS_HPP_
#define OCTAVO_DATA_OPTIONS_HPP_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "pixels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// How pictures become the network's input; the fields are those of Preprocessing.
struct ImageOptions {
  int size = 224;  // height and width
  int height = 0;  // 0: size
  int width = 0;   // 0: size
  int channels = 3;
  PixelRange range = PixelRange::minus_one_to_one;
  ResizeMethod resize = ResizeMethod::bilinear;
  bool keep_aspect = false;
  float central_crop = 1.0F;
  // Keeps the decoded pictures in memory, height*width*channels bytes each (cached.hpp).
  bool cache = false;

  [[nodiscard]] Preprocessing preprocessing() const {
    return {height > 0 ? height : size, width > 0 ? width : size, channels, resize, keep_aspect, central_crop, range};
  }
};

// `given`, or else the folder `name` in the folder that the environment variable OCTAVO_DATA names. Throws Error that
// says what was looked for, and `how_to_get` it, where there is no such folder.
inline std::filesystem::path data_folder(const std::filesystem::path& given, const std::string& name,
                                         const std::string& how_to_get) {
  std::filesystem::path folder = given;
  const char* environment = std::getenv("OCTAVO_DATA");
  if (folder.empty() && environment != nullptr && *environment != '\0')
    folder = std::filesystem::path(environment) / name;
  require(!folder.empty(), name, ": no folder was given, and OCTAVO_DATA is not set. ", how_to_get);
  std::error_code code;
  require(std::filesystem::is_directory(folder, code), name, ": there is no folder ", folder.string(), ". ",
          how_to_get);
  return folder;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_OPTIONS_HPP_
