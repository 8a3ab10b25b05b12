// octavo/nn/padding.hpp: SAME, VALID and explicit padding, and the geometry that follows from them.
#ifndef OCTAVO_NN_PADDING_HPP_
#define OCTAVO_NN_PADDING_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "../kernels/geometry.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace nn {

// Height and width of a kernel, stride or dilation. Extent{3} is 3 x 3.
struct Extent {
  std::int64_t height = 1, width = 1;
  constexpr Extent(std::int64_t both) : height(both), width(both) {}  // NOLINT: a number is an extent
  constexpr Extent(std::int64_t rows, std::int64_t columns) : height(rows), width(columns) {}
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Pixels added on each side.
struct Margins {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  friend bool operator==(const Margins&, const Margins&) = default;
};

// same: output = ceil(input / stride), total = max((output - 1) * stride + (kernel - 1) * dilation + 1 - input, 0),
// before = total / 2 (TensorFlow's rule: the odd pixel goes below and to the right). valid: none. Or margins given.
class Padding {
 public:
  constexpr Padding(Margins margins) : margins_(margins) {}  // NOLINT: margins are a padding
  static constexpr Padding same() { return Padding(Mode::same); }
  static constexpr Padding valid() { return Padding(Margins{}); }

  [[nodiscard]] bool is_same() const noexcept { return mode_ == Mode::same; }
  [[nodiscard]] const Margins& margins() const noexcept { return margins_; }
  friend bool operator==(const Padding&, const Padding&) = default;

 private:
  enum class Mode : std::uint8_t { same, given };
  constexpr explicit Padding(Mode mode) : mode_(mode) {}

  Mode mode_ = Mode::given;
  Margins margins_;
};

struct WindowOptions {
  Extent kernel{1};
  Extent strides{1};
  Padding padding = Padding::valid();
  Extent dilation{1};
};

// The sizes of a windowed layer on input [n, h, w, c] (out_c and groups are the caller's). `absorbed`: margins of a
// zero padding layer that the convolution takes over; only added to explicit padding. Throws when kernel, stride or
// dilation is below 1, a margin is negative, or the window is larger than the padded input.
inline ConvGeometry window_geometry(const Shape& input, const WindowOptions& options, const Margins& absorbed,
                                    std::string_view type) {
  require(input.rank() == 4, type, ": expected an input of rank 4 (NHWC), found ", input.to_string());
  const auto positive = [&](const Extent& extent, std::string_view what) {
    require(extent.height >= 1 && extent.width >= 1, type, ": ", what, " ", extent.height, "x", extent.width,
            " must be at least 1x1");
  };
  positive(options.kernel, "kernel");
  positive(options.strides, "stride");
  positive(options.dilation, "dilation");

  ConvGeometry g;
  g.in_h = input[1];
  g.in_w = input[2];
  g.in_c = g.out_c = input[3];
  Window& w = g.window;
  w.kernel_h = options.kernel.height, w.kernel_w = options.kernel.width;
  w.stride_h = options.strides.height, w.stride_w = options.strides.width;
  w.dilation_h = options.dilation.height, w.dilation_w = options.dilation.width;

  const auto resolve = [&](std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                           std::int64_t before, std::int64_t after, std::int64_t& out, std::int64_t& pad) {
    const std::int64_t span = (kernel - 1) * dilation + 1;
    if (options.padding.is_same()) {
      out = (in + stride - 1) / stride;
      pad = std::max<std::int64_t>((out - 1) * stride + span - in, 0) / 2;
      return;
    }
    require(before >= 0 && after >= 0, type, ": margins must not be negative, found ", before, " and ", after);
    require(in + before + after >= span, type, ": window of ", span, " pixels on a padded input of ",
            in + before + after, " (input ", input.to_string(), ")");
    out = (in + before + after - span) / stride + 1;
    pad = before;
  };
  const Margins& m = options.padding.margins();
  resolve(g.in_h, w.kernel_h, w.stride_h, w.dilation_h, m.top + absorbed.top, m.bottom + absorbed.bottom, g.out_h,
          w.pad_top);
  resolve(g.in_w, w.kernel_w, w.stride_w, w.dilation_w, m.left + absorbed.left, m.right + absorbed.right, g.out_w,
          w.pad_left);
  return g;
}

}  // namespace nn
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_NN_PADDING_HPP_
