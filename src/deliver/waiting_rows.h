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
    MonoNanos since = 0;  // what stored.since_us says
    bool in_flight = false;
  };
  // The times of a row by the monotonic clock.
  struct Times {
    MonoNanos due = 0;
    MonoNanos since = 0;
  };
  // Adds the row or moves it to its next due time.
  void Put(Position at, const StoredWaiting& stored, Times times);
  void Erase(Position at) { rows_.erase(at); }
  const Row* Find(Position at) const;
  // The row that is longest due at `now`; it is in flight from then on.
  std::optional<Position> TakeDue(MonoNanos now);
  std::optional<MonoNanos> NextDue() const;
  std::size_t size() const { return rows_.size(); }
  // The lowest offset at or after `from` that has a row.
  std::optional<log::Offset> LowestFrom(Position from) const;
  std::vector<Position> In(log::Partition partition) const;  // in order

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
