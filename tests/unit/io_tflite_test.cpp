// io/tflite.hpp: files that we wrote give the same program back; what other writers do; refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "octavo/io/tflite.hpp"
#include "octavo/runtime/program_builder.hpp"
#include "runtime_nets.hpp"

using namespace octavo;
using namespace octavo::runtime;
namespace tf = octavo::io::tflite;

namespace {

// A file being made by hand, as another program would write it.
class File {
 public:
  int tensor(const std::string& name, std::vector<std::int64_t> shape, tf::Type type = tf::Type::f32,
             float scale = 0.0F, std::int64_t zero_point = 0) {
    tf::FileTensorOut t;
    t.name = name;
    t.type = type;
    t.shape = std::move(shape);
    if (scale > 0.0F) t.scale = {scale}, t.zero_point = {zero_point};
    return file.add(std::move(t));
  }
  template <class Value>
  int constant(const std::string& name, std::vector<std::int64_t> shape, tf::Type type,
               const std::vector<Value>& values, float scale = 0.0F, std::int64_t zero_point = 0) {
    const int id = tensor(name, std::move(shape), type, scale, zero_point);
    std::vector<std::uint8_t>& data = file.tensors[static_cast<std::size_t>(id)].data;
    data.resize(values.size() * sizeof(Value));
    std::memcpy(data.data(), values.data(), data.size());
    return id;
  }
  int integers(const std::string& name, const std::vector<std::int32_t>& values, std::vector<std::int64_t> shape = {}) {
    if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
    return constant(name, std::move(shape), tf::Type::i32, values);
  }
  void op(tf::Builtin code, std::vector<int> inputs, int output, std::vector<io::FlatField> options = {},
          tf::Options type = tf::Options::conv) {
    file.ops.push_back({code, 1, std::move(inputs), {output}, type, std::move(options), {}});
  }
  [[nodiscard]] AlignedVector<std::uint8_t> bytes() const { return tf::write_file(file, "by hand"); }
  [[nodiscard]] Program program(Rounding rounding = Rounding::tflite_double) const {
    return io::parse_tflite(bytes(), "hand.tflite", rounding);
  }
  [[nodiscard]] std::string refusal() const {
    try {
      (void)program();
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  }

  tf::FileOut file;
};

io::FlatField byte(int field, int value) { return io::FlatField::scalar(field, static_cast<std::uint8_t>(value)); }
io::FlatField number(int field, int value) { return io::FlatField::scalar(field, static_cast<std::int32_t>(value)); }

std::vector<float> run(const Program& program, const std::vector<float>& in) {
  const Model model(program, {.threads = 1});
  std::vector<float> out(static_cast<std::size_t>(model.output().shape.size()));
  model.run(in, out);
  return out;
}

std::vector<float> counted(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i);
  return values;
}

// `everything` without what TFLite has no word for: a clamp to [0, 2] and an activation with one limit of -0.5.
Program expressible(DType dtype) {
  Program p = nets::everything(dtype, Rounding::tflite_double);
  for (Op& op : p.ops) {
    if (op.kind == OpKind::clamp) op.clamp_high = 6.0F;
    if (op.name == "rows") op.clamp_low = -std::numeric_limits<float>::infinity();
  }
  // A pool of 3 x 3 with padding 1 on an even number of columns is neither SAME nor VALID.
  for (Op& op : p.ops)
    if (op.kind == OpKind::average_pool2d) {
      const SamePadding rows = same_padding(5, 3, 2);
      const SamePadding columns = same_padding(4, 3, 2);
      op.window.pad_top = rows.before, op.window.pad_left = columns.before;
    }
  return p;
}

}  // namespace

TEST_CASE("tflite: what we write is what we read, in int8 and in float") {
  for (const DType dtype : {DType::i8, DType::f32}) {
    const Program program = expressible(dtype);
    const AlignedVector<std::uint8_t> bytes = io::to_tflite(program);
    const Program again = io::parse_tflite(bytes, "again", Rounding::tflite_double);
    Program micro = again;
    for (Op& op : micro.ops) op.in_double = false;  // as the first one
    Rng rng(3);
    for (int i = 0; i < 5; ++i) {
      const std::vector<float> in = nets::random_floats(tensor_at(program, program.inputs[0]).shape.size(), rng);
      CHECK(run(program, in) == run(micro, in));
    }
    CHECK(io::to_tflite(again).size() > 0);
  }
}

