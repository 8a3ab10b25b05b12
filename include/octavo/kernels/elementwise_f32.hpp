// octavo/kernels/elementwise_f32.hpp: float operations element by element: activations, sums, fake-quant, optimizers.
//
// n elements each; results are the same for any number of threads. Outputs may be inputs unless said otherwise. NaN
// stays NaN; a gradient at NaN is 0.
#ifndef OCTAVO_KERNELS_ELEMENTWISE_F32_HPP_
#define OCTAVO_KERNELS_ELEMENTWISE_F32_HPP_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "../core/cpu.hpp"
#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../quant/grid.hpp"
#include "reference/elementwise_f32.hpp"
#include "x86/elementwise_f32_avx2.hpp"
#include "x86/elementwise_f32_avx512.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

struct MinMaxF32 {
  float minimum = std::numeric_limits<float>::infinity();
  float maximum = -std::numeric_limits<float>::infinity();
};

namespace detail {

// Calls body(begin, count) for pieces of [0, n), one a thread; short arrays stay on one thread.
template <class Body>
void for_pieces(std::int64_t n, int threads, const Body& body) {
  constexpr std::int64_t grain = 16384;
  parallel_for((n + grain - 1) / grain, threads, [&](std::int64_t begin, std::int64_t end, int /*part*/) {
    body(begin * grain, std::min(end * grain, n) - begin * grain);
  });
}

// One operation of ElementwiseF32<level> over pieces: Piece::run<Kernel>(begin, count).
template <Isa Level>
struct ElementwiseCallF32 {
  template <class Piece>
  static void run(std::int64_t n, int threads, const Piece& piece) {
    for_pieces(n, threads,
               [&](std::int64_t begin, std::int64_t count) { piece(ElementwiseF32<Level>{}, begin, count); });
  }
};

template <Isa Level>
struct MinMaxPassF32 {
  static void run(const float* x, std::int64_t n, int threads, std::vector<MinMaxF32>& parts, bool& finite) {
    std::vector<char> fine(parts.size(), 1);
    parallel_for(n, threads, [&](std::int64_t begin, std::int64_t end, int part) {
      const auto p = static_cast<std::size_t>(part);
      fine[p] = ElementwiseF32<Level>::min_max(x + begin, end - begin, parts[p].minimum, parts[p].maximum) ? 1 : 0;
    });
    finite = std::all_of(fine.begin(), fine.end(), [](char f) { return f != 0; });
  }
};

}  // namespace detail

// y = min(max(a + b, low), high).
inline void add_f32(const float* a, const float* b, std::int64_t n, float* y, int threads,
                    float low = -std::numeric_limits<float>::infinity(),
                    float high = std::numeric_limits<float>::infinity()) {
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.add(a + i, b + i, count, low, high, y + i);
  });
}

// y += factor * x.
inline void axpy_f32(float factor, const float* x, std::int64_t n, float* y, int threads) {
  dispatch<detail::ElementwiseCallF32>(
      n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) { kernel.axpy(factor, x + i, count, y + i); });
}

// y += x.
inline void add_to_f32(const float* x, std::int64_t n, float* y, int threads) { axpy_f32(1.0F, x, n, y, threads); }

// y = factor * x.
inline void scale_f32(float factor, const float* x, std::int64_t n, float* y, int threads) {
  dispatch<detail::ElementwiseCallF32>(
      n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) { kernel.scale(factor, x + i, count, y + i); });
}

// y = min(max(x, low), high): ReLU is low 0, ReLU6 low 0 and high 6.
inline void clamp_f32(const float* x, std::int64_t n, float low, float high, float* y, int threads) {
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.clamp(x + i, count, low, high, y + i);
  });
}

// dx = dy where low < x < high, else 0. x may be clamp_f32's input or its output.
inline void clamp_backward_f32(const float* x, const float* dy, std::int64_t n, float low, float high, float* dx,
                               int threads) {
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.template clamp_backward<false>(x + i, dy + i, count, low, high, dx + i);
  });
}

// y = fake_quantize(x, grid, ties) of quant/fake_quant.hpp, the same bytes.
inline void fake_quantize_f32(const float* x, std::int64_t n, const Grid& grid, Ties ties, float* y, int threads) {
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    if (ties == Ties::even) kernel.template fake_quantize<Ties::even>(x + i, count, grid, y + i);
    if (ties == Ties::up) kernel.template fake_quantize<Ties::up>(x + i, count, grid, y + i);
    if (ties == Ties::away) kernel.template fake_quantize<Ties::away>(x + i, count, grid, y + i);
  });
}

// Straight-through: dx = dy where grid.low() <= x <= grid.high(), else 0.
inline void fake_quantize_backward_f32(const float* x, const float* dy, std::int64_t n, const Grid& grid, float* dx,
                                       int threads) {
  const float low = grid.low();
  const float high = grid.high();
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.template clamp_backward<true>(x + i, dy + i, count, low, high, dx + i);
  });
}

// The smallest and largest of n >= 1 values. Throws, naming the tensor, when one is NaN or infinite.
inline MinMaxF32 min_max_f32(const float* x, std::int64_t n, std::string_view tensor, int threads) {
  require(n >= 1, "tensor '", tensor, "': no values to take the range of");
  threads = static_cast<int>(std::clamp<std::int64_t>(n / 16384, 1, std::max(threads, 1)));
  std::vector<MinMaxF32> parts(static_cast<std::size_t>(threads));
  bool finite = true;
  dispatch<detail::MinMaxPassF32>(x, n, threads, parts, finite);
  for (std::int64_t i = 0; i < n && !finite; ++i)
    require(x[i] - x[i] == 0.0F, "tensor '", tensor, "': value ", x[i], " at index ", i, " is not finite");
  MinMaxF32 all;
  for (const MinMaxF32& part : parts) {
    all.minimum = std::min(all.minimum, part.minimum);
    all.maximum = std::max(all.maximum, part.maximum);
  }
  return all;
}

// One step of Adam (Kingma, Ba 2015, the form of Keras): with g = dp + weight_decay * p,
//   m += (1 - beta1) * (g - m),  v += (1 - beta2) * (g^2 - v),  p -= learning_rate * m / (sqrt(v) + epsilon);
// the caller puts the bias correction into learning_rate: rate * sqrt(1 - beta2^t) / (1 - beta1^t). No two overlap.
inline void adam_update_f32(float* p, const float* dp, float* m, float* v, std::int64_t n, float learning_rate,
                            float beta1, float beta2, float epsilon, float weight_decay, int threads) {
  const detail::AdamFactors factors{learning_rate, beta1, beta2, epsilon, weight_decay};
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.adam(p + i, dp + i, m + i, v + i, count, factors);
  });
}

// One step of gradient descent with momentum, the form of Keras: with g = dp + weight_decay * p,
//   velocity = momentum * velocity - learning_rate * g,
//   p += velocity, or, nesterov, p += momentum * velocity - learning_rate * g. No two overlap.
inline void sgd_momentum_update_f32(float* p, const float* dp, float* velocity, std::int64_t n, float learning_rate,
                                    float momentum, float weight_decay, bool nesterov, int threads) {
  const detail::MomentumFactors factors{learning_rate, momentum, weight_decay, nesterov};
  dispatch<detail::ElementwiseCallF32>(n, threads, [=](auto kernel, std::int64_t i, std::int64_t count) {
    kernel.momentum(p + i, dp + i, velocity + i, count, factors);
  });
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_ELEMENTWISE_F32_HPP_
