// octavo/io/file.hpp: whole files in, whole files out. A reader never sees a half-written file.
#ifndef OCTAVO_IO_FILE_HPP_
#define OCTAVO_IO_FILE_HPP_

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../core/aligned.hpp"
#include "../core/error.hpp"

namespace octavo {
inline namespace OCTAVO_ABI_TAG {
namespace io {

using Bytes = AlignedVector<std::uint8_t>;

inline constexpr std::size_t kMaxFileBytes = std::size_t{1} << 32;  // what read_file accepts unless told otherwise

// The whole file. Throws when it cannot be read, is not a regular file, or holds more than `max_bytes`.
Bytes read_file(const std::string& path, std::size_t max_bytes = kMaxFileBytes);
std::string read_text_file(const std::string& path, std::size_t max_bytes = kMaxFileBytes);

// Makes the folder and its parents. No error when it exists.
void make_directories(const std::string& path);

// Writes a file in pieces under a temporary name in the same folder; commit() syncs it to the disk and renames it over
// `path`. Without commit() (an exception, an early return) the old file stays and the temporary one is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::uint8_t> bytes);
  void write(std::string_view text) { write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}); }
  void commit();

 private:
  [[noreturn]] void give_up(const char* what) const;
  std::string path_;
  std::string temporary_;
  int file_ = -1;
};

inline void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}
inline void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

namespace detail {

[[noreturn]] inline void fail_errno(std::string_view what, const std::string& path) {
  const int code = errno;
  fail(what, " '", path, "': ", std::strerror(code));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) noexcept : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int value() const noexcept { return value_; }

 private:
  int value_;
};

inline Descriptor open_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno("cannot open", path);
  return Descriptor(file);
}

// The size of a regular file of at most `max_bytes`.
inline std::size_t checked_size(const Descriptor& file, const std::string& path, std::size_t max_bytes) {
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) fail_errno("cannot examine", path);
  require(S_ISREG(status.st_mode), "cannot read '", path, "': not a regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  require(size <= max_bytes, "'", path, "' has ", size, " bytes, more than the limit of ", max_bytes);
  return size;
}

template <class Container>
Container read_whole(const std::string& path, std::size_t max_bytes) {
  const Descriptor file = open_file(path);
  const std::size_t size = checked_size(file, path, max_bytes);
  Container content;
  content.resize(size);
  for (std::size_t done = 0; done < size;) {
    const ::ssize_t count = ::read(file.value(), content.data() + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno("cannot read", path);
    require(count > 0, "'", path, "' became shorter while it was read");
    done += static_cast<std::size_t>(count);
  }
  return content;
}

inline std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace detail

inline Bytes read_file(const std::string& path, std::size_t max_bytes) {
  return detail::read_whole<Bytes>(path, max_bytes);
}

inline std::string read_text_file(const std::string& path, std::size_t max_bytes) {
  return detail::read_whole<std::string>(path, max_bytes);
}

inline void make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0777) != 0 && errno != EEXIST) detail::fail_errno("cannot make the folder", part);
    if (end == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) detail::fail_errno("cannot examine", path);
  require(S_ISDIR(status.st_mode), "'", path, "' is not a folder");
}

inline AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  temporary_ = path_ + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) detail::fail_errno("cannot write", path_);
}

inline AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

inline void AtomicFile::give_up(const char* what) const { detail::fail_errno(what, path_); }

inline void AtomicFile::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ::ssize_t count = ::write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) give_up("cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

inline void AtomicFile::commit() {
  require(file_ >= 0, "'", path_, "' is already written");
  if (::fsync(file_) != 0) give_up("cannot write");
  const int file = std::exchange(file_, -1);
  if (::close(file) != 0) give_up("cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("cannot replace");
  temporary_.clear();
  // The new name must survive a power cut too. Some file systems cannot sync a folder: then the rename is all we have.
  const detail::Descriptor folder(::open(detail::folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.value() >= 0) ::fsync(folder.value());
}

}  // namespace io
}  // namespace OCTAVO_ABI_TAG
}  // namespace octavo

#endif  // OCTAVO_IO_FILE_HPP_
