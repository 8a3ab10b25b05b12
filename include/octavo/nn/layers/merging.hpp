// octavo/nn/layers/merging.hpp: layers that join several tensors: product, with one factor a channel too, and
// concatenation.
#ifndef OCTAVO_NN_LAYERS_MERGING_HPP_
#define OCTAVO_NN_LAYERS_MERGING_HPP_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "../../core/parallel.hpp"
#include "../layer.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// a * b, element by element. b may also be [n, 1, 1, c] for a of [n, h, w, c]: one factor a channel and image (the
// gate of a squeeze-and-excitation block).
class Multiply final : public Layer {
 public:
  [[nodiscard]] std::string_view type() const override { return "Multiply"; }
  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require_inputs(inputs, 2, type());
    const Shape &a = inputs[0], &b = inputs[1];
    const bool gate = a.rank() == 4 && b == Shape{1, 1, 1, a[3]};
    require(a == b || gate, type(), ": the inputs' shapes do not fit: ", a.to_string(), " and ", b.to_string());
    width_ = a == b ? a.size() : a[3];
    rows_ = a.size() / width_;
    return a;
  }
  // Each image is rows_ rows of width_ values; b has one such row.
  void forward(const Context& context, std::span<const Tensor* const> inputs, Tensor& output) override {
    for_each_row(batch_of(output), context.threads, [&](std::int64_t image, std::int64_t begin) {
      const float *a = inputs[0]->data() + begin, *b = inputs[1]->data() + image * width_;
      for (std::int64_t i = 0; i < width_; ++i) output.data()[begin + i] = a[i] * b[i];
    });
  }
  void backward(const Context& context, std::span<const Tensor* const> inputs, const Tensor& /*output*/,
                const Tensor& grad_output, std::span<Tensor* const> grad_inputs) override {
    Tensor *const da = grad_inputs[0], *const db = grad_inputs[1];
    if (db != nullptr) std::fill_n(db->data(), db->size(), 0.0F);
    for_each_row(batch_of(grad_output), context.threads, [&](std::int64_t image, std::int64_t begin) {
      const float *a = inputs[0]->data() + begin, *b = inputs[1]->data() + image * width_;
      const float* dy = grad_output.data() + begin;
      for (std::int64_t i = 0; da != nullptr && i < width_; ++i) da->data()[begin + i] = dy[i] * b[i];
      for (std::int64_t i = 0; db != nullptr && i < width_; ++i) db->data()[image * width_ + i] += dy[i] * a[i];
    });
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Multiply>(*this); }

 private:
  template <class Body>
  void for_each_row(std::int64_t batch, int threads, Body&& body) const {
    parallel_for(batch, threads, [&](std::int64_t first, std::int64_t last, int /*part*/) {
      for (std::int64_t row = first * rows_; row < last * rows_; ++row) body(row / rows_, row * width_);
    });
  }

  std::int64_t rows_ = 1, width_ = 1;
};

// The inputs one behind the other along `axis` (not the batch); -1 is the last. Their other extents are equal.
class Concatenate final : public Layer {
 public:
  explicit Concatenate(int axis = -1) : axis_(axis) {}
  [[nodiscard]] std::string_view type() const override { return "Concatenate"; }
  [[nodiscard]] int axis() const noexcept { return axis_; }

  Shape build(std::span<const Shape> inputs, Rng& /*random*/) override {
    require(inputs.size() >= 2, type(), ": expected 2 or more inputs, found ", inputs.size());
    Shape output = inputs[0];
    const int rank = static_cast<int>(output.rank());
    require(axis_ >= -rank && axis_ < rank && axis_ != 0 && axis_ != -rank, type(), ": no axis ", axis_, " in ",
            output.to_string());
    const auto axis = static_cast<std::size_t>(axis_ < 0 ? axis_ + rank : axis_);
    outer_ = 1;
    for (std::size_t i = 1; i < axis; ++i) outer_ *= output[i];
    pieces_.clear();
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      Shape other = inputs[k];
      require(other.rank() == output.rank(), type(), ": inputs of ", output.to_string(), " and ", other.to_string());
      pieces_.push_back(other.size() / outer_);
      if (k == 0) continue;
      output[axis] += other[axis];
      other[axis] = output[axis];
      require(other == output, type(), ": the inputs differ outside of axis ", axis, ": ", inputs[0].to_string(),
              " and ", inputs[k].to_string());
    }
    return output;
  }
  void forward(const Context&, std::span<const Tensor* const> inputs, Tensor& output) override {
    float* to = output.data();
    for (std::int64_t row = 0; row < batch_of(output) * outer_; ++row)
      for (std::size_t k = 0; k < pieces_.size(); ++k)
        to = std::copy_n(inputs[k]->data() + row * pieces_[k], pieces_[k], to);
  }
  void backward(const Context&, std::span<const Tensor* const>, const Tensor&, const Tensor& grad_output,
                std::span<Tensor* const> grad_inputs) override {
    const float* from = grad_output.data();
    for (std::int64_t row = 0; row < batch_of(grad_output) * outer_; ++row)
      for (std::size_t k = 0; k < pieces_.size(); from += pieces_[k++])
        if (grad_inputs[k] != nullptr) std::copy_n(from, pieces_[k], grad_inputs[k]->data() + row * pieces_[k]);
  }
  [[nodiscard]] std::unique_ptr<Layer> clone() const override { return std::make_unique<Concatenate>(*this); }

 private:
  int axis_;
  std::int64_t outer_ = 1;            // rows of one image
  std::vector<std::int64_t> pieces_;  // what each input gives to a row
};

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_LAYERS_MERGING_HPP_
