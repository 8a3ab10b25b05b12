// octavo/core/arena.hpp: one large block of memory, such as a session computes in.
#ifndef OCTAVO_CORE_ARENA_HPP_
#define OCTAVO_CORE_ARENA_HPP_

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>

#include "aligned.hpp"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// One block, 64-byte aligned, not initialized. Huge pages (2 MiB) are asked for as long as at least fifteen
// sixteenths of one are needed, and taken whole: the first run of a model then meets one page fault for each, not one
// for each 4 KiB.
class Arena {
 public:
  Arena() = default;
  // Throws std::bad_alloc.
  explicit Arena(std::size_t size) : size_(size), reserved_(size) {
    if (size > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
    const std::size_t huge = (size + kHugePage / 16) / kHugePage * kHugePage;
    reserved_ = std::max(size, huge);
    const std::align_val_t alignment{huge > 0 ? kHugePage : kAlignment};
    bytes_ = Block(static_cast<std::byte*>(::operator new(reserved_, alignment)), Free{alignment});
#if defined(MADV_HUGEPAGE)
    if (huge > 0) ::madvise(bytes_.get(), huge, MADV_HUGEPAGE);  // only advice: the result does not matter
#endif
  }

  [[nodiscard]] std::byte* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t reserved() const noexcept { return reserved_; }  // bytes of memory, size() or more

 private:
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;
  struct Free {
    Free() noexcept : alignment(std::align_val_t{kAlignment}) {}
    explicit Free(std::align_val_t value) noexcept : alignment(value) {}
    void operator()(std::byte* bytes) const noexcept { ::operator delete(bytes, alignment); }
    std::align_val_t alignment;
  };
  using Block = std::unique_ptr<std::byte, Free>;
  Block bytes_;
  std::size_t size_ = 0, reserved_ = 0;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_ARENA_HPP_
