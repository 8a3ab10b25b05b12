// runtime/model.hpp: what a model computes, against plain loops, for every operator, batch and number of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "count_allocations.hpp"
#include "octavo/core/cpu.hpp"
#include "octavo/runtime/classify.hpp"
#include "octavo/runtime/model.hpp"
#include "octavo/runtime/single_op.hpp"
#include "runtime_nets.hpp"

using namespace nets;

using octavo_test::allocations;

namespace {

std::vector<float> input_of_batch(const Program& program, std::int64_t batch, std::uint64_t seed) {
  Rng rng(seed);
  return random_floats(tensor_at(program, program.inputs[0]).shape.size() * batch, rng, -2.5F, 2.5F);
}

std::vector<float> image(const std::vector<float>& batch, std::int64_t images, std::int64_t index) {
  const auto size = static_cast<std::ptrdiff_t>(batch.size()) / images;
  return {batch.begin() + index * size, batch.begin() + (index + 1) * size};
}

// Every tensor of every image equals the loops' (codes exactly, floats within `tolerance`).
void check_all_tensors(const Program& program, std::int64_t batch, int threads, float tolerance) {
  const Model model(program, {.threads = threads, .keep_intermediates = true});
  const std::vector<float> input = input_of_batch(program, batch, 3);
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size() * batch));
  Session session = model.session();
  session.run({std::span<const float>(input)}, {std::span<float>(output)});
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::vector<Values> expected = Interpreter(program).run(image(input, batch, b));
    for (std::size_t t = 0; t < program.tensors.size(); ++t) {
      const TensorInfo& tensor = program.tensors[t];
      if (tensor.constant()) continue;
      CAPTURE(tensor.name);
      if (tensor.dtype == DType::i8) {
        const std::vector<std::int8_t> codes = session.tensor_codes(static_cast<int>(t));
        const auto size = static_cast<std::size_t>(tensor.shape.size());
        const auto from = codes.begin() + static_cast<std::ptrdiff_t>(size) * b;
        int differences = 0;
        for (std::size_t i = 0; i < size; ++i)
          differences += from[static_cast<std::ptrdiff_t>(i)] != expected[t].code[i];
        CHECK(differences == 0);
      } else {
        const std::vector<float> found = image(session.tensor_values(static_cast<int>(t)), batch, b);
        float worst = 0.0F;
        for (std::size_t i = 0; i < found.size(); ++i)
          worst = std::max(worst, std::abs(found[i] - expected[t].real[i]));
        CHECK(worst <= tolerance);
      }
    }
  }
}

}  // namespace

TEST_CASE("model: every int8 operator gives the loops' bytes, in each rounding mode") {
  for (const Rounding rounding : kAllRoundings)
    for (const std::int64_t batch : {1, 3})
      for (const int threads : {1, 2}) {
        CAPTURE(name_of(rounding));
        check_all_tensors(everything(DType::i8, rounding), batch, threads, 0.0F);
      }
}

TEST_CASE("model: every float operator gives the loops' values") {
  for (const std::int64_t batch : {1, 3})
    for (const int threads : {1, 2}) check_all_tensors(everything(DType::f32), batch, threads, 2e-5F);
}

