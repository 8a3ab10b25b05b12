// octavo/io/onnx_fold.hpp: operators of an ONNX graph whose inputs are constants, computed while it is imported.
#ifndef OCTAVO_IO_ONNX_FOLD_HPP_
#define OCTAVO_IO_ONNX_FOLD_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../quant/quantize.hpp"
#include "onnx_constant.hpp"
#include "onnx_node.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {
namespace onnx {

// The grid of QuantizeLinear or DequantizeLinear from its scale and zero point; `type` is that of the codes. `rank`:
// of the tensor that is quantized.
[[nodiscard]] inline CodeGrid make_code_grid(const Constant& scale, const Constant* zero_point, std::int64_t axis,
                                             std::size_t rank) {
  CodeGrid grid;
  grid.scale = stored_numbers<float>(scale);
  require(!grid.scale.empty() && scale.dims.size() <= 1, "expected one scale or one a channel, found ",
          to_string(scale.dims), "; blocks are not read");
  for (const float s : grid.scale) require(std::isnormal(s) && s > 0.0F, "scale ", s, " is no normal number > 0");
  if (grid.scale.size() > 1) grid.axis = static_cast<int>(detail::axis_of(axis, rank));
  grid.zero_point.assign(grid.scale.size(), 0);
  if (zero_point == nullptr) return grid;
  const std::vector<std::int32_t> zeros = stored_numbers<std::int32_t>(*zero_point);
  require(zeros.size() == grid.scale.size(), "expected ", grid.scale.size(), " zero points, found ", zeros.size());
  grid.zero_point = zeros;
  return grid;
}

// Computes nodes whose inputs are all constants. `limit` bounds the bytes of all results together.
template <class Lazy = void>
class Folder {
 public:
  explicit Folder(std::size_t limit) : left_(limit) {}

  // The result of a node with one output, or nothing when this operator is not computed here. `inputs`: null where an
  // optional input is missing. Throws Error when the inputs do not fit the operator.
  [[nodiscard]] std::optional<Constant> compute(const NodeReader& node, std::span<const Constant* const> inputs) {
    struct Entry {
      std::string_view op;
      std::size_t least;
      Constant (Folder::*run)(const NodeReader&, std::span<const Constant* const>);
    };
    static constexpr Entry table[] = {
        {"Constant", 0, &Folder::constant},
        {"ConstantOfShape", 1, &Folder::constant_of_shape},
        {"Identity", 1, &Folder::identity},
        {"Dropout", 1, &Folder::identity},
        {"Cast", 1, &Folder::cast},
        {"Shape", 1, &Folder::shape},
        {"Gather", 2, &Folder::gather},
        {"Unsqueeze", 1, &Folder::reshape},
        {"Squeeze", 1, &Folder::reshape},
        {"Reshape", 1, &Folder::reshape},
        {"Flatten", 1, &Folder::reshape},
        {"Concat", 1, &Folder::concat},
        {"Slice", 1, &Folder::slice},
        {"Transpose", 1, &Folder::transpose},
        {"Add", 2, &Folder::arithmetic},
        {"Sub", 2, &Folder::arithmetic},
        {"Mul", 2, &Folder::arithmetic},
        {"Div", 2, &Folder::arithmetic},
        {"Sqrt", 1, &Folder::unary},
        {"Neg", 1, &Folder::unary},
        {"QuantizeLinear", 2, &Folder::quantize},
        {"DequantizeLinear", 2, &Folder::dequantize},
    };
    const auto* entry =
        std::find_if(std::begin(table), std::end(table), [&](const Entry& e) { return e.op == node.op(); });
    if (entry == std::end(table)) return std::nullopt;
    require(inputs.size() >= entry->least, "expected ", entry->least, " inputs, found ", inputs.size());
    for (std::size_t i = 0; i < entry->least; ++i) require(inputs[i] != nullptr, "input ", i, " is missing");
    return (this->*entry->run)(node, inputs);
  }

  // The shape that Reshape, Flatten, Squeeze or Unsqueeze gives to `dims`; `argument` is the constant second input.
  [[nodiscard]] static Dims reshaped(const NodeReader& node, const Dims& dims, const Constant* argument);

 private:
  using Inputs = std::span<const Constant* const>;

