// octavo/data/deepweeds.hpp: the photos of DeepWeeds (Olsen et al. 2019, doi 10.1038/s41598-018-38343-3): nine classes.
#ifndef OCTAVO_DATA_DEEPWEEDS_HPP_
#define OCTAVO_DATA_DEEPWEEDS_HPP_

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "file_dataset.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// `folder` holds images/ and a table. split.csv (Split,Filename,Label,Species) says which photo belongs to which part;
// with DeepWeeds' own labels.csv (Filename,Label,Species; also in labels/) the photos are cut 8:1:1 by `seed`, class by
// class. An empty `folder` means deepweeds/ in OCTAVO_DATA.
inline Splits deepweeds(const std::filesystem::path& folder = {}, const ImageOptions& options = {},
                        std::uint64_t seed = 7) {
  const char* how =
      "Expected a folder with images/ and split.csv or labels.csv. The photos (images.zip, 17,509 JPEG files) and "
      "labels.csv are at https://github.com/AlexOlsen/DeepWeeds; name their folder by --data or OCTAVO_DATA.";
  const std::filesystem::path root = data_folder(folder, "deepweeds", how);
  const std::filesystem::path images = root / "images";
  std::error_code code;
  require(std::filesystem::is_directory(images, code), "deepweeds: there is no folder ", images.string(), ". ", how);
  if (std::filesystem::exists(root / "split.csv", code)) return csv_splits(root / "split.csv", images, options);
  for (const std::filesystem::path& table : {root / "labels.csv", root / "labels" / "labels.csv"}) {
    if (!std::filesystem::exists(table, code)) continue;
    ImageOptions uncached = options;
    uncached.cache = false;
    const Splits parts = split(csv_dataset(table, images, uncached), {0.8, 0.1, 0.1}, seed, /*stratified=*/true);
    return {detail::maybe_cached(parts.train, options), detail::maybe_cached(parts.validation, options),
            detail::maybe_cached(parts.test, options)};
  }
  fail("deepweeds: no split.csv, labels.csv or labels/labels.csv in ", root.string(), ". ", how);
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_DEEPWEEDS_HPP_