TEST_CASE("model: fused and planned runs give the bytes of unfused, unplanned ones") {
  for (const DType dtype : {DType::i8, DType::f32}) {
    const Program program = everything(dtype);
    const Model fused(program, {.threads = 1});
    const Model kept(program, {.threads = 1, .keep_intermediates = true});
    CHECK(fused.prepared().steps.size() < kept.prepared().steps.size());
    CHECK(fused.info().arena_bytes < kept.info().arena_bytes);
    for (const std::int64_t batch : {1, 2, 5, 1}) {
      const std::vector<float> input = input_of_batch(program, batch, 11);
      std::vector<float> a(static_cast<std::size_t>(fused.output().shape.size() * batch));
      std::vector<float> b = a;
      fused.run(input, a);
      kept.run(input, b);
      if (dtype == DType::i8)
        CHECK(a == b);
      else
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
      // Each image of a batch gives what it gives alone.
      for (std::int64_t i = 0; i < batch; ++i) {
        std::vector<float> alone(static_cast<std::size_t>(fused.output().shape.size()));
        fused.run(image(input, batch, i), alone);
        const std::vector<float> within = image(a, batch, i);
        for (std::size_t k = 0; k < alone.size(); ++k) CHECK(alone[k] == doctest::Approx(within[k]).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("model: a convolution that a sum follows becomes one step where it may, with the same bytes") {
  struct Case {
    bool pointwise, limits, second_reader, twice;
    std::size_t steps;
  };
  for (const Case& c :
       {Case{true, false, false, false, 2}, Case{false, false, false, false, 3}, Case{true, true, false, false, 3},
        Case{true, false, true, false, 4}, Case{true, false, false, true, 3}}) {
    Net net("sum", DType::f32);
    net.input({1, 6, 5, 9});
    net.conv("expand", 6, 5, 21, {});
    const int skip = net.id;
    Net::Layer layer;
    if (!c.pointwise) layer.window = {3, 3, 1, 1, 1, 1, 1, 1};
    if (c.limits) layer.low = 0.0F;
    net.conv("project", 6, 5, 21, layer);
    const int result = net.id;
    net.pair(OpKind::add, "add", c.twice ? result : skip);
    net.clamp("relu", -0.5F, 0.7F);
    if (c.second_reader) net.pair(OpKind::mul, "mul", result);
    const Program program = net.finish();
    const Model fused(program, {.threads = 2});
    const Model plain(program, {.threads = 2, .fuse = false});
    CHECK(fused.prepared().steps.size() == c.steps);
    const std::vector<float> input = input_of_batch(program, 2, 5);
    std::vector<float> a(static_cast<std::size_t>(2 * fused.output().shape.size()));
    std::vector<float> b = a;
    fused.run(input, a);
    plain.run(input, b);
    CHECK(a == b);
  }
}

TEST_CASE("model: run allocates nothing") {
  Net hybrid("hybrid", DType::f32);
  hybrid.input({1, 6, 6, 4});
  hybrid.conv("conv", 6, 6, 9, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .hybrid = true});
  const Program programs[] = {everything(DType::i8), everything(DType::f32), hybrid.finish()};
  for (const int threads : {1, 2})
    for (const Program& program : programs) {
      CAPTURE(threads);
      CAPTURE(program.name);
      const Model model(program, {.threads = threads, .max_batch = 3});
      const std::vector<float> input = input_of_batch(program, 3, 2);
      std::vector<float> output(static_cast<std::size_t>(model.output().shape.size() * 3));
      if (threads > 1) model.run(input, output);  // starts this thread's helpers
      const long before = allocations;
      for (const std::size_t batch : {3U, 1U, 2U, 3U})
        model.run(std::span(input).first(input.size() / 3 * batch), std::span(output).first(output.size() / 3 * batch));
      CHECK(allocations - before == 0);
      std::vector<float> more_input = input_of_batch(program, 4, 2);
      std::vector<float> more(output.size() / 3 * 4);
      const long before_more = allocations;
      model.run(more_input, more);
      CHECK(allocations - before_more == 1);  // the arena grows
      const long after = allocations;
      model.run(more_input, more);
      CHECK(allocations == after);
    }
}

TEST_CASE("model: a batch whose activations exceed the cache passes through in pieces, with the same values") {
  Net net("wide", DType::i8, Rounding::nearest_even_f32, 3);
  net.quantized_input({1, 40, 40, 3});
  net.conv("conv", 40, 40, 64, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .low = 0, .high = Net::kSix});
  net.depthwise("depthwise", 20, 20, 64, {.window = {3, 3, 2, 2, 1, 1, 0, 0}});
  net.mean("mean");
  net.dequantize();
  const Program program = net.finish();
  constexpr std::size_t batch = 19;  // about 130 kB of activations an image
  const std::vector<float> input = input_of_batch(program, batch, 4);
  const std::size_t in_size = input.size() / batch;
  for (const int threads : {1, 2}) {
    const Model model(program, {.threads = threads, .max_batch = batch});
    CHECK(model.info().arena_bytes < (std::size_t{2} << 20));
    std::vector<float> together(64 * batch), alone(64);
    const long before = allocations;
    if (threads == 1) model.run(input, together);
    CHECK(allocations == before);
    model.run(input, together);
    for (std::size_t i = 0; i < batch; ++i) {
      model.run(std::span(input).subspan(i * in_size, in_size), alone);
      CHECK(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(64 * i)));
    }
  }
}

TEST_CASE("model: dynamic range weights, per channel and per tensor, are near the float layer") {
  for (const bool per_tensor_weights : {false, true}) {
    Net net("hybrid", DType::f32, Rounding::nearest_even_f32, 5);
    net.input({1, 6, 6, 4});
    const Net::Layer layer{.window = {3, 3, 1, 1, 1, 1, 1, 1},
                           .low = 0,
                           .high = 6,
                           .hybrid = true,
                           .per_tensor_weights = per_tensor_weights};
    net.conv("conv", 6, 6, 9, layer);
    net.depthwise("depthwise", 6, 6, 9, layer);
    net.mean("mean");
    net.dense("dense", 5, {.hybrid = true, .per_tensor_weights = per_tensor_weights});
    const Program program = net.finish();
    // The same program with the weights as floats.
    Program real = program;
    for (TensorInfo& tensor : real.tensors) {
      if (tensor.dtype != DType::i8) continue;
      const std::size_t channels = tensor.quantization.scale.size();
      const bool depthwise = tensor.quantization.axis == 3;
      const std::size_t per_channel_count = tensor.data.size() / channels;
      std::vector<float> values;
      for (std::size_t i = 0; i < tensor.data.size(); ++i) {
        const std::size_t c = channels == 1 ? 0 : depthwise ? i % channels : i / per_channel_count;
        values.push_back(tensor.quantization.scale[c] * static_cast<float>(static_cast<std::int8_t>(tensor.data[i])));
      }
      tensor.dtype = DType::f32;
      tensor.quantization = {};
      tensor.data.resize(values.size() * 4);
      std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
    }
    const std::vector<float> input = input_of_batch(program, 3, 2);
    std::vector<float> a(15);
    std::vector<float> b(15);
    const Model model(program, {.threads = 2});
    model.run(input, a);
    Model(real, {.threads = 1}).run(input, b);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 0.02F);
    CHECK(a != b);  // quantization is visible
    // Each image is quantized on its own: alone it gives the same bytes.
    std::vector<float> alone(5);
    model.run(image(input, 3, 1), alone);
    CHECK(alone == image(a, 3, 1));
  }
}

TEST_CASE("model: int4 weights compute as the same codes in int8") {
  Net net("int4", DType::i8, Rounding::nearest_even_f32, 5);
  net.input({1, 5, 5, 3});
  net.conv("conv", 5, 5, 6, {.window = {3, 3, 1, 1, 1, 1, 1, 1}});
  Program wide = net.finish();
  Program packed = wide;
  TensorInfo& w8 = wide.tensors[1];
  TensorInfo& w4 = packed.tensors[1];
  REQUIRE(w8.name == "conv/weights");
  for (std::uint8_t& code : w8.data) code = static_cast<std::uint8_t>(static_cast<std::int8_t>(code) / 16);
  w4.dtype = DType::i4;
  w4.quantization.bits = 4, w4.quantization.qmin = -8, w4.quantization.qmax = 7;
  const std::size_t row = w8.data.size() / 6;  // 27: each row ends in half a byte
  std::vector<std::uint8_t> nibbles;
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t i = 0; i < row; i += 2) {
      const int low = w8.data[r * row + i] & 15;
      const int high = i + 1 < row ? w8.data[r * row + i + 1] & 15 : 0;
      nibbles.push_back(static_cast<std::uint8_t>(low | high << 4));
    }
  w4.data.assign(nibbles.begin(), nibbles.end());
  Rng rng(8);
  const std::vector<std::int8_t> input = random_codes(75, rng, -128, 127);
  std::vector<std::int8_t> a(150);
  std::vector<std::int8_t> b(150);
  Model(wide).run(input, a);
  Model(packed).run(input, b);
  CHECK(a == b);
  CHECK(std::count(a.begin(), a.end(), a[0]) < 100);
}

