// The segment that is written: where it stands, how it is sealed, and how the next one takes over.
//
// The next segment's header, and its directory entry, are synced before the seal of the old one is
// written, and both before the first record of the new one: so a segment with a readable name has
// a header, and a sealed segment without a successor means that one was lost.
//
// Every append fills whole sectors, padded with zeros, and leaves room for two marks: the one of an
// idle log, and the seal.
// Thread: the writer's. Failure of Append, Sync and Roll is final, except that Roll is kExhausted
// or kUnavailable when no next segment could be made: then nothing has changed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/open.h"
#include "log/prepare.h"
#include "log/segment_set.h"

namespace tributary::log {

// Where the log goes on, as recovery found it. The active segment is the last one of the set, with
// its file open; a set that is empty or ends with a sealed one has no room.
struct WritePoint {
  Offset next = 0;             // offset of the next record
  UnixMicros newest_us = 0;    // received_at of the newest record
  std::uint64_t position = 0;  // in the active segment
  bool room = false;           // false: nothing may be written into it any more
};

class ActiveSegment {
 public:
  ActiveSegment(const LogWorld& world, const LogOptions& options, Partition partition,
                std::string dir, SegmentSet& segments, Preparer& preparer, const WritePoint& start);

  // Bytes of a group, its mark not counted, that still fit.
  std::uint64_t room() const;
  bool FitsMark() const { return has_room_ && position_ + 2 * kSectorBytes <= file_bytes_; }
  FrameSeed seed() const { return seed_; }
  std::uint64_t position() const { return position_; }
  // So much is used that the next one should be made.
  bool WantsNext() const;
  std::uint64_t NextBytes() const;

  // Writes the parts, and the padding, which it adds to them.
  Status Append(std::vector<std::string_view>& parts);
  Status Sync();
  void Index(Offset first, UnixMicros at_us);  // what is about to be appended

  // Everything before `next` is synced. Afterwards `bytes_needed` of a group fit.
  Status Roll(std::uint64_t bytes_needed, Offset next, UnixMicros newest_us);

 private:
  Result<ReadyFile> NextFile(std::uint64_t bytes);
  SegmentHeader NextHeader(const ReadyFile& file, Offset base) const;
  Status WriteHeader(const ReadyFile& file, const SegmentHeader& header);
  Status Seal(Offset next, UnixMicros newest_us);
  void Activate(ReadyFile file, const SegmentHeader& header, UnixMicros newest_us);

  const LogWorld world_;
  const LogOptions& options_;
  const Partition partition_;
  const std::string dir_;
  SegmentSet& segments_;
  Preparer& preparer_;

  std::shared_ptr<os::File> file_;  // null: none yet
  std::shared_ptr<SparseIndex> index_;
  FrameSeed seed_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t position_ = 0;
  bool has_room_ = false;
};

// Writes a seal where the frames of a segment end, and syncs it.
Status WriteSeal(os::File& file, std::uint64_t position, FrameSeed seed, Offset end,
                 UnixMicros newest_us);

}  // namespace tributary::log
