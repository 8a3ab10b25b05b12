// octavo/report/text.hpp: numbers and names as people read them, and escaping for HTML.
#ifndef OCTAVO_REPORT_TEXT_HPP_
#define OCTAVO_REPORT_TEXT_HPP_

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// What stands where nothing was measured.
inline constexpr std::string_view kNothing = "–";

// Digits behind the point, at most 17: fixed(3.14159, 2) is "3.14". A value that rounds to zero has no sign.
inline std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return std::string(kNothing);
  std::array<char, 400> text{};  // 309 digits before the point are possible
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  std::string written = text.data();
  if (written.front() == '-' && written.find_first_of("123456789") == std::string::npos) written.erase(0, 1);
  return written;
}

// Three significant digits, never an exponent: 0.0123, 1.23, 12.3, 1234.
inline std::string three_digits(double value) {
  if (!std::isfinite(value)) return std::string(kNothing);
  if (value == 0.0) return "0";
  int exponent = static_cast<int>(std::floor(std::log10(std::abs(value))));
  if (std::abs(value) >= 9.995 * std::pow(10.0, exponent)) ++exponent;  // 9.996 is written 10.0
  return fixed(value, std::min(std::max(0, 2 - exponent), 9));
}

// 0.9132 is "91.32 %".
inline std::string percent(double fraction, int digits = 2) { return fixed(100.0 * fraction, digits) + " %"; }

// With its sign, and the real minus: "+0.12", "−0.30", "0.00".
inline std::string signed_fixed(double value, int digits) {
  const std::string text = fixed(value, digits);
  if (text.front() == '-') return "−" + text.substr(1);
  return text.find_first_of("123456789") == std::string::npos ? text : "+" + text;
}

// 2439625 is "2,439,625".
inline std::string grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

// Decimal units, three digits: "832 B", "9.81 MB".
inline std::string bytes_text(std::int64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  constexpr std::string_view units[] = {"kB", "MB", "GB"};
  double value = static_cast<double>(bytes) / 1000.0;
  std::size_t unit = 0;
  for (; value >= 999.5 && unit < 2; ++unit) value /= 1000.0;
  return three_digits(value) + " " + std::string(units[unit]);
}

// "0.42 s", "48 s", "6 min 12 s", "1 h 24 min".
inline std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0) return std::string(kNothing);
  if (seconds < 9.95) return three_digits(seconds) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

// Text for HTML and SVG, inside elements and inside quoted attributes.
inline std::string escape(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else if (c == '\'')
      safe += "&#39;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      safe += ' ';
    else
      safe += c;
  }
  return safe;
}

// Columns that UTF-8 text takes: its code points (no wide and no combining characters are expected).
inline std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

// RFC 4648, with padding.
inline std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (left > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (left > 2) group |= bytes[i + 2];
    text += digits[group >> 18];
    text += digits[group >> 12 & 63];
    text += left > 1 ? digits[group >> 6 & 63] : '=';
    text += left > 2 ? digits[group & 63] : '=';
  }
  return text;
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_TEXT_HPP_
