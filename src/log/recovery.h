// Brings a partition's directory into order after any stop, and finds where to go on.
//
// The tail file and the directory are synced first: what was only in the page cache must not be
// served and then vanish. Then the tail alone is scanned. Damage below the highest offset that a
// later mark states as synced is corruption: named, skipped, and what follows is kept. Damage at
// or above it is a torn tail: the file is cut behind the last whole record and takes no more
// frames; the next append begins a new segment. A crash in here leaves work for the next time.
#pragma once

#include <string>

#include "log/active_segment.h"
#include "log/damage_log.h"

namespace tributary::log {

// When it is unknown how far the offsets of the log once went (the newest segment is missing, or
// was never synced), new records begin so far above everything known that no cursor can be ahead.
inline constexpr Offset kOffsetLeap = Offset{1} << 32;

Result<WritePoint> RecoverPartition(os::FileSystem& fs, const std::string& dir, Partition partition,
                                    SegmentSet& segments, DamageLog& damage);

// What a scan of the last segment says. Also for `verify`.
struct Tail {
  Offset end = 0;
  std::uint64_t position = 0;  // behind the last whole frame that counts
  UnixMicros newest_us = 0;
  std::uint64_t records = 0;  // whole ones below `end`
  bool torn = false;          // something stands behind `position` that does not count
  bool sealed = false;        // it has a seal, so another segment followed
  bool unsynced = false;      // written with SyncMode::kNone and not closed in good order
  std::shared_ptr<SparseIndex> index;
  std::vector<Damage> damage;  // below what was synced
};
Result<Tail> ScanTail(const os::File& file, const Segment& segment, Partition partition);

}  // namespace tributary::log
