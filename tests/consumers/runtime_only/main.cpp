// tests/consumers/runtime_only/main.cpp: one of two files that include only runtime.hpp.
#include <cstdio>
#include <octavo/runtime.hpp>

bool absent_model_is_refused();

#if defined(EIGEN_WORLD_VERSION) || defined(XTENSOR_VERSION_MAJOR) || defined(NLOHMANN_JSON_VERSION_MAJOR) || \
    defined(_OPENMP)
#error "runtime.hpp brings in more than the standard library"
#endif

int main() {
  octavo::force_isa(octavo::Isa::scalar);
  if (octavo::active_isa() != octavo::Isa::scalar) return 1;
  return absent_model_is_refused() ? 0 : 2;
}
