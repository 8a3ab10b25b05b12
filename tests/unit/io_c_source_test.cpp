// io/c_source.hpp: exported C compiles without a warning and computes the bytes of tflite_double.
#include <doctest/doctest.h>

#include <unistd.h>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/c_source.hpp"
#include "octavo/io/tflite.hpp"
#include "octavo/runtime/program_builder.hpp"
#include "runtime_nets.hpp"

namespace fs = std::filesystem;
using namespace octavo;
using namespace octavo::runtime;

namespace {

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("octavo_c_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

bool succeeds(const std::string& command) { return std::system((command + " > /dev/null 2>&1").c_str()) == 0; }

std::string c_type(DType dtype) { return dtype == DType::f32 ? "float" : dtype == DType::u8 ? "uint8_t" : "int8_t"; }
std::size_t bytes_of(const TensorInfo& tensor) {
  return static_cast<std::size_t>(data_bytes(tensor.dtype, tensor.shape));
}

// Compiles the program's C with `compiler`, runs it on `images` random images, and compares each output byte.
void check(Program program, const Folder& folder, const std::string& compiler, const std::string& launcher, int images,
           bool optimize) {
  CAPTURE(program.name);
  CAPTURE(compiler);
  use_tflite_kernels(program, TfliteKernels::litert);
  const std::string header = folder / "net.h";
  const CSourceSize size = export_c(program, header);
  CHECK(size.arena > 0);
  CHECK(size.constants > 0);
  const std::string flags =
      " -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror " + std::string(optimize ? "-O2" : "-O1");
  REQUIRE(succeeds(compiler + flags + " -ffreestanding -c -x c " + header + " -o " + (folder / "net.o")));

  const Model model(program, {.threads = 1});
  std::ofstream source(folder / "main.c");
  source << "#include <stdio.h>\n#include \"net.h\"\n"
         << "static " << c_type(model.input().dtype) << " in[NET_INPUT0_SIZE];\n"
         << "static " << c_type(model.output().dtype) << " out[NET_OUTPUT0_SIZE];\n"
         << "int main(void) {\n  FILE* f = fopen(\"" << folder / "in"
         << "\", \"rb\");\n  FILE* g = fopen(\"" << folder / "out"
         << "\", \"wb\");\n  if (!f || !g) return 1;\n"
         << "  while (fread(in, sizeof in, 1, f) == 1) {\n    net_run(in, out);\n    fwrite(out, sizeof out, 1, g);\n"
         << "  }\n  fclose(f);\n  return fclose(g);\n}\n";
  source.close();
  Rng rng(8);
  std::ofstream input(folder / "in", std::ios::binary);
  std::vector<std::uint8_t> expected;
  for (int i = 0; i < images; ++i) {
    std::vector<std::uint8_t> in(bytes_of(model.input()));
    if (model.input().dtype == DType::f32) {
      const std::vector<float> real = nets::random_floats(model.input().shape.size(), rng, -2.0F, 2.0F);
      std::copy_n(reinterpret_cast<const std::uint8_t*>(real.data()), in.size(), in.data());
    } else {
      for (std::uint8_t& byte : in) byte = static_cast<std::uint8_t>(rng.below(256));
    }
    input.write(reinterpret_cast<const char*>(in.data()), static_cast<std::streamsize>(in.size()));
    std::vector<std::uint8_t> out(bytes_of(model.output()));
    const auto n = static_cast<std::size_t>(model.input().shape.size());
    const auto m = static_cast<std::size_t>(model.output().shape.size());
    const auto from = [&]() -> ConstBuffer {
      if (model.input().dtype == DType::f32) return std::span(reinterpret_cast<const float*>(in.data()), n);
      if (model.input().dtype == DType::u8) return std::span<const std::uint8_t>(in);
      return std::span(reinterpret_cast<const std::int8_t*>(in.data()), n);
    }();
    const auto to = [&]() -> Buffer {
      if (model.output().dtype == DType::f32) return std::span(reinterpret_cast<float*>(out.data()), m);
      if (model.output().dtype == DType::u8) return std::span<std::uint8_t>(out);
      return std::span(reinterpret_cast<std::int8_t*>(out.data()), m);
    }();
    model.run({from}, {to});
    expected.insert(expected.end(), out.begin(), out.end());
  }
  input.close();
  REQUIRE(succeeds(compiler + " -std=c99 -O2 " + (folder / "main.c") + " -o " + (folder / "net")));
  REQUIRE(succeeds(launcher + (folder / "net")));
  std::ifstream file(folder / "out", std::ios::binary);
  const std::vector<std::uint8_t> found((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(found == expected);
}

// MobileNetV2's shape of network, int8 with a float border: a stem, inverted residuals with strides, a head.
Program small_mobilenet() {
  nets::Net net("mobilenet_v2_0.35_96", DType::i8, Rounding::tflite_double, 5);
  net.quantized_input({1, 96, 96, 3});
  net.conv("stem", 48, 48, 16, {.window = {3, 3, 2, 2, 1, 1, 0, 0}, .low = 0, .high = nets::Net::kSix});
  struct Block {
    std::int64_t expansion, channels, stride;
  };
  const Block blocks[] = {{1, 8, 1},  {6, 8, 2},  {6, 8, 1},  {6, 16, 2}, {6, 16, 1}, {6, 16, 1},
                          {6, 24, 2}, {6, 24, 1}, {6, 24, 1}, {6, 24, 1}, {6, 32, 1}, {6, 32, 1},
                          {6, 32, 1}, {6, 56, 2}, {6, 56, 1}, {6, 56, 1}, {6, 112, 1}};
  std::int64_t size = 48;
  std::int64_t channels = 16;
  int index = 0;
  for (const Block& block : blocks) {
    const std::string name = "block" + std::to_string(index++);
    const int skip = net.id;
    const std::int64_t wide = channels * block.expansion;
    if (block.expansion > 1) net.conv(name + "/expand", size, size, wide, {.low = 0, .high = nets::Net::kSix});
    const std::int64_t out = (size + block.stride - 1) / block.stride;
    const std::int64_t pad = block.stride == 2 && size % 2 == 0 ? 0 : 1;
    net.depthwise(name + "/depthwise", out, out, wide,
                  {.window = {3, 3, block.stride, block.stride, 1, 1, pad, pad}, .low = 0, .high = nets::Net::kSix});
    net.conv(name + "/project", out, out, block.channels, {});
    if (block.stride == 1 && channels == block.channels) net.pair(OpKind::add, name + "/add", skip);
    size = out;
    channels = block.channels;
  }
  net.conv("head", size, size, 1280, {.low = 0, .high = nets::Net::kSix});
  net.mean("mean");
  net.reshape("flat", {1, 1280});
  net.dense("logits", 9, {.per_tensor_weights = true});
  net.probabilities(OpKind::softmax, "softmax");
  net.dequantize();
  return net.finish();
}

}  // namespace

TEST_CASE("C source: the bytes of tflite_double, from x86-64 and from arm") {
  if (!succeeds("cc --version")) {
    std::cout << "no C compiler: nothing to compile\n";
    return;
  }
  const Folder folder;
  check(nets::everything(DType::i8, Rounding::tflite_double), folder, "cc", "", 5, true);
  check(small_mobilenet(), folder, "cc", "", 2, true);
  const char* data = std::getenv("OCTAVO_DATA");
  const fs::path vww = fs::path(data == nullptr ? "" : data) / "tflite" / "vww_96_int8.tflite";
  if (data != nullptr && fs::exists(vww))
    check(load_tflite_program(vww.string(), Rounding::tflite_double), folder, "cc", "", 5, true);
  else
    std::cout << "OCTAVO_DATA has no tflite/vww_96_int8.tflite: nothing to export\n";
  if (!succeeds("aarch64-linux-gnu-gcc --version") || !succeeds("qemu-aarch64 --version")) {
    std::cout << "no aarch64-linux-gnu-gcc with qemu-aarch64: not cross-compiled\n";
    return;
  }
  check(nets::everything(DType::i8, Rounding::tflite_double), folder, "aarch64-linux-gnu-gcc -static", "qemu-aarch64 ",
        3, true);
  check(small_mobilenet(), folder, "aarch64-linux-gnu-gcc -static", "qemu-aarch64 ", 1, true);
}

TEST_CASE("C source: uint8 models, spread and constant operands, shared inputs") {
  if (!succeeds("cc --version")) return;
  const Folder folder;
  ProgramBuilder b("border", Rounding::tflite_double);
  const Quantization grid = per_tensor(0.05F, 3);
  Quantization bytes = per_tensor(0.05F, 131, DType::u8);
  const int u8 = b.add_input("in", {1, 3, 4, 2}, DType::u8, bytes);
  const int x = b.add_op({.kind = OpKind::requantize, .name = "x"}, {u8}, {1, 3, 4, 2}, DType::i8, grid);
  const std::vector<std::int8_t> codes{100, -50};
  const int c = b.add_constant<std::int8_t>("c", DType::i8, {2}, codes, per_tensor(0.02F, -5));
  const int scaled = b.add_op({.kind = OpKind::mul, .name = "mul"}, {x, c}, {1, 3, 4, 2}, per_tensor(0.06F, 0));
  const int mean =
      b.add_op({.kind = OpKind::mean, .name = "mean", .axes = {2}}, {scaled}, {1, 3, 1, 2}, per_tensor(0.03F, 1));
  const int rest = b.add_op({.kind = OpKind::sub, .name = "sub"}, {scaled, mean}, {1, 3, 4, 2}, per_tensor(0.07F, 9));
  const int turned = b.add_op({.kind = OpKind::transpose, .name = "t", .axes = {0, 3, 1, 2}}, {rest}, {1, 2, 3, 4},
                              per_tensor(0.07F, 9));
  Op conv{.kind = OpKind::conv2d, .name = "conv"};
  conv.window = {2, 2, 1, 1, 1, 1, 0, 0};
  conv.legacy_uint8 = true;
  std::vector<std::int8_t> weights;
  for (int i = 0; i < 3 * 4 * 4; ++i) weights.push_back(static_cast<std::int8_t>(i * 37 % 251 - 125));
  const int w = b.add_constant<std::int8_t>("w", DType::i8, {3, 2, 2, 4}, weights, per_tensor(0.01F, -7));
  const int y = b.add_op(conv, {turned, w, -1}, {1, 1, 2, 3}, per_tensor(0.2F, -20));
  b.add_output(b.add_op({.kind = OpKind::requantize, .name = "out"}, {y}, {1, 1, 2, 3}, DType::u8,
                        per_tensor(0.2F, 108, DType::u8)));
  check(std::move(b).build(), folder, "cc", "", 20, false);
}

// What convert() makes: int8 logits, dequantize, softmax in float32.
TEST_CASE("C source: a float softmax at the end is left to the caller") {
  const auto classifier = [](bool whole) {
    nets::Net net("classifier", DType::i8, Rounding::nearest_even_f32, 6);
    net.quantized_input({1, 5, 5, 3});
    net.conv("conv", 5, 5, 7, {.window = {3, 3, 1, 1, 1, 1, 1, 1}});
    net.mean("pool");
    net.dense("head", 4, {});
    if (whole) {
      net.dequantize();
      net.id = net.builder.add_op({.kind = OpKind::softmax, .name = "softmax"}, {net.id}, {1, 4}, DType::f32);
    }
    return net.finish();
  };
  const Program whole = classifier(true);
  const Folder folder;
  const CSourceSize size = export_c(whole, folder / "net.h");
  CHECK(size.logits);
  const std::string text = io::read_text_file(folder / "net.h");
  CHECK(text.find("output0: int8_t, 1x4, real = ") != std::string::npos);
  CHECK(text.find("logits: the largest is the answer") != std::string::npos);
  // The same code as of a program that ends there; whose bytes are the runtime's.
  const Program integers = classifier(false);
  fs::create_directories(folder / "integers");
  CHECK_FALSE(export_c(integers, folder / "integers/net.h").logits);
  const std::string same = io::read_text_file(folder / "integers/net.h");
  CHECK(text.substr(text.find("#ifndef NET_H_")) == same.substr(same.find("#ifndef NET_H_")));
  if (succeeds("cc --version")) check(integers, folder, "cc", "", 10, false);
  // A float softmax in the middle is not the end.
  Program two = whole;
  two.outputs.push_back(two.ops.back().inputs[0]);
  CHECK_THROWS_WITH_AS(export_c(two, folder / "two.h"), doctest::Contains("softmax 'softmax': it computes in float"),
                       Error);
}

TEST_CASE("C source: names and refusals") {
  CHECK(io::c_source::prefix_of("out/weeds-v2.h") == "weeds_v2");
  CHECK(io::c_source::prefix_of("7.h") == "model_7");
  const Folder folder;
  try {
    export_c(nets::everything(DType::f32), folder / "float.h");
    FAIL("a float model has no C form");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("C source: pad 'pad'") != std::string::npos);
  }
  CHECK_FALSE(fs::exists(folder / "float.h"));
}
