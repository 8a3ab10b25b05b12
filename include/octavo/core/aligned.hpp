// octavo/core/aligned.hpp: storage aligned to a cache line, and left uninitialized where nobody asks for zeros.
#ifndef OCTAVO_CORE_ALIGNED_HPP_
#define OCTAVO_CORE_ALIGNED_HPP_

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

inline constexpr std::size_t kAlignment = 64;  // bytes: one cache line, one zmm register

// Allocates at 64-byte boundaries whatever the compiler flags are, so that objects may cross files compiled with
// different ones. construct() without arguments leaves trivial types uninitialized: resize() costs no memory pass.
template <class Value>
struct AlignedAllocator {
  using value_type = Value;
  AlignedAllocator() = default;
  template <class Other>
  AlignedAllocator(const AlignedAllocator<Other>& /*other*/) noexcept {}  // NOLINT: conversion is the purpose

  [[nodiscard]] Value* allocate(std::size_t n) {
    return static_cast<Value*>(::operator new (n * sizeof(Value), std::align_val_t{kAlignment}));
  }
  void deallocate(Value* p, std::size_t /*n*/) noexcept { ::operator delete (p, std::align_val_t{kAlignment}); }

  template <class Type, class... Arguments>
  void construct(Type* p, Arguments&&... arguments) {
    if constexpr (sizeof...(Arguments) == 0 && std::is_trivially_default_constructible_v<Type>)
      ::new (static_cast<void*>(p)) Type;
    else
      ::new (static_cast<void*>(p)) Type(std::forward<Arguments>(arguments)...);
  }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) noexcept { return true; }
};

template <class Value>
using AlignedVector = std::vector<Value, AlignedAllocator<Value>>;

// vector.assign(size, value), as one pass: assign() constructs element by element where the allocator does.
template <class Vector>
void assign_all(Vector& vector, std::size_t size, typename Vector::value_type value) {
  vector.resize(size);
  std::fill(vector.begin(), vector.end(), value);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_ALIGNED_HPP_
