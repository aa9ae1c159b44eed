// What a lane knows of its pairs, and how that becomes durable.
//
// Every record the lane has passed is settled: it has an outcome, or a row (waiting, dead letter).
// Cursor, counts and rows that changed since the last commit go to the committer as one batch, at
// most every `commit_interval_ns` (ticks are aligned, so that all lanes share one sync), one batch
// under way at a time; a lane that only filtered, every kFilteredCommitInterval. A batch never
// tells of records whose verdicts are not synced (committer.h).
//
// Threads: the lane's loop, except counts(), synced_cursor() and waiting(): any thread.
// Failure: after a failed write nothing becomes durable any more; failed() is true and the lane
// must stop sending, or a restart would repeat without bound.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "deliver/batch_rows.h"
#include "deliver/committer.h"
#include "deliver/range_set.h"
#include "deliver/stored.h"
#include "deliver/waiting_rows.h"
#include "log/verdicts.h"
#include "os/executor.h"
#include "store/store.h"

namespace tributary::deliver {

// Changes gathered for one commit; past it a lane waits before it makes more.
inline constexpr std::size_t kChangesPerCommitMax = 50'000;
inline constexpr std::size_t kChangedBytesPerCommitMax = 8 << 20;

// What was only filtered is committed this rarely: after a crash the same rule filters it again,
// and a thousand destinations that want nothing must not write a thousand cursors per tick.
inline constexpr MonoNanos kFilteredCommitInterval = kNanosPerSecond;

struct LedgerWorld {
  Committer* committer = nullptr;
  log::Verdicts* verdicts = nullptr;  // may be nullptr
  os::Executor* loop = nullptr;
  MonoNanos commit_interval_ns = 0;
};

// What the store had.
struct LedgerState {
  struct Waiting {
    Position at;
    StoredWaiting row;
    WaitingRows::Times times;
  };
  std::vector<StoredCursor> cursors;  // one per partition
  std::vector<Waiting> waiting;
  std::vector<Waiting> followers;
  std::vector<BatchRows::Batch> batches;
  std::vector<Position> dead;
  std::uint64_t dead_bytes = 0;  // of their events
};

// A dead letter as its index by age has it.
struct DeadEntry {
  Position at;
  UnixMicros died_at_us = 0;
  StoredDeadAge age;
};

class Ledger : public std::enable_shared_from_this<Ledger> {
 public:
  using Persisted = std::move_only_function<void(const Status&)>;

  Ledger(LedgerWorld world, LaneId lane, LedgerState state);

  // Called after every commit, on the loop.
  void OnCommit(std::function<void()> listener) { on_commit_ = std::move(listener); }
  // Called for every dead letter, on the loop; must not call back.
  using DeadListener =
      std::function<void(Position at, const StoredDead& dead, const DeadFacts& facts)>;
  void OnDead(DeadListener listener) { on_dead_ = std::move(listener); }

  // ---- Settling. `row`: the pair had a waiting row until now, which goes. ----
  // A run without rows; `add` says how many of it were delivered, filtered, dropped.
  void SettleRun(log::Partition partition, log::Offset first, log::Offset end, const Counts& add);
  void SettleDelivered(Position at, bool row);
  void SettleFiltered(Position at, bool row);
  void SettleWaiting(Position at, const StoredWaiting& waiting, WaitingRows::Times times);
  // A row that may not go before others of its key (`waiting.key`).
  void SettleFollower(Position at, const StoredWaiting& waiting, MonoNanos due);
  // One row for all members, whatever rows they had. It may be sent (BatchRows::Arm) once a commit
  // after this is durable.
  void SettleBatch(BatchRows::Batch batch);
  // After an attempt: waits for the next one.
  void PutBackBatch(BatchId id, const StoredBatch& batch, WaitingRows::Times times);
  // The batch waits until `after` has ended.
  void SetAfter(BatchId id, BatchId after);
  // Its row goes; each member must have been settled, or belong to another batch by now.
  void EndBatch(BatchId id);
  void SettleDead(Position at, const StoredDead& dead, const DeadFacts& facts, bool row);
  // Its event is gone: dropped by the rule `retention`.
  void DropRow(Position at, UnixMicros now_us);
  // Which pairs a run that was settled as dropped consisted of, in order.
  void NoteDropped(log::Partition partition, DropRule rule, UnixMicros now_us,
                   const std::vector<OffsetRange>& runs);

