// octavo/io/onnx_lower.hpp: walks the nodes of an ONNX graph and writes the layers that compute them.
#ifndef OCTAVO_IO_ONNX_LOWER_HPP_
#define OCTAVO_IO_ONNX_LOWER_HPP_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "onnx_fold.hpp"
#include "onnx_layer.hpp"
#include "onnx_lower_elements.hpp"
#include "onnx_lower_ops.hpp"
#include "onnx_lower_quantized.hpp"
#include "onnx_lower_resize.hpp"
#include "onnx_lower_windows.hpp"
#include "onnx_model.hpp"
#include "onnx_node.hpp"
#include "onnx_values.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

struct LowerOptions {
  // Extents of the input without the batch, in ONNX' order ({3, 224, 224}), for a model that leaves them open.
  Dims input_extents = {};
  // Values for inputs of the graph that are constants in truth (weights that were not stored as initializers).
  std::map<std::string, Constant> constants = {};
};

// The layers of the model's graph; what depends on constants alone is computed, what no output needs is left out.
// Throws Error that names the node, its operator and what is wrong. `model` must live as long as the result.
template <class Lazy = void>
[[nodiscard]] Lowered lower(const Model& model, const LowerOptions& options = {});

namespace detail {

template <class Lazy = void>
class Lowering {
 public:
  Lowering(const Model& model, const LowerOptions& options)
      : model_(model), options_(options), folder_(4 * model.total_bytes + (std::size_t{16} << 20)), ops_(values_) {}

  Lowered run() {
    require(model_.opset >= 7 || model_.opset == 0, "operator set ", model_.opset, " is older than 7");
    for (const Tensor& tensor : model_.initializers)
      define(tensor.name, of_constant({tensor.type, tensor.dims, tensor.data}));
    for (std::size_t i = 0; i < model_.nodes.size(); ++i)
      for (const std::string_view input : model_.nodes[i].inputs) readers_[input].push_back(i);
    for (const ValueInfo& input : model_.inputs) add_input(input);
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      const NodeReader node(model_, i);
      try {
        lower_node(node);
      } catch (const Error& error) {
        fail(node.title(), ": ", error.what());
      }
    }
    return finish();
  }

 private:
  [[nodiscard]] static Value of_constant(Constant constant) {
    Value value;
    value.dims = constant.dims;
    value.constant = std::move(constant);
    return value;
  }
  void define(std::string_view name, Value value) {
    if (name.empty()) return;
    require(values_of_.emplace(name, std::move(value)).second, "the value '", name, "' is defined twice");
  }

  void add_input(const ValueInfo& input) {
    if (values_of_.contains(input.name)) return;  // an initializer is listed among the inputs
    if (const auto found = options_.constants.find(std::string(input.name)); found != options_.constants.end())
      return define(input.name, of_constant(found->second));
    require(input.dims.has_value() && !input.dims->empty(), "the input '", input.name, "' has no shape");
    Dims dims = *input.dims;
    if (dims[0] < 1) dims[0] = 1;
    const bool open = std::any_of(dims.begin() + 1, dims.end(), [](std::int64_t extent) { return extent < 1; });
    if (open || !options_.input_extents.empty()) {
      require(options_.input_extents.size() + 1 == dims.size(), "the input '", input.name, "' has the shape ",
              to_string(*input.dims), "; say which extents to import it with (without the batch)");
      for (std::size_t i = 1; i < dims.size(); ++i) {
        require(dims[i] < 1 || dims[i] == options_.input_extents[i - 1], "the input '", input.name, "' has the shape ",
                to_string(*input.dims), ", not ", to_string(options_.input_extents));
        dims[i] = options_.input_extents[i - 1];
      }
    }
    require(dims.size() <= 5, "the input '", input.name, "' has the shape ", to_string(dims));
    for (const std::int64_t extent : dims)
      require(extent >= 1 && extent <= kMaxImportExtent, "the input '", input.name, "' has the shape ",
              to_string(dims));
    Layer layer;
    layer.name = input.name;
    layer.type = input.type == Type::f16 || input.type == Type::f64 ? Type::f32 : input.type;
    require(layer.type == Type::f32 || layer.type == Type::u8 || layer.type == Type::i8, "the input '", input.name,
            "' is of type ", name_of(input.type));
    const bool nchw = dims.size() == 4 && !is_channels_last(input.name);
    layer.shape = {1};
    if (nchw)
      layer.shape = {1, dims[2], dims[3], dims[1]};
    else
      for (std::size_t i = 1; i < dims.size(); ++i) layer.shape.push_back(dims[i]);
    const int id = values_.push(std::move(layer));
    define(input.name, nchw ? values_.image(id, dims) : values_.plain(id, dims));
  }

  // Whether the first thing that happens to an input is a transpose from NHWC to NCHW.
  [[nodiscard]] bool is_channels_last(std::string_view name) const {
    for (int hops = 0; hops < 8; ++hops) {
      const auto found = readers_.find(name);
      if (found == readers_.end() || found->second.empty()) return false;
      const NodeReader node(model_, found->second[0]);
      if (node.op() == "Transpose") return node.list("perm") == Dims{0, 3, 1, 2};
      constexpr std::string_view through[] = {
          "QuantizeLinear", "DequantizeLinear", "Identity", "Cast", "Mul", "Sub", "Add", "Div"};
      if (std::find(std::begin(through), std::end(through), node.op()) == std::end(through)) return false;
      if (node.node().outputs.empty()) return false;
      name = node.node().outputs[0];
    }
    return false;
  }

