// octavo/core/shape.hpp: tensor shapes. Activations are NHWC, dimension 0 is the batch.
#ifndef OCTAVO_CORE_SHAPE_HPP_
#define OCTAVO_CORE_SHAPE_HPP_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Up to six extents, each at least 0. A value type without heap storage.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : Shape(extents.begin(), extents.end()) {}
  template <class Iterator>
  Shape(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(static_cast<std::int64_t>(*first));
  }

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  [[nodiscard]] std::int64_t operator[](std::size_t axis) const { return extents_[checked(axis)]; }
  [[nodiscard]] std::int64_t& operator[](std::size_t axis) { return extents_[checked(axis)]; }
  [[nodiscard]] std::int64_t back() const {
    require(rank_ > 0, "shape: a scalar has no last axis");
    return extents_[rank_ - 1];
  }
  [[nodiscard]] const std::int64_t* begin() const noexcept { return extents_.data(); }
  [[nodiscard]] const std::int64_t* end() const noexcept { return extents_.data() + rank_; }

  // Number of elements; 1 for rank 0. Throws when the product leaves 63 bits.
  [[nodiscard]] std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : *this)
      require(!__builtin_mul_overflow(product, extent, &product), "shape ", *this, ": too many elements");
    return product;
  }

  void push_back(std::int64_t extent) {
    require(rank_ < kMaxRank, "shape: rank above ", kMaxRank);
    require(extent >= 0, "shape: extent ", extent, " is negative");
    extents_[rank_++] = extent;
  }

  // The same shape with another extent 0.
  [[nodiscard]] Shape with_batch(std::int64_t batch) const {
    require(batch >= 0, "shape ", *this, ": batch ", batch, " is negative");
    Shape other = *this;
    other[0] = batch;
    return other;
  }

  // "1x224x224x3"; "scalar" for rank 0.
  [[nodiscard]] std::string to_string() const {
    std::string text;
    for (const std::int64_t extent : *this) {
      if (!text.empty()) text += 'x';
      text += std::to_string(extent);
    }
    return text.empty() ? "scalar" : text;
  }

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  [[nodiscard]] std::size_t checked(std::size_t axis) const {
    require(axis < rank_, "shape ", *this, ": no axis ", axis);
    return axis;
  }

  std::array<std::int64_t, kMaxRank> extents_{};
  std::size_t rank_ = 0;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_SHAPE_HPP_
