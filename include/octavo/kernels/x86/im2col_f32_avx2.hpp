// octavo/kernels/x86/im2col_f32_avx2.hpp: patches inside the image with AVX2.
#ifndef OCTAVO_KERNELS_X86_IM2COL_F32_AVX2_HPP_
#define OCTAVO_KERNELS_X86_IM2COL_F32_AVX2_HPP_

#include "../reference/im2col_f32.hpp"

#include "vector_f32_avx2.hpp"
#if OCTAVO_X86

#define OCTAVO_DETAIL_LEVEL Isa::avx2
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_AVX2
#include "../reference/im2col_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_IM2COL_F32_AVX2_HPP_
