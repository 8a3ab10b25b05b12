// octavo/io/json_impl.hpp: bodies of io/json.hpp. Include that.
#ifndef OCTAVO_IO_JSON_IMPL_HPP_
#define OCTAVO_IO_JSON_IMPL_HPP_

#include <algorithm>
#include <iterator>

#include "json.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Readers parse to double and round to float. The shortest decimal of the float nearly always survives that; where it
// does not, the float's own double value is kept.
inline Json::Json(float value) : value_(static_cast<double>(value)) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  double parsed = 0.0;
  std::from_chars(digits, end, parsed);
  if (static_cast<float>(parsed) == value) value_ = parsed;
}

inline std::int64_t Json::integer(std::int64_t low, std::int64_t high) const {
  const std::int64_t value = integer();
  require(low <= value && value <= high, "expected an integer within [", low, ", ", high, "], found ", value);
  return value;
}

inline Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object();
  for (Member& member : object())
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  object().emplace_back(std::move(key), std::move(value));
  return *this;
}

inline void Json::write(std::string& text, int lines, int depth) const {
  const auto separator = [&](bool first, bool last) {
    if (depth < lines) {
      text += first || last ? "\n" : ",\n";
      text.append(static_cast<std::size_t>(last ? depth : depth + 1), ' ');
    } else if (!first && !last) {
      text += ", ";
    }
  };
  if (const auto* elements = std::get_if<Array>(&value_)) {
    text += '[';
    for (std::size_t i = 0; i < elements->size(); ++i) {
      separator(i == 0, false);
      (*elements)[i].write(text, lines, depth + 1);
    }
    if (!elements->empty()) separator(false, true);
    text += ']';
  } else if (const auto* members = std::get_if<Object>(&value_)) {
    text += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      separator(i == 0, false);
      detail::write_json_string(text, (*members)[i].first);
      text += ": ";
      (*members)[i].second.write(text, lines, depth + 1);
    }
    if (!members->empty()) separator(false, true);
    text += '}';
  } else if (const auto* words = std::get_if<std::string>(&value_)) {
    detail::write_json_string(text, *words);
  } else if (const auto* number = std::get_if<double>(&value_)) {
    detail::write_json_number(text, *number);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
    text += std::to_string(*integer);
  } else {
    text += is_null() ? "null" : boolean() ? "true" : "false";
  }
}

template <class Lazy>
Json parse_json(std::string_view text, std::size_t max_values) {
  return detail::JsonReader<Lazy>(text, max_values).document();
}

