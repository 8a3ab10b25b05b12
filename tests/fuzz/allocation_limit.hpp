// tests/fuzz/allocation_limit.hpp: replaces operator new with one that counts what is alive, for "no more than ...".
// Include it in one file of a program.
#ifndef OCTAVO_TESTS_FUZZ_ALLOCATION_LIMIT_HPP_
#define OCTAVO_TESTS_FUZZ_ALLOCATION_LIMIT_HPP_

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace fuzz {

inline std::atomic<std::size_t> live_bytes{0};
inline std::atomic<std::size_t> peak_bytes{0};

constexpr std::size_t kHeader = 64;  // holds the size and keeps every usual alignment

inline void* allocate(std::size_t size) {
  void* block = nullptr;
  if (posix_memalign(&block, kHeader, size + kHeader) != 0) throw std::bad_alloc();
  *static_cast<std::size_t*>(block) = size;
  const std::size_t now = live_bytes.fetch_add(size) + size;
  if (now > peak_bytes) peak_bytes = now;
  return static_cast<char*>(block) + kHeader;
}
inline void release(void* memory) noexcept {
  if (memory == nullptr) return;
  void* block = static_cast<char*>(memory) - kHeader;
  live_bytes -= *static_cast<std::size_t*>(block);
  std::free(block);
}

// The most that was alive at once since the object was made, above what was alive then.
class Peak {
 public:
  Peak() : before_(live_bytes) { peak_bytes = before_; }
  [[nodiscard]] std::size_t bytes() const { return peak_bytes - before_; }

 private:
  std::size_t before_;
};

}  // namespace fuzz

void* operator new(std::size_t size) { return fuzz::allocate(size); }
void* operator new[](std::size_t size) { return fuzz::allocate(size); }
void* operator new(std::size_t size, std::align_val_t) { return fuzz::allocate(size); }
void* operator new[](std::size_t size, std::align_val_t) { return fuzz::allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return fuzz::allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return fuzz::allocate(size); }
void operator delete(void* memory) noexcept { fuzz::release(memory); }
void operator delete[](void* memory) noexcept { fuzz::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { fuzz::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { fuzz::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { fuzz::release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { fuzz::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { fuzz::release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { fuzz::release(memory); }

#endif  // OCTAVO_TESTS_FUZZ_ALLOCATION_LIMIT_HPP_
