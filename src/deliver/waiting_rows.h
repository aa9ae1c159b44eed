// Deliveries that failed and wait for their next attempt: by place in the log, and by due time. A
// row stays while its attempt is in flight; only then it is not due. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "deliver/stored.h"

namespace tributary::deliver {

class WaitingRows {
 public:
  struct Row {
    StoredWaiting stored;
    bool in_flight = false;
  };
  // Adds the row or moves it to its next due time (monotonic).
  void Put(Position at, StoredWaiting stored, MonoNanos due);
  void Erase(Position at) { rows_.erase(at); }
  const Row* Find(Position at) const;
  // The row that is longest due at `now`; it is in flight from then on.
  std::optional<Position> TakeDue(MonoNanos now);
  std::optional<MonoNanos> NextDue() const;
  std::size_t size() const { return rows_.size(); }
  // The lowest offset at or after `from` that has a row.
  std::optional<log::Offset> LowestFrom(Position from) const;
  std::uint64_t CountIn(log::Partition partition) const;

 private:
  struct Due {
    MonoNanos when;
    Position at;
    bool operator>(const Due& other) const {
      return when != other.when ? when > other.when : at > other.at;
    }
  };
  std::map<Position, Row> rows_;
  std::vector<Due> due_;  // a heap, earliest first; one entry per row that is not in flight
};

}  // namespace tributary::deliver
