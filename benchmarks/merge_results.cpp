// benchmarks/merge_results.cpp: several Google Benchmark JSON files become one, and a Markdown table on the terminal.
//   merge_results <out.json> <in.json>...
// The table has of repeated rows the median. The machine's description is the first file's; each entry gets the field
// "program", its file's name.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <octavo/core/error.hpp>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;

Json read(const std::string& path) {
  std::ifstream file(path);
  octavo::require(file.good(), path, ": cannot be read");
  Json json = Json::parse(file, nullptr, false);
  octavo::require(json.is_object() && json.contains("context") && json.contains("benchmarks"), path,
                  ": expected Google Benchmark's JSON with 'context' and 'benchmarks'");
  return json;
}

// What Google Benchmark writes itself; every other number is a counter.
bool is_own_field(const std::string& key) {
  for (const char* known : {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions",
                            "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit",
                            "aggregate_name", "aggregate_unit", "label", "program", "error_occurred", "error_message"})
    if (key == known) return true;
  return false;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

void print_table(const Json& merged) {
  std::cout << "| benchmark | time | counters |\n|---|---|---|\n";
  for (const Json& entry : merged["benchmarks"]) {
    if (entry.value("repetitions", 1) > 1 && entry.value("aggregate_name", "") != "median") continue;
    std::cout << "| " << entry.value("name", "?") << " | ";
    if (entry.value("error_occurred", false)) {
      std::cout << "failed | " << entry.value("error_message", "") << " |\n";
      continue;
    }
    std::cout << short_number(entry.value("real_time", 0.0)) << ' ' << entry.value("time_unit", "") << " |";
    for (const auto& [key, value] : entry.items())
      if (!is_own_field(key) && value.is_number()) std::cout << ' ' << key << '=' << short_number(value.get<double>());
    std::cout << ' ' << entry.value("label", "") << " |\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    octavo::require(argc >= 3, "usage: merge_results <out.json> <in.json>...");
    const std::vector<std::string> inputs(argv + 2, argv + argc);
    Json merged;
    for (const std::string& path : inputs) {
      const Json json = read(path);
      if (!merged.contains("context")) merged = {{"context", json["context"]}, {"benchmarks", Json::array()}};
      for (Json entry : json["benchmarks"]) {
        entry["program"] = std::filesystem::path(path).stem().string();
        merged["benchmarks"].push_back(entry);
      }
    }
    std::ofstream out(argv[1]);
    out << merged.dump(2) << '\n';
    octavo::require(out.flush().good(), argv[1], ": cannot be written");
    print_table(merged);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "merge_results: " << error.what() << '\n';
    return 1;
  }
}
