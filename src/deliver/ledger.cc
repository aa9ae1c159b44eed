#include "deliver/ledger.h"

#include <algorithm>

#include "base/logging.h"
#include "deliver/engine.h"

namespace tributary::deliver {

using store::Family;
namespace keys = store::keys;

Ledger::Ledger(LedgerWorld world, LaneId lane, LedgerState state)
    : world_(world),
      lane_(lane),
      partitions_(state.cursors.size()),
      published_(state.cursors.size()) {
  for (std::size_t p = 0; p < state.cursors.size(); ++p) {
    const StoredCursor& stored = state.cursors[p];
    PartitionState& partition = partitions_[p];
    partition.progress = Progress(stored.cursor);
    for (const auto& [first, end] : stored.above) partition.progress.Settle(first, end);
    partition.start = stored.start;
    partition.released = partition.releasing = stored.released;
    partition.counts = stored.counts;
  }
  for (const LedgerState::Waiting& waiting : state.waiting) {
    rows_.Put(waiting.at, waiting.row, waiting.times);
  }
  for (const LedgerState::Waiting& follower : state.followers) {
    rows_.PutFollower(follower.at, follower.row, follower.times.due);
  }
  for (BatchRows::Batch& batch : state.batches) {
    const BatchId id = batch.stored.key();
    for (const auto& member : batch.stored.members) rows_.PutMember(member.at, member.key, id);
    batches_.Put(std::move(batch));
  }
  for (const auto& [id, batch] : batches_.all()) batches_.Arm(id);
  for (const Position at : state.dead) {
    partitions_[at.partition].dead.Add(at.offset, at.offset + 1);
  }
  for (log::Partition p = 0; p < partitions_.size(); ++p) published_[p] = HeldFrom(p);
  dead_bytes_ = state.dead_bytes;
  CountChanged();
}

Ledger::PartitionState& Ledger::Touch(log::Partition partition) {
  partitions_[partition].changed = true;
  return partitions_[partition];
}

void Ledger::Put(std::string key, std::string value) {
  bytes_ += key.size() + value.size();
  changes_.Put(Family::kOwned, std::move(key), std::move(value));
}

// In the store and in memory; not the body kept beside it.
void Ledger::DeleteRow(Position at) {
  const WaitingRows::Row* row = rows_.Find(at);
  if (row == nullptr) return;
  if (row->kind == WaitingRows::Kind::kFollower) {
    Delete(keys::Follower(lane_, row->stored.key, at));
  } else if (row->kind == WaitingRows::Kind::kRetry) {
    Delete(keys::Waiting(lane_, at));
  }
  rows_.Erase(at);
}

void Ledger::Settle(Position at, bool row) {
  PartitionState& partition = Touch(at.partition);
  if (row) {
    DeleteRow(at);
    if (at.offset < partition.releasing) Delete(keys::KeptBody(lane_, at));
  } else {
    partition.progress.Settle(at.offset, at.offset + 1);
  }
  partition.high = std::max(partition.high, at.offset + 1);
}

void Ledger::SettleRun(log::Partition p, log::Offset first, log::Offset end, const Counts& add) {
  if (first >= end) return;
  PartitionState& partition = Touch(p);
  partition.progress.Settle(first, end);
  partition.high = std::max(partition.high, end);
  partition.counts.delivered += add.delivered;
  partition.counts.filtered += add.filtered;
  partition.counts.dropped += add.dropped;
  if (add.delivered > 0 || add.dropped > 0) {
    MarkDirty();
    return;
  }
  CountChanged();
  dirty_ = true;
  ArmCommit(false);
}

void Ledger::SettleDelivered(Position at, bool row) {
  Settle(at, row);
  ++partitions_[at.partition].counts.delivered;
  MarkDirty();
}

void Ledger::SettleFiltered(Position at, bool row) {
  Settle(at, row);
  ++partitions_[at.partition].counts.filtered;
  MarkDirty();
}

void Ledger::SettleWaiting(Position at, const StoredWaiting& waiting, WaitingRows::Times times) {
  PartitionState& partition = Touch(at.partition);
  const WaitingRows::Row* row = rows_.Find(at);
  if (row == nullptr) {
    Settle(at, false);
  } else if (row->kind != WaitingRows::Kind::kRetry) {
    DeleteRow(at);
  }
  partition.high = std::max(partition.high, at.offset + 1);
  rows_.Put(at, waiting, times);
  Put(keys::Waiting(lane_, at), EncodeWaiting(waiting));
  MarkDirty();
}

void Ledger::SettleFollower(Position at, const StoredWaiting& waiting, MonoNanos due) {
  if (rows_.Find(at) == nullptr) {
    Settle(at, false);
  } else {
    DeleteRow(at);
  }
  rows_.PutFollower(at, waiting, due);
  Put(keys::Follower(lane_, waiting.key, at), EncodeFollower(waiting.due_us));
  MarkDirty();
}

void Ledger::SettleBatch(BatchRows::Batch batch) {
  const BatchId id = batch.stored.key();
  for (const StoredBatch::Member& member : batch.stored.members) {
    if (rows_.Find(member.at) == nullptr) {
      Settle(member.at, false);
    } else {
      DeleteRow(member.at);
    }
    rows_.PutMember(member.at, member.key, id);
  }
  Put(keys::DeliveryBatch(lane_, id), EncodeBatch(batch.stored));
  batches_.Put(std::move(batch));
  MarkDirty();
}

void Ledger::PutBackBatch(BatchId id, const StoredBatch& batch, WaitingRows::Times times) {
  Put(keys::DeliveryBatch(lane_, id), EncodeBatch(batch));
  batches_.PutBack(id, batch, times);
  MarkDirty();
}

void Ledger::SetAfter(BatchId id, BatchId after) {
  batches_.SetAfter(id, after);
  Put(keys::DeliveryBatch(lane_, id), EncodeBatch(batches_.Find(id)->stored));
  MarkDirty();
}

void Ledger::EndBatch(BatchId id) {
  Delete(keys::DeliveryBatch(lane_, id));
  batches_.Erase(id);
  MarkDirty();
}

void Ledger::SettleDead(Position at, const StoredDead& dead, const DeadFacts& facts, bool row) {
  const bool kept = row && at.offset < partitions_[at.partition].releasing;
  if (kept) {
    // The kept body now belongs to the dead letter.
    DeleteRow(at);
    Touch(at.partition);
  } else {
    Settle(at, row);
  }
  PartitionState& partition = partitions_[at.partition];
  partition.dead.Add(at.offset, at.offset + 1);
  ++partition.counts.dead_lettered;
  Put(keys::DeadLetter(lane_, at), EncodeDead(dead));
  Put(keys::DeadLetterAge(lane_, dead.at_us, at),
      EncodeDeadAge({.attempts = dead.attempts, .facts = facts}));
  dead_bytes_ += facts.bytes;
  if (on_dead_) on_dead_(at, dead, facts);
  MarkDirty();
}

void Ledger::DropRow(Position at, UnixMicros now_us) {
  Settle(at, true);
  ++partitions_[at.partition].counts.dropped;
  NoteDropped(at.partition, DropRule::kRetention, now_us, {{at.offset, at.offset + 1}});
}

void Ledger::NoteDropped(log::Partition p, DropRule rule, UnixMicros now_us,
                         const std::vector<OffsetRange>& runs) {
  StoredDropped group{.rule = rule, .at_us = now_us, .runs = {}};
  for (const auto& [first, end] : runs) Touch(p).counts.of(rule) += end - first;
  const auto put = [&] {
    if (group.runs.empty()) return;
    Put(keys::Dropped(lane_, {p, group.runs.front().first}), EncodeDropped(group));
    group.runs.clear();
  };
  for (auto [first, end] : runs) {
    while (first < end) {
      const log::Offset block = first / kDroppedBlock;
      const bool other = !group.runs.empty() && group.runs.front().first / kDroppedBlock != block;
      if (other || group.runs.size() == kRunsPerRowMax) put();
      const log::Offset until = std::min(end, (block + 1) * kDroppedBlock);
      AddToRuns(group.runs, first, until);
      first = until;
    }
  }
  put();
  if (!runs.empty()) MarkDirty();
}

// The rows of a dead letter go; its kept body and its attempts stay.
bool Ledger::TakeDead(const DeadEntry& entry) {
  if (!IsDead(entry.at)) return false;
  PartitionState& partition = Touch(entry.at.partition);
  partition.dead.Remove(entry.at.offset);
  --partition.counts.dead_lettered;
  dead_bytes_ -= entry.age.facts.bytes;
  Delete(keys::DeadLetter(lane_, entry.at));
  Delete(keys::DeadLetterAge(lane_, entry.died_at_us, entry.at));
  MarkDirty();
  return true;
}

bool Ledger::Redrive(const DeadEntry& entry, UnixMicros now_us, MonoNanos now) {
  if (!TakeDead(entry)) return false;
  const StoredWaiting waiting{.due_us = now_us,
                              .attempts = entry.age.attempts,
                              .since_us = now_us,
                              .redriven_after = entry.age.attempts};
  rows_.Put(entry.at, waiting, {.due = now, .since = now});
  Put(keys::Waiting(lane_, entry.at), EncodeWaiting(waiting));
  CountChanged();
  return true;
}

bool Ledger::DropDead(const DeadEntry& entry) {
  if (!TakeDead(entry)) return false;
  PartitionState& partition = partitions_[entry.at.partition];
  ++partition.counts.dropped;
  if (entry.at.offset < partition.releasing) Delete(keys::KeptBody(lane_, entry.at));
  CountChanged();
  return true;
}

void Ledger::DropRows(UnixMicros now_us) {
  for (log::Partition p = 0; p < partitions_.size(); ++p) {
    PartitionState& partition = Touch(p);
    std::vector<OffsetRange> runs;
    for (const Position at : rows_.In(p)) {
      ++partition.counts.dropped;
      DeleteRow(at);
      if (at.offset < partition.releasing) Delete(keys::KeptBody(lane_, at));
      AddToRuns(runs, at.offset, at.offset + 1);
    }
    NoteDropped(p, DropRule::kReplayCancelled, now_us, runs);
  }
  rows_ = {};
  for (const auto& [id, batch] : batches_.all()) Delete(keys::DeliveryBatch(lane_, id));
  batches_ = {};
  MarkDirty();
}

void Ledger::DropAllDead(UnixMicros now_us) {
  for (log::Partition p = 0; p < partitions_.size(); ++p) {
    if (partitions_[p].dead.empty()) continue;
    PartitionState& partition = Touch(p);
    std::vector<OffsetRange> runs;
    for (const auto& [first, end] : partition.dead.ranges()) {
      AddToRuns(runs, first, end);
      partition.counts.dropped += end - first;
      partition.counts.dead_lettered -= end - first;
      for (log::Offset o = first; o < std::min(end, partition.releasing); ++o) {
        Delete(keys::KeptBody(lane_, {p, o}));
      }
    }
    partition.dead = {};
    NoteDropped(p, DropRule::kDestinationDeleted, now_us, runs);
  }
  dead_bytes_ = 0;
  for (const std::string& prefix : {keys::DeadLettersOf(lane_), keys::DeadLetterAgesOf(lane_)}) {
    changes_.DeleteRange(Family::kOwned, prefix, store::PrefixEnd(prefix));
  }
  MarkDirty();
}

void Ledger::AddAttempt(Position at, const StoredAttempt& attempt) {
  const auto slot = static_cast<std::uint8_t>((attempt.number - 1) % kAttemptsKept);
  Put(keys::Attempt(lane_, at, slot), EncodeAttempt(attempt));
}

void Ledger::KeepBody(const log::RecordView& record) {
  Put(keys::KeptBody(lane_, {record.partition, record.offset}), EncodeKept(record));
  MarkDirty();
}

void Ledger::BeginRelease(log::Partition p, log::Offset end) {
  partitions_[p].releasing = std::max(partitions_[p].releasing, end);
}

void Ledger::SetReleased(log::Partition p, log::Offset end) {
  PartitionState& partition = Touch(p);
  partition.released = std::max(partition.released, end);
  MarkDirty();
}

void Ledger::Retire(const std::vector<log::Offset>& ends, const std::vector<Position>& unanswered,
                    UnixMicros now_us) {
  // What was about to be written stays in the batch: the rows that go are deleted after it, and
  // which pairs a rule dropped a moment ago must be known.
  for (log::Partition p = 0; p < partitions_.size(); ++p) {
    std::vector<Position> lost = Unfinished(p);
    std::ranges::copy_if(unanswered, std::back_inserter(lost),
                         [p](Position at) { return at.partition == p; });
    std::ranges::sort(lost);
    PartitionState& partition = Touch(p);
    partition.counts.dropped += lost.size();
    partition.counts.dead_lettered = 0;
    partition.released = ends[p];
    partition.dead = {};
    std::vector<OffsetRange> runs;
    for (const Position at : lost) AddToRuns(runs, at.offset, at.offset + 1);
    NoteDropped(p, DropRule::kDestinationDeleted, now_us, runs);
  }
  rows_ = {};
  batches_ = {};
  dead_bytes_ = 0;
  for (const std::string& prefix :
       {keys::WaitingOf(lane_), keys::AllFollowersOf(lane_), keys::DeliveryBatchesOf(lane_),
        keys::DeadLettersOf(lane_), keys::DeadLetterAgesOf(lane_), keys::KeptBodiesOf(lane_),
        keys::AttemptsOf(lane_)}) {
    changes_.DeleteRange(Family::kOwned, prefix, store::PrefixEnd(prefix));
  }
  MarkDirty();
}

// Positions of all rows: what waits, and dead letters.
std::vector<Position> Ledger::Unfinished(log::Partition p) const {
  std::vector<Position> out = rows_.In(p);
  for (const auto& [first, end] : partitions_[p].dead.ranges()) {
    for (log::Offset offset = first; offset < end; ++offset) out.push_back({p, offset});
  }
  return out;
}

void Ledger::MarkDirty() {
  CountChanged();
  if (!soon_ && world_.verdicts != nullptr) {
    // Asked for now, so that it happens while outcomes gather and not after.
    for (log::Partition p = 0; p < partitions_.size(); ++p) {
      if (world_.verdicts->synced(p) < partitions_[p].high) {
        world_.verdicts->RequestSync();
        break;
      }
    }
  }
  dirty_ = soon_ = true;
  ArmCommit(true);
}

void Ledger::ArmCommit(bool soon) {
  if (under_way_ || failed_) return;
  if (timer_ != 0 && (timer_soon_ || !soon)) return;
  if (timer_ != 0) world_.loop->Cancel(std::exchange(timer_, 0));
  timer_soon_ = soon;
  const MonoNanos interval =
      std::max<MonoNanos>(world_.commit_interval_ns, soon ? 1 : kFilteredCommitInterval);
  const MonoNanos tick = (world_.loop->Now() / interval + 1) * interval;
  timer_ = world_.loop->At(tick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->timer_ = 0;
      self->Submit();
    }
  });
}

