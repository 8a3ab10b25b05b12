// octavo/io/c_source.hpp: an int8 program as one self-contained C99 file: weights, multipliers, and a runner of static
// memory.
#ifndef OCTAVO_IO_C_SOURCE_HPP_
#define OCTAVO_IO_C_SOURCE_HPP_

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../kernels/code_map.hpp"
#include "../kernels/pool_stage.hpp"
#include "../kernels/resize_axis.hpp"
#include "../kernels/softmax_stage.hpp"
#include "../runtime/memory_plan.hpp"
#include "../runtime/model.hpp"
#include "../runtime/validate.hpp"
#include "c_kernels.hpp"
#include "c_text.hpp"
#include "file.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// What an exported file needs, in bytes.
struct CSourceSize {
  std::size_t arena = 0;      // static memory: activations
  std::size_t constants = 0;  // weights, biases, multipliers, tables: flash on a microcontroller
  bool logits = false;        // an output is the codes of logits, where the program has a float softmax after them
};

namespace c_source {

// The usual end of an int8 model with a float border, dequantize and softmax in float32, is left to the caller: the
// output becomes the codes that it reads. Returns those tensors. The largest logit is the largest probability, so a
// classifier loses nothing.
inline std::set<int> end_at_logits(runtime::Program& program) {
  const auto maker = [&](int id) {
    return std::find_if(program.ops.begin(), program.ops.end(), [&](const runtime::Op& op) {
      return std::find(op.outputs.begin(), op.outputs.end(), id) != op.outputs.end();
    });
  };
  const auto uses = [&](int id) {
    auto count = std::count(program.outputs.begin(), program.outputs.end(), id);
    for (const runtime::Op& op : program.ops) count += std::count(op.inputs.begin(), op.inputs.end(), id);
    return count;
  };
  std::set<int> logits;
  for (int& output : program.outputs) {
    const auto softmax = maker(output);
    if (softmax == program.ops.end() || softmax->kind != runtime::OpKind::softmax || uses(output) != 1) continue;
    const auto dequantize = maker(softmax->inputs[0]);
    if (dequantize == program.ops.end() || dequantize->kind != runtime::OpKind::dequantize) continue;
    const int real = softmax->inputs[0], codes = dequantize->inputs[0];
    if (uses(real) != 1 || std::count(program.inputs.begin(), program.inputs.end(), codes) != 0 ||
        std::count(program.outputs.begin(), program.outputs.end(), codes) != 0)
      continue;
    output = codes;
    logits.insert(codes);
    std::erase_if(program.ops, [&](const runtime::Op& op) { return &op == &*softmax || &op == &*dequantize; });
  }
  return logits;
}

// Writes the text. Throws Error naming the operator that has no form there: those between float tensors.
template <class Lazy = void>
class Writer : private Text {
 public:
  Writer(runtime::Program program, std::string prefix) : Text(std::move(prefix)), p_(std::move(program)) {
    p_.rounding = Rounding::tflite_double;
    runtime::validate(p_);
    logits_ = end_at_logits(p_);
    plan();
  }

  [[nodiscard]] std::string run() {
    for (std::size_t i = 0; i < p_.ops.size(); ++i) {
      try {
        write(p_.ops[i], i);
      } catch (const Error& error) {
        fail("C source: ", name_of(p_.ops[i].kind), " '", p_.ops[i].name, "': ", error.what());
      }
    }
    std::string text = head();
    text += with_prefix(kArithmetic);
    for (const auto& [name, kernel] : kernels_) text += with_prefix(kernel);
    text += data_ + "\nstatic int8_t " + prefix_ + "_arena[" + number(std::max<std::size_t>(plan_.bytes, 1)) + "];\n\n";
    return text + signature() + " {\n" + calls_ + "}\n\n#endif\n";
  }
  [[nodiscard]] CSourceSize size() const noexcept { return {plan_.bytes, constant_bytes_, !logits_.empty()}; }

 private:
  using Op = runtime::Op;
  using OpKind = runtime::OpKind;
  using DType = runtime::DType;
  using TensorInfo = runtime::TensorInfo;

  [[nodiscard]] const TensorInfo& info(int id) const { return tensor_at(p_, id); }

