// octavo/quant/observers/min_max.hpp: the smallest and largest value ever seen.
#ifndef OCTAVO_QUANT_OBSERVERS_MIN_MAX_HPP_
#define OCTAVO_QUANT_OBSERVERS_MIN_MAX_HPP_

#include <memory>
#include <string_view>

#include "../observer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// low = min over all batches, high = max. Exact, and independent of the order of batches and merges.
class MinMaxObserver final : public RangeObserver {
 public:
  using RangeObserver::RangeObserver;
  [[nodiscard]] std::string_view kind() const override { return "min_max"; }
  [[nodiscard]] std::unique_ptr<Observer> clone() const override { return std::make_unique<MinMaxObserver>(*this); }

 protected:
  [[nodiscard]] Range combine(Range seen, Range next, bool first) const override {
    return first ? next : seen.united(next);
  }
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVERS_MIN_MAX_HPP_
