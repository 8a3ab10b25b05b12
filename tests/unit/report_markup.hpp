// tests/unit/report_markup.hpp: checks on HTML and SVG text that need no browser.
#ifndef OCTAVO_TESTS_UNIT_REPORT_MARKUP_HPP_
#define OCTAVO_TESTS_UNIT_REPORT_MARKUP_HPP_

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace markup {

inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

// Every tag is closed in the right order, every attribute quoted, and every '&' begins an entity.
inline void check_balanced(std::string_view text) {
  constexpr std::string_view alone[] = {"meta", "img", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  bool in_style = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '&' && !in_style) {
      const std::size_t end = text.find(';', at);
      CHECK_MESSAGE((end != std::string_view::npos && end - at < 8), text.substr(at, 20));
    }
    if (text[at] != '<') {
      CHECK_MESSAGE((text[at] != '>' || in_style), text.substr(at < 40 ? 0 : at - 40, 60));
      continue;
    }
    const std::size_t end = text.find('>', at);
    REQUIRE(end != std::string_view::npos);
    const std::string_view tag = text.substr(at + 1, end - at - 1);
    CHECK_MESSAGE(count(tag, "\"") % 2 == 0, tag);
    const std::string name(tag.substr(0, tag.find_first_of(" \n/", 1)));
    bool is_alone = tag.back() == '/' || tag.front() == '?';
    for (const std::string_view one : alone) is_alone = is_alone || name == one;
    if (tag.front() == '/') {
      REQUIRE_MESSAGE(!open.empty(), tag);
      REQUIRE_MESSAGE("/" + open.back() == std::string(tag), open.back());
      open.pop_back();
    } else if (!is_alone) {
      open.push_back(name);
    }
    in_style = !open.empty() && open.back() == "style";
    at = end;
  }
  CHECK(open.empty());
}

// The numbers that elements of one kind have as this attribute, in order.
inline std::vector<double> attribute_values(std::string_view text, std::string_view element,
                                            std::string_view attribute) {
  std::vector<double> values;
  const std::string wanted = " " + std::string(attribute) + "=\"";
  for (std::size_t at = text.find(element); at != std::string_view::npos; at = text.find(element, at + 1)) {
    const std::size_t found = text.find(wanted, at);
    if (found < text.find('>', at)) values.push_back(std::strtod(text.data() + found + wanted.size(), nullptr));
  }
  return values;
}

// The anchors of all shapes and texts lie inside the drawing.
inline void check_inside(std::string_view svg) {
  const double width = attribute_values(svg, "<svg", "width").at(0);
  const double height = attribute_values(svg, "<svg", "height").at(0);
  const auto check = [&](std::string_view element, std::string_view attribute, double limit) {
    for (const double value : attribute_values(svg, element, attribute)) {
      CAPTURE(element);
      CAPTURE(attribute);
      CHECK(value >= 0.0);
      CHECK(value <= limit);
    }
  };
  for (const char* x : {"x", "x1", "x2", "cx"})
    for (const char* element : {"<rect", "<line", "<circle", "<text"}) check(element, x, width);
  for (const char* y : {"y", "y1", "y2", "cy"})
    for (const char* element : {"<rect", "<line", "<circle", "<text"}) check(element, y, height);
}

}  // namespace markup

#endif  // OCTAVO_TESTS_UNIT_REPORT_MARKUP_HPP_
