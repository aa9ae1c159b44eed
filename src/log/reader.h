// Reading for everybody: near the tail from the chunks that the writer published, else from the
// disk through a small cache of decoded chunks, so that several lagging lanes share the work.
//
// Damage met on the way is reported once and skipped. A segment may be replaced by its compressed
// form, or removed, while it is read: then the reading starts again with what is there now, and
// nothing that the old file said counts. Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include "log/damage_log.h"
#include "log/segment_reader.h"
#include "log/tail_window.h"

namespace tributary::log {

// Decoded chunks read from disk, the least recently used dropped first. Thread-safe.
class ChunkCache {
 public:
  static constexpr std::size_t kBytesMax = 8 * 1024 * 1024;
  void Add(SegmentId segment, std::shared_ptr<const Chunk> chunk);
  std::shared_ptr<const Chunk> Find(SegmentId segment, Offset from);

 private:
  struct Entry {
    SegmentId segment;
    std::shared_ptr<const Chunk> chunk;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  // the most recently used first
  std::size_t bytes_ = 0;
};

class Reader {
 public:
  Reader(os::FileSystem& fs, SegmentSet& segments, TailWindow& window, DamageLog& damage,
         Partition partition)
      : fs_(fs), segments_(segments), window_(window), damage_(damage), partition_(partition) {}

  // As Log::Read; `committed` is where readers must stop.
  Result<std::shared_ptr<const Chunk>> Read(Offset from, Offset committed,
                                            std::size_t bytes_wanted);
  Result<Offset> OffsetAtTime(UnixMicros at, Offset committed);

 private:
  using ChunkPtr = std::shared_ptr<const Chunk>;
  // Null: the segment is no longer what it was, look again.
  Result<ChunkPtr> Load(const Segment& segment, Offset from, std::size_t bytes_wanted);
  Result<std::shared_ptr<const os::File>> Open(const Segment& segment);
  Result<std::shared_ptr<SparseIndex>> IndexOf(const Segment& segment, const os::File& file);
  // False when the segment was replaced meanwhile, so that nothing of this is true any more.
  bool Report(const Segment& segment, const std::vector<Damage>& damage);
  ChunkPtr Missing(const Segment& segment);

  os::FileSystem& fs_;
  SegmentSet& segments_;
  TailWindow& window_;
  DamageLog& damage_;
  const Partition partition_;
  ChunkCache cache_;
};

}  // namespace tributary::log
