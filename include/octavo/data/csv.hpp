// octavo/data/csv.hpp: reads a table of comma-separated values with a header line.
#ifndef OCTAVO_DATA_CSV_HPP_
#define OCTAVO_DATA_CSV_HPP_

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct CsvRow {
  std::size_t line = 0;  // counted from 1, for messages
  std::vector<std::string> fields;
};

struct CsvTable {
  static constexpr std::size_t kMissing = static_cast<std::size_t>(-1);

  std::string file;
  std::vector<std::string> header;
  std::vector<CsvRow> rows;

  // The first column that has one of these names (small letters; the header's case does not matter), or kMissing.
  [[nodiscard]] std::size_t column(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names) {
      for (std::size_t c = 0; c < header.size(); ++c) {
        std::string title = header[c];
        for (char& letter : title)
          if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
        if (title == name) return c;
      }
    }
    return kMissing;
  }
  // "labels.csv:17"
  [[nodiscard]] std::string place(const CsvRow& row) const { return file + ":" + std::to_string(row.line); }
};

// RFC 4180: fields may stand in double quotes ("" is one quote), lines end in LF or CRLF. Empty lines and a byte order
// mark are skipped. Throws Error with file:line where a quote stays open or a row has another number of fields than
// the header.
inline CsvTable read_csv(const std::filesystem::path& path) {
  CsvTable table;
  table.file = path.string();
  std::error_code code;
  require(!std::filesystem::is_directory(path, code), table.file, ": is a folder, expected a CSV file");
  std::ifstream stream(path, std::ios::binary);
  require(stream.good(), table.file, ": cannot be opened");
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  std::size_t line = 1;
  while (at < text.size()) {
    CsvRow row{line, {}};
    std::string field;
    bool quoted = false;
    bool any = false;  // a quote or a comma: the line is not empty
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '\n') ++line;
      if (quoted) {
        if (c != '"')
          field += c;
        else if (at + 1 < text.size() && text[at + 1] == '"')
          field += text[++at];
        else
          quoted = false;
      } else if (c == '"' && field.empty()) {
        quoted = any = true;
      } else if (c == ',') {
        row.fields.push_back(std::exchange(field, {}));
        any = true;
      } else if (c == '\n') {
        ++at;
        break;
      } else if (c != '\r' || (at + 1 < text.size() && text[at + 1] != '\n')) {
        field += c;
      }
    }
    require(!quoted, table.place(row), ": a quote is not closed");
    if (!any && field.empty()) continue;
    row.fields.push_back(std::move(field));
    if (table.header.empty()) {
      table.header = std::move(row.fields);
      continue;
    }
    require(row.fields.size() == table.header.size(), table.place(row), ": expected ", table.header.size(),
            " fields as in the header, found ", row.fields.size());
    table.rows.push_back(std::move(row));
  }
  require(!table.header.empty(), table.file, ": is empty, expected a header line");
  return table;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_CSV_HPP_
