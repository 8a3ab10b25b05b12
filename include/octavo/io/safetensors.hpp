// octavo/io/safetensors.hpp: the safetensors container: named arrays and a few strings in one file.
//
// The format (huggingface/safetensors, README "Format"): 8 bytes little-endian length N of the header; N bytes of JSON
// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "text"}},
// which may end in spaces; then the arrays' bytes, little-endian, row-major, without holes, offsets counted from their
// start.
#ifndef OCTAVO_IO_SAFETENSORS_HPP_
#define OCTAVO_IO_SAFETENSORS_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "file.hpp"
#include "json.hpp"
#include "mapped_file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// The element types of safetensors that we read; F16 and BF16 are read (as float) and never written.
enum class ElementType : std::uint8_t { f64, f32, f16, bf16, i64, u64, i32, u32, i16, u16, i8, u8, boolean };

constexpr std::string_view name_of(ElementType type) {
  constexpr std::string_view names[] = {"F64", "F32", "F16", "BF16", "I64", "U64", "I32",
                                        "U32", "I16", "U16", "I8",   "U8",  "BOOL"};
  return names[static_cast<std::size_t>(type)];
}

constexpr std::size_t bytes_of(ElementType type) {
  constexpr std::uint8_t sizes[] = {8, 4, 2, 2, 8, 8, 4, 4, 2, 2, 1, 1, 1};
  return sizes[static_cast<std::size_t>(type)];
}

ElementType element_type_from_name(std::string_view name);

// An array that somebody else holds: row-major, little-endian.
struct ArrayView {
  ElementType type = ElementType::f32;
  Shape shape;
  std::span<const std::uint8_t> bytes;  // shape.size() * bytes_of(type) of them
};

// The values as float (rounded to nearest where float cannot hold them).
template <class Lazy = void>
std::vector<float> to_floats(const ArrayView& array);

// A file in memory, or mapped into it. Reading checks everything first: header length, JSON, types, shapes against
// sizes, offsets in range, no overlap, no hole; so an entry's span is always valid. Lives as long as its views are
// used.
class SafeTensors {
 public:
  // Takes the file's bytes. `name` stands in error messages.
  template <class Lazy = void>
  SafeTensors(Bytes bytes, const std::string& name)
      : SafeTensors(std::make_shared<const FileBytes>(std::move(bytes)), name) {}
  template <class Lazy = void>
  SafeTensors(std::shared_ptr<const FileBytes> file, const std::string& name);
  SafeTensors(SafeTensors&&) noexcept = default;
  SafeTensors& operator=(SafeTensors&&) noexcept = default;
  SafeTensors(const SafeTensors&) = delete;  // arrays that somebody reads should have one owner
  SafeTensors& operator=(const SafeTensors&) = delete;
  ~SafeTensors() = default;

  [[nodiscard]] const std::map<std::string, ArrayView, std::less<>>& arrays() const noexcept { return arrays_; }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& metadata() const noexcept { return metadata_; }
  // The array of that name; throws when there is none.
  [[nodiscard]] const ArrayView& at(std::string_view name) const {
    const auto found = arrays_.find(name);
    require(found != arrays_.end(), "'", name_, "': no array '", name, "'");
    return found->second;
  }
  // The whole file, as for a checksum.
  [[nodiscard]] std::span<const std::uint8_t> file_bytes() const noexcept { return file_->bytes(); }
  // Keeps the arrays' bytes alive.
  [[nodiscard]] const std::shared_ptr<const FileBytes>& file() const noexcept { return file_; }

 private:
  template <class Lazy>
  void read_header(std::string_view text, std::span<const std::uint8_t> data);
  template <class Lazy>
  void check_no_overlap(std::span<const std::uint8_t> data) const;

