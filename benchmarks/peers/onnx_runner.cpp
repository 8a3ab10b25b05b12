// What check_onnx.py compares: Octavo's side of each model.
//
//   onnx_runner graph MODEL.onnx IN.npy OUT.npy      a float model as an nn::Graph
//   onnx_runner program MODEL.onnx IN.npy OUT.npy    any model as a runtime::Program
//   onnx_runner export MODEL.onnx IN.npy PREFIX      a float model, written again: PREFIX_f32.onnx, and quantized with
//                                                    IN for calibration PREFIX_i8.onnx, PREFIX_u8.onnx; their outputs
//                                                    on IN: PREFIX_f32.npy, PREFIX_i8.npy (the logits of a softmax)
// Arrays are float32, all images one after the other, NHWC.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <octavo/compress/calibrate.hpp>
#include <octavo/io/npy.hpp>
#include <octavo/io/onnx.hpp>
#include <octavo/nn/executor.hpp>
#include <octavo/runtime/model.hpp>
#include <string>
#include <vector>

namespace oc = octavo;

namespace {

struct Images {
  oc::Shape shape;
  std::vector<float> values;

  explicit Images(const std::string& path) {
    const oc::io::NpyArray array = oc::io::read_npy(path);
    shape = array.shape;
    values = array.floats();
  }
  [[nodiscard]] oc::Tensor batch(std::int64_t first, std::int64_t count) const {
    oc::Tensor tensor = oc::make_tensor(shape.with_batch(count));
    const std::int64_t each = shape.size() / shape[0];
    std::copy_n(values.begin() + first * each, count * each, tensor.begin());
    return tensor;
  }
};

void run_program(const oc::runtime::Program& program, const Images& images, const std::string& out) {
  oc::Shape shape = oc::runtime::tensor_at(program, program.outputs[0]).shape;
  shape[0] = images.shape[0];
  std::vector<float> output(static_cast<std::size_t>(shape.size()));
  const oc::runtime::Model model(program);
  model.run(std::span<const float>(images.values), std::span<float>(output));
  oc::io::write_npy(out, shape, output);
}

void run_graph(const std::string& model, const Images& images, const std::string& out) {
  oc::nn::Graph graph = oc::io::load_onnx_graph(model);
  oc::nn::Executor executor(graph);
  std::vector<float> output;
  for (std::int64_t i = 0; i < images.shape[0]; ++i) {
    const oc::Tensor image = images.batch(i, 1);
    const oc::Tensor& y = executor.forward(image);
    output.insert(output.end(), y.begin(), y.end());
  }
  oc::io::write_npy(out, graph.output_shape().with_batch(images.shape[0]), output);
  std::map<std::string, int> layers;
  for (const oc::nn::Node& node : graph.nodes()) ++layers[std::string(node.layer->type())];
  for (const auto& [type, count] : layers) std::cout << type << ':' << count << ' ';
  std::cout << '\n';
}

// The program without a softmax at its end: its output is the logits.
oc::runtime::Program up_to_logits(oc::runtime::Program program) {
  if (program.ops.back().kind != oc::runtime::OpKind::softmax) return program;
  const int probabilities = program.ops.back().outputs[0];
  program.outputs = program.ops.back().inputs;
  program.ops.pop_back();
  if (program.outputs[0] > probabilities) --program.outputs[0];
  program.tensors.erase(program.tensors.begin() + probabilities);
  for (oc::runtime::Op& op : program.ops)
    for (std::vector<int>* ids : {&op.inputs, &op.outputs})
      for (int& id : *ids)
        if (id > probabilities) --id;
  return program;
}

void export_all(const std::string& model, const Images& images, const std::string& prefix) {
  const oc::nn::Graph graph = oc::io::load_onnx_graph(model);
  const oc::runtime::Program real = up_to_logits(oc::compress::export_float(graph));
  oc::io::save_onnx(real, prefix + "_f32.onnx");
  run_program(real, images, prefix + "_f32.npy");
  auto next_batch = [&, next = std::int64_t{0}](oc::Tensor& batch) mutable {
    if (next + 10 > std::min<std::int64_t>(images.shape[0], 50)) return false;
    batch = images.batch(next, 10);
    next += 10;
    return true;
  };
  const oc::runtime::Program codes = up_to_logits(
      oc::compress::convert(oc::compress::calibrate(graph, next_batch, oc::compress::CalibrationOptions{})));
  oc::io::save_onnx(codes, prefix + "_i8.onnx");
  oc::io::save_onnx(codes, prefix + "_u8.onnx", {.uint8_activations = true});
  run_program(codes, images, prefix + "_i8.npy");
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) {
    std::cerr << "usage: onnx_runner graph|program|export MODEL.onnx IN.npy OUT\n";
    return 2;
  }
  const Images images(arguments[2]);
  if (arguments[0] == "graph")
    run_graph(arguments[1], images, arguments[3]);
  else if (arguments[0] == "program")
    run_program(oc::io::load_onnx(arguments[1]), images, arguments[3]);
  else
    export_all(arguments[1], images, arguments[3]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "onnx_runner: " << error.what() << '\n';
    return 1;
  }
}
