// octavo/kernels/reference/fake_quantize_f32.hpp: fake-quantization of a register: declaration and portable level.
#ifndef OCTAVO_KERNELS_REFERENCE_FAKE_QUANTIZE_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_FAKE_QUANTIZE_F32_HPP_

#include "../../quant/grid.hpp"
#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The constants of one grid in registers, and its rounding. The body is in fake_quantize_f32_body.hpp.
template <Isa Level>
struct FakeQuantizeF32 : FakeQuantizeF32<fallback_of(Level)> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::scalar
#define OCTAVO_DETAIL_TARGET
#include "fake_quantize_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_KERNELS_REFERENCE_FAKE_QUANTIZE_F32_HPP_
