// libFuzzer driver: any bytes as an ONNX model, into a graph and into a program. What is no model must be an Error;
// what is one is written again and read again, with the same operators.
//
//   cmake -DOCTAVO_FUZZERS=ON -DCMAKE_CXX_COMPILER=clang++ ...; tests/onnx_fuzz -runs=100000 -max_len=8192
//     -malloc_limit_mb=65 -timeout=10 CORPUS ../tests/fuzz/seeds/onnx
#include <cstdint>
#include <cstdlib>
#include <string>

#include "octavo/io/onnx.hpp"

namespace {

using namespace octavo;

void import_model(const io::Bytes& bytes) {
  try {
    (void)io::parse_onnx_graph(bytes, "fuzz");
  } catch (const Error&) {
  }
  try {
    const runtime::Program program = io::parse_onnx(bytes, "fuzz");
    std::string text;
    try {
      text = io::onnx::export_program(program, {});
    } catch (const Error&) {  // an operator that ONNX does not have
      return;
    }
    const auto* first = reinterpret_cast<const std::uint8_t*>(text.data());
    const runtime::Program again = io::parse_onnx(io::Bytes(first, first + text.size()), "again");
    if (again.outputs.size() != program.outputs.size()) std::abort();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  import_model(io::Bytes(data, data + size));
  return 0;
}
