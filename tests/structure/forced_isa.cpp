// tests/structure/forced_isa.cpp: is the level that OCTAVO_ISA names the one that kernels run at?
//   forced_isa <level>     0: yes. 77 (skip): this CPU lacks the level, and the library said so.
//   forced_isa --rejected  0: the variable's value was an error that lists the known levels.
#include <iostream>
#include <octavo/core/cpu.hpp>
#include <string>
#include <string_view>

template <octavo::Isa kLevel>
struct NameOfLevel {
  static std::string_view run() { return octavo::name_of(kLevel); }
};

int main(int argc, char** argv) {
  constexpr int skip = 77;
  const std::string expected = argc == 2 ? argv[1] : "";
  try {
    const std::string_view level = octavo::dispatch<NameOfLevel>();
    std::cout << "kernels run at " << level << '\n';
    return level == expected && octavo::name_of(octavo::active_isa()) == expected ? 0 : 1;
  } catch (const octavo::Error& error) {
    std::cout << error.what() << '\n';
    const std::string text = error.what();
    if (expected == "--rejected") return text.find("avx512vnni") != std::string::npos ? 0 : 1;
    for (const octavo::Isa isa : octavo::kAllIsas)
      if (octavo::name_of(isa) == expected) return octavo::cpu_has(isa) ? 1 : skip;
    return 1;
  }
}
