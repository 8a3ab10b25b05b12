// octavo/io/manifest_format.hpp: the words of manifest.json, shared by writer and reader. docs/manifest.md explains
// them, docs/manifest.schema.json defines them.
#ifndef OCTAVO_IO_MANIFEST_FORMAT_HPP_
#define OCTAVO_IO_MANIFEST_FORMAT_HPP_

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../kernels/elementwise_stage.hpp"
#include "../kernels/pool_stage.hpp"
#include "../runtime/program.hpp"
#include "../runtime/program_info.hpp"
#include "../runtime/step.hpp"
#include "json.hpp"
#include "safetensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

inline constexpr std::string_view kManifestFormat = "octavo-model";
inline constexpr std::int64_t kManifestVersion = 1;  // readers refuse a larger one
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kWeightsFile = "weights.safetensors";
inline constexpr std::size_t kMaxManifestBytes = 64U << 20;

// Names and values of text: the form in which a Program carries preprocessing, accuracy and free text.
using TextFields = std::map<std::string, std::string>;

namespace detail {

// Members that this version defines; all others are kept as they are when a loaded model is saved again.
inline constexpr std::string_view kTopMembers[] = {"format",   "version", "producer",      "name",     "rounding_mode",
                                                   "inputs",   "outputs", "tensors",       "ops",      "labels",
                                                   "accuracy", "weights", "preprocessing", "metadata", "self_test"};
inline constexpr std::string_view kTensorMembers[] = {"name", "dtype", "shape", "layout", "quantization", "data"};
inline constexpr std::string_view kOpMembers[] = {
    "kind",     "name",   "inputs",       "outputs",        "kernel",        "stride",
    "dilation", "groups", "activation",   "requantization", "axis",          "beta",
    "padding",  "axes",   "legacy_uint8", "in_double",      "align_corners", "half_pixel_centers"};

// In Program::metadata: unknown members as JSON text; groups of fields are stored as "group.field".
inline constexpr const char* kUnknownMembers = "octavo.unknown_members";
inline constexpr std::string_view kFieldGroups[] = {"preprocessing", "accuracy"};

template <class Enum>
[[nodiscard]] Enum enum_from_name(std::string_view name, Enum last, std::string_view what) {
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (runtime::name_of(static_cast<Enum>(i)) == name) return static_cast<Enum>(i);
  fail(what, " '", name, "' is unknown");
}
[[nodiscard]] inline runtime::DType dtype_from_name(std::string_view name) {
  return enum_from_name(name, runtime::DType::i4, "dtype");
}
[[nodiscard]] inline runtime::OpKind kind_from_name(std::string_view name) {
  return enum_from_name(name, runtime::kLastOpKind, "operator kind");
}

// How a constant's bytes stand in the weights file. int4: two codes a byte.
[[nodiscard]] constexpr ElementType stored_type(runtime::DType dtype) {
  switch (dtype) {
    case runtime::DType::f32:
      return ElementType::f32;
    case runtime::DType::i8:
      return ElementType::i8;
    case runtime::DType::i32:
      return ElementType::i32;
    default:
      return ElementType::u8;
  }
}
[[nodiscard]] inline Shape stored_shape(const runtime::TensorInfo& tensor) {
  if (tensor.dtype != runtime::DType::i4 || tensor.shape.rank() == 0) return tensor.shape;
  return {tensor.shape[0], runtime::data_bytes(tensor.dtype, tensor.shape) / tensor.shape[0]};
}

// The scales of a bias: those of its convolution's input times those of its weights, in float32. Empty where one has
// none.
[[nodiscard]] inline std::vector<float> product_of_scales(const runtime::TensorInfo& input,
                                                          const runtime::TensorInfo& weights) {
  std::vector<float> product;
  if (input.quantization.scale.size() != 1) return product;
  product.reserve(weights.quantization.scale.size());
  for (const float scale : weights.quantization.scale) product.push_back(input.quantization.scale[0] * scale);
  return product;
}

// Text that is one number, several with spaces between, or true/false becomes that in JSON; and back. Everything else
// is a string.
[[nodiscard]] inline Json json_of_text(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  Json::Array numbers;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    try {
      numbers.push_back(parse_json(std::string_view(text).substr(at, end - at)));
    } catch (const Error&) {
      return text;
    }
    if (!numbers.back().is_number()) return text;
    at = end + 1;
  }
  return numbers.size() == 1 ? numbers[0] : Json(numbers);
}
[[nodiscard]] inline std::string text_of_json(const Json& value) {
  if (value.is_string()) return value.string();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& element : value.array()) text += (text.empty() ? "" : " ") + text_of_json(element);
  return text;
}

