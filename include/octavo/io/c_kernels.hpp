// octavo/io/c_kernels.hpp: the C99 text of the operators that exported C sources use. "@" stands for the model's
// prefix.
//
// Formulas are those of kernels/reference in tflite_double, in int8 terms. Only <stdint.h>; right shifts are of values
// that are not negative, so the text does not rely on how a compiler shifts signs.
#ifndef OCTAVO_IO_C_KERNELS_HPP_
#define OCTAVO_IO_C_KERNELS_HPP_

#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace c_source {

// Always there: rounding.
inline constexpr std::string_view kArithmetic = R"c(
/* a * b / 2^31, nearest, ties toward +infinity */
static int32_t @_high_mul(int32_t a, int32_t b) {
  const int64_t product = (int64_t)a * b;
  const int64_t nudge = product >= 0 ? (int64_t)1073741824 : (int64_t)-1073741823;
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return (int32_t)((product + nudge) / (int64_t)2147483648);
}

/* x / 2^n, nearest, ties away from zero */
static int32_t @_divide_pot(int32_t x, int32_t n) {
  const int64_t half = n > 0 ? (int64_t)1 << (n - 1) : 0;
  const int64_t wide = x;
  return (int32_t)(wide >= 0 ? (wide + half) >> n : -((-wide + half) >> n));
}

/* x * multiplier * 2^(shift - 31), rounded twice */
static int32_t @_scale(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  return @_divide_pot(@_high_mul((int32_t)((int64_t)x * ((int64_t)1 << left)), multiplier), right);
}

static int8_t @_clamp(int32_t code, int32_t low, int32_t high) {
  return (int8_t)(code < low ? low : (code > high ? high : code));
}
)c";

inline constexpr std::string_view kConvolution = R"c(
typedef struct {
  int32_t in_h, in_w, in_c, out_h, out_w, out_c;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int32_t groups, depthwise; /* depthwise: weights [kernel_h][kernel_w][out_c], otherwise [out_c][kernel_h][kernel_w][in_c / groups] */
  int32_t in_zero, weight_zero, out_zero, low, high;
  int32_t channels;          /* of multiplier and shift: 1 or out_c */
  const int8_t* weights;
  const int32_t* bias;       /* or 0 */
  const int32_t* multiplier;
  const int8_t* shift;
  const double* scale;       /* or 0; then the sum is scaled and rounded in double */
} @_convolution_t;

static int32_t @_round_double(double v) {
  int32_t whole;
  double rest;
  if (v > 1e9) return 1000000000;
  if (v < -1e9) return -1000000000;
  whole = (int32_t)v;
  rest = v - (double)whole;
  return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

static void @_convolution(const @_convolution_t* g, const int8_t* in, int8_t* out) {
  const int32_t per_group = g->depthwise ? 1 : g->in_c / g->groups;
  const int32_t out_per_group = g->depthwise ? g->out_c / g->in_c : g->out_c / g->groups;
  int32_t y, x, c, i, j, k;
  for (y = 0; y < g->out_h; ++y)
    for (x = 0; x < g->out_w; ++x)
      for (c = 0; c < g->out_c; ++c) {
        const int32_t first = c / out_per_group * per_group;
        const int32_t m = g->channels == 1 ? 0 : c;
        int32_t acc = g->bias ? g->bias[c] : 0;
        for (i = 0; i < g->kernel_h; ++i) {
          const int32_t in_y = y * g->stride_h - g->pad_top + i * g->dilation_h;
          if (in_y < 0 || in_y >= g->in_h) continue;
          for (j = 0; j < g->kernel_w; ++j) {
            const int32_t in_x = x * g->stride_w - g->pad_left + j * g->dilation_w;
            const int32_t tap = i * g->kernel_w + j;
            const int8_t* from;
            const int8_t* w;
            if (in_x < 0 || in_x >= g->in_w) continue;
            from = in + (in_y * g->in_w + in_x) * g->in_c + first;
            w = g->depthwise ? g->weights + tap * g->out_c + c
                             : g->weights + (c * g->kernel_h * g->kernel_w + tap) * per_group;
            for (k = 0; k < per_group; ++k) acc += (from[k] - g->in_zero) * (w[k] - g->weight_zero);
          }
        }
        acc = g->scale ? @_round_double((double)acc * g->scale[m]) : @_scale(acc, g->multiplier[m], g->shift[m]);
        out[(y * g->out_w + x) * g->out_c + c] = @_clamp(acc + g->out_zero, g->low, g->high);
      }
}
)c";

inline constexpr std::string_view kPool = R"c(
typedef struct {
  int32_t in_h, in_w, channels, out_h, out_w;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
  int32_t average, of_uint8, low, high;
} @_pool_t;

