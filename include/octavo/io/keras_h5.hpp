// octavo/io/keras_h5.hpp: weights that Keras saved as HDF5: .h5 and .weights.h5. Needs libhdf5; only those who read
// such files include this header.
#ifndef OCTAVO_IO_KERAS_H5_HPP_
#define OCTAVO_IO_KERAS_H5_HPP_

#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../nn/graph.hpp"
#include "pretrained_arrays.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// All arrays of the file that are weights, by Keras' names ("Conv1/kernel"). Three forms are read: the weights of Keras
// 2 (Conv1/Conv1/kernel:0), whole models (model_weights/Conv1/Conv1/kernel:0), and the .weights.h5 of Keras 3, which
// numbers the layers of each class (layers/conv2d_3/vars/0): there, the order of `model`'s layers tells the names.
[[nodiscard]] inline WeightSet read_keras_h5(const nn::Graph& model, const std::string& path);

// See load_pretrained.
inline Pretrained load_keras_h5(nn::Graph& model, const std::string& path, const PretrainedOptions& options = {}) {
  return load_pretrained(model, read_keras_h5(model, path), options);
}

namespace detail {

// An HDF5 identifier that closes itself.
class H5Id {
 public:
  H5Id(hid_t id, herr_t (*close)(hid_t), const char* what) : id_(id), close_(close) {
    require(id >= 0, "HDF5: cannot open ", what);
  }
  ~H5Id() { close_(id_); }
  H5Id(const H5Id&) = delete;
  H5Id& operator=(const H5Id&) = delete;
  [[nodiscard]] hid_t get() const noexcept { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// While it lives, HDF5 prints no errors of its own.
class H5Silence {
 public:
  H5Silence() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~H5Silence() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  H5Silence(const H5Silence&) = delete;
  H5Silence& operator=(const H5Silence&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

inline WeightArray read_h5_array(hid_t dataset, const std::string& name, hsize_t file_bytes) {
  const H5Id space(H5Dget_space(dataset), H5Sclose, "a data space");
  const int rank = H5Sget_simple_extent_ndims(space.get());
  require(rank >= 0 && rank <= static_cast<int>(Shape::kMaxRank), "array '", name, "': rank ", rank);
  std::array<hsize_t, Shape::kMaxRank> extents{};
  require(H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr) >= 0, "array '", name, "': no extents");
  WeightArray array;
  for (int i = 0; i < rank; ++i) {
    require(extents[static_cast<std::size_t>(i)] <= file_bytes, "array '", name, "': an extent of ",
            extents[static_cast<std::size_t>(i)]);
    array.shape.push_back(static_cast<std::int64_t>(extents[static_cast<std::size_t>(i)]));
  }
  // Compressed data may be larger than the file, but not by any factor.
  require(array.shape.size() <= static_cast<std::int64_t>(64 * file_bytes), "array '", name,
          "': ", array.shape.to_string(), " in a file of ", file_bytes, " bytes");
  array.values.resize(static_cast<std::size_t>(array.shape.size()));
  require(array.values.empty() ||
              H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.values.data()) >= 0,
          "array '", name, "': its values cannot be read");
  return array;
}

// Adds all numeric arrays below `group`, by path.
inline void read_h5_group(hid_t group, const std::string& path, int depth, hsize_t file_bytes, WeightSet& set) {
  require(depth < 32, "groups in groups, 32 deep");
  H5G_info_t info{};
  require(H5Gget_info(group, &info) >= 0, "the group '", path, "' cannot be read");
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[1024];
    const auto length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    require(length > 0 && length < static_cast<ssize_t>(sizeof name), "a name in '", path, "' cannot be read");
    H5L_info_t link{};
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) continue;  // nothing outside
    const H5Id object(H5Oopen(group, name, H5P_DEFAULT), H5Oclose, name);
    const std::string full = path.empty() ? name : path + "/" + name;
    const H5I_type_t type = H5Iget_type(object.get());
    if (type == H5I_GROUP) {
      read_h5_group(object.get(), full, depth + 1, file_bytes, set);
    } else if (type == H5I_DATASET) {
      const H5Id kind(H5Dget_type(object.get()), H5Tclose, "a type");
      const H5T_class_t numeric = H5Tget_class(kind.get());
      if (numeric != H5T_FLOAT && numeric != H5T_INTEGER) continue;
      require(set.arrays.size() < 100'000, "more than 100000 arrays");
      set.arrays[full] = read_h5_array(object.get(), full, file_bytes);
    }
  }
}

// What Keras calls the class of a layer, and the order of its variables.
struct KerasClass {
  std::string_view ours, theirs;
  std::array<std::string_view, 4> variables;
};
inline constexpr KerasClass kKerasClasses[] = {
    {"Conv2D", "conv2d", {"kernel", "bias", "", ""}},
    {"DepthwiseConv2D", "depthwise_conv2d", {"depthwise_kernel", "bias", "", ""}},
    {"Dense", "dense", {"kernel", "bias", "", ""}},
    {"BatchNormalization", "batch_normalization", {"gamma", "beta", "moving_mean", "moving_variance"}},
};

// The names of Keras 3's groups, "conv2d", "conv2d_1", ..., and of the layers that they stand for.
struct KerasGroup {
  std::string layer;
  const KerasClass* kind;
};
inline std::map<std::string, KerasGroup> keras_groups(const nn::Graph& model) {
  std::map<std::string, KerasGroup> groups;
  std::map<std::string_view, int> counts;
  for (const nn::Node& node : model.nodes())
    for (const KerasClass& kind : kKerasClasses)
      if (node.layer->inner().type() == kind.ours) {
        const int k = counts[kind.theirs]++;
        std::string name(kind.theirs);
        if (k > 0) name.append("_").append(std::to_string(k));
        groups[name] = {node.name, &kind};
      }
  return groups;
}

inline std::vector<std::string> path_parts(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return parts;
}

// Keras' name of an array from its path in the file; empty for what is no weight.
inline std::string keras_name(const std::string& path, const std::map<std::string, KerasGroup>& groups) {
  const std::vector<std::string> parts = path_parts(path);
  if (parts[0] == "optimizer" || parts[0] == "optimizer_weights" || parts[0] == "_optimizer") return "";
  const std::size_t size = parts.size();
  if (size >= 3 && parts[size - 2] == "vars") {
    const std::string& index = parts[size - 1];
    if (index.size() != 1 || index[0] < '0' || index[0] > '3') return path;
    const auto found = groups.find(parts[size - 3]);
    if (found == groups.end()) return path;
    const std::string_view variable = found->second.kind->variables[static_cast<std::size_t>(index[0] - '0')];
    return variable.empty() ? path : found->second.layer + "/" + std::string(variable);
  }
  if (size < 2) return path;
  std::string variable = parts[size - 1];
  if (const std::size_t colon = variable.find(':'); colon != variable.npos) variable.resize(colon);
  return parts[size - 2] + "/" + variable;
}

}  // namespace detail

inline WeightSet read_keras_h5(const nn::Graph& model, const std::string& path) {
  const detail::H5Silence silence;
  WeightSet raw{path, {}}, set{path, {}};
  try {
    const detail::H5Id file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "the file");
    hsize_t bytes = 0;
    require(H5Fget_filesize(file.get(), &bytes) >= 0, "the file's size is not known");
    const detail::H5Id root(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose, "the root group");
    detail::read_h5_group(root.get(), "", 0, bytes, raw);
  } catch (const Error& error) {
    fail("'", path, "': ", error.what());
  }
  const auto groups = detail::keras_groups(model);
  for (auto& [name, array] : raw.arrays)
    if (const std::string known = detail::keras_name(name, groups); !known.empty())
      set.arrays[known] = std::move(array);
  return set;
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_KERAS_H5_HPP_
