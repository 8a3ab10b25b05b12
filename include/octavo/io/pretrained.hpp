// octavo/io/pretrained.hpp: weights that other frameworks trained, from their files.
#ifndef OCTAVO_IO_PRETRAINED_HPP_
#define OCTAVO_IO_PRETRAINED_HPP_

#include <string>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "pretrained_arrays.hpp"
#include "weight_set.hpp"
#if __has_include(<protozero/pbf_reader.hpp>)
#include "onnx_pretrained.hpp"
#endif

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// Fills `model` from a safetensors file or a folder of .npy files with torchvision's, timm's or Keras' names (see
// pretrained_arrays.hpp), or from an ONNX model of the same layers (onnx_pretrained.hpp). Throws, with the graph
// unchanged, one Error that lists all that is missing, surplus or of another shape. Keras' .h5 files are read by
// load_keras_h5() of keras_h5.hpp.
template <class Lazy = void>
Pretrained load_pretrained(nn::Graph& model, const std::string& path, const PretrainedOptions& options = {}) {
  require(!path.ends_with(".h5") && !path.ends_with(".hdf5"), "'", path,
          "': HDF5 files are read by load_keras_h5() of io/keras_h5.hpp");
  if (path.ends_with(".onnx")) {
#if __has_include(<protozero/pbf_reader.hpp>)
    return load_pretrained_onnx<Lazy>(model, path, options);
#else
    fail("'", path, "': reading ONNX models needs protozero, which this program was built without");
#endif
  }
  return load_pretrained(model, read_weight_set<Lazy>(path), options);
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::io::Pretrained octavo::io::load_pretrained<void>(octavo::nn::Graph&, const std::string&,
                                                                      const octavo::io::PretrainedOptions&));

#endif  // OCTAVO_IO_PRETRAINED_HPP_
