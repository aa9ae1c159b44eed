// Makes segment files ready ahead of their use: zeros written and synced, so that a commit into
// one neither grows a file nor turns unwritten extents, which makes every sync 1.5 to 2 times
// dearer (measured, RELIABILITY.md part 4).
//
// One file is kept ready. The maintenance thread makes it in pieces, or hands in the file of a
// segment that was recompressed; the writer takes it when the active segment is full. If there is
// none yet, the writer makes a small one itself. Ready files have temporary names: what is left of
// them after a crash is removed at the next start.
//
// Failure: running out of space is kExhausted and is tried again; `reserve_bytes` stay free.
// Threads: Take and MakeNow by the writer, the rest by maintenance.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "os/clock.h"
#include "os/fs.h"

namespace tributary::log {

struct ReadyFile {
  std::shared_ptr<os::File> file;
  std::string path;
  std::uint64_t bytes = 0;
  bool recycled = false;
};

class Preparer {
 public:
  // What the writer makes by itself, with a request waiting, is at most so big (unless one batch
  // needs more).
  static constexpr std::uint64_t kInlineBytesMax = 4ULL << 20;
  static constexpr std::uint64_t kPieceBytes = 1ULL << 20;
  static constexpr std::uint64_t kSyncEveryBytes = 4ULL << 20;
  static constexpr MonoNanos kRetryAfterNs = kNanosPerSecond;

  // `may_grow` says whether the size limit of the log allows so many more bytes. It is asked on
  // both threads.
  using MayGrow = std::function<Status(std::uint64_t bytes)>;
  Preparer(os::FileSystem& fs, os::Clock& clock, std::string dir, std::uint64_t reserve_bytes,
           MayGrow may_grow);

  // Writer: the ready file if it has at least `bytes`.
  std::optional<ReadyFile> Take(std::uint64_t bytes);
  Result<ReadyFile> MakeNow(std::uint64_t bytes);

  // Maintenance: works towards a ready file of `bytes`; true when there is more to do at once.
  // After a failure it waits kRetryAfterNs; error() is why.
  bool Step(std::uint64_t bytes);
  bool ready() const;
  std::optional<Error> error() const;
  // Maintenance: takes over the file of a segment that is no longer needed. False: not wanted.
  bool Recycle(const std::string& path, std::uint64_t file_bytes, std::uint64_t bytes_wanted);

 private:
  Result<ReadyFile> Create(std::uint64_t bytes);
  Status MayMake(std::uint64_t bytes);
  Status WritePiece();
  void GiveUp(const Error& error);
  std::string NewPath();

  os::FileSystem& fs_;
  os::Clock& clock_;
  const std::string dir_;
  const std::uint64_t reserve_bytes_;
  const MayGrow may_grow_;
  std::atomic<std::uint64_t> names_{0};

  // Maintenance's own.
  std::optional<ReadyFile> making_;
  std::uint64_t written_ = 0;
  MonoNanos retry_at_ns_ = 0;

  mutable std::mutex mutex_;
  std::optional<ReadyFile> ready_;
  std::optional<Error> error_;
};

}  // namespace tributary::log
