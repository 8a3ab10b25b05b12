// tests/unit/core_cpu_test.cpp: instruction-set levels, their order, force_isa and dispatch.
#include <doctest/doctest.h>

#include <octavo/core/cpu.hpp>

namespace oc = octavo;

namespace {

template <oc::Isa kLevel>
struct Level {
  static oc::Isa run(int& calls) {
    ++calls;
    return kLevel;
  }
};

}  // namespace

TEST_CASE("the fallbacks end at scalar, and a CPU with a level has its fallback") {
  for (const oc::Isa isa : oc::kAllIsas) {
    CAPTURE(oc::name_of(isa));
    oc::Isa at = isa;
    for (int steps = 0; at != oc::Isa::scalar; ++steps) {
      REQUIRE(steps < 4);
      CHECK(oc::fallback_of(at) < at);
      if (oc::cpu_has(at)) CHECK(oc::cpu_has(oc::fallback_of(at)));
      at = oc::fallback_of(at);
    }
  }
  CHECK(oc::fallback_of(oc::Isa::scalar) == oc::Isa::scalar);
  CHECK(oc::cpu_has(oc::Isa::scalar));
}

TEST_CASE("dispatch runs the forced level; a level that the CPU lacks changes nothing") {
  const oc::Isa before = oc::active_isa();
  CHECK(oc::cpu_has(before));
  int calls = 0, levels = 0;
  for (const oc::Isa isa : oc::kAllIsas) {
    CAPTURE(oc::name_of(isa));
    const oc::Isa current = oc::active_isa();
    if (oc::force_isa(isa)) {
      ++levels;
      CHECK(oc::cpu_has(isa));
      CHECK(oc::active_isa() == isa);
      CHECK(oc::dispatch<Level>(calls) == isa);
    } else {
      CHECK_FALSE(oc::cpu_has(isa));
      CHECK(oc::active_isa() == current);
    }
  }
  CHECK(levels >= 1);
  CHECK(calls == levels);
  oc::force_isa(before);
}
