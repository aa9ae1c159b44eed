// The door of the log: one append-only, segmented, checksummed record log per partition.
//
// Durability: a batch's `done` is called with success only after an fdatasync that covers every
// record of it (sync mode kAlways), and after its segment's directory entry was synced. There is no
// other success. Readers see only what was synced.
//
// Order: batches get offsets in the order Append() took them; records of one batch are adjacent.
//
// Failure: a failed write or sync is final. Nothing of that commit is acknowledged, every later
// Append fails with kUnavailable, health() says why, until the process restarts. Running out of
// space while a segment is made ready is no such failure: appends fail with kExhausted until space
// returns. Damage found while reading is reported (health counters, DamageReport) and skipped.
//
// Threads: Append, Read, offsets and health from any thread. WriterStep() only by the one writer
// thread, MaintainStep() only by one maintenance thread; both are started by app/ (or called in
// turn by a test). Commit listeners are called on the writer thread and must only wake somebody.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/record.h"

namespace tributary::log {

// Records on their way into the log: encoded once, here, in the form they have on disk; the writer
// only fills in offsets and header checksums. Made by one thread, then handed over whole.
// A batch may be rolled back to a mark, so that a refused request leaves nothing behind.
class Batch {
 public:
  struct Mark {
    std::size_t bytes = 0;
    std::size_t records = 0;
  };

  // `payload` is the concatenation of `parts`. kTooLarge past kRecordPayloadBytesMax or when a
  // header string is longer than kRecordStringBytesMax; the batch is then unchanged.
  Status Add(const RecordFields& fields, std::span<const std::string_view> parts);
  Status Add(const RecordFields& fields, std::string_view payload) {
    return Add(fields, std::span<const std::string_view>(&payload, 1));
  }
  Mark mark() const { return {bytes_.size(), starts_.size()}; }
  void RollBack(Mark mark);

  std::size_t records() const { return starts_.size(); }
  std::size_t bytes() const { return bytes_.size(); }
  bool empty() const { return starts_.empty(); }

 private:
  friend class BatchAccess;            // the writer: fills in offsets and checksums in place
  std::string bytes_;                  // whole frames, 8-byte aligned
  std::vector<std::uint32_t> starts_;  // position of each frame in bytes_
};

struct Appended {
  Offset first = 0;  // offset of the batch's first record; the others follow
};
// Called once, on the writer thread, in offset order. Must not block: post to your own loop.
using AppendDone = std::move_only_function<void(const Result<Appended>&)>;

// A run of committed records in memory, shared by all readers. Immutable.
class Chunk {
 public:
  virtual ~Chunk() = default;
  virtual Offset first() const = 0;
  virtual Offset end() const = 0;  // one past the last; offsets in between may be lost to damage
  virtual std::size_t bytes() const = 0;
  // The records at or after `from`, in order. Offsets lost to damage are left out.
  virtual std::span<const RecordView> From(Offset from) const = 0;
};

struct Damage {
  Partition partition = 0;
  std::string segment;         // file name
  std::uint64_t position = 0;  // byte in the file
  Offset first = 0;            // first offset lost
  Offset end = 0;              // one past the last offset lost
  std::string what;            // a sentence
};

enum class SyncMode { kAlways, kInterval, kNone };
enum class OnFull { kReject, kDropOldest };

struct RetentionPolicy {
  std::int64_t age_us = 7LL * 86'400 * kMicrosPerSecond;
  std::uint64_t size_bytes_max = 0;                        // 0: no limit but the disk
  std::int64_t hold_us = 7LL * 86'400 * kMicrosPerSecond;  // how long a lane may hold the log
  std::uint64_t hold_bytes_max = 0;  // and how much of it; 0: as much as size_bytes_max allows
  OnFull on_full = OnFull::kReject;
};

struct Health {
  bool writable = true;
  // Why not: "log poisoned: fdatasync …: Input/output error", "no space for the next segment".
  std::string reason;
  bool poisoned = false;              // final until restart
  std::uint64_t damaged_records = 0;  // found since start
};

struct Stats {
  std::uint64_t segments = 0;
  std::uint64_t bytes_on_disk = 0;
  std::uint64_t commits = 0;
  std::uint64_t records = 0;
  std::uint64_t queued_bytes = 0;  // handed over, not yet durable
  MonoNanos last_sync_ns = 0;      // duration of the last write and sync
};

// Somebody whose progress keeps records alive: a lane, a processor, the dedupe stage.
// Called from the maintenance thread; must be quick and thread-safe.
class Holder {
 public:
  virtual ~Holder() = default;
  virtual std::string name() const = 0;
  // Everything below was passed *durably*. Records at or above are kept for it, until `hold`,
  // the size limit with kDropOldest, or ReleaseBelow() says otherwise.
  virtual Offset synced_cursor(Partition partition) const = 0;
  // The log needs everything below `end` gone. The holder must count what it loses by the rule
  // `retention`, make that durable and let synced_cursor pass `end`; only then is anything deleted.
  virtual void ReleaseBelow(Partition partition, Offset end) = 0;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual std::uint32_t partitions() const = 0;

