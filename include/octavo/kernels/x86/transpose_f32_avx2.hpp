// octavo/kernels/x86/transpose_f32_avx2.hpp: transposes a float matrix in blocks of 8 x 8.
#ifndef OCTAVO_KERNELS_X86_TRANSPOSE_F32_AVX2_HPP_
#define OCTAVO_KERNELS_X86_TRANSPOSE_F32_AVX2_HPP_

#include <algorithm>
#include <cstdint>

#include "vector_f32_avx2.hpp"
#if OCTAVO_X86
#include <immintrin.h>

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// to[p * to_stride + r] = from[r * from_stride + p] for r < rows, p < columns, and 0 for rows <= r < padded_rows.
OCTAVO_TARGET_AVX2 inline void transpose_f32_avx2(const float* from, std::int64_t from_stride, std::int64_t rows,
                                                  std::int64_t columns, float* to, std::int64_t to_stride,
                                                  std::int64_t padded_rows) {
  using V = VectorF32<Isa::avx2>;
  for (std::int64_t r = 0; r < padded_rows; r += 8) {
    const std::int64_t valid = std::clamp<std::int64_t>(rows - r, 0, 8);
    const std::int64_t written = std::min<std::int64_t>(padded_rows - r, 8);
    const float* source = from + r * from_stride;
    for (std::int64_t p = 0; p < columns; p += 8) {
      const std::int64_t count = std::min<std::int64_t>(columns - p, 8);
      __m256 x[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        if (i >= valid)
          x[i] = V::zero();
        else
          x[i] = count == 8 ? V::load(source + i * from_stride + p) : V::load(source + i * from_stride + p, count);
      }
      __m256 y[8];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {  // pairs of rows: 2 x 2 blocks
        y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
      }
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {  // quads: 4 x 4 blocks inside 128-bit lanes
        x[4 * i] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0x44);
        x[4 * i + 1] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0xEE);
        x[4 * i + 2] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0x44);
        x[4 * i + 3] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0xEE);
      }
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {  // the lanes change places
        y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
        y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        if (i >= count) break;
        float* target = to + (p + i) * to_stride + r;
        if (written == 8)
          V::store(target, y[i]);
        else
          V::store(target, y[i], written);
      }
    }
  }
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_TRANSPOSE_F32_AVX2_HPP_
