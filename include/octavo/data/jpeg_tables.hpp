// octavo/data/jpeg_tables.hpp: are the Huffman tables of a JPEG file possible ones? stb_image writes those of damaged
// files past their arrays.
#ifndef OCTAVO_DATA_JPEG_TABLES_HPP_
#define OCTAVO_DATA_JPEG_TABLES_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// False when a table has more than 256 codes (JPEG, B.2.4.2: 16 counts of codes by length). Bytes that are no JPEG
// file, or end early, have no such table. Any marker may have fill bytes (0xFF) in front, the first one too.
[[nodiscard]] inline bool jpeg_tables_fit(std::span<const std::uint8_t> bytes) {
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte != 0xFF; });
  if (first == bytes.begin() || first == bytes.end() || *first != 0xD8) return true;
  auto at = static_cast<std::size_t>(first - bytes.begin()) + 1;
  while (at + 1 < bytes.size()) {
    const std::uint8_t marker = bytes[at + 1];
    const bool alone = marker == 0x00 || marker == 0xFF || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD9);
    if (bytes[at] != 0xFF || alone) {  // compressed data, or a marker without a segment
      at += bytes[at] == 0xFF && marker != 0xFF ? std::size_t{2} : std::size_t{1};
      continue;
    }
    if (at + 4 > bytes.size()) return true;
    const std::size_t end = at + 2 + bytes[at + 2] * std::size_t{256} + bytes[at + 3];
    std::size_t table = at + 4;
    while (marker == 0xC4 && table < bytes.size() && table < end) {
      std::size_t codes = 0;
      for (std::size_t i = table + 1; i <= table + 16 && i < bytes.size(); ++i) codes += bytes[i];  // behind the end: 0
      if (codes > 256) return false;
      table += 17 + codes;
    }
    at = end > at + 2 ? end : at + 2;
  }
  return true;
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_JPEG_TABLES_HPP_
