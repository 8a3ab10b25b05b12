// octavo/io/onnx_lower_resize.hpp: lowers ONNX' Resize and Upsample.
//
// ONNX has many ways to say where output pixels lie; the runtime has the three of kernels/resize_axis.hpp. What a node
// says is compared with these pixel by pixel, and one that agrees is taken: so half_pixel with round_prefer_floor, the
// default, is imported where no pixel lies at a half, as in all integer enlargements, and is an Error elsewhere.
#ifndef OCTAVO_IO_ONNX_LOWER_RESIZE_HPP_
#define OCTAVO_IO_ONNX_LOWER_RESIZE_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/resize_axis.hpp"
#include "onnx_layer.hpp"
#include "onnx_lower_ops.hpp"
#include "onnx_values.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

namespace detail {

// What a node says about positions, and the extents of one axis. `scale` is out / in where sizes are given; a scale of
// its own need not be.
struct ResizeRule {
  std::string_view coordinates = "half_pixel";
  std::string_view rounding;  // nearest_mode; empty: linear

  // The position of output pixel i on the input's axis, by ONNX' formulas; in and out stand for the scale where they
  // give it exactly.
  [[nodiscard]] double position(std::int64_t i, std::int64_t in, std::int64_t out, double scale) const {
    const auto at = static_cast<double>(i), from = static_cast<double>(in), to = static_cast<double>(out);
    const bool exact = std::abs(from * scale - to) <= 1e-6 * to;
    const auto unscaled = [&](double x) { return exact ? x * from / to : x / scale; };
    if (coordinates == "asymmetric") return unscaled(at);
    if (coordinates == "half_pixel") return unscaled(at + 0.5) - 0.5;
    if (coordinates == "pytorch_half_pixel") return out == 1 ? 0.0 : unscaled(at + 0.5) - 0.5;
    if (coordinates == "tf_half_pixel_for_nn") return unscaled(at + 0.5);
    if (coordinates == "align_corners") return out == 1 ? 0.0 : at * (from - 1.0) / (to - 1.0);
    if (coordinates == "half_pixel_symmetric") {
      const double adjustment = exact ? 1.0 : to / (from * scale);
      return from / 2.0 * (1.0 - adjustment) + unscaled(at + 0.5) - 0.5;
    }
    fail("coordinate_transformation_mode '", coordinates, "' is not imported");
  }
  [[nodiscard]] double nearest(double position) const {
    if (rounding == "floor") return std::floor(position);
    if (rounding == "ceil") return std::ceil(position);
    if (rounding == "round_prefer_ceil") return std::floor(position + 0.5);
    require(rounding == "round_prefer_floor", "nearest_mode '", rounding, "' is not imported");
    return std::ceil(position - 0.5);
  }

  // Whether each output pixel of the axis is made of the same input pixels by both.
  [[nodiscard]] bool agrees(const ResizeAxis& axis, double scale) const {
    const auto last = static_cast<double>(axis.in - 1);
    ResizeRule ours{axis.align_corners ? "align_corners" : axis.half_pixel_centers ? "half_pixel" : "asymmetric", ""};
    for (std::int64_t i = 0; i < axis.out; ++i) {
      const double theirs = position(i, axis.in, axis.out, scale);
      if (!rounding.empty()) {
        const auto pixel = static_cast<std::int64_t>(std::clamp(nearest(theirs), 0.0, last));
        if (pixel != nearest_source(axis, i)) return false;
      } else {
        const double own =
            ours.position(i, axis.in, axis.out, static_cast<double>(axis.out) / static_cast<double>(axis.in));
        if (std::abs(std::clamp(theirs, 0.0, last) - std::clamp(own, 0.0, last)) > 1e-6 * (last + 1.0)) return false;
      }
    }
    return true;
  }
};

}  // namespace detail

