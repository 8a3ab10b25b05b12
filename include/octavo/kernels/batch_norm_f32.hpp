// octavo/kernels/batch_norm_f32.hpp: the memory-bound passes of training between convolutions, one pass each.
//
// All tensors are NHWC seen as [rows][channels], rows = batch * height * width. Sums run in float over short runs of
// rows and in double above them, in an order that depends on the sizes and the number of threads only.
#ifndef OCTAVO_KERNELS_BATCH_NORM_F32_HPP_
#define OCTAVO_KERNELS_BATCH_NORM_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "../core/cpu.hpp"
#include "../core/parallel.hpp"
#include "affine_clamp.hpp"
#include "reference/channel_pass_f32.hpp"
#include "x86/channel_pass_f32_avx2.hpp"
#include "x86/channel_pass_f32_avx512.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Mean, variance (biased: divided by rows), smallest and largest value of each channel in one pass. rows >= 1. Exact to
// about 1e-5 of the standard deviation whatever the mean is: each run of rows is summed around the mean of the run
// before it, and the runs are merged in double (Chan, Golub, LeVeque 1979). NaN gives NaN mean and variance.
inline void channel_statistics_f32(const float* x, std::int64_t rows, std::int64_t channels, float* mean,
                                   float* variance, float* minimum, float* maximum, int threads);

// out[c] = the sum of channel c: the gradient of a bias.
inline void channel_sums_f32(const float* x, std::int64_t rows, std::int64_t channels, float* out, int threads);

// y = f(x), f as AffineClamp says. y may be x.
inline void affine_clamp_forward_f32(const float* x, std::int64_t rows, std::int64_t channels, const AffineClamp& f,
                                     float* y, int threads);

// With g = dy where f's gradient passes, else 0: sum_g[c] = sum of g, sum_gx[c] = sum of g * x. These are the gradients
// to offset and multiplier; batch norm's are d beta = sum_g, d gamma = (sum_gx - mean * sum_g) / sqrt(variance +
// epsilon). x is f's input; the gate is computed again from it, with the same bits as in the forward pass.
inline void affine_clamp_backward_sums_f32(const float* x, const float* dy, std::int64_t rows, std::int64_t channels,
                                           const AffineClamp& f, double* sum_g, double* sum_gx, int threads);

// dx = p[c] * g + q[c] * x + r[c]: batch norm's gradient to its input for p = gamma / s, q = -gamma * (d gamma) /
// (rows * s^2), r = -p * (d beta) / rows - q * mean, s = sqrt(variance + epsilon). q and r null: dx = p[c] * g (frozen
// statistics). dx may be dy or x.
inline void affine_clamp_backward_input_f32(const float* x, const float* dy, std::int64_t rows, std::int64_t channels,
                                            const AffineClamp& f, const float* p, const float* q, const float* r,
                                            float* dx, int threads);

namespace detail {

inline constexpr std::int64_t kRowsInFloat = 256;     // rows that are summed in float
inline constexpr std::int64_t kFloatsAThread = 8192;  // below this a thread is not worth starting

inline int threads_for(std::int64_t floats, int threads) {
  return static_cast<int>(std::clamp<std::int64_t>(floats / kFloatsAThread, 1, std::max(threads, 1)));
}

// The functions of one level. The drivers below are compiled once.
struct ChannelLevelF32 {
  using Scalar = ChannelPassF32<Isa::scalar>;
  decltype(&Scalar::statistics) statistics;
  decltype(&Scalar::sums) sums;
  decltype(&Scalar::forward) forward, forward_even, forward_up, forward_away;
  decltype(&Scalar::backward_sums) backward_sums;
  decltype(&Scalar::backward_input) backward_input;
};

template <Isa Level>
struct SelectChannelF32 {
  static ChannelLevelF32 run() {
    using Pass = ChannelPassF32<Level>;
    return {&Pass::statistics,
            &Pass::sums,
            &Pass::forward,
            &Pass::template forward_quantized<Ties::even>,
            &Pass::template forward_quantized<Ties::up>,
            &Pass::template forward_quantized<Ties::away>,
            &Pass::backward_sums,
            &Pass::backward_input};
  }
};
template <class Lazy = void>
ChannelLevelF32 channel_level_f32() {
  return dispatch<SelectChannelF32>();
}

// The moments of some rows, all channels.
struct ChannelMomentsF32 {
  std::int64_t rows = 0;
  std::vector<double> mean, squares;  // squares: the sum of (x - mean)^2
  std::vector<float> minimum, maximum;

