// tests/count_allocations.hpp: counts every allocation of a test program, of all its threads. For a program of its own.
//
// With glibc and without sanitizers malloc and its relatives are replaced, so that C libraries, the compiler's runtime
// and whatever calls them count too, as does operator new, which calls malloc. Elsewhere operator new alone is counted.
#ifndef OCTAVO_TESTS_COUNT_ALLOCATIONS_HPP_
#define OCTAVO_TESTS_COUNT_ALLOCATIONS_HPP_

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace octavo_test {
inline std::atomic<long> allocations{0};
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OCTAVO_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OCTAVO_TEST_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(OCTAVO_TEST_SANITIZED)

extern "C" {
void* __libc_malloc(std::size_t bytes);                           // NOLINT: glibc's names
void* __libc_calloc(std::size_t count, std::size_t bytes);        // NOLINT
void* __libc_realloc(void* memory, std::size_t bytes);            // NOLINT
void* __libc_memalign(std::size_t alignment, std::size_t bytes);  // NOLINT

// Under names of our own, so that the declarations in headers do not matter.
void* octavo_test_malloc(std::size_t bytes) noexcept __asm__("malloc");
void* octavo_test_calloc(std::size_t count, std::size_t bytes) noexcept __asm__("calloc");
void* octavo_test_realloc(void* memory, std::size_t bytes) noexcept __asm__("realloc");
void* octavo_test_memalign(std::size_t alignment, std::size_t bytes) noexcept __asm__("memalign");
void* octavo_test_aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept __asm__("aligned_alloc");
int octavo_test_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept
    __asm__("posix_memalign");

void* octavo_test_malloc(std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  return __libc_malloc(bytes);
}
void* octavo_test_calloc(std::size_t count, std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  return __libc_calloc(count, bytes);
}
void* octavo_test_realloc(void* memory, std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  return __libc_realloc(memory, bytes);
}
void* octavo_test_memalign(std::size_t alignment, std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  return __libc_memalign(alignment, bytes);
}
void* octavo_test_aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  return __libc_memalign(alignment, bytes);
}
int octavo_test_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  ++octavo_test::allocations;
  void* const found = __libc_memalign(alignment, bytes);
  if (found == nullptr) return ENOMEM;
  *memory = found;
  return 0;
}
}

#else

// Not inlined: g++ would see malloc's memory given to delete.
#define OCTAVO_TEST_COUNTED __attribute__((noinline))
OCTAVO_TEST_COUNTED void* operator new(std::size_t size) {
  ++octavo_test::allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
OCTAVO_TEST_COUNTED void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  ++octavo_test::allocations;
  return std::malloc(size == 0 ? 1 : size);
}
OCTAVO_TEST_COUNTED void* operator new(std::size_t size, std::align_val_t alignment) {
  ++octavo_test::allocations;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align)) return memory;
  throw std::bad_alloc();
}
OCTAVO_TEST_COUNTED void operator delete(void* memory) noexcept { std::free(memory); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { std::free(memory); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif

#endif  // OCTAVO_TESTS_COUNT_ALLOCATIONS_HPP_
