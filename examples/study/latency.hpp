// examples/study/latency.hpp: how long models take for one image, and how many images they do in a second.
#ifndef OCTAVO_EXAMPLES_STUDY_LATENCY_HPP_
#define OCTAVO_EXAMPLES_STUDY_LATENCY_HPP_

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace study {

// A way to run a model, for the stop watch.
struct Contestant {
  std::string name;
  std::function<void()> run;
};

// The median time of a run of each contestant, in milliseconds, in their order. They take turns: a change of the
// machine's clock, or a neighbour's work, meets all of them. Each turn is a run to warm the caches and one that
// counts, because a model that is used alone finds its weights where it left them.
inline std::vector<double> interleaved_medians(const std::vector<Contestant>& contestants, int runs) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> times(contestants.size());
  for (int run = 0; run < runs; ++run)
    for (std::size_t i = 0; i < contestants.size(); ++i) {
      contestants[i].run();
      const auto begin = Clock::now();
      contestants[i].run();
      times[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
  std::vector<double> medians;
  for (std::vector<double>& all : times) {
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    medians.push_back(*middle);
  }
  return medians;
}

}  // namespace study

#endif  // OCTAVO_EXAMPLES_STUDY_LATENCY_HPP_
