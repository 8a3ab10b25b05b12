// octavo/quant/observers/last_value.hpp: the range of the latest batch.
#ifndef OCTAVO_QUANT_OBSERVERS_LAST_VALUE_HPP_
#define OCTAVO_QUANT_OBSERVERS_LAST_VALUE_HPP_

#include <memory>
#include <string_view>

#include "../observer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// For weights while they train: each step's range replaces the one before. merge() takes the other's, which came after.
class LastValueObserver final : public RangeObserver {
 public:
  using RangeObserver::RangeObserver;
  [[nodiscard]] std::string_view kind() const override { return "last_value"; }
  [[nodiscard]] std::unique_ptr<Observer> clone() const override { return std::make_unique<LastValueObserver>(*this); }

 protected:
  [[nodiscard]] Range combine(Range /*seen*/, Range next, bool /*first*/) const override { return next; }
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_OBSERVERS_LAST_VALUE_HPP_
