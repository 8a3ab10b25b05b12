// octavo/io/folded_weights.hpp: a raw format for convolutional networks whose batch norms are folded: a table of layers
// (layer_map.csv) and one file of float32 numbers.
//
// layer_map.csv has a header line and a line a layer; the first seven columns are
//   index, op (CONV_2D or DEPTHWISE_CONV_2D), weight shape "OxHxWxI" or "1xHxWxC", stride, activation (NONE, RELU,
//   RELU6), input shape, output shape.
// The binary file holds, layer after layer, the weights in that shape and then one bias an output channel,
// little-endian.
#ifndef OCTAVO_IO_FOLDED_WEIGHTS_HPP_
#define OCTAVO_IO_FOLDED_WEIGHTS_HPP_

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

struct FoldedLayer {
  std::int64_t index = 0;
  bool depthwise = false;
  Shape weight_shape;  // OHWI, or 1HWC for a depthwise layer
  std::int64_t stride = 1;
  float low = -std::numeric_limits<float>::infinity();  // the activation's limits
  float high = std::numeric_limits<float>::infinity();
  Shape in, out;  // NHWC
  std::vector<float> weights;
  std::vector<float> bias;

  [[nodiscard]] std::int64_t channels() const { return weight_shape[depthwise ? 3 : 0]; }
};

// Reads and checks both files: each line's shapes fit each other, layers are numbered from 0, all numbers are finite,
// and the binary file holds exactly what the table says.
[[nodiscard]] std::vector<FoldedLayer> read_folded_weights(const std::string& csv_path, const std::string& bin_path);

namespace detail {

inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

inline std::int64_t whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= 0 && value <= 1 << 24,
          "expected a number from 0 to ", 1 << 24, ", found '", text, "'");
  return value;
}

inline Shape shape_from_text(std::string_view text) {
  Shape shape;
  for (const std::string_view extent : split(text, 'x')) shape.push_back(whole_number(extent));
  require(shape.rank() == 4 && shape.size() > 0, "expected four extents, found '", text, "'");
  return shape;
}

inline FoldedLayer folded_layer(std::string_view line) {
  constexpr std::size_t columns_needed = 7;
  const std::vector<std::string_view> columns = split(line, ',');
  require(columns.size() >= columns_needed, "expected at least ", columns_needed, " columns, found ", columns.size());
  FoldedLayer layer;
  layer.index = whole_number(columns[0]);
  layer.depthwise = columns[1] == "DEPTHWISE_CONV_2D";
  require(layer.depthwise || columns[1] == "CONV_2D", "unknown operator '", columns[1], "'");
  layer.weight_shape = shape_from_text(columns[2]);
  layer.stride = whole_number(columns[3]);
  if (columns[4] != "NONE") {
    require(columns[4] == "RELU" || columns[4] == "RELU6", "unknown activation '", columns[4], "'");
    layer.low = 0.0F;
    if (columns[4] == "RELU6") layer.high = 6.0F;
  }
  layer.in = shape_from_text(columns[5]);
  layer.out = shape_from_text(columns[6]);
  const Shape& w = layer.weight_shape;
  const bool channels_fit = layer.depthwise ? w[0] == 1 && w[3] == layer.in[3] && w[3] == layer.out[3]
                                            : w[3] == layer.in[3] && w[0] == layer.out[3];
  require(channels_fit && layer.in[0] == 1 && layer.out[0] == 1, "weights ", w.to_string(), " do not lead from ",
          layer.in.to_string(), " to ", layer.out.to_string());
  require(layer.stride >= 1, "the stride is 0");
  for (const std::size_t axis : {std::size_t{1}, std::size_t{2}})
    require(layer.out[axis] == (layer.in[axis] + layer.stride - 1) / layer.stride, "stride ", layer.stride,
            " with SAME padding does not lead from ", layer.in.to_string(), " to ", layer.out.to_string());
  return layer;
}

}  // namespace detail

inline std::vector<FoldedLayer> read_folded_weights(const std::string& csv_path, const std::string& bin_path) {
  const std::string table = read_text_file(csv_path, 1U << 20);
  const Bytes numbers = read_file(bin_path);
  std::vector<FoldedLayer> layers;
  std::vector<std::string_view> lines = detail::split(table, '\n');
  std::size_t at = 0;
  const auto take = [&](std::int64_t count) {
    const auto n = static_cast<std::size_t>(count);
    require(n <= (numbers.size() - at) / sizeof(float), "'", bin_path, "' ends within the numbers of layer ",
            layers.size());
    std::vector<float> values(n);
    std::memcpy(values.data(), numbers.data() + at, n * sizeof(float));
    at += n * sizeof(float);
    for (const float value : values)
      require(std::isfinite(value), "'", bin_path, "': layer ", layers.size(), " has a number that is not finite");
    return values;
  };
  for (std::size_t i = 1; i < lines.size(); ++i) {  // line 0 names the columns
    std::string_view line = lines[i];
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    FoldedLayer layer;
    try {
      layer = detail::folded_layer(line);
      require(layer.index == static_cast<std::int64_t>(layers.size()), "expected layer ", layers.size(), ", found ",
              layer.index);
    } catch (const Error& error) {
      fail("'", csv_path, "', line ", i + 1, ": ", error.what());
    }
    layer.weights = take(layer.weight_shape.size());
    layer.bias = take(layer.channels());
    layers.push_back(std::move(layer));
  }
  require(!layers.empty(), "'", csv_path, "' has no layers");
  require(at == numbers.size(), "'", bin_path, "' has ", numbers.size() - at, " bytes more than '", csv_path, "' says");
  return layers;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_FOLDED_WEIGHTS_HPP_
