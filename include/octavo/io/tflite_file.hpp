// octavo/io/tflite_file.hpp: what a .tflite file is to hold, as plain lists, and its bytes.
#ifndef OCTAVO_IO_TFLITE_FILE_HPP_
#define OCTAVO_IO_TFLITE_FILE_HPP_

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../version.hpp"
#include "flat_writer.hpp"
#include "tflite_schema.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace tflite {

struct FileTensorOut {
  std::string name;
  Type type = Type::f32;
  std::vector<std::int64_t> shape;
  std::vector<float> scale;
  std::vector<std::int64_t> zero_point;
  int axis = 0;
  std::vector<std::uint8_t> data;       // constants
  std::vector<std::int32_t> signature;  // the shape with -1 where an extent is open; empty: none is
};

struct FileOpOut {
  Builtin code = Builtin::add;
  int version = 1;
  std::vector<int> inputs, outputs;
  Options type = Options::none;
  std::vector<FlatField> options;
  std::vector<std::int32_t> new_shape;  // RESHAPE
};

struct FileOut {
  std::vector<FileTensorOut> tensors;
  std::vector<FileOpOut> ops;
  std::vector<int> inputs, outputs;

  // Names are made unique.
  int add(FileTensorOut tensor) {
    while (!names_.insert(tensor.name).second) tensor.name += "_";
    tensors.push_back(std::move(tensor));
    return static_cast<int>(tensors.size()) - 1;
  }
  void rename(int tensor, const std::string& name) {
    if (names_.insert(name).second) tensors[static_cast<std::size_t>(tensor)].name = name;
  }

 private:
  std::set<std::string> names_;
};

namespace detail {

// Writes the tables of a file, in the order of the schema.
template <class Lazy = void>
class FileWriter {
 public:
  FileWriter(const FileOut& file, std::string_view name) : file_(file), name_(name), writer_(kIdentifier) {}

  [[nodiscard]] AlignedVector<std::uint8_t> run() {
    number_buffers();
    using F = FlatField;
    const auto model = writer_.root({F::scalar(ModelField::version, kVersion), F::reference(ModelField::operator_codes),
                                     F::reference(ModelField::subgraphs), F::reference(ModelField::description),
                                     F::reference(ModelField::buffers)});
    operator_codes(model.slot(ModelField::operator_codes));
    writer_.string(model.slot(ModelField::description), "octavo " + std::to_string(OCTAVO_VERSION_MAJOR) + "." +
                                                            std::to_string(OCTAVO_VERSION_MINOR) + "." +
                                                            std::to_string(OCTAVO_VERSION_PATCH));
    subgraph(writer_.references(model.slot(ModelField::subgraphs), 1));
    buffers(model.slot(ModelField::buffers));
    return {writer_.bytes().begin(), writer_.bytes().end()};
  }

 private:
  // Constants with the same bytes share a buffer; number 0 is empty by convention.
  void number_buffers() {
    for (const FileTensorOut& tensor : file_.tensors) {
      if (tensor.data.empty()) {
        buffer_of_.push_back(0);
        continue;
      }
      const std::string_view bytes(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
      const auto [place, is_new] = numbers_.emplace(bytes, static_cast<std::uint32_t>(contents_.size() + 1));
      if (is_new) contents_.emplace_back(tensor.data);
      buffer_of_.push_back(place->second);
    }
  }

  void operator_codes(std::size_t slot) {
    for (const FileOpOut& op : file_.ops) {
      const auto code = std::pair(op.code, op.version);
      if (std::find(codes_.begin(), codes_.end(), code) == codes_.end()) codes_.push_back(code);
    }
    const std::size_t first = writer_.references(slot, codes_.size());
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const auto code = static_cast<std::int32_t>(codes_[i].first);
      writer_.table(first + 4 * i,
                    {FlatField::scalar(OperatorCodeField::version, static_cast<std::int32_t>(codes_[i].second)),
                     FlatField::scalar(OperatorCodeField::builtin_code, code),
                     FlatField::scalar(OperatorCodeField::deprecated_builtin_code,
                                       static_cast<std::int8_t>(std::min(code, 127)))});
    }
  }

  void indices(std::size_t slot, const std::vector<int>& ids) {
    const std::vector<std::int32_t> values(ids.begin(), ids.end());
    writer_.vector<std::int32_t>(slot, values);
  }

