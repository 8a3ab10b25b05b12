// libFuzzer driver of the .tflite importer. Seeds: tflite_operators FOLDER. Build and run:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iinclude -Itests/fuzz
//       tests/fuzz/tflite_fuzz.cpp -o tflite_fuzz
//   ./tflite_fuzz -runs=100000 -timeout=10 corpus/ seeds/
#include <cstddef>
#include <cstdint>

#include "tflite_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)fuzz::import_tflite({data, size});
  return 0;
}
