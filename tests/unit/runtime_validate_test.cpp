// runtime/validate.hpp, memory_plan.hpp, program_info.hpp: what is refused and why; where buffers go.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "octavo/core/rng.hpp"
#include "octavo/runtime/memory_plan.hpp"
#include "octavo/runtime/validate.hpp"
#include "runtime_nets.hpp"

using namespace nets;

namespace {

// The message with which a damaged copy of `program` is refused; "accepted" when it is not.
std::string refusal(Program program, const std::function<void(Program&)>& damage) {
  damage(program);
  try {
    validate(program);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

TensorInfo& tensor(Program& program, const std::string& name) {
  const int id = find_tensor(program, name);
  REQUIRE(id >= 0);
  return program.tensors[static_cast<std::size_t>(id)];
}
Op& op(Program& program, const std::string& name) {
  for (Op& candidate : program.ops)
    if (candidate.name == name) return candidate;
  FAIL("no operator " << name);
  return program.ops[0];
}

}  // namespace

TEST_CASE("validate: tensors") {
  const Program p = everything(DType::i8);
  CHECK(refusal(p, [](Program&) {}) == "accepted");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").name = ""; }) == "a tensor has no name");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").name = "project"; }) == "two tensors have the name 'project'");
  CHECK(refusal(p, [](Program& q) {
          auto& data = tensor(q, "conv/weights").data;
          data.resize(data.size() - 1);
        }) == "tensor 'conv/weights': 8x3x3x3 of int8 needs 216 bytes, found 215");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").shape[0] = 2; }).find("the batch, is 1; found 2x5x4x8") !=
        std::string::npos);
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").shape[1] = 0; }).find("extent 0") != std::string::npos);
  CHECK(refusal(p, [](Program& q) {
          tensor(q, "conv").shape = {1, 1 << 24, 1 << 24, 8};
        }).find("more than") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").quantization = {}; }) ==
        "tensor 'conv': int8 needs a scale and a zero point");
  CHECK(refusal(p, [](Program& q) { tensor(q, "input").quantization = per_tensor(1.0F, 0); }) ==
        "tensor 'input': float32 has no quantization");
  for (const float scale : {0.0F, -1.0F, 1e-40F, HUGE_VALF, std::nanf("")})
    CHECK(refusal(p, [&](Program& q) {
            tensor(q, "conv").quantization.scale[0] = scale;
          }).find("is no normal number > 0") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").quantization.zero_point[0] = 128; }) ==
        "tensor 'conv': zero point 128 is not in [-128, 127]");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").quantization.qmax = 128; }).find("are no range of int8") !=
        std::string::npos);
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").quantization.bits = 9; }).find("9 bits") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv/weights").quantization.scale.pop_back(); }).find("zero points") !=
        std::string::npos);
  CHECK(refusal(p, [](Program& q) {
          tensor(q, "conv/weights").quantization.scale.pop_back();
          tensor(q, "conv/weights").quantization.zero_point.pop_back();
        }) == "tensor 'conv/weights': expected 8 scales along axis 0, found 7");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv/weights").quantization.axis = 4; }) ==
        "tensor 'conv/weights': no axis 4 in 8x3x3x3");
  CHECK(refusal(p, [](Program& q) { tensor(q, "conv").dtype = DType::i32; }).find("an activation cannot be int32") !=
        std::string::npos);
}

TEST_CASE("validate: the graph") {
  const Program p = everything(DType::i8);
  CHECK(refusal(p, [](Program& q) { q.inputs.clear(); }).find("has no input or no output") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { q.inputs.push_back(q.inputs[0]); }) == "tensor 'input' is an input twice");
  CHECK(refusal(p, [](Program& q) { q.outputs[0] = 999; }).find("no tensor 999") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { q.outputs[0] = find_tensor(q, "conv/bias"); }) ==
        "the output 'conv/bias' is a constant");
  CHECK(refusal(p, [](Program& q) { std::swap(q.ops[2], q.ops[3]); }) ==
        "depthwise_conv2d 'depthwise': input 'conv' is not written by an earlier operator");
  CHECK(refusal(p, [](Program& q) { q.ops.push_back(q.ops.back()); }) ==
        "dequantize 'dequantize': tensor 'dequantize' is written before");
  CHECK(refusal(p, [](Program& q) { q.ops.pop_back(); }) ==
        "tensor 'dequantize' is neither an input nor a constant nor written by an operator");
  CHECK(refusal(p, [](Program& q) { q.ops[0].inputs[0] = -1; }).find("no tensor -1") != std::string::npos);
  CHECK(refusal(p, [](Program& q) { q.ops[0].outputs.clear(); }).find("expected 1 output, found 0") !=
        std::string::npos);
  CHECK(refusal(p, [](Program& q) { q.ops[1].kind = static_cast<OpKind>(99); }).find("unknown kind") !=
        std::string::npos);
  CHECK(refusal(p, [](Program& q) { q.labels = {"a", "b"}; }) == "the program 'everything' has 2 labels for 5 classes");
  CHECK(refusal(p, [](Program& q) { q.labels = {"a", "b", "c", "d", "e"}; }) == "accepted");
}

