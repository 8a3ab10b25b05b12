// octavo/kernels/reference/elementwise_f32.hpp: element by element operations: declaration and portable level.
#ifndef OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_F32_HPP_
#define OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_F32_HPP_

#include <cstdint>

#include "fake_quantize_f32.hpp"
#include "vector_f32.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// The factors of one step of Adam; elementwise_f32.hpp has the formula.
struct AdamFactors {
  float learning_rate, beta1, beta2, epsilon, weight_decay;
};

// The factors of one step of gradient descent with momentum.
struct MomentumFactors {
  float learning_rate, momentum, weight_decay;
  bool nesterov;
};

// The bodies are in elementwise_f32_body.hpp, written once over VectorF32<Level>.
template <Isa Level>
struct ElementwiseF32 : ElementwiseF32<fallback_of(Level)> {};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#define OCTAVO_DETAIL_LEVEL Isa::scalar
#define OCTAVO_DETAIL_TARGET
#include "elementwise_f32_body.hpp"
#undef OCTAVO_DETAIL_LEVEL
#undef OCTAVO_DETAIL_TARGET

#endif  // OCTAVO_KERNELS_REFERENCE_ELEMENTWISE_F32_HPP_
