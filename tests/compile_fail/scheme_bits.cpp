// tests/compile_fail/scheme_bits.cpp: a scheme type has 2 to 8 bits.
// expect: codes have 2 to 8 bits
#include <octavo/quant/tensor_scheme.hpp>

#ifdef OCTAVO_BAD
constexpr octavo::TensorScheme scheme = octavo::SymmetricWeights<9>();
#else
constexpr octavo::TensorScheme scheme = octavo::SymmetricWeights<2>();
#endif
static_assert(scheme.bits == 2);
