// octavo/kernels/conv_plan.hpp: a convolution as matrix products on the image itself (implicit GEMM): packed weights,
// addressing, borders, threads. QuantizedConv2d, QuantizedDense and their dynamic-range forms stand on it.
//
// An output row is one product: row r of segment (i[, j]) is the input under tap (i[, j]) of output pixel r, a constant
// stride_w * in_c bytes after row r - 1. Kernel rows outside the image read a row of zero points; only pixels whose
// window leaves the image to the left or right are copied, as patches, a few at a time.
#ifndef OCTAVO_KERNELS_CONV_PLAN_HPP_
#define OCTAVO_KERNELS_CONV_PLAN_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/cpu.hpp"
#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "gemm_levels.hpp"
#include "geometry.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// Throws Error unless all extents are positive, padding is not negative, and groups divide the channels.
inline void check_geometry(std::string_view what, const ConvGeometry& g) {
  const Window& w = g.window;
  for (const std::int64_t extent : {g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, g.out_c, g.groups, w.kernel_h, w.kernel_w,
                                    w.stride_h, w.stride_w, w.dilation_h, w.dilation_w})
    require(extent > 0 && extent <= std::numeric_limits<std::int32_t>::max(), what, ": extent ", extent,
            " is not positive or above int32");
  require(w.pad_top >= 0 && w.pad_left >= 0, what, ": padding ", w.pad_top, ", ", w.pad_left, " is negative");
  require(g.in_c % g.groups == 0 && g.out_c % g.groups == 0, what, ": ", g.groups, " groups do not divide ", g.in_c,
          " input and ", g.out_c, " output channels");
}

inline void check_size(std::string_view what, std::string_view name, std::size_t found, std::int64_t expected) {
  require(found == static_cast<std::size_t>(expected), what, ": expected ", expected, " ", name, ", found ", found);
}

inline void check_scratch(std::string_view what, std::span<std::byte> scratch, std::size_t needed) {
  require(scratch.size() >= needed, what, ": expected ", needed, " bytes of scratch, found ", scratch.size());
}

class ConvPlan {
 public:
  ConvPlan() = default;

  // Weights OHWI. Packs them; no bias or output stage here. Throws Error for weights that `bits` cannot hold.
  ConvPlan(std::string_view what, const ConvGeometry& g, std::span<const std::int8_t> weights,
           WeightBits bits = WeightBits::eight)
      : g_(g), bits_(bits) {
    check_geometry(what, g);
    const std::int64_t in_per_group = g.in_c / g.groups;
    const std::int64_t taps = g.window.kernel_h * g.window.kernel_w;
    check_size(what, "weights", weights.size(), g.out_c * taps * in_per_group);
    if (bits == WeightBits::four) {
      const auto beyond = std::find_if(weights.begin(), weights.end(), [](int w) { return w < -8 || w > 7; });
      if (beyond != weights.end())
        fail(what, ": expected weights of 4 bits, in [-8, 7], found ", int{*beyond}, " in output channel ",
             (beyond - weights.begin()) / (taps * in_per_group));
    }
    per_group_ = g.out_c / g.groups;
    // The taps of a kernel row are neighbours in memory unless dilation or groups part them.
    taps_per_segment_ = g.groups == 1 && (g.window.dilation_w == 1 || g.window.kernel_w == 1) ? g.window.kernel_w : 1;
    segments_ = taps / taps_per_segment_;
    length_ = taps_per_segment_ * in_per_group;
    for (std::int64_t group = 0; group < g.groups; ++group)
      packed_.emplace_back(weights.data() + group * per_group_ * taps * in_per_group, per_group_, segments_, length_,
                           bits);
    quads_ = packed_[0].quads();
    flat_ = g.pointwise() && g.in_h == g.out_h && g.in_w == g.out_w;
    patch_pixels_ = flat_ ? 3 : std::min<std::int64_t>(g.out_w, 16);
    const std::int64_t needed = segments_ * static_cast<std::int64_t>(sizeof(void*)) + patch_pixels_ * patch_bytes();
    scratch_per_thread_ = static_cast<std::size_t>(round_up(needed, static_cast<std::int64_t>(kAlignment)));
  }

