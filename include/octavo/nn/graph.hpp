// octavo/nn/graph.hpp: named layers wired into a directed acyclic graph with one input and one output.
#ifndef OCTAVO_NN_GRAPH_HPP_
#define OCTAVO_NN_GRAPH_HPP_

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../quant/rounding.hpp"
#include "layer.hpp"
#include "layers/shaping.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// One layer in its place. Nodes stand in the order they were added, which is an order of execution.
struct Node {
  std::string name;
  std::unique_ptr<Layer> layer;
  std::vector<int> inputs;  // ids of the nodes it reads
  Shape shape;              // of its output, batch 1
  bool frozen = false;
  int folded_batch_norm = -1;  // simulated folding: the batch norm that multiplies this node's kernel, or -1
};

// A parameter with its full name, "block_1_expand/kernel", and whether an optimizer updates it.
struct NamedParameter {
  std::string name;
  Parameter* parameter = nullptr;
  bool trainable = true;
};

// A value: copying copies every layer. Execution is Executor's.
class Graph {
 public:
  // `seed` draws the initial kernels.
  explicit Graph(std::string name = "model", std::uint64_t seed = 1) : name_(std::move(name)), random_(seed) {}

  Graph(const Graph& other)
      : name_(other.name_),
        random_(other.random_),
        ids_(other.ids_),
        quantized_(other.quantized_),
        rounding_(other.rounding_) {
    for (const Node& node : other.nodes_)
      nodes_.push_back({node.name, node.layer->clone(), node.inputs, node.shape, node.frozen, node.folded_batch_norm});
  }
  Graph(Graph&&) = default;
  Graph& operator=(Graph other) noexcept {
    std::swap(name_, other.name_);
    std::swap(random_, other.random_);
    std::swap(nodes_, other.nodes_);
    std::swap(ids_, other.ids_);
    std::swap(quantized_, other.quantized_);
    std::swap(rounding_, other.rounding_);
    return *this;
  }
  ~Graph() = default;

  // The input, [height, width, channels] or whatever the first layer takes, without the batch. First, and once.
  int input(const std::string& name, const Shape& extents) {
    require(nodes_.empty(), "graph '", name_, "': the input '", name, "' must be its first and only input");
    Shape shape = {1};
    for (const std::int64_t extent : extents) shape.push_back(extent);
    return add(name, std::make_unique<InputLayer>(shape), {});
  }

  // Adds a layer that reads `inputs`; the last node added is the output. Throws Error with the layer's name when the
  // name is taken, an input is unknown, or the shapes do not fit.
  int add(const std::string& name, std::unique_ptr<Layer> layer, std::vector<int> inputs) {
    require(!ids_.contains(name), "graph '", name_, "': there is already a layer '", name, "'");
    require(inputs.empty() == nodes_.empty(), "layer '", name, "': needs inputs");
    std::vector<Shape> shapes;
    for (const int id : inputs) shapes.push_back(node(id).shape);
    Shape shape;
    try {
      layer->set_name(name);
      shape = layer->build(shapes, random_);
    } catch (const Error& error) {
      fail("layer '", name, "': ", error.what());
    }
    const int id = static_cast<int>(nodes_.size());
    ids_.emplace(name, id);
    nodes_.push_back({name, std::move(layer), std::move(inputs), shape, false, -1});
    return id;
  }
  template <std::derived_from<Layer> LayerType>
  int add(const std::string& name, LayerType layer, std::vector<int> inputs) {
    return add(name, std::make_unique<LayerType>(std::move(layer)), std::move(inputs));
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  [[nodiscard]] int output() const {
    require(!nodes_.empty(), "graph '", name_, "' is empty");
    return static_cast<int>(nodes_.size()) - 1;
  }
  [[nodiscard]] const Node& node(int id) const { return nodes_[checked(id)]; }
  [[nodiscard]] Node& node(int id) { return nodes_[checked(id)]; }
  [[nodiscard]] const std::vector<Node>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] Shape input_shape() const { return node(0).shape; }
  [[nodiscard]] Shape output_shape() const { return node(output()).shape; }