  void start(std::int64_t channels) {
    const auto n = static_cast<std::size_t>(channels);
    mean.assign(n, 0.0);
    squares.assign(n, 0.0);
    minimum.assign(n, std::numeric_limits<float>::infinity());
    maximum.assign(n, -std::numeric_limits<float>::infinity());
  }
  // Adds `count` more rows with this mean and these squares to channel c.
  void merge(std::size_t c, std::int64_t count, double other_mean, double other_squares) {
    const auto weight = static_cast<double>(count);
    const auto all = static_cast<double>(rows + count);
    const double distance = other_mean - mean[c];
    mean[c] += distance * (weight / all);
    squares[c] += other_squares + distance * distance * (static_cast<double>(rows) * weight / all);
  }
};

inline void add_moments_f32(const ChannelLevelF32& level, const float* x, std::int64_t begin, std::int64_t end,
                            std::int64_t channels, ChannelMomentsF32& out) {
  const auto n = static_cast<std::size_t>(channels);
  out.start(channels);
  std::vector<float> shift(n);  // the first run is summed around its own mean
  const std::int64_t first = std::min(kRowsInFloat, end - begin);
  level.sums(x + begin * channels, first, channels, shift.data());
  for (float& s : shift) s /= static_cast<float>(first);
  std::vector<float> sum(n);
  std::vector<float> sum2(n);
  for (std::int64_t r = begin; r < end; r += kRowsInFloat) {
    const std::int64_t count = std::min(kRowsInFloat, end - r);
    std::fill(sum.begin(), sum.end(), 0.0F);
    std::fill(sum2.begin(), sum2.end(), 0.0F);
    level.statistics(x + r * channels, count, channels, shift.data(), sum.data(), sum2.data(), out.minimum.data(),
                     out.maximum.data());
    for (std::size_t c = 0; c < n; ++c) {
      const double offset = static_cast<double>(sum[c]) / static_cast<double>(count);
      const double mean = shift[c] + offset;
      out.merge(c, count, mean, std::max(0.0, sum2[c] - offset * sum[c]));
      shift[c] = static_cast<float>(mean);
    }
    out.rows += count;
  }
}

// Sums per channel of `Count` quantities: `block(begin, rows, sums)` adds a run of rows to Count * channels floats.
template <int Count, class Block>
std::vector<double> channel_totals(std::int64_t rows, std::int64_t channels, int threads, const Block& block) {
  const auto n = static_cast<std::size_t>(Count * channels);
  std::vector<std::vector<double>> parts(static_cast<std::size_t>(std::max(threads, 1)));
  parts[0].assign(n, 0.0);
  parallel_for(rows, threads, [&](std::int64_t begin, std::int64_t end, int part) {
    std::vector<double>& total = parts[static_cast<std::size_t>(part)];
    total.assign(n, 0.0);
    std::vector<float> sums(n);
    for (std::int64_t r = begin; r < end; r += kRowsInFloat) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      block(r, std::min(kRowsInFloat, end - r), sums.data());
      for (std::size_t i = 0; i < n; ++i) total[i] += static_cast<double>(sums[i]);
    }
  });
  for (std::size_t p = 1; p < parts.size() && !parts[p].empty(); ++p)
    for (std::size_t i = 0; i < n; ++i) parts[0][i] += parts[p][i];
  return std::move(parts[0]);
}

}  // namespace detail