TEST_CASE("tflite: equal constants share a buffer, and buffers are aligned to 16 bytes") {
  ProgramBuilder b("shared");
  const std::vector<float> values(37, 1.5F);
  const int x = b.add_input("x", {1, 37});
  const int first = b.add_op({.kind = OpKind::add, .name = "a"}, {x, b.add_floats("c", {37}, values)}, {1, 37});
  b.add_output(b.add_op({.kind = OpKind::add, .name = "b"}, {first, b.add_floats("d", {37}, values)}, {1, 37}));
  const AlignedVector<std::uint8_t> bytes = io::to_tflite(std::move(b).build());
  const io::FlatTable model = io::flat_root(bytes, tf::kIdentifier);
  const auto buffers = model.vector<std::uint32_t>(tf::ModelField::buffers);
  REQUIRE(buffers.size() == 2);
  CHECK(model.element(buffers, 0).vector<std::uint8_t>(tf::BufferField::data).empty());
  const auto data = model.element(buffers, 1).vector<std::uint8_t>(tf::BufferField::data);
  CHECK(data.size() == 37 * 4);
  CHECK(data.place(0) % 16 == 0);
  const io::FlatTable graph = model.element(model.vector<std::uint32_t>(tf::ModelField::subgraphs), 0);
  const auto tensors = graph.vector<std::uint32_t>(tf::SubGraphField::tensors);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    names.emplace_back(graph.element(tensors, i).string(tf::TensorField::name));
  CHECK(names == std::vector<std::string>{"x", "c", "a", "d", "b"});
}

TEST_CASE("tflite: channels first, padded before they are turned, as converters of other frameworks write") {
  File f;
  const int x = f.tensor("x", {1, 2, 3, 3});
  const int padded = f.tensor("padded", {1, 2, 5, 4});
  const int turned = f.tensor("turned", {1, 5, 4, 2});
  const int wide = f.tensor("wide", {1, 5, 4, 3});
  const int mean = f.tensor("mean", {1, 4});
  f.file.inputs = {x};
  f.op(tf::Builtin::pad, {x, f.integers("p", {0, 0, 0, 0, 1, 1, 0, 1}, {4, 2})}, padded, {}, tf::Options::pad);
  f.op(tf::Builtin::transpose, {padded, f.integers("t", {0, 2, 3, 1})}, turned, {}, tf::Options::transpose);
  f.op(tf::Builtin::pad, {turned, f.integers("q", {0, 0, 0, 0, 0, 0, 1, 0}, {4, 2})}, wide, {}, tf::Options::pad);
  // Rows and channels: no neighbours.
  f.op(tf::Builtin::mean, {wide, f.integers("axes", {1, -1})}, mean, {byte(tf::ReducerField::keep_dims, 0)},
       tf::Options::reducer);
  f.file.outputs = {mean};
  const std::vector<float> in = counted(18);
  std::vector<float> expected(4, 0.0F);
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t y = 0; y < 3; ++y)
      for (std::size_t i = 0; i < 3; ++i) expected[i] += in[(c * 3 + y) * 3 + i] / 15.0F;
  const std::vector<float> found = run(f.program(), in);
  REQUIRE(found.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i] == doctest::Approx(expected[i]));
}

TEST_CASE("tflite: tensors without a batch, float16 constants, 8-bit constants that are dequantized") {
  File f;
  const int x = f.tensor("x", {1, 6});
  const int rows = f.tensor("rows", {3, 2});
  const int y = f.tensor("y", {3, 2});
  const int z = f.tensor("z", {3, 2});
  const int flat = f.tensor("flat", {6});
  f.file.inputs = {x};
  f.op(tf::Builtin::reshape, {x, f.integers("s", {3, 2})}, rows, {}, tf::Options::reshape);
  const int half = f.constant<std::uint16_t>("half", {2, 2}, tf::Type::f16, {0x3C00, 0x0000, 0xC000, 0x3800});
  const int weights = f.tensor("weights", {2, 2});  // 1 0 / -2 0.5
  f.op(tf::Builtin::dequantize, {half}, weights, {}, tf::Options::dequantize);
  f.op(tf::Builtin::fully_connected, {rows, weights, -1}, y, {byte(tf::FullyConnectedField::activation, 0)},
       tf::Options::fully_connected);
  const int codes = f.constant<std::int8_t>("codes", {2}, tf::Type::i8, {7, -3}, 0.5F, 1);
  f.file.tensors[static_cast<std::size_t>(codes)].scale = {0.5F, 1.0F};
  f.file.tensors[static_cast<std::size_t>(codes)].zero_point = {1, -1};
  const int offset = f.tensor("offset", {2});  // 3 -2
  f.op(tf::Builtin::dequantize, {codes}, offset, {}, tf::Options::dequantize);
  f.op(tf::Builtin::sub, {y, offset}, z, {byte(tf::ArithmeticField::activation, 1)}, tf::Options::sub);
  f.op(tf::Builtin::squeeze, {z}, flat, {}, tf::Options::squeeze);
  f.file.outputs = {flat};
  const std::vector<float> found = run(f.program(), {5, 2, -1, 4, 8, 0});
  CHECK(found == std::vector<float>{2, 0, 0, 6, 5, 0});
}

