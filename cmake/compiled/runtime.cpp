// What octavo/runtime.hpp declares: loading, preparing and running models, with the kernels of all instruction sets.
#include <octavo/compile_here.hpp>
//
#include <octavo/runtime.hpp>
