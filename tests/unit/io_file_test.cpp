// io/file.hpp, io/checksum.hpp and io/checksum_tree.hpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "octavo/io/checksum.hpp"
#include "octavo/io/checksum_tree.hpp"
#include "octavo/io/file.hpp"

namespace fs = std::filesystem;
using octavo::Error;
using namespace octavo::io;

namespace {

struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("octavo_io_file_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() { fs::remove_all(path); }
};

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::span<const std::uint8_t> bytes_of_text(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("file: what was written is read") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "a.bin";
  write_file(path, std::string("one\0two", 7));
  CHECK(read_text_file(path) == std::string("one\0two", 7));
  write_file(path, "shorter");
  CHECK(read_file(path).size() == 7);
  CHECK(files_in(folder.path) == 1);
  write_file(path, "");
  CHECK(read_file(path).empty());
}

TEST_CASE("file: without commit the old file stays and nothing is left behind") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "a.txt";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("half of the new");
    CHECK(files_in(folder.path) == 2);
    CHECK(read_text_file(path) == "old");
  }
  CHECK(read_text_file(path) == "old");
  CHECK(files_in(folder.path) == 1);
  AtomicFile file(path);
  file.write("new");
  file.commit();
  CHECK(read_text_file(path) == "new");
  CHECK_THROWS_AS(file.commit(), Error);
}

TEST_CASE("file: errors name the path and the reason") {
  const TemporaryFolder folder;
  const std::string missing = folder.path / "missing";
  CHECK_THROWS_WITH_AS(read_file(missing), ("cannot open '" + missing + "': No such file or directory").c_str(), Error);
  CHECK_THROWS_AS(read_file(folder.path), Error);
  const std::string path = folder.path / "big";
  write_file(path, std::string(100, 'x'));
  CHECK_THROWS_WITH_AS(read_file(path, 99), ("'" + path + "' has 100 bytes, more than the limit of 99").c_str(), Error);
  CHECK_THROWS_AS(write_file(missing + "/below", "x"), Error);
  make_directories(folder.path / "p" / "q");
  CHECK(fs::is_directory(folder.path / "p" / "q"));
  make_directories(folder.path / "p" / "q");
  CHECK_THROWS_AS(make_directories(path + "/r"), Error);
}

TEST_CASE("sha256: the standard's examples, and the same in pieces") {
  CHECK(sha256_hex({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex(bytes_of_text("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(bytes_of_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(bytes_of_text(std::string(1000000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  std::vector<std::uint8_t> data(500);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 37);
  for (std::size_t size = 0; size <= data.size(); ++size) {
    const std::span<const std::uint8_t> whole(data.data(), size);
    Sha256 pieces;
    pieces.update(whole.first(size / 3));
    pieces.update(whole.subspan(size / 3));
    REQUIRE(pieces.hex() == sha256_hex(whole));
  }
}

TEST_CASE("sha256: the portable version and the CPU's agree") {
  std::vector<std::uint8_t> data(64 * 9);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * i + 3);
  for (std::size_t blocks = 0; blocks <= 9; ++blocks) {
    std::uint32_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    std::uint32_t b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    detail::sha256_portable(a, data.data(), blocks);
    detail::sha256_blocks<1>({b}, {data.data()}, blocks);
    CHECK(std::equal(a, a + 8, b));
  }
}

TEST_CASE("sha256: two streams side by side have the digests of each alone") {
  std::vector<std::uint8_t> data(1000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * i + i / 7);
  for (std::size_t size = 0; size <= 400; size += 13) {
    const std::array<Sha256::Digest, 2> both = Sha256::of_two(data.data(), data.data() + 501, size);
    for (std::size_t stream = 0; stream < 2; ++stream) {
      Sha256 alone;
      alone.update({data.data() + 501 * stream, size});
      REQUIRE(both[stream] == alone.digest());
    }
  }
}

TEST_CASE("sha256 tree: its formula, of a stream and of pieces in any order") {
  std::vector<std::uint8_t> data(5 * kTreeChunk + 100);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  for (const std::size_t chunks : {0U, 1U, 2U, 3U, 4U, 5U})
    for (const std::size_t more : {0U, 1U, 100U}) {
      const std::span<const std::uint8_t> bytes(data.data(), chunks * kTreeChunk + more);
      Sha256 root;
      for (std::size_t at = 0; at < bytes.size(); at += kTreeChunk) {
        Sha256 chunk;
        chunk.update(bytes.subspan(at, std::min(kTreeChunk, bytes.size() - at)));
        root.update(chunk.digest());
      }
      const std::string expected = root.hex();
      TreeOfStream stream;
      for (std::size_t at = 0, size = 1; at < bytes.size(); at += size, size = size * 3 + 1)
        stream.update(bytes.subspan(at, std::min(size, bytes.size() - at)));
      CHECK(stream.hex() == expected);
      TreeOfPieces pieces(bytes);
      std::size_t covered = 0;
      for (std::size_t i = pieces.pieces(); i-- > 0;) {
        pieces.sum(i);
        covered += pieces.piece(i).size();
      }
      CHECK(pieces.hex() == expected);
      CHECK(covered == bytes.size());
    }
}
