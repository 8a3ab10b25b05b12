// Observers: what each remembers, merging, states, and errors that name the tensor.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/make_observer.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace oc = octavo;

namespace {

std::vector<float> normal_values(oc::Rng& random, std::size_t n, float mean = 0.0F, float spread = 1.0F) {
  std::vector<float> values(n);
  for (float& x : values) x = mean + spread * random.normal();
  return values;
}

oc::Range extremes(std::span<const float> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

// One observer of each kind, two channels (one for `channels` = 1).
std::vector<std::unique_ptr<oc::Observer>> every_kind(std::size_t channels) {
  std::vector<std::unique_ptr<oc::Observer>> all;
  const oc::TensorScheme scheme{
      .bits = 8, .symmetric = true, .narrow = true, .axis = channels == 1 ? oc::kPerTensor : 0};
  for (const auto& settings :
       {oc::ObserverSettings::min_max(), oc::ObserverSettings::last_value(), oc::ObserverSettings::all_values(),
        oc::ObserverSettings::average(), oc::ObserverSettings::average({0.9, oc::AverageStart::zero_debias, {}}),
        oc::ObserverSettings::average(oc::MovingAverageSettings::tfmot()),
        oc::ObserverSettings::with_histogram(oc::RangeSearch::none),
        oc::ObserverSettings::with_histogram(oc::RangeSearch::percentile),
        oc::ObserverSettings::with_histogram(oc::RangeSearch::mean_squared_error),
        oc::ObserverSettings::with_histogram(oc::RangeSearch::entropy)})
    all.push_back(oc::make_observer(settings, "tensor_9", channels, scheme));
  return all;
}

std::string error_of(auto call) {
  try {
    call();
  } catch (const oc::Error& error) {
    return error.what();
  }
  return "no error";
}

// A user's observer: the widest batch counts.
class WidestObserver final : public oc::RangeObserver {
 public:
  using RangeObserver::RangeObserver;
  [[nodiscard]] std::string_view kind() const override { return "widest"; }
  [[nodiscard]] std::unique_ptr<oc::Observer> clone() const override { return std::make_unique<WidestObserver>(*this); }

 protected:
  [[nodiscard]] oc::Range combine(oc::Range seen, oc::Range next, bool first) const override {
    return first || next.high - next.low > seen.high - seen.low ? next : seen;
  }
};
static_assert(oc::ObserverType<WidestObserver> && oc::ObserverType<oc::HistogramObserver>);
static_assert(!oc::ObserverType<int> && !oc::ObserverType<oc::Observer>);

}  // namespace

TEST_CASE("find_range: every length, and the index of what is not finite") {
  oc::Rng random(41);
  for (std::size_t n = 1; n < 100; ++n) {
    const std::vector<float> values = normal_values(random, n);
    REQUIRE(oc::find_range(values, "t") == extremes(values));
    for (const float bad :
         {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      std::vector<float> spoiled = values;
      const std::size_t at = random.below(n);
      spoiled[at] = bad;
      const std::string text = error_of([&] { static_cast<void>(oc::find_range(spoiled, "relu_4")); });
      REQUIRE(text.find("'relu_4'") != std::string::npos);
      REQUIRE(text.find("index " + std::to_string(at) + " ") != std::string::npos);
    }
  }
  CHECK(error_of([] { static_cast<void>(oc::find_range({}, "relu_4")); }).find("'relu_4'") != std::string::npos);
}

TEST_CASE("find_channel_ranges: any axis") {
  oc::Rng random(42);
  for (int i = 0; i < 200; ++i) {
    const oc::Shape shape = {static_cast<std::int64_t>(1 + random.below(6)),
                             static_cast<std::int64_t>(1 + random.below(40)),
                             static_cast<std::int64_t>(1 + random.below(40))};
    const oc::ChannelLayout layout = oc::channel_layout(shape, static_cast<int>(random.below(3)), "t");
    std::vector<float> values = normal_values(random, layout.size());
    std::vector<oc::Range> ranges(layout.channels);
    oc::find_channel_ranges(values, layout, "t", ranges);
    for (std::size_t c = 0; c < layout.channels; ++c) {
      std::vector<float> channel;
      for (std::size_t j = 0; j < values.size(); ++j)
        if (j / layout.inner % layout.channels == c) channel.push_back(values[j]);
      REQUIRE(ranges[c] == extremes(channel));
    }
    values[random.below(values.size())] = std::nanf("");
    REQUIRE_THROWS_AS(oc::find_channel_ranges(values, layout, "t", ranges), oc::Error);
  }
}

TEST_CASE("min_max, last_value and all_values") {
  oc::MinMaxObserver min_max("a");
  oc::LastValueObserver last("a");
  oc::AllValuesObserver all("a");
  const std::vector<float> first = {1.0F, 2.0F}, second = {0.5F, 1.5F};
  for (oc::Observer* observer :
       {static_cast<oc::Observer*>(&min_max), static_cast<oc::Observer*>(&last), static_cast<oc::Observer*>(&all)}) {
    observer->observe(first);
    observer->observe(second);
    CHECK(observer->batches() == 2);
    CHECK(observer->staleness() == 0.0);
  }
  CHECK(min_max.range() == oc::Range{0.5F, 2.0F});
  CHECK(last.range() == oc::Range{0.5F, 1.5F});
  CHECK(all.range() == oc::Range{0.0F, 2.0F});
}

TEST_CASE("moving average: three starts") {
  oc::MovingAverageObserver first("a", 1, {0.9, oc::AverageStart::first_batch, {}});
  first.observe_range(-1.0F, 2.0F);
  CHECK(first.range() == oc::Range{-1.0F, 2.0F});
  CHECK(first.staleness() == 1.0);
  first.observe_range(-3.0F, 4.0F);
  CHECK(first.range().low == doctest::Approx(-1.2));
  CHECK(first.range().high == doctest::Approx(2.2));
  CHECK(first.staleness() == doctest::Approx(0.9));

  oc::MovingAverageObserver debiased("a", 1, {0.9, oc::AverageStart::zero_debias, {}});
  debiased.observe_range(-1.0F, 2.0F);
  CHECK(debiased.range().low == doctest::Approx(-1.0));
  debiased.observe_range(-3.0F, 4.0F);
  CHECK(debiased.range().low == doctest::Approx((-1.0 * 0.9 - 3.0) / 1.9));
  CHECK(debiased.range().high == doctest::Approx((2.0 * 0.9 + 4.0) / 1.9));
  CHECK(debiased.staleness() == 0.0);

  oc::MovingAverageObserver positive("a");
  positive.observe_range(2.0F, 3.0F);  // 0 belongs to every grid
  CHECK(positive.range() == oc::Range{0.0F, 3.0F});
  CHECK_THROWS_AS(oc::MovingAverageObserver("a", 1, {1.0, oc::AverageStart::first_batch, {}}), oc::Error);
}

// What a momentum of 0.999 from a fixed start means: 0.999^438 and log(0.01) / log(0.999).
TEST_CASE("TFMOT's average: after 438 steps 64.5 % of the start is left, and 1 % takes 4,603 steps") {
  oc::MovingAverageObserver average("relu", 1, oc::MovingAverageSettings::tfmot());
  CHECK(average.staleness() == 1.0);
  float expected_low = -6.0F;
  int steps = 0;
  for (; steps < 438; ++steps) {
    average.observe_range(0.0F, 6.0F);
    expected_low = expected_low - (expected_low - 0.0F) * (1.0F - 0.999F);
  }
  CHECK(average.staleness() == doctest::Approx(0.645).epsilon(0.001));
  CHECK(average.range().low == doctest::Approx(-3.87).epsilon(0.001));
  CHECK(average.range().low == doctest::Approx(expected_low).epsilon(1e-3));
  CHECK(average.range().high == doctest::Approx(6.0));
  for (; average.staleness() > 0.01; ++steps) average.observe_range(0.0F, 6.0F);
  CHECK(steps == 4603);
}

TEST_CASE("every kind: an error names the tensor, and leaves the state alone") {
  for (const auto& observer : every_kind(1)) {
    CAPTURE(observer->kind());
    CHECK(error_of([&] { static_cast<void>(observer->range()); }).find("'tensor_9'") != std::string::npos);
    std::vector<float> values = {1.0F, -2.0F, 3.0F};
    observer->observe(values);
    const oc::Range before = observer->range();
    const std::vector<double> state = observer->state();
    values[1] = std::nanf("");
    const std::string text = error_of([&] { observer->observe(values); });
    CHECK(text.find("'tensor_9'") != std::string::npos);
    CHECK(text.find("index 1") != std::string::npos);
    CHECK(error_of([&] { observer->observe(std::span<const float>()); }) ==
          "tensor 'tensor_9': no values to take a range of");
    CHECK_THROWS_AS(observer->observe_range(1.0F, 0.0F), oc::Error);
    CHECK_THROWS_AS(observer->observe_range(std::nanf(""), 0.0F), oc::Error);
    CHECK_THROWS_AS(observer->observe(values, {1, 3, 1}), oc::Error);
    CHECK_THROWS_AS(static_cast<void>(observer->range(1)), oc::Error);
    CHECK(observer->state() == state);
    CHECK(observer->range() == before);
    if (observer->needs_values())
      CHECK(error_of([&] { observer->observe_range(0, 1); }).find("'tensor_9'") != std::string::npos);
    observer->reset();
    CHECK(observer->empty());
    CHECK_THROWS_AS(static_cast<void>(observer->range()), oc::Error);
  }
}

TEST_CASE("every kind: observe_range equals observe, states and clones continue exactly") {
  oc::Rng random(43);
  for (const std::size_t channels : {std::size_t{1}, std::size_t{3}})
    for (const auto& observer : every_kind(channels)) {
      CAPTURE(observer->kind());
      const auto by_range = observer->clone();
      const oc::ChannelLayout layout{1, channels, 50};
      for (int i = 0; i < 3; ++i) {
        const std::vector<float> values = normal_values(random, layout.size());
        observer->observe(values, layout);
        if (channels == 1 && !observer->needs_values()) {
          const oc::Range range = oc::find_range(values, "t");
          by_range->observe_range(range.low, range.high);
          CHECK(by_range->state() == observer->state());
        }
      }
      const auto copy = observer->clone();
      const auto restored = observer->clone();
      restored->reset();
      restored->set_state(observer->state());
      const std::vector<float> more = normal_values(random, layout.size(), 1.0F);
      for (oc::Observer* o : {observer.get(), copy.get(), restored.get()}) o->observe(more, layout);
      for (std::size_t c = 0; c < channels; ++c) {
        CHECK(copy->range(c) == observer->range(c));
        CHECK(restored->range(c) == observer->range(c));
      }
      CHECK(restored->batches() == 4);
      CHECK(restored->state() == observer->state());

      std::vector<double> damaged = observer->state();
      damaged.pop_back();
      CHECK(error_of([&] { restored->set_state(damaged); }).find("'tensor_9'") != std::string::npos);
      damaged = observer->state();
      damaged.push_back(0.0);
      CHECK_THROWS_AS(restored->set_state(damaged), oc::Error);
      damaged = observer->state();
      damaged[0] = std::nan("");
      CHECK_THROWS_AS(restored->set_state(damaged), oc::Error);
      CHECK_THROWS_AS(restored->set_state({}), oc::Error);
      CHECK(restored->state() == observer->state());
    }
}

TEST_CASE("every kind: two observers of two halves merge into one of the whole") {
  oc::Rng random(44);
  for (const std::size_t channels : {std::size_t{1}, std::size_t{2}})
    for (const auto& whole : every_kind(channels)) {
      CAPTURE(whole->kind());
      const auto first = whole->clone(), second = whole->clone();
      const oc::ChannelLayout layout{1, channels, 40};
      for (int i = 0; i < 10; ++i) {
        const std::vector<float> values = normal_values(random, layout.size(), 0.2F, 1.0F + static_cast<float>(i));
        whole->observe(values, layout);
        (i < 4 ? first : second)->observe(values, layout);
      }
      first->merge(*second);
      CHECK(first->batches() == whole->batches());
      if (whole->kind() == "moving_average") {
        for (std::size_t c = 0; c < channels; ++c) {
          CHECK(first->range(c).low == doctest::Approx(whole->range(c).low).epsilon(1e-6));
          CHECK(first->range(c).high == doctest::Approx(whole->range(c).high).epsilon(1e-6));
        }
        CHECK(first->staleness() == doctest::Approx(whole->staleness()));
      } else {
        CHECK(first->state() == whole->state());  // exactly
      }
      const auto empty = whole->clone();
      empty->reset();
      const std::vector<double> before = first->state();
      first->merge(*empty);
      CHECK(first->state() == before);
      empty->merge(*first);
      CHECK(empty->range() == first->range());
      oc::MinMaxObserver other("other", channels + 1);
      CHECK(error_of([&] { first->merge(other); }).find("'tensor_9'") != std::string::npos);
    }
  oc::MovingAverageObserver a("a"), b("a", 1, oc::MovingAverageSettings::tfmot());
  a.observe_range(0, 1), b.observe_range(0, 1);
  CHECK_THROWS_AS(a.merge(b), oc::Error);
  oc::HistogramObserver c("c", 1, {.bins = 64}), d("c");
  const std::vector<float> values = {1.0F, 2.0F};
  c.observe(values), d.observe(values);
  CHECK(error_of([&] { c.merge(d); }).find("'c'") != std::string::npos);
}

TEST_CASE("a user's observer is one class with one rule") {
  const auto observer = oc::make_observer(oc::ObserverSettings::of<WidestObserver>(), "mine", 1, oc::TensorScheme{});
  observer->observe_range(0.0F, 1.0F);
  observer->observe_range(-3.0F, 2.0F);
  observer->observe_range(0.0F, 2.0F);
  CHECK(observer->range() == oc::Range{-3.0F, 2.0F});
  CHECK(observer->name() == "mine");
  CHECK(observer->kind() == "widest");
  oc::ObserverSettings broken;
  broken.kind = oc::ObserverKind::custom;
  CHECK_THROWS_AS(static_cast<void>(oc::make_observer(broken, "mine", 1, oc::TensorScheme{})), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::make_observer({}, "mine", 2, oc::TensorScheme{})), oc::Error);
  CHECK_THROWS_AS(oc::MinMaxObserver("mine", 0), oc::Error);
  for (const auto kind : {oc::ObserverKind::min_max, oc::ObserverKind::histogram, oc::ObserverKind::custom})
    CHECK(oc::observer_kind_from_name(oc::name_of(kind)) == kind);
  CHECK_THROWS_AS(static_cast<void>(oc::observer_kind_from_name("median")), oc::Error);
}
