// octavo/runtime/session.hpp: the memory of one running inference over a prepared model.
#ifndef OCTAVO_RUNTIME_SESSION_HPP_
#define OCTAVO_RUNTIME_SESSION_HPP_

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/aligned.hpp"
#include "../core/arena.hpp"
#include "../core/parallel.hpp"
#include "border.hpp"
#include "prepare.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// Owns the arena. One thread uses a session at a time; any number of sessions run one prepared model at once. run()
// allocates only when the batch, or the number of threads, is larger than ever before in this session.
class Session {
 public:
  // threads = 0: default_threads().
  Session(std::shared_ptr<const Prepared> prepared, int threads, std::int64_t max_batch)
      : prepared_(std::move(prepared)), at_once_(images_at_once(*prepared_)) {
    set_threads(threads);
    reserve(max_batch);
  }

  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;
  Session(const Session&) = delete;  // the tensors' places point into arena_
  Session& operator=(const Session&) = delete;
  ~Session() = default;

  // threads = 0: default_threads(). Throws above kMaxThreads.
  void set_threads(int threads) {
    require_threads(threads);
    threads_ = threads == 0 ? std::min(default_threads(), kMaxThreads) : threads;
    reserve(std::max<std::int64_t>(capacity_, 1));
  }
  [[nodiscard]] int threads() const noexcept { return threads_; }

  // Makes room for batches of up to `batch` images.
  void reserve(std::int64_t batch);

  // One buffer for each input and output of the model, in order (see border.hpp for the types). The batch follows from
  // the first input's size; all others must agree. Inputs and outputs must not overlap. For NaN and infinity see
  // border.hpp.
  void run(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs) {
    run_with(inputs, outputs,
             [](std::size_t, const Step& step, const StepContext& context) { step.kernel->run(context); });
  }
  void run(std::initializer_list<ConstBuffer> inputs, std::initializer_list<Buffer> outputs) {
    run({inputs.begin(), inputs.size()}, {outputs.begin(), outputs.size()});
  }

  // The same, with execute(index, step, context) in the place of each step.kernel->run(context): for measuring. A large
  // batch passes through all steps a few images at a time, so that their activations stay in the cache: a step is then
  // executed several times.
  template <class Execute>
  void run_with(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs, Execute execute);

  // Values that the last run left in a tensor, of all images, as real numbers. Needs
  // PrepareOptions::keep_intermediates.
  [[nodiscard]] std::vector<float> tensor_values(int tensor) const;
  [[nodiscard]] std::vector<float> tensor_values(std::string_view name) const { return tensor_values(id_of(name)); }
  // Codes of an int8 tensor.
  [[nodiscard]] std::vector<std::int8_t> tensor_codes(int tensor) const;
  [[nodiscard]] std::vector<std::int8_t> tensor_codes(std::string_view name) const { return tensor_codes(id_of(name)); }

  // Bytes of the arena now: activations of the largest batch so far, and scratch, in whole pages where it is large.
  [[nodiscard]] std::size_t arena_bytes() const noexcept { return arena_.reserved(); }

 private:
  [[nodiscard]] const TensorInfo& tensor(int id) const {
    return prepared_->program.tensors[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] int root(int id) const { return prepared_->root[static_cast<std::size_t>(id)]; }
  [[nodiscard]] int id_of(std::string_view name) const;
  [[nodiscard]] std::int64_t checked_batch(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs) const;
  [[nodiscard]] const std::byte* kept(int id) const;
  // Images whose activations fit a core's cache, at least one; all, where values must remain or a model has several
  // inputs or outputs.
  [[nodiscard]] static std::int64_t images_at_once(const Prepared& p) {
    if (p.options.keep_intermediates || p.program.inputs.size() != 1 || p.program.outputs.size() != 1)
      return std::numeric_limits<std::int64_t>::max();
    constexpr std::size_t cache = std::size_t{1} << 20;
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(cache / std::max<std::size_t>(p.plan.bytes, 1)));
  }
  template <class Execute>
  void run_images(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs, std::int64_t batch,
                  Execute& execute);
  void place_tensors(std::int64_t batch);
  // Lets a tensor live in the caller's memory for this run.
  void lend(int id, void* memory) { place_[static_cast<std::size_t>(root(id))] = static_cast<std::byte*>(memory); }
  void resolve();

