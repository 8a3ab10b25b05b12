// octavo/io/tflite_infer.hpp: shapes that a .tflite file leaves open, found from the operators that make them.
//
// A converter that does not know an extent writes 1 for it, and -1 in the tensor's signature. With a batch of 1 such a
// shape is right where the extent is the batch; behind a reshape that mixes the batch with other axes it is not.
#ifndef OCTAVO_IO_TFLITE_INFER_HPP_
#define OCTAVO_IO_TFLITE_INFER_HPP_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tflite_shapes.hpp"
#include "tflite_tensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// Gives an operator's output, when its shape is open, the one that follows from the inputs'. Operators that are not
// listed here leave what the file says.
template <class Lazy = void>
class ShapeInference {
 public:
  ShapeInference(TensorReader<Lazy>& tensors, const ShapeNumbers<Lazy>& numbers)
      : tensors_(tensors), numbers_(numbers) {}

  void infer(const Node& node) {
    if (node.inputs.empty() || node.inputs[0] < 0 || !tensors_.at(node.outputs[0]).open_shape) return;
    switch (static_cast<Builtin>(node.code)) {
      case Builtin::reshape:
        return reshape(node);
      case Builtin::fully_connected:
        return fully_connected(node);
      case Builtin::add:
      case Builtin::mul:
      case Builtin::sub:
        return pair(node);
      case Builtin::transpose:
        return transpose(node);
      case Builtin::resize_bilinear:
      case Builtin::resize_nearest_neighbor:
        return resize(node);
      case Builtin::relu:
      case Builtin::relu6:
      case Builtin::relu_n1_to_1:
      case Builtin::logistic:
      case Builtin::hard_swish:
      case Builtin::softmax:
      case Builtin::quantize:
      case Builtin::dequantize:
        return tensors_.resolve(node.outputs[0], dims(node.inputs[0]));
      default:
        return;
    }
  }

 private:
  using Dims = std::vector<std::int64_t>;
  static constexpr std::int64_t kMost = std::int64_t{1} << 31;

  [[nodiscard]] Dims dims(std::int32_t t) const { return tensors_.at(t).dims(); }
  [[nodiscard]] static std::int64_t product(const Dims& dims) {
    std::int64_t size = 1;
    for (const std::int64_t extent : dims) {
      require(extent >= 0 && (extent == 0 || size <= kMost / extent), "a shape of more than 2^31 elements");
      size *= extent;
    }
    return size;
  }

  void reshape(const Node& node) {
    if (node.inputs.size() < 2 || node.inputs[1] < 0) return;
    if (!numbers_.knows(node.inputs[1]) && !tensors_.at(node.inputs[1]).constant()) return;
    Dims wanted = numbers_.values(node.inputs[1]);
    const std::int64_t size = product(dims(node.inputs[0]));
    const auto open = std::find(wanted.begin(), wanted.end(), -1);
    if (open != wanted.end()) {
      *open = 1;
      const std::int64_t others = product(wanted);
      require(others > 0 && size % others == 0, "cannot make ", others, " parts of ", size, " values");
      *open = size / others;
    }
    require(product(wanted) == size, "cannot make a shape of ", product(wanted), " elements of ", size, " values");
    tensors_.resolve(node.outputs[0], wanted);
  }

  void fully_connected(const Node& node) {
    const Dims weights = node.inputs.size() > 1 ? dims(node.inputs[1]) : Dims{};
    Dims out = dims(node.inputs[0]);
    if (weights.size() != 2 || weights[1] < 1 || out.empty()) return;
    if (node.options.template scalar<std::uint8_t>(FullyConnectedField::keep_num_dims) == 0)
      out = {product(out) / weights[1], 0};
    out.back() = weights[0];
    tensors_.resolve(node.outputs[0], out);
  }

  void pair(const Node& node) {
    if (node.inputs.size() < 2) return;
    Dims a = dims(node.inputs[0]), b = dims(node.inputs[1]);
    if (a.size() < b.size()) std::swap(a, b);
    for (std::size_t i = 1; i <= b.size(); ++i) {
      std::int64_t& extent = a[a.size() - i];
      if (extent == 1) extent = b[b.size() - i];
    }
    tensors_.resolve(node.outputs[0], a);
  }

  void transpose(const Node& node) {
    if (node.inputs.size() < 2) return;
    const Dims in = dims(node.inputs[0]);
    Dims out;
    for (const std::int64_t axis : numbers_.values(node.inputs[1])) {
      require(axis >= 0 && axis < std::ssize(in), "no axis ", axis, " among ", in.size());
      out.push_back(in[static_cast<std::size_t>(axis)]);
    }
    tensors_.resolve(node.outputs[0], out);
  }

  void resize(const Node& node) {
    if (node.inputs.size() < 2) return;
    Dims out = dims(node.inputs[0]);
    const Dims size = numbers_.values(node.inputs[1]);
    if (out.size() != 4 || size.size() != 2) return;
    out[1] = size[0], out[2] = size[1];
    tensors_.resolve(node.outputs[0], out);
  }

  TensorReader<Lazy>& tensors_;
  const ShapeNumbers<Lazy>& numbers_;
};

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_INFER_HPP_
