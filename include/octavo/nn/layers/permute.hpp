// octavo/nn/layers/permute.hpp: the axes of a tensor in another order.
#ifndef OCTAVO_NN_LAYERS_PERMUTE_HPP_
#define OCTAVO_NN_LAYERS_PERMUTE_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// Axis i of the output is axis order[i] of the input; order[0] is 0, the batch stays in front.
class Permute final : public Layer {
 public:
  explicit Permute(std::vector<int> order) : order_(std::move(order)) {}
  [[nodiscard]] std::string_view type() const override { return "Permute"; }
  [[nodiscard]] const std::vector<int>& order() const noexcept { return order_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    const Shape& in = inputs[0];
    std::vector<int> sorted = order_;
    std::sort(sorted.begin(), sorted.end());
    bool fits = sorted.size() == in.rank() && order_[0] == 0;
    for (std::size_t i = 0; fits && i < sorted.size(); ++i) fits = sorted[i] == static_cast<int>(i);
    require(fits, type(), ": the order is no permutation of the axes of ", in.to_string(), " that keeps the batch");
    Shape output;
    for (const int axis : order_) output.push_back(in[static_cast<std::size_t>(axis)]);
    from_.clear();
    for (std::int64_t i = 0; i < in.size(); ++i) {  // the input's place of each output element
      std::int64_t rest = i, place = 0;
      for (std::size_t k = order_.size(); k-- > 0;) {
        const auto axis = static_cast<std::size_t>(order_[k]);
        std::int64_t stride = 1;
        for (std::size_t inner = axis + 1; inner < in.rank(); ++inner) stride *= in[inner];
        place += rest % in[axis] * stride;
        rest /= in[axis];
      }
      from_.push_back(place);
    }
    return output;
  }
  void forward(const Context&, std::span<const Tensor* const> inputs, Tensor& output) override {
    const float* x = inputs[0]->data();
    float* y = output.data();
    for (std::int64_t n = 0; n < batch_of(output); ++n, x += from_.size())
      for (const std::int64_t place : from_) *y++ = x[place];
  }
  void backward(const Context&, std::span<const Tensor* const>, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    const float* dy = grad_output.data();
    float* dx = grad_inputs[0]->data();
    for (std::int64_t n = 0; n < batch_of(grad_output); ++n, dx += from_.size())
      for (const std::int64_t place : from_) dx[place] = *dy++;
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Permute>(*this); }

 private:
  std::vector<int> order_;
  std::vector<std::int64_t> from_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_PERMUTE_HPP_