void Ledger::Commit(store::Batch changes, Persisted done) {
  changes_.Append(std::move(changes));
  dones_.push_back(std::move(done));
  dirty_ = true;
  urgent_ = true;
  if (!under_way_) Submit();
}

StoredCursor Ledger::CursorOf(const PartitionState& state) const {
  StoredCursor stored{.cursor = state.progress.cursor(),
                      .start = state.start,
                      .released = state.released,
                      .counts = state.counts};
  for (const auto& range : state.progress.above().ranges()) stored.above.push_back(range);
  return stored;
}

// From where the log must keep records for this lane: what is not settled, and rows whose event was
// not copied.
log::Offset Ledger::HeldFrom(log::Partition p) const {
  const PartitionState& partition = partitions_[p];
  log::Offset lowest = partition.progress.cursor();
  if (const auto row = rows_.LowestFrom({p, partition.released})) lowest = std::min(lowest, *row);
  if (const auto dead = partition.dead.FirstFrom(partition.released)) {
    lowest = std::min(lowest, *dead);
  }
  return lowest;
}

void Ledger::Submit() {
  if (!dirty_ || under_way_) return;
  if (timer_ != 0) world_.loop->Cancel(std::exchange(timer_, 0));
  dirty_ = soon_ = urgent_ = false;
  under_way_ = true;
  Committer::Submission submission;
  std::vector<log::Offset> held;
  for (log::Partition p = 0; p < partitions_.size(); ++p) {
    PartitionState& partition = partitions_[p];
    if (std::exchange(partition.changed, false)) {
      Put(keys::Cursor(lane_, p), EncodeCursor(CursorOf(partition)));
    }
    submission.high.push_back(partition.high);
    held.push_back(HeldFrom(p));
  }
  submission.batch = std::exchange(changes_, {});
  bytes_ = 0;
  submission.done = [self = shared_from_this(), held = std::move(held),
                     dones = std::exchange(dones_, {})](const Status& status) mutable {
    if (status) {
      for (std::size_t p = 0; p < held.size(); ++p) self->published_[p].store(held[p]);
    }
    os::Executor* loop = self->world_.loop;
    loop->Post([self = std::move(self), status, dones = std::move(dones)]() mutable {
      self->OnWritten(status, std::move(dones));
    });
  };
  world_.committer->Submit(std::move(submission));
}

