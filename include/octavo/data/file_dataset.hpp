// octavo/data/file_dataset.hpp: datasets of image files: a folder per class, or a CSV table of file and label.
#ifndef OCTAVO_DATA_FILE_DATASET_HPP_
#define OCTAVO_DATA_FILE_DATASET_HPP_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cached.hpp"
#include "csv.hpp"
#include "dataset.hpp"
#include "image.hpp"
#include "options.hpp"
#include "split.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// Image files, decoded whenever one is loaded.
class FileSource : public ImageSource {
 public:
  FileSource(std::vector<std::filesystem::path> files, std::vector<std::int32_t> labels,
             std::vector<std::string> class_names, const Preprocessing& to)
      : ImageSource(std::move(labels), std::move(class_names), to), files_(std::move(files)) {
    require(static_cast<std::int64_t>(files_.size()) == size(), "dataset: ", files_.size(), " files, but ", size(),
            " labels");
  }
  [[nodiscard]] std::string name(std::int64_t i) const override { return files_[static_cast<std::size_t>(i)].string(); }
  ImageView pixels(std::int64_t i, Image& scratch) const override {
    scratch = decode_image(files_[static_cast<std::size_t>(i)], preprocessing()->channels);
    return scratch.view();
  }
  // In colour even where the network reads gray.
  [[nodiscard]] Image preview(std::int64_t i) const override {
    return decode_image(files_[static_cast<std::size_t>(i)]);
  }

 private:
  std::vector<std::filesystem::path> files_;
};

// Each folder in `folder` is a class and holds its photos (JPEG, PNG, BMP), also in folders of its own. Classes and
// files stand in the order of their names' bytes; names that begin with a dot are skipped. Throws Error where there is
// no class, or one without a photo.
Dataset image_folder(const std::filesystem::path& folder, const ImageOptions& options = {});

// The rows of a CSV table with the columns Filename (or File, Image, Path) and Label (or Class), and perhaps Species
// (or Class_name, Name): the class's name. Labels are 0, 1, ... or else names, numbered in the order of their bytes.
// Files are looked for in `images`, and must exist. Throws Error with file:line.
Dataset csv_dataset(const std::filesystem::path& csv, const std::filesystem::path& images,
                    const ImageOptions& options = {});

// The same table cut by its column Split (or Set, Subset): train, val (valid, validation), test.
Splits csv_splits(const std::filesystem::path& csv, const std::filesystem::path& images,
                  const ImageOptions& options = {});

namespace detail {

inline Dataset maybe_cached(Dataset dataset, const ImageOptions& options) {
  return options.cache ? cached(dataset) : dataset;
}

// Sorted; the folders or the files in `folder`, without those whose name begins with a dot.
inline std::vector<std::filesystem::path> entries(const std::filesystem::path& folder, bool folders) {
  std::vector<std::filesystem::path> found;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    std::error_code dangling;
    if (entry->is_directory(dangling) == folders && !entry->path().filename().string().starts_with('.'))
      found.push_back(entry->path());
  }
  require(!code, folder.string(), ": cannot be listed (", code.message(), ')');
  std::sort(found.begin(), found.end());
  return found;
}

// The photos in a class's folder and the folders in it, but not behind links between folders: they may form a ring.
inline void add_images(const std::filesystem::path& folder, std::vector<std::filesystem::path>& files) {
  for (const std::filesystem::path& file : entries(folder, false))
    if (has_image_name(file)) files.push_back(file);
  std::error_code code;
  for (const std::filesystem::path& inner : entries(folder, true))
    if (!std::filesystem::is_symlink(inner, code)) add_images(inner, files);
}

struct LabelledFiles {
  std::vector<std::filesystem::path> files;
  std::vector<std::int32_t> labels;
  std::vector<std::string> class_names;
};

inline constexpr std::int32_t kMaxClasses = 1'000'000;

// Whether all of `text` is a decimal number.
inline bool read_number(const std::string& text, std::int32_t& number) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc{} && end == text.data() + text.size();
}

