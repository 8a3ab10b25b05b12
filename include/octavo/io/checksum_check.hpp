// octavo/io/checksum_check.hpp: compares a weights file with the checksum in its manifest, a piece at a time.
#ifndef OCTAVO_IO_CHECKSUM_CHECK_HPP_
#define OCTAVO_IO_CHECKSUM_CHECK_HPP_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "checksum_tree.hpp"
#include "json.hpp"
#include "mapped_file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace detail {

// `sha256_tree` is summed by as many threads as come; where the manifest has only `sha256`, by one at a time. Pages of
// a mapping are given back as soon as they are summed, so that the file does not lie in memory twice.
class ChecksumCheck {
 public:
  // `entry`: the manifest's "weights". `name`: of manifest and file, for errors.
  ChecksumCheck(std::string name, const Json& entry, std::shared_ptr<const FileBytes> file)
      : name_(std::move(name)), file_(std::move(file)), tree_(file_->bytes()) {
    const Json* tree = entry.find("sha256_tree");
    is_tree_ = tree != nullptr;
    expected_ = (is_tree_ ? *tree : entry.at("sha256")).string();
  }

  // Sums pieces until there is none left that nobody has begun, or `enough` is set. Any thread may help.
  void help(const std::atomic<bool>& enough) noexcept {
    std::unique_lock<std::mutex> stream(stream_, std::defer_lock);
    if (!is_tree_ && !stream.try_lock()) return;
    while (!enough.load(std::memory_order_relaxed)) {
      const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= tree_.pieces()) return;
      const std::span<const std::uint8_t> piece = tree_.piece(i);
      if (is_tree_)
        tree_.sum(i);
      else
        whole_.update(piece);
      file_->forget(piece);
    }
  }

  // Sums what is left, once no thread helps any more. Throws where the checksums differ, each time.
  void finish(int threads) {
    const std::atomic<bool> never{false};
    if (found_.empty()) {
      parallel_for(threads, threads, [&](std::int64_t, std::int64_t, int) { help(never); });
      found_ = is_tree_ ? tree_.hex() : whole_.hex();
    }
    require(found_ == expected_, name_, ": expected ", is_tree_ ? "SHA-256 tree " : "SHA-256 ", expected_, ", found ",
            found_);
  }

 private:
  std::string name_, expected_, found_;
  std::shared_ptr<const FileBytes> file_;
  bool is_tree_ = false;
  TreeOfPieces tree_;
  std::atomic<std::size_t> next_{0};
  std::mutex stream_;  // who holds it updates whole_
  Sha256 whole_;
};

}  // namespace detail
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_CHECKSUM_CHECK_HPP_
