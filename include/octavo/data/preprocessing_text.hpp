// octavo/data/preprocessing_text.hpp: Preprocessing as names and values of text, the form in which a manifest keeps it.
#ifndef OCTAVO_DATA_PREPROCESSING_TEXT_HPP_
#define OCTAVO_DATA_PREPROCESSING_TEXT_HPP_

#include <array>
#include <locale>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "pixels.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

using TextFields = std::map<std::string, std::string>;

// height, width, channels, resize (bilinear, area, pad), keep_aspect (true, false), central_crop, and the pixel range
// as scale and offset, three numbers each: real = value * scale[c] + offset[c] for values of 0..255, in the order red,
// green, blue. Numbers have the digits that give the same float back.
TextFields to_text(const Preprocessing& preprocessing);

// The inverse; unknown fields are ignored. Throws Error that names a field that is missing or has no meaning.
Preprocessing preprocessing_from_text(const TextFields& fields);

constexpr std::string_view name_of(ResizeMethod method) {
  constexpr std::array<std::string_view, 3> names = {"bilinear", "area", "pad"};
  return names[static_cast<std::size_t>(method)];
}

namespace detail {

template <class Number>
std::string number_text(const Number& number) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(9);  // enough for any float
  text << number;
  return text.str();
}

inline std::string numbers_text(const std::array<float, 3>& numbers) {
  return number_text(numbers[0]) + ' ' + number_text(numbers[1]) + ' ' + number_text(numbers[2]);
}

inline const std::string& field(const TextFields& fields, const char* name) {
  const auto found = fields.find(name);
  require(found != fields.end(), "preprocessing: the field '", name, "' is missing");
  return found->second;
}

// Exactly as many numbers as `to` has.
template <class Number, std::size_t N>
void read_numbers(const TextFields& fields, const char* name, std::array<Number, N>& to) {
  std::istringstream text(field(fields, name));
  text.imbue(std::locale::classic());
  bool good = true;
  for (Number& number : to) good = good && static_cast<bool>(text >> number);
  std::string rest;
  require(good && !(text >> rest), "preprocessing: the field '", name, "' is '", field(fields, name), "'; expected ", N,
          N == 1 ? " number" : " numbers");
}

template <class Number>
void read_number(const TextFields& fields, const char* name, Number& to) {
  std::array<Number, 1> one{};
  read_numbers(fields, name, one);
  to = one[0];
}

}  // namespace detail

inline TextFields to_text(const Preprocessing& preprocessing) {
  return {{"height", detail::number_text(preprocessing.height)},
          {"width", detail::number_text(preprocessing.width)},
          {"channels", detail::number_text(preprocessing.channels)},
          {"resize", std::string(name_of(preprocessing.resize))},
          {"keep_aspect", preprocessing.keep_aspect ? "true" : "false"},
          {"central_crop", detail::number_text(preprocessing.central_crop)},
          {"scale", detail::numbers_text(preprocessing.range.scale)},
          {"offset", detail::numbers_text(preprocessing.range.offset)}};
}

inline Preprocessing preprocessing_from_text(const TextFields& fields) {
  Preprocessing result;
  detail::read_number(fields, "height", result.height);
  detail::read_number(fields, "width", result.width);
  detail::read_number(fields, "channels", result.channels);
  detail::read_number(fields, "central_crop", result.central_crop);
  detail::read_numbers(fields, "scale", result.range.scale);
  detail::read_numbers(fields, "offset", result.range.offset);
  const std::string& keep = detail::field(fields, "keep_aspect");
  require(keep == "true" || keep == "false", "preprocessing: the field 'keep_aspect' is '", keep,
          "'; expected true or false");
  result.keep_aspect = keep == "true";
  const std::string& method = detail::field(fields, "resize");
  bool known = false;
  for (const ResizeMethod candidate : {ResizeMethod::bilinear, ResizeMethod::area, ResizeMethod::pad})
    if (name_of(candidate) == method) result.resize = candidate, known = true;
  require(known, "preprocessing: the field 'resize' is '", method, "'; expected bilinear, area or pad");
  result.check();
  return result;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_PREPROCESSING_TEXT_HPP_
