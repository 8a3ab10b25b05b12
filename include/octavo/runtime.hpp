// octavo/runtime.hpp: what a deployed program includes: load a saved model, run it. Needs the standard library only.
//
//   const octavo::Model model = octavo::load("weeds/");
//   model.run(image, scores);
#ifndef OCTAVO_RUNTIME_HPP_
#define OCTAVO_RUNTIME_HPP_

#include "core/cpu.hpp"
#include "io/manifest.hpp"
#include "io/npy.hpp"
#include "runtime/classify.hpp"
#include "runtime/model.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

using io::load;
using io::LoadOptions;
using io::save;
using io::SaveOptions;
using runtime::argmax;
using runtime::ClassScore;
using runtime::Model;
using runtime::ModelOptions;
using runtime::Profile;
using runtime::Program;
using runtime::Session;
using runtime::top_classes;

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_RUNTIME_HPP_
