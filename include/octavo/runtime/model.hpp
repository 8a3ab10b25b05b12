// octavo/runtime/model.hpp: a program, ready to run.
#ifndef OCTAVO_RUNTIME_MODEL_HPP_
#define OCTAVO_RUNTIME_MODEL_HPP_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "profile.hpp"
#include "session.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

struct ModelOptions {
  int threads = 0;                  // 0: all of this machine's
  std::int64_t max_batch = 1;       // memory is reserved for that many images; larger batches reserve when they come
  bool fuse = true;                 // see fuse.hpp
  bool keep_intermediates = false;  // for tensor_values() of a Session
  std::size_t max_arena_bytes = std::size_t{1} << 32;
  // Kernels have packed copies of the constants. false frees the program's own once these are made: saving, exporting
  // or reading them is then an Error. (Those of a loaded model lie in its mapped file and cost no memory of their own.)
  bool keep_program_weights = true;
};

// Sizes of a model, in bytes and multiply-adds of one image.
struct ModelInfo {
  std::int64_t macs = 0;
  std::int64_t parameters = 0;           // elements of all constants
  std::int64_t weight_bytes = 0;         // of all constants, as a file holds them
  std::size_t packed_bytes = 0;          // of the constants that the kernels have packed for themselves
  std::size_t program_weight_bytes = 0;  // of the constants that the program holds in memory besides (not in a mapping)
  std::size_t arena_bytes = 0;           // of one run
  std::size_t operators = 0;             // of the program
  std::size_t steps = 0;                 // after fusion
  // What the model needs in memory while it runs, but for tables of a few bytes a channel and the program's text.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return packed_bytes + program_weight_bytes + arena_bytes; }
  [[nodiscard]] std::string to_text() const;
};

// Prepared once by the constructor. Copies share the prepared kernels. All const members may be called by several
// threads at once: a run takes a free session (memory) of this model, without a lock, or makes one when all are in use.
class Model {
 public:
  // Throws Error, naming operator or tensor, when the program is invalid or has an operator without a kernel.
  template <class Lazy = void>  // see step.hpp
  explicit Model(Program program, const ModelOptions& options = {})
      : prepared_(std::make_shared<const Prepared>(
            prepare(std::move(program), {options.fuse, options.keep_intermediates, options.max_arena_bytes,
                                         options.threads, options.keep_program_weights}))),
        options_(options),
        sessions_(std::make_shared<SessionPool>()) {
    set_threads(options.threads);
    sessions_->put(std::make_unique<Session>(session()));
  }

  [[nodiscard]] const Program& program() const noexcept { return prepared_->program; }
  [[nodiscard]] const Prepared& prepared() const noexcept { return *prepared_; }
  // Input and output i; extent 0 of the shape is the batch and stands as 1. Throws, naming the model, when there is
  // none.
  [[nodiscard]] const TensorInfo& input(std::size_t i = 0) const { return border(program().inputs, i, "input"); }
  [[nodiscard]] const TensorInfo& output(std::size_t i = 0) const { return border(program().outputs, i, "output"); }

  // For models of one input and one output: as many whole images as `input` holds. Float buffers fit every model
  // (values are quantized and dequantized at the border), int8 and uint8 buffers those whose border is of that type.
  // Allocates nothing for batches up to ModelOptions::max_batch, as long as runs do not overlap in time.
  void run(std::span<const float> input, std::span<float> output) const { run_one(input, output); }
  void run(std::span<const std::int8_t> input, std::span<std::int8_t> output) const { run_one(input, output); }
  void run(std::span<const std::uint8_t> input, std::span<std::uint8_t> output) const { run_one(input, output); }
  // Any number of inputs and outputs.
  void run(std::initializer_list<ConstBuffer> inputs, std::initializer_list<Buffer> outputs) const {
    run(std::span<const ConstBuffer>(inputs.begin(), inputs.size()),
        std::span<const Buffer>(outputs.begin(), outputs.size()));
  }
  void run(std::span<const ConstBuffer> inputs, std::span<const Buffer> outputs) const {
    Lease lease(*this);
    lease.session().run(inputs, outputs);
  }

  // Threads of each run; 0: all of this machine's. Throws above kMaxThreads.
  void set_threads(int threads) {
    require_threads(threads);
    threads_ = threads == 0 ? std::min(default_threads(), kMaxThreads) : threads;
  }
  [[nodiscard]] int threads() const noexcept { return threads_; }

  // Memory of its own over the same kernels.
  [[nodiscard]] Session session() const { return Session(prepared_, threads_, options_.max_batch); }

  // Median times of `runs` runs of `inputs` after a warm-up of one.
  [[nodiscard]] Profile profile(std::span<const ConstBuffer> inputs, int runs = 20) const;
  [[nodiscard]] Profile profile(std::span<const float> input, int runs = 20) const {
    const ConstBuffer buffer(input);
    return profile(std::span<const ConstBuffer>(&buffer, 1), runs);
  }

  [[nodiscard]] ModelInfo info() const;

 private:
  [[nodiscard]] const TensorInfo& border(const std::vector<int>& ids, std::size_t i, std::string_view what) const {
    require(i < ids.size(), "the model '", program().name, "' has no ", what, ' ', i, ", only ", ids.size());
    return tensor_at(program(), ids[i]);
  }
  void run_one(ConstBuffer input, Buffer output) const {
    run(std::span<const ConstBuffer>(&input, 1), std::span<const Buffer>(&output, 1));
  }

