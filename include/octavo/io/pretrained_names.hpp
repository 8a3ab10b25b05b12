// octavo/io/pretrained_names.hpp: what torchvision, timm and Keras call the parameters of MobileNetV2, as tables.
#ifndef OCTAVO_IO_PRETRAINED_NAMES_HPP_
#define OCTAVO_IO_PRETRAINED_NAMES_HPP_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "../config.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

// How arrays are laid out: torch: OIHW, [out][in]; keras: HWIO, depthwise HWCM, [in][out].
enum class WeightLayout : std::uint8_t { torch, keras };

// A layer of ours and theirs. '#' in both is a block's number, 1 to 16; in theirs '+' is that number plus 1, and '%' is
// "stage.repeat", the block's place among blocks of equal width, both from 0 on (block 1 is "1.0").
struct LayerName {
  std::string_view ours, theirs;
};
// A parameter of ours and theirs; `ours` may name a kind of layer: "depthwise:kernel".
struct ParameterName {
  std::string_view ours, theirs;
};

struct NameFamily {
  std::string_view name;
  WeightLayout layout;
  char separator;                             // between layer and parameter
  std::span<const LayerName> layers;          // empty: theirs are ours
  std::span<const ParameterName> parameters;  // the first that fits
  std::string_view ignored;                   // arrays whose names end so are no parameters
};

namespace detail {

inline constexpr LayerName kTorchvisionLayers[] = {
    {"Conv1", "features.0.0"},
    {"bn_Conv1", "features.0.1"},
    {"expanded_conv_depthwise", "features.1.conv.0.0"},
    {"expanded_conv_depthwise_BN", "features.1.conv.0.1"},
    {"expanded_conv_project", "features.1.conv.1"},
    {"expanded_conv_project_BN", "features.1.conv.2"},
    {"block_#_expand", "features.+.conv.0.0"},
    {"block_#_expand_BN", "features.+.conv.0.1"},
    {"block_#_depthwise", "features.+.conv.1.0"},
    {"block_#_depthwise_BN", "features.+.conv.1.1"},
    {"block_#_project", "features.+.conv.2"},
    {"block_#_project_BN", "features.+.conv.3"},
    {"Conv_1", "features.18.0"},
    {"Conv_1_bn", "features.18.1"},
    {"predictions", "classifier.1"},
};

inline constexpr LayerName kTimmLayers[] = {
    {"Conv1", "conv_stem"},
    {"bn_Conv1", "bn1"},
    {"expanded_conv_depthwise", "blocks.0.0.conv_dw"},
    {"expanded_conv_depthwise_BN", "blocks.0.0.bn1"},
    {"expanded_conv_project", "blocks.0.0.conv_pw"},
    {"expanded_conv_project_BN", "blocks.0.0.bn2"},
    {"block_#_expand", "blocks.%.conv_pw"},
    {"block_#_expand_BN", "blocks.%.bn1"},
    {"block_#_depthwise", "blocks.%.conv_dw"},
    {"block_#_depthwise_BN", "blocks.%.bn2"},
    {"block_#_project", "blocks.%.conv_pwl"},
    {"block_#_project_BN", "blocks.%.bn3"},
    {"Conv_1", "conv_head"},
    {"Conv_1_bn", "bn2"},
    {"predictions", "classifier"},
};

inline constexpr ParameterName kTorchParameters[] = {
    {"kernel", "weight"},
    {"bias", "bias"},
    {"gamma", "weight"},
    {"beta", "bias"},
    {"moving_mean", "running_mean"},
    {"moving_variance", "running_var"},
};
inline constexpr ParameterName kKerasParameters[] = {
    {"depthwise:kernel", "depthwise_kernel"},
    {"kernel", "kernel"},
    {"bias", "bias"},
    {"gamma", "gamma"},
    {"beta", "beta"},
    {"moving_mean", "moving_mean"},
    {"moving_variance", "moving_variance"},
};
inline constexpr ParameterName kKeras3Parameters[] = {
    // Keras 3 calls a depthwise kernel a kernel
    {"kernel", "kernel"},
    {"bias", "bias"},
    {"gamma", "gamma"},
    {"beta", "beta"},
    {"moving_mean", "moving_mean"},
    {"moving_variance", "moving_variance"},
};

inline constexpr NameFamily kFamilies[] = {
    {"torchvision", WeightLayout::torch, '.', kTorchvisionLayers, kTorchParameters, ".num_batches_tracked"},
    {"timm", WeightLayout::torch, '.', kTimmLayers, kTorchParameters, ".num_batches_tracked"},
    {"Keras", WeightLayout::keras, '/', {}, kKerasParameters, "seed_generator_state"},
    {"Keras", WeightLayout::keras, '.', {}, kKerasParameters, "seed_generator_state"},
    {"Keras 3", WeightLayout::keras, '/', {}, kKeras3Parameters, "seed_generator_state"},
    {"Keras 3", WeightLayout::keras, '.', {}, kKeras3Parameters, "seed_generator_state"},
};

// "1.0" for block 1, "6.0" for block 16: MobileNetV2 has 1, 2, 3, 4, 3, 3, 1 blocks of equal width.
inline std::string stage_and_repeat(int block) {
  constexpr int repeats[] = {1, 2, 3, 4, 3, 3, 1};
  int stage = 0;
  while (stage < 6 && block >= repeats[stage]) block -= repeats[stage++];
  return std::to_string(stage) + "." + std::to_string(block);
}

// The number that stands for '#' in `pattern` when it is `name`; 0 when it has no '#'; nothing when it is another.
inline std::optional<int> match(std::string_view pattern, std::string_view name) {
  const std::size_t hole = pattern.find('#');
  if (hole == pattern.npos) return pattern == name ? std::optional<int>(0) : std::nullopt;
  const std::string_view front = pattern.substr(0, hole), back = pattern.substr(hole + 1);
  if (name.size() <= front.size() + back.size() || !name.starts_with(front) || !name.ends_with(back)) return {};
  const std::string_view digits = name.substr(front.size(), name.size() - front.size() - back.size());
  int number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || number > 999) return {};
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace detail

// Their name for a layer's parameter ("block_3_expand", "kernel"); empty when the family does not know it.
[[nodiscard]] inline std::string name_in(const NameFamily& family, std::string_view layer, std::string_view parameter,
                                         bool depthwise) {
  std::string name = family.layers.empty() ? std::string(layer) : std::string();
  for (const LayerName& entry : family.layers) {
    const std::optional<int> block = detail::match(entry.ours, layer);
    if (!block) continue;
    for (const char c : entry.theirs)
      name += c == '+' ? std::to_string(*block + 1) : c == '%' ? detail::stage_and_repeat(*block) : std::string(1, c);
    break;
  }
  if (name.empty()) return name;
  for (const ParameterName& entry : family.parameters) {
    const bool fits = entry.ours == parameter ||
                      (depthwise && entry.ours.starts_with("depthwise:") && entry.ours.substr(10) == parameter);
    if (fits) return name + family.separator + std::string(entry.theirs);
  }
  return "";
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_PRETRAINED_NAMES_HPP_