  void spend(std::size_t bytes) {
    require(bytes <= left_, "constants that are computed from others take too much memory");
    left_ -= bytes;
  }
  Constant blank(Type type, Dims dims) {
    const std::size_t bytes = static_cast<std::size_t>(elements_of(dims)) * bytes_of(type);
    spend(bytes);
    auto owner = std::make_shared<Bytes>();
    owner->resize(bytes);
    Constant made{type, std::move(dims), *owner};
    made.owner = std::move(owner);
    return made;
  }
  // The bytes of a constant that blank() made and nobody else has seen yet.
  static std::uint8_t* bytes_of_new(const Constant& constant) {
    return const_cast<std::uint8_t*>(constant.data.data());
  }
  Constant store(Type type, Dims dims, std::span<const double> values) {
    Constant made = blank(type, std::move(dims));
    const auto put = [&](auto sample) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        using Value = decltype(sample);
        const auto value = static_cast<Value>(values[i]);
        std::memcpy(bytes_of_new(made) + i * sizeof value, &value, sizeof value);
      }
    };
    for (const double value : values)
      require(type == Type::f32 || type == Type::f64 || std::abs(value) < 0x1p31, "the integer ", value,
              " is too large");
    switch (type) {
      case Type::f32:
        put(float{});
        break;
      case Type::f64:
        put(double{});
        break;
      case Type::i64:
        put(std::int64_t{});
        break;
      case Type::i32:
        put(std::int32_t{});
        break;
      case Type::boolean: {
        for (std::size_t i = 0; i < values.size(); ++i) bytes_of_new(made)[i] = values[i] != 0.0;
        break;
      }
      default:
        fail("cannot compute with ", name_of(type));
    }
    return made;
  }
  // Half precision is computed, and kept, in float32.
  static Type computed_type(const Constant& constant) {
    return constant.is_real() && constant.type != Type::f64 ? Type::f32 : constant.type;
  }
  std::vector<double> numbers(const Constant& constant) {
    spend(static_cast<std::size_t>(constant.size()) * sizeof(double));
    if (constant.grid == nullptr) return stored_numbers<double>(constant);
    const std::vector<float> values = real_values(constant);
    return {values.begin(), values.end()};
  }

  Constant constant(const NodeReader& node, Inputs) {
    if (node.has("value")) return node.tensor("value");
    if (const Attribute* found = node.find("value_ints"))
      return make_constant({static_cast<std::int64_t>(found->ints.size())}, found->ints);
    if (const Attribute* found = node.find("value_int")) return make_constant({}, std::span(&found->i, 1));
    if (const Attribute* found = node.find("value_floats"))
      return make_constant({static_cast<std::int64_t>(found->floats.size())}, found->floats);
    if (const Attribute* found = node.find("value_float")) return make_constant({}, std::span(&found->f, 1));
    fail("expected a value of numbers");
  }
  Constant constant_of_shape(const NodeReader& node, Inputs in) {
    const float zero = 0.0F;
    const Constant value = node.has("value") ? node.tensor("value") : make_constant({1}, std::span(&zero, 1));
    require(value.size() == 1, "expected a value of one element, found ", value.size());
    Constant made = blank(value.type, integers(*in[0]));
    const std::size_t element = bytes_of(value.type);
    for (std::size_t i = 0; i < made.data.size(); i += element)
      std::memcpy(bytes_of_new(made) + i, value.data.data(), element);
    return made;
  }
  Constant identity(const NodeReader&, Inputs in) { return *in[0]; }
  Constant cast(const NodeReader& node, Inputs in) {
    const auto to = static_cast<Type>(node.integer("to", 0));
    if (to == in[0]->type && in[0]->grid == nullptr) return *in[0];
    if (to == Type::f16 || to == Type::bf16) return store(Type::f32, in[0]->dims, numbers(*in[0]));
    std::vector<double> values = numbers(*in[0]);
    if (to != Type::f32 && to != Type::f64)
      for (double& value : values) value = std::trunc(value);
    return store(to, in[0]->dims, values);
  }
  Constant shape(const NodeReader& node, Inputs in) {
    const auto rank = static_cast<std::int64_t>(in[0]->dims.size());
    const auto place = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const std::int64_t start = place(node.integer("start", 0));
    const std::int64_t end = std::max(start, place(node.integer("end", rank)));
    const Dims part(in[0]->dims.begin() + start, in[0]->dims.begin() + end);
    return make_constant({end - start}, part);
  }
  // Copies element `from(i)` to place i of a new array.
  template <class From>
  Constant rearranged(const Constant& x, Dims dims, From&& from) {
    Constant made = blank(x.type, std::move(dims));
    const std::size_t element = bytes_of(x.type);
    const std::size_t count = element == 0 ? 0 : made.data.size() / element;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t source = static_cast<std::size_t>(from(i)) * element;
      require(source + element <= x.data.size(), "an index is out of range");
      std::memcpy(bytes_of_new(made) + i * element, x.data.data() + source, element);
    }
    require(x.grid == nullptr || x.grid->axis < 0, "cannot move the channels of a quantized constant");
    made.grid = x.grid;
    return made;
  }
  Constant gather(const NodeReader& node, Inputs in) {
    const Constant& x = *in[0];
    const std::size_t axis = detail::axis_of(node.integer("axis", 0), x.dims.size());
    std::vector<std::int64_t> indices = integers(*in[1]);
    Dims dims(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    dims.insert(dims.end(), in[1]->dims.begin(), in[1]->dims.end());
    dims.insert(dims.end(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.dims.end());
    for (std::int64_t& index : indices) {
      if (index < 0) index += x.dims[axis];
      require(index >= 0 && index < x.dims[axis], "index ", index, " is not in [0, ", x.dims[axis], ")");
    }
    std::size_t inner = 1;
    for (std::size_t i = axis + 1; i < x.dims.size(); ++i) inner *= static_cast<std::size_t>(x.dims[i]);
    const auto extent = static_cast<std::size_t>(x.dims[axis]);
    return rearranged(x, dims, [&](std::size_t i) {
      const std::size_t k = i / inner % indices.size(), outer = i / inner / indices.size();
      return (outer * extent + static_cast<std::size_t>(indices[k])) * inner + i % inner;
    });
  }
  Constant reshape(const NodeReader& node, Inputs in) {
    Constant x = *in[0];
    require(x.grid == nullptr || x.grid->axis < 0, "cannot reshape a constant that is quantized by channels");
    x.dims = reshaped(node, x.dims, in.size() > 1 ? in[1] : nullptr);
    return x;
  }
  Constant concat(const NodeReader& node, Inputs in) {
    require(in[0]->grid == nullptr, "cannot join quantized constants");
    const std::size_t axis = detail::axis_of(node.integer("axis", 0), in[0]->dims.size());
    Dims dims = in[0]->dims;
    std::size_t outer = 1;
    for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(dims[i]);
    for (std::size_t k = 1; k < in.size(); ++k) {
      require(
          in[k] != nullptr && in[k]->type == in[0]->type && in[k]->grid == nullptr && in[k]->dims.size() == dims.size(),
          "the inputs' types or ranks differ");
      Dims other = in[k]->dims;
      dims[axis] += other[axis];
      other[axis] = dims[axis];
      require(other == dims, "the inputs' shapes differ outside of axis ", axis);
    }
    Constant made = blank(in[0]->type, dims);
    std::uint8_t* to = bytes_of_new(made);
    for (std::size_t o = 0; o < outer; ++o)
      for (const Constant* x : in) {
        const std::size_t piece = x->data.size() / outer;
        to = std::copy_n(x->data.data() + o * piece, piece, to);
      }
    return made;
  }
  Constant slice(const NodeReader& node, Inputs in);
  Constant transpose(const NodeReader& node, Inputs in);
  Constant arithmetic(const NodeReader& node, Inputs in);
  Constant unary(const NodeReader& node, Inputs in) {
    std::vector<double> values = numbers(*in[0]);
    for (double& value : values) value = node.op() == "Sqrt" ? std::sqrt(value) : -value;
    return store(computed_type(*in[0]), in[0]->dims, values);
  }
  Constant quantize(const NodeReader& node, Inputs in);
  Constant dequantize(const NodeReader& node, Inputs in) {
    require(!in[0]->is_real(), "expected integers, found real numbers");
    Constant x = *in[0];
    const Constant* zero = in.size() > 2 ? in[2] : nullptr;
    auto grid = make_code_grid(*in[1], zero, node.integer("axis", 1), x.dims.size());
    if (grid.axis >= 0)
      require(x.dims[static_cast<std::size_t>(grid.axis)] == static_cast<std::int64_t>(grid.scale.size()), "expected ",
              x.dims[static_cast<std::size_t>(grid.axis)], " scales, found ", grid.scale.size());
    x.grid = std::make_shared<const CodeGrid>(std::move(grid));
    return x;
  }

  std::size_t left_;
};

template <class Lazy>
Dims Folder<Lazy>::reshaped(const NodeReader& node, const Dims& dims, const Constant* argument) {
  const std::size_t rank = dims.size();
  std::vector<std::int64_t> list = node.op() == "Reshape" ? node.list("shape") : node.list("axes");
  const bool has_list = argument != nullptr || node.has("shape") || node.has("axes");
  if (argument != nullptr) list = integers(*argument);
  require(list.size() <= 16, "a list of ", list.size(), " extents or axes");
  Dims result;
  if (node.op() == "Flatten") {
    const std::int64_t axis = node.integer("axis", 1);
    const auto at = static_cast<std::int64_t>(rank);
    require(axis >= -at && axis <= at, "axis ", axis, " is not one of ", rank);
    const auto split = dims.begin() + (axis < 0 ? axis + at : axis);
    return {elements_of(Dims(dims.begin(), split)), elements_of(Dims(split, dims.end()))};
  }
  if (node.op() == "Reshape") {
    require(has_list, "the new shape is missing");
    std::ptrdiff_t free = -1;
    for (std::size_t i = 0; i < list.size(); ++i) {
      result.push_back(list[i]);
      if (list[i] == 0 && node.integer("allowzero", 0) == 0) {
        require(i < rank, "extent ", i, " is to be copied from a shape of rank ", rank);
        result[i] = dims[i];
      }
      require(list[i] >= -1 && (list[i] != -1 || free < 0), "cannot reshape to ", to_string(list));
      if (list[i] == -1) free = static_cast<std::ptrdiff_t>(i), result[i] = 1;
    }
    const std::int64_t known = elements_of(result), all = elements_of(dims);
    if (free >= 0 && known > 0) result[static_cast<std::size_t>(free)] = all / known;
    require(elements_of(result) == all, "cannot make ", to_string(list), " of ", to_string(dims));
    return result;
  }
  if (node.op() == "Squeeze") {
    std::vector<bool> removed(rank, !has_list);
    for (const std::int64_t axis : list) removed[detail::axis_of(axis, rank)] = true;
    for (std::size_t i = 0; i < rank; ++i) {
      if (removed[i] && dims[i] == 1) continue;
      require(!removed[i] || !has_list, "axis ", i, " of ", to_string(dims), " is not 1");
      result.push_back(dims[i]);
    }
    return result;
  }
  require(has_list, "the axes are missing");
  const std::size_t new_rank = rank + list.size();
  std::vector<bool> added(new_rank, false);
  for (const std::int64_t axis : list) added[detail::axis_of(axis, new_rank)] = true;
  auto next = dims.begin();
  for (std::size_t i = 0; i < new_rank; ++i) {
    require(added[i] || next != dims.end(), "an axis is given twice");
    result.push_back(added[i] ? 1 : *next++);
  }
  return result;
}

template <class Lazy>
Constant Folder<Lazy>::slice(const NodeReader& node, Inputs in) {
  const Constant& x = *in[0];
  const auto argument = [&](std::size_t i, std::string_view name) {
    return in.size() > i && in[i] != nullptr ? integers(*in[i]) : node.list(name);
  };
  const std::vector<std::int64_t> starts = argument(1, "starts"), ends = argument(2, "ends");
  std::vector<std::int64_t> axes = argument(3, "axes"), steps = argument(4, "steps");
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  steps.resize(std::max(steps.size(), axes.size()), 1);
  require(starts.size() == ends.size() && axes.size() == starts.size(), "starts, ends and axes differ in length");
  std::vector<std::int64_t> first(x.dims.size(), 0);
  Dims dims = x.dims;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = detail::axis_of(axes[i], x.dims.size());
    require(steps[i] == 1, "only steps of 1, found ", steps[i]);
    const std::int64_t extent = x.dims[axis];
    const auto place = [&](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? std::max(at, -extent) + extent : at, 0, extent);
    };
    first[axis] = place(starts[i]);
    dims[axis] = std::max<std::int64_t>(place(ends[i]) - first[axis], 0);
  }
  return rearranged(x, dims, [&](std::size_t i) {
    std::int64_t rest = static_cast<std::int64_t>(i), stride = 1, source = 0;
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      source += (first[axis] + rest % dims[axis]) * stride;
      rest /= dims[axis];
      stride *= x.dims[axis];
    }
    return static_cast<std::size_t>(source);
  });
}

