// libFuzzer driver: any bytes as an IDX file, packed by gzip or not.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/idx_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=65 -timeout=10 CORPUS ../tests/fuzz/seeds/idx
#include "octavo/data/idx.hpp"

#include <cstddef>
#include <cstdint>

#include "files_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(fuzz::read_idx({data, size}));
  return 0;
}
