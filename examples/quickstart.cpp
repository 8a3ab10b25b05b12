// examples/quickstart.cpp: the README's program: train a network, quantize it, save it, load it, run it.
//
// Reads Fashion-MNIST, ten kinds of clothes, 28 x 28 pixels: apt install dataset-fashion-mnist.
#include <filesystem>
#include <iostream>
#include <octavo/octavo.hpp>
#include <vector>

namespace oc = octavo;

int main() {
  if (!std::filesystem::exists(oc::kFashionMnistFolder)) {
    std::cout << "There is no " << oc::kFashionMnistFolder << ": apt install dataset-fashion-mnist\n";
    return 77;  // what test drivers take for "skipped"
  }
  const auto data = oc::fashion_mnist({}, {.size = 32, .channels = 1, .resize = oc::ResizeMethod::pad});
  const auto train = oc::take(data.train, 4000), test = oc::take(data.test, 500);

  auto model =
      oc::mobilenet_v2({.input = {32, 32, 1}, .alpha = 0.35, .classes = train.classes(), .batch_norm_momentum = 0.9F});
  oc::fit(model, train, {.epochs = 3, .optimizer = oc::Adam{.learning_rate = 3e-3}, .schedule = oc::Cosine{}});

  auto qat = oc::quantize_model(model);  // the same network, with int8 simulated while it trains on
  oc::fit(qat, train, {.epochs = 1, .optimizer = oc::Adam{.learning_rate = 1e-4}});

  auto int8 = oc::convert(qat, {.labels = train.class_names()});
  oc::save(int8, "clothes", {.preprocessing = oc::to_text(*train.preprocessing())});

  const auto deployed = oc::load("clothes");  // all that a deployed program does: see deploy.cpp
  std::vector<float> image(32 * 32), scores(static_cast<std::size_t>(train.classes()));
  int right = 0;
  for (int i = 0; i < test.size(); ++i) {
    test.load(i, image);
    deployed.run(image, scores);
    const auto best = oc::runtime::top_classes(scores, 1, deployed.program().labels)[0];
    right += static_cast<int>(best.index) == test.label(i) ? 1 : 0;
    if (i < 5) std::cout << test.class_names()[static_cast<std::size_t>(test.label(i))] << ": " << best.label << '\n';
  }
  std::cout << right << " of " << test.size() << " right with int8, from the folder clothes/\n";
  return 2 * right > test.size() ? 0 : 1;
}
