// octavo/train/state.hpp: everything that training needs to continue, as plain named arrays and numbers.
#ifndef OCTAVO_TRAIN_STATE_HPP_
#define OCTAVO_TRAIN_STATE_HPP_

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../nn/graph.hpp"
#include "arrays.hpp"
#include "callbacks.hpp"
#include "history.hpp"
#include "quantizers.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

// A model without its layers: all parameters, moving statistics included ("conv1/kernel"); the quantizers' states
// ("conv1/weight_quantizer"); for each node with parameters whether it is frozen ("conv1/frozen", 0 or 1), and for
// batch norm whether its statistics are ("bn_conv1/statistics_frozen").
struct ModelState {
  std::vector<NamedArray> parameters;
  std::vector<NamedNumbers> numbers;

  [[nodiscard]] bool empty() const noexcept { return parameters.empty() && numbers.empty(); }
};

[[nodiscard]] ModelState model_state(nn::Graph& graph);
// Puts a state into a graph of the same layers. One Error lists all that is missing, surplus or of another shape;
// `source` names the state in it. The graph is then unchanged.
void set_model_state(nn::Graph& graph, const ModelState& state, const std::string& source = "model state");

struct SetParametersOptions {
  std::string prefix{};         // only parameters whose names begin so are looked at, in graph and source
  bool ignore_surplus = false;  // what the graph does not have
};
// The same for the parameters alone.
void set_parameters(nn::Graph& graph, std::span<const NamedArray> parameters, const std::string& source,
                    const SetParametersOptions& options = {});

// How far training has come, between two epochs. With it fit() continues as if it had never stopped.
struct TrainingState {
  int epoch = 0;             // epochs done
  std::int64_t step = 0;     // steps done
  std::uint64_t random = 0;  // the stream that dropout draws from
  std::uint64_t seed = 0;    // these three must be the same when training continues
  std::int64_t batch_size = 0;
  std::int64_t images = 0;
  std::int64_t optimizer_steps = 0;
  std::vector<NamedArray> optimizer;
  History history;
  BestEpoch best;
  ModelState best_model;  // empty unless restore_best
};

namespace detail {

// Collects complaints, to be thrown at once.
class Mismatches {
 public:
  template <class... Parts>
  void add(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    if (count_ < kShown) lines_ += "\n  " + text.str();
    ++count_;
  }
  void throw_if_any(const std::string& source, const std::string& target) const {
    if (count_ == 0) return;
    const std::string rest = count_ > kShown ? "\n  and " + std::to_string(count_ - kShown) + " more" : "";
    fail(source, " does not fit graph '", target, "' (", count_,
         count_ == 1 ? " difference):" : " differences):", lines_, rest);
  }

