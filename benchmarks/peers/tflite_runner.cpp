// Runs a .tflite model for check_tflite.py: tflite_runner MODEL ROUNDING INPUT OUTPUT
//
// INPUT holds images, one after the other, in the bytes of the model's inputs. OUTPUT gets the values of every
// activation, image by image; OUTPUT.txt a line for each: name, type, elements. ROUNDING: nearest_even_f32,
// tflite_double, or tflite_micro (tflite_double with TFLite Micro's dense layers).
//
// tflite_runner MODEL copy OUTPUT            reads and writes the model
// tflite_runner MODEL split FOLDER           writes each operator as a model: FOLDER/0.tflite, ...
#include <cmath>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "octavo/io/tflite.hpp"
#include "octavo/runtime/single_op.hpp"

using namespace octavo;

namespace {

template <class Value>
void write(std::ofstream& file, const std::vector<Value>& values) {
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(Value)));
}

std::vector<std::uint8_t> uint8_codes(const std::vector<float>& real, const runtime::TensorInfo& tensor) {
  std::vector<std::uint8_t> codes;
  for (const float value : real)
    codes.push_back(static_cast<std::uint8_t>(std::lround(value / tensor.quantization.scale[0]) +
                                              tensor.quantization.zero_point[0]));
  return codes;
}

// The next input's values; `at` moves behind them.
runtime::ConstBuffer take(const io::Bytes& bytes, std::size_t& at, const runtime::TensorInfo& tensor) {
  const auto size = static_cast<std::size_t>(runtime::data_bytes(tensor.dtype, tensor.shape));
  require(at + size <= bytes.size(), "the input file ends inside an image");
  const std::span<const std::uint8_t> data(bytes.data() + at, size);
  at += size;
  if (tensor.dtype == runtime::DType::f32)
    return std::span(reinterpret_cast<const float*>(data.data()), size / sizeof(float));
  if (tensor.dtype == runtime::DType::i8) return std::span(reinterpret_cast<const std::int8_t*>(data.data()), size);
  return data;
}

void run(const std::string& path, const std::string& rounding, const std::string& input, const std::string& output) {
  runtime::Program program = load_tflite_program(path);
  if (rounding == "tflite_micro")
    use_tflite_kernels(program, TfliteKernels::micro);
  else
    program.rounding = rounding_from_name(rounding);
  const runtime::Model model(program, {.threads = 1, .keep_intermediates = true});
  runtime::Session session = model.session();
  std::ofstream names(output + ".txt");
  std::ofstream file(output, std::ios::binary);
  for (const runtime::TensorInfo& tensor : program.tensors)
    if (!tensor.constant())
      names << tensor.name << '\t' << name_of(tensor.dtype) << '\t' << tensor.shape.size() << '\n';
  const io::Bytes images = io::read_file(input);
  std::vector<std::vector<float>> results;
  std::vector<runtime::Buffer> outputs;
  for (std::size_t i = 0; i < program.outputs.size(); ++i)
    results.emplace_back(static_cast<std::size_t>(model.output(i).shape.size()));
  for (std::vector<float>& result : results) outputs.emplace_back(std::span<float>(result));
  for (std::size_t at = 0; at < images.size();) {
    std::vector<runtime::ConstBuffer> inputs;
    for (std::size_t i = 0; i < program.inputs.size(); ++i) inputs.push_back(take(images, at, model.input(i)));
    session.run(inputs, outputs);
    for (std::size_t t = 0; t < program.tensors.size(); ++t) {
      const runtime::TensorInfo& tensor = program.tensors[t];
      const int id = static_cast<int>(t);
      if (tensor.constant()) continue;
      if (tensor.dtype == runtime::DType::i8)
        write(file, session.tensor_codes(id));
      else if (tensor.dtype == runtime::DType::u8)
        write(file, uint8_codes(session.tensor_values(id), tensor));
      else
        write(file, session.tensor_values(id));
    }
  }
}

void split(const std::string& path, const std::string& folder) {
  const runtime::Program program = load_tflite_program(path);
  for (std::size_t i = 0; i < program.ops.size(); ++i)
    save_tflite(runtime::single_op_program(program, i), folder + "/" + std::to_string(i) + ".tflite");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 2 ? argv[2] : "";
  if (argc != (command == "copy" || command == "split" ? 4 : 5)) {
    std::cerr << "usage: tflite_runner MODEL ROUNDING INPUT OUTPUT | MODEL copy OUTPUT | MODEL split FOLDER\n";
    return 2;
  }
  try {
    if (command == "copy")
      save_tflite(load_tflite_program(argv[1]), argv[3]);
    else if (command == "split")
      split(argv[1], argv[3]);
    else
      run(argv[1], argv[2], argv[3], argv[4]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tflite_runner: " << error.what() << '\n';
    return 1;
  }
}
