// octavo/io/onnx_parse.hpp: reads ONNX files: protocol buffers by protozero, weights in the file or beside it.
#ifndef OCTAVO_IO_ONNX_PARSE_HPP_
#define OCTAVO_IO_ONNX_PARSE_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "file.hpp"
#include "onnx_external.hpp"
#include "onnx_model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// Parses a model. `name` stands in messages, `folder` is where external data files are looked for (empty: a model with
// external data is an Error). Sizes are checked before memory is reserved: what this allocates is at most about ten
// times the file. Throws Error naming file and tensor when the file is damaged, when a tensor's data does not fit its
// shape, when an external file would lie outside `folder`, and for functions, sparse tensors and text tensors.
template <class Lazy = void>
Model parse_model(Bytes bytes, const std::string& name, const std::string& folder = "");

template <class Lazy = void>
Model read_model(const std::string& path) {
  return parse_model(read_file(path), path, io::detail::folder_of(path));
}

// One TensorProto in a file of its own, as the data sets of ONNX's node tests. The model's one initializer.
template <class Lazy = void>
Model read_tensor(const std::string& path);

namespace detail {

inline constexpr std::size_t kMaxMessages = 200'000;  // nodes, attributes, tensors: bounds what small messages cost
inline constexpr std::size_t kMaxRank = 16;

[[nodiscard]] inline std::string_view view(protozero::data_view data) { return {data.data(), data.size()}; }
[[nodiscard]] inline std::span<const std::uint8_t> bytes(protozero::data_view data) {
  return {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
}

// protozero leaves it to its user to ask for a field in the form that it has.
class Message : public protozero::pbf_reader {
 public:
  explicit Message(protozero::data_view data) : protozero::pbf_reader(data) {}
  protozero::data_view get_view() {
    expect(protozero::pbf_wire_type::length_delimited);
    return protozero::pbf_reader::get_view();
  }
  std::int64_t get_int64() {
    expect(protozero::pbf_wire_type::varint);
    return protozero::pbf_reader::get_int64();
  }
  std::int32_t get_int32() { return static_cast<std::int32_t>(get_int64()); }
  float get_float() {
    expect(protozero::pbf_wire_type::fixed32);
    return protozero::pbf_reader::get_float();
  }

 private:
  void expect(protozero::pbf_wire_type type) const {
    require(wire_type() == type, "field ", tag(), " has the wire type ", static_cast<int>(wire_type()), ", expected ",
            static_cast<int>(type));
  }
};

template <class Lazy = void>
class Parser {
 public:
  Parser(Model& model, std::string folder) : model_(model), external_(model, std::move(folder)) {}

  void model(protozero::data_view data) {
    Message message(data);
    bool has_graph = false;
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          model_.ir_version = message.get_int64();
          break;
        case 2:
          model_.producer = view(message.get_view());
          break;
        case 7:
          graph(message.get_view());
          has_graph = true;
          break;
        case 8:
          opset(message.get_view());
          break;
        case 14:
          model_.metadata.push_back(entry(message.get_view()));
          count();
          break;
        case 25:
          fail("functions of its own are not read; inline them (onnx.inliner.inline_local_functions)");
        default:
          message.skip();
      }
    }
    require(has_graph, "there is no graph: not an ONNX model");
  }

