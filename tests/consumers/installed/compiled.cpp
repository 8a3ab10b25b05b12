// tests/consumers/installed/compiled.cpp: a file whose library code is compiled elsewhere.
#include <cstdio>
#include <octavo/runtime.hpp>

#if !defined(OCTAVO_COMPILED) || defined(OCTAVO_KERNELS_GEMM_HPP_)
#error "octavo::compiled_runtime should spare its users the kernels"
#endif

int main() {
  try {
    (void)octavo::load("absent");
  } catch (const octavo::Error& error) {
    return std::puts(error.what()) < 0 ? 2 : 0;
  }
  return 1;
}