  // Reshape shares memory; inputs and outputs of the model are the caller's.
  void plan() {
    const std::size_t count = p_.tensors.size();
    root_.resize(count);
    for (std::size_t i = 0; i < count; ++i) root_[i] = static_cast<int>(i);
    std::vector<runtime::BufferLife> lives(count);
    const auto use = [&](int id, int step) {
      if (id < 0 || info(id).constant()) return;
      const auto root = static_cast<std::size_t>(root_[static_cast<std::size_t>(id)]);
      runtime::BufferLife& life = lives[root];
      if (life.bytes == 0) life.first = step;
      life.bytes = static_cast<std::size_t>(data_bytes(info(id).dtype, info(id).shape));
      life.last = std::max(life.last, step);
    };
    for (std::size_t s = 0; s < p_.ops.size(); ++s) {
      const Op& op = p_.ops[s];
      for (const int id : op.inputs) use(id, static_cast<int>(s));
      const bool borders = is_caller(op.inputs[0]) && is_caller(op.outputs[0]);
      if (op.kind == OpKind::reshape && !is_caller(op.outputs[0]) && !borders)
        root_[static_cast<std::size_t>(op.outputs[0])] = root_[static_cast<std::size_t>(op.inputs[0])];
      for (const int id : op.outputs) use(id, static_cast<int>(s));
    }
    for (std::size_t i = 0; i < count; ++i)
      if (is_caller(static_cast<int>(i))) lives[i].bytes = 0;
    plan_ = runtime::plan_memory(lives);
  }
  [[nodiscard]] static int place_in(const std::vector<int>& list, int id) {
    const auto found = std::find(list.begin(), list.end(), id);
    return found == list.end() ? -1 : static_cast<int>(found - list.begin());
  }
  [[nodiscard]] bool is_caller(int id) const { return place_in(p_.inputs, id) >= 0 || place_in(p_.outputs, id) >= 0; }

  // An expression for a tensor's memory, as codes or floats.
  [[nodiscard]] std::string memory(int id, bool constant) const {
    const int root = root_[static_cast<std::size_t>(id)];
    const int in = place_in(p_.inputs, root);
    const int out = place_in(p_.outputs, id);
    const bool cast = info(id).dtype == DType::u8;
    const std::string type = constant ? "(const int8_t*)" : "(int8_t*)";
    if (in >= 0) return (cast ? type : "") + "input" + number(in);
    if (out >= 0) return (cast ? type : "") + "output" + number(out);
    require(info(id).dtype != DType::f32, "'", info(id).name, "' is float32; only a model's border can be");
    return prefix_ + "_arena + " + number(plan_.offset[static_cast<std::size_t>(root)]);
  }
  [[nodiscard]] std::string from(int id) { return info(id).constant() ? constant(id) : memory(id, true); }
  [[nodiscard]] std::string to(const Op& op) const { return memory(op.outputs[0], false); }

  std::string constant(int id) {
    const std::string name = std::string("t").append(number(id));
    if (!written_.insert(id).second) return prefix_ + "_" + name;
    return array<std::int8_t>("int8_t", name, runtime::constant_values<std::int8_t>(info(id)));
  }

  [[nodiscard]] CodeLimits limits(const Op& op) const {
    return activation_range(grid_of(output_of(p_, op)), op.clamp_low, op.clamp_high);
  }
  // The requantization, in int8 terms.
  [[nodiscard]] OutputStage stage(const Op& op) const {
    const runtime::RequantizationScales scales = runtime::requantization_scales(p_, op);
    Grid out = grid_of(output_of(p_, op));
    out.scale = scales.output;
    return make_output_stage(p_.rounding, scales.input, scales.weight, out, limits(op));
  }

