// tests/unit/core_shape_test.cpp: Shape, Error's text, and aligned storage.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <octavo/core/aligned.hpp>
#include <octavo/core/error.hpp>
#include <octavo/core/shape.hpp>
#include <string>
#include <vector>

namespace oc = octavo;

TEST_CASE("fail and require write all parts into the text") {
  CHECK_THROWS_WITH_AS(oc::fail("conv '", "stem", "': expected rank ", 4, ", found ", 3),
                       "conv 'stem': expected rank 4, found 3", oc::Error);
  CHECK_NOTHROW(oc::require(true, "never"));
  CHECK_THROWS_WITH_AS(oc::require(false, 1.5F, '/', 2), "1.5/2", oc::Error);
}

TEST_CASE("a shape counts, compares and prints") {
  const oc::Shape shape{2, 224, 224, 3};
  CHECK(shape.rank() == 4);
  CHECK(shape.size() == 2 * 224 * 224 * 3);
  CHECK(shape[3] == 3);
  CHECK(shape.back() == 3);
  CHECK(shape.to_string() == "2x224x224x3");
  CHECK(shape.with_batch(7) == oc::Shape{7, 224, 224, 3});
  CHECK(shape == oc::Shape{2, 224, 224, 3});
  CHECK(shape != oc::Shape{2, 224, 224});
  CHECK(oc::Shape{} == oc::Shape());
  CHECK(oc::Shape().size() == 1);
  CHECK(oc::Shape().to_string() == "scalar");
  CHECK(oc::Shape{4, 0, 3}.size() == 0);
  const std::vector<std::size_t> extents{5, 6};
  CHECK(oc::Shape(extents.begin(), extents.end()) == oc::Shape{5, 6});
}

TEST_CASE("a bad shape is an error that names it") {
  const oc::Shape shape{2, 3};
  CHECK_THROWS_WITH_AS((void)shape[2], "shape 2x3: no axis 2", oc::Error);
  CHECK_THROWS_WITH_AS((void)oc::Shape().back(), "shape: a scalar has no last axis", oc::Error);
  CHECK_THROWS_WITH_AS((void)shape.with_batch(-3), "shape 2x3: batch -3 is negative", oc::Error);
  CHECK(shape.with_batch(0) == oc::Shape{0, 3});
  CHECK_THROWS_WITH_AS(oc::Shape({1, -2}), "shape: extent -2 is negative", oc::Error);
  CHECK_THROWS_AS(oc::Shape({1, 1, 1, 1, 1, 1, 1}), oc::Error);
  const std::int64_t huge = std::int64_t{1} << 32;
  CHECK(oc::Shape{huge, huge / 4}.size() == std::int64_t{1} << 62);
  CHECK_THROWS_AS((void)oc::Shape({huge, huge}).size(), oc::Error);
}

TEST_CASE("AlignedVector begins at a 64-byte boundary, grows and copies") {
  for (const std::size_t n : {1U, 3U, 64U, 1000U}) {
    oc::AlignedVector<float> values(n, 2.5F);
    CHECK(reinterpret_cast<std::uintptr_t>(values.data()) % oc::kAlignment == 0);
    values.resize(n + 5, 1.0F);
    CHECK(values.front() == 2.5F);
    CHECK(values.back() == 1.0F);
    const oc::AlignedVector<float> copy = values;
    CHECK(copy == values);
    CHECK(reinterpret_cast<std::uintptr_t>(copy.data()) % oc::kAlignment == 0);
  }
}
