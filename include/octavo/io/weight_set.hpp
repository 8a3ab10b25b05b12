// octavo/io/weight_set.hpp: arrays by name, from a safetensors file or a folder of .npy files.
#ifndef OCTAVO_IO_WEIGHT_SET_HPP_
#define OCTAVO_IO_WEIGHT_SET_HPP_

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "npy.hpp"
#include "safetensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// One array, row-major, in its framework's layout.
struct WeightArray {
  Shape shape;
  std::vector<float> values;
};

// What a framework saved of a network.
struct WeightSet {
  std::string source;  // for messages
  std::map<std::string, WeightArray> arrays;
};

namespace detail {

// TensorFlow's names end in ":0".
inline std::string without_index(const std::string& name) {
  return name.ends_with(":0") ? name.substr(0, name.size() - 2) : name;
}

}  // namespace detail

// `path`: a safetensors file, or a folder whose .npy files are the arrays (the name is the path in the folder, without
// the ending: "features.0.0.weight.npy", "Conv1/kernel.npy"). Other types than float32 are converted.
template <class Lazy = void>
[[nodiscard]] WeightSet read_weight_set(const std::string& path) {
  WeightSet set{path, {}};
  std::error_code code;
  if (!std::filesystem::is_directory(path, code)) {
    const SafeTensors file = read_safetensors(path);
    for (const auto& [name, array] : file.arrays())
      set.arrays[detail::without_index(name)] = {array.shape, to_floats(array)};
    return set;
  }
  const std::filesystem::path folder(path);
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, code);
       !code && entry != std::filesystem::recursive_directory_iterator(); entry.increment(code)) {
    if (!entry->is_regular_file() || entry->path().extension() != ".npy") continue;
    const NpyArray array = read_npy(entry->path().string());
    std::string name = entry->path().lexically_relative(folder).generic_string();
    name.resize(name.size() - std::string_view(".npy").size());
    set.arrays[detail::without_index(name)] = {array.shape, array.floats()};
  }
  require(!code, "cannot read the folder '", path, "': ", code.message());
  require(!set.arrays.empty(), "'", path, "': there are no .npy files");
  return set;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_WEIGHT_SET_HPP_