namespace detail {

// Takes the elements from `first` on.
template <class Container>
Container take_from(Container& all, std::size_t first) {
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
  Container taken(std::make_move_iterator(begin), std::make_move_iterator(all.end()));
  all.erase(begin, all.end());
  return taken;
}

template <class Lazy>
Json JsonReader<Lazy>::read_object(int depth) {
  const std::size_t first = members_.size();
  accept('{');
  skip_space();
  while (!accept('}')) {
    if (members_.size() > first) {
      check(accept(','), "expected ',' or '}'");
      skip_space();
    }
    check(peek() == '"', "expected a member name");
    std::string key = read_string();
    skip_space();
    check(accept(':'), "expected ':'");
    Json value = read(depth + 1);
    members_.emplace_back(std::move(key), std::move(value));
    skip_space();
  }
  Json::Object members = take_from(members_, first);
  check(!has_twice(members), "the object that ends here has a member twice");
  return members;
}

template <class Lazy>
bool JsonReader<Lazy>::has_twice(const Json::Object& members) {
  constexpr std::size_t few = 16;
  if (members.size() <= few) {
    for (std::size_t i = 1; i < members.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        if (members[i].first == members[k].first) return true;
    return false;
  }
  std::vector<std::string_view> names;
  names.reserve(members.size());
  for (const Json::Member& member : members) names.push_back(member.first);
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) != names.end();
}

template <class Lazy>
Json JsonReader<Lazy>::read_array(int depth) {
  const std::size_t first = elements_.size();
  accept('[');
  skip_space();
  while (!accept(']')) {
    if (elements_.size() > first) check(accept(','), "expected ',' or ']'");
    Json value = read(depth + 1);
    elements_.push_back(std::move(value));
    skip_space();
  }
  return take_from(elements_, first);
}

template <class Lazy>
Json JsonReader<Lazy>::read_number() {
  const std::size_t begin = at_;
  bool is_integer = true;
  const auto digits = [&] {
    check(peek() >= '0' && peek() <= '9', "expected a value");
    while (peek() >= '0' && peek() <= '9') ++at_;
  };
  accept('-');
  if (!accept('0')) digits();
  if (accept('.')) is_integer = false, digits();
  if (accept('e') || accept('E')) {
    is_integer = false;
    if (!accept('+')) accept('-');
    digits();
  }
  const char* first = text_.data() + begin;
  const char* last = text_.data() + at_;
  std::int64_t integer = 0;
  if (is_integer && std::from_chars(first, last, integer).ec == std::errc()) return integer;
  double value = 0.0;
  if (std::from_chars(first, last, value).ec == std::errc()) return value;
  long double wide = 0.0L;  // below the smallest normal double: rounded to a subnormal or to 0
  const bool known = std::from_chars(first, last, wide).ec == std::errc();
  check(known && std::abs(wide) < 1.0L, "number out of range");
  return static_cast<double>(wide);
}

template <class Lazy>
std::string JsonReader<Lazy>::read_string() {
  std::string text;
  accept('"');
  while (true) {
    std::size_t plain = at_;  // most text is plain ASCII: copied at once
    while (plain < text_.size() && text_[plain] >= 0x20 && text_[plain] < 0x7F && text_[plain] != '"' &&
           text_[plain] != '\\')
      ++plain;
    text.append(text_, at_, plain - at_);
    at_ = plain;
    if (accept('"')) break;
    check(at_ < text_.size(), "the string does not end");
    if (!accept('\\')) {
      read_utf8(text);
      continue;
    }
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const std::size_t letter = at_ < text_.size() ? letters.find(text_[at_]) : letters.npos;
    if (letter != letters.npos) {
      text += meanings[letter];
      ++at_;
      continue;
    }
    check(accept('u'), "unknown escape");
    std::uint32_t code = read_hex4();
    check(code < 0xDC00 || code > 0xDFFF, "second half of a surrogate pair alone");
    if (code >= 0xD800 && code <= 0xDBFF) {
      check(accept('\\') && accept('u'), "first half of a surrogate pair alone");
      const std::uint32_t low = read_hex4();
      check(low >= 0xDC00 && low <= 0xDFFF, "first half of a surrogate pair alone");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(text, code);
  }
  return text;
}

template <class Lazy>
std::uint32_t JsonReader<Lazy>::read_hex4() {
  std::uint32_t code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    check(digit >= 0, "expected four hexadecimal digits");
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  return code;
}

// Copies one character, which must be valid UTF-8: no overlong form, no surrogate, at most U+10FFFF.
template <class Lazy>
void JsonReader<Lazy>::read_utf8(std::string& text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0U;
  };
  const std::uint32_t lead = byte(0);
  check(lead >= 0x20, "control character in a string");
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : (lead >> 4) == 14           ? 3
                             : (lead >> 3) == 30           ? 4
                                                           : 0;
  check(length > 0, "invalid UTF-8");
  std::uint32_t code = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    check((byte(i) >> 6) == 2, "invalid UTF-8");
    code = (code << 6) | (byte(i) & 0x3F);
  }
  check(length < 3 ||
            (length == 3 ? code >= 0x800 && (code < 0xD800 || code > 0xDFFF) : code >= 0x10000 && code <= 0x10FFFF),
        "invalid UTF-8");
  text.append(text_.substr(at_, length));
  at_ += length;
}

template <class Lazy>
void JsonReader<Lazy>::append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::uint32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(leads[extra] | (code >> (6 * extra)));
  for (int i = extra - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
}

}  // namespace detail
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_JSON_IMPL_HPP_
