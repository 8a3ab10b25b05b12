// octavo/quant/fake_quantizer.hpp: what a layer holds for each tensor that it quantizes in training: scheme, observer
// or learned step, and the grid that follows.
#ifndef OCTAVO_QUANT_FAKE_QUANTIZER_HPP_
#define OCTAVO_QUANT_FAKE_QUANTIZER_HPP_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/shape.hpp"
#include "choose_grid.hpp"
#include "fake_quant.hpp"
#include "lsq.hpp"
#include "make_observer.hpp"
#include "observer.hpp"
#include "params.hpp"
#include "tensor_scheme.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Where the step comes from: the observer, each time; or the observer's first batch, and from then on the optimizer.
enum class StepPolicy : std::uint8_t { observed, learned };

struct QuantizerSettings {
  TensorScheme scheme = {};
  ObserverSettings observer = {};
  Ties ties = Ties::even;
  ZeroPointRule zero_point_rule = ZeroPointRule::tflite;
  StepPolicy step = StepPolicy::observed;
};

// Copies are deep. Not thread-safe while observing; grid(), params() and forward() may be called from several threads
// after the first call since the last observation.
//
// Per-channel tensors: `shape` is the tensor's, with settings.scheme.axis as its channel axis and `channels` entries
// along it. Per tensor, `shape` may be left out.
class FakeQuantizer {
 public:
  FakeQuantizer(std::string tensor, QuantizerSettings settings, std::size_t channels = 1)
      : settings_(std::move(settings)),
        observer_(make_observer(settings_.observer, std::move(tensor), channels, settings_.scheme)) {}
  FakeQuantizer(const FakeQuantizer& other) { *this = other; }
  FakeQuantizer& operator=(const FakeQuantizer& other) {
    if (this == &other) return *this;
    settings_ = other.settings_;
    observer_ = other.observer_->clone();
    params_ = other.params_, step_gradients_ = other.step_gradients_;
    observing_ = other.observing_, enabled_ = other.enabled_, fixed_ = other.fixed_, stale_ = other.stale_;
    return *this;
  }
  FakeQuantizer(FakeQuantizer&&) = default;
  FakeQuantizer& operator=(FakeQuantizer&&) = default;
  ~FakeQuantizer() = default;

  [[nodiscard]] const std::string& name() const noexcept { return observer_->name(); }
  void set_name(std::string tensor) { observer_->set_name(std::move(tensor)); }
  [[nodiscard]] const QuantizerSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const TensorScheme& scheme() const noexcept { return settings_.scheme; }
  [[nodiscard]] Observer& observer() noexcept { return stale_ = true, *observer_; }
  [[nodiscard]] const Observer& observer() const noexcept { return *observer_; }
  [[nodiscard]] std::size_t channels() const noexcept { return observer_->channels(); }

  // Observing: observe() moves the grid. Off: it does nothing (a frozen range).
  [[nodiscard]] bool observing() const noexcept { return observing_ && !fixed_; }
  void set_observing(bool observing) noexcept { observing_ = observing; }
  // Enabled: forward() quantizes. Off: it copies, and backward() too.
  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  void set_enabled(bool enabled) noexcept { enabled_ = enabled; }

  // Shows a batch to the observer, if observing(). Throws as Observer::observe.
  void observe(std::span<const float> values, const Shape& shape = {});
  // True when observe_range() may replace observe(): a per-tensor scheme whose observer needs only a batch's range.
  [[nodiscard]] bool accepts_range() const noexcept {
    return !settings_.scheme.per_channel() && !observer_->needs_values() && settings_.step == StepPolicy::observed;
  }
  void observe_range(float low, float high) {
    if (!observing()) return;
    require(accepts_range(), "quantizer of '", name(), "': a batch's range is not enough");
    observer_->observe_range(low, high);
    stale_ = true;
  }

