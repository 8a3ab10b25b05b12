// octavo/io/checksum_tree.hpp: a checksum of which parts can be computed side by side, by one thread or several.
//
//   tree = SHA-256(SHA-256(chunk 0), SHA-256(chunk 1), ...), chunks of 64 KiB, the last one shorter; digests as bytes
#ifndef OCTAVO_IO_CHECKSUM_TREE_HPP_
#define OCTAVO_IO_CHECKSUM_TREE_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "checksum.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

inline constexpr std::size_t kTreeChunk = std::size_t{1} << 16;

// Of a stream of bytes: update() any number of times, then hex() once.
class TreeOfStream {
 public:
  void update(std::span<const std::uint8_t> bytes) noexcept {
    while (!bytes.empty()) {
      const std::span<const std::uint8_t> part = bytes.first(std::min(bytes.size(), kTreeChunk - filled_));
      chunk_.update(part);
      filled_ += part.size();
      bytes = bytes.subspan(part.size());
      if (filled_ == kTreeChunk) end_chunk();
    }
  }
  [[nodiscard]] std::string hex() noexcept {
    if (filled_ > 0) end_chunk();
    return root_.hex();
  }

 private:
  void end_chunk() noexcept {
    root_.update(chunk_.digest());
    chunk_ = {};
    filled_ = 0;
  }

  Sha256 chunk_, root_;
  std::size_t filled_ = 0;  // of chunk_
};

// Of bytes in memory: sum(i) once for each piece i, by any threads, then hex().
class TreeOfPieces {
 public:
  explicit TreeOfPieces(std::span<const std::uint8_t> bytes)
      : bytes_(bytes), digests_((bytes.size() + kTreeChunk - 1) / kTreeChunk) {}

  [[nodiscard]] std::size_t pieces() const noexcept { return (digests_.size() + 1) / 2; }
  // Two chunks, but for the last piece.
  [[nodiscard]] std::span<const std::uint8_t> piece(std::size_t i) const noexcept {
    const std::size_t begin = i * 2 * kTreeChunk;
    return bytes_.subspan(begin, std::min(2 * kTreeChunk, bytes_.size() - begin));
  }
  void sum(std::size_t i) noexcept {
    const std::span<const std::uint8_t> two = piece(i);
    if (two.size() == 2 * kTreeChunk) {
      const auto digests = Sha256::of_two(two.data(), two.data() + kTreeChunk, kTreeChunk);
      std::copy(digests.begin(), digests.end(), digests_.begin() + static_cast<std::ptrdiff_t>(2 * i));
      return;
    }
    for (std::size_t at = 0; at < two.size(); at += kTreeChunk) {
      Sha256 chunk;
      chunk.update(two.subspan(at, std::min(kTreeChunk, two.size() - at)));
      digests_[2 * i + at / kTreeChunk] = chunk.digest();
    }
  }
  [[nodiscard]] std::string hex() const noexcept {
    Sha256 root;
    for (const Sha256::Digest& digest : digests_) root.update(digest);
    return root.hex();
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::vector<Sha256::Digest> digests_;
};

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_CHECKSUM_TREE_HPP_