static void @_pool(const @_pool_t* g, const int8_t* in, int8_t* out) {
  int32_t y, x, c, i, j;
  for (y = 0; y < g->out_h; ++y)
    for (x = 0; x < g->out_w; ++x)
      for (c = 0; c < g->channels; ++c) {
        int32_t count = 0, sum = 0, most = -128;
        for (i = 0; i < g->kernel_h; ++i)
          for (j = 0; j < g->kernel_w; ++j) {
            const int32_t in_y = y * g->stride_h - g->pad_top + i;
            const int32_t in_x = x * g->stride_w - g->pad_left + j;
            int32_t code;
            if (in_y < 0 || in_y >= g->in_h || in_x < 0 || in_x >= g->in_w) continue;
            code = in[(in_y * g->in_w + in_x) * g->channels + c];
            sum += code;
            most = code > most ? code : most;
            ++count;
          }
        if (g->average && g->of_uint8)
          most = (sum + 128 * count + count / 2) / count - 128;
        else if (g->average)
          most = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        out[(y * g->out_w + x) * g->channels + c] = @_clamp(most, g->low, g->high);
      }
}
)c";

inline constexpr std::string_view kMean = R"c(
static void @_mean(const int8_t* in, int8_t* out, int32_t outer, int32_t count, int32_t inner, int32_t in_zero,
                   int32_t multiplier, int32_t shift, int32_t out_zero, int32_t low, int32_t high) {
  int32_t o, c, i;
  for (o = 0; o < outer; ++o)
    for (c = 0; c < inner; ++c) {
      int32_t sum = 0;
      for (i = 0; i < count; ++i) sum += in[(o * count + i) * inner + c] - in_zero;
      out[o * inner + c] = @_clamp(@_scale(sum, multiplier, shift) + out_zero, low, high);
    }
}
)c";

// Extents and steps of up to six axes; a step of 0 repeats.
inline constexpr std::string_view kView = R"c(
typedef struct {
  int32_t extent[6], step[6];
} @_view_t;

static int32_t @_offset(const @_view_t* v, int32_t index) {
  int32_t axis, offset = 0;
  for (axis = 5; axis >= 0; --axis) {
    offset += index % v->extent[axis] * v->step[axis];
    index /= v->extent[axis];
  }
  return offset;
}
)c";

inline constexpr std::string_view kTranspose = R"c(
static void @_gather(const @_view_t* v, const int8_t* in, int8_t* out, int32_t size) {
  int32_t i;
  for (i = 0; i < size; ++i) out[i] = in[@_offset(v, i)];
}
)c";

inline constexpr std::string_view kAdd = R"c(
typedef struct {
  @_view_t a, b;
  int32_t size, spread, sign, a_zero, b_zero, out_zero, low, high;
  int32_t a_multiplier, a_shift, b_multiplier, b_shift, multiplier, shift;
} @_add_t;

static void @_add(const @_add_t* g, const int8_t* a, const int8_t* b, int8_t* out) {
  int32_t i;
  for (i = 0; i < g->size; ++i) {
    const int32_t x = a[g->spread ? @_offset(&g->a, i) : i] - g->a_zero;
    const int32_t y = b[g->spread ? @_offset(&g->b, i) : i] - g->b_zero;
    const int32_t sum = @_scale(x * 1048576, g->a_multiplier, g->a_shift) +
                        g->sign * @_scale(y * 1048576, g->b_multiplier, g->b_shift);
    out[i] = @_clamp(@_scale(sum, g->multiplier, g->shift) + g->out_zero, g->low, g->high);
  }
}
)c";

inline constexpr std::string_view kMul = R"c(
typedef struct {
  @_view_t a, b;
  int32_t size, spread, a_zero, b_zero, out_zero, low, high, multiplier, shift;
} @_mul_t;

static void @_mul(const @_mul_t* g, const int8_t* a, const int8_t* b, int8_t* out) {
  int32_t i;
  for (i = 0; i < g->size; ++i) {
    const int32_t x = a[g->spread ? @_offset(&g->a, i) : i] - g->a_zero;
    const int32_t y = b[g->spread ? @_offset(&g->b, i) : i] - g->b_zero;
    out[i] = @_clamp(@_scale(x * y, g->multiplier, g->shift) + g->out_zero, g->low, g->high);
  }
}
)c";

// out[i] = table[(uint8_t)in[i]]; codes are copied by their bytes.
inline constexpr std::string_view kTable = R"c(
static void @_table(const int8_t* table, const int8_t* in, int8_t* out, int32_t size) {
  int32_t i;
  for (i = 0; i < size; ++i) out[i] = table[(uint8_t)in[i]];
}
)c";

// One input of a concatenation; table is 0 where the grids are equal.
inline constexpr std::string_view kConcat = R"c(
static void @_concat(const int8_t* table, const int8_t* in, int8_t* out, int32_t outer, int32_t inner, int32_t total) {
  int32_t o, i;
  for (o = 0; o < outer; ++o)
    for (i = 0; i < inner; ++i) {
      const int8_t code = in[o * inner + i];
      out[o * total + i] = table ? table[(uint8_t)code] : code;
    }
}
)c";

