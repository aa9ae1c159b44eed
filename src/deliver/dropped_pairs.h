// Pairs that a named rule dropped, as the store has them: groups of ranges per lane (stored.h).
// May block. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "deliver/stored.h"
#include "store/store.h"

namespace tributary::deliver {

// The groups of a lane that have pairs in [first, end), by their first offset.
Status ScanDropped(const store::Store& store, LaneId lane, log::Partition partition,
                   log::Offset first, log::Offset end,
                   const std::function<store::Visit(const StoredDropped&)>& visit);

// Groups are kept as long as the log has one of their events, and then for kDroppedKeptUs; of those
// older than the log a lane has at most so many, and so many bytes, of which the oldest go.
inline constexpr std::int64_t kDroppedKeptUs = 30LL * 86'400 * kMicrosPerSecond;
inline constexpr std::size_t kDroppedGroupsMax = 100'000;
inline constexpr std::size_t kDroppedBytesMax = 64 << 20;
// The groups that must go, at most `most` of them. `first`: of the log.
Result<store::Batch> PruneDropped(const store::Store& store, LaneId lane, log::Partition partition,
                                  log::Offset first, UnixMicros now_us, std::size_t most);

// By which rule the pair was dropped; nullopt when it was not.
Result<std::optional<DropRule>> DroppedBy(const store::Store& store, LaneId lane, Position at);

// Appends offsets of dropped pairs below `end`, the newest first: at least `most` of them if there
// are so many, and at most kDroppedBlock more.
Status NewestDropped(const store::Store& store, LaneId lane, log::Partition partition,
                     log::Offset end, std::size_t most, std::vector<log::Offset>& out);

}  // namespace tributary::deliver
