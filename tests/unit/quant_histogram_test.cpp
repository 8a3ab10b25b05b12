// The histogram, whose result must not depend on order or merging, and the range searches on it.
#include <doctest/doctest.h>

#include <octavo/core/rng.hpp>
#include <octavo/quant/fake_quant.hpp>
#include <octavo/quant/observers/histogram.hpp>
#include <octavo/quant/range_search.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace oc = octavo;

namespace {

oc::Histogram histogram_of(std::span<const float> values, std::size_t bins = 2048) {
  oc::Histogram histogram(bins);
  if (!values.empty()) histogram.add(values, oc::find_range(values, "t"));
  return histogram;
}

// Normal values over many magnitudes, with zeros: what makes bins grow.
std::vector<float> mixed_values(oc::Rng& random, std::size_t n) {
  std::vector<float> values(n);
  const int exponent = static_cast<int>(random.below(60)) - 40;
  const bool positive = random.below(2) == 0;
  for (float& x : values) {
    x = random.below(5) == 0 ? 0.0F : std::ldexp(random.normal(), exponent - static_cast<int>(random.below(4)));
    if (positive) x = std::abs(x);
  }
  return values;
}

double mean_squared_error(std::span<const float> values, const oc::Grid& grid) {
  double sum = 0.0;
  for (const float x : values) {
    const double difference = static_cast<double>(x) - static_cast<double>(oc::fake_quantize(x, grid, oc::Ties::even));
    sum += difference * difference;
  }
  return sum / static_cast<double>(values.size());
}

constexpr oc::TensorScheme kActivation = oc::AsymmetricActivations<8>::kDescriptor;

}  // namespace

TEST_CASE("each value is in its bin, and the bins are as narrow as they may be") {
  oc::Rng random(51);
  for (int i = 0; i < 300; ++i) {
    const std::size_t bins = std::size_t{2} << random.below(11);
    const std::vector<float> values = mixed_values(random, 1 + random.below(300));
    const oc::Histogram histogram = histogram_of(values, bins);
    REQUIRE(histogram.counts().size() <= bins);
    std::vector<std::uint64_t> expected(histogram.counts().size(), 0);
    std::uint64_t zeros = 0;
    for (const float x : values) {
      // Both quotients are exact: the width is a power of two.
      const double bin = std::floor(static_cast<double>(x) / histogram.width());
      const auto index = static_cast<std::size_t>(bin - histogram.left_edge(0) / histogram.width());
      ++expected.at(index);
      zeros += x == 0.0F ? 1 : 0;
    }
    REQUIRE(std::equal(expected.begin(), expected.end(), histogram.counts().begin()));
    REQUIRE(histogram.total() == values.size());
    REQUIRE(histogram.zeros() == zeros);
    REQUIRE(histogram.range() == oc::find_range(values, "t"));
    const double half = histogram.width() / 2.0;
    const double needed = std::floor(static_cast<double>(histogram.range().high) / half) -
                          std::floor(static_cast<double>(histogram.range().low) / half) + 1.0;
    const double finest = std::max(std::abs(histogram.range().low), std::abs(histogram.range().high)) * 0x1p-23;
    REQUIRE((needed > static_cast<double>(bins) || histogram.width() <= finest || finest == 0.0));
  }
}

TEST_CASE("batches, order and merging do not change the histogram") {
  oc::Rng random(52);
  for (int i = 0; i < 300; ++i) {
    std::vector<std::vector<float>> batches(1 + random.below(6));
    std::vector<float> all;
    for (auto& batch : batches) {
      batch = mixed_values(random, 1 + random.below(100));
      all.insert(all.end(), batch.begin(), batch.end());
    }
    const oc::Histogram whole = histogram_of(all, 64);
    random.shuffle(batches.begin(), batches.end());
    oc::Histogram streamed(64), first(64), second(64);
    for (std::size_t b = 0; b < batches.size(); ++b) {
      streamed.add(batches[b], oc::find_range(batches[b], "t"));
      (b % 2 == 0 ? first : second).add(batches[b], oc::find_range(batches[b], "t"));
    }
    REQUIRE(streamed == whole);
    oc::Histogram ab = first, ba = second;
    ab.merge(second), ba.merge(first);
    REQUIRE(ab == whole);
    REQUIRE(ba == whole);
  }
  oc::Histogram small(64), large(128);
  CHECK_THROWS_AS(small.merge(large), oc::Error);
  CHECK_THROWS_AS(oc::Histogram(1), oc::Error);
}

