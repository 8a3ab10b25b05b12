// octavo/io/flat_table.hpp: reads FlatBuffers tables from bytes that nobody vouches for.
//
// Layout (FlatBuffers' internals document): a table begins with the signed distance back to its vtable, which holds its
// own size, the table's, and for each field the distance from the table's begin, 0 for an absent one. Strings, vectors
// and tables in fields are unsigned distances forward. Everything is little-endian.
//
// Every access is checked against the file and the table, and copies; nothing is cast, so alignment does not matter,
// and nothing recurses. An Error names the byte.
#ifndef OCTAVO_IO_FLAT_TABLE_HPP_
#define OCTAVO_IO_FLAT_TABLE_HPP_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// The bytes of a file, and a value at a place in them.
class FlatBytes {
 public:
  FlatBytes() = default;
  explicit FlatBytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  // Throws unless [at, at + size) lies inside.
  void check(std::uint64_t at, std::uint64_t size) const {
    require(at <= bytes_.size() && size <= bytes_.size() - at, "byte ", at, ": expected ", size,
            " bytes, the file ends at ", bytes_.size());
  }
  template <class Value>
  [[nodiscard]] Value read(std::uint64_t at) const {
    check(at, sizeof(Value));
    Value value;
    std::memcpy(&value, bytes_.data() + at, sizeof(Value));
    return value;
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes(std::uint64_t at, std::uint64_t size) const {
    check(at, size);
    return bytes_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
  }
  // Where the forward reference at `at` points.
  [[nodiscard]] std::uint64_t follow(std::uint64_t at) const { return at + read<std::uint32_t>(at); }

 private:
  std::span<const std::uint8_t> bytes_;
};

// A vector of scalars, or of references.
template <class Value>
class FlatVector {
 public:
  FlatVector() = default;  // empty
  FlatVector(const FlatBytes& file, std::uint64_t at)
      : file_(file), begin_(at + 4), size_(file.read<std::uint32_t>(at)) {
    file.check(begin_, std::uint64_t{size_} * sizeof(Value));
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] Value operator[](std::size_t i) const { return file_.read<Value>(place(i)); }
  [[nodiscard]] std::uint64_t place(std::size_t i) const {
    require(i < size_, "byte ", begin_, ": no element ", i, " in a vector of ", size_);
    return begin_ + i * sizeof(Value);
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return file_.bytes(begin_, std::uint64_t{size_} * sizeof(Value));
  }

 private:
  FlatBytes file_;
  std::uint64_t begin_ = 0;
  std::uint32_t size_ = 0;
};

class FlatTable {
 public:
  FlatTable() = default;  // absent: every field has its default
  FlatTable(const FlatBytes& file, std::uint64_t at) : file_(file), at_(at) {
    const std::int64_t vtable = static_cast<std::int64_t>(at) - file.read<std::int32_t>(at);
    require(vtable >= 0, "byte ", at, ": the table's description lies before the file");
    vtable_ = static_cast<std::uint64_t>(vtable);
    vtable_size_ = file.read<std::uint16_t>(vtable_);
    size_ = file.read<std::uint16_t>(vtable_ + 2);
    require(vtable_size_ >= 4 && size_ >= 4, "byte ", at, ": the table has no proper description");
    file.check(vtable_, vtable_size_);
    file.check(at, size_);
  }

  [[nodiscard]] bool has(int field) const { return distance(field) != 0; }

  template <class Value>
  [[nodiscard]] Value scalar(int field, Value missing = Value{}) const {
    const std::uint64_t distance = checked(field, sizeof(Value));
    return distance == 0 ? missing : file_.read<Value>(at_ + distance);
  }
  template <class Value>
  [[nodiscard]] FlatVector<Value> vector(int field) const {
    const std::uint64_t distance = checked(field, 4);
    return distance == 0 ? FlatVector<Value>() : FlatVector<Value>(file_, file_.follow(at_ + distance));
  }
  [[nodiscard]] FlatTable table(int field) const {
    const std::uint64_t distance = checked(field, 4);
    return distance == 0 ? FlatTable() : FlatTable(file_, file_.follow(at_ + distance));
  }
  [[nodiscard]] std::string_view string(int field) const {
    const FlatVector<char> text = vector<char>(field);
    return text.empty() ? std::string_view()
                        : std::string_view(reinterpret_cast<const char*>(text.bytes().data()), text.size());
  }
  // Element i of a vector of tables.
  [[nodiscard]] FlatTable element(const FlatVector<std::uint32_t>& tables, std::size_t i) const {
    return {file_, file_.follow(tables.place(i))};
  }

 private:
  [[nodiscard]] std::uint64_t distance(int field) const {
    const std::uint64_t slot = 4 + 2 * static_cast<std::uint64_t>(field);
    return slot + 2 <= vtable_size_ ? file_.read<std::uint16_t>(vtable_ + slot) : 0;
  }
  // The distance of a field of `size` bytes that must lie inside the table; 0 when it is absent.
  [[nodiscard]] std::uint64_t checked(int field, std::size_t size) const {
    const std::uint64_t d = distance(field);
    require(d == 0 || d + size <= size_, "byte ", at_, ": field ", field, " leaves its table");
    return d;
  }

  FlatBytes file_;
  std::uint64_t at_ = 0, vtable_ = 0;
  std::uint16_t vtable_size_ = 0, size_ = 0;
};

// The root table of a file with this 4-letter identifier.
[[nodiscard]] inline FlatTable flat_root(std::span<const std::uint8_t> bytes, std::string_view identifier) {
  require(bytes.size() >= 8, "expected the identifier '", identifier, "' at byte 4, found a file of ", bytes.size(),
          " bytes");
  const FlatBytes file(bytes);
  const std::span<const std::uint8_t> found = file.bytes(4, 4);
  require(std::memcmp(found.data(), identifier.data(), 4) == 0, "byte 4: expected the identifier '", identifier, "'");
  return {file, file.follow(0)};
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_FLAT_TABLE_HPP_
