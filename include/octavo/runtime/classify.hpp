// octavo/runtime/classify.hpp: from scores to answers.
#ifndef OCTAVO_RUNTIME_CLASSIFY_HPP_
#define OCTAVO_RUNTIME_CLASSIFY_HPP_

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/largest.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

struct ClassScore {
  std::size_t index = 0;
  float score = 0.0F;
  std::string label;  // empty where there are no labels
};

// The index of the largest score, the first of several; that of a NaN only where all are.
[[nodiscard]] inline std::size_t argmax(std::span<const float> scores) {
  require(!scores.empty(), "argmax of no scores");
  return index_of_largest(scores);
}

// The `count` largest scores, best first, NaN last; equal ones in the order of their index.
[[nodiscard]] inline std::vector<ClassScore> top_classes(std::span<const float> scores, std::size_t count,
                                                         std::span<const std::string> labels = {}) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  count = std::min(count, order.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return better_score(scores[a], scores[b]); });
  std::vector<ClassScore> best;
  for (const std::size_t index : std::span(order).first(count))
    best.push_back({index, scores[index], index < labels.size() ? labels[index] : std::string()});
  return best;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_CLASSIFY_HPP_