  // False until something was observed or set: params() and grid() would throw, naming the tensor.
  [[nodiscard]] bool ready() const noexcept { return fixed_ || !observer_->empty(); }
  [[nodiscard]] const QuantParams& params() const {
    if (stale_) refresh();
    require(!params_.empty(), "quantizer of '", name(), "': nothing was observed, so there is no grid");
    return params_;
  }
  [[nodiscard]] Grid grid(std::size_t channel = 0) const { return params().grid(channel); }
  // Uses these parameters from now on, whatever is observed (softmax outputs, imported models). Throws, naming the
  // tensor, unless they fit the scheme's granularity and number of channels.
  void fix(QuantParams params);

  // y = fake_quantize(x); `out` may be `in`. When disabled: y = x.
  void forward(std::span<const float> in, std::span<float> out, const Shape& shape = {}) const;
  // dx; `grad_in` may be `grad_out`. Learned steps: also sets step_gradients(), which is why it is not const.
  void backward(std::span<const float> in, std::span<const float> grad_out, std::span<float> grad_in,
                const Shape& shape = {});
  // The codes behind forward()'s result: what conversion stores.
  void codes(std::span<const float> in, std::span<std::int8_t> out, const Shape& shape = {}) const {
    quantize(in, shape_of_values(in, shape), params(), settings_.ties, out, name());
  }

  // StepPolicy::learned, once ready(): the scales, one a channel, to be changed by the optimizer; the gradients that
  // the last backward() set, already scaled by lsq_gradient_scale. clamp_steps() keeps the scales normal numbers > 0
  // and is to be called after each update.
  [[nodiscard]] std::span<float> steps() {
    require(settings_.step == StepPolicy::learned, "quantizer of '", name(), "': its step is not learned");
    static_cast<void>(params());
    return params_.scale;
  }
  [[nodiscard]] std::span<const float> step_gradients() const noexcept { return step_gradients_; }
  void clamp_steps() {
    for (float& scale : steps()) scale = std::max(scale, std::numeric_limits<float>::min());
  }

  // For checkpoints: flags, parameters and the observer's state, exact.
  [[nodiscard]] std::vector<double> state() const;
  void set_state(std::span<const double> numbers);

 private:
  [[nodiscard]] bool learned() const noexcept { return settings_.step == StepPolicy::learned && !params_.empty(); }
  [[nodiscard]] Shape shape_of_values(std::span<const float> values, const Shape& shape) const {
    if (settings_.scheme.per_channel()) return shape;
    return {static_cast<std::int64_t>(values.size())};
  }
  void refresh() const;
  void start_steps(std::span<const float> values, const ChannelLayout& layout);

  QuantizerSettings settings_;
  std::unique_ptr<Observer> observer_;
  mutable QuantParams params_;  // follows from the observer unless fixed or learned; computed when first asked for
  std::vector<float> step_gradients_;
  bool observing_ = true;
  bool enabled_ = true;
  bool fixed_ = false;
  mutable bool stale_ = false;
};

inline void FakeQuantizer::observe(std::span<const float> values, const Shape& shape) {
  if (!observing()) return;
  const ChannelLayout layout = channel_layout(shape_of_values(values, shape), settings_.scheme.axis, name());
  if (learned()) return;
  observer_->observe(values, layout);
  stale_ = true;
  if (settings_.step == StepPolicy::learned) start_steps(values, layout);
}

inline void FakeQuantizer::refresh() const {
  stale_ = false;
  if (fixed_ || learned() || observer_->empty()) return;
  std::vector<Range> ranges(channels());
  for (std::size_t c = 0; c < ranges.size(); ++c) ranges[c] = observer_->range(c);
  params_ = params_from_ranges(ranges, settings_.scheme, name(), settings_.zero_point_rule);
}

inline void FakeQuantizer::start_steps(std::span<const float> values, const ChannelLayout& layout) {
  refresh();  // the zero points
  std::vector<double> sums(layout.channels, 0.0);
  detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
    for (std::size_t i = offset; i < offset + n; ++i) sums[c] += std::abs(static_cast<double>(values[i]));
  });
  for (std::size_t c = 0; c < layout.channels; ++c) {
    const auto mean = static_cast<float>(sums[c] / static_cast<double>(layout.outer * layout.inner));
    params_.scale[c] = lsq_initial_step({&mean, 1}, params_.grid(c), name());
  }
}