namespace {

// What Keras' layers become when the batch is open: shapes are computed by operators.
struct OpenShapes : File {
  int open(const std::string& name, std::vector<std::int64_t> shape, std::vector<std::int32_t> signature) {
    const int id = tensor(name, std::move(shape));
    file.tensors[static_cast<std::size_t>(id)].signature = std::move(signature);
    return id;
  }
  int number(const std::string& name, std::vector<std::int64_t> shape = {}) {
    return tensor(name, std::move(shape), tf::Type::i32);
  }
  // [extent 0 of x, rest...]
  int batch_and(const std::string& name, int x, const std::vector<std::int32_t>& rest) {
    const int shape = number(name + "/shape", {3});
    op(tf::Builtin::shape, {x}, shape);
    const int batch = number(name + "/batch");
    op(tf::Builtin::strided_slice,
       {shape, integers(name + "/0", {0}), integers(name + "/1", {1}), integers(name + "/step", {1})}, batch,
       {io::FlatField::scalar(tf::StridedSliceField::shrink_axis_mask, std::int32_t{1})});
    std::vector<int> parts{batch};
    for (std::size_t i = 0; i < rest.size(); ++i)
      parts.push_back(integers(name + "/rest" + std::to_string(i), {rest[i]}, {1}));
    const int packed = number(name + "/packed", {static_cast<std::int64_t>(parts.size())});
    op(tf::Builtin::pack, parts, packed);
    return packed;
  }
};

}  // namespace

TEST_CASE("tflite: shapes that operators compute are constants, and open ones are found") {
  OpenShapes f;
  const int x = f.open("x", {1, 2, 4}, {-1, 2, 4});
  // Rows of all images together: the file's shape has 1 where it does not know.
  const int rows = f.open("rows", {1, 1}, {-1, -1});
  f.op(tf::Builtin::reshape, {x, f.integers("all", {-1, 4})}, rows);
  const int weights = f.constant<float>("w", {3, 4}, tf::Type::f32, {1, 2, 3, 4, 0, 1, 0, 0, -1, 0, 0, 1});
  const int sums = f.open("sums", {1, 3}, {-1, 3});
  f.op(tf::Builtin::fully_connected, {rows, weights, -1}, sums, {}, tf::Options::fully_connected);
  const int positive = f.open("positive", {1, 3}, {-1, 3});
  f.op(tf::Builtin::relu, {sums}, positive);
  const int y = f.open("y", {1, 6}, {-1, 6});
  f.op(tf::Builtin::reshape, {positive, f.batch_and("y/to", x, {6})}, y);
  f.file.inputs = {x}, f.file.outputs = {y};
  const Program program = f.program();
  CHECK(program.ops.size() == 4);
  CHECK(tensor_at(program, program.outputs[0]).shape == Shape{1, 6});
  std::vector<float> out(6);
  Model(program).run(std::vector<float>{1, 2, 3, 4, -1, 1, 0, 2}, out);
  CHECK(out == std::vector<float>{30, 2, 3, 9, 1, 3});
}

