// octavo/io/manifest_write.hpp: a Program as manifest JSON and named arrays.
#ifndef OCTAVO_IO_MANIFEST_WRITE_HPP_
#define OCTAVO_IO_MANIFEST_WRITE_HPP_

#include <cmath>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "../version.hpp"
#include "manifest_format.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace detail {

[[nodiscard]] inline std::string producer() {
  return "octavo " + std::to_string(OCTAVO_VERSION_MAJOR) + "." + std::to_string(OCTAVO_VERSION_MINOR) + "." +
         std::to_string(OCTAVO_VERSION_PATCH);
}

// Turns a program into JSON and a list of arrays. The arrays point into the program and into this object.
template <class Lazy = void>
class ManifestWriter {
 public:
  explicit ManifestWriter(const runtime::Program& program) : program_(program) {
    const auto found = program.metadata.find(kUnknownMembers);
    if (found != program.metadata.end()) unknown_ = parse_json(found->second);
  }

  // All but "weights" and "self_test".
  [[nodiscard]] Json write() {
    Json manifest;
    manifest.set("format", kManifestFormat).set("version", kManifestVersion).set("producer", producer());
    manifest.set("name", program_.name).set("rounding_mode", name_of(program_.rounding));
    manifest.set("inputs", names(program_.inputs)).set("outputs", names(program_.outputs));
    Json tensors{Json::Array()};
    for (const runtime::TensorInfo& info : program_.tensors) tensors.add(tensor(info));
    Json ops{Json::Array()};
    for (const runtime::Op& op : program_.ops) ops.add(operation(op));
    manifest.set("tensors", std::move(tensors)).set("ops", std::move(ops));
    if (!program_.labels.empty()) manifest.set("labels", program_.labels);
    texts(manifest);
    add_unknown(manifest, "manifest", "");
    return manifest;
  }

  [[nodiscard]] std::vector<NamedView>& arrays() noexcept { return arrays_; }

