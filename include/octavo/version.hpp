// octavo/version.hpp: the version, in one place. CMake reads it from here.
#ifndef OCTAVO_VERSION_HPP_
#define OCTAVO_VERSION_HPP_

#define OCTAVO_VERSION_MAJOR 0
#define OCTAVO_VERSION_MINOR 1
#define OCTAVO_VERSION_PATCH 0

#endif  // OCTAVO_VERSION_HPP_
