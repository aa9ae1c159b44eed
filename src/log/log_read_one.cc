#include "log/log.h"

#include <algorithm>
#include <ranges>

namespace tributary::log {

Result<Log::Found> Log::ReadOne(Partition partition, Offset offset) {
  // One byte wanted: the smallest chunk that has the record.
  TRY_ASSIGN(auto chunk, Read(partition, offset, 1));
  const std::span<const RecordView> records = chunk->From(offset);
  if (records.empty() || records.front().offset != offset) {
    return Fail(ErrorCode::kNotFound, "record " + std::to_string(offset) + " of partition " +
                                          std::to_string(partition) +
                                          " was retained away or lost to damage");
  }
  return Found{std::move(chunk), records.front()};
}

Offset Log::EndBelow(Partition partition, Offset at) const {
  const std::vector<SegmentInfo> all = segments(partition);
  for (const SegmentInfo& segment : all | std::views::reverse) {
    if (segment.first < at) return std::min(at, segment.end);
  }
  return at;
}

}  // namespace tributary::log
