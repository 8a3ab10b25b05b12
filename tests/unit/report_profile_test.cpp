// report/profile_report.hpp: a profile as JSON for programs, and as a page for people.
#include <doctest/doctest.h>

#include <octavo/report/profile_report.hpp>
#include <octavo/runtime.hpp>
#include <string>
#include <vector>

#include "report_markup.hpp"
#include "runtime_nets.hpp"

namespace {

using namespace octavo::report;
using octavo::io::Json;
using octavo::runtime::Profile;

// Two steps of 3 and 1 microseconds, 0.5 for the borders.
Profile two_steps() {
  Profile profile;
  profile.rows = {{"a<b>/conv", "conv2d", "avx2", "1x4x4x8", 600'000, 9'000, 3'000.0},
                  {"mean & more", "global_average_pool", "avx2", "1x8", 0, 2'000, 1'000.0}};
  profile.batch = 2;
  profile.threads = 2;
  profile.total_nanoseconds = 4'500.0;
  return profile;
}

TEST_CASE("a profile's JSON has every step's time, work, traffic and rates") {
  Profile profile = two_steps();
  Json json = octavo::io::parse_json(profile_json(profile).dump());
  CHECK(json.at("batch").integer() == 2);
  CHECK(json.at("threads").integer() == 2);
  CHECK(json.at("total_ns").number() == 4500.0);
  CHECK(json.at("macs").integer() == 600'000);
  CHECK(json.at("gmacs_per_second").number() == doctest::Approx(600'000 / 4500.0));
  CHECK(json.at("peak_gmacs_per_second").is_null());
  CHECK(json.at("share_of_peak").is_null());
  REQUIRE(json.at("steps").array().size() == 2);
  const Json conv = json.at("steps").array()[0], mean = json.at("steps").array()[1];
  CHECK(conv.at("name").string() == "a<b>/conv");
  CHECK(conv.at("kind").string() == "conv2d");
  CHECK(conv.at("kernel").string() == "avx2");
  CHECK(conv.at("output").string() == "1x4x4x8");
  CHECK(conv.at("ns").number() == 3000.0);
  CHECK(conv.at("share").number() == doctest::Approx(2.0 / 3.0));
  CHECK(conv.at("macs").integer() == 600'000);
  CHECK(conv.at("gmacs_per_second").number() == doctest::Approx(200.0));
  CHECK(conv.at("bytes").integer() == 9'000);
  CHECK(conv.at("gigabytes_per_second").number() == doctest::Approx(3.0));
  CHECK(conv.at("share_of_peak").is_null());
  CHECK(mean.at("gmacs_per_second").is_null());

  profile.peak_gmacs = 125.0;  // of one core; two threads have twice that
  json = profile_json(profile);
  CHECK(json.at("peak_gmacs_per_second").number() == 125.0);
  CHECK(json.at("share_of_peak").number() == doctest::Approx(600'000 / 4500.0 / 250.0));
  CHECK(json.at("steps").array()[0].at("share_of_peak").number() == doctest::Approx(0.8));
  CHECK(json.at("steps").array()[1].at("share_of_peak").is_null());
}

TEST_CASE("a profile's picture has bars as long as the steps' times, and pale ones as long as their floors") {
  Profile profile = two_steps();
  std::string svg = profile_chart(profile);
  markup::check_balanced(svg);
  markup::check_inside(svg);
  CHECK(svg.find("a&lt;b&gt;/conv") != std::string::npos);
  CHECK(svg.find("200.0 GMAC/s") != std::string::npos);
  CHECK(svg.find("2.0 GB/s") != std::string::npos);
  CHECK(svg.find("of peak") == std::string::npos);
  std::vector<double> widths = markup::attribute_values(svg, "<rect", "width");
  const std::size_t boxes = 2;  // of the legend
  REQUIRE(widths.size() == boxes + 2);
  CHECK(widths[boxes + 1] == doctest::Approx(widths[boxes] / 3.0).epsilon(0.01));

  profile.peak_gmacs = 125.0;
  svg = profile_chart(profile);
  markup::check_balanced(svg);
  markup::check_inside(svg);
  CHECK(svg.find("80 % of peak") != std::string::npos);
  widths = markup::attribute_values(svg, "<rect", "width");
  REQUIRE(widths.size() == boxes + 1 + 3);
  CHECK(widths[boxes + 2] == doctest::Approx(0.8 * widths[boxes + 1]).epsilon(0.01));
  CHECK(profile_chart(Profile{}).empty());
}

TEST_CASE("sorts of operators are summed, the largest first") {
  Profile profile = two_steps();
  profile.rows.push_back({"second", "conv2d", "avx2", "1x4x4x8", 200'000, 1'000, 500.0});
  profile.rows.push_back({"long", "softmax", "avx2", "1x8", 0, 1'000, 9'000.0});
  const std::string text = profile_summary(profile).text();
  CHECK(text.find("other operators") < text.find("convolutions"));
  CHECK(text.find("3.5") != std::string::npos);
  CHECK(text.find("228.6 GMAC/s") != std::string::npos);
  CHECK(text.find("10.0") != std::string::npos);
}

TEST_CASE("a model's profile as a page") {
  nets::Net net("small", octavo::runtime::DType::i8);
  net.input({1, 6, 6, 4});
  net.conv("conv", 6, 6, 9, {.window = {3, 3, 1, 1, 1, 1, 1, 1}});
  const octavo::runtime::Model model(net.finish());
  const std::vector<float> input(6 * 6 * 4, 0.25F);
  const Profile profile = model.profile(input, 3);
  const std::string page = profile_html(profile, "<small>", detect_machine());
  markup::check_balanced(page);
  CHECK(page.find("Where the time of &lt;small&gt; goes") != std::string::npos);
  CHECK(page.find(profile_chart(profile)) != std::string::npos);
  const Json json = profile_json(profile);
  CHECK(json.at("macs").integer() == model.info().macs);
  CHECK(json.at("steps").array().size() == model.info().steps);
  for (const Json& step : json.at("steps").array()) CHECK(step.at("ns").number() > 0.0);
}

}  // namespace
