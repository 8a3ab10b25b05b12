// octavo/core/error.hpp: the one exception type, and two helpers that put values into its text.
#ifndef OCTAVO_CORE_ERROR_HPP_
#define OCTAVO_CORE_ERROR_HPP_

#include <sstream>
#include <stdexcept>
#include <string>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Thrown for every bad input. The text names the file, layer or tensor, what was expected and what was found.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with all parts written one after the other: fail("conv '", name, "': expected rank 4, found ", rank).
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

// fail(parts...) unless `condition` holds. The parts are formatted only on failure.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) fail(parts...);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_ERROR_HPP_
