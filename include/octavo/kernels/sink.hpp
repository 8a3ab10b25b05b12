// octavo/kernels/sink.hpp: where a tile of accumulators goes: 8-bit codes or floats, in the form that kernels read.
#ifndef OCTAVO_KERNELS_SINK_HPP_
#define OCTAVO_KERNELS_SINK_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "../core/cpu.hpp"
#include "../core/pool.hpp"
#include "accumulator.hpp"
#include "output_stage.hpp"
#include "portable_vector.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

inline constexpr std::int64_t kLanes = 16;         // int32 lanes of the widest vector: channels are padded to it
inline constexpr std::int64_t kChannelBlock = 64;  // one vector of codes: per-channel tables are padded to it

[[nodiscard]] constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Per-channel pointers hold a multiple of kChannelBlock entries, so whole vectors may be read.
struct Sink {
  enum class Kind : std::uint8_t {
    fast_codes,  // nearest_even_f32, and |acc| * scale < 2^31 is proved: conversions cannot overflow, so saturating
                 // packs followed by a byte-wise clamp equal the clamp in float
    codes,       // any rounding mode, by its definition
    real,        // float32 outputs of a dynamic-range operator
  };
  Kind kind = Kind::codes;
  Rounding rounding = Rounding::nearest_even_f32;
  std::int32_t zero_point = 0, min = 0, max = 255;
  const float* scale = nullptr;              // codes: nearest_even_f32; real: weight scale * input scale
  const std::int32_t* multiplier = nullptr;  // codes: tflite modes
  const std::int32_t* shift = nullptr;
  const float* bias = nullptr;  // real
  float low = 0, high = 0;      // real

  // The same for the channels from `lane` on.
  [[nodiscard]] Sink from_lane(std::int64_t lane) const noexcept {
    Sink s = *this;
    if (scale != nullptr) s.scale += lane;
    if (multiplier != nullptr) s.multiplier += lane;
    if (shift != nullptr) s.shift += lane;
    if (bias != nullptr) s.bias += lane;
    return s;
  }
};

// An OutputStage spread over padded lanes: channel c of group g of `per_group` channels is lane
// g * round_up(per_group, 16) + c.
class PreparedStage {
 public:
  PreparedStage() = default;
  // `bounds`: each channel's largest accumulator. Throws when a tflite mode's left shift can leave int32.
  PreparedStage(std::string_view what, const OutputStage& stage, std::int64_t groups, std::int64_t per_group,
                std::span<const std::int64_t> bounds)
      : rounding_(stage.rounding), zero_point_(stage.zero_point), min_(stage.min), max_(stage.max) {
    check_output_stage(stage, groups * per_group);
    const std::int64_t lanes_per_group = round_up(per_group, kLanes);
    const auto lanes = static_cast<std::size_t>(round_up(groups * lanes_per_group, kChannelBlock));
    fast_ = rounding_ == Rounding::nearest_even_f32;
    assign_all(scale_, fast_ ? lanes : 0, 0.0F);
    assign_all(multiplier_, fast_ ? 0 : lanes, 0);
    assign_all(shift_, fast_ ? 0 : lanes, 0);
    for (std::int64_t channel = 0; channel < groups * per_group; ++channel) {
      const auto c = static_cast<std::size_t>(channel);
      const auto lane = static_cast<std::size_t>(channel / per_group * lanes_per_group + channel % per_group);
      if (rounding_ == Rounding::nearest_even_f32) {
        scale_[lane] = stage.scale[stage.scale.size() == 1 ? 0 : c];
        // Both factors are rounded once more inside the kernel; 2^30 leaves room for that.
        fast_ = fast_ && static_cast<double>(bounds[c]) * static_cast<double>(scale_[lane]) < 0x1p30;
      } else {
        const std::size_t source = stage.multiplier.size() == 1 ? 0 : c;
        multiplier_[lane] = stage.multiplier[source];
        shift_[lane] = stage.shift[source];
        require(shift_[lane] <= 0 || bounds[c] <= std::numeric_limits<std::int32_t>::max() >> shift_[lane], what,
                ": output channel ", channel, ": accumulators up to ", bounds[c], " times 2^", shift_[lane],
                " leave int32");
      }
    }
  }

