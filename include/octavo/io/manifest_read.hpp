// octavo/io/manifest_read.hpp: a Program from manifest JSON and the arrays of its weights file.
#ifndef OCTAVO_IO_MANIFEST_READ_HPP_
#define OCTAVO_IO_MANIFEST_READ_HPP_

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../runtime/validate.hpp"
#include "manifest_format.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace detail {

// Reads what ManifestWriter writes. Everything is checked: kinds of JSON values, names, shapes against arrays, and
// finally the program as a whole (validate) and its derived values. Takes the manifest's tensors: each gives back its
// memory as soon as it is read, for those that follow.
template <class Lazy = void>
class ManifestReader {
 public:
  ManifestReader(Json& manifest, const SafeTensors& weights) : manifest_(manifest), weights_(weights) {}

  [[nodiscard]] runtime::Program read() {
    program_.name = manifest_.at("name").string();
    program_.rounding = rounding_from_name(manifest_.at("rounding_mode").string());
    Json tensors_unknown;
    program_.tensors.reserve(manifest_.at("tensors").array().size());
    each("tensors", [&](Json& json) {
      program_.tensors.push_back(tensor(json));
      const Json rest = not_among(json, kTensorMembers);
      if (!rest.is_null()) tensors_unknown.set(program_.tensors.back().name, rest);
      json = {};
    });
    for (std::size_t i = 0; i < program_.tensors.size(); ++i)
      require(ids_.emplace(program_.tensors[i].name, static_cast<int>(i)).second, "two tensors have the name '",
              program_.tensors[i].name, "'");
    bias_scales();
    program_.ops.reserve(manifest_.at("ops").array().size());
    each("ops", [&](const Json& json) { program_.ops.push_back(operation(json)); });
    program_.inputs = ids(manifest_.at("inputs"));
    program_.outputs = ids(manifest_.at("outputs"));
    if (const Json* labels = manifest_.find("labels"))
      for (const Json& label : labels->array()) program_.labels.push_back(label.string());
    texts();
    unknown_members(tensors_unknown);
    runtime::validate(program_);
    check_derived();
    return std::move(program_);
  }

