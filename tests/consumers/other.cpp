// tests/consumers/other.cpp: the second file that includes all of octavo.
#include <octavo/octavo.hpp>

octavo::Isa lower_level();
octavo::Tensor ones();

octavo::Isa lower_level() {
  octavo::force_isa(octavo::Isa::scalar);
  return octavo::active_isa();
}

octavo::Tensor ones() { return octavo::make_tensor({2, 3}, 1.0F); }
