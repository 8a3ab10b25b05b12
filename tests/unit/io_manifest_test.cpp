// io/manifest.hpp: what is saved is loaded; damaged folders are refused; unknown members survive; the schema's words.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/io/manifest_impl.hpp"
#include "octavo/runtime.hpp"
#include "runtime_nets.hpp"

namespace fs = std::filesystem;
using namespace nets;
using io::Json;
using io::parse_json;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("octavo_io_manifest_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::remove_all(path), fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name) const { return path / name; }
};

bool same_tensor(const TensorInfo& a, const TensorInfo& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.quantization == b.quantization &&
         a.data == b.data;
}

bool same_op(const Op& a, const Op& b) {
  return a.kind == b.kind && a.name == b.name && a.inputs == b.inputs && a.outputs == b.outputs &&
         a.window == b.window && a.groups == b.groups && a.clamp_low == b.clamp_low && a.clamp_high == b.clamp_high &&
         a.pad_top == b.pad_top && a.pad_bottom == b.pad_bottom && a.pad_left == b.pad_left &&
         a.pad_right == b.pad_right && a.axis == b.axis && a.beta == b.beta;
}

bool same_program(const Program& a, const Program& b) {
  return a.name == b.name && a.rounding == b.rounding && a.inputs == b.inputs && a.outputs == b.outputs &&
         a.labels == b.labels && a.metadata == b.metadata &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(), same_tensor) &&
         std::equal(a.ops.begin(), a.ops.end(), b.ops.begin(), b.ops.end(), same_op);
}

// int4 weights beside int8 ones, a wide bias, uint8 at the border.
Program with_int4() {
  Net net("int4", DType::i8, Rounding::tflite_double, 5);
  net.input({1, 5, 5, 3});
  net.conv("conv", 5, 5, 6, {.window = {3, 3, 1, 1, 1, 1, 1, 1}});
  Program program = net.finish();
  TensorInfo& w = program.tensors[1];
  w.dtype = DType::i4;
  w.quantization.bits = 4, w.quantization.qmin = -8, w.quantization.qmax = 7;
  w.data.resize(6 * 14);
  return program;
}

Program hybrid() {
  Net net("hybrid", DType::f32, Rounding::nearest_even_f32, 5);
  net.input({1, 6, 6, 4});
  net.conv("conv", 6, 6, 9, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .low = 0, .high = 6, .hybrid = true});
  return net.finish();
}

// The message with which the folder is refused after `damage` was done to the manifest; "accepted" when it is not.
std::string refusal(const std::string& folder, const std::function<void(Json&)>& damage,
                    const io::LoadOptions& options = {}) {
  const std::string path = folder + "/manifest.json";
  const std::string text = io::read_text_file(path);
  Json manifest = parse_json(text);
  damage(manifest);
  io::write_file(path, manifest.dump());
  std::string message = "accepted";
  try {
    (void)load(folder, options);
  } catch (const Error& error) {
    message = error.what();
  }
  io::write_file(path, text);
  return message;
}

Json& member(Json& json, const std::string& key) { return const_cast<Json&>(json.at(key)); }
Json& named(Json& json, const std::string& list, const std::string& name) {
  for (Json& element : member(json, list).array())
    if (element.at("name").string() == name) return element;
  FAIL("no " << name);
  return json;
}

}  // namespace

TEST_CASE("manifest: every program survives") {
  const TemporaryFolder folder;
  std::vector<Program> programs = {everything(DType::f32), with_int4(), hybrid()};
  for (const Rounding rounding : kAllRoundings) programs.push_back(everything(DType::i8, rounding));
  for (const Program& program : programs) {
    CAPTURE(program.name);
    const std::string path = folder.file(program.name);
    save(program, path);
    CHECK(fs::exists(path + "/manifest.json"));
    CHECK(fs::exists(path + "/weights.safetensors"));
    CHECK(std::distance(fs::directory_iterator(path), fs::directory_iterator()) == 2);
    const Model model = load(path, {.verify = true});
    CHECK(same_program(model.program(), program));
    // And again: the second generation's files are the first's.
    const std::string first = io::read_text_file(path + "/manifest.json");
    save(model, path);
    CHECK(io::read_text_file(path + "/manifest.json") == first);
  }
}

