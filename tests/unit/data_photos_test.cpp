// Real data, where it is there: DeepWeeds' photos below OCTAVO_DATA, Fashion-MNIST in Debian's folder.
#include <octavo/data/deepweeds.hpp>
#include <octavo/data/idx.hpp>
#include <octavo/data/loader.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include "skip.hpp"

using namespace octavo;

TEST_CASE("DeepWeeds: 2,700 + 900 + 900 photos of nine classes") {
  const char* root = std::getenv("OCTAVO_DATA");
  if (root == nullptr || !std::filesystem::exists(std::filesystem::path(root) / "deepweeds")) {
    octavo_test::skip("no deepweeds/ below OCTAVO_DATA");
    return;
  }
  const Splits parts = deepweeds();
  CHECK(parts.train.class_counts() == std::vector<std::int64_t>(9, 300));
  CHECK(parts.validation.class_counts() == std::vector<std::int64_t>(9, 100));
  CHECK(parts.test.class_counts() == std::vector<std::int64_t>(9, 100));
  CHECK(parts.train.class_names().front() == "Chinee apple");
  CHECK(parts.train.class_names().back() == "Negative");
  CHECK(parts.train.image_shape() == Shape{224, 224, 3});
  CHECK(parts.train.preview(0).height == 256);
  Batch batch;
  load_batch(parts.test, std::vector<std::int64_t>{0, 300, 899}, batch);
  double sum = 0.0;
  float least = 9.0F;
  float most = -9.0F;
  for (const float value : values(batch.images)) {
    sum += static_cast<double>(value);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  CHECK(least >= -1.0F);
  CHECK(most <= 1.0F);
  CHECK(most - least > 1.5F);
  const double mean = sum / static_cast<double>(batch.images.size());
  CHECK(mean > -0.6);
  CHECK(mean < 0.4);
  // The cache differs by half a grey level at most.
  const Dataset few = subset(parts.train, {5, 1500, 2699});
  const Dataset kept = cached(few);
  std::vector<float> exact(224 * 224 * 3);
  std::vector<float> rounded(exact.size());
  float worst = 0.0F;
  for (std::int64_t i = 0; i < 3; ++i) {
    few.load(i, exact);
    kept.load(i, rounded);
    for (std::size_t k = 0; k < exact.size(); ++k) worst = std::max(worst, std::abs(exact[k] - rounded[k]));
  }
  CHECK(worst > 0.0F);
  CHECK(worst <= 0.5F / 127.5F + 1e-6F);
}

TEST_CASE("Fashion-MNIST: 60,000 + 10,000 images, 6,000 + 1,000 a class") {
  if (!std::filesystem::exists(kFashionMnistFolder)) {
    octavo_test::skip(std::string("no ") + kFashionMnistFolder);
    return;
  }
  const TrainTest data = fashion_mnist();
  CHECK(data.train.class_counts() == std::vector<std::int64_t>(10, 6000));
  CHECK(data.test.class_counts() == std::vector<std::int64_t>(10, 1000));
  // The mean over all training pixels is widely quoted: 72.94 of 255, or 0.2860.
  std::vector<float> image(784);
  double sum = 0.0;
  for (std::int64_t i = 0; i < data.train.size(); ++i) {
    data.train.load(i, image);
    for (const float value : image) sum += static_cast<double>(value);
  }
  CHECK(sum / (60000.0 * 784.0) == doctest::Approx(0.2860).epsilon(0.0005));
}
