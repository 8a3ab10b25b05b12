// Readers of arrays, text, data and pictures under damaged files: a short replay of what the drivers do at length.
#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "manifest_model.hpp"
#include "mutate.hpp"
#include "octavo/data/csv.hpp"
#include "octavo/data/idx.hpp"
#include "octavo/data/image.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"
// the target shows what fits the headers above it
#include "files_target.hpp"

namespace {

fuzz::Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
fuzz::Bytes bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Reads the whole file, `times` damaged ones, and the file cut off at every 7th byte: all are errors or values.
template <class Read>
void damage(const fuzz::Bytes& whole, int times, Read&& read) {
  REQUIRE(read(whole));
  octavo::Rng rng(99);
  int refused = 0;
  for (int i = 0; i < times; ++i)
    if (!read(fuzz::mutate(whole, rng))) ++refused;
  for (std::size_t size = 0; size < whole.size(); size += 7)
    if (!read(fuzz::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)))) ++refused;
  CHECK(refused > 0);
}

}  // namespace

TEST_CASE("damaged .npy files, JSON, manifests and safetensors are errors or values") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  octavo::io::write_npy((fuzz::folder() / "a.npy").string(), {2, 3}, values);
  damage(bytes_of(fuzz::folder() / "a.npy"), 3000, fuzz::read_npy);
  damage(bytes_of(std::string(R"({"a": [1, -2.5e3, true, null, "x\u00e9\n"], "b": {"c": {}, "d": []}})")), 3000,
         fuzz::read_json);
  fuzz::make_model((fuzz::folder() / "seed").string());
  damage(bytes_of(fuzz::folder() / "seed" / "manifest.json"), 600,
         [](const fuzz::Bytes& bytes) { return fuzz::read_manifest(bytes, fuzz::make_model); });
  damage(bytes_of(fuzz::folder() / "seed" / "weights.safetensors"), 2000, [](const fuzz::Bytes& bytes) {
    return fuzz::accepts([&] { octavo::io::SafeTensors(octavo::io::Bytes(bytes.begin(), bytes.end()), "input"); });
  });
}

TEST_CASE("damaged IDX files, tables and pictures are errors or values") {
  fuzz::Bytes idx{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
  idx.resize(16 + 24, 7);
  damage(idx, 1000, fuzz::read_idx);
  damage(bytes_of(std::string("Filename,Label\n\"a, b.jpg\",1\r\nc.jpg,2\n")), 1000, fuzz::read_csv);
  octavo::Image image;
  image.height = 9, image.width = 11, image.channels = 3;
  for (int i = 0; i < 9 * 11 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 37));
  for (const auto& encoded : {octavo::encode_png(image.view()), octavo::encode_jpeg(image.view(), 80)})
    damage({encoded.begin(), encoded.end()}, 1000, fuzz::read_image);
}
