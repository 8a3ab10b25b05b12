// octavo/compile_here.hpp: the entry points of the headers included after this one are compiled into this file, for all
// files that are compiled with OCTAVO_COMPILED. Those of headers included before it are elsewhere.
//
// Each entry point belongs into one such file; cmake/compiled/*.cpp are those of the target octavo::compiled.
#ifndef OCTAVO_COMPILE_HERE_HPP_
#define OCTAVO_COMPILE_HERE_HPP_

#include "config.hpp"

#undef OCTAVO_BODIES
#define OCTAVO_BODIES 1
#undef OCTAVO_ENTRY
#define OCTAVO_ENTRY(...) template __VA_ARGS__

#endif  // OCTAVO_COMPILE_HERE_HPP_