TEST_CASE("validate: operators") {
  const Program p = everything(DType::i8);
  const auto op_refusal = [&](const std::string& name, const std::function<void(Op&)>& damage) {
    return refusal(p, [&](Program& q) { damage(op(q, name)); });
  };
  CHECK(op_refusal("conv", [](Op& o) { o.window.stride_h = 1; }) ==
        "conv2d 'conv': output rows: expected 8 to 10, found 5");
  CHECK(op_refusal("conv", [](Op& o) { o.window.stride_w = 0; }).find("stride 0 or dilation 1 is out of range") !=
        std::string::npos);
  CHECK(op_refusal("conv", [](Op& o) { o.window.pad_top = 3; }).find("padding 3 in front is not in [0, 2]") !=
        std::string::npos);
  CHECK(op_refusal("conv", [](Op& o) { o.window.kernel_h = 2; }) ==
        "conv2d 'conv': tensor 'conv/weights': expected 8x2x3x3, found 8x3x3x3");
  CHECK(op_refusal("conv", [](Op& o) { o.groups = 2; }) ==
        "conv2d 'conv': 2 groups do not divide 3 inputs and 8 outputs");
  CHECK(op_refusal("conv", [](Op& o) { o.clamp_low = 7; }) == "conv2d 'conv': the activation range [7, 6] is empty");
  CHECK(op_refusal("conv", [](Op& o) { o.clamp_low = std::nanf(""); }).find("is empty") != std::string::npos);
  CHECK(op_refusal("conv", [](Op& o) { o.inputs[1] = -1; }).find("no tensor -1") != std::string::npos);
  CHECK(op_refusal("conv", [](Op& o) { o.inputs.pop_back(); }).find("found 2") != std::string::npos);
  CHECK(op_refusal("add", [](Op& o) { o.inputs.pop_back(); }) == "add 'add': expected 2 inputs, found 1");
  CHECK(op_refusal("pad", [](Op& o) { o.pad_left = 2; }) ==
        "pad 'pad': tensor 'pad': expected 1x10x10x3, found 1x10x9x3");
  CHECK(op_refusal("pad", [](Op& o) { o.pad_left = -1; }) == "pad 'pad': padding -1 is out of range");
  CHECK(op_refusal("concat", [](Op& o) { o.axis = 0; }).find("axis 0 is not behind the batch") != std::string::npos);
  CHECK(op_refusal("concat", [](Op& o) { o.axis = 1; }) != "accepted");
  CHECK(op_refusal("softmax", [](Op& o) { o.axis = 0; }) != "accepted");
  CHECK(op_refusal("softmax", [](Op& o) { o.beta = 0; }) == "softmax 'softmax': beta 0 must be finite and positive");
  CHECK(op_refusal("max_pool", [](Op& o) { o.window.dilation_h = 2; }) ==
        "max_pool2d 'max_pool': pools have no dilation");
  CHECK(op_refusal("max_pool", [](Op& o) { o.window.kernel_h = 1 << 20; }) != "accepted");
  CHECK(op_refusal("resize_nearest", [](Op& o) { o.align_corners = true; }) ==
        "resize_nearest 'resize_nearest': align_corners and half_pixel_centers exclude each other");
  CHECK(op_refusal("quantize", [](Op& o) { o.kind = OpKind::dequantize; }) != "accepted");

  const auto tensor_refusal = [&](const std::string& name, const std::function<void(TensorInfo&)>& damage) {
    return refusal(p, [&](Program& q) { damage(tensor(q, name)); });
  };
  CHECK(tensor_refusal("conv/bias", [](TensorInfo& t) {
          t.quantization.scale[1] *= 1.01F;
        }).find("bias 'conv/bias', channel 1: expected the scale of input times weights") != std::string::npos);
  CHECK(tensor_refusal("conv/bias", [](TensorInfo& t) { t.quantization.scale[1] *= 1.00001F; }) == "accepted");
  CHECK(tensor_refusal("conv/bias", [](TensorInfo& t) { t.quantization = {}; }) == "accepted");
  CHECK(tensor_refusal("conv/bias", [](TensorInfo& t) { t.dtype = DType::f32, t.quantization = {}; }) ==
        "conv2d 'conv': tensor 'conv/bias': expected int32, found float32");
  CHECK(tensor_refusal("conv/weights", [](TensorInfo& t) { t.quantization.zero_point[2] = 1; }) ==
        "conv2d 'conv': weights 'conv/weights': expected zero point 0, found 1");
  CHECK(tensor_refusal("depthwise/weights", [](TensorInfo& t) { t.quantization.axis = -1; }) != "accepted");
  CHECK(tensor_refusal("max_pool", [](TensorInfo& t) {
          t.quantization.zero_point[0] += 1;
        }).find("must have one grid") != std::string::npos);
  CHECK(tensor_refusal("average_pool", [](TensorInfo& t) { t.quantization.scale[0] *= 2; }) == "accepted");
  CHECK(tensor_refusal("pad", [](TensorInfo& t) { t.quantization.scale[0] *= 2; }).find("must have one grid") !=
        std::string::npos);
  CHECK(tensor_refusal("resize_bilinear", [](TensorInfo& t) {
          t.quantization.scale[0] *= 2;
        }).find("resize_bilinear 'resize_bilinear': input and output must have one grid") != std::string::npos);
  CHECK(tensor_refusal("resize_bilinear", [](TensorInfo& t) { t.shape[3] = 11; }) ==
        "resize_bilinear 'resize_bilinear': expected NHWC with equal channels, found 1x3x2x10 and 1x5x3x11");
  CHECK(tensor_refusal("resize_nearest", [](TensorInfo& t) {
          t.shape = {1, 24, 10};
        }).find("expected NHWC") != std::string::npos);
  CHECK(tensor_refusal("resize_nearest", [](TensorInfo& t) {
          t.dtype = DType::f32, t.quantization = {};
        }).find("tensor 'hard_swish': expected float32, found int8") != std::string::npos);
  CHECK(tensor_refusal("reshape", [](TensorInfo& t) { t.quantization.scale[0] *= 2; }).find("must have one grid") !=
        std::string::npos);
  CHECK(tensor_refusal("reshape", [](TensorInfo& t) { t.shape = {1, 2, 6}; }) != "accepted");
  CHECK(tensor_refusal("logistic", [](TensorInfo& t) {
          t.quantization.zero_point[0] = 0;
        }).find("scale 1/256, zero point -128") != std::string::npos);
  CHECK(tensor_refusal("mean", [](TensorInfo& t) { t.shape = {1, 5, 2}; }) != "accepted");
  CHECK(tensor_refusal("logits", [](TensorInfo& t) {
          t.shape = {1, 6};
        }) == "dense 'logits': output 'logits': expected 1x5, found 1x6");
  CHECK(tensor_refusal("add", [](TensorInfo& t) { t.dtype = DType::f32, t.quantization = {}; }) != "accepted");
  const Program single = everything(DType::i8, Rounding::tflite_single);
  CHECK(refusal(single, [](Program& q) {
          tensor(q, "average_pool").quantization.scale[0] *= 2;
        }).find("must have one grid") != std::string::npos);
}

