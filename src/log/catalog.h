// Which segment files a partition's directory holds, and whether they belong together.
//
// Read from names and headers alone. Every file must say of itself what its name says, and which
// segment was before it; one that was swapped, copied, restored from another time or lost is named
// and never served. Changes nothing on disk: recovery and `verify` both start here.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "log/log.h"
#include "log/segment_set.h"
#include "os/fs.h"

namespace tributary::log {

// A name above it is none of ours: no log gets so far, even with leaps.
inline constexpr Offset kOffsetMax = Offset{1} << 62;

struct Catalog {
  std::vector<Segment> segments;       // in order; the ends of all but a raw last one are known
  std::vector<Damage> damage;          // misplaced, missing and unreadable segments
  std::vector<std::string> expired;    // names of files whose records were retained away
  std::vector<std::string> left_over;  // .tmp, .deleted, and raw files that are compressed already
  Offset oldest = 0;
  // One past every offset that any file here may have held. Above what `segments` show if the
  // newest segment is missing or cannot be read: then new records must not reuse those offsets.
  Offset claimed = 0;
};

// kUnsupported, with a sentence, when a segment is of a version that this program does not know.
Result<Catalog> ReadCatalog(os::FileSystem& fs, const std::string& dir, Partition partition);

}  // namespace tributary::log
