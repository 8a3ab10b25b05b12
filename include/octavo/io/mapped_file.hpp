// octavo/io/mapped_file.hpp: a file's bytes, mapped into memory where that works, else read.
#ifndef OCTAVO_IO_MAPPED_FILE_HPP_
#define OCTAVO_IO_MAPPED_FILE_HPP_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "../runtime/constant_bytes.hpp"
#include "file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Bytes that never change while the object lives, as far as this process can see to it. A mapping costs no copy: pages
// come from the system's file cache when they are first read, and are shared with all who map the file.
//
// A file under a mapping must not be written to in place: its new bytes would show through here, unchecked, and where
// it becomes shorter, reading the lost part ends the process (SIGBUS). To replace a file under running programs, write
// a new one and rename it over the old, as save() does: a mapping keeps the old file. Bytes that were read
// (`map` = false) are safe from all this.
class FileBytes final : public runtime::ConstantSource {
 public:
  explicit FileBytes(Bytes bytes) noexcept : read_(std::move(bytes)), bytes_(read_) {}
  // Throws as read_file() does.
  FileBytes(const std::string& path, std::size_t max_bytes, bool map);
  ~FileBytes() override {
    if (mapped()) ::munmap(mapping_, bytes_.size());
  }

  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool mapped() const noexcept { return mapping_ != nullptr; }
  // Gives the pages of a mapping that lie inside `bytes` back to the system; they are read again when needed.
  void forget(std::span<const std::uint8_t> bytes) const noexcept override;

 private:
  void* mapping_ = nullptr;
  Bytes read_;
  std::span<const std::uint8_t> bytes_;
};

inline FileBytes::FileBytes(const std::string& path, std::size_t max_bytes, bool map) {
  if (map) {
    const detail::Descriptor file = detail::open_file(path);
    const std::size_t size = detail::checked_size(file, path, max_bytes);
    void* const mapping = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value(), 0);
    if (mapping != MAP_FAILED) {  // else a file system without mappings
      mapping_ = mapping;
      bytes_ = {static_cast<const std::uint8_t*>(mapping), size};
      return;
    }
  }
  read_ = read_file(path, max_bytes);
  bytes_ = read_;
}

inline void FileBytes::forget(std::span<const std::uint8_t> bytes) const noexcept {
  if (!mapped() || bytes.empty()) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto base = reinterpret_cast<std::uintptr_t>(bytes_.data());
  const std::size_t begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) - base + page - 1) / page * page;
  std::size_t end = reinterpret_cast<std::uintptr_t>(bytes.data()) - base + bytes.size();
  if (end < bytes_.size()) end = end / page * page;
  if (begin < end) ::madvise(static_cast<std::byte*>(mapping_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_MAPPED_FILE_HPP_
