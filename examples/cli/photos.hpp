// examples/cli/photos.hpp: photos from the command line: which files, and how pixels become a network's input.
#ifndef OCTAVO_EXAMPLES_CLI_PHOTOS_HPP_
#define OCTAVO_EXAMPLES_CLI_PHOTOS_HPP_

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <octavo/octavo.hpp>
#include <string>
#include <vector>

namespace cli {

namespace oc = octavo;

// For counts on the command line; CLI11's own message spells out the largest number there is.
inline CLI::Validator at_least_one() {
  return {[](const std::string& text) {
            std::int64_t number = 0;
            const bool fits = CLI::detail::lexical_cast(text, number) && number >= 1 && number <= (1 << 24);
            return fits ? std::string() : "expected a number from 1 to 16777216, found " + text;
          },
          "NUMBER >= 1"};
}
inline CLI::Validator at_least_zero() {
  return {[](const std::string& text) {
            std::int64_t number = 0;
            const bool fits = CLI::detail::lexical_cast(text, number) && number >= 0 && number <= (1 << 16);
            return fits ? std::string() : "expected a number from 0 to 65536, found " + text;
          },
          "NUMBER >= 0"};
}

// How photos are read where the model does not say it.
struct PixelOptions {
  std::string range = "minus_one_to_one";
  bool crop = false;
  double central_crop = 1.0;

  void add_to(CLI::App& command) {
    command.add_option("--pixels", range, "what the network reads for a pixel, where the model does not say it")
        ->capture_default_str()
        ->check(CLI::IsMember({"minus_one_to_one", "zero_to_one", "imagenet", "raw_0_255"}));
    command.add_flag("--crop", crop, "cut photos to the input's aspect ratio; otherwise they are stretched");
    command.add_option("--central-crop", central_crop, "part of the sides that is kept, e.g. 0.875")
        ->capture_default_str()
        ->check(CLI::Range(0.01, 1.0));
  }
};

inline oc::PixelRange pixel_range(const std::string& name) {
  static const std::map<std::string, oc::PixelRange> ranges = {{"minus_one_to_one", oc::PixelRange::minus_one_to_one},
                                                               {"zero_to_one", oc::PixelRange::zero_to_one},
                                                               {"imagenet", oc::PixelRange::imagenet},
                                                               {"raw_0_255", oc::PixelRange::raw_0_255}};
  return ranges.at(name);
}

// 1, channels, height, width: as other frameworks' converters may leave it.
inline bool channels_first(const oc::Shape& input) {
  return input.rank() == 4 && input[3] != 1 && input[3] != 3 && (input[1] == 1 || input[1] == 3);
}
// The values of an image as the model wants them.
inline void arrange(const oc::Shape& input, std::vector<float>& image) {
  if (!channels_first(input) || input[1] == 1) return;
  const std::vector<float> pixels = image;
  const auto channels = static_cast<std::size_t>(input[1]), count = pixels.size() / channels;
  for (std::size_t i = 0; i < pixels.size(); ++i) image[i % channels * count + i / channels] = pixels[i];
}

// `found`: 1, height, width, channels, or channels first.
inline oc::Preprocessing preprocessing_for(const oc::Shape& found, const PixelOptions& options) {
  const oc::Shape input = channels_first(found) ? oc::Shape{1, found[2], found[3], found[1]} : found;
  oc::require(input.rank() == 4 && (input[3] == 1 || input[3] == 3), "the model's input is ", found.to_string(),
              ", not an image (1, height, width and 1 or 3 channels)");
  oc::Preprocessing to;
  to.height = static_cast<int>(input[1]), to.width = static_cast<int>(input[2]),
  to.channels = static_cast<int>(input[3]);
  to.keep_aspect = options.crop, to.central_crop = static_cast<float>(options.central_crop);
  to.range = pixel_range(options.range);
  to.check();
  return to;
}

// The model's own preprocessing; for 8-bit inputs that do not say any, pixels are codes; otherwise the options'.
inline oc::Preprocessing preprocessing_for(const oc::runtime::Program& program, const PixelOptions& options) {
  const oc::TextFields fields = oc::io::fields_of(program, "preprocessing");
  if (!fields.empty()) return oc::preprocessing_from_text(fields);
  const oc::runtime::TensorInfo& input = oc::runtime::tensor_at(program, program.inputs.at(0));
  oc::Preprocessing to = preprocessing_for(input.shape, options);
  if (input.dtype == oc::runtime::DType::u8) {
    const oc::runtime::Quantization& q = input.quantization;
    to.range.scale.fill(q.scale.at(0));
    to.range.offset.fill(-q.scale.at(0) * static_cast<float>(q.zero_point.at(0)));
  }
  return to;
}

// A photo, or all photos in a folder and the folders in it, in the order of their names.
inline std::vector<std::filesystem::path> photo_files(const std::string& path) {
  std::error_code code;
  oc::require(std::filesystem::exists(path, code), "'", path, "': there is no such photo or folder");
  if (std::filesystem::is_regular_file(path, code)) return {path};
  std::vector<std::filesystem::path> files;
  std::filesystem::recursive_directory_iterator entry(path, code), end;
  for (; !code && entry != end; entry.increment(code))
    if (entry->is_regular_file() && oc::has_image_name(entry->path())) files.push_back(entry->path());
  oc::require(!code, "'", path, "': cannot be listed (", code.message(), ")");
  oc::require(!files.empty(), "'", path, "': no photos (JPEG, PNG, BMP) in this folder");
  std::sort(files.begin(), files.end());
  return files;
}

// At most `most` of the files, taken evenly, as a dataset without labels.
inline oc::Dataset unlabelled(const std::vector<std::filesystem::path>& files, std::int64_t most,
                              const oc::Preprocessing& to) {
  const auto size = static_cast<std::int64_t>(files.size()), count = std::min(most, size);
  std::vector<std::filesystem::path> chosen;
  for (std::int64_t i = 0; i < count; ++i) chosen.push_back(files[static_cast<std::size_t>(i * size / count)]);
  std::vector<std::int32_t> labels(chosen.size(), 0);
  return {std::make_shared<const oc::FileSource>(std::move(chosen), std::move(labels),
                                                 std::vector<std::string>{"photo"}, to)};
}

inline oc::Tensor batch_of(const oc::Dataset& photos) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < photos.size(); ++i) all.push_back(i);
  oc::Batch batch;
  oc::load_batch(photos, all, batch);
  return batch.images;
}

inline std::vector<std::string> read_labels(const std::string& file) {
  std::vector<std::string> labels;
  std::istringstream text(oc::io::read_text_file(file));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    labels.push_back(line);
  }
  oc::require(!labels.empty(), "'", file, "': expected a label a line, found nothing");
  return labels;
}

}  // namespace cli

#endif  // OCTAVO_EXAMPLES_CLI_PHOTOS_HPP_
