// octavo/io/checkpoint.hpp: training that stops and goes on: model, optimizer and progress in one safetensors file; and
// plain weights.
//
// Arrays of a checkpoint: "conv1/kernel" (F32), each parameter under its own name, moving statistics included;
// "@numbers/conv1/frozen" (F64), frozen flags and quantizers' states; "@optimizer/m/conv1/kernel" (F32);
// "@best/conv1/kernel" and "@best_numbers/..." (the best epoch's model, if kept); "@progress" (U64), "@history" and
// "@early_stopping" (F64). Metadata: format, version, sha256.
#ifndef OCTAVO_IO_CHECKPOINT_HPP_
#define OCTAVO_IO_CHECKPOINT_HPP_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../nn/graph.hpp"
#include "../train/hooks.hpp"
#include "../train/state.hpp"
#include "checksum.hpp"
#include "safetensors.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

inline constexpr std::string_view kCheckpointFormat = "octavo.checkpoint";
inline constexpr std::string_view kWeightsFormat = "octavo.weights";
inline constexpr std::int64_t kCheckpointVersion = 1;

// Writes atomically: a checkpoint is whole, or the old one is still there.
template <class Lazy = void>
void save_checkpoint(const std::string& path, nn::Graph& model, const train::TrainingState& state);

// Puts the model's part into `model`, a graph of the same layers, and gives the rest, for FitOptions::resume. Throws,
// with the graph unchanged, when the file is none of ours, of a newer version, or does not fit; all missing, surplus
// and mis-shaped parameters stand in one Error.
template <class Lazy = void>
[[nodiscard]] train::TrainingState load_checkpoint(const std::string& path, nn::Graph& model);

// For FitOptions::on_epoch_end: saves at the end of each epoch.
[[nodiscard]] inline train::EpochHook checkpoint_each_epoch(std::string path) {
  return [path = std::move(path)](train::EpochEnd& end) { save_checkpoint(path, end.model, end.state()); };
}

// All parameters under their names, nothing else.
template <class Lazy = void>
void save_weights(const std::string& path, nn::Graph& model);

struct LoadWeightsOptions {
  std::string prefix{};         // only the layers whose names begin so; their parameters must all be there
  bool ignore_surplus = false;  // arrays that the graph does not have; those of a checkpoint's other parts always are
};
// The parameters of a weights file, a checkpoint or any safetensors file, by name; other types than F32 are converted.
// Throws, with the graph unchanged, and lists all differences.
template <class Lazy = void>
void load_weights(const std::string& path, nn::Graph& model, const LoadWeightsOptions& options = {});

namespace detail {

inline constexpr char kReserved = '@';  // begins the names of what is no parameter

// SHA-256 of all arrays' names and bytes, in order of the names.
inline std::string digest(const std::map<std::string, ArrayView, std::less<>>& arrays) {
  Sha256 sum;
  for (const auto& [name, array] : arrays) {
    sum.update({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()});
    sum.update(array.bytes);
  }
  return sum.hex();
}

// Names and values on their way to a file. Keeps what it has to own.
class ArrayWriter {
 public:
  void add_floats(std::string name, const Tensor& values) {
    add_bytes(std::move(name), ElementType::f32, shape_of(values), values.data(), values.size());
  }
  void add_doubles(std::string name, const Shape& shape, std::vector<double> numbers) {
    const std::vector<double>& kept = doubles_.emplace_back(std::move(numbers));
    add_bytes(std::move(name), ElementType::f64, shape, kept.data(), kept.size());
  }
  void add_integers(std::string name, std::vector<std::uint64_t> numbers) {
    const std::vector<std::uint64_t>& kept = integers_.emplace_back(std::move(numbers));
    add_bytes(std::move(name), ElementType::u64, {static_cast<std::int64_t>(kept.size())}, kept.data(), kept.size());
  }
  void write(const std::string& path, std::string_view format) {
    std::map<std::string, ArrayView, std::less<>> by_name;
    for (const NamedView& view : views_) by_name.emplace(view.name, view.array);
    write_safetensors(path, std::move(views_),
                      {{"format", std::string(format)},
                       {"version", std::to_string(kCheckpointVersion)},
                       {"sha256", digest(by_name)}});
  }

