// octavo/kernels/x86/pool_avx2.hpp: pooling, 32 or 16 channels at a time.
#ifndef OCTAVO_KERNELS_X86_POOL_AVX2_HPP_
#define OCTAVO_KERNELS_X86_POOL_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../pool_rows.hpp"
#include "ymm_avx2.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Pool<Isa::avx2> {
  static constexpr std::string_view kName = "pool_avx2";

  static void average(const PoolRow& row, const AverageStage& stage) {
    std::int32_t sum[64];
    Pool<Isa::scalar>::visit(
        row, [&](std::int64_t count) { std::fill_n(sum, count, 0); },
        [&](const std::uint8_t* codes, std::int64_t count) { add_to(sum, codes, count); },
        [&](std::uint8_t* out, std::int64_t count, std::int32_t taps) {
          for (std::int64_t k = 0; k < count; ++k)
            out[k] = static_cast<std::uint8_t>(octavo::average(sum[k], taps, stage, kCodeOffset));
        });
  }

  static void maximum(const PoolRow& row, CodeLimits limits) {
    std::uint8_t best[64];
    Pool<Isa::scalar>::visit(
        row, [&](std::int64_t count) { std::fill_n(best, count, static_cast<std::uint8_t>(limits.min)); },
        [&](const std::uint8_t* codes, std::int64_t count) { larger(best, codes, count); },
        [&](std::uint8_t* out, std::int64_t count, std::int32_t) {
          for (std::int64_t k = 0; k < count; ++k) out[k] = std::min(best[k], static_cast<std::uint8_t>(limits.max));
        });
  }

  // As Pool<Isa::scalar>::sum. 16-bit lanes hold 257 codes; then they are added to 32-bit ones.
  OCTAVO_TARGET_AVX2 static void sum(const std::uint8_t* in, std::int64_t pixels, std::int64_t stride,
                                     std::int64_t count, std::int32_t* sum) {
    std::int64_t k = 0;
    for (; k + 16 <= count; k += 16) {
      __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
      for (std::int64_t p = 0; p < pixels;) {
        const std::int64_t stop = std::min<std::int64_t>(pixels, p + 257);
        __m256i words = _mm256_setzero_si256();
        for (; p < stop; ++p)
          words = _mm256_add_epi16(
              words, _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + p * stride + k))));
        low = _mm256_add_epi32(low, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)));
        high = _mm256_add_epi32(high, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + k), low);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + k + 8), high);
    }
    if (k < count) Pool<Isa::scalar>::sum(in + k, pixels, stride, count - k, sum + k);
  }

 private:
  OCTAVO_TARGET_AVX2 static void add_to(std::int32_t* sum, const std::uint8_t* codes, std::int64_t count) {
    std::int64_t k = 0;
    for (; k + 8 <= count; k += 8) {
      const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + k)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + k), _mm256_add_epi32(load_ymm(sum + k), wide));
    }
    for (; k < count; ++k) sum[k] += codes[k];
  }
  OCTAVO_TARGET_AVX2 static void larger(std::uint8_t* best, const std::uint8_t* codes, std::int64_t count) {
    std::int64_t k = 0;
    for (; k + 32 <= count; k += 32)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(best + k),
                          _mm256_max_epu8(load_ymm(best + k), load_ymm(codes + k)));
    for (; k < count; ++k) best[k] = std::max(best[k], codes[k]);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_POOL_AVX2_HPP_