// What an operator computes with besides its tensors' scales: derived from them, and written for other readers.
// `values`: per-channel arrays by name. `numbers`: single values.
struct Derived {
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::vector<std::int32_t>> integers;
  Json::Object numbers;
};

template <class Lazy = void>
void derive_stage(const OutputStage& stage, Derived& derived) {
  if (stage.rounding == Rounding::nearest_even_f32) {
    derived.floats["multiplier"] = {stage.scale.begin(), stage.scale.end()};
    return;
  }
  derived.integers["multiplier"] = {stage.multiplier.begin(), stage.multiplier.end()};
  derived.integers["shift"] = {stage.shift.begin(), stage.shift.end()};
}

template <class Lazy = void>
void derive_add(const AddStage& stage, Derived& derived) {
  if (stage.rounding == Rounding::nearest_even_f32) {
    derived.floats["multiplier"] = {stage.factor_a, stage.factor_b};
    return;
  }
  derived.numbers.emplace_back("left_shift", stage.left_shift);
  for (const QuantizedMultiplier& m : {stage.multiplier_a, stage.multiplier_b, stage.multiplier}) {
    derived.integers["multiplier"].push_back(m.multiplier);
    derived.integers["shift"].push_back(m.shift);
  }
}

// Everything in int8 terms, as TFLite's specification has it. Empty for operators that do not requantize.
template <class Lazy = void>
[[nodiscard]] Derived derive(const runtime::Program& program, const runtime::Op& op) {
  Derived derived;
  const runtime::TensorInfo& in = runtime::input_of(program, op, 0);
  const runtime::TensorInfo& out = runtime::output_of(program, op);
  if (in.dtype == runtime::DType::f32 || out.dtype == runtime::DType::f32) return derived;
  if (runtime::requantizes_in_double(program, op)) return derived;
  const Grid from = runtime::grid_of(in);
  Grid to = runtime::grid_of(out);
  const CodeLimits limits = activation_range(to, op.clamp_low, op.clamp_high);
  switch (op.kind) {
    case runtime::OpKind::conv2d:
    case runtime::OpKind::depthwise_conv2d:
    case runtime::OpKind::dense:
    case runtime::OpKind::mul:
    case runtime::OpKind::requantize: {
      const runtime::RequantizationScales scales = runtime::requantization_scales(program, op);
      to.scale = scales.output;
      derive_stage(make_output_stage(program.rounding, scales.input, scales.weight, to, limits), derived);
      break;
    }
    case runtime::OpKind::global_average_pool:
      derive_stage(make_mean_stage(program.rounding, from, to, limits, in.shape[1] * in.shape[2]), derived);
      break;
    case runtime::OpKind::mean:
      derive_stage(make_mean_stage(program.rounding, from, to, limits, runtime::mean_extents(program, op).count),
                   derived);
      break;
    case runtime::OpKind::add:
    case runtime::OpKind::sub:
      derive_add(
          make_add_stage(program.rounding, from, runtime::grid_of(runtime::input_of(program, op, 1)), to, limits),
          derived);
      break;
    default:
      return derived;
  }
  derived.numbers.emplace_back("code_range", Json::Array{limits.min, limits.max});
  return derived;
}

}  // namespace detail

// The fields of a group ("preprocessing", "accuracy") that a program carries, and how to set them.
[[nodiscard]] inline TextFields fields_of(const runtime::Program& program, std::string_view group) {
  TextFields fields;
  const std::string prefix = std::string(group) + ".";
  for (const auto& [key, value] : program.metadata)
    if (key.starts_with(prefix)) fields[key.substr(prefix.size())] = value;
  return fields;
}
inline void set_fields(runtime::Program& program, std::string_view group, const TextFields& fields) {
  for (const auto& [key, value] : fields_of(program, group)) program.metadata.erase(std::string(group) + "." + key);
  for (const auto& [key, value] : fields) program.metadata[std::string(group) + "." + key] = value;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_MANIFEST_FORMAT_HPP_
