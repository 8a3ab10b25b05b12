// octavo/nn/executor.hpp: runs a Graph forward and backward, with the passes over memory fused.
#ifndef OCTAVO_NN_EXECUTOR_HPP_
#define OCTAVO_NN_EXECUTOR_HPP_

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "../core/parallel.hpp"
#include "graph.hpp"
#include "layers/activations.hpp"
#include "layers/batch_norm.hpp"
#include "layers/conv2d.hpp"
#include "layers/depthwise_conv2d.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// Holds the activations and gradients of one batch. Two fusions save passes over memory, which is what training a
// MobileNet waits for; both give the values of the layers run one by one:
//   batch norm [+ ReLU or ReLU6] [+ output grid]: one pass, and none of the tensors between is made;
//   zero padding + convolution: the convolution reads the unpadded tensor.
// The graph must outlive the executor and keep its nodes; parameters, freezing and layers' state may change.
class Executor {
 public:
  explicit Executor(Graph& graph, int threads = default_threads(), std::uint64_t seed = 1)
      : graph_(&graph), threads_(threads), random_(seed) {
    plan();
  }

  [[nodiscard]] Graph& graph() noexcept { return *graph_; }
  [[nodiscard]] int threads() const noexcept { return threads_; }
  // The stream that dropout draws from; its state belongs into a checkpoint.
  [[nodiscard]] Rng& random() noexcept { return random_; }

  // The output for a batch [n, ...] that the caller keeps until backward(). Throws when the shape is not the input's.
  const Tensor& forward(const Tensor& input, bool training = false) {
    return run(0, input, graph_->output(), training);
  }

  // The part of the graph behind node `from`, whose value is given, up to node `to`. All paths from the input to `to`
  // must pass `from` (see frozen_cut()).
  template <class Lazy = void>
  const Tensor& run(int from, const Tensor& value, int to, bool training);

  // While true, observers also see the passes that do not train: calibration.
  void set_calibrating(bool calibrating) noexcept { calibrating_ = calibrating; }

  // After forward(): the gradients of all trainable parameters, from the gradient of the output or, with `of_logits`,
  // of what the final softmax reads.
  template <class Lazy = void>
  void backward(const Tensor& gradient, bool of_logits);

  // The value of a node in the last forward. Throws for nodes that were fused into the next (see materialized()).
  [[nodiscard]] const Tensor& value(int id) const {
    require(materialized(id), "layer '", graph_->node(id).name, "': its output was fused into the next layer");
    return *values_[index(id)];
  }
  [[nodiscard]] bool materialized(int id) const { return values_[index(id)] != nullptr; }

  // The last node whose value depends on nothing that trains: everything up to it, itself included, is frozen and
  // stationary, and the rest of the graph reads only it. -1 when there is none behind the input.
  [[nodiscard]] int frozen_cut() const;

 private:
  // One call: `node`, whose result stands for `last`.
  struct Step {
    int node = 0;
    int last = 0;
    std::vector<int> inputs;
    BatchNorm* batch_norm = nullptr;  // fused: batch norm with `clamp` and the quantizer of `last`
    ClampRange clamp;
  };

  static std::size_t index(int id) { return static_cast<std::size_t>(id); }
  // A learned step needs the values in front of the grid.
  static bool fusible(const Node& node) {
    const FakeQuantizer* quantizer = node.layer->output_quantizer();
    return quantizer == nullptr || quantizer->settings().step == StepPolicy::observed;
  }
  template <class Lazy = void>
  void plan();
  bool absorb_padding(int pad, int convolution);
  [[nodiscard]] Context context_for(const Step& step, bool training);
  [[nodiscard]] BatchNorm::Epilogue epilogue(const Step& step) {
    return {step.clamp, graph_->node(step.last).layer->output_quantizer()};
  }
  void run_backward(const Step& step, const Context& context);
  [[nodiscard]] std::vector<const Tensor*> inputs_of(const Step& step) const {
    std::vector<const Tensor*> inputs;
    for (const int id : step.inputs) inputs.push_back(values_[index(id)]);
    return inputs;
  }

  // Gradient tensors are kept by size: allocating hundreds of megabytes a step costs more than some layers.
  [[nodiscard]] std::unique_ptr<Tensor> acquire(const Shape& shape) {
    const auto found = pool_.find(static_cast<std::size_t>(shape.size()));
    std::unique_ptr<Tensor> tensor;
    if (found != pool_.end()) {
      tensor = std::move(found->second);
      pool_.erase(found);
    } else {
      tensor = std::make_unique<Tensor>();
    }
    reshape_to(*tensor, shape);
    return tensor;
  }
  void release(std::unique_ptr<Tensor> tensor) {
    const std::size_t size = tensor->size();
    pool_.emplace(size, std::move(tensor));
  }

