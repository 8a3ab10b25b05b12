// octavo/io/tflite_shapes.hpp: the integers that a .tflite file computes from shapes, computed while importing.
//
// Where a converter does not know the batch, a RESHAPE gets its shape from SHAPE, STRIDED_SLICE, PACK and the like. A
// program has a batch of 1 and knows every shape, so such chains are constants of it.
#ifndef OCTAVO_IO_TFLITE_SHAPES_HPP_
#define OCTAVO_IO_TFLITE_SHAPES_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "tflite_tensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

// One operator of the file.
struct Node {
  std::int32_t code = 0;
  FlatVector<std::int32_t> inputs, outputs;
  FlatTable options;
};

template <class Lazy = void>
class ShapeNumbers {
 public:
  ShapeNumbers(const TensorReader<Lazy>& tensors, Budget& budget) : tensors_(tensors), budget_(budget) {}

  // Whether this tensor is made of shapes and constants.
  [[nodiscard]] bool knows(std::int32_t t) const { return known_.find(t) != known_.end(); }

  // The values of a tensor of integers that is a constant of the file or known; at most 64, otherwise Error.
  [[nodiscard]] std::vector<std::int64_t> values(std::int32_t t) const {
    const auto found = known_.find(t);
    return found != known_.end() ? found->second : integer_values(tensors_.at(t));
  }

  // Computes the operator when its result is such a tensor; false when it is one of activations.
  bool compute(const Node& node) {
    const auto code = static_cast<Builtin>(node.code);
    if (code == Builtin::shape) {
      expect(node, 1);
      return learn(node, tensors_.at(node.inputs[0]).dims());
    }
    bool any = false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) any = any || (node.inputs[i] >= 0 && knows(node.inputs[i]));
    if (!any) return false;
    switch (code) {
      case Builtin::strided_slice:
        return learn(node, strided_slice(node));
      case Builtin::slice:
        return learn(node, slice(node));
      case Builtin::gather:
        return learn(node, gather(node));
      case Builtin::pack:
      case Builtin::concatenation:
        return learn(node, joined(node));
      case Builtin::reduce_prod:
        return learn(node, product(node));
      case Builtin::add:
      case Builtin::sub:
      case Builtin::mul:
        return learn(node, pairwise(node, code));
      case Builtin::cast:
      case Builtin::expand_dims:
      case Builtin::squeeze:
        return learn(node, values(node.inputs[0]));
      case Builtin::reshape:
        return knows(node.inputs[0]) && learn(node, values(node.inputs[0]));
      default:
        return false;
    }
  }

 private:
  using Numbers = std::vector<std::int64_t>;
  static constexpr std::size_t kMost = 64;

  static void expect(const Node& node, std::size_t inputs) {
    require(node.inputs.size() >= inputs, "expected ", inputs, " inputs, found ", node.inputs.size());
  }
  bool learn(const Node& node, Numbers numbers) {
    const FileTensor& out = tensors_.at(node.outputs[0]);
    require(out.is(Type::i32) || out.is(Type::i64), "'", out.name, "': expected int32 or int64");
    require(numbers.size() <= kMost, "'", out.name, "': expected at most ", kMost, " numbers");
    budget_.take(64 + 8 * numbers.size());
    require(known_.emplace(node.outputs[0], std::move(numbers)).second, "'", out.name, "' is written twice");
    return true;
  }

  [[nodiscard]] Numbers strided_slice(const Node& node) const {
    expect(node, 4);
    const Numbers from = values(node.inputs[0]), begin = values(node.inputs[1]), end = values(node.inputs[2]),
                  stride = values(node.inputs[3]);
    require(begin.size() == 1 && end.size() == 1 && stride.size() == 1 && stride[0] == 1,
            "of a list of numbers only a plain range is taken");
    const auto masked = [&](int field) { return (node.options.template scalar<std::int32_t>(field) & 1) != 0; };
    require(!masked(StridedSliceField::ellipsis_mask) && !masked(StridedSliceField::new_axis_mask),
            "of a list of numbers only a plain range is taken");
    const std::int64_t size = std::ssize(from);
    const auto place = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size); };
    const std::int64_t first = masked(StridedSliceField::begin_mask) ? 0 : place(begin[0]);
    std::int64_t last = masked(StridedSliceField::end_mask) ? size : place(end[0]);
    if (masked(StridedSliceField::shrink_axis_mask)) {
      require(first < size, "no number ", begin[0], " among ", size);
      last = first + 1;
    }
    return {from.begin() + first, from.begin() + std::max(first, last)};
  }

  [[nodiscard]] Numbers slice(const Node& node) const {
    expect(node, 3);
    const Numbers from = values(node.inputs[0]), begin = values(node.inputs[1]), length = values(node.inputs[2]);
    const std::int64_t size = std::ssize(from);
    require(begin.size() == 1 && length.size() == 1 && begin[0] >= 0 && begin[0] <= size && length[0] >= -1 &&
                length[0] <= size - begin[0],
            "the range leaves a list of ", size, " numbers");
    return {from.begin() + begin[0], length[0] < 0 ? from.end() : from.begin() + begin[0] + length[0]};
  }

  [[nodiscard]] Numbers gather(const Node& node) const {
    expect(node, 2);
    const Numbers from = values(node.inputs[0]);
    Numbers picked;
    for (const std::int64_t at : values(node.inputs[1])) {
      require(at >= 0 && at < std::ssize(from), "no number ", at, " among ", from.size());
      picked.push_back(from[static_cast<std::size_t>(at)]);
    }
    return picked;
  }

  [[nodiscard]] Numbers joined(const Node& node) const {
    Numbers all;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Numbers part = values(node.inputs[i]);
      all.insert(all.end(), part.begin(), part.end());
      require(all.size() <= kMost, "expected at most ", kMost, " numbers");
    }
    return all;
  }

  [[nodiscard]] static std::int64_t checked(std::int64_t value) {
    require(value >= INT32_MIN && value <= INT32_MAX, "the number ", value, " is out of range");
    return value;
  }
  [[nodiscard]] Numbers product(const Node& node) const {
    std::int64_t all = 1;
    for (const std::int64_t value : values(node.inputs[0])) all = checked(all * checked(value));
    return {all};
  }
  [[nodiscard]] Numbers pairwise(const Node& node, Builtin code) const {
    expect(node, 2);
    const Numbers a = values(node.inputs[0]), b = values(node.inputs[1]);
    require(!a.empty() && !b.empty() && (a.size() == b.size() || a.size() == 1 || b.size() == 1), "lists of ", a.size(),
            " and ", b.size(), " numbers");
    Numbers result;
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      const std::int64_t x = checked(a[a.size() == 1 ? 0 : i]), y = checked(b[b.size() == 1 ? 0 : i]);
      result.push_back(checked(code == Builtin::add ? x + y : code == Builtin::sub ? x - y : x * y));
    }
    return result;
  }

  const TensorReader<Lazy>& tensors_;
  Budget& budget_;
  std::map<std::int32_t, Numbers> known_;  // scalars are lists of one
};

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_SHAPES_HPP_
