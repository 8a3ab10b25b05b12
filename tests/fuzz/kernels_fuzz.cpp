// libFuzzer driver of the int8 kernels: every level against the reference, byte for byte. Build and run:
//   clang++ -std=c++20 -O2 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iinclude -Itests/fuzz
//       tests/fuzz/kernels_fuzz.cpp -o kernels_fuzz
//   ./kernels_fuzz -runs=1000000 -max_len=512 -timeout=10 corpus/
#include <cstddef>
#include <cstdint>

#include "kernels_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (fuzz::kernel_call({data, size}) < 0) __builtin_trap();
  return 0;
}