  [[nodiscard]] Sink sink() const noexcept {
    Sink s;
    s.kind = fast_ ? Sink::Kind::fast_codes : Sink::Kind::codes;
    s.rounding = rounding_;
    s.zero_point = zero_point_;
    s.min = min_;
    s.max = max_;
    s.scale = scale_.empty() ? nullptr : scale_.data();
    s.multiplier = multiplier_.empty() ? nullptr : multiplier_.data();
    s.shift = shift_.empty() ? nullptr : shift_.data();
    return s;
  }
  [[nodiscard]] bool fast() const noexcept { return fast_; }

 private:
  Rounding rounding_ = Rounding::nearest_even_f32;
  std::int32_t zero_point_ = 0, min_ = 0, max_ = 255;
  PooledVector<float> scale_;  // these three by lane; empty where the rounding mode has no use for them
  PooledVector<std::int32_t> multiplier_, shift_;
  bool fast_ = false;
};

// Finish<level>::run writes rows x count outputs from accumulators acc[r * acc_stride + i] of channels channel + i;
// row r starts at element r * out_stride of `out` (std::uint8_t or float, as the sink says).
template <Isa Level>
struct Finish : Finish<fallback_of(Level)> {};

template <>
struct Finish<Isa::scalar> {
  static void run(const Sink& sink, const std::int32_t* acc, std::int64_t acc_stride, std::int64_t rows,
                  std::int64_t channel, std::int64_t count, void* out, std::int64_t out_stride) {
    for (std::int64_t r = 0; r < rows; ++r, acc += acc_stride) {
      if (sink.kind == Sink::Kind::real) {
        float* to = static_cast<float*>(out) + r * out_stride;
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t c = channel + i;
          const float v = rounded(static_cast<float>(acc[i]) * sink.scale[c]) + sink.bias[c];
          to[i] = v < sink.low ? sink.low : (v > sink.high ? sink.high : v);
        }
      } else {
        codes(sink, acc, channel, count, static_cast<std::uint8_t*>(out) + r * out_stride);
      }
    }
  }

 private:
  static void codes(const Sink& sink, const std::int32_t* acc, std::int64_t channel, std::int64_t count,
                    std::uint8_t* to) {
    const CodeLimits limits{sink.min, sink.max};
    if (sink.rounding == Rounding::nearest_even_f32) {
      std::int64_t i = 0;
      for (; i + 4 <= count; i += 4) nearest_even_4(sink, acc + i, sink.scale + channel + i, to + i);
      for (; i < count; ++i)
        to[i] = static_cast<std::uint8_t>(
            requantize_nearest_even(acc[i], sink.scale[channel + i], sink.zero_point, limits));
      return;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const QuantizedMultiplier m{sink.multiplier[channel + i], sink.shift[channel + i]};
      to[i] = static_cast<std::uint8_t>(requantize_fixed_point(acc[i], m, sink.rounding, sink.zero_point, limits));
    }
  }

  // requantize_nearest_even(), four at a time. The addition that rounds takes a clamped value, never a product.
  static void nearest_even_4(const Sink& sink, const std::int32_t* acc, const float* scale, std::uint8_t* to) {
    constexpr float magic = 12582912.0F;  // 1.5 * 2^23: adding it leaves no fraction bits
    const Reals low = Reals{} + static_cast<float>(sink.min - sink.zero_point);
    const Reals high = Reals{} + static_cast<float>(sink.max - sink.zero_point);
    Reals v = __builtin_convertvector(load_vector<Lanes>(acc), Reals) * load_vector<Reals>(scale);
    v = v > low ? v : low;
    v = v < high ? v : high;
    const Lanes q = __builtin_convertvector((v + magic) - magic, Lanes) + sink.zero_point;
    for (unsigned k = 0; k < 4; ++k) to[k] = static_cast<std::uint8_t>(q[k]);
  }
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_SINK_HPP_
