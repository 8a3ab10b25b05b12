// octavo/nn/layers/pooling.hpp: average, maximum and global average pooling.
#ifndef OCTAVO_NN_LAYERS_POOLING_HPP_
#define OCTAVO_NN_LAYERS_POOLING_HPP_

#include <algorithm>
#include <limits>
#include <memory>

#include "../../core/parallel.hpp"
#include "../eigen.hpp"
#include "../layer.hpp"
#include "../padding.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

struct PoolOptions {
  Extent size{2};
  Extent strides{2};
  Padding padding = Padding::valid();
};

// What both window pools share. Taps outside the input do not count.
class WindowPool : public Layer {
 public:
  [[nodiscard]] const PoolOptions& options() const noexcept { return options_; }
  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return geometry_; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    geometry_ = window_geometry(inputs[0], {options_.size, options_.strides, options_.padding, Extent{1}}, {}, type());
    return {1, geometry_.out_h, geometry_.out_w, geometry_.out_c};
  }

 protected:
  explicit WindowPool(const PoolOptions& options) : options_(options) {}

  // Calls body(output offset of channel 0, input offsets' first and count) for each output pixel, in parallel over
  // images: body(o, taps) where taps are the input offsets of channel 0 inside the image borders.
  template <class Body>
  void for_each_window(std::int64_t batch, int threads, Body&& body) const {
    const ConvGeometry& g = geometry_;
    const Window& w = g.window;
    parallel_for(batch, threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      std::vector<std::int64_t> taps;
      for (std::int64_t pixel = first * g.out_h * g.out_w; pixel < last * g.out_h * g.out_w; ++pixel) {
        const std::int64_t n = pixel / (g.out_h * g.out_w), y = pixel / g.out_w % g.out_h, x = pixel % g.out_w;
        taps.clear();
        for (std::int64_t i = 0; i < w.kernel_h; ++i)
          for (std::int64_t j = 0; j < w.kernel_w; ++j) {
            const std::int64_t row = y * w.stride_h - w.pad_top + i, column = x * w.stride_w - w.pad_left + j;
            if (row >= 0 && row < g.in_h && column >= 0 && column < g.in_w)
              taps.push_back(((n * g.in_h + row) * g.in_w + column) * g.in_c);
          }
        body(pixel * g.in_c, taps);
      }
    });
  }

 private:
  PoolOptions options_;
  ConvGeometry geometry_;
};

// The mean of the taps inside the image.
class AveragePooling2D final : public WindowPool {
 public:
  explicit AveragePooling2D(const PoolOptions& options = {}) : WindowPool(options) {}
  [[nodiscard]] std::string_view type() const override { return "AveragePooling2D"; }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    const std::int64_t channels = geometry().in_c;
    for_each_window(batch_of(output), context.threads, [&](std::int64_t o, const std::vector<std::int64_t>& taps) {
      RowMap y = as_row(output.data() + o, channels);
      y.setZero();
      for (const std::int64_t tap : taps) y += as_row(inputs[0]->data() + tap, channels);
      y *= 1.0F / static_cast<float>(std::max<std::size_t>(taps.size(), 1));
    });
  }
  void backward(const Context& context, std::span<const Tensor* const> /*inputs*/, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    float* const dx = grad_inputs[0]->data();
    std::fill_n(dx, grad_inputs[0]->size(), 0.0F);
    const std::int64_t channels = geometry().in_c;
    for_each_window(batch_of(grad_output), context.threads, [&](std::int64_t o, const std::vector<std::int64_t>& taps) {
      const float share = 1.0F / static_cast<float>(std::max<std::size_t>(taps.size(), 1));
      for (const std::int64_t tap : taps)
        as_row(dx + tap, channels) += share * as_row(grad_output.data() + o, channels);
    });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<AveragePooling2D>(*this); }
};

// The largest of the taps inside the image; the gradient goes to the first of equals.
class MaxPooling2D final : public WindowPool {
 public:
  explicit MaxPooling2D(const PoolOptions& options = {}) : WindowPool(options) {}
  [[nodiscard]] std::string_view type() const override { return "MaxPooling2D"; }

  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    const std::int64_t channels = geometry().in_c;
    for_each_window(batch_of(output), context.threads, [&](std::int64_t o, const std::vector<std::int64_t>& taps) {
      RowMap y = as_row(output.data() + o, channels);
      y.setConstant(std::numeric_limits<float>::lowest());
      for (const std::int64_t tap : taps) y = y.max(as_row(inputs[0]->data() + tap, channels));
    });
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& output,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    float* const dx = grad_inputs[0]->data();
    std::fill_n(dx, grad_inputs[0]->size(), 0.0F);
    const std::int64_t channels = geometry().in_c;
    for_each_window(batch_of(output), context.threads, [&](std::int64_t o, const std::vector<std::int64_t>& taps) {
      for (std::int64_t c = 0; c < channels; ++c)
        for (const std::int64_t tap : taps)
          if (inputs[0]->data()[tap + c] == output.data()[o + c]) {
            dx[tap + c] += grad_output.data()[o + c];
            break;
          }
    });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<MaxPooling2D>(*this); }
};

// [n, h, w, c] -> [n, c]: the mean over all pixels.
class GlobalAveragePooling2D final : public Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "GlobalAveragePooling2D"; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 1, type());
    require_rank(inputs[0], 4, type());
    pixels_ = inputs[0][1] * inputs[0][2];
    channels_ = inputs[0][3];
    return {1, channels_};
  }
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    const float share = 1.0F / static_cast<float>(pixels_);
    parallel_for(batch_of(output), context.threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t n = first; n < last; ++n) {
        const ConstMatrixMap x(inputs[0]->data() + n * pixels_ * channels_, pixels_, channels_);
        as_row(output.data() + n * channels_, channels_) = share * x.colwise().sum().array();
      }
    });
  }
  void backward(const Context& context, std::span<const Tensor* const> /*inputs*/, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    if (grad_inputs[0] == nullptr) return;
    const float share = 1.0F / static_cast<float>(pixels_);
    parallel_for(batch_of(grad_output), context.threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t n = first; n < last; ++n) {
        MatrixMap dx(grad_inputs[0]->data() + n * pixels_ * channels_, pixels_, channels_);
        dx.array().rowwise() = share * as_row(grad_output.data() + n * channels_, channels_);
      }
    });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GlobalAveragePooling2D>(*this);
  }

 private:
  std::int64_t pixels_ = 1, channels_ = 1;
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_POOLING_HPP_
