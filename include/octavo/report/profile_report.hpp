// octavo/report/profile_report.hpp: where a model's time goes, as JSON, as a picture and as a page.
#ifndef OCTAVO_REPORT_PROFILE_REPORT_HPP_
#define OCTAVO_REPORT_PROFILE_REPORT_HPP_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../io/json.hpp"
#include "../runtime/profile.hpp"
#include "bar_chart.hpp"
#include "html.hpp"
#include "machine.hpp"
#include "table.hpp"
#include "text.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace report {

// {"batch", "threads", "total_ns", "macs", "gmacs_per_second", "peak_gmacs_per_second", "share_of_peak",
//  "steps": [{"name", "kind", "kernel", "output", "ns", "share", "macs", "gmacs_per_second", "share_of_peak", "bytes",
//             "gigabytes_per_second"}, ...]}
//
// Times are medians of the profile's runs, in nanoseconds for the whole batch; `share` is the step's part of total_ns;
// bytes are activations and constants touched; shares of peak count all threads' cores. Rates of steps without
// multiply-adds, and shares of a peak that is not known, are null. The layout is part of the interface; later versions
// may add members.
io::Json profile_json(const runtime::Profile& profile);

// A bar a step, in order of execution, coloured by sort of operator, and where the peak is known a pale one below for
// what the multiply-adds alone would take at it. SVG for a page; empty where there are no steps.
std::string profile_chart(const runtime::Profile& profile);

// Each sort of operator: steps, time, share, rates. The largest first.
Table profile_summary(const runtime::Profile& profile);

// A page with all of it. `model` names the model in the title.
std::string profile_html(const runtime::Profile& profile, std::string_view model, const Machine& machine);

namespace detail {

inline double rate(std::int64_t amount, double nanoseconds) {
  return nanoseconds > 0.0 ? static_cast<double>(amount) / nanoseconds : 0.0;
}
inline std::int64_t all_macs(const runtime::Profile& profile) {
  std::int64_t macs = 0;
  for (const runtime::ProfileRow& row : profile.rows) macs += row.macs;
  return macs;
}
inline double team_peak(const runtime::Profile& profile) { return profile.peak_gmacs * profile.threads; }

inline void add_rates(io::Json& json, const runtime::Profile& profile, std::int64_t macs, double nanoseconds) {
  const double gmacs = rate(macs, nanoseconds);
  json.set("macs", macs).set("gmacs_per_second", gmacs > 0.0 ? io::Json(gmacs) : io::Json());
  json.set("share_of_peak",
           gmacs > 0.0 && profile.peak_gmacs > 0.0 ? io::Json(gmacs / team_peak(profile)) : io::Json());
}

// Convolutions, depthwise convolutions, those that run as one, dense layers, all others.
struct Sort {
  std::string_view name;
  int color;
};
inline Sort sort_of(const runtime::ProfileRow& row) {
  if (row.kind == "conv2d") return {"convolutions", 0};
  if (row.kind == "depthwise_conv2d") return {"depthwise convolutions", 1};
  if (row.kind == "conv2d + depthwise_conv2d") return {"joined convolutions", 3};
  if (row.kind == "dense") return {"dense layers", 2};
  return {"other operators", 4};
}

inline std::string rates_text(const runtime::Profile& profile, std::int64_t macs, std::int64_t bytes, double ns) {
  if (macs == 0) return fixed(rate(bytes, ns), 1) + " GB/s";
  const double gmacs = rate(macs, ns);
  return fixed(gmacs, 1) + " GMAC/s" +
         (profile.peak_gmacs > 0.0 ? ", " + percent(gmacs / team_peak(profile), 0) + " of peak" : "");
}

inline Table profile_table(const runtime::Profile& profile) {
  std::vector<Column> columns = {{"Layer", Align::left, true}, {"Operator"},           {"Kernel"}, {"Output"},
                                 {"µs", Align::right},         {"Share", Align::right}};
  columns.insert(columns.end(), {{"Million MAC", Align::right}, {"kB", Align::right}, {"Rate"}});
  Table table(std::move(columns));
  for (const runtime::ProfileRow& row : profile.rows)
    table.add_text({row.name, row.kind, row.kernel, row.output, fixed(row.nanoseconds / 1e3, 1),
                    percent(rate(1, profile.total_nanoseconds) * row.nanoseconds, 1),
                    row.macs > 0 ? fixed(static_cast<double>(row.macs) / 1e6, 2) : "",
                    fixed(static_cast<double>(row.bytes) / 1e3, 1),
                    rates_text(profile, row.macs, row.bytes, row.nanoseconds)});
  return table;
}

}  // namespace detail