  void write(const Op& op, std::size_t index) {
    const std::string name = std::string("op").append(number(index));
    const TensorInfo& in = input_of(p_, op, 0);
    const TensorInfo& out = output_of(p_, op);
    calls_ +=
        "  /* " + std::string(name_of(op.kind)) + " " + in.shape.to_string() + " -> " + out.shape.to_string() + " */\n";
    const std::int64_t size = out.shape.size();
    switch (op.kind) {
      case OpKind::conv2d:
      case OpKind::depthwise_conv2d:
      case OpKind::dense:
        return convolution(op, name);
      case OpKind::average_pool2d:
      case OpKind::max_pool2d:
        return pool(op, name);
      case OpKind::global_average_pool:
      case OpKind::mean:
        return mean(op);
      case OpKind::add:
      case OpKind::sub:
      case OpKind::mul:
        return pair(op, name);
      case OpKind::concat:
        return concat(op, name);
      case OpKind::pad:
        need("pad", kPad);
        return call("pad", from(op.inputs[0]) + ", " + to(op) + ", " +
                               list({in.shape[1], in.shape[2], in.shape[3], op.pad_top, op.pad_bottom, op.pad_left,
                                     op.pad_right, grid_of(in).zero_point}));
      case OpKind::resize_nearest:
      case OpKind::resize_bilinear:
        return resize(op, name);
      case OpKind::reshape:
        if (root_[static_cast<std::size_t>(op.outputs[0])] == root_[static_cast<std::size_t>(op.inputs[0])]) return;
        return table(op, name, identity());
      case OpKind::transpose: {
        need("view", kView);
        need("gather", kTranspose);
        std::vector<std::int64_t> step(in.shape.rank(), 1);
        for (std::size_t i = in.shape.rank() - 1; i-- > 0;) step[i] = step[i + 1] * in.shape[i + 1];
        std::vector<std::int64_t> moved;
        for (const int axis : op.axes) moved.push_back(step[static_cast<std::size_t>(axis)]);
        return call("gather", structure("view_t", name, view(out.shape, moved)) + ", " + from(op.inputs[0]) + ", " +
                                  to(op) + ", " + number(size));
      }
      case OpKind::clamp:
      case OpKind::requantize:
      case OpKind::logistic:
      case OpKind::hard_swish:
        return table(op, name, code_map(op));
      case OpKind::softmax: {
        require(out.dtype == DType::i8, "it computes in float; ConvertOptions::int8_softmax makes an integer one");
        need("softmax", kSoftmax);
        const SoftmaxStage s = make_softmax_stage(p_.rounding, grid_of(in).scale, op.beta);
        const std::int64_t depth = in.shape.back();
        require(depth < 4096, "more than 4095 classes");
        return call("softmax", array<std::int32_t>("int32_t", name, s.fixed) + ", " + number(s.cut) + ", " +
                                   from(op.inputs[0]) + ", " + to(op) + ", " + list({size / depth, depth}));
      }
      case OpKind::quantize: {
        need("quantize", kQuantize);
        const Grid grid = grid_of(out);
        return call("quantize", from(op.inputs[0]) + ", " + to(op) + ", " + number(size) + ", " + number(grid.scale) +
                                    ", " + list({grid.zero_point, grid.qmin, grid.qmax}));
      }
      case OpKind::dequantize: {
        need("dequantize", kDequantize);
        const Grid grid = grid_of(in);
        return call("dequantize", from(op.inputs[0]) + ", " + to(op) + ", " + number(size) + ", " + number(grid.scale) +
                                      ", " + list({grid.zero_point, in.dtype == DType::u8}));
      }
    }
    fail("it has no form in C");
  }

