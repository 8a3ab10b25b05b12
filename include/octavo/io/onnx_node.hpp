// octavo/io/onnx_node.hpp: a node's attributes and inputs by name and place, with messages that say which node it is.
#ifndef OCTAVO_IO_ONNX_NODE_HPP_
#define OCTAVO_IO_ONNX_NODE_HPP_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "onnx_constant.hpp"
#include "onnx_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

class NodeReader {
 public:
  NodeReader(const Model& model, std::size_t index) : model_(model), node_(model.nodes[index]), index_(index) {}

  [[nodiscard]] const Node& node() const noexcept { return node_; }
  [[nodiscard]] std::string_view op() const noexcept { return node_.op; }
  [[nodiscard]] std::int64_t opset() const noexcept { return model_.opset; }

  // "node 12 'conv1' (Conv)"
  [[nodiscard]] std::string title() const {
    std::string text("node ");
    text += std::to_string(index_);
    text.append(" '").append(node_.name).append("' (").append(node_.op).append(")");
    return text;
  }

  [[nodiscard]] const Attribute* find(std::string_view name) const {
    for (const Attribute& attribute : node_.attributes)
      if (attribute.name == name) return &attribute;
    return nullptr;
  }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t fallback) const {
    const Attribute* found = find(name);
    return found == nullptr ? fallback : found->i;
  }
  [[nodiscard]] float real(std::string_view name, float fallback) const {
    const Attribute* found = find(name);
    return found == nullptr ? fallback : found->f;
  }
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view fallback) const {
    const Attribute* found = find(name);
    return found == nullptr ? fallback : found->s;
  }
  [[nodiscard]] std::vector<std::int64_t> list(std::string_view name, std::vector<std::int64_t> fallback = {}) const {
    const Attribute* found = find(name);
    return found == nullptr ? fallback : found->ints;
  }
  // The tensor of an attribute.
  [[nodiscard]] Constant tensor(std::string_view name) const {
    const Attribute* found = find(name);
    require(found != nullptr && found->tensor >= 0, "attribute '", name, "' is missing or no tensor");
    const Tensor& t = model_.attribute_tensors[static_cast<std::size_t>(found->tensor)];
    return {t.type, t.dims, t.data};
  }

  [[nodiscard]] bool has_input(std::size_t i) const { return i < node_.inputs.size() && !node_.inputs[i].empty(); }

 private:
  const Model& model_;
  const Node& node_;
  std::size_t index_;
};

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_NODE_HPP_