  // A few sessions that wait for a run. Taking and putting back are single atomic exchanges.
  class SessionPool {
   public:
    SessionPool() = default;
    SessionPool(const SessionPool&) = delete;
    SessionPool& operator=(const SessionPool&) = delete;
    ~SessionPool() {
      for (std::atomic<Session*>& slot : slots_) delete slot.load();
    }
    [[nodiscard]] std::unique_ptr<Session> take() noexcept {
      for (std::atomic<Session*>& slot : slots_)
        if (Session* session = slot.exchange(nullptr)) return std::unique_ptr<Session>(session);
      return nullptr;
    }
    void put(std::unique_ptr<Session> session) noexcept {
      for (std::atomic<Session*>& slot : slots_) {
        Session* expected = nullptr;
        if (slot.compare_exchange_strong(expected, session.get())) return static_cast<void>(session.release());
      }
    }

   private:
    std::array<std::atomic<Session*>, 16> slots_{};
  };

  // A session for the length of a run.
  class Lease {
   public:
    explicit Lease(const Model& model) : pool_(*model.sessions_), session_(pool_.take()) {
      if (!session_) session_ = std::make_unique<Session>(model.session());
      if (session_->threads() != model.threads_) session_->set_threads(model.threads_);
    }
    ~Lease() { pool_.put(std::move(session_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    [[nodiscard]] Session& session() noexcept { return *session_; }

   private:
    SessionPool& pool_;
    std::unique_ptr<Session> session_;
  };

  std::shared_ptr<const Prepared> prepared_;
  ModelOptions options_;
  int threads_ = 1;
  std::shared_ptr<SessionPool> sessions_;
};

inline Profile Model::profile(std::span<const ConstBuffer> inputs, int runs) const {
  require(runs >= 1, "profile: expected 1 or more runs, found ", runs);
  Session session = this->session();
  const std::int64_t batch = inputs.empty() ? 1 : std::max<std::int64_t>(inputs[0].size / input().shape.size(), 1);
  std::vector<std::vector<float>> values;
  std::vector<Buffer> outputs;
  for (const int id : program().outputs)
    values.emplace_back(static_cast<std::size_t>(tensor_at(program(), id).shape.size() * batch));
  for (std::vector<float>& output : values) outputs.emplace_back(std::span<float>(output));
  using Clock = std::chrono::steady_clock;
  const auto elapsed = [](Clock::time_point since) {
    return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
  };
  std::vector<std::vector<double>> times(prepared_->steps.size());
  std::vector<double> totals;
  session.run(inputs, outputs);
  for (int run = 0; run < runs; ++run) {
    for (std::vector<double>& of_step : times) of_step.push_back(0.0);
    const auto begin = Clock::now();
    session.run_with(inputs, outputs, [&](std::size_t s, const Step& step, const StepContext& context) {
      const auto start = Clock::now();
      step.kernel->run(context);
      times[s].back() += elapsed(start);
    });
    totals.push_back(elapsed(begin));
  }
  Profile profile;
  profile.batch = batch;
  profile.threads = session.threads();
  profile.total_nanoseconds = detail::median(totals);
  for (std::size_t s = 0; s < prepared_->steps.size(); ++s) {
    const Step& step = prepared_->steps[s];
    std::string kind(name_of(step.op.kind));
    if (step.front) kind = std::string(name_of(step.front->kind)) + " + " + kind;
    profile.rows.push_back({step.op.name, kind, std::string(step.kernel->name()),
                            output_of(program(), step.op).shape.to_string(), step.macs * batch, step.bytes * batch,
                            detail::median(times[s])});
  }
  return profile;
}

inline ModelInfo Model::info() const {
  ModelInfo info;
  info.macs = macs_of(program());
  for (const TensorInfo& tensor : program().tensors)
    if (tensor.constant()) info.parameters += tensor.shape.size();
  info.weight_bytes = weight_bytes(program());
  for (const Step& step : prepared_->steps) info.packed_bytes += step.kernel->packed_bytes();
  for (const TensorInfo& tensor : program().tensors) info.program_weight_bytes += tensor.data.own_bytes();
  info.arena_bytes = session().arena_bytes();
  info.operators = program().ops.size();
  info.steps = prepared_->steps.size();
  return info;
}

inline std::string ModelInfo::to_text() const {
  char text[384];
  std::snprintf(text, sizeof text,
                "%zu operators in %zu steps, %.1f million multiply-adds, %.2f million parameters\n"
                "weights %.2f MB; memory %.2f MB: packed weights %.2f, the program's %.2f, arena %.2f\n",
                operators, steps, static_cast<double>(macs) / 1e6, static_cast<double>(parameters) / 1e6,
                static_cast<double>(weight_bytes) / 1e6, static_cast<double>(memory_bytes()) / 1e6,
                static_cast<double>(packed_bytes) / 1e6, static_cast<double>(program_weight_bytes) / 1e6,
                static_cast<double>(arena_bytes) / 1e6);
  return text;
}

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_MODEL_HPP_