void Ledger::OnWritten(const Status& status, std::vector<Persisted> dones) {
  under_way_ = false;
  if (!status && !failed_) {
    failed_ = true;
    LogError("delivery_outcomes_not_durable",
             {{"lane", lane_}, {"error", status.error().ToString()}});
  }
  for (Persisted& done : dones) done(status);
  if (failed_) {
    for (Persisted& done : std::exchange(dones_, {})) done(status);
  } else if (dirty_) {
    urgent_ ? Submit() : ArmCommit(soon_);
  }
  if (on_commit_) on_commit_();
}

Counts Ledger::counts() const {
  return {.delivered = delivered_.load(std::memory_order_relaxed),
          .filtered = filtered_.load(std::memory_order_relaxed),
          .dead_lettered = dead_.load(std::memory_order_relaxed),
          .dropped = dropped_.load(std::memory_order_relaxed),
          .by_rule = DroppedByRule()};
}

std::array<std::uint64_t, kDropRules> Ledger::DroppedByRule() const {
  std::array<std::uint64_t, kDropRules> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = dropped_by_[i].load(std::memory_order_relaxed);
  }
  return out;
}

void Ledger::CountChanged() {
  Counts sum;
  for (const PartitionState& partition : partitions_) {
    sum.delivered += partition.counts.delivered;
    sum.filtered += partition.counts.filtered;
    sum.dead_lettered += partition.counts.dead_lettered;
    sum.dropped += partition.counts.dropped;
    for (std::size_t i = 0; i < kDropRules; ++i) sum.by_rule[i] += partition.counts.by_rule[i];
  }
  for (std::size_t i = 0; i < kDropRules; ++i) {
    dropped_by_[i].store(sum.by_rule[i], std::memory_order_relaxed);
  }
  delivered_.store(sum.delivered, std::memory_order_relaxed);
  filtered_.store(sum.filtered, std::memory_order_relaxed);
  dead_.store(sum.dead_lettered, std::memory_order_relaxed);
  dropped_.store(sum.dropped, std::memory_order_relaxed);
  waiting_.store(rows_.size() - rows_.followers() - rows_.members() + batches_.retrying(),
                 std::memory_order_relaxed);
  followers_.store(rows_.followers(), std::memory_order_relaxed);
}

}  // namespace tributary::deliver
