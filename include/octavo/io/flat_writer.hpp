// octavo/io/flat_writer.hpp: writes FlatBuffers tables front to back: a table first, then what its fields refer to.
//
// References are unsigned distances forward, so a parent stands before its children; its slots are filled in when they
// are written. Layout: flat_table.hpp. Scalars and vector elements are aligned to their size.
#ifndef OCTAVO_IO_FLAT_WRITER_HPP_
#define OCTAVO_IO_FLAT_WRITER_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// A field of a table: a scalar of `size` bytes (little-endian in `bits`), or a reference to be set later (size 0).
struct FlatField {
  int id = 0;
  std::size_t size = 0;
  std::uint64_t bits = 0;

  template <class Value>
  static FlatField scalar(int id, Value value) {
    FlatField field{id, sizeof(Value), 0};
    std::memcpy(&field.bits, &value, sizeof(Value));
    return field;
  }
  static FlatField reference(int id) { return {id, 0, 0}; }
};

class FlatWriter {
 public:
  // Where the references of a table are to be written.
  class Table {
   public:
    [[nodiscard]] std::size_t slot(int field) const {
      for (const auto& [id, at] : slots_)
        if (id == field) return at;
      fail("flat writer: field ", field, " is no reference of this table");
    }

   private:
    friend class FlatWriter;
    std::vector<std::pair<int, std::size_t>> slots_;
  };

  explicit FlatWriter(std::string_view identifier) {
    put(std::uint32_t{0});
    append(identifier);
  }

  // The first table is the root. `from`: the slot that refers to it.
  Table root(const std::vector<FlatField>& fields) { return table(0, fields); }
  Table table(std::size_t from, const std::vector<FlatField>& fields) {
    int last = -1;
    for (const FlatField& field : fields) last = std::max(last, field.id);
    std::vector<std::uint16_t> distances(static_cast<std::size_t>(last + 1), 0);
    std::size_t size = 4;
    for (const FlatField& field : fields) {
      const std::size_t width = field.size == 0 ? 4 : field.size;
      size = (size + width - 1) / width * width;
      distances[static_cast<std::size_t>(field.id)] = static_cast<std::uint16_t>(size);
      size += width;
    }
    align(2);
    const std::size_t description = bytes_.size();
    put(static_cast<std::uint16_t>(4 + 2 * distances.size()));
    put(static_cast<std::uint16_t>(size));
    for (const std::uint16_t distance : distances) put(distance);
    align(8);
    const std::size_t begin = bytes_.size();
    refer(from, begin);
    bytes_.resize(begin + size, 0);
    store(begin, static_cast<std::int32_t>(begin - description));
    Table table;
    for (const FlatField& field : fields) {
      const std::size_t at = begin + distances[static_cast<std::size_t>(field.id)];
      if (field.size == 0)
        table.slots_.emplace_back(field.id, at);
      else
        std::memcpy(bytes_.data() + at, &field.bits, field.size);
    }
    return table;
  }

  // A vector of `count` references; returns the slot of the first, the others follow at distances of 4.
  std::size_t references(std::size_t from, std::size_t count) {
    begin_vector(from, count, 4);
    const std::size_t first = bytes_.size();
    bytes_.resize(first + 4 * count, 0);
    return first;
  }
  // A vector of scalars whose first element is aligned to `alignment` bytes of the file at least.
  template <class Value>
  void vector(std::size_t from, std::span<const Value> values, std::size_t alignment = sizeof(Value)) {
    begin_vector(from, values.size(), std::max<std::size_t>(alignment, 4));
    const auto* data = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes_.insert(bytes_.end(), data, data + values.size_bytes());
  }
  void string(std::size_t from, std::string_view text) {
    begin_vector(from, text.size(), 4);
    append(text);
    bytes_.push_back(0);
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }

 private:
  template <class Value>
  void put(Value value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(Value));
    store(at, value);
  }
  template <class Value>
  void store(std::size_t at, Value value) {
    std::memcpy(bytes_.data() + at, &value, sizeof(Value));
  }
  void append(std::string_view text) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
    bytes_.insert(bytes_.end(), data, data + text.size());
  }
  void align(std::size_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment, 0); }
  void begin_vector(std::size_t from, std::size_t count, std::size_t alignment) {
    align(4);
    while ((bytes_.size() + 4) % alignment != 0) put(std::uint32_t{0});
    refer(from, bytes_.size());
    require(count <= std::numeric_limits<std::uint32_t>::max(), "flat writer: a vector of ", count, " elements");
    put(static_cast<std::uint32_t>(count));
  }
  void refer(std::size_t from, std::size_t to) {
    require(to - from <= std::size_t{0x7FFFFFFF}, "flat writer: the file would exceed 2 GiB");
    store(from, static_cast<std::uint32_t>(to - from));
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_FLAT_WRITER_HPP_
