// MobileNetV2's architecture and parameter counts, float and quantization-aware.
#include <doctest/doctest.h>

#include <map>
#include <sstream>
#include <string>

#include "octavo/compress/quantize_model.hpp"
#include "octavo/nn/models/mobilenet_v2.hpp"
#include "octavo/nn/summary.hpp"

using namespace octavo;

namespace {

std::int64_t parameters(const nn::MobileNetV2Options& options) {
  return nn::summarize(nn::mobilenet_v2(options)).parameters;
}

// A network as transfer learning has it: frozen backbone, head of 128, 128 and 9.
nn::Graph transfer_model() {
  nn::Graph model = nn::mobilenet_v2({.hidden = {128, 128}, .classes = 9});
  model.freeze();
  model.unfreeze("dense");
  return model;
}

}  // namespace

TEST_CASE("mobilenet_v2 has Keras' parameter counts") {
  CHECK(parameters({.classes = 0}) == 2257984);
  CHECK(parameters({}) == 3538984);
  CHECK(parameters({.hidden = {128, 128}, .classes = 9}) == 2439625);
}

TEST_CASE("mobilenet_v2 builds at every width and at odd sizes") {
  for (const double alpha : {0.35, 0.5, 0.75, 1.0, 1.3, 1.4})
    for (const std::int64_t size : {32, 33, 96, 97}) {
      CAPTURE(alpha);
      CAPTURE(size);
      const nn::Graph model = nn::mobilenet_v2({.input = {size, size, 3}, .alpha = alpha, .classes = 5});
      CHECK(model.output_shape() == Shape{1, 5});
      const std::int64_t last = (size + 31) / 32;
      CHECK(model.node(model.id_of("out_relu")).shape ==
            Shape{1, last, last, alpha > 1.0 ? (alpha > 1.35 ? 1792 : 1664) : 1280});
    }
}

TEST_CASE("mobilenet_v2 computes 300.8 million multiply-adds at 224 with 1000 classes") {
  const nn::Graph model = nn::mobilenet_v2({});
  CHECK(model.macs() > 300'000'000);
  CHECK(model.macs() < 301'500'000);
}

TEST_CASE("mobilenet_v2 rejects what it cannot build") {
  CHECK_THROWS_WITH_AS(static_cast<void>(nn::mobilenet_v2({.input = {31, 224, 3}})), doctest::Contains("31x224x3"),
                       Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(nn::mobilenet_v2({.alpha = 0.0})), doctest::Contains("alpha"), Error);
}

TEST_CASE("the float summary counts only the head as trainable") {
  const nn::Summary summary = nn::summarize(transfer_model());
  CHECK(summary.parameters == 2439625);
  CHECK(summary.trainable == 181641);
}

// The parameters of each row of the MobileNetV2 that TensorFlow Model Optimization's quantize_model makes.
TEST_CASE("quantize_model with the tfmot scheme has TensorFlow Model Optimization's parameters, row by row") {
  const nn::Graph model = transfer_model();
  const nn::Graph quantized = compress::quantize_model(model, Scheme::tfmot());
  const nn::Summary summary = nn::summarize(quantized);
  REQUIRE(summary.rows.size() == 160);
  std::map<std::string, int> kinds;
  for (const nn::SummaryRow& row : summary.rows) {
    CAPTURE(row.name);
    const std::string name = row.name.starts_with("quant_") ? row.name.substr(6) : row.name;
    const nn::Node& node = quantized.node(quantized.id_of(name));
    nn::Layer& layer = node.layer->inner();
    const std::int64_t c = node.shape.back();
    std::int64_t expected = 0;
    std::string kind(layer.type());
    if (kind == "InputLayer") {
      expected = 0;
    } else if (kind == "QuantizeLayer") {
      expected = 1 + 2;
    } else if (kind == "ZeroPadding2D") {
      expected = 1;
    } else if (kind == "Conv2D") {
      const auto& conv = *nn::layer_as<nn::Conv2D>(layer);
      expected = conv.options().kernel.height * conv.options().kernel.width * conv.geometry().in_c * c + 1 + 2 * c;
    } else if (kind == "DepthwiseConv2D") {
      expected = 9 * c + 1 + 2;
    } else if (kind == "BatchNormalization") {
      const bool projection = name.ends_with("project_BN");
      kind += projection ? " projection" : " inner";
      expected = 4 * c + 1 + (projection ? 2 : 0);
    } else if (kind == "Dense") {
      const std::int64_t in = quantized.node(node.inputs[0]).shape.back();
      expected = in * c + c + 1 + 2 + 2;
    } else {
      expected = 1 + 2;
    }
    ++kinds[kind];
    CHECK(row.parameters == expected);
  }
  CHECK(kinds == std::map<std::string, int>{{"InputLayer", 1},
                                            {"QuantizeLayer", 1},
                                            {"ZeroPadding2D", 5},
                                            {"Conv2D", 35},
                                            {"DepthwiseConv2D", 17},
                                            {"BatchNormalization inner", 35},
                                            {"BatchNormalization projection", 17},
                                            {"ReLU", 35},
                                            {"Add", 10},
                                            {"GlobalAveragePooling2D", 1},
                                            {"Dense", 3}});
  CHECK(summary.parameters == 2459798);
  CHECK(summary.trainable == 2371401);
  CHECK(summary.parameters - summary.trainable == 88397);
}

TEST_CASE("the default scheme keeps frozen layers frozen") {
  const nn::Summary summary = nn::summarize(compress::quantize_model(transfer_model()));
  CHECK(summary.trainable == 181641);
}

TEST_CASE("the printed summary has Keras' layout") {
  std::ostringstream text;
  text << nn::summarize(compress::quantize_model(transfer_model(), Scheme::tfmot()));
  CHECK(text.str().find("quant_Conv1_pad (QuantizeWrappe (None, 225, 225, 3)  1           quantize_layer[0][0]") !=
        std::string::npos);
  CHECK(text.str().find("Total params: 2,459,798\nTrainable params: 2,371,401\nNon-trainable params: 88,397\n") !=
        std::string::npos);
}

TEST_CASE("a quantization-aware graph is not quantized again") {
  const nn::Graph quantized = compress::quantize_model(transfer_model());
  CHECK_THROWS_WITH_AS(static_cast<void>(compress::quantize_model(quantized)), doctest::Contains("already"), Error);
}
