// tests/unit/report_study_test.cpp: a study's statistics, its JSON, and the three files.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <octavo/report/study_report.hpp>
#include <string>

#include "report_markup.hpp"

namespace {

using namespace octavo::report;
using octavo::io::Json;
using octavo::io::parse_json;

Row make_row(const std::string& name, RowKind kind, double accuracy, std::int64_t bytes, double milliseconds) {
  Row row;
  row.name = name;
  row.kind = kind;
  row.accuracy = accuracy;
  row.n = 900;
  row.standard_error = standard_error(accuracy, 900);
  row.size_bytes = bytes;
  row.weights = kind == RowKind::int8 ? "int8" : "float32";
  row.activations = row.weights;
  row.quantization = kind == RowKind::int8 ? "PTQ" : "none";
  row.latency_ms_1t = milliseconds;
  return row;
}

Study example() {
  Study study;
  study.title = "A <small> study & its report";
  study.command = "study --data \"my photos\"";
  study.machine = detect_machine(2);
  study.dataset.name = "photos";
  study.dataset.classes = {"cat", "dog"};
  study.dataset.train = 2700;
  study.dataset.test = 900;
  study.dataset.input = {224, 224, 3};
  study.rows = {make_row("float", RowKind::float32, 0.9, 9'000'000, 4.0),
                make_row("ptq_int8", RowKind::int8, 0.895, 2'500'000, 1.25)};
  Row& int8 = study.rows[1];
  int8.parent = int8.control = "float";
  int8.agreement_with_parent = 0.97;
  const PairedDifference difference = paired_difference(10, 14, 900);
  int8.difference_to_control = difference.difference;
  int8.difference_standard_error = difference.standard_error;
  study.rows.push_back(int8);
  study.rows[2].name = "optimize_for_latency";
  study.rows[2].same_as = "ptq_int8";
  study.rows[2].notes = "Full integer is what this asks for.";
  study.curves = {{"float", {{1, 1.5, 0.5, 1.4, 0.6, 3.0}, {2, 1.0, 0.7, kUnknown, 0.8, 3.0}}}};
  study.quality = {
      {"ptq_int8", "float", 32, {{"Conv1", "conv2d", 40.0, 3.0, 0.01}, {"dense", "dense", 30.0, 5.0, 0.0}}},
      {"other", "float", 32, {{"Conv1", "conv2d", 38.0, 4.0, 0.01}, {"add", "add", 33.0, 1.0, kUnknown}}}};
  study.ranges = {{"depthwise", {-1.0F, -0.1F}, {0.5F, 0.1F}}};
  study.samples = {{"1.jpg",
                    "cat",
                    "image/jpeg",
                    {0xFF, 0xD8, 0xFF},
                    {{"float", "cat", 0.9, true}, {"ptq_int8", "dog", 0.6, false}}}};
  study.headlines = {{"0.28", "of the float file", "2.50 MB"}};
  study.checks = {{"size", "at most 0.30", "0.28", true}, {"speed", "at least 4x", "3.2x", false}};
  study.notes = {"One note."};
  return study;
}

TEST_CASE("standard errors") {
  CHECK(standard_error(0.9, 900) == doctest::Approx(0.01));
  CHECK(standard_error(1.0, 900) == doctest::Approx(0.0));
  CHECK(std::isnan(standard_error(0.5, 0)));
  // 100 images, 10 gained, 6 lost: mean 0.04, variance 0.16 - 0.0016.
  const PairedDifference difference = paired_difference(10, 6, 100);
  CHECK(difference.difference == doctest::Approx(0.04));
  CHECK(difference.standard_error == doctest::Approx(std::sqrt(0.1584 / 100)));
  CHECK(paired_difference(0, 0, 10).standard_error == doctest::Approx(0.0));
  CHECK(!known(paired_difference(0, 0, 0).difference));
}

TEST_CASE("report.json has the promised members, and null where nothing was measured") {
  const Json json = parse_json(to_json(example()).dump(2));
  CHECK(json.at("machine").is_object());
  CHECK(json.at("machine").at("threads").integer() == 2);
  CHECK(json.at("dataset").at("test").integer() == 900);
  CHECK(json.at("dataset").at("input") == parse_json("[224, 224, 3]"));
  const Json::Array& rows = json.at("rows").array();
  REQUIRE(rows.size() == 3);
  for (const Json& row : rows)
    for (const char* member : {"name", "accuracy", "n", "agreement_with_parent", "size_bytes", "weights", "activations",
                               "quantization", "latency_ms_1t", "latency_ms_mt", "train_seconds"})
      CHECK_MESSAGE(row.find(member) != nullptr, member);
  CHECK(rows[0].at("agreement_with_parent").is_null());
  CHECK(rows[1].at("agreement_with_parent").number() == doctest::Approx(0.97));
  CHECK(rows[1].at("size_bytes").integer() == 2'500'000);
  CHECK(rows[1].at("latency_ms_mt").is_null());
}

TEST_CASE("rows, curves and layers survive the way through JSON") {
  const Study study = example();
  for (const Row& row : study.rows) {
    const Json json = to_json(row);
    CHECK(to_json(row_from_json(parse_json(json.dump()))) == json);
  }
  CHECK(row_from_json(to_json(study.rows[1])).kind == RowKind::int8);
  CHECK(!known(row_from_json(to_json(study.rows[0])).latency_ms_mt));
  for (const Curve& curve : study.curves) CHECK(to_json(curve_from_json(to_json(curve))) == to_json(curve));
  for (const ModelQuality& one : study.quality) CHECK(to_json(quality_from_json(to_json(one))) == to_json(one));
  Json bad = to_json(study.rows[0]);
  bad.set("kind", "int7");
  CHECK_THROWS_WITH(row_from_json(bad), "report row 'float': unknown kind 'int7'");
}

TEST_CASE("the best of each column is strong; a row with another's file does not compete") {
  const std::string markdown = results_table(example()).markdown();
  CHECK(markup::count(markdown, "**90.00**") == 1);
  CHECK(markup::count(markdown, "**2.50 MB**") == 1);
  CHECK(markup::count(markdown, "**1.25**") == 1);
  CHECK(markdown.find("= ptq_int8") != std::string::npos);
  CHECK(markdown.find("−0.44 ± 0.54") != std::string::npos);
}

TEST_CASE("layers of several models are joined in order") {
  CHECK(layer_names(example().quality) == std::vector<std::string>{"Conv1", "add", "dense"});
}

TEST_CASE("the page is sound markup and keeps text apart from it") {
  const std::string page = study_html(example());
  markup::check_balanced(page);
  CHECK(page.find("<small> study") == std::string::npos);
  CHECK(page.find("A &lt;small&gt; study &amp; its report") != std::string::npos);
  CHECK(page.find("data:image/jpeg;base64,/9j/") != std::string::npos);
  CHECK(markup::count(page, "<svg") >= 8);
  CHECK(markup::count(page, "http") == 0);  // nothing is fetched
}

TEST_CASE("an empty study is a report without charts, not an error") {
  const Study empty;
  markup::check_balanced(study_html(empty));
  CHECK(study_markdown(empty).find("## Results") != std::string::npos);
}

TEST_CASE("write_report makes the folder and three files") {
  std::string folder = (std::filesystem::temp_directory_path() / "octavo-report-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const auto paths = write_report(folder + "/a/b", example());
  REQUIRE(paths.size() == 3);
  for (const std::string& path : paths) CHECK(std::filesystem::file_size(path) > 500);
  const auto json = parse_json(octavo::io::read_text_file(paths[0]));
  CHECK(json.at("title").string() == example().title);
  std::filesystem::remove_all(folder);
}

TEST_CASE("resident memory grows with what is written to") {
  const ResidentMemory before = resident_memory();
  if (before.now == 0) return;  // a system without /proc
  CHECK(before.most >= before.now);
  std::vector<char> bytes(std::size_t{64} << 20, 'x');
  const ResidentMemory after = resident_memory();
  CHECK(after.now >= before.now + (std::int64_t{60} << 20));
  CHECK(after.most >= after.now);
  CHECK(bytes.back() == 'x');
}

TEST_CASE("the machine is named") {
  const Machine machine = detect_machine();
  CHECK(machine.threads >= 1);
  CHECK(machine.processors >= 1);
  CHECK(machine.isa == octavo::name_of(octavo::active_isa()));
  CHECK(!machine.compiler.empty());
  CHECK(describe(machine).find(machine.isa + " kernels") != std::string::npos);
}

}  // namespace
