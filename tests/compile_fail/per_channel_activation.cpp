// tests/compile_fail/per_channel_activation.cpp: an activation tensor has one grid.
// expect: ActivationSchemeType<typename Type::Activation>|does not satisfy 'ActivationSchemeType'
#include <octavo/quant/typed_scheme.hpp>

struct MyScheme : octavo::DefaultScheme {
#ifdef OCTAVO_BAD
  using Activation = octavo::QuantizedAs<8, octavo::Symmetry::asymmetric, octavo::kLastAxis>;
#else
  using Activation = octavo::QuantizedAs<8, octavo::Symmetry::symmetric>;
#endif
};
octavo::Scheme scheme() { return octavo::scheme_of<MyScheme>(); }