inline io::Json profile_json(const runtime::Profile& profile) {
  io::Json json;
  json.set("batch", profile.batch).set("threads", profile.threads).set("total_ns", profile.total_nanoseconds);
  json.set("peak_gmacs_per_second", profile.peak_gmacs > 0.0 ? io::Json(profile.peak_gmacs) : io::Json());
  detail::add_rates(json, profile, detail::all_macs(profile), profile.total_nanoseconds);
  io::Json steps{io::Json::Array()};
  for (const runtime::ProfileRow& row : profile.rows) {
    io::Json step;
    step.set("name", row.name).set("kind", row.kind).set("kernel", row.kernel).set("output", row.output);
    step.set("ns", row.nanoseconds);
    step.set("share", detail::rate(1, profile.total_nanoseconds) * row.nanoseconds);
    detail::add_rates(step, profile, row.macs, row.nanoseconds);
    step.set("bytes", row.bytes).set("gigabytes_per_second", row.gigabytes_per_second());
    steps.add(std::move(step));
  }
  return json.set("steps", std::move(steps));
}

inline std::string profile_chart(const runtime::Profile& profile) {
  BarChart chart;
  chart.title = "Time of each step";
  chart.axis_title = "microseconds";
  chart.width = 1120.0;
  const bool has_peak = profile.peak_gmacs > 0.0;
  chart.bar_height = has_peak ? 10.0 : 12.0;
  for (const runtime::ProfileRow& row : profile.rows) {
    const detail::Sort sort = detail::sort_of(row);
    const double us = row.nanoseconds / 1e3;
    BarRow bars{row.name,
                {{us, 0.0, fixed(us, 1) + " µs, " + detail::rates_text(profile, row.macs, row.bytes, row.nanoseconds),
                  sort.color, false}}};
    if (has_peak && row.macs > 0)
      bars.bars.push_back(
          {static_cast<double>(row.macs) / detail::team_peak(profile) / 1e3, 0.0, "", sort.color, true});
    chart.rows.push_back(std::move(bars));
    if (std::none_of(chart.legend.begin(), chart.legend.end(),
                     [&](const LegendEntry& entry) { return entry.color == sort.color; }))
      chart.legend.push_back({std::string(sort.name), sort.color, LegendEntry::Sample::box, Marker::circle, false});
  }
  if (has_peak)
    chart.legend.push_back({"pale: the multiply-adds at peak", 0, LegendEntry::Sample::box, Marker::circle, true});
  return bar_chart(chart);
}

inline Table profile_summary(const runtime::Profile& profile) {
  struct Sum {
    detail::Sort sort;
    std::int64_t steps = 0, macs = 0, bytes = 0;
    double nanoseconds = 0.0;
  };
  std::vector<Sum> sums;
  for (const runtime::ProfileRow& row : profile.rows) {
    const detail::Sort sort = detail::sort_of(row);
    auto sum = std::find_if(sums.begin(), sums.end(), [&](const Sum& one) { return one.sort.name == sort.name; });
    if (sum == sums.end()) sum = sums.insert(sums.end(), {sort});
    ++sum->steps, sum->macs += row.macs, sum->bytes += row.bytes, sum->nanoseconds += row.nanoseconds;
  }
  std::stable_sort(sums.begin(), sums.end(), [](const Sum& a, const Sum& b) { return a.nanoseconds > b.nanoseconds; });
  Table table({{"Operators"}, {"Steps", Align::right}, {"µs", Align::right}, {"Share", Align::right}, {"Rate"}});
  for (const Sum& sum : sums)
    table.add_text({std::string(sum.sort.name), std::to_string(sum.steps), fixed(sum.nanoseconds / 1e3, 1),
                    percent(detail::rate(1, profile.total_nanoseconds) * sum.nanoseconds, 1),
                    detail::rates_text(profile, sum.macs, sum.bytes, sum.nanoseconds)});
  return table;
}

inline std::string profile_html(const runtime::Profile& profile, std::string_view model, const Machine& machine) {
  HtmlPage page("Profile of " + std::string(model));
  const std::int64_t macs = detail::all_macs(profile);
  page.html("<header><h1>Where the time of " + escape(model) + " goes</h1>\n<p class=\"lead\">" +
            fixed(profile.total_nanoseconds / 1e6, 3) + " ms for " +
            (profile.batch == 1 ? "an image" : std::to_string(profile.batch) + " images") + " with " +
            std::to_string(profile.threads) + (profile.threads == 1 ? " thread" : " threads") + ": " +
            detail::rates_text(profile, macs, 0, profile.total_nanoseconds) + ".</p>\n<p>" + escape(describe(machine)) +
            "</p></header>\n");
  page.heading("Sorts of operators", "sorts");
  page.table(profile_summary(profile));
  page.heading("Step by step", "steps");
  page.open_grid("one");
  page.figure(
      "Time of each step", profile_chart(profile),
      "Medians, in order of execution. Fused operators are one step. Bytes are activations and constants touched.");
  page.close();
  page.folded_table("All numbers", detail::profile_table(profile));
  return page.document();
}

}  // namespace report
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_REPORT_PROFILE_REPORT_HPP_
