// tests/consumers/main.cpp: one of two files that include all of octavo.
#include <cstdio>
#include <octavo/octavo.hpp>

octavo::Isa lower_level();
octavo::Tensor ones();

int main() {
#if defined(EXPECT_OPENMP) && !defined(_OPENMP)
  std::puts("octavo::octavo did not hand on OpenMP's flags");
  return 1;
#endif
  // Both files must mean the same level and the same tensor type.
  const octavo::Isa lowered = lower_level();
  if (lowered != octavo::Isa::scalar || octavo::active_isa() != lowered) return 2;
  const octavo::Tensor tensor = ones();
  return octavo::shape_of(tensor) == octavo::Shape{2, 3} && octavo::values(tensor).back() == 1.0F ? 0 : 3;
}
