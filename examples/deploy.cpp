// examples/deploy.cpp: a deployed program: loads a model folder, classifies an image, says how long it took.
//
//   deploy FOLDER [IMAGE.npy] [--threads N] [--self-test] [--profile]
//
// IMAGE.npy holds float32 values as the model's input wants them (see "preprocessing" in the manifest). Without one, a
// fixed synthetic image is used.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <octavo/runtime.hpp>

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct Arguments {
  std::string folder;
  std::string image;
  int threads = 0;
  bool self_test = false;
  bool profile = false;
};

Arguments parse(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--self-test")
      arguments.self_test = true;
    else if (word == "--profile")
      arguments.profile = true;
    else if (word == "--threads" && i + 1 < count)
      arguments.threads = std::atoi(words[++i]);
    else if (word.starts_with("--"))
      octavo::fail("unknown option ", word);
    else
      (arguments.folder.empty() ? arguments.folder : arguments.image) = word;
  }
  octavo::require(!arguments.folder.empty(),
                  "usage: deploy FOLDER [IMAGE.npy] [--threads N] [--self-test] [--profile]");
  return arguments;
}

void run(const Arguments& arguments) {
  auto start = Clock::now();
  octavo::LoadOptions options;
  options.verify = arguments.self_test;
  options.model.threads = arguments.threads;
  const octavo::Model model = octavo::load(arguments.folder, options);
  std::printf("%s: loaded in %.1f ms%s\n%s", model.program().name.c_str(), milliseconds_since(start),
              arguments.self_test ? ", self-test passed" : "", model.info().to_text().c_str());

  const auto pixels = static_cast<std::size_t>(model.input().shape.size());
  std::vector<float> image;
  if (arguments.image.empty())
    for (std::size_t i = 0; i < pixels; ++i) image.push_back(static_cast<float>(i % 255) / 127.0F - 1.0F);
  else
    image = octavo::io::read_npy(arguments.image).floats();

  std::vector<float> scores(static_cast<std::size_t>(model.output().shape.size()));
  model.run(image, scores);
  std::vector<double> times;
  for (int i = 0; i < 20; ++i) {
    start = Clock::now();
    model.run(image, scores);
    times.push_back(milliseconds_since(start));
  }
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  for (const octavo::ClassScore& best : octavo::top_classes(scores, 5, model.program().labels))
    std::printf("%8.4f  class %zu %s\n", static_cast<double>(best.score), best.index, best.label.c_str());
  std::printf("median of 20 runs: %.3f ms, %d threads, %s\n", times[10], model.threads(),
              std::string(octavo::name_of(octavo::active_isa())).c_str());
  if (arguments.profile) std::printf("\n%s", model.profile(std::span<const float>(image)).to_table().c_str());
}

}  // namespace

int main(int count, char** words) {
  try {
    run(parse(count, words));
    return 0;
  } catch (const octavo::Error& error) {
    std::fprintf(stderr, "deploy: %s\n", error.what());
    return 1;
  }
}
