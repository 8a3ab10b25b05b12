// Loading: the weights file mapped or read, with one thread or several; what may happen to the file meanwhile.
#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "../../benchmarks/mobilenet_program.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/runtime.hpp"
#include "runtime_nets.hpp"

namespace fs = std::filesystem;
using namespace nets;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("octavo_io_load_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::remove_all(path), fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name) const { return path / name; }
};

std::vector<float> outputs_of(const Model& model) {
  Rng rng(3);
  const std::vector<float> input = random_floats(model.input().shape.size(), rng);
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size()));
  model.run(input, output);
  return output;
}

// All constants one after the other.
std::vector<std::uint8_t> constants_of(const Program& program) {
  std::vector<std::uint8_t> bytes;
  for (const TensorInfo& tensor : program.tensors) bytes.insert(bytes.end(), tensor.data.begin(), tensor.data.end());
  return bytes;
}

std::string message_of(const std::string& folder, const io::LoadOptions& options) {
  try {
    (void)load(folder, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a mapped file has the bytes of the file, also of one that was replaced or removed") {
  const TemporaryFolder folder;
  const std::string path = folder.file("bytes");
  io::Bytes bytes(100'001);
  Rng rng(1);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.below(256));
  io::write_file(path, std::span<const std::uint8_t>(bytes));
  const io::FileBytes mapped(path, 1 << 20, true);
  const io::FileBytes read(path, 1 << 20, false);
  CHECK(mapped.mapped());
  CHECK_FALSE(read.mapped());
  const auto same = [&](const io::FileBytes& file) {
    return std::equal(file.bytes().begin(), file.bytes().end(), bytes.begin(), bytes.end());
  };
  CHECK(same(mapped));
  CHECK(same(read));
  io::write_file(path, std::string("something else"));
  for (const io::FileBytes* file : {&mapped, &read}) {
    file->forget(file->bytes());  // the old file still is behind the mapping
    CHECK(same(*file));
    file->forget(file->bytes().subspan(5000, 20'000));
    file->forget(file->bytes().subspan(100'000, 1));
    file->forget({});
    CHECK(same(*file));
  }
  fs::remove(path);
  mapped.forget(mapped.bytes());
  CHECK(same(mapped));
}

TEST_CASE("mapping refuses what reading refuses; an empty file is an empty file") {
  const TemporaryFolder folder;
  for (const bool map : {true, false}) {
    CHECK_THROWS_WITH_AS(io::FileBytes(folder.file("missing"), 10, map), doctest::Contains("missing"), Error);
    CHECK_THROWS_WITH_AS(io::FileBytes(folder.path, 10, map), doctest::Contains("not a regular file"), Error);
    io::write_file(folder.file("eleven"), std::string("eleven bytes"));
    CHECK_THROWS_WITH_AS(io::FileBytes(folder.file("eleven"), 11, map), doctest::Contains("limit of 11"), Error);
    io::write_file(folder.file("empty"), std::string());
    const io::FileBytes empty(folder.file("empty"), 10, map);
    CHECK(empty.bytes().empty());
    CHECK_FALSE(empty.mapped());
  }
}

TEST_CASE("load: every way of loading gives the same results") {
  const TemporaryFolder folder;
  std::vector<Program> programs = {everything(DType::f32), everything(DType::i8)};
  for (const Program& program : programs) {
    const std::string path = folder.file(program.name);
    save(program, path);
    const std::vector<float> expected = outputs_of(Model(program, {.threads = 1}));
    for (const bool map : {true, false})
      for (const bool checksum : {true, false})
        for (const bool keep : {true, false})
          for (const int threads : {1, 2, 5}) {
            INFO("map ", map, " checksum ", checksum, " keep ", keep, " threads ", threads);
            const Model model = load(path, {.checksum = checksum,
                                            .map = map,
                                            .verify = true,
                                            .model = {.threads = threads, .keep_program_weights = keep}});
            CHECK(outputs_of(model) == expected);
            CHECK(model.info().program_weight_bytes == 0);  // views of the file, or nothing
            if (keep) CHECK(constants_of(model.program()) == constants_of(program));
          }
    CHECK(Model(program).info().program_weight_bytes == constants_of(program).size());
  }
}

TEST_CASE("load: a loaded model does not care what becomes of its folder") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const Program first = everything(DType::i8);
  const Program second = everything(DType::i8, Rounding::tflite_double);
  save(first, path);
  const Model model = load(path);
  const std::vector<float> expected = outputs_of(model);
  save(second, path);
  CHECK(outputs_of(model) == expected);
  CHECK(constants_of(model.program()) == constants_of(first));
  CHECK(load(path).program().rounding == Rounding::tflite_double);
  save(model, path);  // over the file of another, from the one that it still sees
  CHECK(constants_of(load(path).program()) == constants_of(first));
  save(load(path), path);  // over the file that it views itself
  CHECK(constants_of(load(path).program()) == constants_of(first));
  fs::remove_all(path);
  CHECK(outputs_of(model) == expected);
  CHECK(constants_of(model.program()) == constants_of(first));
}

TEST_CASE("load: wrong bytes are told by their checksum, however many threads look") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  save(everything(DType::i8), path);
  const io::Bytes good = io::read_file(path + "/weights.safetensors");
  for (std::size_t at = 8; at < good.size(); at += good.size() / 23) {
    io::Bytes bad = good;
    bad[at] ^= 0x40U;
    io::write_file(path + "/weights.safetensors", std::span<const std::uint8_t>(bad));
    for (const int threads : {1, 2})
      for (const bool map : {true, false}) {
        const std::string message = message_of(path, {.map = map, .model = {.threads = threads}});
        INFO("byte ", at, ": ", message);
        // The header is parsed first: what is no header is told as that.
        const bool header = message.find("weights.safetensors': ") != std::string::npos;
        CHECK((header || message.find("expected SHA-256") != std::string::npos));
        if (at > 8192) CHECK(message.find("expected SHA-256") != std::string::npos);
      }
  }
  for (const std::size_t size : {good.size() - 1, good.size() / 2, std::size_t{0}}) {
    io::write_file(path + "/weights.safetensors", std::span<const std::uint8_t>(good).first(size));
    CHECK(message_of(path, {}).find("expected " + std::to_string(good.size()) + " bytes") != std::string::npos);
  }
}

TEST_CASE("load: a manifest with one sort of checksum, of one piece or many") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const std::string other = std::string(64, '0');
  for (const Program& program : {everything(DType::i8), mobilenet::make({.alpha = 0.35, .size = 32})}) {
    save(program, path);
    const std::string manifest = io::read_text_file(path + "/manifest.json");
    const auto with = [&](bool tree, bool wrong) {
      io::Json json = io::parse_json(manifest);
      for (io::Json::Member& member : json.object())
        if (member.first == "weights") {
          io::Json::Object kept;
          for (const io::Json::Member& part : member.second.object())
            if (!part.first.starts_with("sha256") || (part.first == "sha256_tree") == tree)
              kept.emplace_back(part.first, wrong && part.first.starts_with("sha256") ? io::Json(other) : part.second);
          member.second = io::Json(std::move(kept));
        }
      io::write_file(path + "/manifest.json", json.dump(2));
    };
    for (const bool tree : {false, true})
      for (const int threads : {1, 2, 3}) {
        with(tree, false);
        CHECK_NOTHROW((void)load(path, {.verify = true, .model = {.threads = threads}}));
        CHECK_NOTHROW((void)io::load_program(path, {.model = {.threads = threads}}));
        with(tree, true);
        const std::string message = message_of(path, {.model = {.threads = threads}});
        CHECK(message.find((tree ? "expected SHA-256 tree " : "expected SHA-256 ") + other) != std::string::npos);
      }
  }
}

TEST_CASE("load: a weights file whose arrays are not aligned is copied where it must be") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const Program program = everything(DType::f32);
  save(program, path, {.self_test = false});
  // The header one byte longer: every float stands at an odd address.
  io::Bytes bytes = io::read_file(path + "/weights.safetensors");
  ++bytes[0];
  bytes.insert(bytes.begin() + 8 + bytes[0] + 256 * bytes[1] - 1, ' ');
  io::write_file(path + "/weights.safetensors", std::span<const std::uint8_t>(bytes));
  std::string manifest = io::read_text_file(path + "/manifest.json");
  const std::string field = "\"bytes\": ";
  const std::size_t at = manifest.find(field) + field.size();
  manifest.replace(at, manifest.find_first_not_of("0123456789", at) - at, std::to_string(bytes.size()));
  io::write_file(path + "/manifest.json", manifest);
  const Model model = load(path, {.checksum = false});
  CHECK(model.info().program_weight_bytes > 0);
  CHECK(constants_of(model.program()) == constants_of(program));
  CHECK(outputs_of(model) == outputs_of(Model(program)));
}

TEST_CASE("a model without its program's weights runs, and says why it cannot be saved") {
  const TemporaryFolder folder;
  const Program program = everything(DType::i8);
  const Model model(program, {.keep_program_weights = false});
  CHECK(outputs_of(model) == outputs_of(Model(program)));
  CHECK(model.info().program_weight_bytes == 0);
  CHECK(model.info().weight_bytes == Model(program).info().weight_bytes);
  CHECK(model.info().packed_bytes > 0);
  CHECK_THROWS_WITH_AS(save(model, folder.file("model")), doctest::Contains("keep_program_weights"), Error);
  CHECK_FALSE(fs::exists(folder.file("model") + "/manifest.json"));
}

TEST_CASE("preparing with absurd numbers of threads is an error before any is made") {
  CHECK_THROWS_WITH_AS(Model(everything(DType::i8), {.threads = 5000}), doctest::Contains("threads"), Error);
  CHECK_THROWS_WITH_AS(Model(everything(DType::i8), {.threads = -1}), doctest::Contains("threads"), Error);
}