  std::string name_;
  std::shared_ptr<const FileBytes> file_;
  std::map<std::string, ArrayView, std::less<>> arrays_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

template <class Lazy = void>
SafeTensors read_safetensors(const std::string& path, std::size_t max_bytes = kMaxFileBytes) {
  return {read_file(path, max_bytes), path};
}

struct NamedView {
  std::string name;
  ArrayView array;
};

// Writes the file atomically. Arrays are laid out by falling element size, else in the given order, and the data
// starts at a multiple of 64 bytes: every array is aligned for its type. `write_piece` is called with the file's pieces
// in order (to compute a checksum on the way, for instance).
template <class WritePiece>
void write_safetensors_to(std::vector<NamedView> arrays, const std::map<std::string, std::string>& metadata,
                          WritePiece&& write_piece);
template <class Lazy = void>
void write_safetensors(const std::string& path, std::vector<NamedView> arrays,
                       const std::map<std::string, std::string>& metadata = {});

namespace detail {

inline constexpr std::size_t kMaxHeaderBytes = 64U << 20;
inline constexpr std::string_view kMetadataKey = "__metadata__";

// IEEE half to float, exact.
inline float half_to_float(std::uint16_t half) noexcept {
  const float sign = (half & 0x8000U) != 0 ? -1.0F : 1.0F;
  const int exponent = (half >> 10) & 31;
  const auto fraction = static_cast<float>(half & 1023);
  if (exponent == 31) return fraction > 0 ? std::numeric_limits<float>::quiet_NaN() : sign * HUGE_VALF;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0F + fraction, exponent - 25));
}

template <class Stored>
void convert_to_floats(const ArrayView& array, std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, array.bytes.data() + i * sizeof stored, sizeof stored);
    values[i] = static_cast<float>(stored);
  }
}

inline std::uint64_t load_u64(const std::uint8_t* bytes) noexcept {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = (value << 8) | bytes[i];
  return value;
}

}  // namespace detail

inline ElementType element_type_from_name(std::string_view name) {
  for (int type = 0; type <= static_cast<int>(ElementType::boolean); ++type)
    if (name_of(static_cast<ElementType>(type)) == name) return static_cast<ElementType>(type);
  fail("unknown element type '", name, "'");
}

template <class Lazy>
std::vector<float> to_floats(const ArrayView& array) {
  std::vector<float> values(array.bytes.size() / bytes_of(array.type));
  switch (array.type) {
    case ElementType::f64:
      detail::convert_to_floats<double>(array, values);
      break;
    case ElementType::f32:
      if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
      break;
    case ElementType::f16:
    case ElementType::bf16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto code = static_cast<std::uint16_t>(array.bytes[2 * i] | array.bytes[2 * i + 1] << 8);
        values[i] = array.type == ElementType::f16 ? detail::half_to_float(code)
                                                   : std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16);
      }
      break;
    case ElementType::i64:
      detail::convert_to_floats<std::int64_t>(array, values);
      break;
    case ElementType::u64:
      detail::convert_to_floats<std::uint64_t>(array, values);
      break;
    case ElementType::i32:
      detail::convert_to_floats<std::int32_t>(array, values);
      break;
    case ElementType::u32:
      detail::convert_to_floats<std::uint32_t>(array, values);
      break;
    case ElementType::i16:
      detail::convert_to_floats<std::int16_t>(array, values);
      break;
    case ElementType::u16:
      detail::convert_to_floats<std::uint16_t>(array, values);
      break;
    case ElementType::i8:
      detail::convert_to_floats<std::int8_t>(array, values);
      break;
    case ElementType::u8:
    case ElementType::boolean:
      detail::convert_to_floats<std::uint8_t>(array, values);
      break;
  }
  return values;
}

template <class Lazy>
SafeTensors::SafeTensors(std::shared_ptr<const FileBytes> bytes, const std::string& name)
    : name_(name), file_(std::move(bytes)) {
  const std::span<const std::uint8_t> file = file_->bytes();
  require(file.size() >= 8, "'", name, "': ", file.size(), " bytes are too few for a safetensors file");
  const std::uint64_t header = detail::load_u64(file.data());
  require(header <= detail::kMaxHeaderBytes && header <= file.size() - 8, "'", name, "': the header says ", header,
          " bytes, the file has ", file.size() - 8, " after its length");
  const auto length = static_cast<std::size_t>(header);
  try {
    read_header<Lazy>({reinterpret_cast<const char*>(file.data()) + 8, length}, file.subspan(8 + length));
  } catch (const Error& error) {
    fail("'", name, "': ", error.what());
  }
}

