#include "log/writer.h"

#include <algorithm>

#include "base/check.h"
#include "base/logging.h"

namespace tributary::log {

Writer::Writer(const LogWorld& world, const LogOptions& options, Partition partition,
               std::string dir, SegmentSet& segments, TailWindow& window, CommitQueue& queue,
               Preparer& preparer, const WritePoint& start, Committed committed, Committed wake)
    : clock_(*world.clock),
      options_(options),
      partition_(partition),
      segments_(segments),
      window_(window),
      queue_(queue),
      committed_(std::move(committed)),
      wake_(std::move(wake)),
      active_(world, options, partition, std::move(dir), segments, preparer, start),
      next_(start.next),
      synced_(start.next),
      newest_us_(start.newest_us),
      assigned_(start.next),
      next_segment_bytes_(active_.NextBytes()) {
  wants_next_.store(active_.WantsNext());
}

void Writer::Begin() {
  if (segments_.count() == 0) MakeRoom();
}

// ---- Steps

bool Writer::Step() {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  queue_.TakeAll(pending_);
  if (poisoned_.load()) {
    FailPending(*poison());
    closed_.store(closing_.load());
    return false;
  }
  if (SyncDue()) return SyncNow();
  if (!pending_.empty()) {
    CommitNext();
    return true;
  }
  return RollIfRequested() || IdleStep();
}

bool Writer::IdleStep() {
  if (closing_.load()) return CloseStep();
  const bool says_so = options_.sync != SyncMode::kNone;
  if (marked_ || !says_so || clock_.Monotonic() - last_commit_ns_ < kIdleMarkAfterNs) return false;
  if (synced_ < next_) return SyncNow();
  if (const Status marked = WriteMark(0); !marked) Poison(marked.error());
  return true;
}

bool Writer::CloseStep() {
  if (closed_.load()) return false;
  if (synced_ < next_ && !SyncNow()) return true;
  if (!marked_ || options_.sync == SyncMode::kNone) {
    if (const Status marked = WriteMark(kCommitClose); !marked) Poison(marked.error());
  }
  closed_.store(true);
  return true;
}

bool Writer::RollIfRequested() {
  if (!roll_requested_.exchange(false)) return false;
  const auto last = segments_.last();
  if (!last || last->sealed || last->end == last->header.base) return false;
  MakeRoom();
  return true;
}

MonoNanos Writer::IdleFor() const {
  MonoNanos due = -1;
  const auto at = [&](MonoNanos when) {
    const MonoNanos wait = std::max<MonoNanos>(0, when - clock_.Monotonic());
    due = due < 0 ? wait : std::min(due, wait);
  };
  if (taken_ < pending_.size() || roll_requested_.load()) return 0;
  if (closing_.load() || poisoned_.load()) return -1;
  if (!marked_ && options_.sync != SyncMode::kNone) at(last_commit_ns_ + kIdleMarkAfterNs);
  if (!unpublished_.empty()) at(unsynced_since_ns_ + options_.sync_interval_ns);
  return due;
}

// ---- One group

Writer::Group Writer::FormGroup() const {
  Group group;
  group.first = next_;
  const std::uint64_t bytes_max = std::min(options_.commit_bytes_max, active_.room());
  for (std::size_t i = taken_; i < pending_.size(); ++i) {
    const Batch& batch = *pending_[i].batch;
    const bool fits = group.bytes + batch.bytes() <= bytes_max;
    // A batch is never split, so one above the commit limit is a group of its own.
    const bool alone = group.batches == 0 && batch.bytes() <= active_.room();
    if (!fits && !alone) break;
    group.bytes += batch.bytes();
    group.records += static_cast<std::uint32_t>(batch.records());
    ++group.batches;
  }
  return group;
}

bool Writer::MakeRoom() {
  if (synced_ < next_ && !SyncNow()) return false;
  const std::uint64_t bytes = pending_.empty() ? 1 : pending_[taken_].batch->bytes();
  const Status rolled = active_.Roll(bytes, next_, newest_us_);
  if (rolled) {
    marked_ = true;
    next_segment_bytes_.store(active_.NextBytes());
    wants_next_.store(active_.WantsNext());
    return true;
  }
  if (rolled.error().code() == ErrorCode::kIo) {
    Poison(rolled.error());
    return false;
  }
  wants_next_.store(true);
  queue_.Refuse(rolled.error());
  queue_.TakeAll(pending_);
  FailPending(rolled.error());
  return false;
}

void Writer::CommitNext() {
  Group group = FormGroup();
  if (group.batches == 0) {
    if (!MakeRoom()) return;
    group = FormGroup();
    CHECK(group.batches > 0);
  }
  Stamp(group);
  if (const Status written = WriteGroup(group); !written) return Poison(written.error());
  next_ += group.records;
  marked_ = false;
  wants_next_.store(active_.WantsNext());
  commits_.fetch_add(1, std::memory_order_relaxed);
  records_.fetch_add(group.records, std::memory_order_relaxed);
  if (options_.sync == SyncMode::kAlways) synced_ = next_;
  auto chunk = ChunkOf(group);
  if (options_.sync == SyncMode::kInterval) {
    if (unpublished_.empty()) unsynced_since_ns_ = last_commit_ns_;
    unpublished_.push_back({std::move(chunk), active_.position()});
  } else {
    Publish(std::move(chunk), active_.position());
  }
  Answer(group);
  if (unpublished_.empty()) wake_(next_);
}

void Writer::Stamp(Group& group) {
  answers_.clear();
  Offset offset = group.first;
  // Given out before anybody can see them: a change of rules that reads assigned() from now on
  // comes after these records.
  assigned_.store(offset + group.records);
  const UnixMicros newest_before = newest_us_;
  for (std::size_t i = taken_; i < taken_ + group.batches; ++i) {
    answers_.push_back(offset);
    Batch& batch = *pending_[i].batch;
    char* const frames = BatchAccess::bytes(batch).data();
    for (const std::uint32_t start : BatchAccess::starts(batch)) {
      newest_us_ = StampRecord(frames + start, offset++, newest_us_, active_.seed());
      if (offset == group.first + 1) group.first_at_us = newest_us_;
    }
  }
  CommitMark mark;
  mark.flags = options_.sync == SyncMode::kNone ? kCommitUnsynced : 0;
  mark.first = group.first;
  mark.synced_below = synced_;
  mark.count = group.records;
  mark.bytes = static_cast<std::uint32_t>(group.bytes);
  mark.newest_us = newest_before;
  mark_bytes_.clear();
  EncodeCommit(mark, active_.seed(), mark_bytes_);
}

Status Writer::WriteGroup(const Group& group) {
  parts_.clear();
  parts_.push_back(mark_bytes_);
  for (std::size_t i = taken_; i < taken_ + group.batches; ++i) {
    parts_.push_back(BatchAccess::bytes(*pending_[i].batch));
  }
  active_.Index(group.first, group.first_at_us);
  const MonoNanos before = clock_.Monotonic();
  TRY(active_.Append(parts_));
  if (options_.sync == SyncMode::kAlways) TRY(active_.Sync());
  last_commit_ns_ = clock_.Monotonic();
  last_sync_ns_.store(last_commit_ns_ - before, std::memory_order_relaxed);
  bytes_.fetch_add(group.bytes, std::memory_order_relaxed);
  return {};
}

std::shared_ptr<const FrameChunk> Writer::ChunkOf(const Group& group) {
  std::vector<FrameRun> runs;
  runs.reserve(group.batches);
  for (std::size_t i = taken_; i < taken_ + group.batches; ++i) {
    runs.push_back(BatchAccess::Take(*pending_[i].batch));
  }
  return std::make_shared<FrameChunk>(partition_, group.first, group.first + group.records,
                                      std::move(runs));
}

void Writer::Publish(std::shared_ptr<const FrameChunk> chunk, std::uint64_t data_bytes) {
  const Offset end = chunk->end();
  segments_.Advance(end, newest_us_, data_bytes);
  window_.Add(std::move(chunk));
  committed_(end);
}

void Writer::Answer(const Group& group) {
  queue_.Finished(group.bytes);
  for (const Offset first : answers_) {
    pending_[taken_++].done(Appended{first});
  }
}

// ---- Syncs and marks

bool Writer::SyncDue() const {
  if (unpublished_.empty()) return false;
  std::uint64_t bytes = 0;
  for (const Unpublished& waiting : unpublished_) bytes += waiting.chunk->bytes();
  return bytes > options_.tail_window_bytes ||
         clock_.Monotonic() - unsynced_since_ns_ >= options_.sync_interval_ns;
}

// Makes everything written durable and shows it to readers. True if anything was done.
bool Writer::SyncNow() {
  if (const Status synced = active_.Sync(); !synced) {
    Poison(synced.error());
    return false;
  }
  synced_ = next_;
  for (Unpublished& waiting : unpublished_) Publish(std::move(waiting.chunk), waiting.data_bytes);
  if (!unpublished_.empty()) wake_(synced_);
  unpublished_.clear();
  return true;
}

Status Writer::WriteMark(std::uint8_t flags) {
  marked_ = true;
  if (!active_.FitsMark()) return {};
  CommitMark mark;
  mark.flags = flags;
  mark.first = next_;
  mark.synced_below = synced_;
  mark.newest_us = newest_us_;
  mark_bytes_.clear();
  EncodeCommit(mark, active_.seed(), mark_bytes_);
  parts_.assign(1, mark_bytes_);
  TRY(active_.Append(parts_));
  TRY(active_.Sync());
  segments_.Advance(next_, newest_us_, active_.position());
  return {};
}

// ---- Failure

void Writer::Poison(const Error& error) {
  const Error reason(ErrorCode::kUnavailable, "log poisoned: " + error.message());
  LogError("log_poisoned", {{"partition", partition_}, {"reason", error.message()}});
  {
    const std::lock_guard lock(poison_mutex_);
    poison_ = reason;
  }
  poisoned_.store(true);
  queue_.RefuseForGood(reason);
  queue_.TakeAll(pending_);
  unpublished_.clear();
  FailPending(reason);
}

void Writer::FailPending(const Error& error) {
  for (; taken_ < pending_.size(); ++taken_) {
    PendingBatch& failed = pending_[taken_];
    queue_.Finished(failed.batch->bytes());
    failed.done(Fail(error));
  }
}

std::optional<Error> Writer::poison() const {
  const std::lock_guard lock(poison_mutex_);
  return poison_;
}

}  // namespace tributary::log
