// octavo/io/onnx.hpp: ONNX models in and out: float graphs to train and quantize, programs to run. Needs protozero.
#ifndef OCTAVO_IO_ONNX_HPP_
#define OCTAVO_IO_ONNX_HPP_

#include <string>
#include <utility>

#include "../compress/convert.hpp"
#include "../compress/export_float.hpp"
#include "../nn/graph.hpp"
#include "../runtime/program.hpp"
#include "onnx_export.hpp"
#include "onnx_graph.hpp"
#include "onnx_lower.hpp"
#include "onnx_parse.hpp"
#include "onnx_program.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// How a model is imported; see onnx::LowerOptions.
using OnnxOptions = onnx::LowerOptions;

// A float model as a graph that can be trained and quantized, its batch norm layers included. Its input and output are
// NHWC where ONNX' are NCHW; nodes have the names of ONNX' nodes. Throws Error naming file, node and operator.
template <class Lazy = void>
[[nodiscard]] nn::Graph load_onnx_graph(const std::string& path, const OnnxOptions& options = {});

// The same from a file in memory; `name` stands in messages.
template <class Lazy = void>
[[nodiscard]] nn::Graph parse_onnx_graph(Bytes bytes, const std::string& name, const OnnxOptions& options = {});

// Any model as a program to run: quantized ones (QDQ, or QLinear operators and com.microsoft's QGemm) in integers,
// float ones with batch norm folded. Rounding is nearest_even_f32, ONNX Runtime's.
template <class Lazy = void>
[[nodiscard]] runtime::Program load_onnx(const std::string& path, const OnnxOptions& options = {});
template <class Lazy = void>
[[nodiscard]] runtime::Program parse_onnx(Bytes bytes, const std::string& name, const OnnxOptions& options = {});

// Writes a program, float or int8, atomically; see onnx::export_program. ONNX Runtime and OpenVINO run it; integer
// operators give the program's codes but where those engines round otherwise (sums, means), by one step.
template <class Lazy = void>
void save_onnx(const runtime::Program& program, const std::string& path, const OnnxExportOptions& options = {}) {
  write_file(path, std::string_view(onnx::export_program<Lazy>(program, options)));
}
// A graph in inference form, batch norm folded; a quantization-aware one as its int8 model.
template <class Lazy = void>
void save_onnx(const nn::Graph& graph, const std::string& path, const OnnxExportOptions& options = {}) {
  save_onnx(graph.quantized() ? compress::convert(graph) : compress::export_float(graph), path, options);
}

namespace detail {

// What a model's constants may take in memory: a file must not ask for much more than it holds.
[[nodiscard]] inline std::size_t onnx_budget(const onnx::Model& model) {
  return 8 * model.total_bytes + (std::size_t{16} << 20);
}

template <class Lazy = void>
nn::Graph onnx_graph(const onnx::Model& model, const OnnxOptions& options) {
  const onnx::Lowered lowered = onnx::lower(model, options);
  try {
    return onnx::make_graph(lowered, onnx_budget(model));
  } catch (const Error& error) {
    fail("'", model.file, "': ", error.what());
  }
}

template <class Lazy = void>
runtime::Program onnx_program(const onnx::Model& model, const OnnxOptions& options) {
  const onnx::Lowered lowered = onnx::lower(model, options);
  try {
    return onnx::make_program(lowered, onnx_budget(model));
  } catch (const Error& error) {
    fail("'", model.file, "': ", error.what());
  }
}

}  // namespace detail

template <class Lazy>
nn::Graph load_onnx_graph(const std::string& path, const OnnxOptions& options) {
  return detail::onnx_graph(onnx::read_model(path), options);
}

template <class Lazy>
nn::Graph parse_onnx_graph(Bytes bytes, const std::string& name, const OnnxOptions& options) {
  return detail::onnx_graph(onnx::parse_model(std::move(bytes), name), options);
}

template <class Lazy>
runtime::Program load_onnx(const std::string& path, const OnnxOptions& options) {
  return detail::onnx_program(onnx::read_model(path), options);
}

template <class Lazy>
runtime::Program parse_onnx(Bytes bytes, const std::string& name, const OnnxOptions& options) {
  return detail::onnx_program(onnx::parse_model(std::move(bytes), name), options);
}

}  // namespace io

using io::load_onnx;
using io::load_onnx_graph;
using io::OnnxOptions;
using io::save_onnx;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::nn::Graph octavo::io::load_onnx_graph<void>(const std::string&, const octavo::io::OnnxOptions&));
OCTAVO_ENTRY(octavo::nn::Graph octavo::io::parse_onnx_graph<void>(octavo::io::Bytes, const std::string&,
                                                                  const octavo::io::OnnxOptions&));
OCTAVO_ENTRY(octavo::runtime::Program octavo::io::load_onnx<void>(const std::string&, const octavo::io::OnnxOptions&));
OCTAVO_ENTRY(octavo::runtime::Program octavo::io::parse_onnx<void>(octavo::io::Bytes, const std::string&,
                                                                   const octavo::io::OnnxOptions&));

#endif  // OCTAVO_IO_ONNX_HPP_