TEST_CASE("extreme values: constants, zeros, the largest and the smallest floats") {
  const float largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::denorm_min();
  for (const std::vector<float>& values :
       {std::vector<float>{0.0F, 0.0F}, std::vector<float>{7.5F, 7.5F, 7.5F}, std::vector<float>{-largest, largest},
        std::vector<float>{-smallest, smallest}, std::vector<float>{-smallest, largest},
        std::vector<float>{smallest, 1.0F}}) {
    const oc::Histogram histogram = histogram_of(values);
    std::uint64_t sum = 0;
    for (const std::uint64_t count : histogram.counts()) sum += count;
    CHECK(sum == values.size());
    CHECK(oc::percentile_range(histogram, 100.0) == oc::find_range(values, "t"));
    oc::Histogram other = histogram_of(std::vector<float>{1.0F, -2.0F});
    other.merge(histogram);
    CHECK(other.total() == values.size() + 2);
  }
}

TEST_CASE("the state is exact, and damage is an error") {
  oc::Rng random(53);
  const oc::Histogram histogram = histogram_of(mixed_values(random, 1000));
  std::vector<double> numbers;
  histogram.write(numbers);
  numbers.push_back(42.0);  // the next histogram's
  oc::Histogram restored;
  CHECK(restored.read(numbers, "t") == numbers.size() - 1);
  CHECK(restored == histogram);
  for (std::size_t i = 0; i < 8; ++i)
    for (const double bad : {std::nan(""), 1e300, -5.0, numbers[i] + 0.5}) {
      std::vector<double> damaged = numbers;
      damaged[i] = bad;
      if (i == 4 || i == 5) {  // a range end that still gives the same bins cannot be told from a good one
        if (!(std::abs(bad) > 1e30)) continue;
      }
      CHECK_THROWS_AS(static_cast<void>(restored.read(damaged, "t")), oc::Error);
    }
  CHECK_THROWS_AS(static_cast<void>(restored.read(std::span(numbers).first(20), "t")), oc::Error);
  CHECK(restored == histogram);
}

TEST_CASE("percentile: cuts the same share from both ends, to within a bin") {
  oc::Rng random(54);
  std::vector<float> values(100000);
  for (float& x : values) x = random.normal();
  const oc::Histogram histogram = histogram_of(values);
  std::sort(values.begin(), values.end());
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    const oc::Range range = oc::percentile_range(histogram, percentile);
    const auto cut = static_cast<std::size_t>((100.0 - percentile) / 200.0 * static_cast<double>(values.size()));
    CHECK(range.low == doctest::Approx(values[cut]).epsilon(0.01));
    CHECK(std::abs(range.low - values[cut]) <= static_cast<float>(2.0 * histogram.width()));
    CHECK(std::abs(range.high - values[values.size() - 1 - cut]) <= static_cast<float>(2.0 * histogram.width()));
  }
  CHECK(oc::percentile_range(histogram, 100.0) == oc::Range{values.front(), values.back()});
  CHECK_THROWS_AS(static_cast<void>(oc::percentile_range(histogram, 0.0)), oc::Error);
  CHECK_THROWS_AS(static_cast<void>(oc::percentile_range(histogram, 100.5)), oc::Error);
  // A ReLU output: more zeros than the cut, so the lower end stays 0.
  for (float& x : values) x = std::max(x, 0.0F);
  CHECK(oc::percentile_range(histogram_of(values), 99.0).low <= static_cast<float>(histogram.width()));
}