 private:
  // Calls body for each element of a list; errors say which element it was.
  template <class Body>
  void each(std::string_view list, Body body) {
    Json::Array& elements = manifest_.at(list).array();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      try {
        body(elements[i]);
      } catch (const Error& error) {
        const Json* name = elements[i].is_object() ? elements[i].find("name") : nullptr;
        fail(list, "[", i, "]", name != nullptr && name->is_string() ? " '" + name->string() + "'" : "", ": ",
             error.what());
      }
    }
  }

  [[nodiscard]] std::vector<int> ids(const Json& names) const {
    std::vector<int> list;
    for (const Json& name : names.array()) {
      if (name.is_null()) {
        list.push_back(-1);
        continue;
      }
      const auto found = ids_.find(name.string());
      require(found != ids_.end(), "there is no tensor '", name.string(), "'");
      list.push_back(found->second);
    }
    return list;
  }

  // `count` integers, each within [low, 2^30].
  [[nodiscard]] static std::vector<std::int64_t> integers(const Json& json, std::size_t count, std::int64_t low) {
    std::vector<std::int64_t> values;
    for (const Json& value : json.array()) values.push_back(value.integer(low, std::int64_t{1} << 30));
    require(values.size() == count, "expected ", count, " numbers, found ", values.size());
    return values;
  }

  // One number, or the values of a named array.
  template <class Value>
  [[nodiscard]] std::vector<Value> values(const Json& json, ElementType type) const {
    if (!json.is_string()) {
      if constexpr (std::is_floating_point_v<Value>)
        return {static_cast<Value>(json.number())};
      else
        return {static_cast<Value>(json.integer(std::numeric_limits<Value>::min(), std::numeric_limits<Value>::max()))};
    }
    const ArrayView& array = weights_.at(json.string());
    require(array.type == type && array.shape.rank() == 1, "array '", json.string(), "': expected one row of ",
            name_of(type), ", found ", array.shape, " of ", name_of(array.type));
    if (type == ElementType::i8) {  // shifts
      std::vector<Value> wide;
      for (const std::uint8_t byte : array.bytes) wide.push_back(static_cast<Value>(static_cast<std::int8_t>(byte)));
      return wide;
    }
    std::vector<Value> list(array.bytes.size() / sizeof(Value));
    if (!list.empty()) std::memcpy(list.data(), array.bytes.data(), array.bytes.size());
    return list;
  }

  [[nodiscard]] runtime::TensorInfo tensor(const Json& json) {
    runtime::TensorInfo info;
    info.name = json.at("name").string();
    info.dtype = dtype_from_name(json.at("dtype").string());
    for (const Json& extent : json.at("shape").array()) info.shape.push_back(extent.integer());
    if (const Json* q = json.find("quantization")) {
      info.quantization = quantization(*q, info.dtype);
      if (const Json* factors = q->find("scale_of")) scales_of_.emplace_back(program_.tensors.size(), *factors);
    }
    if (const Json* data = json.find("data")) {
      const ArrayView& array = weights_.at(data->string());
      for (const std::int64_t extent : info.shape) require(extent > 0, "extent ", extent, " is not positive");
      require(array.type == stored_type(info.dtype) && array.shape == stored_shape(info), "array '", data->string(),
              "': expected ", stored_shape(info), " of ", name_of(stored_type(info.dtype)), ", found ", array.shape,
              " of ", name_of(array.type));
      const auto address = reinterpret_cast<std::uintptr_t>(array.bytes.data());
      if (address % bytes_of(array.type) == 0)
        info.data = runtime::ConstantBytes(array.bytes, weights_.file());
      else  // a file of other writers
        info.data.assign(array.bytes.begin(), array.bytes.end());
    }
    return info;
  }

  [[nodiscard]] runtime::Quantization quantization(const Json& json, runtime::DType dtype) const {
    runtime::Quantization q;
    if (json.find("scale_of") == nullptr) q.scale = values<float>(json.at("scale"), ElementType::f32);
    q.zero_point = values<std::int32_t>(json.at("zero_point"), ElementType::i32);
    if (q.zero_point.size() == 1 && !q.scale.empty()) q.zero_point.resize(q.scale.size(), q.zero_point[0]);
    if (const Json* axis = json.find("axis")) q.axis = static_cast<int>(axis->integer(0, Shape::kMaxRank));
    if (dtype == runtime::DType::i32) return q;
    q.bits = static_cast<int>(json.at("bits").integer(2, 8));
    const Json::Array& range = json.at("code_range").array();
    require(range.size() == 2, "code_range: expected 2 numbers, found ", range.size());
    q.qmin = static_cast<std::int32_t>(range[0].integer(-128, 255));
    q.qmax = static_cast<std::int32_t>(range[1].integer(-128, 255));
    return q;
  }

  // Biases whose scales are products ("scale_of"), once all tensors are known.
  void bias_scales() {
    for (const auto& [index, factors] : scales_of_) {
      try {
        bias_scale(program_.tensors[index].quantization, ids(factors));
      } catch (const Error& error) {
        fail("tensors[", index, "] '", program_.tensors[index].name, "': ", error.what());
      }
    }
  }
  void bias_scale(runtime::Quantization& q, const std::vector<int>& pair) const {
    require(pair.size() == 2 && pair[0] >= 0 && pair[1] >= 0,
            "scale_of: expected the names of an input and of weights");
    q.scale = product_of_scales(tensor_at(program_, pair[0]), tensor_at(program_, pair[1]));
    const std::size_t scales = tensor_at(program_, pair[0]).quantization.scale.size();
    require(!q.scale.empty(), "scale_of: expected one scale of '", tensor_at(program_, pair[0]).name, "' and some of '",
            tensor_at(program_, pair[1]).name, "', found ", scales, " and ",
            tensor_at(program_, pair[1]).quantization.scale.size());
    require(!q.zero_point.empty(), "zero_point: expected at least one number, found none");
    q.zero_point.assign(q.scale.size(), q.zero_point[0]);
  }

  [[nodiscard]] runtime::Op operation(const Json& json) const {
    runtime::Op op;
    op.kind = kind_from_name(json.at("kind").string());
    op.name = json.at("name").string();
    op.inputs = ids(json.at("inputs"));
    op.outputs = ids(json.at("outputs"));
    const bool windowed =
        op.kind == runtime::OpKind::conv2d || op.kind == runtime::OpKind::depthwise_conv2d || is_pool(op.kind);
    if (windowed) op.window = window(json);
    if (op.kind == runtime::OpKind::pad) {
      const std::vector<std::int64_t> padding = integers(json.at("padding"), 4, 0);
      op.pad_top = padding[0], op.pad_bottom = padding[1], op.pad_left = padding[2], op.pad_right = padding[3];
    }
    if (const Json* groups = json.find("groups")) op.groups = groups->integer(1, std::int64_t{1} << 30);
    if (const Json* activation = json.find("activation")) {
      if (const Json* low = activation->find("low")) op.clamp_low = static_cast<float>(low->number());
      if (const Json* high = activation->find("high")) op.clamp_high = static_cast<float>(high->number());
    }
    if (const Json* axis = json.find("axis")) op.axis = static_cast<int>(axis->integer(-6, 5));
    if (const Json* beta = json.find("beta")) op.beta = static_cast<float>(beta->number());
    if (const Json* axes = json.find("axes"))
      for (const Json& entry : axes->array()) op.axes.push_back(static_cast<int>(entry.integer(0, 5)));
    if (const Json* legacy = json.find("legacy_uint8")) op.legacy_uint8 = legacy->boolean();
    if (const Json* in_double = json.find("in_double")) op.in_double = in_double->boolean();
    if (const Json* corners = json.find("align_corners")) op.align_corners = corners->boolean();
    if (const Json* centers = json.find("half_pixel_centers")) op.half_pixel_centers = centers->boolean();
    return op;
  }

  [[nodiscard]] static Window window(const Json& json) {
    const std::vector<std::int64_t> kernel = integers(json.at("kernel"), 2, 1);
    const std::vector<std::int64_t> stride = integers(json.at("stride"), 2, 1);
    const std::vector<std::int64_t> padding = integers(json.at("padding"), 4, 0);
    Window w{kernel[0], kernel[1], stride[0], stride[1], 1, 1, padding[0], padding[2]};
    if (const Json* dilation = json.find("dilation")) {
      const std::vector<std::int64_t> d = integers(*dilation, 2, 1);
      w.dilation_h = d[0], w.dilation_w = d[1];
    }
    return w;
  }

  void texts() {
    for (const std::string_view group : kFieldGroups) {
      const Json* json = manifest_.find(group);
      if (json == nullptr) continue;
      for (const auto& [key, value] : json->object())
        program_.metadata[std::string(group) + "." + key] = text_of_json(value);
    }
    if (const Json* metadata = manifest_.find("metadata"))
      for (const auto& [key, value] : metadata->object()) program_.metadata[key] = value.string();
  }

  template <std::size_t N>
  [[nodiscard]] static Json not_among(const Json& json, const std::string_view (&known)[N]) {
    Json rest;
    for (const auto& [key, value] : json.object())
      if (std::find(std::begin(known), std::end(known), key) == std::end(known)) rest.set(key, value);
    return rest;
  }
  void unknown_members(const Json& tensors) {
    Json all;
    const Json top = not_among(manifest_, kTopMembers);
    if (!top.is_null()) all.set("manifest", top);
    if (!tensors.is_null()) all.set("tensors", tensors);
    Json ops;
    for (std::size_t i = 0; i < program_.ops.size(); ++i) {
      const Json rest = not_among(manifest_.at("ops").array()[i], kOpMembers);
      if (!rest.is_null() && !program_.ops[i].outputs.empty() && program_.ops[i].outputs[0] >= 0)
        ops.set(tensor_at(program_, program_.ops[i].outputs[0]).name, rest);
    }
    if (!ops.is_null()) all.set("ops", ops);
    if (!all.is_null()) program_.metadata[kUnknownMembers] = all.dump();
  }

  // The multipliers that other readers use must be those that this library computes from the scales.
  void check_derived() {
    std::size_t index = 0;
    each("ops", [&](const Json& json) {
      const runtime::Op& op = program_.ops[index++];
      const Json* stage = json.find("requantization");
      if (stage == nullptr) return;
      const Derived derived = derive(program_, op);
      for (const auto& [key, expected] : derived.floats)
        require(values<float>(stage->at(key), ElementType::f32) == expected, "requantization: '", key,
                "' does not follow from the scales");
      for (const auto& [key, expected] : derived.integers)
        require(values<std::int32_t>(stage->at(key), key == "shift" ? ElementType::i8 : ElementType::i32) == expected,
                "requantization: '", key, "' does not follow from the scales");
      for (const auto& [key, expected] : derived.numbers)
        require(stage->at(key) == expected, "requantization: '", key, "' does not follow from the scales");
    });
  }

  Json& manifest_;
  const SafeTensors& weights_;
  std::vector<std::pair<std::size_t, Json>> scales_of_;  // tensors and the names that their "scale_of" has
  runtime::Program program_;
  std::map<std::string, int, std::less<>> ids_;
};

}  // namespace detail
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_MANIFEST_READ_HPP_
