// tests/unit/core_tensor_test.cpp: Tensor and its few helpers.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <octavo/core/tensor.hpp>

namespace oc = octavo;

TEST_CASE("a tensor is row-major, aligned, and has the shape it was asked for") {
  oc::Tensor tensor = oc::make_tensor({2, 3, 5}, 0.5F);
  CHECK(oc::shape_of(tensor) == oc::Shape{2, 3, 5});
  CHECK(oc::values(tensor).size() == 30);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % oc::kAlignment == 0);
  CHECK(std::all_of(tensor.data(), tensor.data() + 30, [](float value) { return value == 0.5F; }));
  oc::values(tensor)[(1 * 3 + 2) * 5 + 4] = 7.0F;
  CHECK(tensor(1, 2, 4) == 7.0F);
  const oc::Tensor& constant = tensor;
  CHECK(oc::values(constant).back() == 7.0F);
}

TEST_CASE("reshape_to keeps the values of an equal shape and changes the extents of another") {
  oc::Tensor tensor = oc::make_tensor({4, 2}, 3.0F);
  const float* before = tensor.data();
  oc::reshape_to(tensor, {4, 2});
  CHECK(tensor.data() == before);
  CHECK(tensor(3, 1) == 3.0F);
  oc::reshape_to(tensor, {1, 7, 7, 2});
  CHECK(oc::shape_of(tensor) == oc::Shape{1, 7, 7, 2});
  CHECK(oc::values(tensor).size() == 98);
  oc::reshape_to(tensor, oc::Shape{});
  CHECK(oc::values(tensor).size() == 1);
}
