// octavo/nn/summary.hpp: the table of layers that Keras prints.
#ifndef OCTAVO_NN_SUMMARY_HPP_
#define OCTAVO_NN_SUMMARY_HPP_

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "graph.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// One row: what the layer holds, and how much of it an optimizer updates.
struct SummaryRow {
  std::string name;
  std::string type;
  Shape shape;  // of the output, batch 1
  std::int64_t parameters = 0;
  std::int64_t trainable = 0;
  std::vector<std::string> inputs;  // the names of the layers it reads
};

struct Summary {
  std::string model;
  std::vector<SummaryRow> rows;
  std::int64_t parameters = 0;
  std::int64_t trainable = 0;
};

// Counts every parameter; in a quantized graph also the variables of its quantizers, which are never trainable.
[[nodiscard]] inline Summary summarize(const Graph& graph) {
  Summary summary;
  summary.model = graph.name();
  const auto shown_name = [&](const Node& node) {
    const bool renamed = graph.quantized() && &node.layer->inner() != node.layer.get();
    return renamed ? "quant_" + node.name : node.name;
  };
  for (const Node& node : graph.nodes()) {
    SummaryRow row{shown_name(node), std::string(node.layer->type()), node.shape, node.layer->extra_variables(), 0, {}};
    for (const Parameter* parameter : std::as_const(*node.layer).parameters()) {
      const auto count = static_cast<std::int64_t>(parameter->value.size());
      row.parameters += count;
      if (Graph::trainable(node, *parameter)) row.trainable += count;
    }
    for (const int input : node.inputs) row.inputs.push_back(shown_name(graph.node(input)));
    summary.parameters += row.parameters;
    summary.trainable += row.trainable;
    summary.rows.push_back(std::move(row));
  }
  return summary;
}

// Prints the table in Keras' layout: 98 columns; layer (type), output shape, parameters, connected to.
inline std::ostream& operator<<(std::ostream& out, const Summary& summary);

namespace detail {

inline std::string grouped(std::int64_t number) {  // 2439625 -> 2,439,625
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) text += ',';
    text += digits[at];
  }
  return text;
}

inline std::string table_row(const std::array<std::string, 4>& fields) {
  constexpr std::array<std::size_t, 4> ends = {32, 53, 65, 98};
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line.back() = ' ';
    line += fields[i];
    line.resize(ends[i], ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace detail

inline std::ostream& operator<<(std::ostream& out, const Summary& summary) {
  const std::string thin(98, '_'), thick(98, '=');
  out << "Model: \"" << summary.model << "\"\n" << thin << '\n';
  out << detail::table_row({"Layer (type)", "Output Shape", "Param #", "Connected to"}) << '\n' << thick << '\n';
  for (std::size_t i = 0; i < summary.rows.size(); ++i) {
    const SummaryRow& row = summary.rows[i];
    std::string shape = "(None";
    for (std::size_t axis = 1; axis < row.shape.rank(); ++axis) shape += ", " + std::to_string(row.shape[axis]);
    shape += row.inputs.empty() ? ")]" : ")";
    if (row.inputs.empty()) shape.insert(0, "[");
    out << detail::table_row({row.name + " (" + row.type + ")", shape, std::to_string(row.parameters),
                              row.inputs.empty() ? "" : row.inputs[0] + "[0][0]"})
        << '\n';
    for (std::size_t input = 1; input < row.inputs.size(); ++input)
      out << detail::table_row({"", "", "", row.inputs[input] + "[0][0]"}) << '\n';
    out << (i + 1 < summary.rows.size() ? thin : thick) << '\n';
  }
  return out << "Total params: " << detail::grouped(summary.parameters)
             << "\nTrainable params: " << detail::grouped(summary.trainable)
             << "\nNon-trainable params: " << detail::grouped(summary.parameters - summary.trainable) << '\n'
             << thin << '\n';
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_SUMMARY_HPP_
