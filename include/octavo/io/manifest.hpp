// octavo/io/manifest.hpp: models in folders: manifest.json + weights.safetensors. save() writes, load() reads.
#ifndef OCTAVO_IO_MANIFEST_HPP_
#define OCTAVO_IO_MANIFEST_HPP_

#include <string>
#include <vector>

#include "../runtime/model.hpp"
#include "manifest_format.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// What a saved model says besides its program. Empty fields leave what the program already carries.
struct SaveOptions {
  std::vector<std::string> labels = {};
  TextFields preprocessing = {};  // how an image becomes the input; data/preprocessing_text.hpp writes these
  TextFields accuracy = {};       // e.g. {"value", "0.913"}, {"images", "900"}, {"dataset", "..."}, {"metric", "top-1"}
  TextFields metadata = {};       // free text, added to the program's
  bool self_test = true;
  // One image for each input, in the input's own type. Empty: generated from a seed, which takes no space.
  std::vector<std::vector<float>> self_test_inputs = {};
};

struct LoadOptions {
  bool checksum = true;  // compare the weights file's SHA-256: as a tree where the manifest has one
  // Map the weights file into memory instead of reading it. While the model or a copy of its program lives, the file
  // may be replaced (as save() does) or removed, but not written to in place: see mapped_file.hpp.
  bool map = true;
  bool verify = false;  // run the self-test: an Error when the outputs differ
  runtime::ModelOptions model = {};
};

// Writes folder/weights.safetensors and folder/manifest.json, making the folder where needed. Each file appears whole
// or not at all, the manifest last; it holds the weights' checksum, so a mixture of two models is refused by load().
template <class Lazy = void>
void save(const runtime::Model& model, const std::string& folder, const SaveOptions& options = {});
template <class Lazy = void>
void save(runtime::Program program, const std::string& folder, const SaveOptions& options = {});

// Reads such a folder. Throws Error naming file and place for anything that is damaged, inconsistent, too new or too
// large; nothing is allocated on the word of the file alone. Members that this version does not know are kept: a later
// save() writes them again.
template <class Lazy = void>
[[nodiscard]] runtime::Program load_program(const std::string& folder, const LoadOptions& options = {});
template <class Lazy = void>
[[nodiscard]] runtime::Model load(const std::string& folder, const LoadOptions& options = {});

}  // namespace io

using io::load;
using io::save;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#if OCTAVO_BODIES
#include "manifest_impl.hpp"
#endif

OCTAVO_ENTRY(void octavo::io::save<void>(const octavo::runtime::Model&, const std::string&,
                                         const octavo::io::SaveOptions&));
OCTAVO_ENTRY(void octavo::io::save<void>(octavo::runtime::Program, const std::string&, const octavo::io::SaveOptions&));
OCTAVO_ENTRY(octavo::runtime::Program octavo::io::load_program<void>(const std::string&,
                                                                     const octavo::io::LoadOptions&));
OCTAVO_ENTRY(octavo::runtime::Model octavo::io::load<void>(const std::string&, const octavo::io::LoadOptions&));

#endif  // OCTAVO_IO_MANIFEST_HPP_
