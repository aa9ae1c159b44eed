// Dead letters as the store has them: a row by place and an index by the time they died, which
// tells enough of each to list, count and limit them without reading their events.
//
// May block. Any thread.
#pragma once

#include <functional>
#include <optional>

#include "deliver/ledger.h"
#include "log/log.h"
#include "store/store.h"

namespace tributary::deliver {

struct DeadScan {
  LaneId lane = 0;
  // Died at or after `since`, before `until`.
  std::optional<UnixMicros> since;
  std::optional<UnixMicros> until;
  // Only those after this one in the direction of the scan.
  std::optional<DeadEntry> after = {};
  bool newest_first = false;
};
// kCorrupt when an entry cannot be read.
Status ScanDead(const store::Store& store, const DeadScan& scan,
                const std::function<store::Visit(const DeadEntry&)>& visit);

// The entry of one dead letter; nullopt when it is none (any more).
Result<std::optional<DeadEntry>> FindDead(const store::Store& store, LaneId lane, Position at);

// How many bytes the events of a lane's dead letters have. A store from before the index was
// written gets it by `repairs`.
Result<std::uint64_t> LoadDeadAges(const store::Store& store, log::Log& log, LaneId lane,
                                   std::size_t dead_letters, store::Batch& repairs);

// The event of a row: from the log, or from the copy beside the row. kNotFound when it is lost.
// What the record points into lives as long as this does.
struct RowEvent {
  log::Log::Found found;
  std::string kept;
  log::RecordView record;
};
Result<std::unique_ptr<RowEvent>> ReadRowEvent(const store::Store& store, log::Log& log,
                                               LaneId lane, Position at);

}  // namespace tributary::deliver
