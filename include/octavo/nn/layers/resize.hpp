// octavo/nn/layers/resize.hpp: an image in another size, nearest neighbour or bilinear.
#ifndef OCTAVO_NN_LAYERS_RESIZE_HPP_
#define OCTAVO_NN_LAYERS_RESIZE_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../../core/parallel.hpp"
#include "../../kernels/resize.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// kernels/resize_axis.hpp says where pixels lie; at most one of the two flags.
struct Resize2DOptions {
  std::int64_t height = 1, width = 1;
  bool bilinear = false;
  bool align_corners = false, half_pixel_centers = false;
};

// [n, h, w, c] -> [n, height, width, c].
class Resize2D final : public Layer {
 public:
  explicit Resize2D(const Resize2DOptions& options) : options_(options) {}
  [[nodiscard]] std::string_view type() const override { return "Resize2D"; }
  [[nodiscard]] const Resize2DOptions& options() const noexcept { return options_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require_rank(inputs[0], 4, type());
    const Shape& in = inputs[0];
    g_ = {in[1], in[2], options_.height, options_.width, in[3], options_.align_corners, options_.half_pixel_centers};
    check_resize(type(), g_);
    nearest_.emplace(g_);
    bilinear_.emplace(g_);
    rows_ = sources(g_.rows());
    columns_ = sources(g_.columns());
    return {1, options_.height, options_.width, in[3]};
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    if (options_.bilinear)
      bilinear_->run(inputs[0]->data(), output.data(), batch_of(output), context.threads);
    else
      nearest_->run(inputs[0]->data(), output.data(), batch_of(output), context.threads);
  }
  // Each output pixel gives its gradient to the pixels that it is made of, by their weights; a thread an image.
  void backward(const Context& context, std::span<const Tensor* const>, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    const std::int64_t in_size = g_.in_h * g_.in_w * g_.channels, out_size = g_.out_h * g_.out_w * g_.channels;
    parallel_for(batch_of(grad_output), context.threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t n = first; n < last; ++n) {
        const float* dy = grad_output.data() + n * out_size;
        float* dx = grad_inputs[0]->data() + n * in_size;
        std::fill_n(dx, in_size, 0.0F);
        for (const ResizeSource<float>& row : rows_)
          for (const ResizeSource<float>& column : columns_) {
            spread(row.first, column.first, (1.0F - row.weight) * (1.0F - column.weight), dy, dx);
            spread(row.first, column.second, (1.0F - row.weight) * column.weight, dy, dx);
            spread(row.second, column.first, row.weight * (1.0F - column.weight), dy, dx);
            spread(row.second, column.second, row.weight * column.weight, dy, dx);
            dy += g_.channels;
          }
      }
    });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Resize2D>(*this); }

 private:
  [[nodiscard]] std::vector<ResizeSource<float>> sources(const ResizeAxis& axis) const {
    std::vector<ResizeSource<float>> list;
    for (std::int64_t i = 0; i < axis.out; ++i)
      list.push_back(options_.bilinear ? linear_source(axis, i)
                                       : ResizeSource<float>{nearest_source(axis, i), 0, 0.0F});
    return list;
  }
  void spread(std::int64_t y, std::int64_t x, float weight, const float* dy, float* dx) const {
    if (weight == 0.0F) return;
    float* to = dx + (y * g_.in_w + x) * g_.channels;
    for (std::int64_t c = 0; c < g_.channels; ++c) to[c] += weight * dy[c];
  }

  Resize2DOptions options_;
  ResizeGeometry g_;
  std::optional<ResizeNearest> nearest_;
  std::optional<ResizeBilinearF32> bilinear_;
  std::vector<ResizeSource<float>> rows_, columns_;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_RESIZE_HPP_