TEST_CASE("quantization_error is the mean squared error of the values themselves") {
  oc::Rng random(55);
  std::vector<float> values(50000);
  for (float& x : values) x = std::max(random.normal(), 0.0F);
  const oc::Histogram histogram = histogram_of(values);
  for (const float high : {0.5F, 1.0F, 2.0F, 3.0F, 4.5F})
    for (int bits = 2; bits <= 8; ++bits) {
      const oc::Grid grid = oc::grid_from_range({0.0F, high}, {.bits = bits}, "t");
      CHECK(oc::quantization_error(histogram, grid) == doctest::Approx(mean_squared_error(values, grid)).epsilon(0.02));
    }
  // Values that are exactly 0 have no error, however wide their bin (here 1/4).
  std::vector<float> sparse(1000, 0.0F);
  sparse[0] = 511.9F;
  const oc::Grid thirds = oc::grid_from_range({0.0F, 512.0F}, {.bits = 2}, "t");
  CHECK(oc::quantization_error(histogram_of(sparse), thirds) < 1e-4);
  // Spread evenly over [0, 1), with steps far coarser than the bins: step^2 / 12.
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (static_cast<float>(i) + 0.5F) / 50000.0F;
  const oc::Grid fifteenths = oc::grid_from_range({0.0F, 1.0F}, {.bits = 4}, "t");
  CHECK(oc::quantization_error(histogram_of(values), fifteenths) == doctest::Approx(1.0 / 225.0 / 12.0).epsilon(1e-3));
}

TEST_CASE("least squares: no worse than any range of a fine grid of candidates, and outliers are cut") {
  oc::Rng random(56);
  std::vector<float> values(20000);
  for (float& x : values) x = random.normal();
  values[0] = 40.0F, values[1] = -25.0F;
  const oc::Histogram histogram = histogram_of(values);
  for (const int bits : {3, 4, 8}) {
    const oc::TensorScheme scheme{.bits = bits};
    const oc::Range found = oc::least_squares_range(histogram, scheme);
    const double error = mean_squared_error(values, oc::grid_from_range(found, scheme, "t"));
    double best = std::numeric_limits<double>::infinity();
    for (float low = -25.0F; low < 0.0F; low += 1.0F)
      for (float high = 1.0F; high <= 40.0F; high += 1.0F)
        best = std::min(best, oc::quantization_error(histogram, oc::grid_from_range({low, high}, scheme, "t")));
    CAPTURE(bits);
    CAPTURE(found.low);
    CAPTURE(found.high);
    CHECK(error <= 1.1 * best);
    CHECK(error < mean_squared_error(values, oc::grid_from_range(histogram.range(), scheme, "t")));
    if (bits <= 4) CHECK(found.high < 10.0F);
  }
  // Symmetric weights, and values of one sign.
  const oc::TensorScheme weights = oc::SymmetricWeights<4, oc::kPerTensor>::kDescriptor;
  CHECK(oc::least_squares_range(histogram, weights).high < 10.0F);
  for (float& x : values) x = -std::abs(x);
  CHECK(oc::least_squares_range(histogram_of(values), {.bits = 4}).high == 0.0F);
  CHECK(oc::least_squares_range(histogram_of(std::vector<float>{0.0F}), kActivation) == oc::Range{0.0F, 0.0F});
}

TEST_CASE("clipping_divergence: by hand, and 0 where nothing is lost") {
  // Eight bins of width 1: counts 4 4 2 0 1 3 0 2.
  std::vector<float> values;
  const int counts[] = {4, 4, 2, 0, 1, 3, 0, 2};
  for (int bin = 0; bin < 8; ++bin)
    for (int i = 0; i < counts[bin]; ++i) values.push_back(static_cast<float>(bin) + (bin == 7 ? 0.9F : 0.5F));
  const oc::Histogram histogram = histogram_of(values, 8);
  REQUIRE(histogram.counts().size() == 8);
  REQUIRE(histogram.counts()[0] == 4);
  CHECK(oc::clipping_divergence(histogram, 0, 8, 8) == doctest::Approx(0.0));
  // All bins in two groups: (4 4 2 0) -> 10/3 each, (1 3 0 2) -> 2 each.
  const double q = 10.0 / 3.0;
  const double expected =
      (8.0 * std::log(4.0 / q) + 2.0 * std::log(2.0 / q) + std::log(0.5) + 3.0 * std::log(1.5)) / 16.0;
  CHECK(oc::clipping_divergence(histogram, 0, 8, 2) == doctest::Approx(expected));
  // The first two bins alone: 8 of 16 values are clipped into the second.
  const double clipped = 0.25 * std::log(0.25 / 0.5) + 0.75 * std::log(0.75 / 0.5);
  CHECK(oc::clipping_divergence(histogram, 0, 2, 2) == doctest::Approx(clipped));
  // Four bins, the last one empty: it receives 6 clipped values against half a one.
  const double onto_empty =
      (8.0 * std::log(4.0 / 16.0 / 0.4) + 2.0 * std::log(2.0 / 16.0 / 0.2) + 6.0 * std::log(6.0 / 16.0 / 0.05)) / 16.0;
  CHECK(oc::clipping_divergence(histogram, 0, 4, 4) == doctest::Approx(onto_empty));
  CHECK_THROWS_AS(static_cast<void>(oc::clipping_divergence(histogram, 4, 5, 4)), oc::Error);
}

