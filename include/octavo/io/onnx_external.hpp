// octavo/io/onnx_external.hpp: tensors whose values stand in files beside an ONNX model.
#ifndef OCTAVO_IO_ONNX_EXTERNAL_HPP_
#define OCTAVO_IO_ONNX_EXTERNAL_HPP_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "file.hpp"
#include "onnx_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

using Entry = std::pair<std::string_view, std::string_view>;  // a key and its value

// Reads each file once, into the model. Only files in or below the model's folder; an empty folder: none at all.
template <class Lazy = void>
class ExternalFiles {
 public:
  ExternalFiles(Model& model, std::string folder) : model_(model), folder_(std::move(folder)) {}

  // The bytes that `entries` (location, offset, length) name; `expected` where no length is given.
  [[nodiscard]] std::span<const std::uint8_t> find(const std::vector<Entry>& entries, std::size_t expected) {
    std::string_view location;
    std::size_t offset = 0, length = expected;
    for (const auto& [key, value] : entries) {
      if (key == "location") location = value;
      if (key != "offset" && key != "length") continue;
      std::size_t& number = key == "offset" ? offset : length;
      const auto result = std::from_chars(value.data(), value.data() + value.size(), number);
      require(result.ec == std::errc() && result.ptr == value.data() + value.size(), "external data: ", key, " '",
              value, "' is no number");
    }
    require(!folder_.empty(), "its data is in another file, '", location, "'");
    require(is_inside(location), "external data: '", location, "' is not a file in the model's folder");
    auto file = files_.find(location);
    if (file == files_.end()) {
      Bytes& content = model_.external.emplace_back(read_file(folder_ + "/" + std::string(location)));
      model_.total_bytes += content.size();
      file = files_.emplace(location, std::span<const std::uint8_t>(content)).first;
    }
    const std::span<const std::uint8_t> all = file->second;
    require(offset <= all.size() && length <= all.size() - offset, "external data: ", length, " bytes at ", offset,
            " of '", location, "', which has ", all.size());
    return all.subspan(offset, length);
  }

 private:
  [[nodiscard]] static bool is_inside(std::string_view location) {
    if (location.empty() || location.front() == '/' || location.find('\0') != location.npos) return false;
    for (std::size_t at = 0; at <= location.size();) {
      const std::size_t slash = std::min(location.find('/', at), location.size());
      if (location.substr(at, slash - at) == "..") return false;
      at = slash + 1;
    }
    return true;
  }

  Model& model_;
  std::string folder_;
  std::map<std::string_view, std::span<const std::uint8_t>> files_;
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_EXTERNAL_HPP_