TEST_CASE("model: borders of each type") {
  Net net("border", DType::i8);
  net.input({1, 2, 2, 3});
  net.clamp("clamp", -1.0F, 1.0F);
  const Program program = net.finish();
  const Model model(program);
  const std::vector<std::int8_t> codes = {-128, -60, -53, -52, -4, -3, -2, 0, 46, 47, 48, 127};
  std::vector<std::int8_t> out(12);
  model.run(codes, out);
  CHECK(out == std::vector<std::int8_t>{-53, -53, -53, -52, -4, -3, -2, 0, 46, 47, 47, 47});
  std::vector<float> reals;
  for (const std::int8_t code : codes) reals.push_back(0.02F * static_cast<float>(code + 3));
  std::vector<float> real_out(12);
  model.run(reals, real_out);
  for (std::size_t i = 0; i < 12; ++i) CHECK(real_out[i] == 0.02F * static_cast<float>(out[i] + 3));
  std::vector<std::uint8_t> bytes(12);
  CHECK_THROWS_WITH_AS(model.run(bytes, bytes), "tensor 'input' is int8, the buffer is uint8", Error);

  // uint8 in and out, converted by requantize without touching a byte.
  ProgramBuilder builder("uint8");
  const int in = builder.add_input("in", {1, 4}, DType::u8, per_tensor(0.5F, 10, DType::u8));
  const int mid =
      builder.add_op({.kind = OpKind::requantize, .name = "mid"}, {in}, {1, 4}, DType::i8, per_tensor(0.5F, -118));
  builder.add_output(builder.add_op({.kind = OpKind::requantize, .name = "out"}, {mid}, {1, 4}, DType::u8,
                                    per_tensor(0.5F, 10, DType::u8)));
  const Model identity(std::move(builder).build());
  CHECK(identity.prepared().steps.empty());
  const std::vector<std::uint8_t> some = {0, 10, 200, 255};
  std::vector<std::uint8_t> same(4);
  identity.run(some, same);
  CHECK(same == some);
  std::vector<float> real_in = {-5.0F, 0.0F, 95.0F, 500.0F};
  std::vector<float> real_same(4);
  identity.run(real_in, real_same);
  CHECK(real_same == std::vector<float>{-5.0F, 0.0F, 95.0F, 122.5F});
}