 private:
  template <class Value>
  void add_bytes(std::string name, ElementType type, const Shape& shape, const Value* values, std::size_t count) {
    views_.push_back(
        {std::move(name), {type, shape, {reinterpret_cast<const std::uint8_t*>(values), count * sizeof(Value)}}});
  }
  std::vector<NamedView> views_;
  std::deque<std::vector<double>> doubles_;
  std::deque<std::vector<std::uint64_t>> integers_;
};

inline void add_model(ArrayWriter& writer, const train::ModelState& state, const std::string& parameters,
                      const std::string& numbers) {
  for (const train::NamedArray& array : state.parameters) writer.add_floats(parameters + array.name, array.values);
  for (const train::NamedNumbers& one : state.numbers)
    writer.add_doubles(numbers + one.name, {static_cast<std::int64_t>(one.numbers.size())}, one.numbers);
}

template <class Value>
std::vector<Value> read_array(const ArrayView& array, ElementType type, const std::string& name) {
  require(array.type == type, "array '", name, "': expected ", name_of(type), ", found ", name_of(array.type));
  std::vector<Value> values(array.bytes.size() / sizeof(Value));
  if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
  return values;
}

inline Tensor read_tensor(const ArrayView& array, const std::string& name) {
  require(array.type == ElementType::f32, "array '", name, "': expected F32, found ", name_of(array.type));
  Tensor tensor = make_tensor(array.shape);
  if (!array.bytes.empty()) std::memcpy(tensor.data(), array.bytes.data(), array.bytes.size());
  return tensor;
}

// A checkpoint's arrays, sorted into its parts.
struct CheckpointParts {
  train::ModelState model;
  train::TrainingState state;
};

// The rest of `name` behind `prefix`, or nothing.
inline bool cut_prefix(std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.erase(0, prefix.size());
  return true;
}

inline void read_progress(const std::vector<std::uint64_t>& numbers, train::TrainingState& state) {
  require(numbers.size() == 9, "array '@progress': expected 9 numbers, found ", numbers.size());
  constexpr std::uint64_t most = std::numeric_limits<int>::max();
  for (const std::size_t small : {std::size_t{0}, std::size_t{7}})
    require(numbers[small] <= most, "array '@progress': ", numbers[small], " is out of range");
  state.epoch = static_cast<int>(numbers[0]);
  state.step = static_cast<std::int64_t>(numbers[1]);
  state.random = numbers[2];
  state.seed = numbers[3];
  state.batch_size = static_cast<std::int64_t>(numbers[4]);
  state.images = static_cast<std::int64_t>(numbers[5]);
  state.optimizer_steps = static_cast<std::int64_t>(numbers[6]);
  state.best.waited = static_cast<int>(numbers[7]);
  state.history.stopped_early = numbers[8] != 0;
}

inline constexpr std::int64_t kHistoryColumns = 7;

inline void read_history(const std::vector<double>& numbers, train::TrainingState& state) {
  require(numbers.size() % static_cast<std::size_t>(kHistoryColumns) == 0, "array '@history': expected rows of ",
          kHistoryColumns, ", found ", numbers.size(), " numbers");
  for (std::size_t i = 0; i < numbers.size(); i += static_cast<std::size_t>(kHistoryColumns)) {
    const double* row = numbers.data() + i;
    state.history.epochs.push_back({static_cast<int>(row[0]), row[1], row[2], row[3], row[4], row[5], row[6]});
  }
}

inline CheckpointParts sort_parts(const SafeTensors& file) {
  CheckpointParts parts;
  for (const auto& [full_name, array] : file.arrays()) {
    std::string name = full_name;
    if (name.empty() || name[0] != kReserved) {
      parts.model.parameters.push_back({name, read_tensor(array, full_name)});
    } else if (cut_prefix(name, "@numbers/")) {
      parts.model.numbers.push_back({name, read_array<double>(array, ElementType::f64, full_name)});
    } else if (cut_prefix(name, "@optimizer/")) {
      parts.state.optimizer.push_back({name, read_tensor(array, full_name)});
    } else if (cut_prefix(name, "@best/")) {
      parts.state.best_model.parameters.push_back({name, read_tensor(array, full_name)});
    } else if (cut_prefix(name, "@best_numbers/")) {
      parts.state.best_model.numbers.push_back({name, read_array<double>(array, ElementType::f64, full_name)});
    } else if (name == "@progress") {
      read_progress(read_array<std::uint64_t>(array, ElementType::u64, full_name), parts.state);
    } else if (name == "@history") {
      read_history(read_array<double>(array, ElementType::f64, full_name), parts.state);
    } else if (name == "@early_stopping") {
      const auto numbers = read_array<double>(array, ElementType::f64, full_name);
      require(numbers.size() == 2, "array '@early_stopping': expected 2 numbers, found ", numbers.size());
      parts.state.best.epoch = parts.state.history.best_epoch = static_cast<int>(numbers[0]);
      parts.state.best.value = numbers[1];
    } else {
      fail("array '", full_name, "' is unknown");
    }
  }
  return parts;
}

inline std::string metadata_of(const SafeTensors& file, std::string_view key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string("none") : found->second;
}

// Throws, naming the file, for another version than ours, and when it was damaged.
inline void require_whole(const SafeTensors& file, const std::string& path) {
  require(metadata_of(file, "version") == std::to_string(kCheckpointVersion), "'", path, "': expected version ",
          kCheckpointVersion, ", found ", metadata_of(file, "version"));
  require(metadata_of(file, "sha256") == digest(file.arrays()), "'", path,
          "' is damaged: its checksum does not fit its arrays");
}

}  // namespace detail