TEST_CASE("manifest: labels, preprocessing, accuracy and free text") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  io::SaveOptions options;
  options.labels = {"a", "b", "c", "d", "\"e\" \n"};
  options.preprocessing = {{"height", "9"},
                           {"scale", "0.00784313772 0.00784313772 0.00784313772"},
                           {"offset", "-1 -1 -1"},
                           {"resize", "bilinear"},
                           {"keep_aspect", "true"}};
  options.accuracy = {{"value", "0.9125"}, {"images", "900"}, {"dataset", "weeds"}};
  options.metadata = {{"author", "somebody"}, {"number", "12"}};
  save(everything(DType::i8), path, options);
  const Json manifest = parse_json(io::read_text_file(path + "/manifest.json"));
  CHECK(manifest.at("preprocessing").at("height").integer() == 9);
  CHECK(manifest.at("preprocessing").at("scale").array().size() == 3);
  CHECK(manifest.at("preprocessing").at("keep_aspect").boolean());
  CHECK(manifest.at("accuracy").at("value").number() == 0.9125);
  CHECK(manifest.at("metadata").at("number").string() == "12");
  const Program program = io::load_program(path);
  CHECK(program.labels == options.labels);
  CHECK(io::fields_of(program, "preprocessing") == options.preprocessing);
  CHECK(io::fields_of(program, "accuracy") == options.accuracy);
  CHECK(program.metadata.at("author") == "somebody");
  // The self-test's image covers the range that the preprocessing gives.
  const Json& input = manifest.at("self_test").at("inputs").array()[0];
  CHECK(input.at("low").number() == -1.0);
  CHECK(input.at("high").number() == doctest::Approx(1.0));
}

TEST_CASE("manifest: what other readers need is there: layouts, multipliers in the named mode, checksums") {
  const TemporaryFolder folder;
  for (const Rounding rounding : {Rounding::nearest_even_f32, Rounding::tflite_double}) {
    const std::string path = folder.file("a");
    save(everything(DType::i8, rounding), path);
    const Json manifest = parse_json(io::read_text_file(path + "/manifest.json"));
    const io::SafeTensors weights = io::read_safetensors(path + "/weights.safetensors");
    CHECK(manifest.at("rounding_mode").string() == name_of(rounding));
    CHECK(manifest.at("weights").at("sha256").string() == io::sha256_hex(weights.file_bytes()));
    io::TreeOfStream tree;
    tree.update(weights.file_bytes());
    CHECK(manifest.at("weights").at("sha256_tree").string() == tree.hex());
    for (const Json& op : manifest.at("ops").array()) {
      if (op.at("name").string() != "conv") continue;
      CHECK(op.at("kernel") == Json(std::vector<int>{3, 3}));
      CHECK(op.at("padding") == Json(std::vector<int>{0, 1, 0, 0}));
      CHECK(op.at("activation").at("high").number() == 6.0);
      const Json& stage = op.at("requantization");
      CHECK(stage.at("code_range") == Json(std::vector<int>{5, 127}));  // zero point 5, 6 / 0.025 above it
      const io::ArrayView& multiplier = weights.at(stage.at("multiplier").string());
      CHECK(multiplier.shape == Shape{8});
      CHECK(multiplier.type == (rounding == Rounding::tflite_double ? io::ElementType::i32 : io::ElementType::f32));
      CHECK((stage.find("shift") != nullptr) == (rounding == Rounding::tflite_double));
    }
    for (const Json& tensor : manifest.at("tensors").array()) {
      if (tensor.at("name").string() == "depthwise/weights") CHECK(tensor.at("layout").string() == "1HWC");
      if (tensor.at("name").string() == "conv/weights") CHECK(tensor.at("layout").string() == "OHWI");
      if (tensor.at("name").string() == "logits/weights") CHECK(tensor.at("layout").string() == "OI");
    }
  }
}

