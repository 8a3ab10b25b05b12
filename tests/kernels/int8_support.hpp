// What the int8 kernel tests share: levels, exact-size buffers, codes with extremes, random output stages.
#ifndef OCTAVO_TESTS_KERNELS_INT8_SUPPORT_HPP_
#define OCTAVO_TESTS_KERNELS_INT8_SUPPORT_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octavo/core/aligned.hpp"
#include "octavo/core/cpu.hpp"
#include "octavo/core/rng.hpp"
#include "octavo/kernels/output_stage.hpp"
#include "octavo/kernels/packed_weights.hpp"

namespace int8_test {

using namespace octavo;

// The levels that this CPU has; prints once which run and which are skipped.
inline const std::vector<Isa>& levels() {
  static const std::vector<Isa> all = [] {
    std::vector<Isa> found;
    std::string ran = "levels run:", skipped = "; skipped:";
    for (const Isa isa : kAllIsas) {
      if (cpu_has(isa)) found.push_back(isa);
      (cpu_has(isa) ? ran : skipped).append(" ").append(name_of(isa));
    }
    std::printf("%s%s\n", ran.c_str(), skipped.c_str());
    return found;
  }();
  return all;
}

// Exactly n elements of heap, so that AddressSanitizer sees a read or write past either end.
template <class Value>
class Exact {
 public:
  explicit Exact(std::int64_t n) : n_(static_cast<std::size_t>(n)), data_(new Value[n_]()) {}
  [[nodiscard]] Value* data() { return data_.get(); }
  [[nodiscard]] const Value* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return n_; }
  [[nodiscard]] Value& operator[](std::size_t i) { return data_[i]; }
  [[nodiscard]] std::span<const Value> span() const { return {data_.get(), n_}; }
  void fill(Value value) { std::fill_n(data_.get(), n_, value); }
  [[nodiscard]] bool operator==(const Exact& other) const {
    return n_ == other.n_ && std::equal(data_.get(), data_.get() + n_, other.data_.get());
  }

 private:
  std::size_t n_;
  std::unique_ptr<Value[]> data_;
};

class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : storage_(bytes) {}
  [[nodiscard]] std::span<std::byte> span() { return {storage_.data(), storage_.size()}; }

 private:
  AlignedVector<std::byte> storage_;
};

// Codes by `pattern`: 0 uniform, 1 only the extremes, 2 all lowest, 3 all highest.
inline void fill_codes(std::uint8_t* data, std::size_t n, int pattern, Rng& rng) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto random = static_cast<std::uint8_t>(rng.below(256));
    data[i] = pattern == 0 ? random
                           : static_cast<std::uint8_t>(pattern == 1   ? (random & 1U) * 255U
                                                       : pattern == 2 ? 0U
                                                                      : 255U);
  }
}
inline void fill_weights(std::int8_t* data, std::size_t n, int pattern, Rng& rng, WeightBits bits = WeightBits::eight) {
  const int lowest = bits == WeightBits::four ? -8 : -128;
  const int highest = -1 - lowest;
  for (std::size_t i = 0; i < n; ++i) {
    const int random = lowest + static_cast<int>(rng.below(static_cast<std::uint64_t>(highest - lowest + 1)));
    data[i] = static_cast<std::int8_t>(pattern == 0   ? random
                                       : pattern == 1 ? (random >= 0       ? highest
                                                         : random % 2 == 0 ? lowest
                                                                           : lowest + 1)
                                       : pattern == 2 ? lowest
                                                      : highest);
  }
}

// A stage whose outputs of sums over `taps` products cover the codes and both clamps; kinds 0: full range, 1: an
// activation's range, 2: zero point and limits at an end, 3: scales above 1 (saturating almost everywhere).
inline OutputStage random_stage(Rounding rounding, std::int64_t channels, std::int64_t taps, int kind, Rng& rng,
                                WeightBits bits = WeightBits::eight) {
  OutputStage stage;
  stage.rounding = rounding;
  stage.zero_point = kind == 2 ? (rng.below(2) == 0 ? 0 : 255) : static_cast<std::int32_t>(rng.below(256));
  if (kind == 1) {
    stage.min = static_cast<std::int32_t>(rng.below(128));
    stage.max = stage.min + static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(256 - stage.min)));
  }
  const double product = bits == WeightBits::four ? 560.0 : 9000.0;
  const double typical = kind == 3 ? 1.7 : 60.0 / (product * static_cast<double>(std::max<std::int64_t>(taps, 1)));
  const bool one_for_all = rng.below(4) == 0;
  for (std::int64_t c = 0; c < (one_for_all ? 1 : channels); ++c) {
    const double factor = typical * (0.3 + 3.0 * static_cast<double>(rng.uniform()));
    if (rounding == Rounding::nearest_even_f32) {
      stage.scale.push_back(static_cast<float>(factor));
    } else {
      const QuantizedMultiplier m = quantize_multiplier(factor, rounding);
      stage.multiplier.push_back(m.multiplier);
      stage.shift.push_back(m.shift);
    }
  }
  return stage;
}

// Runs `body` at each level, restoring the best one afterwards.
template <class Body>
void at_each_level(Body body) {
  for (const Isa isa : levels()) {
    force_isa(isa);
    body(isa);
  }
  force_isa(levels().back());
}

}  // namespace int8_test

#endif  // OCTAVO_TESTS_KERNELS_INT8_SUPPORT_HPP_