TEST_CASE("entropy: keeps a flat distribution whole and cuts far outliers") {
  oc::Rng random(57);
  std::vector<float> values(100000);
  for (float& x : values) x = random.uniform();
  CHECK(oc::entropy_range(histogram_of(values), kActivation).high > 0.98F);
  for (float& x : values) x = std::abs(random.normal());
  values[0] = 30.0F;
  const oc::Range one_sided = oc::entropy_range(histogram_of(values), kActivation);
  CHECK(one_sided.low == 0.0F);
  CHECK(one_sided.high > 2.0F);
  CHECK(one_sided.high < 15.0F);
  for (float& x : values) x = random.normal();
  values[0] = 30.0F;
  const oc::Range both = oc::entropy_range(histogram_of(values), kActivation);
  CHECK(both.low < -3.0F);
  CHECK(both.high > 2.0F);
  CHECK(both.high < 15.0F);
  // What a ReLU leaves: zeros, however many, do not narrow the range.
  for (float& x : values) x = std::abs(random.normal());
  const float without = oc::entropy_range(histogram_of(values), kActivation).high;
  values.resize(5 * values.size(), 0.0F);
  CHECK(oc::entropy_range(histogram_of(values), kActivation).high == without);
  // Fewer bins than codes: nothing to gain.
  CHECK(oc::entropy_range(histogram_of(std::vector<float>{0.0F, 1.0F}, 16), kActivation) == oc::Range{0.0F, 1.0F});
}

TEST_CASE("the observer by channel: any axis, and each search") {
  oc::Rng random(58);
  const oc::ChannelLayout layout{500, 3, 2};
  std::vector<float> values(layout.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = random.normal() * std::ldexp(1.0F, static_cast<int>(i / 2 % 3));
  for (const auto search : {oc::RangeSearch::none, oc::RangeSearch::percentile, oc::RangeSearch::mean_squared_error,
                            oc::RangeSearch::entropy}) {
    oc::HistogramObserver observer("w", 3, {.search = search, .percentile = 99.0, .scheme = {.bits = 4, .axis = 1}});
    observer.observe(values, layout);
    for (std::size_t c = 0; c < 3; ++c) {
      std::vector<float> channel;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (i / 2 % 3 == c) channel.push_back(values[i]);
      CHECK(observer.histogram(c) == histogram_of(channel));
      oc::HistogramObserver alone("w", 1, observer.settings());
      alone.observe(channel);
      CHECK(observer.range(c) == alone.range());
      const oc::Range full = observer.histogram(c).range();
      CHECK(observer.range(c).low >= full.low);
      CHECK(observer.range(c).high <= full.high);
    }
  }
  CHECK_THROWS_AS(oc::HistogramObserver("w", 1, {.percentile = 0.0}), oc::Error);
  CHECK_THROWS_AS(oc::HistogramObserver("w", 1, {.scheme = {.bits = 1}}), oc::Error);
}

TEST_CASE("a search that fails names the observer's tensor") {
  oc::HistogramObserver observer("conv_7", 1, {.search = oc::RangeSearch::mean_squared_error});
  observer.observe(std::vector<float>{-3e38F, 3e38F});
  std::string text;
  try {
    static_cast<void>(observer.range());
  } catch (const oc::Error& error) {
    text = error.what();
  }
  CHECK_MESSAGE(text.find("tensor 'conv_7': range [") == 0, text);
}
