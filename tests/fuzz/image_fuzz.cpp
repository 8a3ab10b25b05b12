// libFuzzer driver: any bytes as a JPEG, PNG or BMP file.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/image_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=512 -timeout=10 CORPUS ../tests/fuzz/seeds/image
#include "octavo/data/image.hpp"

#include <cstddef>
#include <cstdint>

#include "files_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(fuzz::read_image({data, size}));
  return 0;
}
