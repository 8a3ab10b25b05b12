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
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace detail {

// A loop body without its type, called for one contiguous range.
using RangeFunction = void (*)(void* body, std::int64_t begin, std::int64_t end, int part);

// One loop: `parts` ranges that cover [0, n). Lives in its caller until all have returned.
class Loop {
 public:
  Loop(std::int64_t n, int parts, RangeFunction function, void* body)
      : n_(n), parts_(parts), function_(function), body_(body), failed_part_(parts) {}

  // Runs the parts first, first + step, ...
  void serve(int first, int step) noexcept {
    for (int part = first; part < parts_; part += step) {
      try {
        function_(body_, n_ * part / parts_, n_ * (part + 1) / parts_, part);
      } catch (...) {
        const std::lock_guard lock(guard_);
        if (part < failed_part_) error_ = std::current_exception(), failed_part_ = part;
      }
    }
  }
  // The exception of the first part that failed, once all have returned.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::int64_t n_;
  int parts_;
  RangeFunction function_;
  void* body_;
  std::mutex guard_;  // taken on failure only
  std::exception_ptr error_;
  int failed_part_;
};

// A number that one side changes and another waits for, spinning at first, then asleep. The change and the look at
// sleeping_ are sequentially consistent, as are their counterparts: either the waiter sees the change, or the changer
// sees the waiter.
class Signal {
 public:
  // How long a waiter spins: longer than the steps of a network that one thread does alone. It does not yield: threads
  // that yield to one another stay on one processor while the next one idles.
  static constexpr std::chrono::microseconds kSpinTime{60};

  [[nodiscard]] std::uint32_t value() const noexcept { return value_.load(std::memory_order_acquire); }
  void add(std::uint32_t difference) {
    value_.fetch_add(difference);
    if (!sleeping_.load()) return;
    { const std::lock_guard lock(mutex_); }  // the waiter holds it between its last look and its sleep
    wake_.notify_one();
  }
  // Until ready(value). One waiter at a time.
  template <class Ready>
  void wait(Ready ready) {
    if (spin(ready)) return;
    std::unique_lock lock(mutex_);
    sleeping_ = true;
    wake_.wait(lock, [&] { return ready(value_.load()); });
    sleeping_ = false;
  }

 private:
  template <class Ready>
  [[nodiscard]] bool spin(Ready ready) const {
    constexpr int looks = 100;
    for (int i = 0; i < looks; ++i, relax())
      if (ready(value())) return true;
    const auto until = std::chrono::steady_clock::now() + kSpinTime;
    while (std::chrono::steady_clock::now() < until)
      for (int i = 0; i < looks; ++i, relax())
        if (ready(value())) return true;
    return false;
  }
  static void relax() noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ volatile("yield");
#endif
  }

  alignas(64) std::atomic<std::uint32_t> value_{0};
  std::atomic<bool> sleeping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

// True in a thread that is inside a loop, or whose team is gone: loops that it starts run part after part.
inline thread_local bool loops_run_in_turn = false;

class Team {
 public:
  Team() = default;
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() {
    for (const auto& helper : helpers_) {
      helper->loop = nullptr;
      helper->start.add(1);
      helper->thread.join();
    }
  }

  // Runs all parts in the caller and its helpers, more parts than threads in turn; returns when all have returned.
  // Allocates only when it needs more helpers than ever before.
  void run(Loop& loop, int parts) {
    grow(parts - 1);
    const std::size_t helping = std::min(helpers_.size(), static_cast<std::size_t>(parts - 1));
    const int members = static_cast<int>(helping) + 1;
    left_.add(static_cast<std::uint32_t>(helping));
    for (std::size_t i = 0; i < helping; ++i) {
      helpers_[i]->loop = &loop;
      helpers_[i]->members = members;
      helpers_[i]->start.add(1);
    }
    loop.serve(0, members);
    left_.wait([](std::uint32_t left) { return left == 0; });
  }

 private:
  struct Helper {
    Signal start;          // counts the loops that it was given
    Loop* loop = nullptr;  // written before `start`, read after it; none: the end
    int members = 0;
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
        helper->thread = std::thread([this, self = helper.get(), member] { help(*self, member); });
      } catch (const std::system_error&) {
        return;
      }
      helpers_.push_back(std::move(helper));
    }
  }

  void help(Helper& self, int member) {
    loops_run_in_turn = true;
    for (std::uint32_t seen = 0;; ++seen) {
      self.start.wait([seen](std::uint32_t now) { return now != seen; });
      if (self.loop == nullptr) return;
      self.loop->serve(member, self.members);
      left_.add(~std::uint32_t{0});  // one less
    }
  }

  Signal left_;  // helpers that have not finished the loop
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