TEST_CASE("manifest: members that nobody here knows are kept") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  save(everything(DType::i8), path);
  Json manifest = parse_json(io::read_text_file(path + "/manifest.json"));
  const Json extra = parse_json(R"({"deep": [1, {"x": null}], "text": "é"})");
  manifest.set("vendor", extra);
  named(manifest, "tensors", "conv").set("observed_range", extra);
  named(manifest, "ops", "conv").set("note", "kept");
  io::write_file(path + "/manifest.json", manifest.dump(1));
  save(load(path), folder.file("b"));
  Json again = parse_json(io::read_text_file(folder.file("b") + "/manifest.json"));
  CHECK(again.at("vendor") == extra);
  CHECK(named(again, "tensors", "conv").at("observed_range") == extra);
  CHECK(named(again, "ops", "conv").at("note").string() == "kept");
  CHECK(same_program(io::load_program(path), io::load_program(folder.file("b"))));
}

TEST_CASE("manifest: a self-test with a given image; a wrong output is found") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  io::SaveOptions options;
  options.self_test_inputs = {std::vector<float>(189, 0.5F)};
  save(everything(DType::i8), path, options);
  CHECK_NOTHROW((void)load(path, {.verify = true}));
  io::LoadOptions verify{.checksum = false, .verify = true};
  // Change one code of the weights: the checksum sees it, and without checksum the self-test does.
  std::string bytes = io::read_text_file(path + "/weights.safetensors");
  const io::SafeTensors weights = io::read_safetensors(path + "/weights.safetensors");
  const auto at = static_cast<std::size_t>(weights.at("logits/weights").bytes.data() - weights.file_bytes().data());
  for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = 90;
  io::write_file(path + "/weights.safetensors", bytes);
  CHECK(refusal(path, [](Json&) {}).find("expected SHA-256") != std::string::npos);
  CHECK(refusal(
            path, [](Json&) {}, verify)
            .find("self-test of 'everything': output 'dequantize' element") != std::string::npos);
  CHECK_NOTHROW((void)load(path, {.checksum = false}));
  options.self_test_inputs = {std::vector<float>(3, 0.5F)};
  CHECK_THROWS_AS(save(everything(DType::i8), path, options), Error);
  options = {};
  options.self_test = false;
  save(everything(DType::f32), path, options);
  CHECK(refusal(
            path, [](Json&) {}, verify)
            .find("there is no self-test") != std::string::npos);
  CHECK_NOTHROW((void)load(path));
}

