// octavo/compress/compare.hpp: what each layer of an int8 model lost, on the caller's images.
#ifndef OCTAVO_COMPRESS_COMPARE_HPP_
#define OCTAVO_COMPRESS_COMPARE_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/largest.hpp"
#include "../nn/eigen.hpp"
#include "../nn/executor.hpp"
#include "../nn/quantize_wrapper.hpp"
#include "../quant/quantize.hpp"
#include "../runtime/single_op.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace compress {

// One operator with an 8-bit output. SQNR is the signal to quantization noise ratio, 10 log10(sum r^2 / sum (r - q)^2)
// with r the reference's value and q the model's, in dB; infinite where both are equal.
struct LayerComparison {
  std::string name;            // of the layer that computes
  std::string kind;            // of the operator
  std::string output;          // the layer whose value is compared: behind batch norm and activation
  double sqnr_db = 0.0;        // the whole int8 model against the whole reference: errors of all layers before included
  double own_sqnr_db = 0.0;    // this operator alone, on the reference's input
  std::int32_t max_steps = 0;  // largest difference in output codes, this operator alone
  double differing = 0.0;      // share of output codes that differ, this operator alone
  double saturated_low = 0.0;  // share of the model's codes at the smallest code that is not the activation's limit
  double saturated_high = 0.0;  // and at the largest
  float scale = 0.0F;
  std::int32_t zero_point = 0;
};

struct Comparison {
  std::vector<LayerComparison> layers;
  std::int64_t images = 0;
  double output_sqnr_db = 0.0;  // of the model's output
  double top1_agreement = 0.0;  // share of images whose largest output stands at the same place
  std::int32_t max_steps = 0;   // over all layers, each on the reference's input

  // A Markdown table, a row a layer.
  [[nodiscard]] std::string to_table() const;
};

// Runs `batch` [n, ...] through `reference`, in inference mode, and through `program`, and each 8-bit operator once
// more on the reference's own input. The reference is the graph that the program was converted from: with fake-quant
// layers (QAT, calibrate) each operator agrees with it to one step; a float graph shows the full loss. Throws when the
// graph's and the program's inputs or outputs differ.
template <class Lazy = void>
[[nodiscard]] Comparison compare(nn::Graph& reference, const runtime::Program& program, const Tensor& batch,
                                 int threads = default_threads());

