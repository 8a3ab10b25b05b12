// octavo/report/table.hpp: one table, written as Markdown, for a terminal, or as HTML.
#ifndef OCTAVO_REPORT_TABLE_HPP_
#define OCTAVO_REPORT_TABLE_HPP_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
  bool code = false;  // names of models, layers, files: `so` in Markdown, <code> in HTML
};

struct Cell {
  std::string text;
  bool strong = false;  // the best of its column, say
};

// Rows of as many cells as there are columns.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    require(!columns_.empty(), "table: no columns");
  }

  void add(std::vector<Cell> row) {
    require(row.size() == columns_.size(), "table: expected a row of ", columns_.size(), " cells, found ", row.size());
    rows_.push_back(std::move(row));
  }
  void add_text(std::vector<std::string> row) {
    std::vector<Cell> cells;
    for (std::string& text : row) cells.push_back({std::move(text), false});
    add(std::move(cells));
  }

  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  // A pipe table, aligned, so that it reads well unrendered too.
  [[nodiscard]] std::string markdown() const;

  // Aligned with blanks, a rule under the titles; `bold` marks strong cells with the terminal's escape sequences.
  [[nodiscard]] std::string text(bool bold = false) const;

  // <table>...</table>. The first column's cells are the rows' headings.
  [[nodiscard]] std::string html() const;

 private:
  [[nodiscard]] std::vector<std::vector<std::string>> written(bool as_markdown) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

namespace detail {

inline std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::size_t used = report::columns(text);
  const std::string blanks(width > used ? width - used : 0, ' ');
  return align == Align::left ? text + blanks : blanks + text;
}

inline std::string markdown_cell(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '|') safe += '\\';
    safe += c == '\n' ? ' ' : c;
  }
  return safe;
}

}  // namespace detail

// The titles, then the rows, each cell as text.
inline std::vector<std::vector<std::string>> Table::written(bool as_markdown) const {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns_) lines[0].push_back(column.title);
  for (const auto& row : rows_) {
    std::vector<std::string> line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string text = row[i].text;
      if (as_markdown) {
        text = detail::markdown_cell(text);
        if (columns_[i].code && !text.empty()) text = "`" + text + "`";
        if (row[i].strong) text = "**" + text + "**";
      }
      line.push_back(std::move(text));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

inline std::string Table::markdown() const {
  const auto lines = written(true);
  std::vector<std::size_t> widths(columns_.size(), 3);
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], report::columns(line[i]));
  std::string text;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    text += '|';
    for (std::size_t i = 0; i < columns_.size(); ++i)
      text += ' ' + detail::padded(lines[row][i], widths[i], columns_[i].align) + " |";
    text += '\n';
    if (row > 0) continue;
    text += '|';
    for (std::size_t i = 0; i < columns_.size(); ++i)
      text += ' ' + std::string(widths[i] - 1, '-') + (columns_[i].align == Align::right ? ": |" : "- |");
    text += '\n';
  }
  return text;
}

inline std::string Table::text(bool bold) const {
  const auto lines = written(false);
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], report::columns(line[i]));
  std::string text;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string cell = detail::padded(lines[row][i], widths[i], columns_[i].align);
      const bool strong = bold && row > 0 && rows_[row - 1][i].strong;
      if (i > 0) line += "  ";
      line += strong ? "\x1B[1m" + cell + "\x1B[0m" : cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
    if (row > 0) continue;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += "  ";
      for (std::size_t k = 0; k < widths[i]; ++k) text += "─";
    }
    text += '\n';
  }
  return text;
}

inline std::string Table::html() const {
  const auto open = [&](const char* tag, std::size_t i, bool strong, const char* scope) {
    std::string classes = columns_[i].align == Align::right ? "num" : "";
    if (strong) classes += classes.empty() ? "best" : " best";
    std::string text = std::string("<") + tag;
    if (*scope != '\0') text += std::string(" scope=\"") + scope + '"';
    if (!classes.empty()) text += " class=\"" + classes + '"';
    return text + '>';
  };
  std::string text = "<table><thead><tr>";
  for (std::size_t i = 0; i < columns_.size(); ++i)
    text += open("th", i, false, "col") + escape(columns_[i].title) + "</th>";
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows_) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string safe = escape(row[i].text);
      text += i == 0 ? open("th", i, row[i].strong, "row") : open("td", i, row[i].strong, "");
      text += columns_[i].code ? "<code>" + safe + "</code>" : safe;
      text += i == 0 ? "</th>" : "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_TABLE_HPP_
