#include "support/memory_log.h"

#include <algorithm>

#include "base/check.h"
#include "log/batch.h"
#include "log/chunk.h"
#include "log/frame.h"

namespace tributary::test {

using log::Batch;
using log::BatchAccess;
using log::Chunk;
using log::FrameChunk;
using log::FrameRun;
using log::Offset;
using log::Partition;
using log::RecordView;

struct MemoryLog::Part {
  Offset first = 0;
  Offset committed = 0;
  Offset assigned = 0;
  UnixMicros newest_us = 0;
  std::deque<std::shared_ptr<const FrameChunk>> chunks;  // one per batch, in order
  std::map<Offset, Offset> leaps;                        // from where to where
};

struct MemoryLog::Pending {
  Partition partition;
  std::unique_ptr<Batch> batch;
  log::AppendDone done;
};

namespace {

// The frames of a chunk that `keep` says yes to, as a chunk over the same offsets.
template <class Keep>
std::shared_ptr<const FrameChunk> Filtered(const FrameChunk& chunk, Partition partition,
                                           Offset first, const Keep& keep) {
  FrameRun run;
  for (const RecordView& record : chunk.From(chunk.first())) {
    if (!keep(record)) continue;
    run.starts.push_back(static_cast<std::uint32_t>(run.bytes.size()));
    log::EncodeRecord(record.fields, std::span(&record.payload, 1), record.payload.size(),
                      run.bytes);
    log::StampRecord(run.bytes.data() + run.starts.back(), record.offset, 0, 0);
  }
  std::vector<FrameRun> runs;
  runs.push_back(std::move(run));
  return std::make_shared<FrameChunk>(partition, first, chunk.end(), std::move(runs));
}

}  // namespace

MemoryLog::MemoryLog(std::uint32_t partitions, CommitMode mode) : mode_(mode) {
  for (std::uint32_t i = 0; i < partitions; ++i) parts_.push_back(std::make_unique<Part>());
}
MemoryLog::~MemoryLog() = default;

MemoryLog::Part& MemoryLog::part(Partition partition) const {
  CHECK_OP(partition, <, parts_.size());
  return *parts_[partition];
}

std::uint32_t MemoryLog::partitions() const {
  return static_cast<std::uint32_t>(parts_.size());
}

Status MemoryLog::Append(Partition partition, std::unique_ptr<Batch>& batch, log::AppendDone done) {
  if (batch == nullptr || batch->empty()) return Fail(ErrorCode::kInvalid, "an empty batch");
  {
    const std::lock_guard lock(mutex_);
    if (refuse_) return Fail(*refuse_);
    part(partition).assigned += batch->records();
    pending_.push_back({partition, std::move(batch), std::move(done)});
  }
  if (mode_ == CommitMode::kAutomatic) Commit();
  return {};
}

void MemoryLog::Commit() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (pending_.empty()) return;
    Pending next = std::move(pending_.front());
    pending_.pop_front();
    lock.unlock();
    CommitOne(std::move(next));
  }
}

void MemoryLog::CommitOne(Pending pending) {
  log::Appended appended;
  Offset committed = 0;
  std::vector<CommitListener> listeners;
  {
    const std::lock_guard lock(mutex_);
    Part& to = part(pending.partition);
    appended.first = to.committed;
    Offset offset = to.committed;
    for (const std::uint32_t start : BatchAccess::starts(*pending.batch)) {
      to.newest_us = log::StampRecord(BatchAccess::bytes(*pending.batch).data() + start, offset++,
                                      to.newest_us, 0);
    }
    std::vector<FrameRun> runs;
    runs.push_back(BatchAccess::Take(*pending.batch));
    to.chunks.push_back(
        std::make_shared<FrameChunk>(pending.partition, to.committed, offset, std::move(runs)));
    committed = to.committed = offset;
    listeners = listeners_;
    ++commits_;
  }
  pending.done(appended);
  for (const CommitListener& listener : listeners) listener(pending.partition, committed);
}

void MemoryLog::FailPending(const Error& error) {
  std::deque<Pending> failed;
  {
    const std::lock_guard lock(mutex_);
    failed.swap(pending_);
    for (const auto& part : parts_) part->assigned = part->committed;
  }
  for (Pending& pending : failed) pending.done(Fail(error));
}

void MemoryLog::RefuseAppends(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  refuse_ = std::move(error);
}

void MemoryLog::FailReads(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  unreadable_ = std::move(error);
}

void MemoryLog::RetainTo(Partition partition, Offset end) {
  const std::lock_guard lock(mutex_);
  Part& p = part(partition);
  end = std::min(end, p.committed);
  while (!p.chunks.empty() && p.chunks.front()->end() <= end) p.chunks.pop_front();
  if (!p.chunks.empty() && p.chunks.front()->first() < end) {
    p.chunks.front() = Filtered(*p.chunks.front(), partition, end,
                                [end](const RecordView& r) { return r.offset >= end; });
  }
  p.first = std::max(p.first, end);
}

