// The file `oldest` beside the segments: everything below this offset was retained away. Written
// and synced before a segment is deleted, so that a missing first segment can be told from an
// expired one, and a deletion that a crash cut short is finished at the next start.
#pragma once

#include <string>

#include "base/result.h"
#include "log/record.h"
#include "os/fs.h"

namespace tributary::log {

inline constexpr const char* kOldestMarkName = "oldest";

Status WriteOldestMark(os::FileSystem& fs, const std::string& dir, Offset oldest);
// 0 when there is none; kCorrupt when it is damaged.
Result<Offset> ReadOldestMark(os::FileSystem& fs, const std::string& dir);

}  // namespace tributary::log