  void convolution(const Op& op, const std::string& name) {
    require(output_of(p_, op).dtype == DType::i8, "it computes in float");
    need("convolution", kConvolution);
    const ConvGeometry g = geometry_of(p_, op);
    const TensorInfo& weights = input_of(p_, op, 1);
    const OutputStage s = stage(op);
    const Window& w = g.window;
    const bool depthwise = op.kind == OpKind::depthwise_conv2d;
    std::string members = list({g.in_h,
                                g.in_w,
                                g.in_c,
                                g.out_h,
                                g.out_w,
                                g.out_c,
                                w.kernel_h,
                                w.kernel_w,
                                w.stride_h,
                                w.stride_w,
                                w.dilation_h,
                                w.dilation_w,
                                w.pad_top,
                                w.pad_left,
                                op.kind == OpKind::conv2d ? g.groups : 1,
                                depthwise ? 1 : 0,
                                grid_of(input_of(p_, op, 0)).zero_point,
                                weights.quantization.zero_point[0],
                                s.zero_point,
                                s.min,
                                s.max,
                                static_cast<std::int64_t>(s.shift.size())});
    const std::vector<std::int8_t> codes = runtime::weight_codes(weights);
    members += std::string(", ") + array<std::int8_t>("int8_t", name + "_weights", codes);
    members += op.inputs[2] < 0 ? std::string(", 0")
                                : std::string(", ").append(array<std::int32_t>(
                                      "int32_t", name + "_bias", runtime::bias_values<std::int32_t>(p_, op)));
    if (runtime::requantizes_in_double(p_, op)) {
      std::vector<double> scale;
      for (const float weight : weights.quantization.scale)
        scale.push_back(
            requantization_multiplier(grid_of(input_of(p_, op, 0)).scale, weight, grid_of(output_of(p_, op)).scale));
      members += std::string(", 0, 0, ") + array<double>("double", name + "_scale", scale);
    } else {
      members += std::string(", ") + array<std::int32_t>("int32_t", name + "_multiplier", s.multiplier);
      const std::vector<std::int8_t> shift(s.shift.begin(), s.shift.end());
      members += std::string(", ") + array<std::int8_t>("int8_t", name + "_shift", shift) + ", 0";
    }
    call("convolution", structure("convolution_t", name, members) + ", " + from(op.inputs[0]) + ", " + to(op));
  }

  void pool(const Op& op, const std::string& name) {
    require(output_of(p_, op).dtype == DType::i8, "it computes in float");
    need("pool", kPool);
    const ConvGeometry g = geometry_of(p_, op);
    const CodeLimits range = limits(op);
    const Window& w = g.window;
    const std::string members =
        list({g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_top,
              w.pad_left, op.kind == OpKind::average_pool2d, op.legacy_uint8, range.min, range.max});
    call("pool", structure("pool_t", name, members) + ", " + from(op.inputs[0]) + ", " + to(op));
  }

  void mean(const Op& op) {
    require(output_of(p_, op).dtype == DType::i8, "it computes in float");
    need("mean", kMean);
    const Shape& in = input_of(p_, op, 0).shape;
    const runtime::MeanExtents e =
        op.kind == OpKind::mean ? mean_extents(p_, op) : runtime::MeanExtents{1, in[1] * in[2], in[3]};
    const Grid grid = grid_of(input_of(p_, op, 0));
    const OutputStage s = make_mean_stage(p_.rounding, grid, grid_of(output_of(p_, op)), limits(op), e.count);
    call("mean", from(op.inputs[0]) + ", " + to(op) + ", " +
                     list({e.outer, e.count, e.inner, grid.zero_point, s.multiplier[0], s.shift[0], s.zero_point, s.min,
                           s.max}));
  }

  void pair(const Op& op, const std::string& name) {
    const TensorInfo& a = input_of(p_, op, 0);
    const TensorInfo& b = input_of(p_, op, 1);
    const TensorInfo& out = output_of(p_, op);
    require(out.dtype == DType::i8, "it computes in float");
    need("view", kView);
    const bool spread = a.shape.size() != out.shape.size() || b.shape.size() != out.shape.size();
    std::string members = spread_view(a.shape, out.shape) + ", " + spread_view(b.shape, out.shape) + ", ";
    const CodeLimits range = limits(op);
    const Grid to_grid = grid_of(out);
    const std::int64_t size = out.shape.size();
    const bool product = op.kind == OpKind::mul;
    if (product) {
      need("mul", kMul);
      const OutputStage s = stage(op);
      members += list({size, spread, grid_of(a).zero_point, grid_of(b).zero_point, to_grid.zero_point, range.min,
                       range.max, s.multiplier[0], s.shift[0]});
    } else {
      need("add", kAdd);
      const AddStage s = make_add_stage(p_.rounding, grid_of(a), grid_of(b), to_grid, range);
      members += list({size, spread, op.kind == OpKind::sub ? -1 : 1, s.zero_point_a, s.zero_point_b, s.zero_point,
                       s.min, s.max, s.multiplier_a.multiplier, s.multiplier_a.shift, s.multiplier_b.multiplier,
                       s.multiplier_b.shift, s.multiplier.multiplier, s.multiplier.shift});
    }
    const std::string data = structure(product ? "mul_t" : "add_t", name, members);
    call(product ? "mul" : "add", data + ", " + from(op.inputs[0]) + ", " + from(op.inputs[1]) + ", " + to(op));
  }

