// IDX files, plain and gzip, and Fashion-MNIST's file names.
#include <octavo/data/idx.hpp>

#include <doctest/doctest.h>

#include "data_files.hpp"

using namespace octavo;
using octavo_test::contains;
using octavo_test::error_of;
using octavo_test::TemporaryFolder;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes idx(const std::vector<std::uint32_t>& extents, const Bytes& values) {
  Bytes file = {0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t extent : extents)
    for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<std::uint8_t>((extent >> shift) & 255));
  file.insert(file.end(), values.begin(), values.end());
  return file;
}

Bytes gzip(const Bytes& plain) {
  Bytes packed(compressBound(plain.size()) + 64);
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = const_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Pixel k of image i is 10 * i + k.
Bytes pixels(int images, int size) {
  Bytes values;
  for (int i = 0; i < images; ++i)
    for (int k = 0; k < size; ++k) values.push_back(static_cast<std::uint8_t>((10 * i + k) % 256));
  return values;
}

std::vector<float> loaded(const Dataset& dataset, std::int64_t i) {
  std::vector<float> out(static_cast<std::size_t>(dataset.image_shape().size()));
  dataset.load(i, out);
  return out;
}

}  // namespace

TEST_CASE("IDX: plain and gzip files read the same") {
  const TemporaryFolder folder;
  const Bytes file = idx({3, 2, 4}, pixels(3, 8));
  for (const auto& path : {folder.write("a.idx", file), folder.write("a.idx.gz", gzip(file))}) {
    const IdxFile result = read_idx(path, 3);
    CHECK(result.extents == std::vector<std::int64_t>{3, 2, 4});
    CHECK(result.values == pixels(3, 8));
  }
}

TEST_CASE("IDX: files that are not what they say") {
  const TemporaryFolder folder;
  const auto error = [&](const Bytes& bytes, int rank = 3) {
    return error_of([&] { (void)read_idx(folder.write("bad.gz", bytes), rank); });
  };
  const Bytes good = idx({3, 2, 4}, pixels(3, 8));
  CHECK(contains(error_of([&] { (void)read_idx(folder.path() / "none.gz", 3); }), "none.gz: there is no such file"));
  CHECK(contains(error({}), "bad.gz: is no IDX file"));
  CHECK(contains(error(good, 1), "begins with bytes 0 0 8 3; expected 0 0 8 1"));
  Bytes wrong = good;
  wrong[2] = 13;  // float
  CHECK(contains(error(wrong), "begins with bytes 0 0 13 3"));
  for (std::size_t n = 4; n < good.size(); ++n) {
    CHECK(contains(error(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n))), "truncated"));
  }
  CHECK(contains(error(idx({3, 2, 4}, pixels(3, 9))), "has more than the 24 values"));
  CHECK(contains(error(idx({3, 0, 4}, {})), "extent 0 of axis 1"));
  // 4 billion images of 64k x 64k: refused without trying to get the memory; so is a large file with nothing in it.
  CHECK(contains(error(idx({0xFFFFFFFF, 65535, 65535}, {})), "absurdly large"));
  CHECK(contains(error(idx({0x40000000, 8, 8}, pixels(1, 64))), "is truncated: the header promises 68719476736"));

  Bytes packed = gzip(idx({300, 2, 4}, pixels(300, 8)));
  CHECK(read_idx(folder.write("good.gz", packed), 3).values.size() == 2400);
  Bytes cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(packed.size() * 2 / 3));
  CHECK_FALSE(error(cut).empty());
  Bytes damaged = packed;
  damaged[packed.size() / 2] = static_cast<std::uint8_t>(damaged[packed.size() / 2] ^ 0xFF);
  CHECK_FALSE(error(damaged).empty());
  damaged = packed;
  damaged[packed.size() - 6] = static_cast<std::uint8_t>(damaged[packed.size() - 6] ^ 1);  // the checksum
  CHECK(contains(error(damaged), "cannot be unpacked"));
}

TEST_CASE("IDX dataset: sizes, channels, padding") {
  const TemporaryFolder folder;
  const auto images = folder.write("images.gz", gzip(idx({3, 2, 2}, pixels(3, 4))));
  const auto labels = folder.write("labels.gz", gzip(idx({3}, {1, 0, 1})));
  const Dataset data =
      idx_dataset(images, labels, {"a", "b"}, {.size = 2, .channels = 1, .range = PixelRange::raw_0_255});
  CHECK(data.size() == 3);
  CHECK(data.image_shape() == Shape{2, 2, 1});
  CHECK(data.label(2) == 1);
  CHECK(data.class_names()[1] == "b");
  CHECK(data.name(2) == "images.gz[2]");
  CHECK(loaded(data, 2) == std::vector<float>{20, 21, 22, 23});
  CHECK(data.preview(1).pixels == Bytes{10, 11, 12, 13});

  const Dataset padded =
      idx_dataset(images, labels, {"a", "b"},
                  {.size = 4, .channels = 3, .range = PixelRange::raw_0_255, .resize = ResizeMethod::pad});
  const std::vector<float> out = loaded(padded, 1);
  REQUIRE(out.size() == 48);
  CHECK(out[0] == 0.0F);
  for (std::size_t c = 0; c < 3; ++c) CHECK(out[(1 * 4 + 2) * 3 + c] == 11.0F);

  const Dataset larger =
      idx_dataset(images, labels, {"a", "b"}, {.size = 4, .channels = 1, .range = PixelRange::raw_0_255});
  CHECK(loaded(larger, 0)[0] == 0.0F);
  CHECK(loaded(larger, 0)[15] == 3.0F);
  CHECK(loaded(larger, 0)[5] == doctest::Approx(0.75));  // 0.25 * 1 + 0.25 * 2, half-pixel centres

  const auto fewer = folder.write("two.gz", gzip(idx({2}, {1, 0})));
  CHECK(contains(error_of([&] { (void)idx_dataset(images, fewer, {"a", "b"}, {}); }), "has 3 images, but"));
  CHECK(contains(error_of([&] { (void)idx_dataset(images, labels, {"a"}, {}); }), "label 1 of image 0"));
}

TEST_CASE("Fashion-MNIST: four files, plain or packed") {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte.gz", gzip(idx({2, 28, 28}, pixels(2, 784))));
  folder.write("train-labels-idx1-ubyte", idx({2}, {9, 0}));
  folder.write("t10k-images-idx3-ubyte", idx({1, 28, 28}, pixels(1, 784)));
  CHECK(contains(error_of([&] { (void)fashion_mnist(folder.path()); }), "t10k-labels-idx1-ubyte.gz: there is no such"));
  folder.write("t10k-labels-idx1-ubyte.gz", gzip(idx({1}, {5})));
  const TrainTest data = fashion_mnist(folder.path());
  CHECK(data.train.size() == 2);
  CHECK(data.test.size() == 1);
  CHECK(data.train.class_names()[static_cast<std::size_t>(data.train.label(0))] == "Ankle boot");
  CHECK(data.test.image_shape() == Shape{28, 28, 1});
  CHECK(loaded(data.test, 0)[255] == 1.0F);
  const std::string error = error_of([&] { (void)fashion_mnist(folder.path() / "none"); });
  CHECK(contains(error, "there is no folder"));
  CHECK(contains(error, "apt install dataset-fashion-mnist"));
}
