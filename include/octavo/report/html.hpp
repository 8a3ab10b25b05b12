// octavo/report/html.hpp: one self-contained page: sections, figures, tables; style and pictures inside the file.
#ifndef OCTAVO_REPORT_HTML_HPP_
#define OCTAVO_REPORT_HTML_HPP_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "html_style.hpp"
#include "svg.hpp"
#include "table.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// Collects a page from top to bottom. Arguments called `html` are markup already; all other text is escaped.
class HtmlPage {
 public:
  explicit HtmlPage(std::string title) : title_(std::move(title)) {}

  void html(std::string_view markup) { body_ += markup; }
  void heading(std::string_view text, std::string_view anchor = "") {
    body_ += "<h2";
    if (!anchor.empty()) body_ += " id=\"" + escape(anchor) + '"';
    body_ += '>' + escape(text) + "</h2>\n";
    if (!anchor.empty()) sections_.emplace_back(text, anchor);
  }
  void paragraph(std::string_view text) { body_ += "<p>" + escape(text) + "</p>\n"; }

  // A chart with its title above and an explanation below. Charts that are empty are left out.
  void figure(std::string_view title, const std::string& chart_html, std::string_view caption) {
    if (chart_html.empty()) return;
    body_ += "<figure><h3>" + escape(title) + "</h3><div class=\"scroll\">" + chart_html + "</div>";
    if (!caption.empty()) body_ += "<figcaption>" + escape(caption) + "</figcaption>";
    body_ += "</figure>\n";
  }
  void table(const Table& table) { body_ += "<div class=\"scroll card\">" + table.html() + "</div>\n"; }
  // Opened by a click.
  void folded_table(std::string_view summary, const Table& table) {
    body_ += "<details class=\"card\"><summary>" + escape(summary) + "</summary><div class=\"scroll\">" + table.html() +
             "</div></details>\n";
  }
  void list(const std::vector<std::string>& lines) {
    body_ += "<ul>";
    for (const std::string& line : lines) body_ += "<li>" + escape(line) + "</li>\n";
    body_ += "</ul>\n";
  }
  // What is added until close() stands side by side where there is room.
  void open_grid(std::string_view kind = "two") { body_ += "<div class=\"grid " + escape(kind) + "\">\n"; }
  void close() { body_ += "</div>\n"; }

  // The whole file. The links to the headings that have anchors stand at the top.
  [[nodiscard]] std::string document() const {
    std::string text =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
        escape(title_) + "</title>\n<style>" + std::string(kPageStyle) + std::string(kSvgStyle) +
        "</style></head>\n<body>\n";
    if (!sections_.empty()) {
      text += "<nav aria-label=\"Sections\">";
      for (const auto& [name, anchor] : sections_)
        text += "<a href=\"#" + escape(anchor) + "\">" + escape(name) + "</a>";
      text += "</nav>\n";
    }
    return text + "<main>\n" + body_ + "</main>\n</body></html>\n";
  }

 private:
  std::string title_;
  std::string body_;
  std::vector<std::pair<std::string, std::string>> sections_;
};

// A picture as part of the page.
inline std::string image_html(std::span<const std::uint8_t> bytes, std::string_view mime,
                              std::string_view alternative) {
  return "<img loading=\"lazy\" src=\"data:" + escape(mime) + ";base64," + base64(bytes) + "\" alt=\"" +
         escape(alternative) + "\">";
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_HTML_HPP_
