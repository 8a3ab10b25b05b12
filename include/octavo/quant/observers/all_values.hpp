// octavo/quant/observers/all_values.hpp: the range of everything seen, and 0.
#ifndef OCTAVO_QUANT_OBSERVERS_ALL_VALUES_HPP_
#define OCTAVO_QUANT_OBSERVERS_ALL_VALUES_HPP_

#include <memory>
#include <string_view>

#include "../observer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// low = min(0, all batches), high = max(0, all batches): TensorFlow Model Optimization's AllValuesQuantizer
// (quantization/keras/quantizers.py), whose variables start at 0, 0. Independent of the order of batches and merges.
class AllValuesObserver final : public RangeObserver {
 public:
  using RangeObserver::RangeObserver;
  [[nodiscard]] std::string_view kind() const override { return "all_values"; }
  [[nodiscard]] std::unique_ptr<Observer> clone() const override { return std::make_unique<AllValuesObserver>(*this); }

 protected:
  [[nodiscard]] Range combine(Range seen, Range next, bool first) const override {
    return first ? next.with_zero() : seen.united(next);
  }
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVERS_ALL_VALUES_HPP_