  // Takes the batch over if it succeeds; `done` is then called exactly once, later. On failure
  // nothing was taken and `done` is not called: kUnavailable (queue full, poisoned, closed),
  // kExhausted (no space, or on_full: reject at the size limit). An empty batch is kInvalid.
  virtual Status Append(Partition partition, std::unique_ptr<Batch>& batch, AppendDone done) = 0;

  virtual Offset first(Partition partition) const = 0;      // oldest readable
  virtual Offset committed(Partition partition) const = 0;  // one past the newest readable
  // One past the newest offset given out, perhaps not yet durable. A change of rules that must
  // treat every record accepted from now on takes effect at this offset.
  virtual Offset assigned(Partition partition) const = 0;

  // The chunk with `from` or, if that was lost or retained away, the next one after it.
  // kNotFound when `from` >= committed() (nothing yet). About `bytes_wanted` when read from disk;
  // near the tail all readers share the chunks the writer published.
  virtual Result<std::shared_ptr<const Chunk>> Read(Partition partition, Offset from,
                                                    std::size_t bytes_wanted) = 0;
  // One record; kNotFound when it is not there (not yet, retained away, or lost to damage).
  // The view lives as long as the chunk.
  struct Found {
    std::shared_ptr<const Chunk> chunk;
    RecordView record;
  };
  Result<Found> ReadOne(Partition partition, Offset offset);
  // For walks from the newest back: one past the newest offset below `at` that some segment has.
  // That is `at` itself, but within a leap of the log its beginning, so that nobody walks through
  // four thousand million offsets that never were.
  Offset EndBelow(Partition partition, Offset at) const;

  // The first offset whose received_at is at or after `at` (committed() when there is none).
  virtual Result<Offset> OffsetAtTime(Partition partition, UnixMicros at) = 0;

  // Called on the writer thread after each commit, with the new committed(). Must only wake.
  using CommitListener = std::function<void(Partition, Offset committed)>;
  virtual void OnCommit(CommitListener listener) = 0;

  virtual void AddHolder(std::shared_ptr<Holder> holder) = 0;
  virtual void RemoveHolder(const Holder* holder) = 0;

  // Segments as files and what lies beside them: dedupe keeps its bitmap there.
  struct SegmentInfo {
    Partition partition = 0;
    Offset first = 0;
    Offset end = 0;  // of the active one: committed()
    bool sealed = false;
    UnixMicros newest_us = 0;  // received_at of the last record (0: unknown or empty)
    std::string path_stem;     // DIR/p0/00000000000000000000 ; add your own suffix
    std::string path;          // of the file itself; another one once it was recompressed
    // Where that ends which readers may see. A copy of so many bytes is a segment of its own. The
    // file of a raw segment is used again for others soon after it was recompressed: what was read
    // from it is good if segments() has the same path afterwards.
    std::uint64_t data_bytes = 0;
  };
  virtual std::vector<SegmentInfo> segments(Partition partition) const = 0;

  virtual Health health() const = 0;
  virtual Stats stats() const = 0;
};

}  // namespace tributary::log