  // The id of a name; -1 when there is none.
  [[nodiscard]] int find(const std::string& name) const {
    const auto found = ids_.find(name);
    return found == ids_.end() ? -1 : found->second;
  }
  [[nodiscard]] int id_of(const std::string& name) const {
    const int id = find(name);
    require(id >= 0, "graph '", name_, "': there is no layer '", name, "'");
    return id;
  }
  // The layer of that name as LayerType (wrappers looked through). Throws when it is missing or of another type.
  template <class LayerType>
  [[nodiscard]] LayerType& layer(const std::string& name) {
    Layer& any = *node(id_of(name)).layer;
    auto* const typed = layer_as<LayerType>(any);
    require(typed != nullptr, "layer '", name, "' is a ", any.inner().type(), ", not of the type asked for");
    return *typed;
  }

  // The nodes that read each node.
  [[nodiscard]] std::vector<std::vector<int>> consumers() const {
    std::vector<std::vector<int>> readers(nodes_.size());
    for (std::size_t id = 0; id < nodes_.size(); ++id)
      for (const int input : nodes_[id].inputs)
        readers[static_cast<std::size_t>(input)].push_back(static_cast<int>(id));
    return readers;
  }

  // Puts another layer into a node's place, as quantize_model does with its wrappers. The shape stays.
  void replace(int id, std::unique_ptr<Layer> layer) { node(id).layer = std::move(layer); }
  // Marks the graph as quantization-aware: summary() then shows names with the prefix "quant_".
  void set_quantized(bool quantized) noexcept { quantized_ = quantized; }
  [[nodiscard]] bool quantized() const noexcept { return quantized_; }

  // Scheme::rounding of the scheme that made the graph quantization-aware: of the int8 model that convert() makes of
  // it.
  void set_rounding(Rounding rounding) noexcept { rounding_ = rounding; }
  [[nodiscard]] Rounding rounding() const noexcept { return rounding_; }

  // Freezes or unfreezes every node whose name begins with `prefix` ("" is all). A frozen node's parameters are not
  // trained and its batch norm stays in inference mode. Throws when no name begins so.
  void freeze(std::string_view prefix = "") { set_frozen(prefix, true); }
  void unfreeze(std::string_view prefix = "") { set_frozen(prefix, false); }

  // All parameters in order of the nodes.
  [[nodiscard]] std::vector<NamedParameter> parameters() {
    std::vector<NamedParameter> all;
    for (Node& node : nodes_)
      for (Parameter* parameter : node.layer->parameters())
        all.push_back({node.name + "/" + parameter->name, parameter, trainable(node, *parameter)});
    return all;
  }
  [[nodiscard]] static bool trainable(const Node& node, const Parameter& parameter) {
    return parameter.learned && (!node.frozen || node.layer->learns_when_frozen(parameter));
  }
  // Whether an optimizer updates any parameter of the node.
  [[nodiscard]] static bool learns(const Node& node) {
    for (const Parameter* parameter : std::as_const(*node.layer).parameters())
      if (trainable(node, *parameter)) return true;
    return false;
  }

  // Copies the values of all parameters of `other`, by name. Throws when a name or a shape is missing or differs.
  void copy_parameters_from(Graph& other) {
    std::unordered_map<std::string, Parameter*> theirs;
    for (const NamedParameter& p : other.parameters()) theirs.emplace(p.name, p.parameter);
    for (const NamedParameter& p : parameters()) {
      const auto found = theirs.find(p.name);
      require(found != theirs.end(), "graph '", other.name_, "': there is no parameter '", p.name, "'");
      require(shape_of(found->second->value) == shape_of(p.parameter->value), "parameter '", p.name,
              "': expected shape ", shape_of(p.parameter->value).to_string(), ", found ",
              shape_of(found->second->value).to_string());
      p.parameter->value = found->second->value;
    }
  }

  [[nodiscard]] std::int64_t macs() const {
    std::int64_t total = 0;
    for (const Node& node : nodes_) total += node.layer->macs();
    return total;
  }

 private:
  [[nodiscard]] std::size_t checked(int id) const {
    require(id >= 0 && static_cast<std::size_t>(id) < nodes_.size(), "graph '", name_, "': there is no node ", id);
    return static_cast<std::size_t>(id);
  }
  void set_frozen(std::string_view prefix, bool frozen) {
    bool any = false;
    for (Node& node : nodes_)
      if (node.name.starts_with(prefix)) node.frozen = frozen, any = true;
    require(any, "graph '", name_, "': no layer's name begins with '", prefix, "'");
  }

  std::string name_;
  Rng random_;
  std::vector<Node> nodes_;
  std::unordered_map<std::string, int> ids_;
  bool quantized_ = false;
  Rounding rounding_ = Rounding::nearest_even_f32;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_GRAPH_HPP_
