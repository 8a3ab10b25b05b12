// octavo/report/svg.hpp: a small SVG writer: shapes, texts, markers and legends in the report's colours.
//
// Colours are names of CSS variables, so that one drawing serves light and dark pages. The eight series colours stay
// apart for the common kinds of colour blindness (after Okabe and Ito 2008); series differ by marker and dash, too.
#ifndef OCTAVO_REPORT_SVG_HPP_
#define OCTAVO_REPORT_SVG_HPP_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// For a page's <style>. Everything is below the class "oc", which each drawing has.
inline constexpr std::string_view kSvgStyle = R"(
.oc{--ink:#1d232b;--soft:#5b6572;--rule:#e3e6ea;--axis:#9aa3ae;--paper:#ffffff;
--s0:#0068b3;--s1:#d55e00;--s2:#00805a;--s3:#a5408a;--s4:#a87400;--s5:#3a9bd0;--s6:#6b7480;--s7:#8c3b2b;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){.oc{--ink:#e8ebef;--soft:#a3adb9;--rule:#2d343d;--axis:#5f6975;--paper:#181c22;
--s0:#62b0f2;--s1:#ff9355;--s2:#3dcc9c;--s3:#e596cf;--s4:#efbb45;--s5:#9bd6f7;--s6:#9aa5b1;--s7:#e08a78}}
.oc text{fill:var(--ink);font-size:12px}
.oc .tick{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.oc .name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px}
.oc .tiny{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:9.5px;
fill:var(--soft)}
.oc .value{font-size:11px;font-variant-numeric:tabular-nums}
.oc .axis-title{fill:var(--soft);font-size:11px}
.oc .mid{text-anchor:middle}.oc .end{text-anchor:end}
.oc .grid{stroke:var(--rule);stroke-width:1}.oc .base{stroke:var(--axis);stroke-width:1}
.oc .band{fill:var(--rule);opacity:.45}
.oc .whisker{stroke:var(--ink);stroke-width:1.4;fill:none}
.oc .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.oc .dashed{stroke-dasharray:5 4;stroke-width:1.6}
.oc .stem{stroke-width:1.2;opacity:.5}
.oc .mark{stroke:var(--paper);stroke-width:1}
.oc .pale{opacity:.55}
.oc .f0{fill:var(--s0)}.oc .f1{fill:var(--s1)}.oc .f2{fill:var(--s2)}.oc .f3{fill:var(--s3)}
.oc .f4{fill:var(--s4)}.oc .f5{fill:var(--s5)}.oc .f6{fill:var(--s6)}.oc .f7{fill:var(--s7)}
.oc .k0{stroke:var(--s0)}.oc .k1{stroke:var(--s1)}.oc .k2{stroke:var(--s2)}.oc .k3{stroke:var(--s3)}
.oc .k4{stroke:var(--s4)}.oc .k5{stroke:var(--s5)}.oc .k6{stroke:var(--s6)}.oc .k7{stroke:var(--s7)}
)";

inline constexpr int kSeriesColors = 8;

// The class that fills with, or draws lines in, the colour of a series. Colours repeat after eight.
inline std::string fill_class(int color) { return "f" + std::to_string(color % kSeriesColors); }
inline std::string line_class(int color) { return "k" + std::to_string(color % kSeriesColors); }

enum class Marker : std::uint8_t { circle, square, diamond, triangle, cross };
inline Marker marker_of(int series) { return static_cast<Marker>(series % 5); }

// An upper estimate of a text's width in pixels; the browser's font is unknown.
inline double text_width(std::string_view text, double size, bool monospace = false) {
  if (monospace) return 0.61 * size * static_cast<double>(columns(text));
  double width = 0.0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U) continue;
    constexpr std::string_view narrow = "iljtfrI.,:;'|!() ", wide = "mwMW%@";
    if (narrow.find(c) != std::string_view::npos)
      width += 0.42;
    else if (wide.find(c) != std::string_view::npos)
      width += 0.96;
    else
      width += c >= 'A' && c <= 'Z' ? 0.72 : 0.64;
  }
  return width * size;
}

// A drawing of fixed coordinates that a page scales. `title` and `description` are for screen readers.
class Svg {
 public:
  Svg(double width, double height, std::string title, std::string description = "")
      : width_(width), height_(height), title_(std::move(title)), description_(std::move(description)) {}

  [[nodiscard]] double width() const noexcept { return width_; }
  [[nodiscard]] double height() const noexcept { return height_; }

  void line(double x1, double y1, double x2, double y2, std::string_view classes) {
    body_ += "<line x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) + "\" y2=\"" + at(y2) + '"';
    finish(classes, "", "line");
  }
  // `tip` appears when the pointer rests on the shape.
  void rect(double x, double y, double w, double h, std::string_view classes, std::string_view tip = "",
            double radius = 0.0) {
    body_ += "<rect x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(std::max(w, 0.0)) + "\" height=\"" +
             at(std::max(h, 0.0)) + '"';
    if (radius > 0.0) body_ += " rx=\"" + at(radius) + '"';
    finish(classes, tip, "rect");
  }
  // `data` is SVG's path language; points() helps to write it.
  void path(std::string_view data, std::string_view classes, std::string_view tip = "") {
    body_ += "<path d=\"" + std::string(data) + '"';
    finish(classes, tip, "path");
  }
  void marker(Marker shape, double x, double y, double size, std::string_view classes, std::string_view tip = "");

