// octavo/train/progress.hpp: what training prints: Keras' lines per epoch, and a live line on terminals.
#ifndef OCTAVO_TRAIN_PROGRESS_HPP_
#define OCTAVO_TRAIN_PROGRESS_HPP_

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <ostream>
#include <sstream>
#include <string>
#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

#include "history.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

enum class Verbosity : std::uint8_t {
  silent,
  epochs,    // a line when an epoch begins, one when it ends
  automatic  // and a line that moves, where the output is a terminal
};

// Whether `out` is std::cout, std::cerr or std::clog and goes to a terminal.
[[nodiscard]] inline bool is_terminal(const std::ostream& out) {
#if __has_include(<unistd.h>)
  if (out.rdbuf() == std::cout.rdbuf()) return ::isatty(STDOUT_FILENO) == 1;
  if (out.rdbuf() == std::cerr.rdbuf() || out.rdbuf() == std::clog.rdbuf()) return ::isatty(STDERR_FILENO) == 1;
#endif
  return false;
}

// "Epoch 3/20", then "438/438 [====] - 38s 87ms/step - loss: 0.5103 - accuracy: 0.8194 - val_loss: ...".
class Progress {
 public:
  // `out` may be null: silent. `live` for tests: as on a terminal.
  Progress(std::ostream* out, Verbosity verbosity)
      : Progress(out, verbosity, verbosity == Verbosity::automatic && out != nullptr && is_terminal(*out)) {}
  Progress(std::ostream* out, Verbosity verbosity, bool live)
      : out_(verbosity == Verbosity::silent ? nullptr : out), live_(live) {}

  void begin_epoch(int epoch, int epochs, std::int64_t steps) {
    steps_ = steps;
    if (out_ != nullptr) *out_ << "Epoch " << epoch + 1 << '/' << epochs << '\n' << std::flush;
    begin_ = shown_ = Clock::now();
  }
  // Images whose features (of the frozen layers) are ready.
  void features(std::int64_t done, std::int64_t total) {
    if (!due(done == total)) return;
    draw("frozen layers: " + std::to_string(done) + '/' + std::to_string(total) + " images");
    if (done == total) begin_ = Clock::now();  // the steps' time left must not count this
  }
  // After `step` steps of the epoch, `images` images.
  void step(std::int64_t step, std::int64_t images, double loss, double accuracy) {
    if (!due(false)) return;
    const double seconds = elapsed();
    const double left = seconds / static_cast<double>(step) * static_cast<double>(steps_ - step);
    std::ostringstream text;
    text << bar(step) << " - ETA: " << clock(left) << " - loss: " << fixed(loss) << " - accuracy: " << fixed(accuracy)
         << " - " << std::llround(static_cast<double>(images) / std::max(seconds, 1e-9)) << " images/s";
    draw(text.str());
  }
  void end_epoch(const EpochResult& result) {
    if (out_ == nullptr) return;
    if (live_) draw("");
    const double per_step = result.seconds / static_cast<double>(std::max<std::int64_t>(steps_, 1));
    *out_ << bar(steps_) << " - " << std::llround(result.seconds) << "s " << duration(per_step)
          << "/step - loss: " << fixed(result.loss) << " - accuracy: " << fixed(result.accuracy);
    if (!std::isnan(result.val_loss))
      *out_ << " - val_loss: " << fixed(result.val_loss) << " - val_accuracy: " << fixed(result.val_accuracy);
    *out_ << '\n' << std::flush;
  }
  void say(const std::string& line) {
    if (out_ != nullptr) *out_ << line << '\n' << std::flush;
  }

  // Four decimals.
  [[nodiscard]] static std::string fixed(double value) {
    std::ostringstream text;
    text.setf(std::ios::fixed);
    text.precision(4);
    text << value;
    return text.str();
  }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  bool due(bool last) {
    if (out_ == nullptr || !live_) return false;
    const auto now = Clock::now();
    if (!last && now - shown_ < std::chrono::milliseconds(100)) return false;
    shown_ = now;
    return true;
  }
  void draw(const std::string& text) {
    *out_ << '\r' << text << std::string(width_ > text.size() ? width_ - text.size() : 0, ' ');
    if (text.empty()) *out_ << '\r';
    *out_ << std::flush;
    width_ = text.size();
  }
  [[nodiscard]] std::string bar(std::int64_t step) const {
    constexpr std::int64_t width = 30;
    const std::string total = std::to_string(steps_), now = std::to_string(step);
    const std::int64_t full = steps_ > 0 ? width * step / steps_ : width;
    std::string cells(static_cast<std::size_t>(full), '=');
    if (full < width) cells += '>', cells.resize(static_cast<std::size_t>(width), '.');
    return std::string(total.size() - std::min(total.size(), now.size()), ' ') + now + '/' + total + " [" + cells + ']';
  }
  static std::string duration(double seconds) {
    if (seconds >= 1.0) return std::to_string(std::llround(seconds)) + 's';
    if (seconds >= 1e-3) return std::to_string(std::llround(1e3 * seconds)) + "ms";
    return std::to_string(std::llround(1e6 * seconds)) + "us";
  }
  static std::string clock(double seconds) {  // 25s, 1:05, 2:01:05
    const long long all = std::llround(seconds);
    if (all < 60) return std::to_string(all) + 's';
    const auto two = [](long long number) { return (number < 10 ? "0" : "") + std::to_string(number); };
    if (all < 3600) return std::to_string(all / 60) + ':' + two(all % 60);
    return std::to_string(all / 3600) + ':' + two(all / 60 % 60) + ':' + two(all % 60);
  }

  std::ostream* out_;
  bool live_;
  std::int64_t steps_ = 0;
  std::size_t width_ = 0;
  Clock::time_point begin_ = Clock::now(), shown_ = begin_;
};

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_PROGRESS_HPP_
