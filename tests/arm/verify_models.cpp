// tests/arm/verify_models.cpp: what write_models saved on another machine, computed here: every byte is the same.
//   verify_models <folder>   at every instruction-set level that this CPU has
#include <iostream>
#include <octavo/runtime.hpp>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    for (const octavo::Isa isa : octavo::kAllIsas) {
      if (!octavo::force_isa(isa)) continue;
      for (const char* name : {"nearest_even_f32", "tflite_double", "tflite_single", "int4"}) {
        const octavo::Model model = octavo::load(std::string(argv[1]) + "/" + name, {.verify = true});
        std::cout << octavo::name_of(isa) << ", " << name << ": the same bytes\n";
      }
    }
    return 0;
  } catch (const octavo::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
