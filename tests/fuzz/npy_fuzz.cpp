// libFuzzer driver: any bytes as a .npy file.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/npy_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=65 -timeout=10 CORPUS ../tests/fuzz/seeds/npy
#include "octavo/io/npy.hpp"

#include <cstddef>
#include <cstdint>

#include "files_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(fuzz::read_npy({data, size}));
  return 0;
}