template <class Lazy>
void save_checkpoint(const std::string& path, nn::Graph& model, const train::TrainingState& state) {
  detail::ArrayWriter writer;
  const train::ModelState model_state = train::model_state(model);
  detail::add_model(writer, model_state, "", "@numbers/");
  for (const train::NamedArray& array : state.optimizer) writer.add_floats("@optimizer/" + array.name, array.values);
  detail::add_model(writer, state.best_model, "@best/", "@best_numbers/");
  writer.add_integers(
      "@progress", {static_cast<std::uint64_t>(state.epoch), static_cast<std::uint64_t>(state.step), state.random,
                    state.seed, static_cast<std::uint64_t>(state.batch_size), static_cast<std::uint64_t>(state.images),
                    static_cast<std::uint64_t>(state.optimizer_steps), static_cast<std::uint64_t>(state.best.waited),
                    state.history.stopped_early ? 1U : 0U});
  std::vector<double> history;
  for (const train::EpochResult& e : state.history.epochs)
    history.insert(history.end(), {static_cast<double>(e.epoch), e.loss, e.accuracy, e.val_loss, e.val_accuracy,
                                   e.seconds, e.learning_rate});
  writer.add_doubles("@history", {static_cast<std::int64_t>(state.history.epochs.size()), detail::kHistoryColumns},
                     std::move(history));
  writer.add_doubles("@early_stopping", {2}, {static_cast<double>(state.best.epoch), state.best.value});
  writer.write(path, kCheckpointFormat);
}

template <class Lazy>
train::TrainingState load_checkpoint(const std::string& path, nn::Graph& model) {
  const SafeTensors file = read_safetensors(path);
  const std::string format = detail::metadata_of(file, "format");
  require(format == kCheckpointFormat, "'", path, "': expected format ", kCheckpointFormat, ", found ", format);
  detail::require_whole(file, path);
  detail::CheckpointParts parts;
  try {
    static_cast<void>(file.at("@progress"));
    parts = detail::sort_parts(file);
  } catch (const Error& error) {
    fail("checkpoint '", path, "': ", error.what());
  }
  train::set_model_state(model, parts.model, "checkpoint '" + path + "'");
  return std::move(parts.state);
}

template <class Lazy>
void save_weights(const std::string& path, nn::Graph& model) {
  detail::ArrayWriter writer;
  for (const nn::NamedParameter& one : model.parameters()) writer.add_floats(one.name, one.parameter->value);
  writer.write(path, kWeightsFormat);
}

template <class Lazy>
void load_weights(const std::string& path, nn::Graph& model, const LoadWeightsOptions& options) {
  const SafeTensors file = read_safetensors(path);
  const std::string format = detail::metadata_of(file, "format");
  if (format == kCheckpointFormat || format == kWeightsFormat) detail::require_whole(file, path);
  std::vector<train::NamedArray> arrays;
  for (const auto& [name, array] : file.arrays()) {
    if (!name.empty() && name[0] == detail::kReserved) continue;
    arrays.push_back({name, make_tensor(array.shape)});
    const std::vector<float> floats = to_floats(array);
    std::copy(floats.begin(), floats.end(), arrays.back().values.data());
  }
  train::set_parameters(model, arrays, "weights '" + path + "'", {options.prefix, options.ignore_surplus});
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

OCTAVO_ENTRY(void octavo::io::save_checkpoint<void>(const std::string&, octavo::nn::Graph&,
                                                    const octavo::train::TrainingState&));
OCTAVO_ENTRY(octavo::train::TrainingState octavo::io::load_checkpoint<void>(const std::string&, octavo::nn::Graph&));
OCTAVO_ENTRY(void octavo::io::save_weights<void>(const std::string&, octavo::nn::Graph&));
OCTAVO_ENTRY(void octavo::io::load_weights<void>(const std::string&, octavo::nn::Graph&,
                                                 const octavo::io::LoadWeightsOptions&));

#endif  // OCTAVO_IO_CHECKPOINT_HPP_
