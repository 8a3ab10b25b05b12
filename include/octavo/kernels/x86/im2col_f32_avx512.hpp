// octavo/kernels/x86/im2col_f32_avx512.hpp: patches inside the image with AVX-512.
#ifndef OCTAVO_KERNELS_X86_IM2COL_F32_AVX512_HPP_
#define OCTAVO_KERNELS_X86_IM2COL_F32_AVX512_HPP_

#include "../reference/im2col_f32.hpp"

#include "vector_f32_avx512.hpp"
#if OCTAVO_X86

#define OCTAVO_DETAIL_LEVEL Isa::avx512vnni
#define OCTAVO_DETAIL_TARGET OCTAVO_TARGET_AVX512VNNI
#include "../reference/im2col_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_IM2COL_F32_AVX512_HPP_
