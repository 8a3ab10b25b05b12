// octavo/io/json.hpp: a JSON value with a strict reader and a writer: all that manifests and reports need.
//
// Why our own: a deployed program includes this. nlohmann/json would add 2.7 s to each file that includes runtime.hpp
// (g++ 12, -O2, include and one parse), this 0.8 s, and nothing where no text is parsed: what is long is a template on
// a type `Lazy` that nobody names, and so is compiled by those who call it. The tests use nlohmann/json as the oracle.
#ifndef OCTAVO_IO_JSON_HPP_
#define OCTAVO_IO_JSON_HPP_

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// null, a boolean, an integer (int64), a number (double), a string (UTF-8), an array, or an object whose members keep
// their order. Access with the wrong kind, or to a member that is missing, throws Error and names both.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;
  Json(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): these make {"key", value} readable
  template <class Integer>
  requires std::integral<Integer> Json(Integer value) {  // NOLINT
    if constexpr (std::same_as<Integer, bool>)
      value_ = value;
    else
      value_ = static_cast<std::int64_t>(value);
  }
  Json(double value) : value_(value) {}  // NOLINT
  Json(float value);                     // NOLINT: written with the digits that give the same float again
  Json(std::string value) : value_(std::move(value)) {}         // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(const char* value) : value_(std::string(value)) {}       // NOLINT
  Json(Array value) : value_(std::move(value)) {}               // NOLINT
  Json(Object value) : value_(std::move(value)) {}              // NOLINT
  template <class Element>
  Json(const std::vector<Element>& values) : value_(Array(values.begin(), values.end())) {}  // NOLINT

  [[nodiscard]] bool is_null() const noexcept { return value_.index() == 0; }
  [[nodiscard]] bool is_number() const noexcept { return value_.index() == 2 || value_.index() == 3; }
  [[nodiscard]] bool is_string() const noexcept { return value_.index() == 4; }
  [[nodiscard]] bool is_array() const noexcept { return value_.index() == 5; }
  [[nodiscard]] bool is_object() const noexcept { return value_.index() == 6; }
  [[nodiscard]] std::string_view kind() const noexcept {
    constexpr std::string_view names[] = {"null",     "a boolean", "an integer", "a number",
                                          "a string", "an array",  "an object"};
    return names[value_.index()];
  }

  [[nodiscard]] bool boolean() const { return get<bool>("a boolean"); }
  [[nodiscard]] std::int64_t integer() const { return get<std::int64_t>("an integer"); }
  // An integer within [low, high].
  [[nodiscard]] std::int64_t integer(std::int64_t low, std::int64_t high) const;
  [[nodiscard]] double number() const {
    if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
    return get<double>("a number");
  }
  [[nodiscard]] const std::string& string() const { return get<std::string>("a string"); }
  [[nodiscard]] const Array& array() const { return get<Array>("an array"); }
  [[nodiscard]] const Object& object() const { return get<Object>("an object"); }
  [[nodiscard]] Array& array() { return const_cast<Array&>(std::as_const(*this).array()); }
  [[nodiscard]] Object& object() { return const_cast<Object&>(std::as_const(*this).object()); }

  // The member of that name; find() gives nullptr where there is none, at() throws.
  [[nodiscard]] const Json* find(std::string_view key) const {
    for (const Member& member : object())
      if (member.first == key) return &member.second;
    return nullptr;
  }
  [[nodiscard]] const Json& at(std::string_view key) const {
    const Json* value = find(key);
    require(value != nullptr, "member '", key, "' is missing");
    return *value;
  }
  [[nodiscard]] Json& at(std::string_view key) { return const_cast<Json&>(std::as_const(*this).at(key)); }
  // Appends or replaces a member; a null value becomes an empty object first.
  Json& set(std::string key, Json value);
  // Appends an element; a null value becomes an empty array first.
  Json& add(Json value) {
    if (is_null()) value_ = Array();
    array().push_back(std::move(value));
    return *this;
  }

  friend bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

  // The text. Containers down to depth `lines` put each member on its own line; deeper ones stay on one line.
  // Throws for infinities and NaN, which JSON does not have.
  [[nodiscard]] std::string dump(int lines = 0) const {
    std::string text;
    write(text, lines, 0);
    return text;
  }

 private:
  template <class Type>
  [[nodiscard]] const Type& get(std::string_view expected) const {
    const Type* value = std::get_if<Type>(&value_);
    if (value == nullptr) fail("expected ", expected, ", found ", kind());
    return *value;
  }
  void write(std::string& text, int lines, int depth) const;

  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// Reads one JSON text (RFC 8259), nothing before or after it but white space. Strict: no comments, no trailing commas,
// valid UTF-8, no member twice, at most 64 levels and `max_values` values. Throws Error with line and column.
template <class Lazy = void>
Json parse_json(std::string_view text, std::size_t max_values = 4'000'000);

namespace detail {

inline void write_json_string(std::string& text, std::string_view value) {
  text += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      text += "\\u00";
      text += digits[static_cast<unsigned char>(c) >> 4];
      text += digits[static_cast<unsigned char>(c) & 15];
    } else {
      text += c;
    }
  }
  text += '"';
}

inline void write_json_number(std::string& text, double value) {
  require(std::isfinite(value), "json: ", value, " cannot be written");
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  const std::string_view written(digits, static_cast<std::size_t>(end - digits));
  text += written;
  if (written.find_first_of(".e") == std::string_view::npos) text += ".0";  // stays a number when read again
}

template <class Lazy = void>
class JsonReader {
 public:
  JsonReader(std::string_view text, std::size_t max_values) : text_(text), values_left_(max_values) {}

  Json document() {
    Json value = read(0);
    skip_space();
    check(at_ == text_.size(), "unexpected text after the value");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 64;

  void check(bool condition, std::string_view what) const {
    if (condition) return;
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) {
      column = text_[i] == '\n' ? 1 : column + 1;
      if (text_[i] == '\n') ++line;
    }
    fail("json, line ", line, ", column ", column, ": ", what);
  }
  [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) noexcept {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  void expect_word(std::string_view word) {
    check(text_.substr(at_, word.size()) == word, "unexpected character");
    at_ += word.size();
  }

  Json read(int depth) {
    check(depth < kMaxDepth, "nested too deeply");
    check(values_left_-- > 0, "too many values");
    skip_space();
    switch (peek()) {
      case '{':
        return read_object(depth);
      case '[':
        return read_array(depth);
      case '"':
        return read_string();
      case 't':
        return expect_word("true"), Json(true);
      case 'f':
        return expect_word("false"), Json(false);
      case 'n':
        return expect_word("null"), Json();
      default:
        return read_number();
    }
  }

  Json read_object(int depth);
  static bool has_twice(const Json::Object& members);
  Json read_array(int depth);
  Json read_number();
  std::string read_string();
  std::uint32_t read_hex4();
  void read_utf8(std::string& text);
  static void append_utf8(std::string& text, std::uint32_t code);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_left_;
  // Of the containers that are open, one behind the other: each gets storage of its size when it ends.
  Json::Array elements_;
  Json::Object members_;
};

}  // namespace detail
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#include "json_impl.hpp"  // the bodies that are too long to read here

#endif  // OCTAVO_IO_JSON_HPP_
