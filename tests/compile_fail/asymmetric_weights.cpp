// tests/compile_fail/asymmetric_weights.cpp: the kernels know no weights with a zero point.
// expect: WeightSchemeType<typename Type::weight>|does not satisfy 'WeightSchemeType'
#include <octavo/quant/typed_scheme.hpp>

struct MyScheme : octavo::DefaultScheme {
#ifdef OCTAVO_BAD
  using weight = octavo::QuantizedAs<8, octavo::Symmetry::asymmetric, 0>;
#else
  using weight = octavo::SymmetricWeights<4, 0>;
#endif
};
octavo::Scheme scheme() { return octavo::scheme_of<MyScheme>(); }