 private:
  static constexpr std::size_t kShown = 20;
  std::size_t count_ = 0;
  std::string lines_;
};

// Notes all differences; gives the pairs that fit.
inline std::vector<std::pair<nn::Parameter*, const NamedArray*>> match_parameters(
    nn::Graph& graph, std::span<const NamedArray> parameters, const SetParametersOptions& options,
    Mismatches& mismatches) {
  std::vector<std::pair<nn::Parameter*, const NamedArray*>> pairs;
  std::map<std::string, const NamedArray*> given;
  for (const NamedArray& array : parameters)
    if (array.name.starts_with(options.prefix)) given.emplace(array.name, &array);
  for (const nn::NamedParameter& wanted : graph.parameters()) {
    if (!wanted.name.starts_with(options.prefix)) continue;
    const Shape shape = shape_of(wanted.parameter->value);
    const auto found = given.find(wanted.name);
    if (found == given.end()) {
      mismatches.add("parameter '", wanted.name, "' ", shape.to_string(), " is missing");
      continue;
    }
    const Shape other = shape_of(found->second->values);
    if (other == shape)
      pairs.emplace_back(wanted.parameter, found->second);
    else
      mismatches.add("parameter '", wanted.name, "': expected ", shape.to_string(), ", found ", other.to_string());
    given.erase(found);
  }
  if (!options.ignore_surplus)
    for (const auto& [name, array] : given)
      mismatches.add("parameter '", name, "' ", shape_of(array->values).to_string(), " is surplus");
  return pairs;
}

inline void assign(const std::vector<std::pair<nn::Parameter*, const NamedArray*>>& pairs) {
  for (const auto& [parameter, array] : pairs)
    std::copy_n(array->values.data(), array->values.size(), parameter->value.data());
}

// Calls visit(name, read, write) for each set of numbers that a graph has: read() gives them, write(span) sets them.
template <class Visit>
void for_each_numbers(nn::Graph& graph, Visit&& visit) {
  for (int id = 0; id < static_cast<int>(graph.size()); ++id) {
    nn::Node& node = graph.node(id);
    if (node.layer->parameters().empty()) continue;
    visit(
        node.name + "/frozen", [&node] { return std::vector<double>{node.frozen ? 1.0 : 0.0}; },
        [&node](std::span<const double> numbers) { node.frozen = numbers[0] != 0.0; });
  }
  for_each_batch_norm(graph, [&](const nn::Node& node, nn::BatchNorm& norm) {
    visit(
        node.name + "/statistics_frozen", [&norm] { return std::vector<double>{norm.statistics_frozen() ? 1.0 : 0.0}; },
        [&norm](std::span<const double> numbers) { norm.freeze_statistics(numbers[0] != 0.0); });
  });
  for_each_quantizer(graph, [&](const std::string& name, FakeQuantizer& quantizer) {
    visit(
        name, [&quantizer] { return quantizer.state(); },
        [&quantizer](std::span<const double> numbers) { quantizer.set_state(numbers); });
  });
}

}  // namespace detail

inline ModelState model_state(nn::Graph& graph) {
  ModelState state;
  for (const nn::NamedParameter& one : graph.parameters()) state.parameters.push_back({one.name, one.parameter->value});
  detail::for_each_numbers(graph, [&](const std::string& name, auto&& read, auto&& /*write*/) {
    state.numbers.push_back({name, read()});
  });
  return state;
}

inline void set_parameters(nn::Graph& graph, std::span<const NamedArray> parameters, const std::string& source,
                           const SetParametersOptions& options) {
  detail::Mismatches mismatches;
  const auto pairs = detail::match_parameters(graph, parameters, options, mismatches);
  mismatches.throw_if_any(source, graph.name());
  detail::assign(pairs);
}

inline void set_model_state(nn::Graph& graph, const ModelState& state, const std::string& source) {
  detail::Mismatches mismatches;
  const auto pairs = detail::match_parameters(graph, state.parameters, {}, mismatches);
  std::map<std::string, const NamedNumbers*> given;
  for (const NamedNumbers& one : state.numbers) given.emplace(one.name, &one);
  std::map<std::string, const NamedNumbers*> unused = given;
  detail::for_each_numbers(graph, [&](const std::string& name, auto&& /*read*/, auto&& /*write*/) {
    if (unused.erase(name) == 0) mismatches.add("'", name, "' is missing");
  });
  for (const auto& [name, numbers] : unused) mismatches.add("'", name, "' is surplus");
  for (const NamedNumbers& one : state.numbers)
    if (one.numbers.empty()) mismatches.add("'", one.name, "' is empty");
  mismatches.throw_if_any(source, graph.name());
  const ModelState before = model_state(graph);
  try {
    detail::for_each_numbers(graph, [&](const std::string& name, auto&& /*read*/, auto&& write) {
      write(std::span<const double>(given.at(name)->numbers));
    });
  } catch (const Error& error) {  // a quantizer of another kind or other settings
    detail::for_each_numbers(graph, [&, i = std::size_t{0}](const std::string&, auto&&, auto&& write) mutable {
      write(std::span<const double>(before.numbers[i++].numbers));
    });
    fail(source, " does not fit graph '", graph.name(), "': ", error.what());
  }
  detail::assign(pairs);
}

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_STATE_HPP_
