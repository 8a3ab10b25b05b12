// tests/fuzz/tflite_target.hpp: what must hold for any bytes given to the .tflite importer.
#ifndef OCTAVO_TESTS_FUZZ_TFLITE_TARGET_HPP_
#define OCTAVO_TESTS_FUZZ_TFLITE_TARGET_HPP_

#include <cstdio>
#include <cstdlib>
#include <span>

#include "allocation_limit.hpp"
#include "octavo/io/tflite.hpp"

namespace fuzz {

[[noreturn]] inline void broken(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// An Error, or a valid program that survives a round trip; never more memory than 10 times the file + 64 MiB. Returns
// whether the bytes were accepted.
inline bool import_tflite(std::span<const std::uint8_t> bytes) {
  octavo::runtime::Program program;
  try {
    const Peak peak;
    try {
      program = octavo::io::parse_tflite(bytes, "input");
    } catch (...) {
      if (peak.bytes() > 10 * bytes.size() + (std::size_t{64} << 20)) broken("the importer allocated too much");
      throw;
    }
    if (peak.bytes() > 10 * bytes.size() + (std::size_t{64} << 20)) broken("the importer allocated too much");
  } catch (const octavo::Error&) {
    return false;
  }
  octavo::AlignedVector<std::uint8_t> written;
  try {
    written = octavo::io::to_tflite(program);
  } catch (const octavo::Error&) {
    return true;  // some programs have no form in TFLite
  }
  const octavo::runtime::Program again = octavo::io::parse_tflite(written, "written");
  if (again.inputs.size() != program.inputs.size() || again.outputs.size() != program.outputs.size())
    broken("the round trip lost an input or output");
  return true;
}

}  // namespace fuzz

#endif  // OCTAVO_TESTS_FUZZ_TFLITE_TARGET_HPP_
