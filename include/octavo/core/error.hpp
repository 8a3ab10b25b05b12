// octavo/core/error.hpp: the one exception type, and two helpers that put values into its text.
#ifndef OCTAVO_CORE_ERROR_HPP_
#define OCTAVO_CORE_ERROR_HPP_

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Thrown for every bad input. The text names the file, layer or tensor, what was expected and what was found.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

// One value in an error's text: text or a character as it is, bool as 0 or 1, integers in decimal, floating point with
// six digits, objects by their to_string(). Refers to text and objects, which must outlive it. The kinds are few, so
// that the hundreds of checks of the library share one function that makes text of them.
class ErrorPart {
 public:
  ErrorPart(std::string_view text) : kind_(Kind::text), size_(text.size()) { value_.text = text.data(); }
  ErrorPart(const std::string& text) : ErrorPart(std::string_view(text)) {}
  ErrorPart(const char* text) : ErrorPart(std::string_view(text)) {}
  ErrorPart(char character) : kind_(Kind::character) { value_.integer = character; }
  template <std::integral Value>
  ErrorPart(Value value) : kind_(std::signed_integral<Value> ? Kind::integer : Kind::natural) {
    value_.integer = static_cast<std::int64_t>(value);
  }
  template <std::floating_point Value>
  ErrorPart(Value value) : kind_(Kind::real) {
    value_.real = static_cast<double>(value);
  }

  template <class Object>
  requires requires(const Object& object) { object.to_string(); }
  ErrorPart(const Object& object)
      : kind_(Kind::object), write_([](const void* at) { return static_cast<const Object*>(at)->to_string(); }) {
    value_.object = &object;
  }

  void append_to(std::string& text) const {
    if (kind_ == Kind::text) {
      text.append(value_.text, size_);
    } else if (kind_ == Kind::object) {
      text += write_(value_.object);
    } else if (kind_ == Kind::character) {
      text += static_cast<char>(value_.integer);
    } else {
      char digits[32];
      if (kind_ == Kind::real)
        std::snprintf(digits, sizeof digits, "%g", value_.real);
      else if (kind_ == Kind::integer)
        std::snprintf(digits, sizeof digits, "%lld", static_cast<long long>(value_.integer));
      else
        std::snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(value_.integer));
      text += digits;
    }
  }

 private:
  enum class Kind : std::uint8_t { text, character, integer, natural, real, object };
  Kind kind_;
  std::size_t size_ = 0;
  std::string (*write_)(const void* object) = nullptr;
  union {
    const char* text;
    const void* object;
    std::int64_t integer;
    double real;
  } value_;
};

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_with(std::initializer_list<ErrorPart> parts) {
  std::string text;
  for (const ErrorPart& part : parts) part.append_to(text);
  throw Error(text);
}

}  // namespace detail

// Throws Error with all parts written one after the other: fail("conv '", name, "': expected rank 4, found ", rank).
template <class... Parts>
[[noreturn]] OCTAVO_INLINE void fail(const Parts&... parts) {
  detail::fail_with({parts...});
}

// fail(parts...) unless `condition` holds. The parts are formatted only on failure.
template <class... Parts>
OCTAVO_INLINE void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    detail::fail_with({parts...});
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_ERROR_HPP_
