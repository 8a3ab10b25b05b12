// octavo/io/tflite.hpp: .tflite models in and out: what TensorFlow Lite, LiteRT and TFLite Micro run.
#ifndef OCTAVO_IO_TFLITE_HPP_
#define OCTAVO_IO_TFLITE_HPP_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "../runtime/model.hpp"
#include "file.hpp"
#include "tflite_export.hpp"
#include "tflite_import.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Whose reference kernels tflite_double follows. They differ in int8 FULLY_CONNECTED, which LiteRT requantizes in
// double and TFLite Micro (and TFLite 2.10) in fixed point; see runtime::Op::in_double.
enum class TfliteKernels : std::uint8_t { litert, micro };

// Sets rounding to tflite_double and every dense layer to those kernels' arithmetic, whatever the program came from.
inline void use_tflite_kernels(runtime::Program& program, TfliteKernels kernels = TfliteKernels::litert) {
  program.rounding = Rounding::tflite_double;
  for (runtime::Op& op : program.ops)
    op.in_double = op.kind == runtime::OpKind::dense && kernels == TfliteKernels::litert;
}

struct TfliteOptions {
  Rounding rounding = Rounding::nearest_even_f32;  // tflite_double: the bytes of TFLite's reference kernels
  runtime::ModelOptions model = {};
};

// Reads a .tflite file; see parse_tflite for what it may hold.
template <class Lazy = void>
[[nodiscard]] runtime::Program load_tflite_program(const std::string& path,
                                                   Rounding rounding = Rounding::nearest_even_f32) {
  const Bytes bytes = read_file(path);
  return parse_tflite(bytes, path, rounding);
}
template <class Lazy = void>
[[nodiscard]] runtime::Model load_tflite(const std::string& path, const TfliteOptions& options = {}) {
  return runtime::Model(load_tflite_program(path, options.rounding), options.model);
}

// Writes a .tflite file, whole or not at all; see to_tflite for what has a form there.
template <class Lazy = void>
void save_tflite(const runtime::Program& program, const std::string& path) {
  write_file(path, std::span<const std::uint8_t>(to_tflite(program)));
}
template <class Lazy = void>
void save_tflite(const runtime::Model& model, const std::string& path) {
  save_tflite(model.program(), path);
}

}  // namespace io

using io::load_tflite;
using io::load_tflite_program;
using io::save_tflite;
using io::TfliteKernels;
using io::TfliteOptions;
using io::use_tflite_kernels;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_HPP_