inline constexpr std::string_view kPad = R"c(
static void @_pad(const int8_t* in, int8_t* out, int32_t height, int32_t width, int32_t channels, int32_t top,
                  int32_t bottom, int32_t left, int32_t right, int8_t zero) {
  const int32_t out_w = left + width + right;
  int32_t y, x, c;
  for (y = 0; y < top + height + bottom; ++y)
    for (x = 0; x < out_w; ++x)
      for (c = 0; c < channels; ++c) {
        const int inside = y >= top && y < top + height && x >= left && x < left + width;
        out[(y * out_w + x) * channels + c] = inside ? in[((y - top) * width + x - left) * channels + c] : zero;
      }
}
)c";

// Three numbers for each row and column: two neighbours, and the second one's weight of 1024. A weight of 0 copies:
// nearest neighbour.
inline constexpr std::string_view kResize = R"c(
static void @_resize(const int32_t* rows, const int32_t* columns, const int8_t* in, int8_t* out, int32_t in_w,
                     int32_t out_h, int32_t out_w, int32_t channels) {
  int32_t y, x, c;
  for (y = 0; y < out_h; ++y)
    for (x = 0; x < out_w; ++x)
      for (c = 0; c < channels; ++c) {
        const int8_t* top = in + rows[3 * y] * in_w * channels + c;
        const int8_t* bottom = in + rows[3 * y + 1] * in_w * channels + c;
        const int32_t left = columns[3 * x] * channels, right = columns[3 * x + 1] * channels;
        const int32_t down = rows[3 * y + 2], across = columns[3 * x + 2];
        const int32_t sum = (top[left] * (1024 - across) + top[right] * across) * (1024 - down) +
                            (bottom[left] * (1024 - across) + bottom[right] * across) * down;
        out[(y * out_w + x) * channels + c] = (int8_t)((sum + (sum > 0 ? 524288 : -524288)) / 1048576);
      }
}
)c";

inline constexpr std::string_view kSoftmax = R"c(
static int32_t @_shift_left(int32_t x, int32_t n) {
  const int64_t wide = (int64_t)x * ((int64_t)1 << n);
  return (int32_t)(wide > INT32_MAX ? INT32_MAX : (wide < INT32_MIN ? INT32_MIN : wide));
}

/* 1 / (1 + a), Q0.31, by three Newton steps */
static int32_t @_reciprocal(int32_t a) {
  const int64_t sum = (int64_t)a + INT32_MAX;
  const int32_t half = (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
  int32_t step, x = 1515870810 + @_high_mul(half, -1010580540);
  for (step = 0; step < 3; ++step) x += @_shift_left(@_high_mul(x, 536870912 - @_high_mul(half, x)), 2);
  return @_shift_left(x, 1);
}

/* exponential[k]: exp of k codes below the largest, Q0.31; 0 counts for k >= cut */
static void @_softmax(const int32_t* exponential, int32_t cut, const int8_t* in, int8_t* out, int32_t rows,
                      int32_t depth) {
  int32_t r, i;
  for (r = 0; r < rows; ++r, in += depth, out += depth) {
    int32_t most = -128, sum = 0, headroom = 0, reciprocal, shift;
    uint32_t bits;
    for (i = 0; i < depth; ++i) most = in[i] > most ? in[i] : most;
    for (i = 0; i < depth; ++i) sum += @_divide_pot(exponential[most - in[i]], 12);
    for (bits = (uint32_t)sum; bits != 0 && bits < 2147483648u; bits *= 2u) ++headroom;
    reciprocal = @_reciprocal((int32_t)(bits - 2147483648u));
    shift = 12 - headroom + 23 < 31 ? 12 - headroom + 23 : 31;
    for (i = 0; i < depth; ++i) {
      const int32_t k = most - in[i];
      const int32_t code = k < cut ? @_divide_pot(@_high_mul(reciprocal, exponential[k]), shift) : 0;
      out[i] = (int8_t)((code < 0 ? 0 : (code > 255 ? 255 : code)) - 128);
    }
  }
}
)c";

// Codes are written as bytes: int8 as it is, uint8 the same bits.
inline constexpr std::string_view kQuantize = R"c(
static void @_quantize(const float* in, int8_t* out, int32_t size, float scale, int32_t zero, int32_t low,
                       int32_t high) {
  int32_t i;
  for (i = 0; i < size; ++i) {
    const float v = in[i] / scale;
    const float least = (float)(low - zero), most = (float)(high - zero);
    const float clamped = v > least ? (v < most ? v : most) : least;
    const int32_t steps = (int32_t)((double)clamped + (clamped < 0.0f ? -0.5 : 0.5));
    const int32_t code = steps + zero;
    out[i] = (int8_t)(code > 127 ? code - 256 : code);
  }
}
)c";
inline constexpr std::string_view kDequantize = R"c(
static void @_dequantize(const int8_t* in, float* out, int32_t size, float scale, int32_t zero, int is_unsigned) {
  int32_t i;
  for (i = 0; i < size; ++i) {
    const int32_t code = is_unsigned ? (int32_t)(uint8_t)in[i] : in[i];
    out[i] = (float)(code - zero) * scale;
  }
}
)c";

}  // namespace c_source
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_C_KERNELS_HPP_