TEST_CASE("same padding follows TensorFlow's rule") {
  CHECK(same_padding(224, 3, 2).out == 112);
  CHECK(same_padding(224, 3, 2).before == 0);
  CHECK(same_padding(225, 3, 2).before == 1);
  CHECK(same_padding(7, 3, 1).before == 1);
  CHECK(same_padding(7, 3, 1, 2).before == 2);
  CHECK(same_padding(5, 1, 2).out == 3);
  CHECK(same_padding(5, 2, 1).before == 0);
}

TEST_CASE("memory plan: a chain needs its two largest neighbours only") {
  const std::vector<BufferLife> chain = {{640, 0, 0}, {6400, 0, 1}, {1280, 1, 2}, {64, 2, 3}};
  const MemoryPlan plan = plan_memory(chain);
  CHECK(plan.bytes == 6400 + 1280);
  CHECK(plan.offset[1] == 0);
}

TEST_CASE("memory plan: 300 random sets: nothing overlaps, offsets are aligned, little is wasted") {
  Rng rng(17);
  for (int round = 0; round < 300; ++round) {
    std::vector<BufferLife> buffers(1 + static_cast<std::size_t>(rng.below(40)));
    for (BufferLife& b : buffers) {
      b.bytes = static_cast<std::size_t>(rng.below(5000));
      b.first = static_cast<int>(rng.below(30));
      b.last = b.first + static_cast<int>(rng.below(6));
    }
    const MemoryPlan plan = plan_memory(buffers);
    const auto rounded = [&](std::size_t i) { return (buffers[i].bytes + 63) / 64 * 64; };
    std::size_t busiest = 0;  // a lower bound: what is alive at one time
    for (int step = 0; step < 40; ++step) {
      std::size_t alive = 0;
      for (std::size_t i = 0; i < buffers.size(); ++i)
        if (buffers[i].first <= step && step <= buffers[i].last) alive += rounded(i);
      busiest = std::max(busiest, alive);
    }
    REQUIRE(plan.bytes >= busiest);
    REQUIRE(plan.bytes <= busiest * 3 / 2 + 64);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      REQUIRE(plan.offset[i] % 64 == 0);
      REQUIRE(plan.offset[i] + rounded(i) <= plan.bytes);
      for (std::size_t k = 0; k < i; ++k) {
        const bool in_time = buffers[i].first <= buffers[k].last && buffers[k].first <= buffers[i].last;
        const bool in_space =
            plan.offset[i] < plan.offset[k] + rounded(k) && plan.offset[k] < plan.offset[i] + rounded(i);
        REQUIRE_FALSE((in_time && in_space));
      }
    }
  }
}
