// octavo/data/idx.hpp: IDX files (MNIST's format), plain or gzip, and Fashion-MNIST. Programs that call it link zlib.
#ifndef OCTAVO_DATA_IDX_HPP_
#define OCTAVO_DATA_IDX_HPP_

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <zlib.h>

#include "dataset.hpp"
#include "options.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {

// An IDX file of unsigned bytes.
struct IdxFile {
  std::vector<std::int64_t> extents;
  std::vector<std::uint8_t> values;
};

// Format: two zero bytes, the type (8: unsigned byte, the only one read), the rank, the extents (32 bit, big-endian),
// the values, the last extent fastest (yann.lecun.com/exdb/mnist). Throws Error that names the file unless type and
// rank are as expected and the values are all there, with nothing after them.
IdxFile read_idx(const std::filesystem::path& file, int rank);

// Gray images (rank 3) with labels (rank 1). The size of `options` may be the images' own.
Dataset idx_dataset(const std::filesystem::path& images, const std::filesystem::path& labels,
                    std::vector<std::string> class_names, const ImageOptions& options);

struct TrainTest {
  Dataset train;
  Dataset test;
};

// Debian's package dataset-fashion-mnist.
inline constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

// By default 28 x 28 x 1 as stored, values in [0, 1]. For 32 x 32 x 3: {.size = 32, .channels = 3, .resize =
// ResizeMethod::pad} (a black border) or bilinear.
inline ImageOptions fashion_mnist_options() {
  ImageOptions options;
  options.size = 28;
  options.channels = 1;
  options.range = PixelRange::zero_to_one;
  return options;
}

// Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 images of ten kinds of clothes. `folder` holds the four files
// {train,t10k}-{images-idx3,labels-idx1}-ubyte, with or without .gz; empty: Debian's folder, or else fashion-mnist/ in
// OCTAVO_DATA.
TrainTest fashion_mnist(const std::filesystem::path& folder = {},
                        const ImageOptions& options = fashion_mnist_options());

namespace detail {

// A file of zlib's, which reads plain files too.
class GzipReader {
 public:
  explicit GzipReader(const std::filesystem::path& path) : name_(path.string()) {
    std::error_code code;
    require(std::filesystem::is_regular_file(path, code), name_, ": there is no such file");
    file_.reset(gzopen(name_.c_str(), "rb"));
    require(file_ != nullptr, name_, ": cannot be opened");
    gzbuffer(file_.get(), 1U << 17);
  }
  // Up to bytes.size() bytes; fewer only at the end.
  std::size_t read(std::span<std::uint8_t> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      constexpr std::size_t chunk = std::size_t{1} << 30;
      const int n =
          gzread(file_.get(), bytes.data() + done, static_cast<unsigned>(std::min(chunk, bytes.size() - done)));
      int error = Z_OK;
      const char* reason = gzerror(file_.get(), &error);
      require(n >= 0 && (error == Z_OK || error == Z_STREAM_END), name_, ": cannot be unpacked (", reason, ')');
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;
};

class IdxSource final : public ImageSource {
 public:
  IdxSource(std::string file, IdxFile images, std::vector<std::int32_t> labels, std::vector<std::string> class_names,
            const Preprocessing& to)
      : ImageSource(std::move(labels), std::move(class_names), to),
        file_(std::move(file)),
        images_(std::move(images)) {}

  [[nodiscard]] std::string name(std::int64_t i) const override { return file_ + "[" + std::to_string(i) + "]"; }
  ImageView pixels(std::int64_t i, Image& /*scratch*/) const override {
    return {images_.values.data() + i * images_.extents[1] * images_.extents[2], static_cast<int>(images_.extents[1]),
            static_cast<int>(images_.extents[2]), 1};
  }

