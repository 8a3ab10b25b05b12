// Keras' HDF5 files: the forms of Keras 2 and 3, and damaged files.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "octavo/io/keras_h5.hpp"

using namespace octavo;

namespace {

nn::Graph small() {
  nn::Graph graph("small");
  int x = graph.input("x", {4, 4, 2});
  x = graph.add("first", nn::Conv2D({.filters = 2, .kernel = 1, .use_bias = false}), {x});
  x = graph.add("norm", nn::BatchNorm(), {x});
  x = graph.add("dw", nn::DepthwiseConv2D({.kernel = 2, .use_bias = false}), {x});
  graph.add("second", nn::Conv2D({.filters = 1, .kernel = 1}), {x});
  return graph;
}

// Writes arrays of 1, 2, 3, ... under their paths, groups as needed.
void write_h5(const std::string& path, const std::vector<std::pair<std::string, std::vector<hsize_t>>>& arrays) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(file >= 0);
  const hid_t groups = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(groups, 1);
  for (const auto& [name, extents] : arrays) {
    std::vector<float> values;
    hsize_t size = 1;
    for (const hsize_t extent : extents) size *= extent;
    for (hsize_t i = 0; i < size; ++i) values.push_back(static_cast<float>(i + 1));
    const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
    const hid_t set = H5Dcreate2(file, name.c_str(), H5T_NATIVE_FLOAT, space, groups, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(set >= 0);
    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Dclose(set);
    H5Sclose(space);
  }
  H5Pclose(groups);
  H5Fclose(file);
}

}  // namespace

TEST_CASE("weights of Keras 2, whole models, and .weights.h5 of Keras 3") {
  const std::string path =
      (std::filesystem::temp_directory_path() / (std::string("octavo-keras-") + std::to_string(::getpid()) + ".h5"))
          .string();
  const std::vector<std::pair<std::string, std::vector<hsize_t>>> keras2 = {{"first/first/kernel:0", {1, 1, 2, 2}},
                                                                            {"norm/norm/gamma:0", {2}},
                                                                            {"norm/norm/beta:0", {2}},
                                                                            {"norm/norm/moving_mean:0", {2}},
                                                                            {"norm/norm/moving_variance:0", {2}},
                                                                            {"dw/dw/depthwise_kernel:0", {2, 2, 2, 1}},
                                                                            {"second/second/kernel:0", {1, 1, 2, 1}},
                                                                            {"second/second/bias:0", {1}}};
  auto whole = keras2;
  for (auto& [name, extents] : whole) name = "model_weights/" + name;
  whole.push_back({"optimizer_weights/Adam/m/kernel:0", {3}});
  const std::vector<std::pair<std::string, std::vector<hsize_t>>> keras3 = {
      {"layers/conv2d/vars/0", {1, 1, 2, 2}},
      {"layers/batch_normalization/vars/0", {2}},
      {"layers/batch_normalization/vars/1", {2}},
      {"layers/batch_normalization/vars/2", {2}},
      {"layers/batch_normalization/vars/3", {2}},
      {"layers/depthwise_conv2d/vars/0", {2, 2, 2, 1}},
      {"layers/conv2d_1/vars/0", {1, 1, 2, 1}},
      {"layers/conv2d_1/vars/1", {1}},
      {"optimizer/vars/0", {4}}};
  for (const auto& arrays : {keras2, whole, keras3}) {
    write_h5(path, arrays);
    nn::Graph graph = small();
    CHECK(io::load_keras_h5(graph, path).arrays == 8);
    const float* kernel = graph.layer<nn::Conv2D>("first").kernel().value.data();  // out, in
    CHECK(kernel[1] == 3.0F);
    CHECK(kernel[2] == 2.0F);
    CHECK(graph.layer<nn::DepthwiseConv2D>("dw").kernel().value.data()[5] == 6.0F);
    CHECK(graph.layer<nn::BatchNorm>("norm").moving_variance().value.data()[1] == 2.0F);
  }
  const auto message = [&](const std::function<void()>& prepare) {
    prepare();
    nn::Graph graph = small();
    try {
      io::load_keras_h5(graph, path);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  auto lacking = keras3;
  lacking.erase(lacking.begin());
  CHECK(message([&] { write_h5(path, lacking); }).find("missing: first/kernel") != std::string::npos);
  CHECK(message([&] { std::ofstream(path) << "not HDF5"; }).find("cannot open the file") != std::string::npos);
  CHECK(message([&] { std::filesystem::remove(path); }).find("cannot open the file") != std::string::npos);
}