inline void FakeQuantizer::fix(QuantParams params) {
  params.validate(name());
  require(params.per_channel() == settings_.scheme.per_channel() && params.channels() == channels(), "quantizer of '",
          name(), "': expected ", channels(), " grids (", settings_.scheme.to_string(), "), found ", params.channels());
  params_ = std::move(params);
  fixed_ = true, stale_ = false;
}

inline void FakeQuantizer::forward(std::span<const float> in, std::span<float> out, const Shape& shape) const {
  detail::require_sizes(in.size(), out.size(), in.size(), name());
  if (!enabled_) {
    if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
    return;
  }
  fake_quantize(in, shape_of_values(in, shape), params(), settings_.ties, out, name());
}

inline void FakeQuantizer::backward(std::span<const float> in, std::span<const float> grad_out,
                                    std::span<float> grad_in, const Shape& shape) {
  detail::require_sizes(grad_out.size(), grad_in.size(), in.size(), name());
  if (!enabled_) {
    if (grad_in.data() != grad_out.data()) std::copy(grad_out.begin(), grad_out.end(), grad_in.begin());
    return;
  }
  const QuantParams& p = params();
  if (settings_.step == StepPolicy::observed)
    return fake_quantize_backward(in, shape_of_values(in, shape), grad_out, p, grad_in, name());
  const ChannelLayout layout = p.validate(name(), shape_of_values(in, shape));
  require(in.size() == layout.size(), "tensor '", name(), "': expected ", layout.size(), " values, found ", in.size());
  std::vector<double> sums(layout.channels, 0.0);
  detail::for_each_row(layout, [&](std::size_t c, std::size_t offset, std::size_t n) {
    sums[c] += lsq_backward(in.subspan(offset, n), grad_out.subspan(offset, n), p.grid(c), settings_.ties,
                            grad_in.subspan(offset, n), name());
  });
  step_gradients_.resize(layout.channels);
  for (std::size_t c = 0; c < layout.channels; ++c)
    step_gradients_[c] = static_cast<float>(sums[c] * lsq_gradient_scale(layout.outer * layout.inner, p.grid(c)));
}

inline std::vector<double> FakeQuantizer::state() const {
  if (stale_) refresh();
  const std::size_t count = params_.empty() ? 0 : params_.channels();
  std::vector<double> numbers = {observing_ ? 1.0 : 0.0, enabled_ ? 1.0 : 0.0, fixed_ ? 1.0 : 0.0,
                                 static_cast<double>(count)};
  for (std::size_t c = 0; c < count; ++c)
    numbers.insert(numbers.end(), {static_cast<double>(params_.scale[c]), static_cast<double>(params_.zero_point[c])});
  const std::vector<double> observed = observer_->state();
  numbers.insert(numbers.end(), observed.begin(), observed.end());
  return numbers;
}

inline void FakeQuantizer::set_state(std::span<const double> numbers) {
  constexpr std::size_t header = 4;
  require(numbers.size() >= header, "quantizer of '", name(), "': state is too short");
  const double count = numbers[3];
  require((count == 0.0 || count == static_cast<double>(channels())) &&
              numbers.size() >= header + 2 * static_cast<std::size_t>(count),
          "quantizer of '", name(), "': expected a state of ", channels(), " channels, found ", count);
  QuantParams params;
  if (count > 0.0) params = QuantParams(settings_.scheme, channels());
  for (std::size_t c = 0; c < params.channels(); ++c) {
    const double zero_point = numbers[header + 2 * c + 1];
    require(std::abs(zero_point) <= 128.0, "quantizer of '", name(), "': stored zero point ", zero_point);
    params.scale[c] = float_from_state(numbers[header + 2 * c], name());
    params.zero_point[c] = static_cast<std::int32_t>(zero_point);
  }
  if (!params.empty()) params.validate(name());
  observer_->set_state(numbers.subspan(header + 2 * params.channels()));
  params_ = std::move(params);
  observing_ = numbers[0] != 0.0, enabled_ = numbers[1] != 0.0, fixed_ = numbers[2] != 0.0, stale_ = false;
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_QUANT_FAKE_QUANTIZER_HPP_