template <class Lazy>
Constant Folder<Lazy>::transpose(const NodeReader& node, Inputs in) {
  const Constant& x = *in[0];
  const std::size_t rank = x.dims.size();
  std::vector<std::int64_t> order = node.list("perm");
  if (order.empty())
    for (std::size_t i = rank; i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  require(order.size() == rank, "expected ", rank, " axes, found ", order.size());
  Dims dims;
  std::vector<std::int64_t> strides(rank, 1), moved;
  for (std::size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * x.dims[i];
  std::vector<bool> used(rank, false);
  for (const std::int64_t axis : order) {
    const std::size_t from = detail::axis_of(axis, rank);
    require(!used[from], "axis ", axis, " is given twice");
    used[from] = true;
    dims.push_back(x.dims[from]);
    moved.push_back(strides[from]);
  }
  Constant plain = x;
  plain.grid = nullptr;
  Constant made = rearranged(plain, dims, [&](std::size_t i) {
    std::int64_t rest = static_cast<std::int64_t>(i), source = 0;
    for (std::size_t axis = rank; axis-- > 0;) {
      source += rest % dims[axis] * moved[axis];
      rest /= dims[axis];
    }
    return static_cast<std::size_t>(source);
  });
  if (x.grid != nullptr) {
    CodeGrid grid = *x.grid;
    for (std::size_t i = 0; i < rank && x.grid->axis >= 0; ++i)
      if (static_cast<int>(detail::axis_of(order[i], rank)) == x.grid->axis) grid.axis = static_cast<int>(i);
    made.grid = std::make_shared<const CodeGrid>(std::move(grid));
  }
  return made;
}

template <class Lazy>
Constant Folder<Lazy>::arithmetic(const NodeReader& node, Inputs in) {
  const std::size_t rank = std::max(in[0]->dims.size(), in[1]->dims.size());
  Dims dims(rank, 1), extents[2];
  for (std::size_t k = 0; k < 2; ++k) {
    extents[k].assign(rank - in[k]->dims.size(), 1);
    extents[k].insert(extents[k].end(), in[k]->dims.begin(), in[k]->dims.end());
  }
  for (std::size_t i = 0; i < rank; ++i) {
    require(extents[0][i] == extents[1][i] || extents[0][i] == 1 || extents[1][i] == 1, "the shapes ",
            to_string(in[0]->dims), " and ", to_string(in[1]->dims), " do not fit");
    dims[i] = extents[0][i] == 1 ? extents[1][i] : extents[0][i];
  }
  const std::vector<double> a = numbers(*in[0]), b = numbers(*in[1]);
  spend(static_cast<std::size_t>(elements_of(dims)) * sizeof(double));
  std::vector<double> values(static_cast<std::size_t>(elements_of(dims)));
  const bool whole = !in[0]->is_real();
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::int64_t at[2] = {0, 0}, stride[2] = {1, 1};
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t axis = rank; axis-- > 0;) {
      for (std::size_t k = 0; k < 2; ++k) {
        if (extents[k][axis] != 1) at[k] += rest % dims[axis] * stride[k];
        stride[k] *= extents[k][axis];
      }
      rest /= dims[axis];
    }
    const double x = a[static_cast<std::size_t>(at[0])], y = b[static_cast<std::size_t>(at[1])];
    require(node.op() != "Div" || !whole || y != 0.0, "a division by 0");
    values[i] = node.op() == "Add" ? x + y : node.op() == "Sub" ? x - y : node.op() == "Mul" ? x * y : x / y;
    if (whole) values[i] = std::trunc(values[i]);
  }
  return store(computed_type(*in[0]), dims, values);
}

