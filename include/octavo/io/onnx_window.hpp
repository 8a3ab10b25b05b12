// octavo/io/onnx_window.hpp: kernel, strides, dilations, pads and auto_pad of ONNX' windowed operators.
#ifndef OCTAVO_IO_ONNX_WINDOW_HPP_
#define OCTAVO_IO_ONNX_WINDOW_HPP_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "onnx_layer.hpp"
#include "onnx_node.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// Output rows (or columns) for `in` input rows: floor((in + margins - span) / stride) + 1. Throws when the window is
// larger than the padded input.
[[nodiscard]] inline std::int64_t output_extent(const Layer& layer, std::int64_t in, bool rows) {
  const std::int64_t span =
      rows ? (layer.kernel_h - 1) * layer.dilation_h + 1 : (layer.kernel_w - 1) * layer.dilation_w + 1;
  const std::int64_t padded = in + (rows ? layer.top + layer.bottom : layer.left + layer.right);
  require(padded >= span, "a window of ", span, " on ", padded, rows ? " rows" : " columns");
  return (padded - span) / (rows ? layer.stride_h : layer.stride_w) + 1;
}

// Fills the window of `layer` from the node's attributes; `dims`: of its input, NCHW.
inline void read_window(const NodeReader& node, std::int64_t kernel_h, std::int64_t kernel_w, const Dims& dims,
                        Layer& layer) {
  constexpr std::int64_t most = 1 << 20;
  const auto pair = [&](std::string_view name) {
    const std::vector<std::int64_t> list = node.list(name, {1, 1});
    require(list.size() == 2 && std::min(list[0], list[1]) >= 1 && std::max(list[0], list[1]) <= most, name,
            ": expected two extents of at least 1, found ", to_string(list));
    return list;
  };
  require(std::min(kernel_h, kernel_w) >= 1 && std::max(kernel_h, kernel_w) <= most, "a window of ", kernel_h, "x",
          kernel_w);
  layer.kernel_h = kernel_h, layer.kernel_w = kernel_w;
  layer.stride_h = pair("strides")[0], layer.stride_w = pair("strides")[1];
  layer.dilation_h = pair("dilations")[0], layer.dilation_w = pair("dilations")[1];
  const std::string_view mode = node.text("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    const auto split = [&](std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                           std::int64_t& before, std::int64_t& after) {
      const std::int64_t out = (in + stride - 1) / stride;
      const std::int64_t total = std::max<std::int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in, 0);
      before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      after = total - before;
    };
    split(dims[2], kernel_h, layer.stride_h, layer.dilation_h, layer.top, layer.bottom);
    split(dims[3], kernel_w, layer.stride_w, layer.dilation_w, layer.left, layer.right);
    return;
  }
  require(mode == "NOTSET" || mode == "VALID", "auto_pad '", mode, "' is unknown");
  const std::vector<std::int64_t> pads = node.list("pads", {0, 0, 0, 0});
  require(pads.size() == 4, "expected 4 pads, found ", to_string(pads));
  for (const std::int64_t pad : pads) require(pad >= 0 && pad <= most, "a padding of ", pad);
  if (mode == "VALID") return;
  layer.top = pads[0], layer.left = pads[1], layer.bottom = pads[2], layer.right = pads[3];
}

// ceil_mode: the margins behind grow until the last window that starts inside the input or its front margin fits.
inline void grow_to_ceiling(Layer& layer, std::int64_t height, std::int64_t width) {
  const auto grow = [](std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t before,
                       std::int64_t& after) {
    const std::int64_t rest = in + before + after - kernel;
    if (rest < 0) return;
    std::int64_t out = (rest + stride - 1) / stride + 1;
    if ((out - 1) * stride >= in + before) --out;
    after = std::max(after, (out - 1) * stride + kernel - in - before);
  };
  grow(height, layer.kernel_h, layer.stride_h, layer.top, layer.bottom);
  grow(width, layer.kernel_w, layer.stride_w, layer.left, layer.right);
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_WINDOW_HPP_
