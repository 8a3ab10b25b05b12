// octavo/runtime/profile.hpp: where a model's time goes, step by step.
#ifndef OCTAVO_RUNTIME_PROFILE_HPP_
#define OCTAVO_RUNTIME_PROFILE_HPP_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "program.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// One step, all images of the batch: median time, multiply-adds, and bytes of activations and constants touched.
struct ProfileRow {
  std::string name;
  std::string kind;  // the operator's, or "conv2d + depthwise_conv2d" where the two run as one
  std::string kernel;
  std::string output;  // shape of one image's output
  std::int64_t macs = 0;
  std::int64_t bytes = 0;
  double nanoseconds = 0.0;
  [[nodiscard]] double gmacs_per_second() const {
    return nanoseconds > 0 ? static_cast<double>(macs) / nanoseconds : 0.0;
  }
  [[nodiscard]] double gigabytes_per_second() const {
    return nanoseconds > 0 ? static_cast<double>(bytes) / nanoseconds : 0.0;
  }
};

struct Profile {
  std::vector<ProfileRow> rows;
  std::int64_t batch = 1;
  int threads = 1;
  double total_nanoseconds = 0.0;  // median of the whole run, borders included
  double peak_gmacs = 0.0;         // what one core can do, where the caller measured it: adds a column to the table

  // A Markdown table, a row a step and a last one for the whole.
  [[nodiscard]] std::string to_table() const;
};

inline std::string Profile::to_table() const {
  const bool has_peak = peak_gmacs > 0;
  std::string text = std::string("| layer | operator | kernel | output | us | share | GMAC/s |") +
                     (has_peak ? " of peak |" : "") + " kB | GB/s |\n|---|---|---|---|---|---|---|---|---|" +
                     (has_peak ? "---|\n" : "\n");
  std::int64_t macs = 0;
  const auto number = [](const char* format, double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, format, value);
    return std::string(digits);
  };
  const auto rates = [&](double gmacs) {
    return (gmacs > 0 ? number("%.1f", gmacs) : std::string("-")) + " | " +
           (!has_peak   ? std::string()
            : gmacs > 0 ? number("%.0f %% | ", 100 * gmacs / peak_gmacs / threads)
                        : "- | ");
  };
  for (const ProfileRow& row : rows) {
    macs += row.macs;
    text += "| " + row.name + " | " + row.kind + " | " + row.kernel + " | " + row.output + " | " +
            number("%.1f", row.nanoseconds / 1e3) + " | " +
            number("%.1f %%", total_nanoseconds > 0 ? 100 * row.nanoseconds / total_nanoseconds : 0) + " | " +
            rates(row.gmacs_per_second()) + number("%.1f", static_cast<double>(row.bytes) / 1e3) + " | " +
            number("%.1f", row.gigabytes_per_second()) + " |\n";
  }
  const double gmacs = total_nanoseconds > 0 ? static_cast<double>(macs) / total_nanoseconds : 0;
  text += "| total | " + std::to_string(threads) + " threads | | batch " + std::to_string(batch) + " | " +
          number("%.1f", total_nanoseconds / 1e3) + " | 100.0 % | " + rates(gmacs) + "| |\n";
  return text;
}

namespace detail {

[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace detail
}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_PROFILE_HPP_
