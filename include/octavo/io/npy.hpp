// octavo/io/npy.hpp: NumPy's .npy files, versions 1 to 3: one array of numbers a file.
//
// The format (numpy.lib.format): "\x93NUMPY", two version bytes, the header's length (2 bytes little-endian in version
// 1, else 4), the header: a Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }; then the data.
#ifndef OCTAVO_IO_NPY_HPP_
#define OCTAVO_IO_NPY_HPP_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "safetensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// An array in memory: row-major, little-endian, whatever the file's order was.
struct NpyArray {
  ElementType type = ElementType::f32;
  Shape shape;
  Bytes bytes;
  [[nodiscard]] ArrayView view() const { return {type, shape, bytes}; }
  template <class Lazy = void>
  [[nodiscard]] std::vector<float> floats() const {
    return to_floats(view());
  }
};

// Reads numbers and booleans ('?', i/u of 1 to 8 bytes, f of 2 to 8), either byte order, C or Fortran order, up to six
// dimensions. Throws Error naming `name` on everything else, and when the data's size does not fit the shape.
template <class Lazy = void>
NpyArray parse_npy(std::span<const std::uint8_t> file, const std::string& name);
template <class Lazy = void>
NpyArray read_npy(const std::string& path) {
  return parse_npy(read_file(path), path);
}

// Writes version 1, atomically.
template <class Lazy = void>
void write_npy(const std::string& path, const ArrayView& array);
template <class Lazy = void>
void write_npy(const std::string& path, const Shape& shape, std::span<const float> values) {
  write_npy(
      path,
      {ElementType::f32, shape, {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)}});
}

namespace detail {

struct NpyType {
  std::string_view code;  // without the byte order
  ElementType type;
};
inline constexpr NpyType kNpyTypes[] = {
    {"f8", ElementType::f64}, {"f4", ElementType::f32}, {"f2", ElementType::f16}, {"i8", ElementType::i64},
    {"u8", ElementType::u64}, {"i4", ElementType::i32}, {"u4", ElementType::u32}, {"i2", ElementType::i16},
    {"u2", ElementType::u16}, {"i1", ElementType::i8},  {"u1", ElementType::u8},  {"b1", ElementType::boolean}};

// Reads the header's literal: the three keys in any order, nothing else.
template <class Lazy = void>
class NpyHeader {
 public:
  explicit NpyHeader(std::string_view text) : text_(text) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr")
        type_ = type(quoted());
      else if (key == "fortran_order")
        fortran_order_ = boolean();
      else if (key == "shape")
        shape_ = tuple();
      else
        fail("unknown key '", key, "'");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    require(at_ == text_.size(), "text after the header");
    require(type_ && fortran_order_ && shape_, "needs descr, fortran_order and shape");
  }
  [[nodiscard]] ElementType element_type() const { return *type_; }
  [[nodiscard]] bool big_endian() const noexcept { return big_endian_; }
  [[nodiscard]] bool fortran_order() const { return *fortran_order_; }
  [[nodiscard]] const Shape& shape() const { return *shape_; }

 private:
  void skip_space() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) noexcept {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) { require(accept(c), "expected '", c, "' at byte ", at_); }
  std::string_view quoted() {
    expect('\'');
    const std::size_t end = text_.find('\'', at_);
    require(end != text_.npos, "a string does not end");
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(at_, word.size()) == word) return at_ += word.size(), word == "True";
    fail("expected True or False at byte ", at_);
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = 0;
      const auto result = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      require(result.ec == std::errc(), "expected a number at byte ", at_);
      at_ = static_cast<std::size_t>(result.ptr - text_.data());
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }
  ElementType type(std::string_view descr) {
    big_endian_ = !descr.empty() && descr[0] == '>';
    for (const NpyType& known : kNpyTypes)
      if (descr.size() == 3 && (big_endian_ || descr[0] == '<' || descr[0] == '|') && descr.substr(1) == known.code)
        return known.type;
    fail("element type '", descr, "' is not a number type that is read here");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool big_endian_ = false;
  std::optional<ElementType> type_;
  std::optional<bool> fortran_order_;
  std::optional<Shape> shape_;
};

