// A destination that was deleted, as it is remembered: what became of its pairs can be said as long
// as the log has their events, or rows say which of them a rule had dropped.
//
// Deleting writes where the lane ended (StoredCursor::released) in the batch that deletes; its rows
// are noted as dropped there. What it had never come to needs no row: every pair between its cursor
// and its end that is not settled was dropped by the rule `destination_deleted`, also what a jq
// condition might have filtered. So a backlog of millions is dropped in one durable write, and
// counted by reading the log (audit.h).
//
// DeletedLane: immutable; any thread. DeletedLanes: thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "deliver/lane.h"

namespace tributary::deliver {

// Past it the one that was made first is forgotten, with its dropped pairs.
inline constexpr std::size_t kDeletedKeptMax = 10'000;

class DeletedLane {
 public:
  struct State {
    LaneId id = 0;
    std::string name;
    UnixMicros at_us = 0;               // when it was deleted
    std::vector<StoredCursor> cursors;  // per partition
    RuleHistory rules;
  };
  explicit DeletedLane(State state) : state_(std::move(state)) {}
  // Of a lane that was retired; on its loop.
  explicit DeletedLane(const Lane& lane);

  LaneId id() const { return state_.id; }
  const std::string& name() const { return state_.name; }
  UnixMicros at_us() const { return state_.at_us; }

  // nullopt: the record forms no pair with it. A pair that counts as delivered may have been
  // dropped by a rule that left a row (dropped_pairs.h).
  std::optional<LanePair> PairAt(const log::RecordView& record) const;

  // Offsets it had not settled in [from, end), the newest first, at most `most`.
  std::vector<log::Offset> Unsettled(log::Partition partition, log::Offset from, log::Offset end,
                                     std::size_t most) const;

  // For an audit, which takes it for a lane that moves no more.
  LaneSnapshot Snapshot() const;

  // Whether the log still has, or will have, a record that could form a pair with it.
  bool Reaches(const log::Log& log) const;

 private:
  bool Settled(Position at) const;
  const State state_;
};

class DeletedLanes {
 public:
  // What must go from the store because there are too many.
  store::Batch Add(std::shared_ptr<const DeletedLane> lane);
  void Remove(LaneId id);
  std::vector<std::shared_ptr<const DeletedLane>> all() const;  // in order of their ids
  // All rows that a deleted lane has.
  static store::Batch Forget(LaneId id);

 private:
  mutable std::mutex mutex_;
  std::map<LaneId, std::shared_ptr<const DeletedLane>> lanes_;
};

}  // namespace tributary::deliver