void MemoryLog::Lose(Partition partition, Offset offset) {
  const std::lock_guard lock(mutex_);
  for (auto& chunk : part(partition).chunks) {
    if (offset < chunk->first() || offset >= chunk->end()) continue;
    chunk = Filtered(*chunk, partition, chunk->first(),
                     [offset](const RecordView& r) { return r.offset != offset; });
  }
}

void MemoryLog::Leap(Partition partition, Offset to) {
  const std::lock_guard lock(mutex_);
  Part& p = part(partition);
  CHECK_OP(p.assigned, ==, p.committed);
  CHECK_OP(p.committed, <, to);
  p.leaps.emplace(p.committed, to);
  p.committed = p.assigned = to;
}

void MemoryLog::SetSegments(std::uint64_t records, std::string dir) {
  const std::lock_guard lock(mutex_);
  segment_records_ = records;
  dir_ = std::move(dir);
}

void MemoryLog::AskRelease(Partition partition, Offset end) {
  std::vector<std::shared_ptr<log::Holder>> holders;
  {
    const std::lock_guard lock(mutex_);
    holders = holders_;
  }
  for (const auto& holder : holders) {
    if (holder->synced_cursor(partition) < end) holder->ReleaseBelow(partition, end);
  }
}

Offset MemoryLog::HeldFrom(Partition partition) const {
  const std::lock_guard lock(mutex_);
  Offset lowest = ~Offset{0};
  for (const auto& holder : holders_) lowest = std::min(lowest, holder->synced_cursor(partition));
  return lowest;
}

Offset MemoryLog::first(Partition partition) const {
  const std::lock_guard lock(mutex_);
  return part(partition).first;
}
Offset MemoryLog::committed(Partition partition) const {
  const std::lock_guard lock(mutex_);
  return part(partition).committed;
}
Offset MemoryLog::assigned(Partition partition) const {
  const std::lock_guard lock(mutex_);
  return part(partition).assigned;
}

Result<std::shared_ptr<const Chunk>> MemoryLog::Read(Partition partition, Offset from,
                                                     std::size_t /*bytes_wanted*/) {
  const std::lock_guard lock(mutex_);
  if (unreadable_) return Fail(*unreadable_);
  const Part& p = part(partition);
  auto at = std::ranges::upper_bound(p.chunks, from, {}, [](const auto& c) { return c->end(); });
  for (; at != p.chunks.end(); ++at) {
    if (!(*at)->From(from).empty()) return *at;
  }
  return Fail(ErrorCode::kNotFound, "nothing at or after " + std::to_string(from) + " yet");
}

Result<Offset> MemoryLog::OffsetAtTime(Partition partition, UnixMicros at) {
  const std::lock_guard lock(mutex_);
  const Part& p = part(partition);
  for (const auto& chunk : p.chunks) {
    for (const RecordView& record : chunk->From(chunk->first())) {
      if (record.fields.received_at_us >= at) return record.offset;
    }
  }
  return p.committed;
}

void MemoryLog::OnCommit(CommitListener listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}
void MemoryLog::AddHolder(std::shared_ptr<log::Holder> holder) {
  const std::lock_guard lock(mutex_);
  holders_.push_back(std::move(holder));
}
void MemoryLog::RemoveHolder(const log::Holder* holder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(holders_, [holder](const auto& h) { return h.get() == holder; });
}

std::vector<log::Log::SegmentInfo> MemoryLog::segments(Partition partition) const {
  const std::lock_guard lock(mutex_);
  const Part& p = part(partition);
  std::vector<SegmentInfo> all;
  for (Offset at = p.first / segment_records_ * segment_records_;;) {
    const auto leap = p.leaps.lower_bound(at);
    const bool cut = leap != p.leaps.end() && leap->first <= at + segment_records_;
    const Offset end = cut ? leap->first : at + segment_records_;
    SegmentInfo info;
    info.partition = partition;
    info.first = at;
    info.sealed = end <= p.committed;
    info.end = info.sealed ? end : p.committed;
    std::string digits = std::to_string(at);
    digits.insert(0, 20 - digits.size(), '0');
    info.path_stem = dir_ + "/p" + std::to_string(partition) + "/" + digits;
    for (const auto& chunk : p.chunks) {
      for (const RecordView& record : chunk->From(at)) {
        if (record.offset < info.end) info.newest_us = record.fields.received_at_us;
      }
    }
    all.push_back(std::move(info));
    if (!all.back().sealed) return all;
    at = cut ? leap->second : end;
  }
}

log::Health MemoryLog::health() const {
  const std::lock_guard lock(mutex_);
  log::Health health;
  if (refuse_) {
    health.writable = false;
    health.reason = refuse_->message();
  }
  return health;
}

log::Stats MemoryLog::stats() const {
  const std::lock_guard lock(mutex_);
  log::Stats stats;
  stats.commits = commits_;
  for (const auto& part : parts_) {
    stats.segments += part->committed / segment_records_ + 1;
    stats.records += part->committed;
  }
  for (const Pending& pending : pending_) stats.queued_bytes += pending.batch->bytes();
  return stats;
}

}  // namespace tributary::test