  [[nodiscard]] const ConvGeometry& geometry() const noexcept { return g_; }
  [[nodiscard]] std::int64_t per_group() const noexcept { return per_group_; }
  [[nodiscard]] std::int64_t lanes_per_group() const noexcept { return round_up(per_group_, kLanes); }
  [[nodiscard]] std::size_t scratch_bytes(int threads) const noexcept {
    return scratch_per_thread_ * static_cast<std::size_t>(std::max(threads, 1));
  }
  [[nodiscard]] std::int64_t macs() const noexcept {
    return g_.out_size() * (g_.in_c / g_.groups) * g_.window.kernel_h * g_.window.kernel_w;
  }
  [[nodiscard]] std::size_t packed_bytes() const noexcept {  // memory of the weights
    std::size_t bytes = 0;
    for (const PackedWeights& group : packed_) bytes += group.bytes();
    return bytes;
  }
  // The level is the one that a call would use now.
  [[nodiscard]] std::string_view kernel_name() const { return dispatch<GemmName>(bits_, flat_); }

  // `zero_row`: at least in_w * in_c + 4 codes of the zero point. `start` and `sink` (lane 0): per padded channel.
  // `out` holds codes or floats, as the sink says.
  void run(const std::uint8_t* in, const std::uint8_t* zero_row, const std::int32_t* start, const Sink& sink, void* out,
           std::int64_t batch, int threads, std::span<std::byte> scratch) const {
    const GemmFunction gemm = gemm_level(bits_);
    if (flat_)
      run_flat(gemm, in, start, sink, out, batch * g_.out_h * g_.out_w, threads, scratch);
    else
      parallel_for(batch * g_.out_h, threads, [&](std::int64_t begin, std::int64_t end, int part) {
        for (std::int64_t row = begin; row < end; ++row)
          run_row(gemm, in + row / g_.out_h * g_.in_size(), zero_row, start, sink,
                  advance(out, sink, row * g_.out_w * g_.out_c), row % g_.out_h, part_of(scratch, part));
      });
  }

  // A row of zero points as run() wants it; a single matrix needs none, but for run_row().
  [[nodiscard]] std::int64_t zero_row_size() const noexcept { return flat_ ? 0 : row_size(); }
  [[nodiscard]] std::int64_t row_size() const noexcept { return g_.in_w * g_.in_c + 4; }
  [[nodiscard]] const PackedWeights& packed_weights(std::int64_t group = 0) const noexcept {
    return packed_[static_cast<std::size_t>(group)];
  }