  // Stores an array of our own and returns its name.
  template <class Value>
  std::string add_array(std::string name, ElementType type, const Shape& shape, const std::vector<Value>& values) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
    storage_.emplace_back(bytes, bytes + values.size() * sizeof(Value));
    arrays_.push_back({name, {type, shape, storage_.back()}});
    return name;
  }

 private:
  [[nodiscard]] Json names(const std::vector<int>& ids) const {
    Json list{Json::Array()};
    for (const int id : ids) list.add(id < 0 ? Json() : Json(tensor_at(program_, id).name));
    return list;
  }

  [[nodiscard]] Json tensor(const runtime::TensorInfo& info) {
    Json json;
    json.set("name", info.name).set("dtype", runtime::name_of(info.dtype));
    json.set("shape", std::vector<std::int64_t>(info.shape.begin(), info.shape.end()));
    const std::string_view layout = layout_of(info);
    if (!layout.empty()) json.set("layout", layout);
    if (!info.quantization.empty()) json.set("quantization", quantization(info));
    if (info.constant()) {
      json.set("data", info.name);
      arrays_.push_back({info.name, {stored_type(info.dtype), stored_shape(info), info.data}});
    }
    add_unknown(json, "tensors", info.name);
    return json;
  }

  // The order of the extents, where an operator gives them a meaning.
  [[nodiscard]] std::string_view layout_of(const runtime::TensorInfo& info) const {
    if (!info.constant()) return info.shape.rank() == 4 ? "NHWC" : info.shape.rank() == 2 ? "NC" : "";
    for (const runtime::Op& op : program_.ops)
      if (runtime::is_convolution(op.kind) && &input_of(program_, op, 1) == &info)
        return op.kind == runtime::OpKind::conv2d ? "OHWI" : op.kind == runtime::OpKind::dense ? "OI" : "1HWC";
    return "";
  }

  [[nodiscard]] Json quantization(const runtime::TensorInfo& info) {
    const runtime::Quantization& q = info.quantization;
    const Shape entries{static_cast<std::int64_t>(q.scale.size())};
    Json json;
    const runtime::Op* convolution = bias_of(info);
    if (convolution != nullptr && q.axis >= 0)
      json.set("scale_of",
               Json::Array{input_of(program_, *convolution, 0).name, input_of(program_, *convolution, 1).name});
    else if (q.axis < 0)
      json.set("scale", q.scale[0]);
    else
      json.set("scale", add_array(info.name + ":scale", ElementType::f32, entries, q.scale));
    const bool one_zero_point =
        std::adjacent_find(q.zero_point.begin(), q.zero_point.end(), std::not_equal_to<>()) == q.zero_point.end();
    if (one_zero_point)
      json.set("zero_point", q.zero_point[0]);
    else
      json.set("zero_point", add_array(info.name + ":zero_point", ElementType::i32, entries, q.zero_point));
    if (q.axis >= 0) json.set("axis", q.axis);
    if (info.dtype != runtime::DType::i32) json.set("bits", q.bits).set("code_range", Json::Array{q.qmin, q.qmax});
    return json;
  }

  // The convolution whose bias this is, if the bias has exactly the scales of its input times those of its weights.
  [[nodiscard]] const runtime::Op* bias_of(const runtime::TensorInfo& info) const {
    for (const runtime::Op& op : program_.ops)
      if (runtime::is_convolution(op.kind) && op.inputs.size() > 2 && op.inputs[2] >= 0 &&
          &input_of(program_, op, 2) == &info)
        return product_of_scales(input_of(program_, op, 0), input_of(program_, op, 1)) == info.quantization.scale
                   ? &op
                   : nullptr;
    return nullptr;
  }

  [[nodiscard]] Json operation(const runtime::Op& op) {
    Json json;
    json.set("kind", runtime::name_of(op.kind)).set("name", op.name);
    json.set("inputs", names(op.inputs)).set("outputs", names(op.outputs));
    if (op.kind == runtime::OpKind::conv2d || op.kind == runtime::OpKind::depthwise_conv2d || is_pool(op.kind))
      window(op, json);
    if (op.kind == runtime::OpKind::conv2d && op.groups != 1) json.set("groups", op.groups);
    if (op.kind == runtime::OpKind::pad)
      json.set("padding", Json::Array{op.pad_top, op.pad_bottom, op.pad_left, op.pad_right});
    Json activation;
    if (std::isfinite(op.clamp_low)) activation.set("low", op.clamp_low);
    if (std::isfinite(op.clamp_high)) activation.set("high", op.clamp_high);
    if (!activation.is_null()) json.set("activation", std::move(activation));
    if (op.kind == runtime::OpKind::concat || op.kind == runtime::OpKind::softmax) json.set("axis", op.axis);
    if (op.kind == runtime::OpKind::softmax) json.set("beta", op.beta);
    if (!op.axes.empty()) json.set("axes", op.axes);
    if (op.legacy_uint8) json.set("legacy_uint8", true);
    if (op.in_double) json.set("in_double", true);
    if (op.align_corners) json.set("align_corners", true);
    if (op.half_pixel_centers) json.set("half_pixel_centers", true);
    requantization(op, json);
    add_unknown(json, "ops", output_of(program_, op).name);
    return json;
  }

  void window(const runtime::Op& op, Json& json) const {
    const Window& w = op.window;
    const Shape& in = input_of(program_, op, 0).shape;
    const Shape& out = output_of(program_, op).shape;
    const auto behind = [](std::int64_t outputs, std::int64_t stride, std::int64_t kernel, std::int64_t dilation,
                           std::int64_t pad, std::int64_t inputs) {
      return std::max<std::int64_t>((outputs - 1) * stride + (kernel - 1) * dilation + 1 - pad - inputs, 0);
    };
    json.set("kernel", Json::Array{w.kernel_h, w.kernel_w}).set("stride", Json::Array{w.stride_h, w.stride_w});
    if (w.dilation_h != 1 || w.dilation_w != 1) json.set("dilation", Json::Array{w.dilation_h, w.dilation_w});
    json.set("padding",
             Json::Array{w.pad_top, behind(out[1], w.stride_h, w.kernel_h, w.dilation_h, w.pad_top, in[1]), w.pad_left,
                         behind(out[2], w.stride_w, w.kernel_w, w.dilation_w, w.pad_left, in[2])});
  }

  void requantization(const runtime::Op& op, Json& json) {
    const Derived derived = derive(program_, op);
    if (derived.numbers.empty()) return;
    const std::string name = output_of(program_, op).name;
    Json stage;
    for (const auto& [key, values] : derived.floats)
      stage.set(key, values.size() == 1 ? Json(values[0])
                                        : Json(add_array(name + ":" + key, ElementType::f32,
                                                         {static_cast<std::int64_t>(values.size())}, values)));
    for (const auto& [key, values] : derived.integers) {
      const Shape shape{static_cast<std::int64_t>(values.size())};
      if (values.size() == 1)
        stage.set(key, values[0]);
      else if (key == "shift")
        stage.set(key, add_array(name + ":" + key, ElementType::i8, shape,
                                 std::vector<std::int8_t>(values.begin(), values.end())));
      else
        stage.set(key, add_array(name + ":" + key, ElementType::i32, shape, values));
    }
    for (const auto& [key, value] : derived.numbers) stage.set(key, value);
    json.set("requantization", std::move(stage));
  }

  void texts(Json& manifest) const {
    for (const std::string_view group : kFieldGroups) {
      Json json;
      for (const auto& [key, value] : fields_of(program_, group)) json.set(key, json_of_text(value));
      if (!json.is_null()) manifest.set(std::string(group), std::move(json));
    }
    Json metadata;
    for (const auto& [key, value] : program_.metadata) {
      bool elsewhere = key == kUnknownMembers;
      for (const std::string_view group : kFieldGroups)
        elsewhere = elsewhere || key.starts_with(std::string(group) + ".");
      if (!elsewhere) metadata.set(key, value);
    }
    if (!metadata.is_null()) manifest.set("metadata", std::move(metadata));
  }

  // Members that a newer or other writer had put there: unknown_[place] or unknown_[place][name].
  void add_unknown(Json& json, std::string_view place, const std::string& name) const {
    if (unknown_.is_null()) return;
    const Json* members = unknown_.find(place);
    if (members != nullptr && !name.empty()) members = members->find(name);
    if (members == nullptr) return;
    for (const auto& [key, value] : members->object())
      if (json.find(key) == nullptr) json.set(key, value);
  }

  const runtime::Program& program_;
  Json unknown_;
  std::vector<NamedView> arrays_;
  std::deque<std::vector<std::uint8_t>> storage_;
};

}  // namespace detail
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_MANIFEST_WRITE_HPP_
