// Opening the log of a data directory, and the steps that its two threads run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "log/block.h"
#include "log/log.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/random.h"

namespace tributary::log {

struct LogOptions {
  std::string dir;  // DATA/log; created if absent
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t first_segment_bytes = 1ULL << 20;  // small, so that start is instant
  std::uint64_t queue_bytes_max = 16ULL << 20;     // waiting for the writer; past it kUnavailable
  std::uint64_t commit_bytes_max = 4ULL << 20;     // of one write + sync
  std::uint64_t tail_window_bytes = 16ULL << 20;   // recent chunks shared by readers
  std::uint64_t reserve_bytes = 64ULL << 20;       // free space kept for cursors and dead letters
  SyncMode sync = SyncMode::kAlways;
  MonoNanos sync_interval_ns = 50 * kNanosPerMilli;  // only for SyncMode::kInterval
  bool recompress = true;
  BlockCodec codec = BlockCodec::kLz4;
  int zstd_level = 3;  // for BlockCodec::kZstd
  RetentionPolicy retention;
};

// The world, given by the caller, outliving the log.
struct LogWorld {
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;
};

class SegmentedLog : public Log {
 public:
  // Recovers: syncs tail file and directory, scans the tail segment only, cuts a torn tail, reports
  // damage. kUnsupported for an unknown FORMAT, with a sentence; kCorrupt only if nothing can be
  // opened at all.
  static Result<std::unique_ptr<SegmentedLog>> Open(const LogWorld& world, LogOptions options);

  // The writer thread's loop body: takes what waits, writes, syncs, publishes, answers. Returns
  // false when there was nothing to do. WaitForWork blocks until there is, the idle mark is due
  // (an idle log states its last synced offset within 100 ms), or Close().
  virtual bool WriterStep() = 0;
  virtual void WaitForWork() = 0;

  // The maintenance thread's loop body: makes the next segment ready, recompresses sealed ones,
  // applies retention. Returns true when there is more to do at once.
  virtual bool MaintainStep() = 0;

  // No further appends; WriterStep drains what is queued and writes the final mark, then
  // WaitForWork returns at once. Thread-safe.
  virtual void Close() = 0;
  virtual bool closed() const = 0;

  virtual std::vector<Damage> damage() const = 0;  // found since open, bounded
};

// Everything below it was retained away; 0 as long as nothing was. `dir` is DATA/log/pN.
Result<Offset> OldestKept(os::FileSystem& fs, const std::string& dir);

// `tributary verify`: reads everything, changes nothing. Works on a directory that no process uses.
struct VerifyReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::vector<Damage> damage;
};
Result<VerifyReport> VerifyLog(os::FileSystem& fs, const std::string& dir);

}  // namespace tributary::log
