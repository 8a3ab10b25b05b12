// octavo/runtime/prepare.hpp: from a Program to what runs: fused steps with packed kernels, and a memory plan.
#ifndef OCTAVO_RUNTIME_PREPARE_HPP_
#define OCTAVO_RUNTIME_PREPARE_HPP_

#include <cstddef>
#include <vector>

#include "memory_plan.hpp"
#include "program.hpp"
#include "step.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace runtime {

// How a model is prepared.
struct PrepareOptions {
  bool fuse = true;                 // see fuse.hpp; false keeps each operator a step of its own
  bool keep_intermediates = false;  // each tensor keeps its values until the next run: no fusion, no shared memory
  std::size_t max_arena_bytes = std::size_t{1} << 32;  // for one image; more is an Error
  int threads = 1;                   // that pack weights, 0: all of this machine's; the result is the same
  bool keep_program_weights = true;  // false: see ModelOptions
};

// Everything about a model that does not change while it runs. Shared, read-only, by all its sessions.
struct Prepared {
  Program program;
  PrepareOptions options;
  std::vector<Step> steps;
  std::vector<int> root;     // of each tensor: the tensor whose memory it shares (reshape is an alias), or itself
  std::vector<bool> in_use;  // by tensor: is read or written by a step, or is an input or output
  MemoryPlan plan;           // offsets of the roots for one image; for a batch they are multiplied by it
};

// Validates, fuses, prepares all kernels, plans. Throws Error naming the operator when it cannot run.
template <class Lazy = void>
[[nodiscard]] Prepared prepare(Program program, const PrepareOptions& options);

}  // namespace runtime
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#if OCTAVO_BODIES
#include "prepare_impl.hpp"
#endif

OCTAVO_ENTRY(octavo::runtime::Prepared octavo::runtime::prepare<void>(octavo::runtime::Program,
                                                                      const octavo::runtime::PrepareOptions&));

#endif  // OCTAVO_RUNTIME_PREPARE_HPP_
