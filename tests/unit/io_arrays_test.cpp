// io/safetensors.hpp and io/npy.hpp: arrays out, arrays in, and what is refused.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"

namespace fs = std::filesystem;
using namespace octavo::io;
using octavo::Error;
using octavo::Shape;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("octavo_io_arrays_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

template <class Value>
ArrayView view(ElementType type, const Shape& shape, const std::vector<Value>& values) {
  return {type, shape, {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(Value)}};
}

// A file from its header text and data.
Bytes file_of(const std::string& header, std::size_t data_bytes) {
  Bytes file(8 + header.size() + data_bytes, 0);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::uint8_t>(std::uint64_t{header.size()} >> (8 * i));
  std::copy(header.begin(), header.end(), file.begin() + 8);
  return file;
}

std::string refusal(const std::string& header, std::size_t data_bytes) {
  try {
    const SafeTensors file(file_of(header, data_bytes), "f");
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

Bytes npy_file(const std::string& header, const std::vector<std::uint8_t>& data, int version = 1) {
  std::string text = "\x93NUMPY";
  text += static_cast<char>(version);
  text += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) text += static_cast<char>(header.size() >> (8 * i));
  text += header;
  Bytes file;
  for (const char c : text) file.push_back(static_cast<std::uint8_t>(c));
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

}  // namespace

TEST_CASE("safetensors: round trip, alignment, metadata") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "a.safetensors";
  const std::vector<std::int8_t> codes = {-128, 0, 127};
  const std::vector<float> reals = {1.5F, -2.25F};
  const std::vector<std::int32_t> bias = {1 << 30};
  const std::vector<std::int64_t> steps = {-5};
  write_safetensors(path,
                    {{"codes", view(ElementType::i8, {3}, codes)},
                     {"reals", view(ElementType::f32, {1, 2}, reals)},
                     {"bias", view(ElementType::i32, {1}, bias)},
                     {"none", view(ElementType::f32, {0, 4}, std::vector<float>())},
                     {"step", view(ElementType::i64, {}, steps)}},
                    {{"format", "octavo"}, {"text", "line\n\"quoted\""}});
  const SafeTensors file = read_safetensors(path);
  CHECK(file.arrays().size() == 5);
  CHECK(file.metadata().at("text") == "line\n\"quoted\"");
  CHECK(file.at("codes").type == ElementType::i8);
  CHECK(file.at("codes").bytes[0] == 0x80);
  CHECK(file.at("reals").shape == Shape{1, 2});
  CHECK(to_floats(file.at("reals")) == reals);
  CHECK(to_floats(file.at("step")) == std::vector<float>{-5.0F});
  CHECK(file.at("none").bytes.empty());
  for (const auto& [name, array] : file.arrays())
    CHECK(static_cast<std::size_t>(array.bytes.data() - file.file_bytes().data()) % bytes_of(array.type) == 0);
  CHECK_THROWS_WITH_AS((void)file.at("other"), ("'" + path + "': no array 'other'").c_str(), Error);
}

TEST_CASE("safetensors: half floats are exact") {
  const std::vector<std::uint16_t> halves = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x7C00, 0x0400};
  const std::vector<float> expected = {1.0F, -2.0F, 0x1p-24F, 65504.0F, -0.0F, HUGE_VALF, 0x1p-14F};
  CHECK(to_floats(view(ElementType::f16, {7}, halves)) == expected);
  CHECK(std::isnan(to_floats(view(ElementType::f16, {1}, std::vector<std::uint16_t>{0x7C01}))[0]));
  CHECK(to_floats(view(ElementType::bf16, {1}, std::vector<std::uint16_t>{0x3FC0})) == std::vector<float>{1.5F});
}

TEST_CASE("safetensors: damaged files are refused with the reason") {
  const std::string good = R"({"a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}})";
  CHECK(refusal(good, 4) == "accepted");
  CHECK(refusal(good + "   ", 4) == "accepted");
  CHECK(refusal(good, 3).find("[0, 3], found 4") != std::string::npos);
  CHECK(refusal(good, 5) == "'f': 1 bytes after the last array");
  CHECK(refusal(R"({"a": {"dtype": "I8", "shape": [5], "data_offsets": [0, 4]}})", 4) ==
        "'f': array 'a': shape 5 of I8 does not fit 4 bytes");
  CHECK(refusal(R"({"a": {"dtype": "Q8", "shape": [4], "data_offsets": [0, 4]}})", 4) ==
        "'f': array 'a': unknown element type 'Q8'");
  CHECK(refusal(R"({"a": {"dtype": "I8", "shape": [-4], "data_offsets": [0, 4]}})", 4).find("negative") !=
        std::string::npos);
  CHECK(refusal(R"({"a": {"dtype": "F64", "shape": [4611686018427387904, 8], "data_offsets": [0, 0]}})", 0)
            .find("too many") != std::string::npos);
  CHECK(refusal(R"({"a": {"dtype": "I8", "shape": [4], "data_offsets": [4, 0]}})", 4) != "accepted");
  CHECK(
      refusal(
          R"({"a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "I8", "shape": [3], "data_offsets": [1, 4]}})",
          4) == "'f': arrays overlap at offset 1");
  CHECK(
      refusal(
          R"({"a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "I8", "shape": [1], "data_offsets": [3, 4]}})",
          4) == "'f': there is a hole between arrays at offset 2");
  CHECK(refusal("[]", 0) != "accepted");
  CHECK(refusal(R"({"a": {"dtype": "I8"}})", 0) == "'f': array 'a': member 'shape' is missing");
  CHECK_THROWS_AS(SafeTensors(Bytes(7, 0), "f"), Error);
  Bytes huge(8, 0xFF);
  CHECK_THROWS_AS(SafeTensors(huge, "f"), Error);
  CHECK_THROWS_AS(write_safetensors("/tmp/never", {{"a", {ElementType::i8, {3}, {}}}}), Error);
}

