// examples/cli/model_file.hpp: opens whatever a model is stored in: a folder, or a file of another framework.
#ifndef OCTAVO_EXAMPLES_CLI_MODEL_FILE_HPP_
#define OCTAVO_EXAMPLES_CLI_MODEL_FILE_HPP_

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <octavo/io/load_folded_weights.hpp>
#include <octavo/octavo.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weights.hpp"

namespace cli {

namespace oc = octavo;

// A model as it was found: a graph, which can be quantized, a program, which can be run, or both.
struct ModelFile {
  std::string path;
  std::string format;
  std::optional<oc::nn::Graph> graph;
  std::optional<oc::runtime::Program> program;
  std::string no_graph = {};  // why a float model is no graph

  [[nodiscard]] oc::runtime::Program as_program() const { return program ? *program : oc::export_float(*graph); }
  [[nodiscard]] oc::nn::Graph& float_graph() {
    oc::require(graph.has_value(), "'", path, "' (", format,
                no_graph.empty() ? ") holds a finished model, not a float network that could be quantized"
                                 : ") holds a float network that cannot be quantized: " + no_graph);
    return *graph;
  }
};

inline std::string extension_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

namespace detail {

inline ModelFile open_octavo(const std::string& path) {
  return {path, "Octavo model folder", std::nullopt, oc::io::load_program(path)};
}

// ImageNet's MobileNetV2 1.0 with its classifier, as its layer table describes it.
inline ModelFile open_folded(const std::string& path) {
  oc::nn::Graph graph = oc::mobilenet_v2({.input = {224, 224, 3}, .classes = 1001});
  static_cast<void>(oc::io::load_folded_weights(graph, path));
  return {path, "folded weights", std::move(graph), std::nullopt};
}

// MobileNetV2 1.0 for 224 x 224 with random weights: for timing, where no model is at hand.
inline ModelFile open_random() {
  return {"mobilenet_v2", "MobileNetV2 1.0 with random weights", oc::mobilenet_v2({.input = {224, 224, 3}}),
          std::nullopt};
}

inline bool is_float(const oc::runtime::Program& program) {
  return std::all_of(program.tensors.begin(), program.tensors.end(),
                     [](const oc::runtime::TensorInfo& tensor) { return tensor.dtype == oc::runtime::DType::f32; });
}

inline ModelFile open_tflite(const std::string& path) {
  ModelFile file{path, "TensorFlow Lite model", std::nullopt, oc::load_tflite_program(path)};
  if (!is_float(*file.program)) return file;
  try {
    file.graph = oc::to_graph(*file.program);
  } catch (const oc::Error& error) {
    file.no_graph = error.what();
  }
  return file;
}

#if __has_include(<protozero/pbf_reader.hpp>)
// A float model is a graph, which can be quantized; others, and those with operators that no layer has, are programs.
inline ModelFile open_onnx(const std::string& path) {
  try {
    return {path, "ONNX model", oc::load_onnx_graph(path), std::nullopt};
  } catch (const oc::Error& error) {
    ModelFile file{path, "ONNX model", std::nullopt, oc::load_onnx(path)};
    if (is_float(*file.program)) file.no_graph = error.what();
    return file;
  }
}
#endif

// Weights with torchvision's, timm's or Keras' names.
inline ModelFile open_weights(const std::string& path) {
  return {path, "weights of MobileNetV2", graph_of_weights(path), std::nullopt};
}

struct Format {
  const char* name;  // of the file inside a folder, or a file's extension
  bool folder;
  ModelFile (*open)(const std::string& path);
};

inline const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
    {"manifest.json", true, open_octavo},
    {"layer_map.csv", true, open_folded},
#if __has_include(<protozero/pbf_reader.hpp>)
    {".onnx", false, open_onnx},
#endif
    {".tflite", false, open_tflite},
    {".safetensors", false, open_weights},
    {".h5", false, open_weights},
    {"*.npy", true, open_weights}
  };
  return all;
}

// Whether a folder has a file of this name; "*.npy": any with this ending.
inline bool has_file(const std::filesystem::path& folder, const std::string& name) {
  std::error_code code;
  if (name[0] != '*') return std::filesystem::exists(folder / name, code);
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, code);
       !code && entry != std::filesystem::recursive_directory_iterator(); entry.increment(code))
    if (entry->path().extension() == name.substr(1)) return true;
  return false;
}

}  // namespace detail

// `path`: a folder, a file, or "mobilenet_v2". Throws Error naming it when there is nothing, or nothing that is known.
inline ModelFile open_model(const std::string& path) {
  std::error_code code;
  if (path == "mobilenet_v2" && !std::filesystem::exists(path, code)) return detail::open_random();
  oc::require(std::filesystem::exists(path, code), "'", path, "': there is no such file or folder");
  const bool folder = std::filesystem::is_directory(path, code);
  std::string known;
  for (const detail::Format& format : detail::formats()) {
    if (folder == format.folder && (folder ? detail::has_file(path, format.name) : extension_of(path) == format.name))
      return format.open(path);
    known += std::string(known.empty() ? "" : ", ") + (format.folder ? "a folder with " : "") + format.name;
  }
  oc::fail("'", path, "': no format that is known here; expected one of: ", known);
}

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_MODEL_FILE_HPP_