template <class Lazy>
Value OpLowering<Lazy>::resize(NodeInputs& in) {
  Value& x = *in[0];
  require(x.dims.size() == 4, "only images (NCHW) are resized, found ", to_string(x.dims));
  const bool old = node().op() == "Upsample" || (node().opset() > 0 && node().opset() < 11);
  const std::string_view mode = node().text("mode", "nearest");
  require(mode == "nearest" || mode == "linear", "mode '", mode, "' is not imported");
  for (const char* name : {"antialias", "exclude_outside"})
    require(node().integer(name, 0) == 0, name, " is not imported");
  const std::string_view policy = node().text("keep_aspect_ratio_policy", "stretch");
  require(policy == "stretch", "keep_aspect_ratio_policy '", policy, "' is not imported");
  detail::ResizeRule rule;
  rule.coordinates = old ? "asymmetric" : node().text("coordinate_transformation_mode", "half_pixel");
  if (mode == "nearest") rule.rounding = old ? "floor" : node().text("nearest_mode", "round_prefer_floor");

  Dims axes = node().list("axes", {0, 1, 2, 3});
  for (std::int64_t& axis : axes) axis = static_cast<std::int64_t>(detail::axis_of(axis, 4));
  const auto given = [&](const Value* value) {
    return value != nullptr && !(value->constant && value->constant->size() == 0);
  };
  const Value* const by_scale = old ? in[1] : in[2];
  const Value* const by_size = old ? nullptr : in[3];
  require(given(by_scale) != given(by_size), "expected scales or sizes, found ", given(by_scale) ? "both" : "none");
  std::vector<double> scale(4, 1.0);
  Dims dims = x.dims;
  const Constant& numbers = constant(given(by_size) ? by_size : by_scale, given(by_size) ? "sizes" : "scales");
  require(numbers.size() == std::ssize(axes), "expected a number for each of ", axes.size(), " axes, found ",
          to_string(numbers.dims));
  const std::vector<double> values = stored_numbers<double>(numbers);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(axes[i]);
    const auto from = static_cast<double>(x.dims[axis]);
    require(values[i] > 0.0 && values[i] <= static_cast<double>(kMaxImportExtent), "a scale or size of ", values[i]);
    // Products as engines have them: in float32, where 3 * 10/3 is 10.
    dims[axis] = static_cast<std::int64_t>(given(by_size) ? values[i] : static_cast<float>(from * values[i]));
    scale[axis] = given(by_size) ? values[i] / from : values[i];
  }
  for (const std::int64_t extent : dims)
    require(extent >= 1 && extent <= kMaxImportExtent, "the result would be ", to_string(dims));
  require(dims[0] == x.dims[0] && dims[1] == x.dims[1], "only height and width are resized, found ", to_string(x.dims),
          " to ", to_string(dims));

  Layer layer = image_layer(x, mode == "nearest" ? LayerKind::resize_nearest : LayerKind::resize_bilinear);
  layer.shape = {1, dims[2], dims[3], dims[1]};
  const auto taken = [&](bool corners, bool centers) {
    layer.align_corners = corners, layer.half_pixel_centers = centers;
    return rule.agrees({x.dims[2], dims[2], corners, centers}, scale[2]) &&
           rule.agrees({x.dims[3], dims[3], corners, centers}, scale[3]);
  };
  const bool corners = rule.coordinates == "align_corners", edges = rule.coordinates == "asymmetric";
  require((corners && taken(true, false)) || (edges && taken(false, false)) || taken(false, true) ||
              taken(false, false) || taken(true, false),
          "the runtime has no resize of ", to_string(x.dims), " to ", to_string(dims),
          " with coordinate_transformation_mode '", rule.coordinates, "'",
          rule.rounding.empty() ? "" : ", nearest_mode ", rule.rounding,
          given(by_size) ? "" : " and these scales: other pixels would be read");
  return values_.image(values_.push(std::move(layer)), dims);
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_LOWER_RESIZE_HPP_