TEST_CASE("npy: round trip of every type") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "a.npy";
  const std::vector<float> reals = {1.0F, 2.0F, -3.5F, 4.0F, 5.0F, 6.0F};
  write_npy(path, Shape{2, 3}, reals);
  const NpyArray array = read_npy(path);
  CHECK(array.shape == Shape{2, 3});
  CHECK(array.floats() == reals);
  for (const ElementType type :
       {ElementType::f64, ElementType::i64, ElementType::u64, ElementType::i32, ElementType::u32, ElementType::i16,
        ElementType::u16, ElementType::i8, ElementType::u8, ElementType::boolean}) {
    const std::vector<std::uint8_t> raw(3 * bytes_of(type), 1);
    write_npy(path, {type, Shape{3}, raw});
    const NpyArray again = read_npy(path);
    CHECK(again.type == type);
    CHECK(std::equal(raw.begin(), raw.end(), again.bytes.begin(), again.bytes.end()));
  }
  write_npy(path, Shape{}, std::vector<float>{7.0F});
  CHECK(read_npy(path).shape == Shape{});
}

TEST_CASE("npy: Fortran order, big-endian, later versions") {
  const std::string header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
  for (const int version : {1, 2, 3}) {
    const NpyArray array = parse_npy(npy_file(header, {0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6}, version), "f");
    CHECK(array.floats() == std::vector<float>{1, 2, 3, 4, 5, 6});
  }
  const NpyArray cube =
      parse_npy(npy_file("{'fortran_order': True, 'shape': (2, 2, 2), 'descr': '|u1'}", {0, 4, 2, 6, 1, 5, 3, 7}), "f");
  CHECK(cube.floats() == std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("npy: damaged files are refused with the reason") {
  const auto refused = [](const std::string& header, std::size_t bytes) {
    CHECK_THROWS_AS(parse_npy(npy_file(header, std::vector<std::uint8_t>(bytes)), "f"), Error);
  };
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11);
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } x", 12);
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12);
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0);
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }", 4);
  refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8);
  refused("{'descr': '<f4', 'shape': (1,), }", 4);
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", 4);
  refused("{'descr", 0);
  CHECK_THROWS_WITH_AS(parse_npy(Bytes(20, 0), "f"), "'f': not a .npy file", Error);
}

TEST_CASE("safetensors and npy: 20,000 damaged files are read or refused, nothing else") {
  const TemporaryFolder folder;
  const std::vector<float> reals(24, 1.0F);
  const std::vector<std::int8_t> codes(5, 1);
  write_safetensors(folder.path / "a",
                    {{"w", view(ElementType::f32, {2, 3, 4}, reals)}, {"c", view(ElementType::i8, {5}, codes)}},
                    {{"k", "v"}});
  write_npy(folder.path / "b", Shape{2, 3, 4}, reals);
  const Bytes tensors = read_file(folder.path / "a");
  const Bytes npy = read_file(folder.path / "b");
  octavo::Rng rng(3);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes file = round % 2 == 0 ? tensors : npy;
    if (rng.below(8) == 0) file.resize(static_cast<std::size_t>(rng.below(file.size())));
    for (std::uint64_t edit = 1 + rng.below(3); edit > 0 && !file.empty(); --edit) {
      const std::uint64_t range = rng.below(2) == 0 ? std::min<std::uint64_t>(file.size(), 160) : file.size();
      file[static_cast<std::size_t>(rng.below(range))] =
          static_cast<std::uint8_t>(rng.below(2) == 0 ? '0' + rng.below(10) : rng.below(256));
    }
    try {
      double sum = 0.0;
      if (round % 2 == 0) {
        const SafeTensors read(file, "f");
        for (const auto& [name, array] : read.arrays())
          for (const float value : to_floats(array)) sum += static_cast<double>(value);
      } else {
        for (const float value : parse_npy(file, "f").floats()) sum += static_cast<double>(value);
      }
      accepted += std::isnan(sum) || sum != 0.5 ? 1 : 0;
    } catch (const Error&) {
    }
  }
  CHECK(accepted > 100);
  CHECK(accepted < 19000);
}

TEST_CASE("a safetensors file moves with its bytes, and is not copied") {
  static_assert(!std::is_copy_constructible_v<SafeTensors> && !std::is_copy_assignable_v<SafeTensors>);
  SafeTensors file(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2), "f");
  const std::uint8_t* before = file.at("a").bytes.data();
  const SafeTensors moved = std::move(file);
  CHECK(moved.at("a").bytes.data() == before);
  CHECK(moved.file_bytes().data() + moved.file_bytes().size() == before + 2);
}