  std::shared_ptr<const Prepared> prepared_;
  int threads_ = 1;
  std::int64_t at_once_ = 1;   // images that pass through the steps together
  std::int64_t capacity_ = 0;  // images
  std::int64_t batch_ = 0;     // of the last run
  Arena arena_;
  std::vector<std::byte*> place_;  // by tensor
};

inline void Session::reserve(std::int64_t batch) {
  require(batch >= 1, "batch: expected 1 or more images, found ", batch);
  const std::int64_t capacity = std::max(capacity_, std::min(batch, at_once_));
  std::size_t scratch = 0;
  for (const Step& step : prepared_->steps) scratch = std::max(scratch, step.kernel->scratch_bytes(threads_));
  std::size_t bytes = 0;
  bool fits = !__builtin_mul_overflow(prepared_->plan.bytes, static_cast<std::size_t>(capacity), &bytes) &&
              !__builtin_add_overflow(bytes, (scratch + kAlignment - 1) / kAlignment * kAlignment, &bytes);
  if (fits && bytes > arena_.size()) {
    try {
      arena_ = Arena(bytes);  // there is nothing to copy
      batch_ = 0;
    } catch (const std::bad_alloc&) {
      fits = false;
    }
  }
  if (!fits)
    fail("the model '", prepared_->program.name, "': no memory for batches of ", capacity, " images of ",
         prepared_->plan.bytes, " bytes and ", scratch, " bytes for ", threads_, " threads");
  capacity_ = capacity;
  place_.resize(prepared_->program.tensors.size());
}

inline void Session::place_tensors(std::int64_t batch) {
  batch_ = batch;
  for (std::size_t id = 0; id < place_.size(); ++id)
    place_[id] = arena_.data() + prepared_->plan.offset[id] * static_cast<std::size_t>(batch);
}

inline void Session::resolve() {
  for (std::size_t id = 0; id < place_.size(); ++id) place_[id] = place_[static_cast<std::size_t>(prepared_->root[id])];
}

inline std::int64_t Session::checked_batch(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs) const {
  const Program& p = prepared_->program;
  require(inputs.size() == p.inputs.size() && outputs.size() == p.outputs.size(), "the model '", p.name, "' has ",
          p.inputs.size(), " inputs and ", p.outputs.size(), " outputs; given ", inputs.size(), " and ",
          outputs.size());
  const std::int64_t image = tensor(p.inputs[0]).shape.size();
  const std::int64_t batch = inputs[0].size / image;
  const auto check = [&](const TensorInfo& t, std::int64_t size, DType dtype) {
    require(batch >= 1 && t.shape.size() * batch == size, "tensor '", t.name, "': ", t.shape, " times ",
            std::max<std::int64_t>(batch, 1), " images needs ", t.shape.size() * std::max<std::int64_t>(batch, 1),
            " values, the buffer has ", size);
    detail::check_border(t, dtype);
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) check(tensor(p.inputs[i]), inputs[i].size, inputs[i].dtype);
  for (std::size_t i = 0; i < outputs.size(); ++i) check(tensor(p.outputs[i]), outputs[i].size, outputs[i].dtype);
  return batch;
}

