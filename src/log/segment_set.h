// The segments of one partition as everybody may see them: the writer adds and seals, maintenance
// replaces and removes, readers look up. Thread-safe; what is handed out are copies.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/segment_header.h"
#include "log/sparse_index.h"
#include "os/fs.h"

namespace tributary::log {

struct Segment {
  SegmentHeader header;
  std::string stem;              // path without suffix
  Offset end = 0;                // one past the last record that readers may see
  std::uint64_t data_bytes = 0;  // where the frames end that readers may see
  std::uint64_t file_bytes = 0;
  UnixMicros newest_us = 0;  // received_at of the last record; 0: unknown or empty
  bool sealed = false;
  bool damaged = false;                // kept as it is, never recompressed
  std::shared_ptr<os::File> file;      // of the active one; sealed ones are opened to be read
  std::shared_ptr<SparseIndex> index;  // null: not loaded

  std::string name() const;  // of the file
  std::string path() const;
  bool Is(const Segment& other) const {
    return header.id == other.header.id && header.compressed == other.header.compressed;
  }
};

class SegmentSet {
 public:
  // Indexes of sealed segments kept in memory; past it the one loaded first is dropped.
  static constexpr std::size_t kIndexesKept = 64;

  void Add(Segment segment);
  // The segment that has `from` or, if none has, the next one after it.
  std::optional<Segment> Find(Offset from) const;
  // The first segment whose newest record is at or after `at`.
  std::optional<Segment> FindTime(UnixMicros at) const;
  std::optional<Segment> first() const;
  std::optional<Segment> last() const;
  // Base of the first one; 0 when there is none. Without a lock.
  Offset first_offset() const { return first_offset_.load(std::memory_order_acquire); }
  std::vector<Segment> all() const;
  std::uint64_t bytes() const;
  // Of the files of all segments with a record at or after `from`.
  std::uint64_t BytesFrom(Offset from) const;
  std::uint64_t RawSealedBytes() const;
  // The oldest sealed one, and where the one after it begins; null if there are not two.
  struct Oldest {
    Segment segment;
    Offset next_base = 0;
  };
  std::optional<Oldest> oldest_sealed() const;
  // The oldest one that is sealed, raw, sound and not empty.
  std::optional<Segment> NextToRecompress() const;
  std::size_t count() const;

  // The active segment, which is the last one.
  void Advance(Offset end, UnixMicros newest_us, std::uint64_t data_bytes);
  void Seal();

  // False when `old` is no longer there.
  bool Replace(const Segment& old, Segment with);
  void Remove(const Segment& segment);
  bool Has(const Segment& segment) const;
  void SetIndex(const Segment& segment, std::shared_ptr<SparseIndex> index);
  void MarkDamaged(const Segment& segment);

 private:
  std::vector<Segment>::iterator Locate(const Segment& segment);
  void KeepIndex(SegmentId id);
  void NoteFirst();

  std::atomic<Offset> first_offset_{0};
  mutable std::mutex mutex_;
  std::vector<Segment> segments_;  // by base
  std::deque<SegmentId> indexed_;  // sealed ones with an index, the oldest load first
};

}  // namespace tributary::log
