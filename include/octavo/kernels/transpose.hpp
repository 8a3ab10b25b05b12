// octavo/kernels/transpose.hpp: axes in another order, and tensors spread over larger ones: copies, for 8-bit codes and
// floats alike.
#ifndef OCTAVO_KERNELS_TRANSPOSE_HPP_
#define OCTAVO_KERNELS_TRANSPOSE_HPP_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "../core/shape.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

namespace detail {

// Where element `index` (row-major) of a tensor of `extents` lies when axis i advances by stride[i] elements.
struct StridedView {
  Shape extents;
  std::array<std::int64_t, Shape::kMaxRank> stride{};

  [[nodiscard]] std::int64_t offset_of(std::int64_t index) const {
    std::int64_t offset = 0;
    for (std::size_t i = extents.rank(); i-- > 0;) {
      offset += index % extents[i] * stride[i];
      index /= extents[i];
    }
    return offset;
  }
};

// out[k] = in[view.offset_of(k)] for the rows (runs along the last axis) [begin, end).
template <class Value>
void copy_rows(const StridedView& view, const Value* in, Value* out, std::int64_t begin, std::int64_t end) {
  const std::size_t last = view.extents.rank() - 1;
  const std::int64_t length = view.extents[last];
  const std::int64_t stride = view.stride[last];
  for (std::int64_t row = begin; row < end; ++row) {
    const Value* from = in + view.offset_of(row * length);
    Value* to = out + row * length;
    if (stride == 0)
      std::fill_n(to, length, *from);
    else if (stride == 1)
      std::copy_n(from, length, to);
    else
      for (std::int64_t i = 0; i < length; ++i) to[i] = from[i * stride];
  }
}

}  // namespace detail

// out[b, i1, i2, ...] = in[b, j1, j2, ...] with i_k = j_axes[k]: output axis k is input axis axes[k]; axes[0] = 0 is
// the batch. `shape` is the input's with a batch of 1.
template <class Value>
void transpose(const Value* in, Value* out, std::int64_t batch, const Shape& shape, std::span<const int> axes,
               int threads) {
  require(axes.size() == shape.rank() && shape.rank() >= 1, "transpose: expected ", shape.rank(), " axes, found ",
          axes.size());
  std::array<std::int64_t, Shape::kMaxRank> stride{};
  std::int64_t size = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) stride[i] = size, size *= shape[i];
  detail::StridedView view;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(axes[i]);
    view.extents.push_back(shape[axis]);
    view.stride[i] = stride[axis];
  }
  view.extents[0] = batch;
  view.stride[0] = size;
  parallel_for(batch * size / view.extents.back(), threads,
               [&](std::int64_t begin, std::int64_t end, int) { detail::copy_rows(view, in, out, begin, end); });
}

// Spreads one image's tensor over `to`: extents of `from`, aligned at the last, are those of `to` or 1.
template <class Value>
void spread(const Value* in, Value* out, const Shape& from, const Shape& to) {
  require(from.rank() <= to.rank() && to.rank() >= 1, "spread: ", from.to_string(), " over ", to.to_string());
  detail::StridedView view;
  view.extents = to;
  std::int64_t size = 1;
  for (std::size_t behind = 1; behind <= from.rank(); ++behind) {
    const std::int64_t extent = from[from.rank() - behind];
    view.stride[to.rank() - behind] = extent == 1 ? 0 : size;
    size *= extent;
  }
  detail::copy_rows(view, in, out, 0, to.size() / to.back());
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_TRANSPOSE_HPP_