  Graph* graph_;
  int threads_;
  Rng random_;
  Workspace workspace_;
  std::vector<Step> steps_;
  std::vector<Tensor> storage_;        // one a node that is a step's last
  std::vector<const Tensor*> values_;  // null: fused away, or not run
  std::vector<char> wants_gradient_;   // something at or before the node trains
  std::vector<std::unique_ptr<Tensor>> gradients_;
  std::multimap<std::size_t, std::unique_ptr<Tensor>> pool_;
  int from_ = 0;
  bool training_ = false;
  bool calibrating_ = false;
};

template <class Lazy>
void Executor::plan() {
  const std::size_t size = graph_->size();
  require(size >= 2, "graph '", graph_->name(), "': nothing to run");
  storage_.resize(size);
  values_.assign(size, nullptr);
  gradients_.resize(size);
  const auto readers = graph_->consumers();
  const auto only_reader = [&](int id) { return readers[index(id)].size() == 1 ? readers[index(id)][0] : -1; };
  std::vector<char> done(size, 0);
  std::vector<int> source(size);  // the node whose tensor stands for a node's: itself, or what an absorbed pad reads
  for (std::size_t i = 0; i < size; ++i) source[i] = static_cast<int>(i);
  for (int id = 1; id < static_cast<int>(size); ++id) {
    Node& node = graph_->node(id);
    if (done[index(id)]) continue;
    const int next = only_reader(id);
    if (next >= 0 && absorb_padding(id, next)) {
      source[index(id)] = node.inputs[0];
      continue;
    }
    Step step;
    step.node = step.last = id;
    for (const int input : node.inputs) step.inputs.push_back(source[index(input)]);
    step.batch_norm = fusible(node) ? layer_as<BatchNorm>(*node.layer) : nullptr;
    if (step.batch_norm != nullptr && node.layer->output_quantizer() == nullptr && next >= 0 &&
        fusible(graph_->node(next)))
      if (const auto* clamp = layer_as<ClampLayer>(*graph_->node(next).layer)) {
        step.last = next;
        step.clamp = clamp->range();
        done[index(next)] = 1;
      }
    steps_.push_back(step);
  }
}

// Hands the margins of zero padding `pad` to the convolution that alone reads it. False when that is not the pattern.
inline bool Executor::absorb_padding(int pad, int convolution) {
  const auto* padding = layer_as<ZeroPadding2D>(*graph_->node(pad).layer);
  if (padding == nullptr || graph_->node(pad).layer->output_quantizer() != nullptr) return false;
  const Shape& unpadded = graph_->node(graph_->node(pad).inputs[0]).shape;
  Layer& layer = *graph_->node(convolution).layer;
  if (auto* conv = layer_as<Conv2D>(layer); conv != nullptr && !conv->options().padding.is_same()) {
    conv->absorb(padding->margins(), &unpadded);
    return true;
  }
  if (auto* conv = layer_as<DepthwiseConv2D>(layer); conv != nullptr && !conv->options().padding.is_same()) {
    conv->absorb(padding->margins(), &unpadded);
    return true;
  }
  return false;
}

inline Context Executor::context_for(const Step& step, bool training) {
  Context context;
  context.training = training;
  context.observe = training || calibrating_;
  context.frozen = graph_->node(step.node).frozen;
  context.threads = threads_;
  context.random = training ? &random_ : nullptr;
  context.workspace = &workspace_;
  return context;
}

template <class Lazy>
const Tensor& Executor::run(int from, const Tensor& value, int to, bool training) {
  const Shape expected = graph_->node(from).shape, found = shape_of(value);
  require(found.rank() == expected.rank() && found[0] >= 1 && found.with_batch(1) == expected, "graph '",
          graph_->name(), "': layer '", graph_->node(from).name, "' expects ", expected.to_string(),
          " with any batch, found ", found.to_string());
  std::fill(values_.begin(), values_.end(), nullptr);
  values_[index(from)] = &value;
  from_ = from;
  training_ = training;
  for (Step& step : steps_) {
    if (step.node <= from || step.last > to) continue;
    Node& node = graph_->node(step.node);
    Tensor& output = storage_[index(step.last)];
    reshape_to(output, node.shape.with_batch(found[0]));
    const Context context = context_for(step, training);
    if (node.folded_batch_norm >= 0)
      node.layer->set_folding_scale(layer_as<BatchNorm>(*graph_->node(node.folded_batch_norm).layer)->folding_scale());
    const auto inputs = inputs_of(step);
    if (step.batch_norm != nullptr)
      step.batch_norm->forward_fused(context, *inputs[0], output, epilogue(step));
    else
      node.layer->forward(context, inputs, output);
    values_[index(step.last)] = &output;
  }
  require(values_[index(to)] != nullptr, "layer '", graph_->node(to).name,
          "': its output was fused into the next layer");
  return *values_[index(to)];
}

