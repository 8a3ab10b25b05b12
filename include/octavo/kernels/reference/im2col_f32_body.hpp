// octavo/kernels/reference/im2col_f32_body.hpp: patches inside the image, included once a level.
//
// No include guard: OCTAVO_DETAIL_LEVEL and OCTAVO_DETAIL_TARGET name the level; without them this file is empty.
#ifdef OCTAVO_DETAIL_LEVEL

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

template <>
struct Im2colF32<OCTAVO_DETAIL_LEVEL> {
  using V = VectorF32<OCTAVO_DETAIL_LEVEL>;

  // For `pixels` neighbours in an output row whose windows are inside the image: columns[pixel][row][v] =
  // image[row * row_stride + pixel * step + v] for row < rows and v < length.
  OCTAVO_DETAIL_TARGET OCTAVO_DETAIL_UNROLLED static void run(const float* image, std::int64_t rows,
                                                              std::int64_t row_stride, std::int64_t length,
                                                              std::int64_t step, std::int64_t pixels, float* columns) {
    for (std::int64_t p = 0; p < pixels; ++p, image += step)
      for (std::int64_t row = 0; row < rows; ++row, columns += length) {
        const float* from = image + row * row_stride;
        std::int64_t v = 0;
        for (; v + V::kLanes <= length; v += V::kLanes) V::store(columns + v, V::load(from + v));
        if (v < length) V::store(columns + v, V::load(from + v, length - v), length - v);
      }
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DETAIL_LEVEL