  void subgraph(std::size_t slot) {
    using F = FlatField;
    const auto graph = writer_.table(slot, {F::reference(SubGraphField::tensors), F::reference(SubGraphField::inputs),
                                            F::reference(SubGraphField::outputs),
                                            F::reference(SubGraphField::operators), F::reference(SubGraphField::name)});
    const std::size_t tensors = writer_.references(graph.slot(SubGraphField::tensors), file_.tensors.size());
    for (std::size_t i = 0; i < file_.tensors.size(); ++i) tensor(tensors + 4 * i, file_.tensors[i], buffer_of_[i]);
    indices(graph.slot(SubGraphField::inputs), file_.inputs);
    indices(graph.slot(SubGraphField::outputs), file_.outputs);
    const std::size_t ops = writer_.references(graph.slot(SubGraphField::operators), file_.ops.size());
    for (std::size_t i = 0; i < file_.ops.size(); ++i) op(ops + 4 * i, file_.ops[i]);
    writer_.string(graph.slot(SubGraphField::name), name_);
  }

  void tensor(std::size_t slot, const FileTensorOut& tensor, std::uint32_t buffer) {
    using F = FlatField;
    std::vector<F> fields{F::reference(TensorField::shape), F::scalar(TensorField::buffer, buffer),
                          F::reference(TensorField::name),
                          F::scalar(TensorField::type, static_cast<std::uint8_t>(tensor.type))};
    if (!tensor.scale.empty()) fields.push_back(F::reference(TensorField::quantization));
    if (!tensor.signature.empty()) fields.push_back(F::reference(TensorField::shape_signature));
    const auto table = writer_.table(slot, fields);
    if (!tensor.signature.empty())
      writer_.vector<std::int32_t>(table.slot(TensorField::shape_signature), tensor.signature);
    const std::vector<std::int32_t> shape(tensor.shape.begin(), tensor.shape.end());
    writer_.vector<std::int32_t>(table.slot(TensorField::shape), shape);
    writer_.string(table.slot(TensorField::name), tensor.name);
    if (tensor.scale.empty()) return;
    const auto q = writer_.table(table.slot(TensorField::quantization),
                                 {F::reference(QuantizationField::scale), F::reference(QuantizationField::zero_point),
                                  F::scalar(QuantizationField::dimension, static_cast<std::int32_t>(tensor.axis))});
    writer_.vector<float>(q.slot(QuantizationField::scale), tensor.scale);
    writer_.vector<std::int64_t>(q.slot(QuantizationField::zero_point), tensor.zero_point);
  }

  void op(std::size_t slot, const FileOpOut& op) {
    using F = FlatField;
    const auto code = std::find(codes_.begin(), codes_.end(), std::pair(op.code, op.version)) - codes_.begin();
    std::vector<F> fields{F::scalar(OperatorField::opcode_index, static_cast<std::uint32_t>(code)),
                          F::reference(OperatorField::inputs), F::reference(OperatorField::outputs)};
    if (op.type != Options::none) {
      fields.push_back(F::reference(OperatorField::options));
      fields.push_back(F::scalar(OperatorField::options_type, static_cast<std::uint8_t>(op.type)));
    }
    const auto table = writer_.table(slot, fields);
    indices(table.slot(OperatorField::inputs), op.inputs);
    indices(table.slot(OperatorField::outputs), op.outputs);
    if (op.type == Options::none) return;
    const auto options = writer_.table(table.slot(OperatorField::options), op.options);
    if (!op.new_shape.empty()) writer_.vector<std::int32_t>(options.slot(ReshapeField::new_shape), op.new_shape);
  }

  void buffers(std::size_t slot) {
    const std::size_t first = writer_.references(slot, contents_.size() + 1);
    writer_.table(first, {});
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      const auto table = writer_.table(first + 4 * (i + 1), {FlatField::reference(BufferField::data)});
      writer_.vector<std::uint8_t>(table.slot(BufferField::data), contents_[i], 16);
    }
  }

  const FileOut& file_;
  std::string_view name_;
  FlatWriter writer_;
  std::vector<std::pair<Builtin, int>> codes_;
  std::map<std::string_view, std::uint32_t> numbers_;
  std::vector<std::span<const std::uint8_t>> contents_;
  std::vector<std::uint32_t> buffer_of_;
};

}  // namespace detail

// Buffers are shared by equal constants and begin at multiples of 16 bytes of the file.
template <class Lazy = void>
[[nodiscard]] AlignedVector<std::uint8_t> write_file(const FileOut& file, std::string_view name) {
  return detail::FileWriter<Lazy>(file, name).run();
}

}  // namespace tflite
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_TFLITE_FILE_HPP_