template <class Lazy>
Constant Folder<Lazy>::quantize(const NodeReader& node, Inputs in) {
  const Constant& x = *in[0];
  const Constant* zero = in.size() > 2 ? in[2] : nullptr;
  const CodeGrid grid = make_code_grid(*in[1], zero, node.integer("axis", 1), x.dims.size());
  const auto told = static_cast<Type>(node.integer("output_dtype", 0));
  const Type type = zero != nullptr ? zero->type : told != Type::undefined ? told : Type::u8;
  require(bytes_of(type) == 1 && type != Type::boolean, "codes of ", name_of(type), " are not written here");
  const std::vector<float> values = real_values(x);
  std::size_t inner = values.size();
  for (std::size_t i = 0; i <= static_cast<std::size_t>(grid.axis) && grid.axis >= 0; ++i)
    inner /= static_cast<std::size_t>(std::max<std::int64_t>(x.dims[i], 1));
  Constant made = blank(type, x.dims);
  const std::size_t entries = grid.scale.size();
  for (std::size_t i = 0; i < values.size(); ++i)
    bytes_of_new(made)[i] = static_cast<std::uint8_t>(
        octavo::quantize(values[i], grid.at(i / std::max<std::size_t>(inner, 1) % entries, type), Ties::even));
  return made;
}

}  // namespace onnx
}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_ONNX_FOLD_HPP_