  [[nodiscard]] Tensor tensor(protozero::data_view data) {
    count();
    Tensor tensor;
    Stored stored;
    Message message(data);
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          append_int64(message, tensor.dims, kMaxRank);
          break;
        case 2:
          tensor.type = static_cast<Type>(message.get_int32());
          break;
        case 8:
          tensor.name = view(message.get_view());
          break;
        case 9:
          stored.raw = bytes(message.get_view());
          stored.has_raw = true;
          break;
        case 4:
        case 5:
        case 7:
        case 10:
        case 11:
          append_field(message, stored);
          break;
        case 13:
          stored.external.push_back(entry(message.get_view()));
          count();
          break;
        case 14:
          stored.is_external = message.get_int64() == 1;
          break;
        default:
          message.skip();
      }
    }
    try {
      resolve(tensor, stored);
    } catch (const Error& error) {
      fail("tensor '", tensor.name, "': ", error.what());
    }
    return tensor;
  }

 private:
  // Where a tensor's values were found. Packed fields may come in pieces.
  struct Stored {
    std::span<const std::uint8_t> raw;
    bool has_raw = false;
    bool is_external = false;
    std::vector<Entry> external;
    std::uint32_t field = 0;                            // number of the typed field
    std::vector<std::span<const std::uint8_t>> packed;  // its packed pieces
    std::vector<std::uint64_t> single;                  // its values that are not packed (bits)
  };

  void count() { require(++messages_ <= kMaxMessages, "more than ", kMaxMessages, " nodes, attributes and tensors"); }

  void graph(protozero::data_view data) {
    Message message(data);
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          model_.nodes.push_back(node(message.get_view()));
          break;
        case 2:
          model_.graph_name = view(message.get_view());
          break;
        case 5:
          model_.initializers.push_back(tensor(message.get_view()));
          break;
        case 11:
          model_.inputs.push_back(value_info(message.get_view()));
          break;
        case 12:
          model_.outputs.push_back(value_info(message.get_view()));
          break;
        case 15:
          fail("sparse initializers are not read");
        default:
          message.skip();
      }
    }
  }

  [[nodiscard]] Node node(protozero::data_view data) {
    count();
    Node node;
    Message message(data);
    while (message.next()) {
      switch (message.tag()) {
        case 1:
        case 2:
          count();
          (message.tag() == 1 ? node.inputs : node.outputs).push_back(view(message.get_view()));
          break;
        case 3:
          node.name = view(message.get_view());
          break;
        case 4:
          node.op = view(message.get_view());
          break;
        case 5:
          node.attributes.push_back(attribute(message.get_view()));
          break;
        case 7:
          node.domain = view(message.get_view());
          break;
        default:
          message.skip();
      }
    }
    return node;
  }

  [[nodiscard]] Attribute attribute(protozero::data_view data) {
    count();
    Attribute attribute;
    Message message(data);
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          attribute.name = view(message.get_view());
          break;
        case 2:
          attribute.f = message.get_float();
          break;
        case 3:
          attribute.i = message.get_int64();
          break;
        case 4:
          attribute.s = view(message.get_view());
          break;
        case 5:
          attribute.tensor = static_cast<int>(model_.attribute_tensors.size());
          model_.attribute_tensors.push_back(tensor(message.get_view()));
          break;
        case 7:
          append_floats(message, attribute.floats);
          break;
        case 8:
          append_int64(message, attribute.ints, data.size());
          break;
        default:
          message.skip();
      }
    }
    return attribute;
  }

  [[nodiscard]] ValueInfo value_info(protozero::data_view data) {
    count();
    ValueInfo info;
    Message message(data);
    while (message.next()) {
      if (message.tag() == 1) {
        info.name = view(message.get_view());
      } else if (message.tag() == 2) {
        Message type(message.get_view());
        while (type.next(1)) tensor_type(type.get_view(), info);
      } else {
        message.skip();
      }
    }
    return info;
  }

  static void tensor_type(protozero::data_view data, ValueInfo& info) {
    Message message(data);
    while (message.next()) {
      if (message.tag() == 1) {
        info.type = static_cast<Type>(message.get_int32());
      } else if (message.tag() == 2) {
        info.dims.emplace();
        Message shape(message.get_view());
        while (shape.next(1)) {
          require(info.dims->size() < kMaxRank, "'", info.name, "': rank above ", kMaxRank);
          info.dims->push_back(dimension(shape.get_view()));
        }
      } else {
        message.skip();
      }
    }
  }
  static std::int64_t dimension(protozero::data_view data) {
    std::int64_t extent = -1;
    Message message(data);
    while (message.next())
      if (message.tag() == 1)
        extent = message.get_int64();
      else
        message.skip();
    return extent;
  }

  [[nodiscard]] static Entry entry(protozero::data_view data) {
    Entry entry;
    Message message(data);
    while (message.next()) {
      if (message.tag() == 1)
        entry.first = view(message.get_view());
      else if (message.tag() == 2)
        entry.second = view(message.get_view());
      else
        message.skip();
    }
    return entry;
  }

  void opset(protozero::data_view data) {
    std::string_view domain;
    std::int64_t version = 0;
    Message message(data);
    while (message.next()) {
      if (message.tag() == 1)
        domain = view(message.get_view());
      else if (message.tag() == 2)
        version = message.get_int64();
      else
        message.skip();
    }
    if (domain.empty() || domain == "ai.onnx") model_.opset = version;
  }

  static void append_int64(Message& message, std::vector<std::int64_t>& to, std::size_t most) {
    if (message.wire_type() == protozero::pbf_wire_type::length_delimited) {
      const auto packed = message.get_packed_int64();
      const auto size = static_cast<std::size_t>(packed.size());
      require(size <= most && to.size() <= most - size, "a list of more than ", most, " numbers");
      to.reserve(to.size() + size);
      to.insert(to.end(), packed.begin(), packed.end());
      return;
    }
    require(to.size() < most, "a list of more than ", most, " numbers");
    to.push_back(message.get_int64());
  }
  static void append_floats(Message& message, std::vector<float>& to) {
    if (message.wire_type() != protozero::pbf_wire_type::length_delimited) return to.push_back(message.get_float());
    const auto packed = message.get_packed_float();
    to.insert(to.end(), packed.begin(), packed.end());
  }

  static void append_field(Message& message, Stored& stored) {
    require(stored.field == 0 || stored.field == message.tag(), "values in two fields, ", stored.field, " and ",
            message.tag());
    stored.field = message.tag();
    switch (message.wire_type()) {
      case protozero::pbf_wire_type::length_delimited:
        stored.packed.push_back(bytes(message.get_view()));
        return;
      case protozero::pbf_wire_type::fixed32:
        stored.single.push_back(message.get_fixed32());
        return;
      case protozero::pbf_wire_type::fixed64:
        stored.single.push_back(message.get_fixed64());
        return;
      default:
        stored.single.push_back(message.get_uint64());
    }
  }

  // Sets tensor.data from what the file holds.
  void resolve(Tensor& tensor, const Stored& stored) {
    const std::size_t element = bytes_of(tensor.type);
    require(element != 0, "element type ", static_cast<int>(tensor.type), " is not read here");
    const bool half_bytes = tensor.type == Type::i4 || tensor.type == Type::u4;
    const auto elements = static_cast<std::size_t>(elements_of(tensor.dims));
    const std::size_t expected = half_bytes ? (elements + 1) / 2 : elements * element;
    std::span<const std::uint8_t> found;
    if (stored.is_external)
      found = external_.find(stored.external, expected);
    else if (stored.has_raw)
      found = stored.raw;
    else
      found = typed_field(tensor, stored, half_bytes ? (elements + 1) / 2 : elements, half_bytes ? 1 : element);
    require(found.size() == expected, "shape ", to_string(tensor.dims), " of ", name_of(tensor.type), " needs ",
            expected, " bytes, found ", found.size());
    tensor.data = half_bytes ? unpacked(found, elements, tensor.type == Type::i4) : found;
  }

  // Two elements a byte, low half first, to one a byte.
  std::span<const std::uint8_t> unpacked(std::span<const std::uint8_t> halves, std::size_t elements, bool is_signed) {
    Bytes& to = model_.converted.emplace_back();
    to.resize(elements);
    for (std::size_t i = 0; i < elements; ++i) {
      const int nibble = (halves[i / 2] >> (i % 2 * 4)) & 15;
      to[i] = static_cast<std::uint8_t>(is_signed && nibble >= 8 ? nibble - 16 : nibble);
    }
    return to;
  }

  // float_data (4), int32_data (5: all types of up to 32 bits, f16 as bits), int64_data (7), double_data (10),
  // uint64_data (11) as little-endian elements of `element` bytes.
  std::span<const std::uint8_t> typed_field(const Tensor& tensor, const Stored& stored, std::size_t elements,
                                            std::size_t element) {
    const std::uint32_t expected_field = tensor.type == Type::f32                               ? 4
                                         : tensor.type == Type::f64                             ? 10
                                         : tensor.type == Type::i64                             ? 7
                                         : tensor.type == Type::u32 || tensor.type == Type::u64 ? 11
                                                                                                : 5;
    if (elements == 0 && stored.field == 0) return {};
    require(stored.field == expected_field,
            stored.field == 0 ? "it has no values" : "its values are in a field of another type");
    const bool varints = stored.field != 4 && stored.field != 10;
    std::size_t found = stored.single.size();
    for (const auto& piece : stored.packed)
      found += varints ? static_cast<std::size_t>(
                             std::count_if(piece.begin(), piece.end(), [](std::uint8_t b) { return b < 0x80; }))
                       : piece.size() / element;
    require(found == elements, "shape ", to_string(tensor.dims), " needs ", elements, " values, found ", found);
    if (!varints && stored.single.empty() && stored.packed.size() == 1) return stored.packed[0];
    Bytes& to = model_.converted.emplace_back();
    to.resize(elements * element);
    std::uint8_t* at = to.data();
    const auto put = [&](std::uint64_t bits) {
      std::memcpy(at, &bits, element);
      at += element;
    };
    for (const std::uint64_t bits : stored.single) put(bits);
    for (const auto& piece : stored.packed) {
      if (!varints) {
        require(piece.size() % element == 0, "a piece of ", piece.size(), " bytes");
        at = std::copy(piece.begin(), piece.end(), at);
        continue;
      }
      const char* from = reinterpret_cast<const char*>(piece.data());
      const char* const end = from + piece.size();
      while (from != end) put(protozero::decode_varint(&from, end));
    }
    return to;
  }

  Model& model_;
  ExternalFiles<Lazy> external_;
  std::size_t messages_ = 0;
};

// Runs `parse` and turns protozero's exceptions into ours.
template <class Parse>
void parsing(const std::string& name, Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    fail("'", name, "': ", error.what());
  } catch (const protozero::exception& error) {
    fail("'", name, "': not a protocol buffer message, or damaged (", error.what(), ")");
  }
}

[[nodiscard]] inline protozero::data_view whole(const Model& model) {
  return {reinterpret_cast<const char*>(model.bytes.data()), model.bytes.size()};
}

}  // namespace detail

template <class Lazy>
Model parse_model(Bytes bytes, const std::string& name, const std::string& folder) {
  Model model;
  model.file = name;
  model.bytes = std::move(bytes);
  model.total_bytes = model.bytes.size();
  detail::parsing(name, [&] { detail::Parser<Lazy>(model, folder).model(detail::whole(model)); });
  return model;
}

template <class Lazy>
Model read_tensor(const std::string& path) {
  Model model;
  model.file = path;
  model.bytes = read_file(path);
  model.total_bytes = model.bytes.size();
  detail::parsing(path,
                  [&] { model.initializers.push_back(detail::Parser<Lazy>(model, "").tensor(detail::whole(model))); });
  return model;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_PARSE_HPP_