 private:
  std::string file_;
  IdxFile images_;
};

}  // namespace detail

inline IdxFile read_idx(const std::filesystem::path& file, int rank) {
  const std::string name = file.string();
  detail::GzipReader reader(file);
  std::vector<std::uint8_t> header(4);
  require(reader.read(header) == 4, name, ": is no IDX file: it has less than four bytes");
  require(header[0] == 0 && header[1] == 0 && header[2] == 8 && header[3] == rank, name, ": begins with bytes ",
          int{header[0]}, ' ', int{header[1]}, ' ', int{header[2]}, ' ', int{header[3]}, "; expected 0 0 8 ", rank,
          " (IDX, unsigned bytes, rank ", rank, ')');
  header.resize(static_cast<std::size_t>(rank) * 4);
  require(reader.read(header) == header.size(), name, ": is truncated in its header");
  IdxFile result;
  constexpr std::int64_t limit = std::int64_t{1} << 36;
  std::int64_t size = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis) {
    std::int64_t extent = 0;
    for (std::size_t byte = 0; byte < 4; ++byte) extent = extent * 256 + header[4 * axis + byte];
    require(extent > 0 && extent <= limit / size, name, ": extent ", extent, " of axis ", axis,
            " is zero or makes the file absurdly large");
    size *= extent;
    result.extents.push_back(extent);
  }
  // Memory grows with what is really there, not with what the header says.
  constexpr std::size_t piece = std::size_t{1} << 24;
  const auto wanted = static_cast<std::size_t>(size);
  while (result.values.size() < wanted) {
    const std::size_t before = result.values.size();
    const std::size_t more = std::min(piece, wanted - before);
    result.values.resize(before + more);
    const std::size_t n = reader.read(std::span(result.values).subspan(before));
    require(n == more, name, ": is truncated: the header promises ", wanted, " values, found ", before + n);
  }
  std::uint8_t extra = 0;
  require(reader.read({&extra, 1}) == 0, name, ": has more than the ", wanted, " values that the header promises");
  return result;
}

inline Dataset idx_dataset(const std::filesystem::path& images, const std::filesystem::path& labels,
                           std::vector<std::string> class_names, const ImageOptions& options) {
  IdxFile pictures = read_idx(images, 3);
  const IdxFile numbers = read_idx(labels, 1);
  require(pictures.extents[0] == numbers.extents[0], images.string(), " has ", pictures.extents[0], " images, but ",
          labels.string(), " has ", numbers.extents[0], " labels");
  for (std::size_t i = 0; i < numbers.values.size(); ++i)
    require(numbers.values[i] < class_names.size(), labels.string(), ": label ", int{numbers.values[i]}, " of image ",
            i, " is not among the ", class_names.size(), " classes");
  return std::make_shared<const detail::IdxSource>(
      images.filename().string(), std::move(pictures),
      std::vector<std::int32_t>(numbers.values.begin(), numbers.values.end()), std::move(class_names),
      options.preprocessing());
}

inline TrainTest fashion_mnist(const std::filesystem::path& folder, const ImageOptions& options) {
  std::error_code error;
  const bool installed = folder.empty() && std::filesystem::is_directory(kFashionMnistFolder, error);
  const std::filesystem::path root =
      data_folder(installed ? std::filesystem::path(kFashionMnistFolder) : folder, "fashion-mnist",
                  "Install Debian's or Ubuntu's package (apt install dataset-fashion-mnist), or name the folder of the "
                  "four idx-ubyte.gz files of https://github.com/zalandoresearch/fashion-mnist.");
  const auto file = [&root](const char* name) {
    std::error_code code;
    const std::filesystem::path plain = root / name;
    return std::filesystem::exists(plain, code) ? plain : root / (std::string(name) + ".gz");
  };
  const std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  return {idx_dataset(file("train-images-idx3-ubyte"), file("train-labels-idx1-ubyte"), names, options),
          idx_dataset(file("t10k-images-idx3-ubyte"), file("t10k-labels-idx1-ubyte"), names, options)};
}

}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_DATA_IDX_HPP_
