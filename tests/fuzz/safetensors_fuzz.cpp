// libFuzzer driver: any bytes as a safetensors file. What is no such file must be an Error; what is one is written
// again, and both files hold the same arrays.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/safetensors_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=65 -timeout=10 CORPUS ../tests/fuzz/seeds/safetensors
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "octavo/io/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace octavo;
  try {
    const io::SafeTensors file(io::Bytes(data, data + size), "fuzz");
    std::vector<io::NamedView> views;
    for (const auto& [name, array] : file.arrays()) {
      (void)io::to_floats(array);
      if (array.type != io::ElementType::f16 && array.type != io::ElementType::bf16) views.push_back({name, array});
    }
    std::map<std::string, std::string> metadata(file.metadata().begin(), file.metadata().end());
    io::Bytes written;
    io::write_safetensors_to(views, metadata, [&](std::span<const std::uint8_t> piece) {
      written.insert(written.end(), piece.begin(), piece.end());
    });
    const io::SafeTensors again(std::move(written), "again");
    if (again.arrays().size() != views.size() || again.metadata().size() != metadata.size()) std::abort();
    for (const io::NamedView& view : views) {
      const io::ArrayView& copy = again.at(view.name);
      if (copy.type != view.array.type || !(copy.shape == view.array.shape) ||
          !std::equal(copy.bytes.begin(), copy.bytes.end(), view.array.bytes.begin(), view.array.bytes.end()))
        std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
