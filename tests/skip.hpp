// tests/skip.hpp: for cases that need what a machine may lack.
#ifndef OCTAVO_TESTS_SKIP_HPP_
#define OCTAVO_TESTS_SKIP_HPP_

#include <string>

namespace octavo_test {

// Says that this case has nothing to do here, and why; the case returns then. A program whose cases all did so exits
// with 77.
void skip(const std::string& reason);

}  // namespace octavo_test

#endif  // OCTAVO_TESTS_SKIP_HPP_
