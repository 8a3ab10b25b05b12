// octavo/io/manifest_impl.hpp: bodies of io/manifest.hpp. Include that.
#ifndef OCTAVO_IO_MANIFEST_IMPL_HPP_
#define OCTAVO_IO_MANIFEST_IMPL_HPP_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "../runtime/validate.hpp"
#include "checksum_check.hpp"
#include "file.hpp"
#include "manifest.hpp"
#include "manifest_read.hpp"
#include "manifest_write.hpp"
#include "mapped_file.hpp"
#include "self_test.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

namespace detail {

inline constexpr std::uint64_t kSelfTestSeed = 2024;

// The input's range when the preprocessing is known: pixels 0..255 times scale plus offset.
template <class Lazy = void>
std::pair<float, float> input_range(const runtime::Program& program) {
  const TextFields fields = fields_of(program, "preprocessing");
  const auto first = [&](const char* name, double missing) {
    const auto found = fields.find(name);
    if (found == fields.end()) return missing;
    const Json json = json_of_text(found->second);
    const Json& number = json.is_array() && !json.array().empty() ? json.array()[0] : json;
    return number.is_number() ? number.number() : missing;
  };
  const double offset = first("offset", -1.0);
  return {static_cast<float>(offset), static_cast<float>(offset + 255.0 * first("scale", 2.0 / 255.0))};
}

// Adds a tensor of the self-test to the arrays and returns its name.
template <class Lazy = void>
std::string add_values(ManifestWriter<>& writer, std::string name, const runtime::TensorInfo& tensor,
                       const std::vector<float>& values) {
  if (tensor.dtype == runtime::DType::f32)
    return writer.add_array(std::move(name), ElementType::f32, tensor.shape, values);
  if (tensor.dtype == runtime::DType::i8)
    return writer.add_array(std::move(name), ElementType::i8, tensor.shape,
                            std::vector<std::int8_t>(values.begin(), values.end()));
  return writer.add_array(std::move(name), ElementType::u8, tensor.shape,
                          std::vector<std::uint8_t>(values.begin(), values.end()));
}

template <class Lazy = void>
Json write_self_test(ManifestWriter<>& writer, const runtime::Model& model, const SaveOptions& options) {
  std::vector<std::vector<float>> inputs = options.self_test_inputs;
  Json in{Json::Array()};
  const auto [low, high] = input_range(model.program());
  for (std::size_t i = 0; i < model.program().inputs.size(); ++i) {
    const runtime::TensorInfo& tensor = model.input(i);
    Json input;
    if (options.self_test_inputs.empty()) {
      inputs.push_back(generated_input(tensor, kSelfTestSeed + i, low, high));
      input.set("generator", "splitmix64").set("seed", kSelfTestSeed + i);
      if (tensor.dtype == runtime::DType::f32) input.set("low", low).set("high", high);
    } else {
      require(i < inputs.size() && static_cast<std::int64_t>(inputs[i].size()) == tensor.shape.size(),
              "save: the self-test input for '", tensor.name, "' must have ", tensor.shape.size(), " values");
      input.set("array", add_values(writer, "self_test:input:" + std::to_string(i), tensor, inputs[i]));
    }
    in.add(std::move(input));
  }
  const std::vector<std::vector<float>> outputs = run_self_test(model, inputs);
  Json out{Json::Array()};
  for (std::size_t i = 0; i < outputs.size(); ++i)
    out.add(add_values(writer, "self_test:output:" + std::to_string(i), model.output(i), outputs[i]));
  Json test;
  test.set("inputs", std::move(in)).set("outputs", std::move(out));
  test.set("tolerance", self_test_tolerance(model.program(), outputs));
  return test;
}

template <class Lazy = void>
SelfTest read_self_test(const Json& json, const runtime::Model& model, const SafeTensors& weights) {
  SelfTest test;
  test.tolerance = json.at("tolerance").number();
  const auto values = [&](const Json& name, const runtime::TensorInfo& tensor) {
    const ArrayView& array = weights.at(name.string());
    require(array.shape == tensor.shape && array.type == stored_type(tensor.dtype), "self-test: array '", name.string(),
            "' does not fit '", tensor.name, "'");
    return to_floats(array);
  };
  const Json::Array& inputs = json.at("inputs").array();
  for (std::size_t i = 0; i < inputs.size() && i < model.program().inputs.size(); ++i) {
    const Json* array = inputs[i].find("array");
    if (array != nullptr) {
      test.inputs.push_back(values(*array, model.input(i)));
      continue;
    }
    require(inputs[i].at("generator").string() == "splitmix64", "self-test: unknown generator '",
            inputs[i].at("generator").string(), "'");
    const bool real = model.input(i).dtype == runtime::DType::f32;
    test.inputs.push_back(generated_input(model.input(i), static_cast<std::uint64_t>(inputs[i].at("seed").integer()),
                                          real ? static_cast<float>(inputs[i].at("low").number()) : 0.0F,
                                          real ? static_cast<float>(inputs[i].at("high").number()) : 0.0F));
  }
  const Json::Array& outputs = json.at("outputs").array();
  for (std::size_t i = 0; i < outputs.size() && i < model.program().outputs.size(); ++i)
    test.outputs.push_back(values(outputs[i], model.output(i)));
  return test;
}

// The two files of a folder, checked against each other.
struct ModelFiles {
  Json manifest;
  SafeTensors weights;
};

template <class Lazy = void>
Json read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifestFile;
  const std::string text = read_text_file(path, kMaxManifestBytes);
  try {
    Json manifest = parse_json(text);
    require(
        manifest.is_object() && manifest.find("format") != nullptr && manifest.at("format") == Json(kManifestFormat),
        "this is no ", kManifestFormat, " manifest");
    const std::int64_t version = manifest.at("version").integer();
    require(version >= 1 && version <= kManifestVersion, "the manifest has version ", version,
            ", this library reads 1 to ", kManifestVersion);
    return manifest;
  } catch (const Error& error) {
    fail("'", path, "': ", error.what());
  }
}