  void lower_node(const NodeReader& node) {
    require(node.node().domain.empty() || node.node().domain == "ai.onnx" || node.node().domain == "com.microsoft",
            "operators of the domain '", node.node().domain, "' are not read");
    std::vector<Value*> inputs;
    std::vector<const Constant*> constants;
    bool all_constant = true;
    for (const std::string_view name : node.node().inputs) {
      if (name.empty()) {
        inputs.push_back(nullptr);
        constants.push_back(nullptr);
        continue;
      }
      const auto found = values_of_.find(name);
      require(found != values_of_.end(), "its input '", name, "' is not computed before it");
      inputs.push_back(&found->second);
      all_constant = all_constant && found->second.constant.has_value();
      constants.push_back(found->second.constant ? &*found->second.constant : nullptr);
    }
    require(!node.node().outputs.empty(), "it has no output");
    if (node.op() == "Shape" && !all_constant) {  // known without running anything
      Constant shape = {Type::f32, inputs[0]->dims, {}};
      const Constant* const only[] = {&shape};
      return define(node.node().outputs[0], of_constant(*folder_.compute(node, only)));
    }
    if (all_constant)
      if (auto computed = folder_.compute(node, constants))
        return define(node.node().outputs[0], of_constant(std::move(*computed)));
    if (merged_.contains(&node.node()))  // into the dense layer in front
      return define(node.node().outputs[0], *(inputs[0]->constant ? inputs[1] : inputs[0]));
    Value result = ops_.lower(node, inputs, fused_bias(node, inputs));
    define(node.node().outputs[0], std::move(result));
  }

  // MatMul + Add of one constant a column is one dense layer: the bias, if the only reader of `node` adds one.
  [[nodiscard]] std::optional<Constant> fused_bias(const NodeReader& node, const std::vector<Value*>& inputs) {
    if (node.op() != "MatMul" || inputs.size() != 2 || inputs[1] == nullptr || !inputs[1]->constant) return {};
    const auto found = readers_.find(node.node().outputs[0]);
    if (found == readers_.end() || found->second.size() != 1 || is_output(node.node().outputs[0])) return {};
    const Node& add = model_.nodes[found->second[0]];
    if (add.op != "Add" || add.inputs.size() != 2 || add.outputs.size() != 1) return {};
    const auto other = values_of_.find(add.inputs[0] == node.node().outputs[0] ? add.inputs[1] : add.inputs[0]);
    if (other == values_of_.end() || !other->second.constant || inputs[1]->dims.size() != 2) return {};
    const Constant& bias = *other->second.constant;
    if (bias.size() != inputs[1]->dims[1] || bias.dims.empty() || bias.dims.back() != bias.size()) return {};
    merged_.insert(&add);
    return bias;
  }
  [[nodiscard]] bool is_output(std::string_view name) const {
    return std::any_of(model_.outputs.begin(), model_.outputs.end(), [&](const auto& o) { return o.name == name; });
  }

  Lowered finish() {
    Lowered lowered;
    lowered.name = model_.graph_name;
    require(!model_.outputs.empty(), "the graph has no output");
    std::size_t constants = 0;
    for (const ValueInfo& output : model_.outputs) {
      const auto found = values_of_.find(output.name);
      require(found != values_of_.end(), "the output '", output.name, "' is not computed");
      lowered.output_names.emplace_back(output.name);
      if (found->second.constant) {
        ++constants;
        lowered.constant_outputs.push_back(*found->second.constant);
      } else {
        lowered.outputs.push_back(values_.as_whole(found->second, std::string(output.name)));
      }
    }
    require(constants == 0 || constants == model_.outputs.size(), "some outputs are constants");
    lowered.layers = std::move(values_.layers);
    drop_unused(lowered);
    return lowered;
  }

  // Inputs stay, even those that nothing reads.
  static void drop_unused(Lowered& lowered) {
    std::vector<bool> needed(lowered.layers.size(), false);
    for (const int id : lowered.outputs) needed[static_cast<std::size_t>(id)] = true;
    for (std::size_t i = lowered.layers.size(); i-- > 0;) {
      if (lowered.layers[i].kind == LayerKind::input) needed[i] = true;
      if (!needed[i]) continue;
      for (const int id : lowered.layers[i].inputs) needed[static_cast<std::size_t>(id)] = true;
    }
    std::vector<int> place(lowered.layers.size(), -1);
    std::vector<Layer> kept;
    for (std::size_t i = 0; i < lowered.layers.size(); ++i) {
      if (!needed[i]) continue;
      place[i] = static_cast<int>(kept.size());
      for (int& id : lowered.layers[i].inputs) id = place[static_cast<std::size_t>(id)];
      kept.push_back(std::move(lowered.layers[i]));
    }
    for (int& id : lowered.outputs) id = place[static_cast<std::size_t>(id)];
    lowered.layers = std::move(kept);
  }

  const Model& model_;
  const LowerOptions& options_;
  Folder<Lazy> folder_;
  ValueSpace<Lazy> values_;
  OpLowering<Lazy> ops_;
  std::map<std::string_view, Value> values_of_;
  std::map<std::string_view, std::vector<std::size_t>> readers_;
  std::set<const Node*> merged_;
};

}  // namespace detail

template <class Lazy>
Lowered lower(const Model& model, const LowerOptions& options) {
  try {
    return detail::Lowering<Lazy>(model, options).run();
  } catch (const Error& error) {
    fail("'", model.file, "': ", error.what());
  }
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_HPP_
