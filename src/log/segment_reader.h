// Reads parts of one segment file, raw or compressed, and loads its index. Pure reading: what is
// damaged is handed back for the caller to report. Thread-safe as far as the file is.
#pragma once

#include <memory>
#include <vector>

#include "log/batch.h"
#include "log/log.h"
#include "log/scan.h"
#include "log/segment_set.h"

namespace tributary::log {

struct SegmentPart {
  Offset first = 0;  // the offsets covered: [first, end), some of them perhaps lost
  Offset end = 0;
  FrameRun run;
  std::vector<Damage> damage;
};

// From the index entry at or before `from` on, whole index intervals, until about `bytes_wanted`
// are read and `from` is covered. A block's checksum, which is always computed, covers the records
// in it: their own are looked at besides with RecordCheck::kOwn only. Those of raw segments always
// are.
enum class RecordCheck { kOwn, kCovered };
Result<SegmentPart> ReadPart(const os::File& file, const Segment& segment, Partition partition,
                             const SparseIndex& index, Offset from, std::size_t bytes_wanted,
                             RecordCheck check = RecordCheck::kCovered);

struct LoadedIndex {
  std::shared_ptr<SparseIndex> index;
  std::vector<Damage> damage;
};
// Of a compressed segment from its trailer, else by one pass over the file.
Result<LoadedIndex> LoadIndex(const os::File& file, const Segment& segment, Partition partition);

Damage DamageAt(const Segment& segment, Partition partition, std::uint64_t position, Offset first,
                Offset end, std::string what);

}  // namespace tributary::log