template <class Lazy = void>
SafeTensors read_weights(const std::string& folder, const Json& manifest, bool map) {
  const Json& entry = manifest.at("weights");
  const std::string& file = entry.at("file").string();
  require(!file.empty() && file.find('/') == std::string::npos && file != "..", "weights: '", file,
          "' is no file name in the folder");
  const std::string path = folder + "/" + file;
  auto content = std::make_shared<const FileBytes>(path, kMaxFileBytes, map);
  require(static_cast<std::int64_t>(content->bytes().size()) == entry.at("bytes").integer(), "'", path, "': expected ",
          entry.at("bytes").integer(), " bytes, found ", content->bytes().size());
  return {std::move(content), path};
}

template <class Lazy = void>
ModelFiles read_model_files(const std::string& folder, bool map) {
  Json manifest = read_manifest(folder);
  try {
    SafeTensors weights = read_weights(folder, manifest, map);
    return {std::move(manifest), std::move(weights)};
  } catch (const Error& error) {
    fail("'", folder, "/", kManifestFile, "': ", error.what());
  }
}

// How many threads load a model: of one processor, one.
inline int loading_threads(const LoadOptions& options) {
  require_threads(options.model.threads);
  if (options.model.threads == 1 || default_threads() == 1) return 1;
  return options.model.threads == 0 ? default_threads() : options.model.threads;
}

template <class Lazy = void>
runtime::Program read_program(const std::string& folder, ModelFiles& files) {
  try {
    return ManifestReader<>(files.manifest, files.weights).read();
  } catch (const Error& error) {
    fail("'", folder, "/", kManifestFile, "': ", error.what());
  }
}

