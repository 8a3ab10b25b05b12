// octavo/train/arrays.hpp: named arrays, the form in which training hands its state to a file.
#ifndef OCTAVO_TRAIN_ARRAYS_HPP_
#define OCTAVO_TRAIN_ARRAYS_HPP_

#include <string>
#include <vector>

#include "../core/tensor.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace train {

struct NamedArray {
  std::string name;
  Tensor values;
};

// Numbers that float32 cannot hold: counters, observers' states, flags.
struct NamedNumbers {
  std::string name;
  std::vector<double> numbers;
};

}  // namespace train
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_TRAIN_ARRAYS_HPP_