inline void read_labels(const CsvTable& table, std::size_t label, std::size_t species, LabelledFiles& result) {
  std::int32_t number = 0;
  const bool numbers = std::all_of(table.rows.begin(), table.rows.end(),
                                   [&](const CsvRow& row) { return read_number(row.fields[label], number); });
  if (!numbers) {
    // Names. A table that begins with numbers has a wrong field rather than names.
    std::map<std::string, std::int32_t> classes;
    std::int32_t first = 0;
    const bool begins_with_number = read_number(table.rows.front().fields[label], first);
    for (const CsvRow& row : table.rows) {
      require(!row.fields[label].empty(), table.place(row), ": the label is empty");
      require(!begins_with_number || read_number(row.fields[label], number), table.place(row), ": label '",
              row.fields[label], "' is no number, but the first row's is");
      classes[row.fields[label]] = 0;
    }
    for (auto& [name, index] : classes) {
      index = static_cast<std::int32_t>(result.class_names.size());
      result.class_names.push_back(name);
    }
    for (const CsvRow& row : table.rows) result.labels.push_back(classes[row.fields[label]]);
    return;
  }
  for (const CsvRow& row : table.rows) {
    read_number(row.fields[label], number);
    require(number >= 0 && number < kMaxClasses, table.place(row), ": label ", number, "; expected 0 to ",
            kMaxClasses - 1);
    result.labels.push_back(number);
    const auto index = static_cast<std::size_t>(number);
    if (index >= result.class_names.size()) result.class_names.resize(index + 1);
    if (species == CsvTable::kMissing || row.fields[species].empty()) continue;
    std::string& name = result.class_names[index];
    require(name.empty() || name == row.fields[species], table.place(row), ": label ", number, " is '",
            row.fields[species], "' here and '", name, "' above");
    name = row.fields[species];
  }
  for (std::size_t i = 0; i < result.class_names.size(); ++i)
    if (result.class_names[i].empty()) result.class_names[i] = "class " + std::to_string(i);
}

inline LabelledFiles read_labelled_files(const CsvTable& table, const std::filesystem::path& images) {
  const std::size_t file = table.column({"filename", "file", "image", "path"});
  const std::size_t label = table.column({"label", "class"});
  const std::size_t species = table.column({"species", "class_name", "name"});
  require(file != CsvTable::kMissing && label != CsvTable::kMissing, table.file,
          ":1: expected the columns Filename and Label");
  require(!table.rows.empty(), table.file, ": has no rows");
  LabelledFiles result;
  for (const CsvRow& row : table.rows) {
    result.files.push_back(images / row.fields[file]);
    std::error_code code;
    require(std::filesystem::is_regular_file(result.files.back(), code), table.place(row), ": there is no file ",
            result.files.back().string());
  }
  read_labels(table, label, species, result);
  return result;
}

}  // namespace detail

inline Dataset image_folder(const std::filesystem::path& folder, const ImageOptions& options) {
  std::error_code code;
  require(std::filesystem::is_directory(folder, code), "image_folder: there is no folder ", folder.string(),
          "; expected one that holds a folder of photos for each class");
  detail::LabelledFiles result;
  for (const std::filesystem::path& class_folder : detail::entries(folder, true)) {
    const std::size_t before = result.files.size();
    detail::add_images(class_folder, result.files);
    require(result.files.size() > before, "image_folder: no photo (.jpg, .png, .bmp) in ", class_folder.string());
    result.labels.resize(result.files.size(), static_cast<std::int32_t>(result.class_names.size()));
    result.class_names.push_back(class_folder.filename().string());
  }
  require(!result.class_names.empty(), "image_folder: no folder in ", folder.string(),
          "; expected a folder of photos for each class");
  return detail::maybe_cached(
      std::make_shared<const FileSource>(std::move(result.files), std::move(result.labels),
                                         std::move(result.class_names), options.preprocessing()),
      options);
}

inline Dataset csv_dataset(const std::filesystem::path& csv, const std::filesystem::path& images,
                           const ImageOptions& options) {
  detail::LabelledFiles result = detail::read_labelled_files(read_csv(csv), images);
  return detail::maybe_cached(
      std::make_shared<const FileSource>(std::move(result.files), std::move(result.labels),
                                         std::move(result.class_names), options.preprocessing()),
      options);
}

inline Splits csv_splits(const std::filesystem::path& csv, const std::filesystem::path& images,
                         const ImageOptions& options) {
  const CsvTable table = read_csv(csv);
  const std::size_t column = table.column({"split", "set", "subset"});
  require(column != CsvTable::kMissing, table.file, ":1: expected a column Split");
  detail::LabelledFiles result = detail::read_labelled_files(table, images);
  std::vector<std::int64_t> train, validation, test;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string& part = table.rows[i].fields[column];
    require(part == "train" || part == "val" || part == "valid" || part == "validation" || part == "test",
            table.place(table.rows[i]), ": split '", part, "'; expected train, val or test");
    (part == "train" ? train : part == "test" ? test : validation).push_back(static_cast<std::int64_t>(i));
  }
  const Dataset whole = std::make_shared<const FileSource>(std::move(result.files), std::move(result.labels),
                                                           std::move(result.class_names), options.preprocessing());
  const auto part = [&](std::vector<std::int64_t> indices) {
    return detail::maybe_cached(subset(whole, std::move(indices)), options);
  };
  return {part(std::move(train)), part(std::move(validation)), part(std::move(test))};
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_FILE_DATASET_HPP_