TEST_CASE("tflite: chains of shapes that mean nothing are refused") {
  OpenShapes f;
  const int x = f.open("x", {1, 2, 4}, {-1, 2, 4});
  const int y = f.open("y", {1, 7}, {-1, 7});
  f.op(tf::Builtin::reshape, {x, f.batch_and("to", x, {7})}, y);
  f.file.inputs = {x}, f.file.outputs = {y};
  CHECK(f.refusal().find("cannot make a shape of 7 elements of 8 values") != std::string::npos);
  OpenShapes g;
  const int image = g.open("image", {1, 1, 1, 3}, {-1, -1, -1, 3});
  const int z = g.open("z", {1, 1, 1, 3}, {-1, -1, -1, 3});
  g.op(tf::Builtin::relu, {image}, z);
  g.file.inputs = {image}, g.file.outputs = {z};
  CHECK(g.refusal().find("the input 'image' has no fixed size") != std::string::npos);
  const std::vector<std::uint8_t> nothing;
  CHECK_THROWS_WITH_AS((void)io::parse_tflite(nothing, "empty.tflite"),
                       "'empty.tflite': expected the identifier 'TFL3' at byte 4, found a file of 0 bytes", Error);
}

TEST_CASE("tflite: legacy uint8 models compute as uint8 and are written as uint8 again") {
  File f;
  const int x = f.tensor("x", {1, 2, 2, 1}, tf::Type::u8, 0.5F, 100);
  const int y = f.tensor("y", {1, 2, 2, 1}, tf::Type::u8, 1.0F, 3);
  const int p = f.tensor("p", {1, 1, 1, 1}, tf::Type::u8, 1.0F, 3);
  f.file.inputs = {x};
  const int w = f.constant<std::uint8_t>("w", {1, 1, 1, 1}, tf::Type::u8, {150}, 0.25F, 140);
  const int b = f.constant<std::int32_t>("b", {1}, tf::Type::i32, {8}, 0.125F, 0);
  f.op(tf::Builtin::conv_2d, {x, w, b}, y,
       {byte(tf::ConvField::padding, 1), number(tf::ConvField::stride_w, 1), number(tf::ConvField::stride_h, 1),
        byte(tf::ConvField::activation, 1)});
  f.op(tf::Builtin::average_pool_2d, {y}, p,
       {byte(tf::PoolField::padding, 1), number(tf::PoolField::stride_w, 2), number(tf::PoolField::stride_h, 2),
        number(tf::PoolField::filter_width, 2), number(tf::PoolField::filter_height, 2)},
       tf::Options::pool);
  f.file.outputs = {p};
  const auto check = [](const Program& program) {
    const Model model(program, {.threads = 1});
    CHECK(model.input().dtype == DType::u8);
    CHECK(model.output().dtype == DType::u8);
    for (const TensorInfo& t : program.tensors)
      if (t.name == "w") CHECK(t.quantization.zero_point[0] == 12);
    // acc = 8 + 10 * (q - 100); real 0.125 * acc; relu; codes 3 + max(0, round(acc / 8)).
    const std::vector<std::uint8_t> in{110, 99, 104, 101};  // 13.5 -> 14, -0.25 -> 0, 6, 2.25 -> 2: codes 17 3 9 5
    std::vector<std::uint8_t> out(1);
    model.run(in, out);
    CHECK(static_cast<int>(out[0]) == 9);  // 34 / 4 = 8.5, halves up
  };
  const Program program = f.program();
  check(program);
  const AlignedVector<std::uint8_t> written = io::to_tflite(program);
  const Program again = io::parse_tflite(written, "again", Rounding::tflite_double);
  check(again);
  CHECK(tensor_at(again, again.inputs[0]).name == "x");
  CHECK(tensor_at(again, again.outputs[0]).name == "p");
}