TEST_CASE("model: several inputs and outputs, one of them shared, one an input") {
  ProgramBuilder builder("multi");
  const int a = builder.add_input("a", {1, 3});
  const int b = builder.add_input("b", {1, 3});
  const int sum = builder.add_op({.kind = OpKind::add, .name = "sum"}, {a, b}, {1, 3});
  const int flat = builder.add_op({.kind = OpKind::reshape, .name = "flat"}, {sum}, {1, 1, 3});
  const int view = builder.add_op({.kind = OpKind::reshape, .name = "view"}, {a}, {1, 3, 1});
  for (const int id : {sum, flat, view}) builder.add_output(id);
  const Model model(std::move(builder).build());
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  const std::vector<float> y = {10, 20, 30, 40, 50, 60};
  std::vector<float> o1(6), o2(6), o3(6);
  model.run({std::span<const float>(x), std::span<const float>(y)},
            {std::span<float>(o1), std::span<float>(o2), std::span<float>(o3)});
  CHECK(o1 == std::vector<float>{11, 22, 33, 44, 55, 66});
  CHECK(o2 == o1);
  CHECK(o3 == x);
  CHECK_THROWS_WITH_AS(model.run(x, o1), "the model 'multi' has 2 inputs and 3 outputs; given 1 and 1", Error);
  CHECK_THROWS_WITH_AS(model.run({std::span<const float>(x), std::span<const float>(y).first(3)},
                                 {std::span<float>(o1), std::span<float>(o2), std::span<float>(o3)}),
                       "tensor 'b': 1x3 times 2 images needs 6 values, the buffer has 3", Error);
}