  [[nodiscard]] std::vector<std::int8_t> code_map(const Op& op) const {
    const TensorInfo& in = input_of(p_, op, 0);
    const TensorInfo& out = output_of(p_, op);
    require(in.dtype != DType::f32 && out.dtype != DType::f32, "it computes in float");
    const Grid from = runtime::stored_grid(in);
    const Grid to = runtime::stored_grid(out);
    const CodeLimits range = activation_range(to, op.clamp_low, op.clamp_high);
    const runtime::RequantizationScales scales = runtime::requantization_scales(p_, op);
    Grid scaled = to;
    scaled.scale = scales.output;
    const bool same = from.scale == to.scale && from.zero_point == to.zero_point;
    const CodeMap map = op.kind == OpKind::logistic     ? make_logistic_map(from, p_.rounding)
                        : op.kind == OpKind::hard_swish ? make_hard_swish_map(from, to, p_.rounding)
                        : same                          ? make_clamp_map(range)
                               : make_requantize_map(from.zero_point, make_output_stage(p_.rounding, scales.input,
                                                                                        scales.weight, scaled, range));
    return by_bytes(map, in.dtype == DType::i8, out.dtype == DType::i8);
  }
  void table(const Op& op, const std::string& name, const std::vector<std::int8_t>& values) {
    need("table", kTable);
    call("table", array<std::int8_t>("int8_t", name, values) + ", " + from(op.inputs[0]) + ", " + to(op) + ", " +
                      number(output_of(p_, op).shape.size()));
  }

  void resize(const Op& op, const std::string& name) {
    require(output_of(p_, op).dtype == DType::i8 && !interpolates_as_uint8(p_, op), "it computes in float");
    need("resize", kResize);
    const ResizeGeometry g = resize_geometry_of(p_, op);
    const auto table = [&](const std::string& axis_name, const ResizeAxis& axis) {
      std::vector<std::int32_t> numbers;
      for (std::int64_t i = 0; i < axis.out; ++i) {
        ResizeSource<std::int32_t> from = linear_source(axis, i, p_.rounding);
        if (op.kind == OpKind::resize_nearest) from = {nearest_source(axis, i), 0, 0};
        for (const std::int64_t number : {from.first, from.second, std::int64_t{from.weight}})
          numbers.push_back(static_cast<std::int32_t>(number));
      }
      return array<std::int32_t>("int32_t", name + axis_name, numbers) + ", ";
    };
    const std::string tables = table("_rows", g.rows()) + table("_columns", g.columns());
    call("resize", tables + from(op.inputs[0]) + ", " + to(op) + ", " + list({g.in_w, g.out_h, g.out_w, g.channels}));
  }

  void concat(const Op& op, const std::string& name) {
    require(output_of(p_, op).dtype == DType::i8, "it computes in float");
    need("concat", kConcat);
    const runtime::ConcatExtents extents = concat_extents(p_, op);
    const Grid out = runtime::stored_grid(output_of(p_, op));
    std::int64_t total = 0;
    for (const std::int64_t inner : extents.inner) total += inner;
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const Grid in = runtime::stored_grid(input_of(p_, op, i));
      const CodeMap map =
          op.legacy_uint8 ? make_float_map(in, out) : make_requantize_map(p_.rounding, in, out, {out.qmin, out.qmax});
      const std::string values =
          map.identity() ? "0" : array<std::int8_t>("int8_t", name + "_" + number(i), by_bytes(map, true, true));
      call("concat", values + ", " + from(op.inputs[i]) + ", " + to(op) + " + " + number(begin) + ", " +
                         list({extents.outer, extents.inner[i], total}));
      begin += extents.inner[i];
    }
  }

