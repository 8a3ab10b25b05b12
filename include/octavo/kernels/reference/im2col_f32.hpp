// octavo/kernels/reference/im2col_f32.hpp: patches inside the image: declaration and portable level.
#ifndef OCTAVO_KERNELS_REFERENCE_IM2COL_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_IM2COL_F32_HPP_

#include <cstdint>

#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The body is in im2col_f32_body.hpp, written once over VectorF32<Level>.
template <Isa Level>
struct Im2colF32 : Im2colF32<fallback_of(Level)> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::scalar
#define OCTAVO_DETAIL_TARGET
#include "im2col_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_KERNELS_REFERENCE_IM2COL_F32_HPP_