template <class Execute>
void Session::run_with(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs, Execute execute) {
  const std::int64_t batch = checked_batch(inputs, outputs);
  if (std::min(batch, at_once_) > capacity_) reserve(batch);
  if (batch <= at_once_) return run_images(inputs, outputs, batch, execute);
  const std::int64_t in_size = inputs[0].size / batch, out_size = outputs[0].size / batch;
  for (std::int64_t image = 0; image < batch; image += at_once_) {
    const std::int64_t count = std::min(at_once_, batch - image);
    const ConstBuffer in = inputs[0].part(image * in_size, count * in_size);
    const Buffer out = outputs[0].part(image * out_size, count * out_size);
    run_images({&in, 1}, {&out, 1}, count, execute);
  }
}

template <class Execute>
void Session::run_images(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs, std::int64_t batch,
                         Execute& execute) {
  const Prepared& p = *prepared_;
  place_tensors(batch);
  // Buffers whose bytes are the model's are used in place; outputs first, so that inputs that share memory with an
  // output (through reshape) are copied from.
  const bool in_place = !p.options.keep_intermediates;
  for (std::size_t i = 0; i < inputs.size() && in_place; ++i)
    if (detail::same_bytes(inputs[i].dtype, tensor(p.program.inputs[i]).dtype))
      lend(p.program.inputs[i], const_cast<void*>(inputs[i].data));  // no step writes to an input
  for (std::size_t i = 0; i < outputs.size() && in_place; ++i) {
    const int id = p.program.outputs[i];
    bool is_input = false;
    for (const int input : p.program.inputs) is_input = is_input || root(input) == root(id);
    if (!is_input && detail::same_bytes(outputs[i].dtype, tensor(id).dtype)) lend(id, outputs[i].data);
  }
  resolve();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::byte* to = place_[static_cast<std::size_t>(p.program.inputs[i])];
    if (to != inputs[i].data) detail::copy_in(inputs[i], tensor(p.program.inputs[i]), p.program.rounding, to, threads_);
  }
  const std::size_t activations = p.plan.bytes * static_cast<std::size_t>(capacity_);
  const StepContext context{place_.data(), batch, threads_,
                            std::span(arena_.data(), arena_.size()).subspan(activations)};
  std::size_t s = 0;
  try {
    for (; s < p.steps.size(); ++s) execute(s, p.steps[s], context);
  } catch (const Error& error) {
    fail(name_of(p.steps[s].op.kind), " '", p.steps[s].op.name, "': ", error.what());
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::byte* from = place_[static_cast<std::size_t>(p.program.outputs[i])];
    if (from != outputs[i].data) detail::copy_out(from, tensor(p.program.outputs[i]), outputs[i], threads_);
  }
}

inline int Session::id_of(std::string_view name) const {
  const int id = find_tensor(prepared_->program, name);
  require(id >= 0, "the model '", prepared_->program.name, "' has no tensor '", name, "'");
  return id;
}

inline const std::byte* Session::kept(int id) const {
  const TensorInfo& t = tensor_at(prepared_->program, id);
  require(prepared_->options.keep_intermediates, "tensor '", t.name,
          "': its values are gone after a run; prepare the model with keep_intermediates");
  require(batch_ > 0, "tensor '", t.name, "': the model did not run yet");
  require(!t.constant(), "tensor '", t.name, "' is a constant");
  return place_[static_cast<std::size_t>(id)];
}

inline std::vector<float> Session::tensor_values(int id) const {
  const std::byte* from = kept(id);
  std::vector<float> values(static_cast<std::size_t>(tensor(id).shape.size() * batch_));
  detail::copy_out(from, tensor(id), std::span<float>(values), 1);
  return values;
}

inline std::vector<std::int8_t> Session::tensor_codes(int id) const {
  const std::byte* from = kept(id);
  require(tensor(id).dtype == DType::i8, "tensor '", tensor(id).name, "' is ", name_of(tensor(id).dtype), ", not int8");
  std::vector<std::int8_t> codes(static_cast<std::size_t>(tensor(id).shape.size() * batch_));
  detail::copy_out(from, tensor(id), std::span<std::int8_t>(codes), 1);
  return codes;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_SESSION_HPP_
