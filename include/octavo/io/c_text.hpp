// octavo/io/c_text.hpp: pieces of C text: constants, calls, views.
#ifndef OCTAVO_IO_C_TEXT_HPP_
#define OCTAVO_IO_C_TEXT_HPP_

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/shape.hpp"
#include "../kernels/code_map.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace c_source {

// The parts of a file while it is written. All names begin with the prefix.
class Text {
 public:
  explicit Text(std::string prefix) : prefix_(std::move(prefix)) {}

  template <class Number>
  [[nodiscard]] static std::string number(Number value) {
    return std::to_string(value);
  }
  [[nodiscard]] static std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return std::string(text).find_first_of(".e") == std::string::npos ? std::string(text) + ".0" : text;
  }
  [[nodiscard]] static std::string number(float value) { return number(static_cast<double>(value)) + "f"; }

  [[nodiscard]] std::string with_prefix(std::string_view text) const {
    std::string result;
    for (const char c : text) c == '@' ? result += prefix_ : result += c;
    return result;
  }
  // A kernel's text, once, in the order of first use.
  void need(std::string_view name, std::string_view text) {
    for (const auto& [known, body] : kernels_)
      if (known == name) return;
    kernels_.emplace_back(name, text);
  }

  // static const TYPE NAME[] = {...}; returns the name.
  template <class Value>
  std::string array(const char* type, std::string name, std::span<const Value> values) {
    name = prefix_ + "_" + name;
    data_ += std::string("\nstatic const ") + type + " " + name + "[" + number(values.size()) + "] = {";
    std::size_t column = 100;
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::string text;
      if constexpr (std::is_floating_point_v<Value>)
        text = number(values[i]);
      else
        text = number(static_cast<long>(values[i]));
      if (column + text.size() + 1 > 100) data_ += "\n ", column = 1;
      data_ += text + (i + 1 < values.size() ? "," : "");
      column += text.size() + 1;
    }
    data_ += "};\n";
    constant_bytes_ += values.size() * sizeof(Value);
    return name;
  }
  std::string structure(const std::string& type, const std::string& name, const std::string& members) {
    data_ += "\nstatic const " + prefix_ + "_" + type + " " + prefix_ + "_" + name + " = {" + members + "};\n";
    return std::string("&").append(prefix_).append("_").append(name);
  }
  [[nodiscard]] static std::string list(std::initializer_list<std::int64_t> values) {
    std::string text;
    for (const std::int64_t value : values) text.append(text.empty() ? "" : ", ").append(number(value));
    return text;
  }

  void call(const std::string& function, const std::string& arguments) {
    calls_ += "  " + prefix_ + "_" + function + "(" + arguments + ");\n";
  }

  // {extents}, {steps} of six axes, the last ones used.
  [[nodiscard]] static std::string view(const Shape& extents, const std::vector<std::int64_t>& steps) {
    std::string first("{");
    std::string second("{");
    for (std::size_t i = 0; i < Shape::kMaxRank; ++i) {
      const std::size_t unused = Shape::kMaxRank - extents.rank();
      first.append(i == 0 ? "" : ", ").append(i < unused ? std::string("1") : number(extents[i - unused]));
      second.append(i == 0 ? "" : ", ").append(i < unused ? std::string("0") : number(steps[i - unused]));
    }
    return first.append("}, ").append(second).append("}");
  }
  [[nodiscard]] static std::string spread_view(const Shape& shape, const Shape& out) {
    std::vector<std::int64_t> steps(out.rank(), 0);
    std::int64_t step = 1;
    for (std::size_t behind = 1; behind <= shape.rank(); ++behind) {
      const std::int64_t extent = shape[shape.rank() - behind];
      if (extent != 1) steps[out.rank() - behind] = step;
      step *= extent;
    }
    return std::string("{").append(view(out, steps)).append("}");
  }

  // Tables are indexed by a code's byte; CodeMap's by stored codes (int8: plus 128).
  [[nodiscard]] static std::vector<std::int8_t> by_bytes(const CodeMap& map, bool signed_in, bool signed_out) {
    std::vector<std::int8_t> table(256);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint8_t stored = map.table()[signed_in ? byte ^ 0x80U : byte];
      table[byte] = static_cast<std::int8_t>(signed_out ? stored ^ 0x80U : stored);
    }
    return table;
  }
  [[nodiscard]] static std::vector<std::int8_t> identity() {
    std::vector<std::int8_t> table;
    for (int byte = 0; byte < 256; ++byte) table.push_back(static_cast<std::int8_t>(byte));
    return table;
  }

 protected:
  std::string prefix_;
  std::vector<std::pair<std::string_view, std::string_view>> kernels_;  // name and text
  std::string data_, calls_;
  std::size_t constant_bytes_ = 0;
};

// "out/weeds-v2.h" -> "weeds_v2".
[[nodiscard]] inline std::string prefix_of(const std::string& path) {
  std::string stem = path.substr(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/') + 1);
  stem = stem.substr(0, stem.find('.'));
  for (char& c : stem)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  if (stem.empty() || std::isdigit(static_cast<unsigned char>(stem[0])) != 0) stem = "model_" + stem;
  return stem;
}

}  // namespace c_source
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_C_TEXT_HPP_
