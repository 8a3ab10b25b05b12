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

namespace cli {

namespace oc = octavo;

// A model as it was found: a graph, which can be quantized, a program, which can be run, or both.
struct ModelFile {
  std::string path;
  std::string format;
  std::optional<oc::nn::Graph> graph;
  std::optional<oc::runtime::Program> program;

  [[nodiscard]] oc::runtime::Program as_program() const { return program ? *program : oc::export_float(*graph); }
  [[nodiscard]] oc::nn::Graph& float_graph() {
    oc::require(graph.has_value(), "'", path, "' (", format,
                ") holds a finished model, not a float network that could be quantized");
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

struct Format {
  const char* name;  // of the file inside a folder, or a file's extension
  bool folder;
  ModelFile (*open)(const std::string& path);
};

inline const std::vector<Format>& formats() {
  static const std::vector<Format> all = {{"manifest.json", true, open_octavo}, {"layer_map.csv", true, open_folded}};
  return all;
}

}  // namespace detail

// Throws Error naming the path when there is nothing, or nothing that is known.
inline ModelFile open_model(const std::string& path) {
  std::error_code code;
  oc::require(std::filesystem::exists(path, code), "'", path, "': there is no such file or folder");
  const bool folder = std::filesystem::is_directory(path, code);
  std::string known;
  for (const detail::Format& format : detail::formats()) {
    if (folder == format.folder && (folder ? std::filesystem::exists(std::filesystem::path(path) / format.name, code)
                                           : extension_of(path) == format.name))
      return format.open(path);
    known += std::string(known.empty() ? "" : ", ") + (format.folder ? "a folder with " : "") + format.name;
  }
  oc::fail("'", path, "': no format that is known here; expected one of: ", known);
}

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_MODEL_FILE_HPP_