template <class Lazy>
void Executor::backward(const Tensor& gradient, bool of_logits) {
  const int last = graph_->output();
  require(values_[index(last)] != nullptr && training_, "graph '", graph_->name(),
          "': backward needs a forward in training mode before it");
  require(shape_of(gradient) == shape_of(*values_[index(last)]), "graph '", graph_->name(),
          "': expected a gradient of ", shape_of(*values_[index(last)]).to_string(), ", found ",
          shape_of(gradient).to_string());
  wants_gradient_.assign(graph_->size(), 0);
  for (const Step& step : steps_) {
    if (step.node <= from_) continue;
    bool wants = false;
    for (int id = step.node; id <= step.last; id += std::max(step.last - step.node, 1))
      wants |= Graph::learns(graph_->node(id));
    for (const int input : step.inputs) wants |= wants_gradient_[index(input)] != 0;
    wants_gradient_[index(step.last)] = wants;
  }
  gradients_[index(last)] = acquire(shape_of(gradient));
  std::copy_n(gradient.data(), gradient.size(), gradients_[index(last)]->data());
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (step->node <= from_ || gradients_[index(step->last)] == nullptr) continue;
    Context context = context_for(*step, true);
    context.logit_gradient = of_logits && step->last == last;
    if (wants_gradient_[index(step->last)]) run_backward(*step, context);
    if (gradients_[index(step->last)] != nullptr) release(std::move(gradients_[index(step->last)]));
  }
}

inline void Executor::run_backward(const Step& step, const Context& context) {
  std::unique_ptr<Tensor>& grad_output = gradients_[index(step.last)];
  const auto inputs = inputs_of(step);
  const auto wanted = [&](int id) { return id > from_ && wants_gradient_[index(id)] != 0; };
  if (step.batch_norm != nullptr && (!wanted(step.inputs[0]) || gradients_[index(step.inputs[0])] == nullptr)) {
    const bool passes = wanted(step.inputs[0]);  // in place: the output's gradient becomes the input's
    step.batch_norm->backward_fused(context, *inputs[0], *grad_output, passes ? grad_output.get() : nullptr,
                                    epilogue(step));
    if (passes) gradients_[index(step.inputs[0])] = std::move(grad_output);
    return;
  }
  std::vector<Tensor*> grad_inputs;
  std::vector<std::pair<int, std::unique_ptr<Tensor>>> more;  // second gradients of nodes that several layers read
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const int id = step.inputs[i];
    if (!wanted(id)) {
      grad_inputs.push_back(nullptr);
    } else if (gradients_[index(id)] == nullptr) {
      gradients_[index(id)] = acquire(shape_of(*inputs[i]));
      grad_inputs.push_back(gradients_[index(id)].get());
    } else {
      more.emplace_back(id, acquire(shape_of(*inputs[i])));
      grad_inputs.push_back(more.back().second.get());
    }
  }
  if (step.batch_norm != nullptr)
    step.batch_norm->backward_fused(context, *inputs[0], *grad_output, grad_inputs[0], epilogue(step));
  else
    graph_->node(step.node).layer->backward(context, inputs, *values_[index(step.last)], *grad_output, grad_inputs);
  for (auto& [id, gradient] : more) {
    add_f32(gradients_[index(id)]->data(), gradient->data(), static_cast<std::int64_t>(gradient->size()),
            gradients_[index(id)]->data(), threads_);
    release(std::move(gradient));
  }
}

inline int Executor::frozen_cut() const {
  const auto readers = graph_->consumers();
  int cut = -1;
  std::vector<char> still(graph_->size(), 0);
  for (std::size_t i = 0; i < graph_->size(); ++i) {
    const Node& node = graph_->node(static_cast<int>(i));
    still[i] = !Graph::learns(node) && node.layer->stationary() &&
               (node.frozen || i == 0 || std::as_const(*node.layer).parameters().empty());
    for (const int input : node.inputs) still[i] = still[i] && still[index(input)];
  }
  for (const Step& step : steps_) {
    if (!still[index(step.last)]) continue;
    bool only_door = true;  // nothing at or before the cut is read behind it, except the cut itself
    for (int id = 0; id < step.last && only_door; ++id)
      for (const int reader : readers[index(id)]) only_door = only_door && reader <= step.last;
    if (only_door) cut = step.last;
  }
  return cut == graph_->output() ? -1 : cut;
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(void octavo::nn::Executor::plan<void>());
OCTAVO_ENTRY(const octavo::Tensor& octavo::nn::Executor::run<void>(int, const octavo::Tensor&, int, bool));
OCTAVO_ENTRY(void octavo::nn::Executor::backward<void>(const octavo::Tensor&, bool));

#endif  // OCTAVO_NN_EXECUTOR_HPP_
