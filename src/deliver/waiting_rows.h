// The pairs of a lane that have a durable row and are not settled for good: those that wait for
// their next attempt, by due time, those that follow another one of their key, and the members of
// batches. A row stays while its attempt is in flight; only then it is not due. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "deliver/stored.h"

namespace tributary::deliver {

class WaitingRows {
 public:
  enum class Kind : std::uint8_t { kRetry, kFollower, kMember };
  // By the monotonic clock.
  struct Times {
    MonoNanos due = 0;
    MonoNanos since = 0;  // what stored.since_us says
  };
  struct Row {
    StoredWaiting stored;
    Times times;
    BatchId batch = 0;  // of a member
    Kind kind = Kind::kRetry;
    bool in_flight = false;
    // Not attempted, or not since it was redriven: `since` says nothing yet.
    bool fresh() const { return stored.attempts == stored.redriven_after; }
  };
  // Adds the row or moves it to its next due time.
  void Put(Position at, const StoredWaiting& stored, Times times);
  // A follower is never due by itself; `stored` says its key and the earliest time it may go.
  void PutFollower(Position at, const StoredWaiting& stored, MonoNanos due);
  // Its batch has the durable row, its times and its attempts.
  void PutMember(Position at, std::uint64_t key, BatchId batch);
  void Erase(Position at);
  const Row* Find(Position at) const;
  // The row that is longest due at `now`; it is in flight from then on.
  std::optional<Position> TakeDue(MonoNanos now);
  void SetInFlight(Position at, bool in_flight = true) { rows_.at(at).in_flight = in_flight; }
  std::optional<MonoNanos> NextDue();
  std::size_t size() const { return rows_.size(); }
  std::size_t followers() const { return followers_; }
  std::size_t members() const { return members_; }
  const std::map<Position, Row>& all() const { return rows_; }
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
  void Renew(Position at, const Row& row);
  void Count(const Row& row, bool more);
  void DropStale();

  std::map<Position, Row> rows_;
  std::size_t followers_ = 0;
  std::size_t members_ = 0;
  // A heap, earliest first. An entry whose row is gone or has another due time is stale.
  std::vector<Due> due_;
};

}  // namespace tributary::deliver
