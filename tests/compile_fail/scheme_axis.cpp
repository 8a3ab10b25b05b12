// tests/compile_fail/scheme_axis.cpp: a scheme type names an axis that a shape can have.
// expect: the channel axis is kPerTensor, kLastAxis or 0 to 5
#include <octavo/quant/tensor_scheme.hpp>

#ifdef OCTAVO_BAD
constexpr octavo::TensorScheme scheme = octavo::SymmetricWeights<8, 6>();
#else
constexpr octavo::TensorScheme scheme = octavo::SymmetricWeights<8, 3>();
#endif
static_assert(scheme.axis == 3);