// make(program) while its file's checksum is computed: by the other threads while the program is read, by all of them
// at last. A wrong checksum goes before what damaged bytes make of the rest.
template <class Make>
auto make_checked(const std::string& folder, ModelFiles& files, const LoadOptions& options, Make make) {
  if (!options.checksum) return make(read_program(folder, files));
  const int threads = loading_threads(options);
  const Json& entry = files.manifest.at("weights");
  ChecksumCheck check("'" + folder + "/" + kManifestFile + "': '" + folder + "/" + entry.at("file").string() + "'",
                      entry, files.weights.file());
  try {
    runtime::Program program;
    std::atomic<bool> enough{false};
    parallel_for(threads, threads, [&](std::int64_t, std::int64_t, int part) {
      if (part > 0) return check.help(enough);
      struct Ended {
        std::atomic<bool>& flag;
        ~Ended() { flag = true; }
      } const ended{enough};
      program = read_program(folder, files);
    });
    auto made = make(std::move(program));
    check.finish(threads);
    return made;
  } catch (const Error&) {
    check.finish(threads);
    throw;
  }
}

}  // namespace detail

template <class Lazy>
void save(const runtime::Model& model, const std::string& folder, const SaveOptions& options) {
  runtime::Program program = model.program();
  if (!options.labels.empty()) program.labels = options.labels;
  if (!options.preprocessing.empty()) set_fields(program, "preprocessing", options.preprocessing);
  if (!options.accuracy.empty()) set_fields(program, "accuracy", options.accuracy);
  for (const auto& [key, value] : options.metadata) program.metadata[key] = value;
  runtime::validate(program);

  detail::ManifestWriter<> writer(program);
  Json manifest = writer.write();
  if (options.self_test) manifest.set("self_test", detail::write_self_test(writer, model, options));

  make_directories(folder);
  AtomicFile weights(folder + "/" + kWeightsFile);
  AtomicFile description(folder + "/" + kManifestFile);
  Sha256 digest;
  TreeOfStream tree;
  std::size_t bytes = 0;
  write_safetensors_to(std::move(writer.arrays()), {{"format", "octavo"}, {"model", program.name}},
                       [&](std::span<const std::uint8_t> piece) {
                         digest.update(piece);
                         tree.update(piece);
                         bytes += piece.size();
                         weights.write(piece);
                       });
  manifest.set(
      "weights",
      Json::Object{{"file", kWeightsFile}, {"bytes", bytes}, {"sha256", digest.hex()}, {"sha256_tree", tree.hex()}});
  description.write(manifest.dump(2) + "\n");
  weights.commit();
  description.commit();
}

template <class Lazy>
void save(runtime::Program program, const std::string& folder, const SaveOptions& options) {
  save(runtime::Model(std::move(program), {.threads = 1}), folder, options);
}

template <class Lazy>
runtime::Program load_program(const std::string& folder, const LoadOptions& options) {
  detail::ModelFiles files = detail::read_model_files(folder, options.map);
  return detail::make_checked(folder, files, options, [](runtime::Program program) { return program; });
}

template <class Lazy>
runtime::Model load(const std::string& folder, const LoadOptions& options) {
  detail::ModelFiles files = detail::read_model_files(folder, options.map);
  runtime::Model model = detail::make_checked(folder, files, options, [&](runtime::Program program) {
    if (!options.verify) files.manifest = {};  // its memory serves what is packed now
    return runtime::Model(std::move(program), options.model);
  });
  files.weights.file()->forget(files.weights.file_bytes());  // all of it that the model uses is packed
  if (options.verify) {
    const Json* test = files.manifest.find("self_test");
    require(test != nullptr, "'", folder, "/", kManifestFile, "': there is no self-test to verify");
    try {
      verify_self_test(model, detail::read_self_test(*test, model, files.weights));
    } catch (const Error& error) {
      fail("'", folder, "': ", error.what());
    }
  }
  return model;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_MANIFEST_IMPL_HPP_
