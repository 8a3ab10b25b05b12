// The memory that a model reports is the memory that it takes: every byte of operator new is counted, while it is used
// and at the worst moment.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "../../benchmarks/mobilenet_program.hpp"
#include "octavo/runtime.hpp"
#include "skip.hpp"

// ThreadSanitizer's own operator new cannot be replaced everywhere.
#if defined(__SANITIZE_THREAD__)
#define OCTAVO_TEST_COUNTS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OCTAVO_TEST_COUNTS 0
#endif
#endif
#ifndef OCTAVO_TEST_COUNTS
#define OCTAVO_TEST_COUNTS 1
#endif

namespace {

std::atomic<long> live{0};
std::atomic<long> most{0};

}  // namespace

#if OCTAVO_TEST_COUNTS

namespace {

// The size asked for stands in front of the memory.
void* counted(std::size_t size, std::size_t alignment) {
  const std::size_t front = std::max(alignment, alignof(std::max_align_t));
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(front, front + (size + front - 1) / front * front));
  if (memory == nullptr) throw std::bad_alloc();
  const auto bytes = static_cast<long>(size);
  std::memcpy(memory + front - sizeof bytes, &bytes, sizeof bytes);
  const long now = live += bytes;
  long seen = most;
  while (now > seen && !most.compare_exchange_weak(seen, now)) {
  }
  return memory + front;
}
void release(void* memory, std::size_t alignment) {
  if (memory == nullptr) return;
  long bytes = 0;
  std::memcpy(&bytes, static_cast<std::byte*>(memory) - sizeof bytes, sizeof bytes);
  live -= bytes;
  std::free(static_cast<std::byte*>(memory) - std::max(alignment, alignof(std::max_align_t)));
}

}  // namespace

// Not inlined: g++ would see malloc's memory given to delete.
#define OCTAVO_TEST_COUNTED __attribute__((noinline))
OCTAVO_TEST_COUNTED void* operator new(std::size_t size) { return counted(size, 1); }
OCTAVO_TEST_COUNTED void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
OCTAVO_TEST_COUNTED void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return counted(size, 1);  // (without memory the test ends here)
}
OCTAVO_TEST_COUNTED void operator delete(void* memory) noexcept { release(memory, 1); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { release(memory, 1); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::size_t) noexcept { release(memory, 1); }
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::align_val_t alignment) noexcept {
  release(memory, static_cast<std::size_t>(alignment));
}
OCTAVO_TEST_COUNTED void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  release(memory, static_cast<std::size_t>(alignment));
}

#endif

namespace {

using namespace octavo;

struct Folder {
  std::string path = std::filesystem::temp_directory_path() / ("octavo_memory_" + std::to_string(::getpid()));
  explicit Folder(const runtime::Program& program) { save(program, path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

struct Taken {
  long while_used = 0;
  long at_worst = 0;
  runtime::ModelInfo info;
};

// What `make` and a run of its model take beyond what was there before.
template <class Make>
Taken take(Make make) {
  const long before = live;
  most = before;
  const runtime::Model model = make();
  std::vector<float> input(static_cast<std::size_t>(model.input().shape.size()));
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size()));
  const long buffers = static_cast<long>((input.size() + output.size()) * sizeof(float));
  model.run(input, output);
  Taken taken{live - before - buffers, most - before - buffers, {}};
  taken.info = model.info();
  return taken;
}

void check(const Taken& taken, long at_worst_besides) {
  const auto reported = static_cast<long>(taken.info.memory_bytes());
  INFO("reported ", reported, ", taken ", taken.while_used, ", at worst ", taken.at_worst);
  CHECK(taken.while_used >= reported);
  CHECK(taken.while_used <= reported + 1'000'000);
  CHECK(taken.at_worst <= reported + at_worst_besides);
}

}  // namespace

TEST_CASE("memory of MobileNetV2: weights, arena and less than 1 MB") {
  if (!OCTAVO_TEST_COUNTS) return octavo_test::skip("allocations cannot be counted under ThreadSanitizer");
  for (const mobilenet::Kind kind :
       {mobilenet::Kind::int8, mobilenet::Kind::float32, mobilenet::Kind::dynamic_range, mobilenet::Kind::int4}) {
    const runtime::Program program = mobilenet::make({.kind = kind});
    const Folder folder(program);
    const auto weights = static_cast<long>(runtime::weight_bytes(program));
    for (const int threads : {1, 2}) {
      INFO("kind ", static_cast<int>(kind), ", threads ", threads);
      // Mapped: the file's bytes are packed from where they lie, and nobody holds them besides.
      const Taken mapped = take([&] { return load(folder.path, {.model = {.threads = threads}}); });
      check(mapped, 1'000'000);
      CHECK(mapped.info.program_weight_bytes == 0);
      // Packed weights are the weights, but for what kernels add to whole blocks, and for depthwise weights of 4 bits,
      // which take a byte each.
      CHECK(static_cast<long>(mapped.info.packed_bytes) < weights + weights / 6);
      // Read: the file is there once, until its program goes.
      const Taken read = take([&] { return load(folder.path, {.map = false, .model = {.threads = threads}}); });
      CHECK(read.at_worst <= static_cast<long>(read.info.memory_bytes()) + weights + 2'000'000);
      // From a program that somebody holds: his copy is counted where the model keeps it, and freed where it does not.
      const Taken kept = take([&] { return runtime::Model(program, {.threads = threads}); });
      check(kept, 1'000'000);
      CHECK(static_cast<long>(kept.info.program_weight_bytes) == weights);
      const Taken dropped =
          take([&] { return runtime::Model(program, {.threads = threads, .keep_program_weights = false}); });
      check(dropped, weights + 2'000'000);
      CHECK(dropped.while_used < kept.while_used - weights * 9 / 10);
    }
  }
}

TEST_CASE("memory of larger batches is the arena's") {
  if (!OCTAVO_TEST_COUNTS) return octavo_test::skip("allocations cannot be counted under ThreadSanitizer");
  const runtime::Program program = mobilenet::make({.alpha = 0.35, .size = 96});
  runtime::Model model(program, {.threads = 1, .max_batch = 4});
  const long before = live;
  runtime::Session session = model.session();
  const long grown = live - before;
  CHECK(grown >= static_cast<long>(session.arena_bytes()));
  CHECK(grown <= static_cast<long>(session.arena_bytes()) + 16'384);
}
