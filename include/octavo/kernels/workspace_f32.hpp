// octavo/kernels/workspace_f32.hpp: the scratch memory of the float kernels of training: it grows once and is kept.
#ifndef OCTAVO_KERNELS_WORKSPACE_F32_HPP_
#define OCTAVO_KERNELS_WORKSPACE_F32_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/aligned.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// One float buffer for each purpose and thread. A layer (or a whole graph) owns one and passes it to every call; after
// the first step nothing is allocated. Not to be used by two calls at the same time.
class Workspace {
 public:
  enum class Slot : std::uint8_t { packed, partial, columns };

  // Makes room for `parts` threads. To be called before a parallel region that calls floats().
  void reserve_parts(int parts) {
    const std::size_t wanted = kSlots * static_cast<std::size_t>(std::max(parts, 1));
    if (buffers_.size() < wanted) buffers_.resize(wanted);
  }

  // At least `count` floats at a 64-byte boundary, contents unspecified, valid until a larger request for the same slot
  // and part. Different parts may ask at the same time. Requires part < the parts reserved.
  [[nodiscard]] float* floats(Slot slot, int part, std::int64_t count) {
    AlignedVector<float>& buffer = buffers_[kSlots * static_cast<std::size_t>(part) + static_cast<std::size_t>(slot)];
    if (buffer.size() < static_cast<std::size_t>(count)) {
      buffer.clear();  // no copy of what is old
      buffer.resize(static_cast<std::size_t>(count));
    }
    return buffer.data();
  }

  // What is held now, in bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t total = 0;
    for (const AlignedVector<float>& buffer : buffers_) total += buffer.capacity() * sizeof(float);
    return total;
  }

 private:
  static constexpr std::size_t kSlots = 3;
  std::vector<AlignedVector<float>> buffers_;
};

using GemmWorkspace = Workspace;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_WORKSPACE_F32_HPP_
