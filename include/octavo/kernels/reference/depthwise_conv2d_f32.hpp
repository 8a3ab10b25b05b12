// octavo/kernels/reference/depthwise_conv2d_f32.hpp: depthwise convolution: declaration and portable level.
#ifndef OCTAVO_KERNELS_REFERENCE_DEPTHWISE_CONV2D_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_DEPTHWISE_CONV2D_F32_HPP_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// One tap of a window: where it reads for the first pixel of a run, its weights, and its place in the window.
struct TapF32 {
  const float* in;
  const float* weights;
  std::int64_t index;
};

// One output row of a 3 x 3 window that moves by one or two columns.
struct DepthwiseRow3F32 {
  const float* rows[3];   // the input rows; zeros_f32 for one outside the image
  std::int64_t steps[3];  // floats from column to column: channels, or 0 for zeros_f32
  std::int64_t in_w, out_w, pad_left, channels;
  const float* weights;  // [3][3][channels]
  const float* bias;     // may be null
  float low, high;
  float* out;
  bool stream;
  bool far;  // a hint: what is written is not in the caches
};

// The bodies are in depthwise_conv2d_f32_body.hpp, written once over VectorF32<Level>.
template <Isa Level>
struct DepthwiseRunF32 : DepthwiseRunF32<fallback_of(Level)> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::scalar
#define OCTAVO_DETAIL_TARGET
#include "depthwise_conv2d_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_KERNELS_REFERENCE_DEPTHWISE_CONV2D_F32_HPP_