TEST_CASE("manifest: damage is refused with file and place") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  save(everything(DType::i8), path);
  const auto says = [&](const std::function<void(Json&)>& damage, const std::string& what) {
    const std::string message = refusal(path, damage);
    CHECK_MESSAGE(message.find(what) != std::string::npos, message);
    CHECK(message.find(path) != std::string::npos);
  };
  says([](Json& m) { m.set("version", 2); }, "the manifest has version 2, this library reads 1 to 1");
  says([](Json& m) { m.set("format", "other"); }, "this is no octavo-model manifest");
  says([](Json& m) { m.set("rounding_mode", "up"); }, "rounding mode 'up' is unknown");
  says([](Json& m) { m.set("inputs", Json::Array{"nobody"}); }, "there is no tensor 'nobody'");
  says([](Json& m) { named(m, "tensors", "conv").set("dtype", "int9"); }, "'conv': dtype 'int9' is unknown");
  says([](Json& m) { named(m, "tensors", "conv").set("shape", Json::Array{1, -5}); }, "negative");
  says(
      [](Json& m) {
        named(m, "tensors", "conv").set("shape", Json::Array{1, 1 << 24, 1 << 24, 1 << 24});
      },
      "more than");
  says([](Json& m) { named(m, "tensors", "conv/weights").set("data", "conv/bias"); },
       "'conv/weights': array 'conv/bias': expected 8x3x3x3 of I8");
  says([](Json& m) { named(m, "tensors", "conv/weights").set("data", "missing"); }, "no array 'missing'");
  says([](Json& m) { member(named(m, "tensors", "add"), "quantization").set("scale", 0.5); },
       "does not follow from the scales");
  says([](Json& m) { member(named(m, "tensors", "conv"), "quantization").set("scale", "conv:multiplier"); },
       "expected one scale of 'conv'");
  const auto factors = [](const char* input, const char* weights) {
    return [=](Json& m) {
      member(named(m, "tensors", "conv/bias"), "quantization").set("scale_of", Json::Array{input, weights});
    };
  };
  says(factors("nobody", "conv/weights"), "'conv/bias': there is no tensor 'nobody'");
  says(factors("pad", "conv/bias"), "some of 'conv/bias', found 1 and 0");
  says(factors("conv", "conv/weights"), "bias");  // another grid than input * weights
  says([](Json& m) { member(named(m, "tensors", "conv"), "quantization").set("zero_point", 1000); }, "zero point 1000");
  says([](Json& m) { named(m, "ops", "conv").set("kind", "conv3d"); }, "'conv': operator kind 'conv3d' is unknown");
  says([](Json& m) { named(m, "ops", "conv").set("stride", Json::Array{2}); }, "expected 2 numbers, found 1");
  says(
      [](Json& m) {
        named(m, "ops", "conv").set("stride", Json::Array{1, 2});
      },
      "conv2d 'conv': output rows: expected 8 to 10, found 5");
  says([](Json& m) { named(m, "ops", "conv").set("inputs", Json::Array{"pad", nullptr, nullptr}); }, "no tensor -1");
  says([](Json& m) { named(m, "ops", "conv").object().erase(named(m, "ops", "conv").object().begin()); }, "ops[2]");
  says([](Json& m) { member(m, "weights").set("file", "../a/weights.safetensors"); }, "is no file name in the folder");
  says([](Json& m) { member(m, "weights").set("bytes", 5); }, "expected 5 bytes");
  says([](Json& m) { m.set("ops", 5); }, "expected an array, found an integer");
  CHECK_THROWS_WITH_AS(
      (void)load(folder.file("nothing")),
      ("cannot open '" + folder.file("nothing") + "/manifest.json': No such file or directory").c_str(), Error);
}