// Copies elements from column-major to row-major order.
inline void from_fortran_order(const std::uint8_t* from, std::uint8_t* to, const Shape& shape, std::size_t element) {
  const std::int64_t size = shape.size();
  Shape index = shape;
  std::fill_n(&index[0], index.rank(), 0);
  for (std::int64_t i = 0; i < size; ++i) {  // `index` counts in column-major order
    std::int64_t target = 0;
    for (std::size_t axis = 0; axis < shape.rank(); ++axis) target = target * shape[axis] + index[axis];
    std::memcpy(to + static_cast<std::size_t>(target) * element, from + static_cast<std::size_t>(i) * element, element);
    for (std::size_t axis = 0; axis < shape.rank() && ++index[axis] == shape[axis]; ++axis) index[axis] = 0;
  }
}

template <class Lazy = void>
NpyArray parse_npy_checked(std::span<const std::uint8_t> file) {
  constexpr std::string_view magic = "\x93NUMPY";
  require(file.size() >= 10 && std::memcmp(file.data(), magic.data(), magic.size()) == 0, "not a .npy file");
  const int version = file[6];
  require(version >= 1 && version <= 3, "version ", version, " is unknown; expected 1 to 3");
  const std::size_t start = version == 1 ? 10 : 12;
  require(file.size() >= start, "too short");
  std::size_t length = file[8] | static_cast<std::size_t>(file[9]) << 8;
  if (version > 1) length |= static_cast<std::size_t>(file[10]) << 16 | static_cast<std::size_t>(file[11]) << 24;
  require(length <= file.size() - start, "the header says ", length, " bytes, the file has ", file.size() - start);
  const NpyHeader<> header({reinterpret_cast<const char*>(file.data()) + start, length});
  const std::span<const std::uint8_t> data = file.subspan(start + length);

  NpyArray array;
  array.type = header.element_type();
  array.shape = header.shape();
  const std::size_t element = bytes_of(array.type);
  require(data.size() % element == 0 && static_cast<std::size_t>(array.shape.size()) == data.size() / element, "shape ",
          array.shape.to_string(), " of ", name_of(array.type), " does not fit ", data.size(), " bytes");
  array.bytes.resize(data.size());
  if (data.empty()) return array;
  if (header.fortran_order() && array.shape.rank() > 1)
    from_fortran_order(data.data(), array.bytes.data(), array.shape, element);
  else
    std::memcpy(array.bytes.data(), data.data(), data.size());
  if (header.big_endian())
    for (std::size_t i = 0; i < data.size(); i += element)
      std::reverse(array.bytes.data() + i, array.bytes.data() + i + element);
  return array;
}

}  // namespace detail

template <class Lazy>
NpyArray parse_npy(std::span<const std::uint8_t> file, const std::string& name) {
  try {
    return detail::parse_npy_checked(file);
  } catch (const Error& error) {
    fail("'", name, "': ", error.what());
  }
}

template <class Lazy>
void write_npy(const std::string& path, const ArrayView& array) {
  const detail::NpyType* known = std::begin(detail::kNpyTypes);
  while (known != std::end(detail::kNpyTypes) && known->type != array.type) ++known;
  require(known != std::end(detail::kNpyTypes), "'", path, "': .npy has no type ", name_of(array.type));
  require(static_cast<std::size_t>(array.shape.size()) * bytes_of(array.type) == array.bytes.size(), "'", path,
          "': shape ", array.shape.to_string(), " does not fit ", array.bytes.size(), " bytes");
  std::string header = "{'descr': '" + std::string(bytes_of(array.type) == 1 ? "|" : "<") + std::string(known->code) +
                       "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t extent : array.shape) header += std::to_string(extent) + ",";
  header += "), }";
  constexpr std::size_t prefix = 10;
  header.resize((prefix + header.size() + 1 + 63) / 64 * 64 - prefix, ' ');  // the data is aligned to 64 bytes
  header.back() = '\n';
  AtomicFile file(path);
  file.write(std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size() & 255) +
             static_cast<char>(header.size() >> 8) + header);
  file.write(array.bytes);
  file.commit();
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_NPY_HPP_
