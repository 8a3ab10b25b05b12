// tests/consumers/runtime_only/other.cpp: the second file that includes only runtime.hpp.
#include <octavo/runtime.hpp>

bool absent_model_is_refused();

bool absent_model_is_refused() {
  try {
    (void)octavo::load("there-is-no-such-model");
    return false;
  } catch (const octavo::Error&) {
    return true;
  }
}