TEST_CASE("tflite: resize, each kind and way of centering, written and read") {
  for (const tf::Type type : {tf::Type::f32, tf::Type::i8, tf::Type::u8})
    for (const bool bilinear : {false, true})
      for (int centers = 0; centers < 3; ++centers) {
        File f;
        const float scale = type == tf::Type::f32 ? 0.0F : 0.5F;
        const int x = f.tensor("x", {1, 2, 3, 1}, type, scale, 3);
        const int y = f.tensor("y", {1, 3, 7, 1}, type, scale, 3);
        f.file.inputs = {x}, f.file.outputs = {y};
        const int corners =
            bilinear ? int{tf::ResizeBilinearField::align_corners} : int{tf::ResizeNearestField::align_corners};
        f.op(bilinear ? tf::Builtin::resize_bilinear : tf::Builtin::resize_nearest_neighbor,
             {x, f.integers("size", {3, 7})}, y, {byte(corners, centers == 1), byte(corners + 1, centers == 2)},
             bilinear ? tf::Options::resize_bilinear : tf::Options::resize_nearest);
        const Program program = f.program();
        const Program again = io::parse_tflite(io::to_tflite(program), "again", Rounding::tflite_double);
        for (const Program& p : {program, again}) {
          const auto op = std::find_if(p.ops.begin(), p.ops.end(), [](const Op& o) { return is_resize(o.kind); });
          REQUIRE(op != p.ops.end());
          CHECK(op->kind == (bilinear ? OpKind::resize_bilinear : OpKind::resize_nearest));
          CHECK(op->align_corners == (centers == 1));
          CHECK(op->half_pixel_centers == (centers == 2));
          CHECK(op->legacy_uint8 == (bilinear && type == tf::Type::u8));
          CHECK(output_of(p, *op).shape == Shape{1, 3, 7, 1});
        }
      }
  File f;
  const int x = f.tensor("x", {1, 2, 3, 1});
  const int y = f.tensor("y", {1, 3, 7, 1});
  f.file.inputs = {x}, f.file.outputs = {y};
  f.op(tf::Builtin::resize_bilinear, {x, f.integers("size", {4, 7})}, y, {}, tf::Options::resize_bilinear);
  CHECK(f.refusal() ==
        "'hand.tflite': operator 0, RESIZE_BILINEAR, ('x', 'size') -> ('y'): expected an output of 4x7 pixels, found "
        "1x3x7x1");
  f.file.ops[0].inputs = {x, x};
  CHECK(f.refusal().find("operator 0, RESIZE_BILINEAR, ('x', 'x') -> ('y'): ") != std::string::npos);
  File both;
  const int a = both.tensor("a", {1, 2, 3, 1});
  const int b = both.tensor("b", {1, 3, 7, 1});
  both.file.inputs = {a}, both.file.outputs = {b};
  both.op(tf::Builtin::resize_nearest_neighbor, {a, both.integers("size", {3, 7})}, b, {byte(0, 1), byte(1, 1)},
          tf::Options::resize_nearest);
  CHECK(both.refusal().find("resize_nearest 'b': align_corners and half_pixel_centers exclude each other") !=
        std::string::npos);
}

TEST_CASE("tflite: refusals name the operator, its index and its tensors") {
  File f;
  const int x = f.tensor("image", {1, 2, 2, 1});
  const int y = f.tensor("larger", {1, 4, 4, 1});
  const int z = f.tensor("same", {1, 2, 2, 1});
  f.file.inputs = {x};
  f.op(tf::Builtin::relu, {x}, z, {}, tf::Options::none);
  f.op(static_cast<tf::Builtin>(28), {z}, y, {}, tf::Options::none);
  f.file.outputs = {y};
  CHECK(f.refusal() == "'hand.tflite': operator 1, TANH, ('same') -> ('larger'): this operator is not supported");
  f.file.ops[1] = {tf::Builtin::relu, 1, {7}, {y}, tf::Options::none, {}, {}};
  CHECK(f.refusal().find("operator 1, RELU, (none) -> ('larger'): there is no tensor 7 among 3") != std::string::npos);
  f.file.ops[1] = {tf::Builtin::relu, 1, {z}, {z}, tf::Options::none, {}, {}};
  CHECK(f.refusal().find("'same' is written twice") != std::string::npos);
  f.file.ops[1] = {tf::Builtin::relu, 1, {z}, {y}, tf::Options::none, {}, {}};
  CHECK(f.refusal().find("tensor 'larger': expected 1x2x2x1, found 1x4x4x1") != std::string::npos);

  const std::vector<std::uint8_t> text{'n', 'o', ' ', 'm', 'o', 'd', 'e', 'l', '!'};
  CHECK_THROWS_WITH_AS((void)io::parse_tflite(text, "text"), "'text': byte 4: expected the identifier 'TFL3'", Error);
  CHECK_THROWS_AS((void)io::parse_tflite({}, "nothing"), Error);
}

TEST_CASE("tflite: what has no form there") {
  ProgramBuilder b("clamp");
  const int x = b.add_input("x", {1, 3});
  b.add_output(b.add_op({.kind = OpKind::clamp, .name = "c", .clamp_low = 0.0F, .clamp_high = 2.0F}, {x}, {1, 3}));
  try {
    (void)io::to_tflite(std::move(b).build());
    FAIL("TFLite has no such clamp");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "'clamp' as .tflite: clamp 'c': no activation of TFLite clamps to [0, 2]");
  }
}
