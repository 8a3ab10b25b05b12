// benchmarks/engines/xnnpack.hpp: XNNPACK's NHWC convolution operators: float32, and int8 with a scale a channel (qc8).
#ifndef OCTAVO_BENCHMARKS_ENGINES_XNNPACK_HPP_
#define OCTAVO_BENCHMARKS_ENGINES_XNNPACK_HPP_

#include <xnnpack.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine.hpp"

namespace engines {

class Xnnpack final : public Engine {
 public:
  explicit Xnnpack(const Problem& p) : floats_(p.floats()) {
    check(xnn_initialize(nullptr), "xnn_initialize");
    in_.assign(p.input.begin(), p.input.end());
    in_.resize(in_.size() + XNN_EXTRA_BYTES);
    const auto size = static_cast<std::size_t>(p.g.out_size());
    out_.resize(floats_ ? size * sizeof(float) : size);
    const auto in_h = static_cast<std::size_t>(p.g.in_h), in_w = static_cast<std::size_t>(p.g.in_w);
    xnn_operator_t op = nullptr;
    if (floats_) {
      const auto create = [&](auto... sizes) {
        return xnn_create_convolution2d_nhwc_f32(sizes..., octavo::runtime::constant_values<float>(p.weights()).data(),
                                                 p.bias<float>().data(), p.op.clamp_low, p.op.clamp_high,
                                                 p.depthwise() ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0, &op);
      };
      check(with_sizes(p, create), "xnn_create_convolution2d_nhwc_f32");
      op_.reset(op);
      check(xnn_setup_convolution2d_nhwc_f32(op, 1, in_h, in_w, reinterpret_cast<const float*>(in_.data()),
                                             reinterpret_cast<float*>(out_.data()), nullptr),
            "xnn_setup_convolution2d_nhwc_f32");
    } else {
      for (std::byte& code : in_) code ^= std::byte{0x80};  // u8 terms to int8
      const octavo::Grid from = p.in_grid(), to = p.out_grid();
      const octavo::CodeLimits limits = octavo::activation_range(to, p.op.clamp_low, p.op.clamp_high);
      const auto create = [&](auto... sizes) {
        return xnn_create_convolution2d_nhwc_qc8(
            sizes..., static_cast<std::int8_t>(from.zero_point), from.scale, p.weights().quantization.scale.data(),
            octavo::runtime::constant_values<std::int8_t>(p.weights()).data(), p.bias<std::int32_t>().data(),
            static_cast<std::int8_t>(to.zero_point), to.scale, static_cast<std::int8_t>(limits.min),
            static_cast<std::int8_t>(limits.max), p.depthwise() ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0, &op);
      };
      check(with_sizes(p, create), "xnn_create_convolution2d_nhwc_qc8");
      op_.reset(op);
      check(xnn_setup_convolution2d_nhwc_qc8(op, 1, in_h, in_w, reinterpret_cast<const std::int8_t*>(in_.data()),
                                             reinterpret_cast<std::int8_t*>(out_.data()), nullptr),
            "xnn_setup_convolution2d_nhwc_qc8");
    }
  }

  void run() override { xnn_run_operator(op_.get(), nullptr); }
  [[nodiscard]] std::vector<float> output() override {
    std::vector<std::byte> bytes = out_;
    if (!floats_)
      for (std::byte& code : bytes) code ^= std::byte{0x80};
    return as_floats(bytes, floats_);
  }

 private:
  struct Delete {
    void operator()(xnn_operator_t op) const { xnn_delete_operator(op); }
  };

  static void check(xnn_status status, const char* what) {
    octavo::require(status == xnn_status_success, what, ": status ", static_cast<int>(status));
  }
  // The arguments that the creators share.
  template <class Create>
  static xnn_status with_sizes(const Problem& p, const Create& create) {
    const auto u32 = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
    const auto n = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    const octavo::Window& w = p.g.window;
    return create(u32(w.pad_top), u32(p.pad_right()), u32(p.pad_bottom()), u32(w.pad_left), u32(w.kernel_h),
                  u32(w.kernel_w), u32(w.stride_h), u32(w.stride_w), 1U, 1U, u32(p.g.groups), n(p.g.in_c / p.g.groups),
                  n(p.g.out_c / p.g.groups), n(p.g.in_c), n(p.g.out_c));
  }

  bool floats_;
  octavo::AlignedVector<std::byte> in_;
  std::vector<std::byte> out_;
  std::unique_ptr<xnn_operator, Delete> op_;
};

}  // namespace engines

#endif  // OCTAVO_BENCHMARKS_ENGINES_XNNPACK_HPP_
