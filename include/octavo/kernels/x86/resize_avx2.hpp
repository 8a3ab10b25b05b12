// octavo/kernels/x86/resize_avx2.hpp: bilinear resize, 16 or 8 channels at a time.
#ifndef OCTAVO_KERNELS_X86_RESIZE_AVX2_HPP_
#define OCTAVO_KERNELS_X86_RESIZE_AVX2_HPP_

#include "../../config.hpp"
#if OCTAVO_X86
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../resize_rows.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Resize<Isa::avx2> {
  static constexpr std::string_view kName = "resize_avx2";

  // Two neighbours' codes stand side by side as 16-bit words, so VPMADDWD weights a pair; rows are then combined in 32
  // bits: top * whole + (bottom - top) * weight. The last block of channels overlaps the one before.
  OCTAVO_TARGET_AVX2 static void bilinear(const ResizeRow& row) {
    const RowConstants constants(row);
    if (row.channels < 8) return few_channels(row, constants);
    for (std::int64_t x = 0; x < row.out_w; ++x) {
      const ResizeColumn& column = row.columns[x];
      const ResizePixel pixel(row, column);
      std::uint8_t* out = row.out + x * row.channels;
      const __m256i weights = weights_of(row, column);
      std::int64_t c = 0;
      if (row.channels >= 16) {
        for (; c < row.channels; c += 16) {
          const std::int64_t at = std::min(c, row.channels - 16);
          const Words top = pairs(load16(pixel.top_first + at), load16(pixel.top_second + at));
          const Words bottom = pairs(load16(pixel.bottom_first + at), load16(pixel.bottom_second + at));
          const __m256i low = constants.combine(top.low, bottom.low, weights);
          const __m256i high = constants.combine(top.high, bottom.high, weights);
          // Lanes: codes 0-3, 8-11 | 4-7, 12-15.
          const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
          const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
          _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), codes);
        }
        continue;
      }
      for (; c < row.channels; c += 8) {
        const std::int64_t at = std::min(c, row.channels - 8);
        store8(out + at, constants.combine(pairs8(pixel.top_first + at, pixel.top_second + at),
                                           pairs8(pixel.bottom_first + at, pixel.bottom_second + at), weights));
      }
    }
  }

 private:
  struct Words {
    __m256i low, high;  // of channels 0-7 and 8-15: a word of the first pixel, one of the second, ...
  };
  struct RowConstants {
    __m256i weight, half, ties_down_below;
    __m128i bits, shift;
    OCTAVO_TARGET_AVX2 explicit RowConstants(const ResizeRow& row)
        : weight(_mm256_set1_epi32(row.weight)),
          half(_mm256_set1_epi32(1 << (2 * row.bits - 1))),
          ties_down_below(_mm256_set1_epi32(row.ties_down_below)),
          bits(_mm_cvtsi32_si128(row.bits)),
          shift(_mm_cvtsi32_si128(2 * row.bits)) {}
    OCTAVO_TARGET_AVX2 OCTAVO_INLINE __m256i combine(__m256i top_words, __m256i bottom_words, __m256i weights) const {
      const __m256i top = _mm256_madd_epi16(top_words, weights);
      const __m256i down = _mm256_mullo_epi32(_mm256_sub_epi32(_mm256_madd_epi16(bottom_words, weights), top), weight);
      const __m256i sum = _mm256_add_epi32(_mm256_sll_epi32(top, bits), down);
      const __m256i below = _mm256_cmpgt_epi32(ties_down_below, sum);  // -1
      return _mm256_srl_epi32(_mm256_add_epi32(_mm256_add_epi32(sum, half), below), shift);
    }
  };
  // Eight bytes a pixel, of which the next pixel overwrites those that are not its; the last pixels of the input row
  // and of the output row are done one by one.
  OCTAVO_TARGET_AVX2 static void few_channels(const ResizeRow& row, const RowConstants& constants) {
    const std::int64_t in_end = row.in_w * row.channels - 8, out_end = row.out_w * row.channels - 8;
    std::int64_t x = 0;
    for (; x * row.channels <= out_end && row.columns[x].second <= in_end; ++x) {
      const ResizePixel pixel(row, row.columns[x]);
      store8(row.out + x * row.channels,
             constants.combine(pairs8(pixel.top_first, pixel.top_second),
                               pairs8(pixel.bottom_first, pixel.bottom_second), weights_of(row, row.columns[x])));
    }
    Resize<Isa::scalar>::pixels(row, x);
  }
  [[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i weights_of(const ResizeRow& row,
                                                                           const ResizeColumn& column) {
    return _mm256_set1_epi32((column.weight << 16) | ((1 << row.bits) - column.weight));
  }
  // Eight codes of eight lanes.
  OCTAVO_TARGET_AVX2 OCTAVO_INLINE static void store8(std::uint8_t* out, __m256i codes) {
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
  }
  [[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m128i load16(const std::uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  [[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE static Words pairs(__m128i first, __m128i second) {
    return {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second)),
            _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second))};
  }
  [[nodiscard]] OCTAVO_TARGET_AVX2 OCTAVO_INLINE static __m256i pairs8(const std::uint8_t* first,
                                                                       const std::uint8_t* second) {
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(first)),
                                                  _mm_loadl_epi64(reinterpret_cast<const __m128i*>(second))));
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_X86
#endif  // OCTAVO_KERNELS_X86_RESIZE_AVX2_HPP_
