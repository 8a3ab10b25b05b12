// octavo/io/onnx.hpp: ONNX models in: float graphs to train and quantize. Needs protozero.
#ifndef OCTAVO_IO_ONNX_HPP_
#define OCTAVO_IO_ONNX_HPP_

#include <string>

#include "../nn/graph.hpp"
#include "onnx_graph.hpp"
#include "onnx_lower.hpp"
#include "onnx_parse.hpp"

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

namespace detail {

template <class Lazy = void>
nn::Graph onnx_graph(const onnx::Model& model, const OnnxOptions& options) {
  const onnx::Lowered lowered = onnx::lower(model, options);
  try {
    return onnx::make_graph(lowered, 8 * model.total_bytes + (std::size_t{16} << 20));
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

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_HPP_
