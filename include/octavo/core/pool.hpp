// octavo/core/pool.hpp: one block of memory that the tables of many objects are taken from, as those of a model's
// kernels: few large pages instead of many small ones.
#ifndef OCTAVO_CORE_POOL_HPP_
#define OCTAVO_CORE_POOL_HPP_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "aligned.hpp"
#include "arena.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Hands out parts of an Arena, front to back, and takes none back: they go with the pool. Several threads may take at
// once. Under AddressSanitizer it has nothing to give, so that each table has its own bounds.
class Pool {
 public:
  explicit Pool(std::size_t size) : arena_(kGives ? size : 0) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() = default;

  // `bytes` of memory, 64-byte aligned, not initialized; nullptr where as much is not left.
  [[nodiscard]] void* take(std::size_t bytes) noexcept {
    std::size_t at = taken_.load(std::memory_order_relaxed);
    do {
      if (bytes > arena_.reserved() - at) return nullptr;
    } while (!taken_.compare_exchange_weak(at, at + std::min(round_up(bytes), arena_.reserved() - at)));
    return arena_.data() + at;
  }
  [[nodiscard]] bool owns(const void* memory) const noexcept {
    const auto* at = static_cast<const std::byte*>(memory);
    return !std::less<>()(at, arena_.data()) && std::less<>()(at, arena_.data() + arena_.reserved());
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kGives = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  static constexpr bool kGives = false;
#else
  static constexpr bool kGives = true;
#endif
#else
  static constexpr bool kGives = true;
#endif
  static std::size_t round_up(std::size_t bytes) noexcept { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  Arena arena_;
  std::atomic<std::size_t> taken_{0};
};

namespace detail {
inline thread_local std::shared_ptr<Pool> current_pool;
}

// While it lives, PooledVectors that this thread makes take their memory from `pool`.
class PoolScope {
 public:
  explicit PoolScope(std::shared_ptr<Pool> pool) : before_(std::exchange(detail::current_pool, std::move(pool))) {}
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;
  ~PoolScope() { detail::current_pool = std::move(before_); }

 private:
  std::shared_ptr<Pool> before_;
};

// As AlignedAllocator, from the pool in whose scope it was made while that lasts. Keeps the pool alive.
template <class Value>
struct PoolAllocator : AlignedAllocator<Value> {
  using propagate_on_container_move_assignment = std::true_type;  // NOLINT: std::allocator_traits' names
  using propagate_on_container_swap = std::true_type;             // NOLINT
  using is_always_equal = std::false_type;                        // NOLINT
  PoolAllocator() : pool(detail::current_pool) {}
  template <class Other>
  PoolAllocator(const PoolAllocator<Other>& other) noexcept : pool(other.pool) {}  // NOLINT: conversion is the purpose
  [[nodiscard]] PoolAllocator select_on_container_copy_construction() const { return {}; }

  [[nodiscard]] Value* allocate(std::size_t n) {
    void* const memory = pool == nullptr ? nullptr : pool->take(n * sizeof(Value));
    return memory == nullptr ? AlignedAllocator<Value>::allocate(n) : static_cast<Value*>(memory);
  }
  void deallocate(Value* p, std::size_t n) noexcept {
    if (pool == nullptr || !pool->owns(p)) AlignedAllocator<Value>::deallocate(p, n);
  }
  friend bool operator==(const PoolAllocator& a, const PoolAllocator& b) noexcept { return a.pool == b.pool; }

  std::shared_ptr<Pool> pool;
};

template <class Value>
using PooledVector = std::vector<Value, PoolAllocator<Value>>;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_POOL_HPP_