  // Output row y of one image; `scratch` is scratch_bytes(1), the rest as in run().
  void run_row(GemmFunction gemm, const std::uint8_t* image, const std::uint8_t* zero_row, const std::int32_t* start,
               const Sink& sink, void* out, std::int64_t y, std::byte* scratch) const {
    const Window& w = g_.window;
    const std::int64_t in_per_group = g_.in_c / g_.groups;
    const std::int64_t top = y * w.stride_h - w.pad_top;
    const std::int64_t reach = (w.kernel_w - 1) * w.dilation_w;  // from the first tap to the last
    // Pixels [inside_begin, inside_end) have all their columns inside the image.
    std::int64_t inside_begin = std::min(g_.out_w, (w.pad_left + w.stride_w - 1) / w.stride_w);
    std::int64_t inside_end = inside_begin;
    if (const std::int64_t last = g_.in_w - 1 - reach + w.pad_left; last >= 0)
      inside_end = std::clamp(last / w.stride_w + 1, inside_begin, g_.out_w);
    // Whole quads are read, but not past the end of the image: the last tap of the lowest kernel row inside decides.
    const std::int64_t lowest = std::min(w.kernel_h - 1, (g_.in_h - 1 - top) / w.dilation_h) * w.dilation_h + top;
    const std::int64_t last_segment = reach - (taps_per_segment_ - 1) * w.dilation_w;
    const auto passes_end = [&](std::int64_t x) {
      const std::int64_t pixel = lowest * g_.in_w + x * w.stride_w - w.pad_left + last_segment;
      return pixel * g_.in_c + (g_.groups - 1) * in_per_group + quads_ * 4 > g_.in_size();
    };
    if (top < g_.in_h)
      while (inside_end > inside_begin && passes_end(inside_end - 1)) --inside_end;

    auto* segment = reinterpret_cast<const std::uint8_t**>(scratch);
    auto* patches = reinterpret_cast<std::uint8_t*>(scratch + segments_ * static_cast<std::int64_t>(sizeof(void*)));
    const std::int64_t segments_per_row = w.kernel_w / taps_per_segment_;
    for (std::int64_t group = 0; group < g_.groups; ++group) {
      GemmCall call = call_for(group, start, sink, out);
      call.segment = segment;
      if (inside_end > inside_begin) {
        for (std::int64_t s = 0; s < segments_; ++s) {
          const std::int64_t in_y = top + s / segments_per_row * w.dilation_h;
          const std::int64_t in_x = inside_begin * w.stride_w - w.pad_left + s % segments_per_row * w.dilation_w;
          const std::uint8_t* line = in_y < 0 || in_y >= g_.in_h ? zero_row : image + in_y * g_.in_w * g_.in_c;
          segment[s] = line + in_x * g_.in_c + group * in_per_group;
        }
        call.row_stride = w.stride_w * g_.in_c;
        call.rows = inside_end - inside_begin;
        call.out = advance(call_for(group, start, sink, out).out, sink, inside_begin * g_.out_c);
        gemm(call);
      }
      for (std::int64_t s = 0; s < segments_; ++s) segment[s] = patches + s * quads_ * 4;
      call.row_stride = patch_bytes();
      const auto copied = [&](std::int64_t from, std::int64_t to) {
        for (; from < to; from += call.rows) {
          call.rows = std::min(patch_pixels_, to - from);
          for (std::int64_t p = 0; p < call.rows; ++p)
            copy_patch(image, top, from + p, group * in_per_group, *zero_row, patches + p * patch_bytes());
          call.out = advance(call_for(group, start, sink, out).out, sink, from * g_.out_c);
          gemm(call);
        }
      };
      copied(0, inside_begin);
      copied(inside_end, g_.out_w);
    }
  }

  // The window of output pixel x, segment after segment, zero points where it leaves the image.
  void copy_patch(const std::uint8_t* image, std::int64_t top, std::int64_t x, std::int64_t channel,
                  std::uint8_t zero_point, std::uint8_t* patch) const {
    const Window& w = g_.window;
    const auto in_per_group = static_cast<std::size_t>(g_.in_c / g_.groups);
    std::memset(patch, zero_point, static_cast<std::size_t>(patch_bytes()));
    for (std::int64_t tap = 0; tap < w.kernel_h * w.kernel_w; ++tap) {
      const std::int64_t in_y = top + tap / w.kernel_w * w.dilation_h;
      const std::int64_t in_x = x * w.stride_w - w.pad_left + tap % w.kernel_w * w.dilation_w;
      if (in_y < 0 || in_y >= g_.in_h || in_x < 0 || in_x >= g_.in_w) continue;
      std::uint8_t* to = patch + tap / taps_per_segment_ * quads_ * 4 +
                         tap % taps_per_segment_ * static_cast<std::int64_t>(in_per_group);
      std::memcpy(to, image + (in_y * g_.in_w + in_x) * g_.in_c + channel, in_per_group);
    }
  }

