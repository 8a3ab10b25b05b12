// benchmarks/engines/onednn.hpp: oneDNN's convolution primitive, in the memory layouts that it chooses itself.
//
// For int8 it gets the form that costs it least: unsigned inputs, signed weights, no zero points. What they would do
// stands in the bias, in float: bias[c] - z_in * sum of weights[c] + z_out / multiplier[c] (a padded input is 0 in
// these terms, as its zero point is). With relu6 on the grid [0, 6], saturation to 8 bits is the clamp, so nothing
// follows.
#ifndef OCTAVO_BENCHMARKS_ENGINES_ONEDNN_HPP_
#define OCTAVO_BENCHMARKS_ENGINES_ONEDNN_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "engine.hpp"

namespace engines {

class OneDnn final : public Engine {
 public:
  explicit OneDnn(const Problem& p) : floats_(p.floats()), size_(p.g.out_size()) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto code = floats_ ? memory::data_type::f32 : memory::data_type::u8;
    const auto weight = floats_ ? memory::data_type::f32 : memory::data_type::s8;
    const octavo::ConvGeometry& g = p.g;
    const memory::dims in{1, g.in_c, g.in_h, g.in_w}, out{1, g.out_c, g.out_h, g.out_w};
    const memory::dims kernel = p.depthwise() ? memory::dims{g.in_c, 1, 1, g.window.kernel_h, g.window.kernel_w}
                                              : memory::dims{g.out_c, g.in_c, g.window.kernel_h, g.window.kernel_w};
    const memory::desc bias_desc({g.out_c}, memory::data_type::f32, Tag::a);
    const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                               {in, code, Tag::any}, {kernel, weight, Tag::any}, bias_desc,
                                               {out, code, Tag::any}, {g.window.stride_h, g.window.stride_w},
                                               {g.window.pad_top, g.window.pad_left}, {p.pad_bottom(), p.pad_right()});
    const dnnl::convolution_forward::primitive_desc chosen(desc, attributes(p), cpu());
    kernel_ = chosen.impl_info_str();
    in_ = in_layout(memory({in, code, Tag::nhwc}, cpu(), const_cast<std::byte*>(p.input.data())), chosen.src_desc());
    weights_ = in_layout(memory({kernel, weight, p.depthwise() ? Tag::hwigo : Tag::ohwi}, cpu(),
                                const_cast<std::uint8_t*>(p.weights().data.data())),
                         chosen.weights_desc());
    bias_values_ = bias(p);
    bias_ = memory(bias_desc, cpu(), bias_values_.data());
    out_ = memory(chosen.dst_desc(), cpu());
    plain_out_ = {out, code, Tag::nhwc};
    primitive_ = dnnl::convolution_forward(chosen);
    arguments_ = {{DNNL_ARG_SRC, in_.get()},
                  {DNNL_ARG_WEIGHTS, weights_.get()},
                  {DNNL_ARG_BIAS, bias_.get()},
                  {DNNL_ARG_DST, out_.get()}};
  }

  // The C function: the C++ one makes a vector of its map of arguments on each call.
  void run() override {
    dnnl_primitive_execute(primitive_.get(), stream().get(), static_cast<int>(arguments_.size()), arguments_.data());
  }
  [[nodiscard]] std::vector<float> output() override {
    const dnnl::memory plain = in_layout(out_, plain_out_);
    const auto bytes = static_cast<std::size_t>(size_) * (floats_ ? sizeof(float) : 1);
    return as_floats({static_cast<const std::byte*>(plain.get_data_handle()), bytes}, floats_);
  }
  [[nodiscard]] std::string kernel() const override { return kernel_; }

 private:
  static dnnl::engine& cpu() {
    static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
  }
  static dnnl::stream& stream() {
    static dnnl::stream stream(cpu());
    return stream;
  }
  // A copy of `from` in another layout.
  static dnnl::memory in_layout(const dnnl::memory& from, const dnnl::memory::desc& layout) {
    dnnl::memory to(layout, cpu());
    dnnl::memory source = from;
    dnnl::reorder(source, to).execute(stream(), source, to);
    stream().wait();
    return to;
  }
  static float multiplier(const Problem& p, std::size_t c) {
    return p.in_grid().scale * p.weights().quantization.scale[c] / p.out_grid().scale;
  }
  static dnnl::primitive_attr attributes(const Problem& p) {
    dnnl::primitive_attr attributes;
    if (p.floats()) {
      if (std::isfinite(p.op.clamp_high)) {
        dnnl::post_ops clamp;
        clamp.append_eltwise(1.0F, dnnl::algorithm::eltwise_clip, p.op.clamp_low, p.op.clamp_high);
        attributes.set_post_ops(clamp);
      }
    } else {
      std::vector<float> scales;
      for (std::size_t c = 0; c < static_cast<std::size_t>(p.g.out_c); ++c) scales.push_back(multiplier(p, c));
      attributes.set_output_scales(1 << 1, scales);
    }
    return attributes;
  }
  static std::vector<float> bias(const Problem& p) {
    if (p.floats()) return {p.bias<float>().begin(), p.bias<float>().end()};
    const auto channels = static_cast<std::size_t>(p.g.out_c);
    const auto codes = octavo::runtime::constant_values<std::int8_t>(p.weights());
    const int z_in = p.in_grid().zero_point + 128, z_out = p.out_grid().zero_point + 128;
    octavo::require(!p.depthwise() || z_in == 0, "'", p.op.name, "': padding needs zero point 0, found ", z_in);
    octavo::require(!std::isfinite(p.op.clamp_high) || z_out == 0, "'", p.op.name, "': the clamp is not the range's");
    std::vector<float> bias;
    for (std::size_t c = 0; c < channels; ++c) {
      std::int64_t sum = p.bias<std::int32_t>()[c];
      if (z_in != 0)
        for (std::size_t k = 0; k < codes.size() / channels; ++k)
          sum -= std::int64_t{z_in} * codes[c * (codes.size() / channels) + k];
      bias.push_back(static_cast<float>(sum) + static_cast<float>(z_out) / multiplier(p, c));
    }
    return bias;
  }

  bool floats_;
  std::int64_t size_;
  std::string kernel_;
  std::vector<float> bias_values_;
  dnnl::memory in_, weights_, bias_, out_;
  dnnl::memory::desc plain_out_;
  dnnl::convolution_forward primitive_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

}  // namespace engines

#endif  // OCTAVO_BENCHMARKS_ENGINES_ONEDNN_HPP_
