// Pretrained weights by name: the tables, the layouts, the padding, and what is said when a file does not fit.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "octavo/io/pretrained.hpp"
#include "octavo/nn/executor.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"

using namespace octavo;

namespace {

io::NameFamily family(std::string_view name) {
  for (const io::NameFamily& one : io::detail::kFamilies)
    if (one.name == name) return one;
  FAIL("no family " << name);
  return {};
}

float value_at(const nn::Parameter& p, std::size_t i) { return p.value.data()[i]; }

// Numbers that tell where each element went.
io::WeightArray counting(const Shape& shape, float start = 0) {
  io::WeightArray array{shape, {}};
  for (std::int64_t i = 0; i < shape.size(); ++i) array.values.push_back(start + static_cast<float>(i));
  return array;
}

// conv 3 -> 4, batch norm, depthwise, dense; Keras' names are ours.
nn::Graph small() {
  nn::Graph graph("small");
  int x = graph.input("x", {5, 5, 3});
  x = graph.add("conv", nn::Conv2D({.filters = 4, .kernel = {2, 3}}), {x});
  x = graph.add("norm", nn::BatchNorm(), {x});
  x = graph.add("dw", nn::DepthwiseConv2D({.kernel = 3, .use_bias = false}), {x});
  x = graph.add("mean", nn::GlobalAveragePooling2D(), {x});
  graph.add("dense", nn::Dense({.units = 2}), {x});
  return graph;
}
io::WeightSet small_weights() {
  io::WeightSet set{"weights", {}};
  set.arrays["conv/kernel"] = counting({2, 3, 3, 4});
  set.arrays["conv/bias"] = counting({4}, 7);
  for (const char* name : {"gamma", "beta", "moving_mean", "moving_variance"})
    set.arrays[std::string("norm/") + name] = counting({4}, 1);
  set.arrays["dw/depthwise_kernel"] = counting({3, 3, 4, 1});
  set.arrays["dense/kernel"] = counting({4, 2});
  set.arrays["dense/bias"] = counting({2});
  return set;
}

std::string message_of(nn::Graph& graph, const io::WeightSet& set, const io::PretrainedOptions& options = {}) {
  try {
    io::load_pretrained(graph, set, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what the frameworks call MobileNetV2's parameters") {
  struct Case {
    const char *layer, *parameter, *torchvision, *timm;
  };
  const Case cases[] = {
      {"Conv1", "kernel", "features.0.0.weight", "conv_stem.weight"},
      {"bn_Conv1", "moving_variance", "features.0.1.running_var", "bn1.running_var"},
      {"expanded_conv_project", "kernel", "features.1.conv.1.weight", "blocks.0.0.conv_pw.weight"},
      {"block_1_expand", "kernel", "features.2.conv.0.0.weight", "blocks.1.0.conv_pw.weight"},
      {"block_5_depthwise", "kernel", "features.6.conv.1.0.weight", "blocks.2.2.conv_dw.weight"},
      {"block_13_project_BN", "gamma", "features.14.conv.3.weight", "blocks.5.0.bn3.weight"},
      {"block_16_expand_BN", "beta", "features.17.conv.0.1.bias", "blocks.6.0.bn1.bias"},
      {"Conv_1_bn", "moving_mean", "features.18.1.running_mean", "bn2.running_mean"},
      {"predictions", "bias", "classifier.1.bias", "classifier.bias"},
      {"my_layer", "kernel", "", ""},
  };
  for (const Case& c : cases) {
    CHECK(io::name_in(family("torchvision"), c.layer, c.parameter, false) == c.torchvision);
    CHECK(io::name_in(family("timm"), c.layer, c.parameter, false) == c.timm);
  }
  CHECK(io::name_in(family("Keras"), "block_5_depthwise", "kernel", true) == "block_5_depthwise/depthwise_kernel");
  CHECK(io::name_in(family("Keras"), "any", "moving_mean", false) == "any/moving_mean");
}

TEST_CASE("Keras' layouts: HWIO, HWCM and [in][out]; from safetensors and .npy files") {
  const io::WeightSet set = small_weights();
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / (std::string("octavo-pretrained-") + std::to_string(::getpid()));
  std::vector<io::NamedView> views;
  for (const auto& [name, array] : set.arrays) {
    views.push_back({name + ":0",
                     {io::ElementType::f32,
                      array.shape,
                      {reinterpret_cast<const std::uint8_t*>(array.values.data()), array.values.size() * 4}}});
    std::filesystem::create_directories((folder / "npy" / name).parent_path());
    io::write_npy((folder / "npy" / (name + ".npy")).string(), array.shape, array.values);
  }
  io::write_safetensors((folder / "w.safetensors").string(), views);
  for (const char* file : {"w.safetensors", "npy"}) {
    nn::Graph graph = small();
    const io::Pretrained loaded = io::load_pretrained(graph, (folder / file).string(), {.freeze = true});
    CHECK(loaded.arrays == 9);
    CHECK(loaded.head);
    CHECK(loaded.family == "Keras");
    CHECK_FALSE(loaded.moved_padding);
    const auto& kernel = graph.layer<nn::Conv2D>("conv").kernel();
    for (std::size_t o = 0; o < 4; ++o)
      for (std::size_t t = 0; t < 6; ++t)
        for (std::size_t i = 0; i < 3; ++i)
          CHECK(value_at(kernel, (o * 6 + t) * 3 + i) == static_cast<float>((t * 3 + i) * 4 + o));
    CHECK(value_at(graph.layer<nn::DepthwiseConv2D>("dw").kernel(), 17) == 17.0F);
    CHECK(value_at(graph.layer<nn::Dense>("dense").kernel(), 5) == 3.0F);  // [1][1]: in 1, out 1
    CHECK(value_at(graph.layer<nn::BatchNorm>("norm").gamma(), 2) == 3.0F);
    CHECK(graph.node(graph.id_of("conv")).frozen);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("torchvision's arrays: OIHW, another epsilon, margins in front") {
  const nn::MobileNetV2Options options{.input = {32, 32, 3}, .alpha = 0.35, .classes = 3};
  nn::Graph graph = nn::mobilenet_v2(options);
  io::WeightSet set{"tv", {}};
  for (const auto& target : io::detail::pretrained_targets(graph, family("torchvision")))
    set.arrays[target.name] = counting(target.shape, 1);
  set.arrays["features.0.1.num_batches_tracked"] = counting({}, 0);
  const io::Pretrained loaded = io::load_pretrained(graph, set);
  CHECK(loaded.family == "torchvision");
  CHECK(loaded.arrays == 262);
  CHECK(loaded.moved_padding);
  CHECK(graph.layer<nn::ZeroPadding2D>("Conv1_pad").margins() == nn::Margins{1, 0, 1, 0});
  CHECK(set.arrays["features.0.0.weight"].shape == Shape{16, 3, 3, 3});
  const auto& stem = graph.layer<nn::Conv2D>("Conv1").kernel();
  CHECK(value_at(stem, (5 * 9 + 4) * 3 + 2) == static_cast<float>(1 + (5 * 3 + 2) * 9 + 4));  // out 5, centre, blue
  CHECK(set.arrays["features.2.conv.1.0.weight"].shape == Shape{48, 1, 3, 3});
  CHECK(value_at(graph.layer<nn::DepthwiseConv2D>("block_1_depthwise").kernel(), 4 * 48 + 7) ==
        static_cast<float>(1 + 7 * 9 + 4));
  auto& norm = graph.layer<nn::BatchNorm>("bn_Conv1");  // gamma 2, variance 2 in channel 1
  CHECK(norm.inference_gain(1) == doctest::Approx(2.0 / std::sqrt(2.0 + 1e-5)));

  nn::MobileNetV2Options other = options;
  other.classes = 9;
  nn::Graph nine = nn::mobilenet_v2(other);
  CHECK_FALSE(io::load_pretrained(nine, set).head);
  CHECK(message_of(nine, set, {.require_head = true}).find("classifier.1.weight (expected 9x1280, found 3x1280)") !=
        std::string::npos);
}

TEST_CASE("missing, surplus and mis-shaped arrays stand in one message, and nothing is changed") {
  nn::Graph graph = small();
  const Tensor before = graph.layer<nn::Conv2D>("conv").kernel().value;
  io::WeightSet set = small_weights();
  set.arrays.erase("norm/beta");
  set.arrays.erase("conv/bias");
  set.arrays["dw/depthwise_kernel"] = counting({3, 3, 5, 1});
  set.arrays["other/kernel"] = counting({1});
  const std::string message = message_of(graph, set);
  CHECK(message ==
        "'weights' (Keras's names) does not fit 'small': missing: conv/bias, norm/beta; of another shape: "
        "dw/depthwise_kernel (expected 3x3x4x1, found 3x3x5x1); surplus: other/kernel");
  CHECK(graph.layer<nn::Conv2D>("conv").kernel().value == before);
  CHECK(message_of(graph, io::WeightSet{"none", {{"a", counting({1})}}}).find("none of its 1 arrays has a name") !=
        std::string::npos);
  CHECK_THROWS_AS(io::load_pretrained(graph, std::string("model.h5")), Error);
}
