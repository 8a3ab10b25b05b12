// libFuzzer driver: any bytes as the manifest.json of a model folder whose weights are there. What is accepted is
// written and read again.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/manifest_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=65 -timeout=10 CORPUS ../tests/fuzz/seeds/manifest
#include <cstddef>
#include <cstdint>

#include "manifest_model.hpp"
// the model first: the target shows what fits the headers above it
#include "files_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(fuzz::read_manifest({data, size}, fuzz::make_model));
  return 0;
}
