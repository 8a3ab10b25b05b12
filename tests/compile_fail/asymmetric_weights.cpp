// tests/compile_fail/asymmetric_weights.cpp: the kernels know no weights with a zero point.
// expect: WeightSchemeType<typename Type::Weight>|does not satisfy 'WeightSchemeType'
#include <octavo/quant/typed_scheme.hpp>

struct MyScheme : octavo::DefaultScheme {
#ifdef OCTAVO_BAD
  using Weight = octavo::QuantizedAs<8, octavo::Symmetry::asymmetric, 0>;
#else
  using Weight = octavo::SymmetricWeights<4, 0>;
#endif
};
octavo::Scheme scheme() { return octavo::scheme_of<MyScheme>(); }
