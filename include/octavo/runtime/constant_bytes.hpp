// octavo/runtime/constant_bytes.hpp: the bytes of a constant: its own, or a part of something larger that is kept alive
// for it, as of a file mapped into memory.
#ifndef OCTAVO_RUNTIME_CONSTANT_BYTES_HPP_
#define OCTAVO_RUNTIME_CONSTANT_BYTES_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "../core/aligned.hpp"
#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// What constants may lie in. Lives as long as a constant points into it.
class ConstantSource {
 public:
  ConstantSource() = default;
  ConstantSource(const ConstantSource&) = delete;
  ConstantSource& operator=(const ConstantSource&) = delete;
  virtual ~ConstantSource() = default;
  // The bytes will not be read for a while: their memory may be given back if they can be had again (from the file).
  virtual void forget(std::span<const std::uint8_t> /*bytes*/) const noexcept {}
};

// Much like a vector of bytes, 64-byte aligned where it owns them. Copies of a view are views of the same bytes. What
// may write (data() and begin() of an object that is not const, resize, assign) makes the bytes the object's own first.
class ConstantBytes {
 public:
  ConstantBytes() = default;
  ConstantBytes(AlignedVector<std::uint8_t> bytes) : own_(std::move(bytes)) {}  // NOLINT(google-explicit-constructor)
  ConstantBytes(std::span<const std::uint8_t> bytes, std::shared_ptr<const ConstantSource> source)
      : source_(std::move(source)), view_(bytes) {}

  [[nodiscard]] std::size_t size() const noexcept { return source_ ? view_.size() : own_.size() + dropped_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  // Throws Error after drop().
  [[nodiscard]] const std::uint8_t* data() const {
    require(dropped_ == 0,
            "the values of this constant are gone: the model was prepared with keep_program_weights = false");
    return source_ ? view_.data() : own_.data();
  }
  [[nodiscard]] const std::uint8_t* begin() const { return data(); }
  [[nodiscard]] const std::uint8_t* end() const { return data() + size(); }

  [[nodiscard]] std::uint8_t operator[](std::size_t i) const { return data()[i]; }

  [[nodiscard]] std::uint8_t* data() { return own().data(); }
  [[nodiscard]] std::uint8_t* begin() { return data(); }
  [[nodiscard]] std::uint8_t* end() { return own().data() + own_.size(); }
  [[nodiscard]] std::uint8_t& operator[](std::size_t i) { return own()[i]; }
  void resize(std::size_t size) { own().resize(size); }
  template <class Iterator>
  void assign(Iterator first, Iterator last) {
    AlignedVector<std::uint8_t> bytes(static_cast<std::size_t>(std::distance(first, last)));
    std::copy(first, last, bytes.begin());
    *this = ConstantBytes(std::move(bytes));
  }

  // Bytes of memory that this object alone holds.
  [[nodiscard]] std::size_t own_bytes() const noexcept { return own_.size(); }
  // See ConstantSource::forget.
  void forget() const noexcept {
    if (source_) source_->forget(view_);
  }
  // Frees the values and keeps their number: reading them is an Error from now on.
  void drop() {
    const std::size_t bytes = size();
    *this = {};
    dropped_ = bytes;
  }

  friend bool operator==(const ConstantBytes& a, const ConstantBytes& b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  AlignedVector<std::uint8_t>& own() {
    if (source_ || dropped_ > 0) {
      const std::uint8_t* from = std::as_const(*this).data();
      own_.assign(from, from + size());
      source_.reset();
    }
    return own_;
  }

  AlignedVector<std::uint8_t> own_;  // empty where source_ is set
  std::shared_ptr<const ConstantSource> source_;
  std::span<const std::uint8_t> view_;  // meaningful where source_ is set
  std::size_t dropped_ = 0;             // how many bytes were dropped
};

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_CONSTANT_BYTES_HPP_