template <class Lazy>
void SafeTensors::read_header(std::string_view text, std::span<const std::uint8_t> data) {
  Json header = parse_json(text);
  for (auto& [key, entry] : header.object()) {
    try {
      if (key == detail::kMetadataKey) {
        for (const auto& [word, value] : entry.object()) metadata_.emplace(word, value.string());
        continue;
      }
      ArrayView array;
      array.type = element_type_from_name(entry.at("dtype").string());
      for (const Json& extent : entry.at("shape").array()) array.shape.push_back(extent.integer());
      const Json::Array& offsets = entry.at("data_offsets").array();
      require(offsets.size() == 2, "data_offsets: expected 2 numbers, found ", offsets.size());
      const auto limit = static_cast<std::int64_t>(data.size());
      const auto begin = offsets[0].integer(0, limit);
      const auto end = offsets[1].integer(begin, limit);
      const auto element = static_cast<std::int64_t>(bytes_of(array.type));
      require((end - begin) % element == 0 && array.shape.size() == (end - begin) / element, "shape ", array.shape,
              " of ", name_of(array.type), " does not fit ", end - begin, " bytes");
      array.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
      arrays_.emplace(std::move(key), array);
      entry = {};  // its memory serves the next ones
    } catch (const Error& error) {
      fail("array '", key, "': ", error.what());
    }
  }
  check_no_overlap<Lazy>(data);
}

template <class Lazy>
void SafeTensors::check_no_overlap(std::span<const std::uint8_t> data) const {
  std::vector<std::pair<const std::uint8_t*, std::size_t>> pieces;
  for (const auto& [name, array] : arrays_) pieces.emplace_back(array.bytes.data(), array.bytes.size());
  std::sort(pieces.begin(), pieces.end());
  const std::uint8_t* expected = data.data();
  for (const auto& [begin, size] : pieces) {
    require(begin == expected, begin < expected ? "arrays overlap" : "there is a hole between arrays", " at offset ",
            (begin < expected ? begin : expected) - data.data());
    expected = begin + size;
  }
  require(expected == data.data() + data.size(), data.size() - static_cast<std::size_t>(expected - data.data()),
          " bytes after the last array");
}

template <class WritePiece>
void write_safetensors_to(std::vector<NamedView> arrays, const std::map<std::string, std::string>& metadata,
                          WritePiece&& write_piece) {
  std::stable_sort(arrays.begin(), arrays.end(), [](const NamedView& a, const NamedView& b) {
    return bytes_of(a.array.type) > bytes_of(b.array.type);
  });
  Json::Object header;
  if (!metadata.empty()) {
    Json::Object texts;
    for (const auto& [key, value] : metadata) texts.emplace_back(key, value);
    header.emplace_back(detail::kMetadataKey, std::move(texts));
  }
  std::size_t offset = 0;
  for (const auto& [name, array] : arrays) {
    require(name != detail::kMetadataKey, "an array cannot have the name ", name);
    require(static_cast<std::size_t>(array.shape.size()) * bytes_of(array.type) == array.bytes.size(), "array '", name,
            "': shape ", array.shape, " of ", name_of(array.type), " does not fit ", array.bytes.size(), " bytes");
    const std::vector<std::int64_t> shape(array.shape.begin(), array.shape.end());
    header.emplace_back(name, Json::Object{{"dtype", name_of(array.type)},
                                           {"shape", shape},
                                           {"data_offsets", Json::Array{offset, offset + array.bytes.size()}}});
    offset += array.bytes.size();
  }
  std::string text = Json(std::move(header)).dump();
  parse_json(text);  // a name twice, or one that is not UTF-8, must not reach a file
  text.resize((text.size() + 8 + kAlignment - 1) / kAlignment * kAlignment - 8, ' ');
  std::uint8_t length[8];
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::uint8_t>(std::uint64_t{text.size()} >> (8 * i));
  write_piece(std::span<const std::uint8_t>(length));
  write_piece(std::span<const std::uint8_t>(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  for (const NamedView& named : arrays) write_piece(named.array.bytes);
}

template <class Lazy>
void write_safetensors(const std::string& path, std::vector<NamedView> arrays,
                       const std::map<std::string, std::string>& metadata) {
  AtomicFile file(path);
  write_safetensors_to(std::move(arrays), metadata, [&](std::span<const std::uint8_t> piece) { file.write(piece); });
  file.commit();
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_SAFETENSORS_HPP_
