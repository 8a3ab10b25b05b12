// octavo/quant/grid.hpp: the affine grid of one tensor or one channel.
#ifndef OCTAVO_QUANT_GRID_HPP_
#define OCTAVO_QUANT_GRID_HPP_

#include <cstdint>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Where a value that lies exactly between two codes goes.
enum class Ties : std::uint8_t {
  even,  // to the even code: IEEE, XNNPACK, ONNX, PyTorch
  up,    // toward +infinity: TensorFlow's fake_quant
  away,  // away from zero: TFLite's float-to-int8 QUANTIZE and weight quantization
};

// real = scale * (code - zero_point), code in [qmin, qmax] (Jacob et al. 2018, eq. 1).
// Invariant: scale is finite and > 0, zero_point is in [qmin, qmax], so that real 0 is exact (padding relies on it).
// Codes are signed: int8 has qmin = -128, qmax = 127; narrow-range weights have -127, 127.
struct Grid {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  std::int32_t qmin = -128;
  std::int32_t qmax = 127;

  // The smallest and largest real value on the grid.
  [[nodiscard]] float low() const noexcept { return static_cast<float>(qmin - zero_point) * scale; }
  [[nodiscard]] float high() const noexcept { return static_cast<float>(qmax - zero_point) * scale; }

  friend bool operator==(const Grid&, const Grid&) = default;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_GRID_HPP_