TEST_CASE("manifest: a bias whose array of zero points is empty is refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  save(everything(DType::i8), path);
  const io::SafeTensors weights = io::read_safetensors(path + "/weights.safetensors");
  std::vector<io::NamedView> arrays = {{"none", {io::ElementType::i32, {0}, {}}}};
  for (const auto& [name, array] : weights.arrays()) arrays.push_back({name, array});
  io::write_safetensors(folder.file("w.safetensors"), arrays);
  Json manifest = parse_json(io::read_text_file(path + "/manifest.json"));
  member(named(manifest, "tensors", "conv/bias"), "quantization").set("zero_point", "none");
  io::detail::ModelFiles files{std::move(manifest), io::read_safetensors(folder.file("w.safetensors"))};
  std::string message;
  try {
    (void)io::detail::read_program("memory", files);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK_MESSAGE(message.find("'conv/bias': zero_point: expected at least one number") != std::string::npos, message);
}

TEST_CASE("manifest: 4,000 damaged manifests and weights are loaded or refused, nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  save(hybrid(), folder.file("h"));
  save(everything(DType::i8, Rounding::tflite_single), path);
  Rng rng(23);
  int accepted = 0;
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string source = round % 4 == 0 ? folder.file("h") : path;
    std::string manifest = io::read_text_file(source + "/manifest.json");
    std::string weights = io::read_text_file(source + "/weights.safetensors");
    std::string& victim = round % 8 == 7 ? weights : manifest;
    for (std::uint64_t edit = 1 + rng.below(3); edit > 0; --edit) {
      const auto at = static_cast<std::size_t>(rng.below(victim.size()));
      constexpr std::string_view alphabet = "0123456789-.,:[]{}\"enul";
      if (rng.below(4) == 0)
        victim.erase(at, static_cast<std::size_t>(1 + rng.below(6)));
      else
        victim[at] = alphabet[static_cast<std::size_t>(rng.below(alphabet.size()))];
    }
    try {
      io::Bytes bytes(weights.size());
      std::memcpy(bytes.data(), weights.data(), weights.size());
      io::detail::ModelFiles files{parse_json(manifest), io::SafeTensors(std::move(bytes), "weights")};
      const Program program = io::detail::read_program("memory", files);
      (void)Model(program, {.threads = 1, .max_arena_bytes = 1 << 24});
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 1000);
}

TEST_CASE("manifest: follows the schema's required and known words") {
  // docs/manifest.schema.json lies beside the tests in the tree; installed tests have none.
  const fs::path schema_path = fs::path(__FILE__).parent_path() / ".." / ".." / "docs" / "manifest.schema.json";
  if (!fs::exists(schema_path)) {
    MESSAGE("no " << schema_path.string());
    return;
  }
  const Json schema = parse_json(io::read_text_file(schema_path));
  CHECK(schema.at("$schema").string() == "https://json-schema.org/draft/2020-12/schema");
  // Objects: all required members are there, and each one that is there is described; recursively.
  int objects = 0;
  const std::function<void(const Json&, const Json&, const std::string&)> check =
      [&](const Json& value, const Json& rule, const std::string& at) {
        CAPTURE(at);
        if (const Json* reference = rule.find("$ref")) {
          const std::string name = reference->string().substr(std::string("#/$defs/").size());
          return check(value, schema.at("$defs").at(name), at);
        }
        if (const Json* choices = rule.find("enum")) {
          bool found = false;
          for (const Json& choice : choices->array()) found = found || choice == value;
          CHECK(found);
        }
        if (const Json* constant = rule.find("const")) CHECK(*constant == value);
        if (value.is_array() && rule.find("items") != nullptr)
          for (const Json& element : value.array()) check(element, rule.at("items"), at + "[]");
        if (!value.is_object()) return;
        ++objects;
        if (const Json* required = rule.find("required"))
          for (const Json& key : required->array()) CHECK_MESSAGE(value.find(key.string()) != nullptr, key.string());
        const Json* properties = rule.find("properties");
        if (properties == nullptr) return;
        for (const Json::Member& member : value.object()) {
          const std::string& key = member.first;
          CHECK_MESSAGE(properties->find(key) != nullptr, key);
          if (const Json* inner_rule = properties->find(key)) check(member.second, *inner_rule, at + "." + key);
        }
      };
  const TemporaryFolder folder;
  std::vector<Program> programs = {everything(DType::f32), with_int4(), hybrid()};
  for (const Rounding rounding : kAllRoundings) programs.push_back(everything(DType::i8, rounding));
  for (const Program& program : programs) {
    save(program, folder.file("a"),
         {.labels = {}, .preprocessing = {{"height", "9"}}, .accuracy = {{"value", "0.5"}}, .metadata = {{"a", "b"}}});
    const Json manifest = parse_json(io::read_text_file(folder.file("a") + "/manifest.json"));
    check(manifest, schema, "manifest");
    // Each described top member is written by some program (labels need a label list).
    for (const Json::Member& member : schema.at("properties").object()) {
      const std::string& key = member.first;
      if (key != "labels") CHECK_MESSAGE(manifest.find(key) != nullptr, key);
    }
  }
  CHECK(objects > 300);
}
