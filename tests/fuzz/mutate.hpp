// tests/fuzz/mutate.hpp: damages a file in the ways that importers meet: a plain mutator, for replays without
// libFuzzer.
#ifndef OCTAVO_TESTS_FUZZ_MUTATE_HPP_
#define OCTAVO_TESTS_FUZZ_MUTATE_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "octavo/core/rng.hpp"

namespace fuzz {

using Bytes = std::vector<std::uint8_t>;

// One to four of: a bit flipped, a byte or a word set to a telling value, a piece copied elsewhere, the end cut off.
inline Bytes mutate(Bytes bytes, octavo::Rng& rng) {
  constexpr std::uint32_t telling[] = {0, 1, 2, 4, 127, 128, 255, 256, 65535, 0x7FFFFFFF, 0x80000000U, 0xFFFFFFFFU};
  const std::uint64_t times = 1 + rng.below(4);
  for (std::uint64_t i = 0; i < times && bytes.size() > 16; ++i) {
    const auto at = static_cast<std::size_t>(rng.below(bytes.size() - 4));
    switch (rng.below(6)) {
      case 0:
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << rng.below(8)));
        break;
      case 1:
        bytes[at] = static_cast<std::uint8_t>(rng.below(256));
        break;
      case 2:
        std::memcpy(&bytes[at / 4 * 4], &telling[rng.below(std::size(telling))], 4);
        break;
      case 3: {
        std::uint32_t word = 0;
        std::memcpy(&word, &bytes[at / 4 * 4], 4);
        word += static_cast<std::uint32_t>(rng.below(17)) - 8;
        std::memcpy(&bytes[at / 4 * 4], &word, 4);
        break;
      }
      case 4: {
        const auto size = static_cast<std::size_t>(1 + rng.below(32));
        const auto from = static_cast<std::size_t>(rng.below(bytes.size()));
        const std::size_t count = std::min({size, bytes.size() - at, bytes.size() - from});
        std::memmove(&bytes[at], &bytes[from], count);
        break;
      }
      default:
        if (rng.below(8) == 0) bytes.resize(at + 1);
    }
  }
  return bytes;
}

}  // namespace fuzz

#endif  // OCTAVO_TESTS_FUZZ_MUTATE_HPP_