// 10 log10(sum r^2 / sum (r - q)^2).
[[nodiscard]] inline double sqnr_db(std::span<const float> reference, std::span<const float> quantized) {
  const auto n = static_cast<std::int64_t>(reference.size());
  const auto r = nn::as_row(reference.data(), n).cast<double>(), q = nn::as_row(quantized.data(), n).cast<double>();
  const double signal = r.square().sum(), noise = (r - q).square().sum();
  if (noise == 0.0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(std::max(signal, std::numeric_limits<double>::min()) / noise);
}

namespace detail {

class Comparer {
 public:
  Comparer(nn::Graph& reference, const runtime::Program& program, const Tensor& batch, int threads)
      : graph_(reference), program_(program), batch_(batch), executor_(reference, threads) {
    require(program.inputs.size() == 1 && program.outputs.size() == 1,
            "compare: expected a program of one input and "
            "one output");
    const Shape expected = runtime::tensor_at(program, program.outputs[0]).shape;
    require(expected == reference.output_shape(), "compare: the graph's output is ",
            reference.output_shape().to_string(), ", the program's ", expected.to_string());
  }

  Comparison run() {
    const Tensor& output = executor_.forward(batch_);
    const runtime::Model model(program_, {.keep_intermediates = true});
    runtime::Session session = model.session();
    std::vector<float> result(output.size());
    const runtime::ConstBuffer input(values(batch_));
    const runtime::Buffer buffer{std::span<float>(result)};
    session.run({&input, 1}, {&buffer, 1});
    Comparison comparison;
    comparison.images = nn::batch_of(batch_);
    comparison.output_sqnr_db = sqnr_db(values(output), result);
    comparison.top1_agreement = agreement(output, result);
    for (std::size_t i = 0; i < program_.ops.size(); ++i)
      if (auto layer = compare_op(i, session)) {
        comparison.max_steps = std::max(comparison.max_steps, layer->max_steps);
        comparison.layers.push_back(std::move(*layer));
      }
    return comparison;
  }

 private:
  static double agreement(const Tensor& output, const std::vector<float>& result) {
    const std::size_t classes = output.shape().back(), images = output.size() / classes;
    std::int64_t same = 0;
    for (std::size_t n = 0; n < images; ++n) {
      const std::span<const float> a(output.data() + n * classes, classes), b(result.data() + n * classes, classes);
      same += index_of_largest(a) == index_of_largest(b) ? 1 : 0;
    }
    return static_cast<double>(same) / static_cast<double>(images);
  }

  // The reference's value of a program's tensor; null where the graph does not make it.
  [[nodiscard]] const Tensor* reference_value(int tensor) {
    std::string name = runtime::tensor_at(program_, tensor).name;
    constexpr std::string_view logits = "/logits";
    const bool wants_logits = name.ends_with(logits);
    if (wants_logits) name.resize(name.size() - logits.size());
    int id = graph_.find(name);
    if (id < 0 && name == "quantize_layer") id = 0;
    if (id < 0 || !executor_.materialized(id)) return nullptr;
    if (!wants_logits) return &executor_.value(id);
    const auto* wrapper = dynamic_cast<const nn::QuantizeWrapper*>(graph_.node(id).layer.get());
    return wrapper != nullptr && wrapper->logits().size() > 1 ? &wrapper->logits() : nullptr;
  }

  std::optional<LayerComparison> compare_op(std::size_t index, const runtime::Session& session) {
    const runtime::Op& op = program_.ops[index];
    const runtime::TensorInfo& output = runtime::output_of(program_, op);
    const Tensor* const expected = reference_value(op.outputs[0]);
    if (output.dtype != runtime::DType::i8 || expected == nullptr) return std::nullopt;
    std::vector<std::vector<std::int8_t>> codes;
    std::vector<runtime::ConstBuffer> inputs;
    codes.reserve(op.inputs.size());
    for (const int id : op.inputs) {
      if (id < 0 || runtime::tensor_at(program_, id).constant()) continue;
      const Tensor* const value = reference_value(id);
      if (value == nullptr) return std::nullopt;
      if (runtime::tensor_at(program_, id).dtype != runtime::DType::i8) {
        inputs.emplace_back(values(*value));
        continue;
      }
      codes.push_back(codes_of(*value, runtime::tensor_at(program_, id)));
      inputs.emplace_back(std::span<const std::int8_t>(codes.back()));
    }
    std::vector<std::int8_t> alone(expected->size());
    runtime::run_single_op(program_, index, inputs, std::span<std::int8_t>(alone));
    return measure(op, output, *expected, alone, session.tensor_values(op.outputs[0]));
  }

  static std::vector<std::int8_t> codes_of(const Tensor& value, const runtime::TensorInfo& tensor) {
    std::vector<std::int8_t> codes(value.size());
    quantize(values(value), runtime::grid_of(tensor), Ties::even, codes, tensor.name);
    return codes;
  }

  LayerComparison measure(const runtime::Op& op, const runtime::TensorInfo& output, const Tensor& expected,
                          const std::vector<std::int8_t>& alone, const std::vector<float>& whole) const {
    const Grid grid = runtime::grid_of(output);
    LayerComparison layer;
    layer.name = op.name, layer.kind = name_of(op.kind), layer.output = output.name;
    layer.scale = grid.scale, layer.zero_point = grid.zero_point;
    layer.sqnr_db = sqnr_db(values(expected), whole);
    const std::vector<std::int8_t> wanted = codes_of(expected, output);
    std::vector<float> own(alone.size());
    std::int64_t differing = 0, low = 0, high = 0;
    // A code at the end of the grid is saturated unless the activation itself ends there.
    const bool low_is_limit = op.clamp_low >= grid.low(), high_is_limit = op.clamp_high <= grid.high() + grid.scale / 2;
    for (std::size_t i = 0; i < alone.size(); ++i) {
      own[i] = dequantize(alone[i], grid);
      const int difference = std::abs(int{alone[i]} - int{wanted[i]});
      layer.max_steps = std::max(layer.max_steps, difference);
      differing += difference != 0 ? 1 : 0;
      low += !low_is_limit && alone[i] == grid.qmin ? 1 : 0;
      high += !high_is_limit && alone[i] == grid.qmax ? 1 : 0;
    }
    const auto share = [&](std::int64_t count) {
      return static_cast<double>(count) / static_cast<double>(alone.size());
    };
    layer.own_sqnr_db = sqnr_db(values(expected), own);
    layer.differing = share(differing), layer.saturated_low = share(low), layer.saturated_high = share(high);
    return layer;
  }

  nn::Graph& graph_;
  const runtime::Program& program_;
  const Tensor& batch_;
  nn::Executor executor_;
};

}  // namespace detail

template <class Lazy>
Comparison compare(nn::Graph& reference, const runtime::Program& program, const Tensor& batch, int threads) {
  return detail::Comparer(reference, program, batch, threads).run();
}

inline std::string Comparison::to_table() const {
  std::string text =
      "| layer | operator | SQNR dB | alone dB | largest difference, steps | differing | saturated low / high |\n"
      "|---|---|---:|---:|---:|---:|---:|\n";
  for (const LayerComparison& layer : layers) {
    char row[256];
    std::snprintf(row, sizeof row, "| %.60s | %s | %.1f | %.1f | %d | %.2f %% | %.2f / %.2f %% |\n", layer.name.c_str(),
                  layer.kind.c_str(), layer.sqnr_db, layer.own_sqnr_db, layer.max_steps, 100 * layer.differing,
                  100 * layer.saturated_low, 100 * layer.saturated_high);
    text += row;
  }
  return text;
}

}  // namespace compress
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::compress::Comparison octavo::compress::compare<void>(octavo::nn::Graph&,
                                                                          const octavo::runtime::Program&,
                                                                          const octavo::Tensor&, int));

#endif  // OCTAVO_COMPRESS_COMPARE_HPP_
