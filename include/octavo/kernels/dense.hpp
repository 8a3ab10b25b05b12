// octavo/kernels/dense.hpp: 8-bit fully connected layer: out[r][c] = stage(bias[c] + sum_k w[c][k] * (in[r][k] - zp)).
#ifndef OCTAVO_KERNELS_DENSE_HPP_
#define OCTAVO_KERNELS_DENSE_HPP_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "conv2d.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// A 1x1 convolution over one pixel a row: the same kernels, ranges and proof as QuantizedConv2d.
class QuantizedDense {
 public:
  // weights: [out_c][in_c]; the rest as QuantizedConv2d.
  QuantizedDense(std::int64_t in_c, std::int64_t out_c, std::span<const std::int8_t> weights,
                 std::span<const std::int32_t> bias, std::int32_t input_zero_point, const OutputStage& stage,
                 std::string_view what = "dense", WeightBits bits = WeightBits::eight)
      : conv_(ConvGeometry{.in_c = in_c, .out_c = out_c, .window = {}}, weights, bias, input_zero_point, stage, what,
              bits) {}

  // in: [rows][in_c], out: [rows][out_c].
  void run(const std::uint8_t* in, std::uint8_t* out, std::int64_t rows, int threads,
           std::span<std::byte> scratch) const {
    conv_.run(in, out, rows, threads, scratch);
  }

  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept { return conv_.scratch_bytes(threads); }
  [[nodiscard]] std::size_t packed_bytes() const noexcept { return conv_.packed_bytes(); }
  [[nodiscard]] std::string_view kernel_name() const { return conv_.kernel_name(); }
  [[nodiscard]] std::int64_t macs() const noexcept { return conv_.macs(); }  // of one row
  [[nodiscard]] std::int64_t in_channels() const noexcept { return conv_.geometry().in_c; }
  [[nodiscard]] std::int64_t out_channels() const noexcept { return conv_.geometry().out_c; }

 private:
  QuantizedConv2d conv_;
};

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_DENSE_HPP_