inline void channel_statistics_f32(const float* x, std::int64_t rows, std::int64_t channels, float* mean,
                                   float* variance, float* minimum, float* maximum, int threads) {
  require(rows >= 1, "channel statistics: expected at least one row, found ", rows);
  const detail::ChannelLevelF32 level = detail::channel_level_f32();
  threads = detail::threads_for(rows * channels, threads);
  std::vector<detail::ChannelMomentsF32> parts(static_cast<std::size_t>(threads));
  parallel_for(rows, threads, [&](std::int64_t begin, std::int64_t end, int part) {
    detail::add_moments_f32(level, x, begin, end, channels, parts[static_cast<std::size_t>(part)]);
  });
  detail::ChannelMomentsF32& total = parts[0];
  const auto n = static_cast<std::size_t>(channels);
  for (std::size_t p = 1; p < parts.size() && parts[p].rows > 0; ++p) {
    for (std::size_t c = 0; c < n; ++c) {
      total.merge(c, parts[p].rows, parts[p].mean[c], parts[p].squares[c]);
      total.minimum[c] = std::min(total.minimum[c], parts[p].minimum[c]);
      total.maximum[c] = std::max(total.maximum[c], parts[p].maximum[c]);
    }
    total.rows += parts[p].rows;
  }
  for (std::size_t c = 0; c < n; ++c) {
    mean[c] = static_cast<float>(total.mean[c]);
    variance[c] = static_cast<float>(total.squares[c] / static_cast<double>(total.rows));
  }
  std::copy(total.minimum.begin(), total.minimum.end(), minimum);
  std::copy(total.maximum.begin(), total.maximum.end(), maximum);
}

inline void channel_sums_f32(const float* x, std::int64_t rows, std::int64_t channels, float* out, int threads) {
  const detail::ChannelLevelF32 level = detail::channel_level_f32();
  const std::vector<double> total =
      detail::channel_totals<1>(rows, channels, detail::threads_for(rows * channels, threads),
                                [&](std::int64_t begin, std::int64_t count, float* sums) {
                                  level.sums(x + begin * channels, count, channels, sums);
                                });
  std::transform(total.begin(), total.end(), out, [](double sum) { return static_cast<float>(sum); });
}

inline void affine_clamp_forward_f32(const float* x, std::int64_t rows, std::int64_t channels, const AffineClamp& f,
                                     float* y, int threads) {
  const detail::ChannelLevelF32 level = detail::channel_level_f32();
  auto pass = level.forward;
  if (f.grid != nullptr)
    pass = f.ties == Ties::even ? level.forward_even : f.ties == Ties::up ? level.forward_up : level.forward_away;
  const bool stream = y != x && detail::streams_f32(y, rows, channels);
  parallel_for(rows, detail::threads_for(rows * channels, threads),
               [&](std::int64_t begin, std::int64_t end, int /*part*/) {
                 pass(x + begin * channels, end - begin, channels, f, y + begin * channels, stream);
               });
}

inline void affine_clamp_backward_sums_f32(const float* x, const float* dy, std::int64_t rows, std::int64_t channels,
                                           const AffineClamp& f, double* sum_g, double* sum_gx, int threads) {
  const detail::ChannelLevelF32 level = detail::channel_level_f32();
  const std::vector<double> total =
      detail::channel_totals<2>(rows, channels, detail::threads_for(rows * channels, threads),
                                [&](std::int64_t begin, std::int64_t count, float* sums) {
                                  const std::int64_t at = begin * channels;
                                  level.backward_sums(x + at, dy + at, count, channels, f, sums, sums + channels);
                                });
  std::copy(total.begin(), total.begin() + channels, sum_g);
  std::copy(total.begin() + channels, total.end(), sum_gx);
}

inline void affine_clamp_backward_input_f32(const float* x, const float* dy, std::int64_t rows, std::int64_t channels,
                                            const AffineClamp& f, const float* p, const float* q, const float* r,
                                            float* dx, int threads) {
  const detail::ChannelLevelF32 level = detail::channel_level_f32();
  const bool stream = dx != dy && dx != x && detail::streams_f32(dx, rows, channels);
  parallel_for(rows, detail::threads_for(rows * channels, threads),
               [&](std::int64_t begin, std::int64_t end, int /*part*/) {
                 const std::int64_t at = begin * channels;
                 level.backward_input(x + at, dy + at, end - begin, channels, f, p, q, r, dx + at, stream);
               });
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::detail::ChannelLevelF32 octavo::detail::channel_level_f32<void>());

#endif  // OCTAVO_KERNELS_BATCH_NORM_F32_HPP_
