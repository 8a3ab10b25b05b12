// octavo/kernels/geometry.hpp: the sizes of a windowed operator (convolution, depthwise, pooling).
#ifndef OCTAVO_KERNELS_GEOMETRY_HPP_
#define OCTAVO_KERNELS_GEOMETRY_HPP_

#include <cstdint>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// The window and how it moves. Input row of output row y and tap i: y * stride_h - pad_top + i * dilation_h.
// Taps outside the input contribute real 0. Padding below and to the right follows from the output size.
struct Window {
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0;

  friend bool operator==(const Window&, const Window&) = default;
};

// One image's extents, NHWC. Convolution weights are OHWI: [out_c][kernel_h][kernel_w][in_c / groups]; depthwise
// weights 1HWC: [kernel_h][kernel_w][out_c] with out_c = in_c * multiplier, output channel c reads input channel
// c / multiplier.
struct ConvGeometry {
  std::int64_t in_h = 1, in_w = 1, in_c = 1;
  std::int64_t out_h = 1, out_w = 1, out_c = 1;
  std::int64_t groups = 1;
  Window window;

  [[nodiscard]] std::int64_t in_size() const noexcept { return in_h * in_w * in_c; }
  [[nodiscard]] std::int64_t out_size() const noexcept { return out_h * out_w * out_c; }
  // A 1x1 convolution without padding, stride or groups is a matrix product over pixels.
  [[nodiscard]] bool pointwise() const noexcept { return window == Window{} && groups == 1; }
  friend bool operator==(const ConvGeometry&, const ConvGeometry&) = default;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_GEOMETRY_HPP_