  // Rotated by `degrees` around its anchor, clockwise.
  void text(double x, double y, std::string_view text, std::string_view classes = "", double degrees = 0.0) {
    body_ += "<text x=\"" + at(x) + "\" y=\"" + at(y) + '"';
    if (degrees != 0.0) body_ += " transform=\"rotate(" + at(degrees) + ' ' + at(x) + ' ' + at(y) + ")\"";
    if (!classes.empty()) body_ += " class=\"" + std::string(classes) + '"';
    body_ += '>' + escape(text) + "</text>\n";
  }

  // "M x y L x y ..." through the points.
  [[nodiscard]] static std::string points(const std::vector<std::pair<double, double>>& through) {
    std::string data;
    for (const auto& [x, y] : through) data += (data.empty() ? "M" : "L") + at(x) + ' ' + at(y);
    return data;
  }

  // For a page that has kSvgStyle.
  [[nodiscard]] std::string fragment() const { return opened("") + body_ + "</svg>\n"; }
  // A file of its own.
  [[nodiscard]] std::string document() const {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + opened(" xmlns=\"http://www.w3.org/2000/svg\"") +
           "<style>" + std::string(kSvgStyle) + ".oc{background:var(--paper)}</style>\n" + body_ + "</svg>\n";
  }

  // A coordinate with at most two digits behind the point.
  [[nodiscard]] static std::string at(double value) {
    std::string text = fixed(value, 2);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  }

 private:
  void finish(std::string_view classes, std::string_view tip, std::string_view tag) {
    if (!classes.empty()) body_ += " class=\"" + std::string(classes) + '"';
    if (tip.empty()) {
      body_ += "/>\n";
    } else {
      body_ += "><title>" + escape(tip) + "</title></" + std::string(tag) + ">\n";
    }
  }
  [[nodiscard]] std::string opened(const std::string& attributes) const {
    std::string text = "<svg class=\"oc\" role=\"img\"" + attributes + " viewBox=\"0 0 " + at(width_) + ' ' +
                       at(height_) + "\" width=\"" + at(width_) + "\" height=\"" + at(height_) + "\" aria-label=\"" +
                       escape(title_) + "\">\n";
    if (!description_.empty()) text += "<desc>" + escape(description_) + "</desc>\n";
    return text;
  }

  double width_, height_;
  std::string title_, description_, body_;
};

inline void Svg::marker(Marker shape, double x, double y, double size, std::string_view classes, std::string_view tip) {
  const double r = size / 2.0;
  std::string data;
  switch (shape) {
    case Marker::circle:
      body_ += "<circle cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"" + at(r) + '"';
      return finish(classes, tip, "circle");
    case Marker::square:
      return rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r, classes, tip);
    case Marker::diamond:
      data = points({{x, y - 1.2 * r}, {x + 1.2 * r, y}, {x, y + 1.2 * r}, {x - 1.2 * r, y}});
      break;
    case Marker::triangle:
      data = points({{x, y - 1.1 * r}, {x + 1.1 * r, y + 0.9 * r}, {x - 1.1 * r, y + 0.9 * r}});
      break;
    case Marker::cross: {
      const double a = 0.45 * r, b = 1.1 * r;
      data = points({{x - b, y - a},
                     {x - a, y - a},
                     {x - a, y - b},
                     {x + a, y - b},
                     {x + a, y - a},
                     {x + b, y - a},
                     {x + b, y + a},
                     {x + a, y + a},
                     {x + a, y + b},
                     {x - a, y + b},
                     {x - a, y + a},
                     {x - b, y + a}});
      break;
    }
  }
  path(data + "Z", classes, tip);
}

// A legend of entries in rows from the left.
struct LegendEntry {
  enum class Sample : std::uint8_t { box, line, dashed_line, mark };
  std::string name;
  int color = 0;
  Sample sample = Sample::box;
  Marker marker = Marker::circle;
  bool pale = false;
};

inline constexpr double kLegendRowHeight = 20.0;

// Where each entry begins (column, row) when rows are `width` wide.
inline std::vector<std::pair<double, int>> legend_places(const std::vector<LegendEntry>& entries, double width) {
  std::vector<std::pair<double, int>> places;
  double x = 0.0;
  int row = 0;
  for (const LegendEntry& entry : entries) {
    const double needed = 28.0 + text_width(entry.name, 12.0) + 14.0;
    if (x > 0.0 && x + needed > width + 14.0) x = 0.0, ++row;
    places.emplace_back(x, row);
    x += needed;
  }
  return places;
}
inline double legend_height(const std::vector<LegendEntry>& entries, double width) {
  return entries.empty() ? 0.0 : kLegendRowHeight * (legend_places(entries, width).back().second + 1);
}

inline void draw_legend(Svg& svg, double left, double top, double width, const std::vector<LegendEntry>& entries) {
  const auto places = legend_places(entries, width);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const LegendEntry& entry = entries[i];
    const double x = left + places[i].first;
    const double y = top + kLegendRowHeight * places[i].second + 0.5 * kLegendRowHeight;
    const std::string fill = fill_class(entry.color), stroke = line_class(entry.color);
    switch (entry.sample) {
      case LegendEntry::Sample::box:
        svg.rect(x, y - 5.0, 16.0, 10.0, fill + (entry.pale ? " pale" : ""), "", 2.0);
        break;
      case LegendEntry::Sample::line:
      case LegendEntry::Sample::dashed_line:
        svg.line(x, y, x + 22.0, y,
                 "curve " + stroke + (entry.sample == LegendEntry::Sample::dashed_line ? " dashed" : ""));
        break;
      case LegendEntry::Sample::mark:
        svg.marker(entry.marker, x + 9.0, y, 9.0, fill + " mark");
        break;
    }
    svg.text(x + 28.0, y + 4.0, entry.name);
  }
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_SVG_HPP_