  // ---- Dead letters go on (dead_letters.h). False, and nothing done, when `entry` is none. ----
  bool Redrive(const DeadEntry& entry, UnixMicros now_us, MonoNanos now);
  bool DropDead(const DeadEntry& entry);  // the caller notes by which rule
  void AddAttempt(Position at, const StoredAttempt& attempt);
  // The event of a row is copied beside it, because the log is about to forget it.
  void KeepBody(const log::RecordView& record);
  // Bodies of rows below `end` are about to be kept; after SetReleased() they are.
  void BeginRelease(log::Partition partition, log::Offset end);
  void SetReleased(log::Partition partition, log::Offset end);
  // Waiting rows go, counted as dropped (a replay is cancelled).
  void DropRows(UnixMicros now_us);
  // Dead letters go, dropped by the rule `destination_deleted` (a replay's, with its destination).
  void DropAllDead(UnixMicros now_us);
  // The lane ends: what waits, is a dead letter or is among `unanswered` is counted as dropped;
  // `ends` is where it ended.
  void Retire(const std::vector<log::Offset>& ends, const std::vector<Position>& unanswered,
              UnixMicros now_us);

  // Adds `changes` to the next commit, makes that soon, and calls `done` on the loop after it.
  void Commit(store::Batch changes, Persisted done);

  bool congested() const {
    return changes_.ops().size() >= kChangesPerCommitMax || bytes_ >= kChangedBytesPerCommitMax;
  }
  bool failed() const { return failed_; }
  bool idle() const { return !dirty_ && !under_way_; }

  const Progress& progress(log::Partition p) const { return partitions_[p].progress; }
  log::Offset start(log::Partition p) const { return partitions_[p].start; }
  log::Offset released(log::Partition p) const { return partitions_[p].released; }
  bool IsDead(Position at) const { return partitions_[at.partition].dead.Contains(at.offset); }
  WaitingRows& rows() { return rows_; }
  const WaitingRows& rows() const { return rows_; }
  BatchRows& batches() { return batches_; }
  const BatchRows& batches() const { return batches_; }
  std::size_t partitions() const { return partitions_.size(); }
  // Cursor, settled ranges and counts as they are now, stored or not.
  StoredCursor cursor(log::Partition p) const { return CursorOf(partitions_[p]); }
  const RangeSet& dead(log::Partition p) const { return partitions_[p].dead; }

  // ---- Any thread ----
  Counts counts() const;
  log::Offset synced_cursor(log::Partition partition) const { return published_[partition].load(); }
  std::uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  std::uint64_t dead_bytes() const { return dead_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t followers() const { return followers_.load(std::memory_order_relaxed); }

 private:
  struct PartitionState {
    Progress progress;
    log::Offset start = 0;
    log::Offset released = 0;
    log::Offset releasing = 0;  // >= released; rows below it may have a kept body
    log::Offset high = 0;       // one past the newest that was settled
    Counts counts;
    RangeSet dead;
    bool changed = false;
  };
  PartitionState& Touch(log::Partition partition);
  void Settle(Position at, bool row);
  void DeleteRow(Position at);
  void Put(std::string key, std::string value);
  void Delete(std::string key) { changes_.Delete(store::Family::kOwned, std::move(key)); }
  bool TakeDead(const DeadEntry& entry);
  std::vector<Position> Unfinished(log::Partition partition) const;
  void MarkDirty();
  void ArmCommit(bool soon);
  void Submit();
  void OnWritten(const Status& status, std::vector<Persisted> dones);
  log::Offset HeldFrom(log::Partition partition) const;
  StoredCursor CursorOf(const PartitionState& state) const;
  void CountChanged();
  std::array<std::uint64_t, kDropRules> DroppedByRule() const;

  const LedgerWorld world_;
  const LaneId lane_;
  std::vector<PartitionState> partitions_;
  WaitingRows rows_;
  BatchRows batches_;
  std::function<void()> on_commit_;
  DeadListener on_dead_;

  store::Batch changes_;
  std::size_t bytes_ = 0;
  std::vector<Persisted> dones_;
  bool dirty_ = false;
  bool soon_ = false;  // not only what was filtered
  bool under_way_ = false;
  bool urgent_ = false;
  bool failed_ = false;
  os::Executor::TimerId timer_ = 0;
  bool timer_soon_ = false;

  std::vector<std::atomic<log::Offset>> published_;
  std::atomic<std::uint64_t> delivered_{0}, filtered_{0}, dead_{0}, dropped_{0}, waiting_{0};
  std::array<std::atomic<std::uint64_t>, kDropRules> dropped_by_ = {};
  std::atomic<std::uint64_t> dead_bytes_{0};
  std::atomic<std::uint64_t> followers_{0};
};

}  // namespace tributary::deliver