TEST_CASE("model: one model run by four threads at once, and copies of it") {
  const Program program = everything(DType::i8);
  const Model model(program, {.threads = 1});
  std::vector<std::vector<float>> inputs;
  std::vector<std::vector<float>> expected;
  for (std::uint64_t t = 0; t < 4; ++t) {
    inputs.push_back(input_of_batch(program, 1 + static_cast<std::int64_t>(t % 2), 20 + t));
    expected.emplace_back(static_cast<std::size_t>(model.output().shape.size()) * (1 + t % 2));
    model.run(inputs.back(), expected.back());
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> team;
  for (std::size_t t = 0; t < 4; ++t)
    team.emplace_back([&, t] {
      const Model copy = model;
      std::vector<float> output(expected[t].size());
      for (int i = 0; i < 50; ++i) {
        (i % 2 == 0 ? model : copy).run(inputs[t], output);
        wrong[t] += output != expected[t];
      }
    });
  for (std::thread& member : team) member.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("model: one operator alone") {
  const Program program = everything(DType::i8);
  const Model model(program, {.threads = 1, .keep_intermediates = true});
  const std::vector<float> input = input_of_batch(program, 2, 4);
  std::vector<float> output(static_cast<std::size_t>(model.output().shape.size() * 2));
  Session session = model.session();
  session.run({std::span<const float>(input)}, {std::span<float>(output)});
  int checked = 0;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    if (input_of(program, op, 0).dtype != DType::i8 || output_of(program, op).dtype != DType::i8) continue;
    std::vector<std::vector<std::int8_t>> codes;
    std::vector<ConstBuffer> buffers;
    for (const int id : op.inputs)
      if (id >= 0 && !tensor_at(program, id).constant()) codes.push_back(session.tensor_codes(id));
    for (const std::vector<std::int8_t>& values : codes) buffers.emplace_back(std::span<const std::int8_t>(values));
    std::vector<std::int8_t> found(static_cast<std::size_t>(output_of(program, op).shape.size() * 2));
    run_single_op(program, i, buffers, std::span<std::int8_t>(found));
    CAPTURE(op.name);
    CHECK(found == session.tensor_codes(op.outputs[0]));
    ++checked;
  }
  CHECK(checked > 15);
}

TEST_CASE("model: profile and info") {
  const Model model(everything(DType::f32), {.threads = 1});
  const std::vector<float> input = input_of_batch(model.program(), 2, 1);
  const Profile profile = model.profile(input, 3);
  CHECK(profile.rows.size() == model.prepared().steps.size());
  CHECK(profile.batch == 2);
  std::int64_t macs = 0;
  for (const ProfileRow& row : profile.rows) {
    macs += row.macs;
    CHECK(row.nanoseconds > 0);
    CHECK(row.bytes > 0);
    CHECK(!row.kernel.empty());
  }
  CHECK(macs == 2 * model.info().macs);
  // conv 5*4*8*27, depthwise 5*4*8*9, project 5*4*8*8, depthwise_x2 3*2*16*9, grouped 3*2*6*8, dilated 3*2*10*4*14,
  // rows 2*5*4, logits 8*5
  CHECK(model.info().macs == 4320 + 1440 + 1280 + 864 + 288 + 3360 + 40 + 40);
  CHECK(profile.to_table().find("| total |") != std::string::npos);
  CHECK(model.info().to_text().find("operators in") != std::string::npos);
}

TEST_CASE("model: what cannot run says so") {
  const Model model(everything(DType::f32));
  std::vector<float> output(5);
  CHECK_THROWS_WITH_AS(model.run(std::vector<float>(100), output),
                       "tensor 'input': 1x9x7x3 times 1 images needs 189 values, the buffer has 100", Error);
  CHECK_THROWS_AS(model.run(std::vector<float>(189), std::span<float>(output).first(4)), Error);
  const Session session = model.session();
  CHECK_THROWS_WITH_AS((void)session.tensor_values("conv"),
                       "tensor 'conv': its values are gone after a run; prepare the model with keep_intermediates",
                       Error);
  CHECK_THROWS_AS((void)session.tensor_values("no such tensor"), Error);
  CHECK_THROWS_WITH_AS(Model(everything(DType::f32), {.threads = -1}), "threads: expected 0 (all) to 1024, found -1",
                       Error);
  CHECK_THROWS_WITH_AS(Model(everything(DType::f32), {.threads = 1000000000}),
                       "threads: expected 0 (all) to 1024, found 1000000000", Error);
  CHECK_THROWS_WITH_AS((void)model.input(7), "the model 'everything' has no input 7, only 1", Error);
  CHECK_THROWS_WITH_AS((void)model.output(7), "the model 'everything' has no output 7, only 1", Error);
  // Views into a session's own memory: it moves, and is not copied.
  static_assert(!std::is_copy_constructible_v<Session> && !std::is_copy_assignable_v<Session>);
  static_assert(std::is_nothrow_move_constructible_v<Session> && std::is_nothrow_move_assignable_v<Session>);
  CHECK_THROWS_AS(Model(everything(DType::f32), {.max_batch = 0}), Error);
  Session kept(std::make_shared<const Prepared>(prepare(everything(DType::f32), {.keep_intermediates = true})), 1, 1);
  const std::size_t before = kept.arena_bytes();
  const auto bytes = static_cast<std::int64_t>(model.prepared().plan.bytes);  // products of 2^62 x, and just above 2^63
  for (const std::int64_t batch : {std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max() / bytes + 2})
    CHECK_THROWS_WITH_AS(kept.reserve(batch), doctest::Contains("no memory for batches of "), Error);
  CHECK(kept.arena_bytes() == before);
  kept.run({std::span<const float>(std::vector<float>(189))}, {std::span<float>(output)});  // it still works
  CHECK_THROWS_AS(Model(everything(DType::f32), {.max_arena_bytes = 100}), Error);
}

TEST_CASE("classify: best classes, with labels") {
  const std::vector<float> scores = {0.1F, 0.5F, 0.5F, 0.3F};
  const std::vector<std::string> labels = {"a", "b", "c", "d"};
  CHECK(argmax(scores) == 1);
  const std::vector<ClassScore> best = top_classes(scores, 3, labels);
  REQUIRE(best.size() == 3);
  CHECK(best[0].label == "b");
  CHECK(best[1].label == "c");
  CHECK(best[2].index == 3);
  CHECK(top_classes(scores, 9).size() == 4);
  CHECK_THROWS_AS((void)argmax({}), Error);
}

TEST_CASE("classify: NaN comes last, wherever it stands") {
  const float nan = std::nanf("");
  CHECK(argmax(std::vector<float>{nan, 0.5F, 0.7F}) == 2);
  CHECK(argmax(std::vector<float>{0.7F, nan, 0.5F}) == 0);
  CHECK(argmax(std::vector<float>{nan, -1.0F}) == 1);
  CHECK(argmax(std::vector<float>{nan, nan}) == 0);
  std::vector<std::size_t> order;
  for (const ClassScore& best : top_classes(std::vector<float>{nan, 0.2F, nan, 0.9F, 0.2F}, 5))
    order.push_back(best.index);
  CHECK(order == std::vector<std::size_t>{3, 1, 4, 0, 2});
}

// The rule of border.hpp, at each level and with two threads.
TEST_CASE("model: NaN and infinity at the border") {
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  const Program codes = everything(DType::i8), real = everything(DType::f32);
  std::vector<float> image = input_of_batch(codes, 1, 5);
  const auto result = [](const Program& program, const std::vector<float>& input, int threads) {
    const Model model(program, {.threads = threads});
    std::vector<float> output(static_cast<std::size_t>(model.output().shape.size()));
    model.run(input, output);
    return output;
  };
  std::vector<float> with_nan = image, with_lowest = image;
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}, image.size() - 1}) {
    with_nan[at] = nan;
    with_lowest[at] = -infinity;
  }
  const auto each_level = [](const auto& body) {
    const Isa before = active_isa();
    for (int isa = 0; isa <= static_cast<int>(Isa::neon_i8mm); ++isa)
      if (force_isa(static_cast<Isa>(isa)))
        for (const int threads : {1, 2}) {
          CAPTURE(name_of(static_cast<Isa>(isa)));
          body(threads);
        }
    force_isa(before);
  };
  each_level([&](int threads) {
    // int8: the smallest code, as for -infinity.
    CHECK(result(codes, with_nan, threads) == result(codes, with_lowest, threads));
    // float32: NaN stays NaN and reaches what depends on it.
    for (const float value : result(real, with_nan, threads)) CHECK(std::isnan(value));
  });

  // Dynamic range: NaN is outside the range and counts as its low end; a range that is infinite is an error.
  Net net("hybrid", DType::f32);
  net.input({1, 6, 6, 4});
  net.conv("conv", 6, 6, 9, {.window = {3, 3, 1, 1, 1, 1, 1, 1}, .hybrid = true});
  const Program hybrid = net.finish();
  image = input_of_batch(hybrid, 1, 6);
  image[3] = -3.0F;
  with_nan = with_lowest = image;
  with_nan[100] = nan, with_lowest[100] = -3.0F;
  std::vector<float> infinite = image;
  infinite[7] = infinity;
  each_level([&](int threads) {
    CHECK(result(hybrid, with_nan, threads) == result(hybrid, with_lowest, threads));
    CHECK_THROWS_WITH_AS((void)result(hybrid, infinite, threads),
                         "conv2d 'conv': dynamic quantization: the input's range [-3, inf] is not finite", Error);
  });
}
