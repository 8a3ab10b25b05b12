// octavo/core/team.hpp: the threads behind parallel_for: each thread that calls it owns a team of helpers, which stay
// alive and spin for a moment between two loops, so that the layers of a network follow one another without a pause.
#ifndef OCTAVO_CORE_TEAM_HPP_
#define OCTAVO_CORE_TEAM_HPP_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// How long a thread that waits for another spins before it sleeps: 5 ms, or the microseconds that the environment's
// OCTAVO_SPIN_US says (0: it sleeps at once), read once. Longer than the pauses inside a run, so that a network's
// layers find their threads awake and each on its processor; a thread that is woken often starts where the waker runs,
// and waits for it. Throws Error for what is no number from 0 to 1,000,000. (OMP_WAIT_POLICY is OpenMP's: these threads
// are not.)
inline std::chrono::microseconds spin_time() {
  static const std::chrono::microseconds time = [] {
    const char* const text = std::getenv("OCTAVO_SPIN_US");
    if (text == nullptr) return std::chrono::microseconds(5000);
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    require(end != text && *end == '\0' && number >= 0 && number <= 1'000'000,
            "OCTAVO_SPIN_US: expected microseconds from 0 to 1000000, found '", text, "'");
    return std::chrono::microseconds(number);
  }();
  return time;
}

// A loop body without its type, called for one contiguous range.
using RangeFunction = void (*)(void* body, std::int64_t begin, std::int64_t end, int part);

// One loop: `parts` ranges that cover [0, n). Lives in its caller until all have returned. Each part is taken by one
// member of the team: first its own, then those that nobody has begun.
class Loop {
 public:
  Loop(std::int64_t n, int parts, RangeFunction function, void* body)
      : n_(n), parts_(parts), groups_(std::min(parts, 64)), function_(function), body_(body), failed_part_(parts) {}

  void serve(int member) noexcept {
    for (int i = 0; i < groups_; ++i) {
      const int group = (member + i) % groups_;
      const std::uint64_t bit = std::uint64_t{1} << group;
      if ((taken_.load(std::memory_order_relaxed) & bit) != 0 || (taken_.fetch_or(bit) & bit) != 0) continue;
      for (int part = parts_ * group / groups_; part < parts_ * (group + 1) / groups_; ++part) run(part);
    }
  }
  // The exception of the first part that failed, once all have returned.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void run(int part) noexcept {
    try {
      function_(body_, n_ * part / parts_, n_ * (part + 1) / parts_, part);
    } catch (...) {
      const std::lock_guard lock(guard_);
      if (part < failed_part_) error_ = std::current_exception(), failed_part_ = part;
    }
  }

  std::int64_t n_;
  int parts_;
  int groups_;  // of parts that are taken together
  RangeFunction function_;
  void* body_;
  std::atomic<std::uint64_t> taken_{0};  // a bit a group
  std::mutex guard_;                     // taken on failure only
  std::exception_ptr error_;
  int failed_part_;
};

// A value that one thread changes and another waits for, spinning at first (without yielding: threads that yield to one
// another stay on one processor while the next one idles), then asleep. The change and the look at
// sleepers_ are sequentially consistent, as are their counterparts: either the waiter sees the change, or the changer
// sees the waiter.
template <class Value>
class Signal {
 public:
  void set(Value value) {
    value_.store(value);
    wake();
  }
  // Whether the value was `from` and is now `to`.
  bool replace(Value from, Value to) { return value_.compare_exchange_strong(from, to); }
  // Until the value is, or is not, `value`; returns it.
  Value wait_until(Value value) {
    return wait([value](Value now) { return now == value; });
  }
  Value wait_while(Value value) {
    return wait([value](Value now) { return now != value; });
  }

 private:
  void wake() {
#if defined(__aarch64__)
    // The language asks for none. An emulator of a weaker order than it promises must not lose a wake-up either.
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
    if (sleepers_.load() == 0) return;
    { const std::lock_guard lock(mutex_); }  // a waiter holds it between its last look and its sleep
    wake_.notify_all();
  }
  template <class Ready>
  Value wait(Ready ready) {
    constexpr int looks = 100;
    auto until = std::chrono::steady_clock::time_point::max();
    do {
      for (int i = 0; i < looks; ++i, relax())
        if (const Value now = value_.load(std::memory_order_acquire); ready(now)) return now;
      const auto time = std::chrono::steady_clock::now();
      until = std::min(until, time + spin_time());
      if (time >= until) break;
    } while (true);
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [&] { return ready(value_.load()); });
    sleepers_.fetch_sub(1);
    return value_.load();
  }
  static void relax() noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("yield");
#endif
  }

  alignas(64) std::atomic<Value> value_{};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

// True in a thread that is inside a loop, or whose team is gone: loops that it starts run part after part.
inline thread_local bool loops_run_in_turn = false;

class Team {
 public:
  Team() { static_cast<void>(spin_time()); }  // throws here or never
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() {
    for (const auto& helper : helpers_) {
      helper->state.set(State::ending);
      helper->thread.join();
    }
  }

  // Runs all parts in the caller and its helpers; returns when all have returned. A helper that is late is not waited
  // for: the caller does its parts. Allocates only when it needs more helpers than ever before.
  void run(Loop& loop, int parts) {
    grow(parts - 1);
    const std::size_t helping = std::min(helpers_.size(), static_cast<std::size_t>(parts - 1));
    for (std::size_t i = 0; i < helping; ++i) {
      helpers_[i]->loop = &loop;
      helpers_[i]->state.set(State::called);
    }
    loop.serve(0);
    for (std::size_t i = 0; i < helping; ++i)
      if (!helpers_[i]->state.replace(State::called, State::idle)) helpers_[i]->state.wait_until(State::idle);
  }

 private:
  enum class State : int { idle, called, running, ending };
  struct Helper {
    Signal<State> state;
    Loop* loop = nullptr;  // changed while idle, read while running
    std::thread thread;
  };

  // Up to `wanted` helpers, but not more than the machine has processors for (at least three, so that small machines
  // test what large ones do). Where the system refuses a thread, those that exist do the work.
  void grow(int wanted) {
    const auto size = [&] { return static_cast<int>(helpers_.size()); };
    if (size() >= wanted || size() == limit_) return;
    limit_ = std::max(3, static_cast<int>(std::thread::hardware_concurrency()) - 1);  // reads a file: once is enough
    while (size() < std::min(wanted, limit_)) {
      auto helper = std::make_unique<Helper>();
      const int member = size() + 1;
      helpers_.reserve(helpers_.size() + 1);
      try {
        helper->thread = std::thread([self = helper.get(), member] { help(*self, member); });
      } catch (const std::system_error&) {
        return;
      }
      helpers_.push_back(std::move(helper));
    }
  }

  static void help(Helper& self, int member) {
    loops_run_in_turn = true;
    while (self.state.wait_while(State::idle) != State::ending) {
      if (!self.state.replace(State::called, State::running)) continue;  // called back
      self.loop->serve(member);
      self.state.set(State::idle);
    }
  }

  std::vector<std::unique_ptr<Helper>> helpers_;
  int limit_ = -1;  // not known yet
};

// The team of this thread, made by its first loop, ended with it.
inline Team& own_team() {
  struct Owner {
    Team team;
    ~Owner() { loops_run_in_turn = true; }
  };
  thread_local Owner owner;
  return owner.team;
}

}  // namespace detail
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_CORE_TEAM_HPP_
