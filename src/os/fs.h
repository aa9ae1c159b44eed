// Files. The only way to the disk: the real one is os/posix, the simulated one tests/sim/sim_fs.h.
//
// What is durable: WriteAt() alone is not. Data is durable after SyncData() of the file it is in,
// and only if the file's directory entry is durable too: after Create, Rename or Remove call
// SyncDir() on the parent. An error of WriteAt or SyncData is final for that file: the kernel may
// have dropped the pages, so a second sync that succeeds proves nothing.
//
// Paths are made by us, never from user input unescaped. All calls may block; none may be called
// from an event loop unless its file's header says so. A FileSystem may be shared by threads; a
// File may be shared for ReadAt, other calls need the owner's ordering.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tributary::os {

class File {
 public:
  virtual ~File() = default;  // closes; an error of close is lost, so sync before

  // Reads up to out.size() bytes at `pos`; fewer only at the end of the file.
  // What cannot be sought in (a pipe, a terminal) is read front to back whatever `pos` says, and
  // once; its Size() is 0.
  virtual Result<std::size_t> ReadAt(std::uint64_t pos, std::span<char> out) const = 0;
  virtual bool CanSeek() const { return true; }
  // Writes every byte of every part, one after the other from `pos`, or fails (then any of the
  // bytes may or may not be there). EINTR and short writes are handled inside.
  virtual Status WriteAt(std::uint64_t pos, std::span<const std::string_view> parts) = 0;
  Status WriteAt(std::uint64_t pos, std::string_view bytes) {
    return WriteAt(pos, std::span<const std::string_view>(&bytes, 1));
  }
  // fdatasync: bytes and size.
  virtual Status SyncData() = 0;
  virtual Status Truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> Size() const = 0;
  // Hints that [pos, pos+size) will not be read again soon (posix_fadvise DONTNEED); may do
  // nothing.
  virtual void DropCache(std::uint64_t pos, std::uint64_t size) { (void)pos, (void)size; }
};

// Held lock on a directory; released when destroyed or when the process ends.
class DirLock {
 public:
  virtual ~DirLock() = default;
};

// What an entry of a directory is, without following a symbolic link.
struct FileInfo {
  enum class Kind : std::uint8_t { kFile, kDir, kOther };
  Kind kind = Kind::kFile;
  std::uint64_t bytes = 0;
  // Two names with the same device and inode are one file; an inode may be used again once its
  // file is gone.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t mtime_ns = 0;  // last change of the bytes, since 1970
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist (else kConflict); mode 0600, read and write
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // kNotFound when absent, kExhausted when no descriptor or no space is left, else kIo.
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Durable once the parent was synced. An existing directory is fine. Mode 0700.
  virtual Status CreateDir(const std::string& path) = 0;
  virtual Status SyncDir(const std::string& path) = 0;
  // Replaces `to` if it exists. Durable after SyncDir of both parents.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;  // kNotFound when absent
  // Names (not paths) of the entries, sorted. Without "." and "..".
  virtual Result<std::vector<std::string>> List(const std::string& dir) = 0;
  virtual bool Exists(const std::string& path) = 0;
  // Bytes an unprivileged writer may still use on the file system of `path`.
  virtual Result<std::uint64_t> FreeBytes(const std::string& path) = 0;
  // What follows is only asked of by backups; a file system may leave it out (kUnsupported).
  virtual Result<FileInfo> Info(const std::string& path);  // kNotFound when absent
  // A second name of the same file. kConflict when `to` exists; any other failure says that this
  // file cannot have a name there (another file system, say). Durable after SyncDir of the parent.
  virtual Status Link(const std::string& from, const std::string& to);
  virtual Status RemoveDir(const std::string& path);  // an empty one
  // Absolute, without symbolic links, "." and "..".
  virtual Result<std::string> RealPath(const std::string& path);
  // Takes the lock of a data directory (flock on DIR/LOCK); kConflict when another process has it.
  virtual Result<std::unique_ptr<DirLock>> LockDir(const std::string& dir) = 0;
};

// The real one. Thread-safe, lives for ever.
FileSystem& PosixFileSystem();

// The directory that a path is in: "." of a bare name, "/" of "/".
std::string ParentOf(const std::string& path);
// Reads a whole file of at most `bytes_max` (kTooLarge past it), to its end whatever its size says:
// a pipe has none. `path` is for the sentence.
Result<std::string> ReadFile(const File& file, const std::string& path, std::uint64_t bytes_max);
Result<std::string> ReadFile(FileSystem& fs, const std::string& path, std::uint64_t bytes_max);
// Replaces a file so that a crash leaves the old or the new one whole: temporary name, sync,
// rename, directory sync.
Status WriteFileAtomic(FileSystem& fs, const std::string& path, std::string_view bytes);

}  // namespace tributary::os
