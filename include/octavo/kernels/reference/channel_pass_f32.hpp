// octavo/kernels/reference/channel_pass_f32.hpp: passes over a [rows][channels] matrix: declaration and portable level.
#ifndef OCTAVO_KERNELS_REFERENCE_CHANNEL_PASS_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_CHANNEL_PASS_F32_HPP_

#include <cstdint>
#include <limits>

#include "../affine_clamp.hpp"
#include "fake_quantize_f32.hpp"
#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The bodies are in channel_pass_f32_body.hpp, written once over VectorF32<Level>.
template <Isa Level>
struct ChannelPassF32 : ChannelPassF32<fallback_of(Level)> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::scalar
#define OCTAVO_DETAIL_TARGET
#include "channel_pass_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_KERNELS_REFERENCE_CHANNEL_PASS_F32_HPP_