  [[nodiscard]] static std::string c_type(DType dtype) {
    return dtype == DType::f32 ? "float" : dtype == DType::u8 ? "uint8_t" : "int8_t";
  }
  [[nodiscard]] std::string signature() const {
    std::string text = "void " + prefix_ + "_run(";
    for (std::size_t i = 0; i < p_.inputs.size(); ++i)
      text.append(i == 0 ? "const " : ", const ")
          .append(c_type(info(p_.inputs[i]).dtype))
          .append("* input")
          .append(number(i));
    for (std::size_t i = 0; i < p_.outputs.size(); ++i)
      text.append(", ").append(c_type(info(p_.outputs[i]).dtype)).append("* output").append(number(i));
    return text + ")";
  }

  [[nodiscard]] std::string head() const {
    std::string upper;
    for (const char c : prefix_) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const auto tensors = [&](const std::vector<int>& ids, const std::string& what) {
      std::string text;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const TensorInfo& t = info(ids[i]);
        text += " *   " + what + number(i) + ": " + c_type(t.dtype) + ", " + t.shape.to_string();
        if (!t.quantization.empty())
          text += ", real = " + number(grid_of(t).scale) + " * (code - " + number(grid_of(t).zero_point) + ")";
        text += "\n";
        if (logits_.contains(ids[i]))
          text +=
              " *     logits: the largest is the answer; probabilities are their softmax, which is float and not "
              "here\n";
      }
      return text;
    };
    std::string text =
        "/* A neural network in C99, written by octavo. Needs <stdint.h> only; no heap, no globals but its "
        "arena.\n * Compile it once, or include it in one file; others define " +
        upper + "_DECLARE_ONLY first.\n *\n" + tensors(p_.inputs, "input") + tensors(p_.outputs, "output") +
        " *\n * Static memory: " + number(plan_.bytes) + " bytes of arena. Constants: " + number(constant_bytes_) +
        " bytes.\n */\n";
    text += "#ifndef " + upper + "_H_\n#define " + upper + "_H_\n\n#include <stdint.h>\n\n";
    text += "#define " + upper + "_ARENA_BYTES " + number(plan_.bytes) + "\n#define " + upper + "_CONSTANT_BYTES " +
            number(constant_bytes_) + "\n";
    for (std::size_t i = 0; i < p_.inputs.size(); ++i)
      text += "#define " + upper + "_INPUT" + number(i) + "_SIZE " + number(info(p_.inputs[i]).shape.size()) + "\n";
    for (std::size_t i = 0; i < p_.outputs.size(); ++i)
      text += "#define " + upper + "_OUTPUT" + number(i) + "_SIZE " + number(info(p_.outputs[i]).shape.size()) + "\n";
    text += "\n/* One image. Not reentrant: the arena is shared. */\n" + signature() + ";\n\n#endif\n\n#ifndef " +
            upper + "_DECLARE_ONLY\n";
    return text;
  }

  runtime::Program p_;
  std::vector<int> root_;
  runtime::MemoryPlan plan_;
  std::set<int> written_;
  std::set<int> logits_;
};

}  // namespace c_source

// Writes `program` as one C99 file: weights, multipliers and a runner without heap that needs <stdint.h> only. Its
// names begin with the file's ("weeds.h": weeds_run, weeds_arena). The bytes that it computes are those of
// tflite_double, whatever the program's rounding is; a model's border may be float32. A float softmax of dequantized
// logits, with which convert() ends by default, is left out: that output is the logits' codes (CSourceSize::logits says
// so, and the file's head, with their scale). Throws Error for other operators between float tensors.
template <class Lazy = void>
CSourceSize export_c(const runtime::Program& program, const std::string& path) {
  c_source::Writer<Lazy> writer(program, c_source::prefix_of(path));
  const std::string text = writer.run();
  write_file(path, std::string_view(text));
  return writer.size();
}
template <class Lazy = void>
CSourceSize export_c(const runtime::Model& model, const std::string& path) {
  return export_c(model.program(), path);
}

}  // namespace io

using io::CSourceSize;
using io::export_c;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(octavo::io::CSourceSize octavo::io::export_c<void>(const octavo::runtime::Program&, const std::string&));

#endif  // OCTAVO_IO_C_SOURCE_HPP_
