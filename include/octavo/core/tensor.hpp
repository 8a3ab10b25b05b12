// octavo/core/tensor.hpp: the float tensor of training. The only place that includes xtensor (its headers move
// between releases).
#ifndef OCTAVO_CORE_TENSOR_HPP_
#define OCTAVO_CORE_TENSOR_HPP_

#include <algorithm>
#include <span>
#include <vector>
#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xarray.hpp>
#endif

#include "aligned.hpp"
#include "shape.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Dense row-major float32 array of any rank; activations are NHWC. Storage is 64-byte aligned and uninitialized after
// construction from a shape or resize().
using Tensor = xt::xarray<float, xt::layout_type::row_major, AlignedAllocator<float>>;

[[nodiscard]] inline Shape shape_of(const Tensor& tensor) { return {tensor.shape().begin(), tensor.shape().end()}; }

[[nodiscard]] inline std::span<float> values(Tensor& tensor) { return {tensor.data(), tensor.size()}; }
[[nodiscard]] inline std::span<const float> values(const Tensor& tensor) { return {tensor.data(), tensor.size()}; }

// Gives `tensor` this shape; the values are unspecified unless the shape was already this one.
inline void reshape_to(Tensor& tensor, const Shape& shape) {
  const std::vector<std::size_t> extents(shape.begin(), shape.end());
  tensor.resize(extents);
}

[[nodiscard]] inline Tensor make_tensor(const Shape& shape) {
  Tensor tensor;
  reshape_to(tensor, shape);
  return tensor;
}
[[nodiscard]] inline Tensor make_tensor(const Shape& shape, float value) {
  Tensor tensor = make_tensor(shape);
  std::fill(tensor.data(), tensor.data() + tensor.size(), value);
  return tensor;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_TENSOR_HPP_
