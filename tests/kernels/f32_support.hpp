// What the tests of the float kernels share: exact-size buffers and a loop over the levels of this CPU.
#ifndef OCTAVO_TESTS_KERNELS_F32_SUPPORT_HPP_
#define OCTAVO_TESTS_KERNELS_F32_SUPPORT_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "octavo/core/cpu.hpp"
#include "octavo/core/rng.hpp"

namespace octavo_test {

// A heap block of exactly `size` floats: AddressSanitizer sees the first byte read or written beyond it.
class Buffer {
 public:
  explicit Buffer(std::int64_t size, float value = 0.0F)
      : data_(new float[static_cast<std::size_t>(size)]), size_(size) {
    std::fill(data_.get(), data_.get() + size, value);
  }
  Buffer(const Buffer& other) : Buffer(other.size_) { std::copy(other.data(), other.data() + size_, data()); }
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] float* data() noexcept { return data_.get(); }
  [[nodiscard]] const float* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  float& operator[](std::int64_t i) { return data_[static_cast<std::size_t>(i)]; }
  float operator[](std::int64_t i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  std::unique_ptr<float[]> data_;
  std::int64_t size_;
};

inline Buffer random_buffer(octavo::Rng& rng, std::int64_t size, float low = -1.0F, float high = 1.0F) {
  Buffer buffer(size);
  for (std::int64_t i = 0; i < size; ++i) buffer[i] = rng.uniform(low, high);
  return buffer;
}

// The largest |a[i] - b[i]|; infinity where one is NaN and the other is not.
inline double largest_difference(const Buffer& a, const Buffer& b) {
  double worst = a.size() == b.size() ? 0.0 : INFINITY;
  for (std::int64_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (std::isnan(difference) && !(std::isnan(a[i]) && std::isnan(b[i]))) return INFINITY;
    worst = std::max(worst, std::isnan(difference) ? 0.0 : difference);
  }
  return worst;
}

// Calls body() under each level that this CPU has; the level in use before is restored.
template <class Body>
void for_each_level(Body&& body) {
  const octavo::Isa before = octavo::active_isa();
  for (const octavo::Isa isa : octavo::kAllIsas) {
    if (isa == octavo::Isa::avxvnni || !octavo::force_isa(isa)) continue;  // the float kernels of avxvnni are avx2's
    body();
  }
  octavo::force_isa(before);
}

}  // namespace octavo_test

#endif  // OCTAVO_TESTS_KERNELS_F32_SUPPORT_HPP_
