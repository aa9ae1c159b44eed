#include "os/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace tributary::os {
namespace {

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kConflict;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return ErrorCode::kExhausted;
    default:
      return ErrorCode::kIo;
  }
}

std::unexpected<Error> OsError(const char* call, const std::string& path, int error = errno) {
  return Fail(CodeOf(error), std::string(call) + " " + path + ": " + std::strerror(error));
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  Result<std::size_t> ReadAt(std::uint64_t pos, std::span<char> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      ssize_t n =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(pos + done));
      if (n < 0 && errno == ESPIPE) n = ::read(fd_, out.data() + done, out.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return OsError("read", path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  bool CanSeek() const override { return ::lseek(fd_, 0, SEEK_CUR) >= 0; }

  Status WriteAt(std::uint64_t pos, std::span<const std::string_view> parts) override {
    std::array<iovec, 64> vectors;
    std::size_t next = 0;     // first part not written whole
    std::size_t skipped = 0;  // bytes of it that are
    while (next < parts.size()) {
      int count = 0;
      for (std::size_t i = next; i < parts.size() && count < 64; ++i, ++count) {
        const std::size_t skip = i == next ? skipped : 0;
        vectors[static_cast<std::size_t>(count)] = {const_cast<char*>(parts[i].data()) + skip,
                                                    parts[i].size() - skip};
      }
      const ssize_t n = ::pwritev(fd_, vectors.data(), count, static_cast<off_t>(pos));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return OsError("write", path_);
      pos += static_cast<std::uint64_t>(n);
      Advance(parts, static_cast<std::size_t>(n), next, skipped);
    }
    return {};
  }

  Status SyncData() override {
    if (::fdatasync(fd_) != 0) return OsError("fdatasync", path_);
    return {};
  }

  Status Truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return OsError("truncate", path_);
    return {};
  }

  Result<std::uint64_t> Size() const override {
    struct stat s {};
    if (::fstat(fd_, &s) != 0) return OsError("stat", path_);
    return static_cast<std::uint64_t>(s.st_size);
  }

  void DropCache(std::uint64_t pos, std::uint64_t size) override {
    ::posix_fadvise(fd_, static_cast<off_t>(pos), static_cast<off_t>(size), POSIX_FADV_DONTNEED);
  }

 private:
  static void Advance(std::span<const std::string_view> parts, std::size_t n, std::size_t& next,
                      std::size_t& skipped) {
    while (next < parts.size() && n >= parts[next].size() - skipped) {
      n -= parts[next].size() - skipped;
      skipped = 0;
      ++next;
    }
    skipped += n;
  }

  int fd_;
  std::string path_;
};

class PosixLock final : public DirLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}
  ~PosixLock() override { ::close(fd_); }

 private:
  int fd_;
};

class Posix final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    const int flags = mode == OpenMode::kRead        ? O_RDONLY
                      : mode == OpenMode::kReadWrite ? O_RDWR
                                                     : O_RDWR | O_CREAT | O_EXCL;
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) return OsError("open", path);
    return std::make_unique<PosixFile>(fd, path);
  }

  Status CreateDir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return OsError("mkdir", path);
    return {};
  }

  Status SyncDir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return OsError("open", path);
    const int failed = ::fsync(fd) != 0 ? errno : 0;
    ::close(fd);
    if (failed != 0) return OsError("fsync", path, failed);
    return {};
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return OsError("rename", from);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return OsError("unlink", path);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& dir) override {
    DIR* handle = ::opendir(dir.c_str());
    if (handle == nullptr) return OsError("opendir", dir);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(handle)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(handle);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool Exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs s {};
    if (::statvfs(path.c_str(), &s) != 0) return OsError("statvfs", path);
    return static_cast<std::uint64_t>(s.f_bavail) * s.f_frsize;
  }

  Result<FileInfo> Info(const std::string& path) override {
    struct stat s {};
    if (::lstat(path.c_str(), &s) != 0) return OsError("stat", path);
    FileInfo info;
    info.kind = S_ISREG(s.st_mode)   ? FileInfo::Kind::kFile
                : S_ISDIR(s.st_mode) ? FileInfo::Kind::kDir
                                     : FileInfo::Kind::kOther;
    info.bytes = static_cast<std::uint64_t>(s.st_size);
    info.device = s.st_dev;
    info.inode = s.st_ino;
    info.mtime_ns = s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec;
    return info;
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return OsError("link", to);
    return {};
  }

  Status RemoveDir(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return OsError("rmdir", path);
    return {};
  }

  Result<std::string> RealPath(const std::string& path) override {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           &std::free);
    if (real == nullptr) return OsError("realpath", path);
    return std::string(real.get());
  }

  Result<std::unique_ptr<DirLock>> LockDir(const std::string& dir) override {
    const std::string path = dir + "/LOCK";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return OsError("open", path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(fd);
      if (error == EWOULDBLOCK) {
        return Fail(ErrorCode::kConflict, dir + " is in use by another process");
      }
      return OsError("flock", path, error);
    }
    return std::make_unique<PosixLock>(fd);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static Posix fs;
  return fs;
}

}  // namespace tributary::os