 private:
  [[nodiscard]] std::int64_t patch_bytes() const noexcept { return segments_ * quads_ * 4; }
  [[nodiscard]] std::byte* part_of(std::span<std::byte> scratch, int part) const noexcept {
    return scratch.data() + static_cast<std::size_t>(part) * scratch_per_thread_;
  }
  static void* advance(void* out, const Sink& sink, std::int64_t elements) noexcept {
    if (sink.kind == Sink::Kind::real) return static_cast<float*>(out) + elements;
    return static_cast<std::uint8_t*>(out) + elements;
  }

  [[nodiscard]] GemmCall call_for(std::int64_t group, const std::int32_t* start, const Sink& sink, void* out) const {
    GemmCall call;
    call.segments = segments_;
    call.quads = quads_;
    call.length = length_;
    call.weights = packed_[static_cast<std::size_t>(group)].data();
    call.weight_sums = packed_[static_cast<std::size_t>(group)].sums();
    call.channel_end = per_group_;
    const std::int64_t lane = group * lanes_per_group();
    call.start = start + lane;
    call.sink = sink.from_lane(lane);
    call.out = advance(out, sink, group * per_group_);
    call.out_stride = g_.out_c;
    return call;
  }

  // One matrix over all pixels, cut into blocks of rows, or of channels where the rows are too few for all threads.
  void run_flat(GemmFunction gemm, const std::uint8_t* in, const std::int32_t* start, const Sink& sink, void* out,
                std::int64_t rows, int threads, std::span<std::byte> scratch) const {
    constexpr std::int64_t rows_worth_a_thread = 28, tile_rows = 14, panel = 64;
    const bool by_rows = rows >= rows_worth_a_thread * threads || per_group_ <= panel;
    const std::int64_t unit =
        by_rows ? std::min(tile_rows, std::max<std::int64_t>(1, rows / std::max(threads, 1))) : kLanes;
    const std::int64_t units = (by_rows ? rows + unit - 1 : per_group_ + unit - 1) / unit;
    // Whole quads are read: where in_c % 4 != 0, the last row (up to three of them) is copied, not to read past the
    // end.
    const std::int64_t first_patched = rows - (quads_ * 4 + length_ - 1) / length_ + 1;
    parallel_for(units, threads, [&](std::int64_t begin, std::int64_t end, int part) {
      GemmCall call = call_for(0, start, sink, out);
      std::int64_t row_begin = 0, row_end = rows;
      if (by_rows) {
        row_begin = begin * unit;
        row_end = std::min(rows, end * unit);
      } else {
        call.channel_begin = begin * unit;
        call.channel_end = std::min(per_group_, end * unit);
      }
      const std::uint8_t* base = in + row_begin * length_;
      call.segment = &base;
      call.row_stride = length_;
      call.rows = std::min(row_end, first_patched) - row_begin;
      call.out = advance(call.out, sink, row_begin * g_.out_c);
      if (call.rows > 0) gemm(call);
      const std::int64_t patched = std::max(row_begin, first_patched);
      if (patched >= row_end) return;
      auto* patch = reinterpret_cast<std::uint8_t*>(part_of(scratch, part));
      std::memset(patch, 0, static_cast<std::size_t>(patch_bytes() * (row_end - patched)));
      for (std::int64_t r = patched; r < row_end; ++r)
        std::memcpy(patch + (r - patched) * patch_bytes(), in + r * length_, static_cast<std::size_t>(length_));
      base = patch;
      call.row_stride = patch_bytes();
      call.out = advance(call.out, sink, (patched - row_begin) * g_.out_c);
      call.rows = row_end - patched;
      gemm(call);
    });
  }

  ConvGeometry g_;
  WeightBits bits_ = WeightBits::eight;
  std::int64_t per_group_ = 0;         // output channels
  std::int64_t taps_per_segment_ = 1;  // neighbouring taps that one segment covers
  std::int64_t segments_ = 0, length_ = 0, quads_ = 0;
  std::int64_t patch_pixels_ = 1;
  bool flat_ = false;  // one matrix over all pixels
  std::size_t scratch_per_thread_ = 0;
  std::vector<PackedWeights> packed_;  // one a group
};

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_KERNELS_CONV_PLAN_HPP_
